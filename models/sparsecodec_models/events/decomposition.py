"""What each event takes out of a sound: the residual of its spectrogram, event by event, from loud to soft.

Vinyard 2025 (arXiv 2505.05654): an event's own magnitudes are subtracted from those that are left, and what that does
to their energy is what the event is worth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsecodec_models.dsp.stft import hann, stft_of_array

from .sounds import EventSound

WINDOW_S = 0.0464  # 1024 samples at 22,050 Hz
HOPS_PER_WINDOW = 4
NEGLIGIBLE_DB = -80.0  # re the loudest magnitude of the sound: frames in which an event has less are as they were

Magnitudes = NDArray[np.float32]


@dataclass(frozen=True)
class Stft:
    """Magnitudes of samples at a rate in Hz: Hann windows of `window` samples, `hop` apart, frame k centred on sample
    k · hop; transforms of twice the window, so that bins are narrow enough to be drawn on a mel scale."""

    sample_rate: int

    @property
    def hop(self) -> int:
        return max(1, round(WINDOW_S * self.sample_rate / HOPS_PER_WINDOW))

    @property
    def window(self) -> int:
        return HOPS_PER_WINDOW * self.hop

    @property
    def bins(self) -> int:
        return self.window + 1

    def n_frames(self, n_samples: int) -> int:
        """Frames whose centre is in n samples."""
        return -(-n_samples // self.hop)

    def frames_of(self, start: int, n_samples: int) -> tuple[int, int]:
        """First frame, and one past the last, of those that hear any of n samples from `start` on."""
        half = self.window // 2
        return (start - half) // self.hop + 1, -(-(start + n_samples + half) // self.hop)

    def magnitudes(self, samples: NDArray[np.float32], start: int, first: int, last: int) -> Magnitudes:
        """Frames first … last - 1 of samples float32 [n], of which the first is sample `start`, with silence around
        them: float32 [last - first, bins]. 1 is a sine at full scale."""
        begin = first * self.hop - self.window // 2
        padded = np.zeros((last - first - 1) * self.hop + self.window, np.float32)
        low, high = max(begin, start), min(begin + len(padded), start + len(samples))
        if high > low:
            padded[low - begin : high - begin] = samples[low - start : high - start]
        window = hann(self.window)
        spectrum = stft_of_array(padded, window, self.hop, 2 * self.window)
        return (np.abs(spectrum) * (2 / window.sum())).astype(np.float32)


@dataclass(frozen=True)
class Removal:
    """One event is taken out: its row; the frames that it changes, residual float32 [frames, bins] from `first` on, as
    they are afterwards (below 0 where events had more than there was); energy_removed, as a share of the sound's energy
    (below 0 where the event added some)."""

    row: int
    first: int
    residual: Magnitudes
    energy_removed: float


def magnitudes(stft: Stft, audio: NDArray[np.float32]) -> Magnitudes:
    """The spectrogram of audio float32 [n, streams], the mean of its streams': float32 [frames, bins]."""
    n_frames = stft.n_frames(len(audio))
    if not n_frames:
        return np.zeros((0, stft.bins), np.float32)
    channels = [stft.magnitudes(audio[:, c], 0, 0, n_frames) for c in range(audio.shape[1])]
    return np.mean(channels, axis=0, dtype=np.float32)


def decompose(
    stft: Stft, audio: NDArray[np.float32], sounds: Sequence[EventSound], start: int = 0
) -> Iterator[Removal]:
    """Take events out of audio float32 [n, streams], those with the most energy first.

    sounds: of the events, at the same rate; their starts count from `start` samples before the audio's first.
    """
    residual = magnitudes(stft, audio)
    n_frames, n_channels = len(residual), audio.shape[1]
    whole = _energy(residual)
    negligible = residual.max(initial=0.0) * 10 ** (NEGLIGIBLE_DB / 20)
    for sound in sorted(sounds, key=_sound_energy, reverse=True):
        begin = sound.start - start
        first, last = (min(max(frame, 0), n_frames) for frame in stft.frames_of(begin, len(sound.samples)))
        if not len(sound.samples) or last <= first:
            yield Removal(sound.row, first, residual[:0], 0.0)
            continue
        taken = stft.magnitudes(sound.samples, begin, first, last) / n_channels
        loud = np.flatnonzero(taken.max(axis=1) > negligible)
        if not len(loud):
            yield Removal(sound.row, first, residual[:0], 0.0)
            continue
        first, taken = first + int(loud[0]), taken[loud[0] : loud[-1] + 1]
        part = residual[first : first + len(taken)]  # a view: writes reach the residual
        before = _energy(part)
        part -= taken
        share = (before - _energy(part)) / whole if whole else 0.0
        yield Removal(sound.row, first, part.copy(), share)


def _energy(values: Magnitudes) -> float:
    return float(np.square(values, dtype=np.float64).sum())


def _sound_energy(sound: EventSound) -> float:
    return float(np.square(sound.samples, dtype=np.float64).sum())
