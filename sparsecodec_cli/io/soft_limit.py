"""Sound that passes full scale, made softer about the places where it does, for files of whole numbers.

A decoded sound may peak higher than the recording that it stands for, most of all where that was clipped. Clipping it
once more distorts it; here it is turned down as a hand on the volume would do it, before the peak, and up again after.
Where nothing passes full scale within a fifth of a second, samples come as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]

FRAMES_A_SECOND = 200  # of the gain, which moves on straight lines from frame to frame
REACH = 20  # frames to either side for which a peak counts whole; for as many again, the gain goes down to it
_FADE = np.hanning(2 * REACH + 1)[1:-1]  # of 2 · REACH - 1 frames
_FADE = _FADE / _FADE.sum()


class SoftLimited:
    """Blocks float32 [m, channels] of a sound, none beyond full scale. The gain of a sample depends on the sound within
    `margin` samples of it alone, so a part comes out as in the whole, if it comes with its margins.

    Attributes, final when all is read: n_over: values of the blocks that passed full scale; least_gain: 0 … 1, the
    lowest by which a sample was multiplied.
    """

    def __init__(self, blocks: Iterable[Audio], sample_rate: int, first: int, start: int, stop: int) -> None:
        """blocks: samples from `first` on, which is `margin` before start, or 0, to `margin` after stop, or to the end
        of the sound; start, stop: the part that is wanted, samples of the sound."""
        self._blocks, self._first, self._start, self._stop = blocks, first, start, stop
        self._frame = _frame_size(sample_rate)
        self.n_over = 0
        self.least_gain = 1.0

    def __iter__(self) -> Iterator[Audio]:
        at = self._first - self._first % self._frame
        for block, gain in self._with_gains():
            part = slice(max(0, self._start - at), max(0, self._stop - at))
            at += len(block)
            block, gain = block[part], gain[part]
            if not len(block):
                continue
            self.n_over += int(np.count_nonzero(np.abs(block) > 1))
            least = float(gain.min())
            self.least_gain = min(self.least_gain, least)
            yield block if least == 1.0 else np.clip((block * gain[:, None]).astype(np.float32), -1.0, 1.0)

    def _with_gains(self) -> Iterator[tuple[Audio, NDArray[np.float64]]]:
        """The sound from the frame on that `first` lies in, in whole frames but for its end, and gains [m]."""
        frame = self._frame
        held: Audio | None = None
        needed = np.ones(2 * REACH)  # gain that each frame needs, from 2 · REACH frames before the first held on
        for block in self._blocks:
            if held is None:
                held = np.zeros((self._first % frame, block.shape[1]), block.dtype)
            held = np.concatenate([held, block])
            n_seen = len(needed) - 2 * REACH
            n_whole = len(held) // frame
            needed = np.concatenate([needed, _needed(held[n_seen * frame : n_whole * frame], frame)])
            n_ready = n_whole - 2 * REACH
            if n_ready > 0:
                yield held[: n_ready * frame], _gains(needed[: n_ready + 4 * REACH], frame)
                held, needed = held[n_ready * frame :], needed[n_ready:]
        if held is None:
            return
        n_seen, n = len(needed) - 2 * REACH, len(held)
        held = np.concatenate([held, np.zeros((-n % frame, held.shape[1]), held.dtype)])
        needed = np.concatenate([needed, _needed(held[n_seen * frame :], frame), np.ones(2 * REACH)])
        yield held[:n], _gains(needed, frame)[:n]


def margin(sample_rate: int) -> int:
    """Samples on either side that a sample's gain depends on, at most."""
    return (2 * REACH + 1) * _frame_size(sample_rate)


def _frame_size(sample_rate: int) -> int:
    return max(1, round(sample_rate / FRAMES_A_SECOND))


def _needed(samples: Audio, frame: int) -> NDArray[np.float64]:
    """The gain with which each frame of samples [n · frame, channels] stays within full scale: float64 [n]."""
    peak = np.abs(samples).reshape(-1, frame * samples.shape[1]).max(axis=1, initial=0.0)
    return 1.0 / np.maximum(peak.astype(np.float64), 1.0)


def _gains(needed: NDArray[np.float64], frame: int) -> NDArray[np.float64]:
    """The gain of each sample of n frames: float64 [n · frame], 1 exactly where no frame near needs less.

    needed: float64 [n + 4 · REACH], of 2 · REACH frames before, the n frames, and 2 · REACH after.
    """
    windows = np.lib.stride_tricks.sliding_window_view
    lowest = windows(needed, 2 * REACH).min(axis=1)
    bounds = 1.0 - (windows(1.0 - lowest, len(_FADE)) * _FADE).sum(axis=1)[1:-1]  # where frames begin and end: [n + 1]
    share = np.arange(frame) / frame
    return (bounds[:-1, None] * (1.0 - share) + bounds[1:, None] * share).reshape(-1)
