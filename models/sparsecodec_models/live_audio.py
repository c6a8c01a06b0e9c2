"""Audio without a known end on its way to an encoder: what comes, when it comes, at the model's rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.header import MAX_U32, whole_number

from .audio_source import READ_SAMPLES, ArraySource, full_scale_samples
from .dsp import infrasound
from .dsp.resampling import resampled

FIRST_S = 4.0  # by which it is decided how all is coded


class LiveAudio:
    """A stream of blocks, of which the first seconds are there at once.

    Attributes: sample_rate, Hz; channels; n_samples: so far, with the first seconds; first: these, an `AudioSource`.
    """

    def __init__(self, blocks: Iterable[ArrayLike], sample_rate: int) -> None:
        """blocks: what `full_scale_samples` takes, all of as many channels. Waits for FIRST_S, or the end of all.

        SicError for a stream without samples, and for samples that are not finite.
        """
        self.sample_rate = whole_number("sample_rate", sample_rate, 1, MAX_U32)
        self.channels = 0
        self.n_samples = 0
        self._blocks = self._checked(blocks)
        first: list[NDArray[np.float32]] = []
        while self.n_samples < FIRST_S * self.sample_rate and (block := next(self._blocks, None)) is not None:
            first.append(block)
        if not self.n_samples:
            raise SicError("the audio has no samples; give some")
        self.first = ArraySource(np.concatenate(first), self.sample_rate)

    def at_rate(self, model_rate: int) -> Iterator[NDArray[np.float32]]:
        """All of it at `model_rate` Hz, as blocks float32 [m, channels], which may be empty; once. A channel with much
        of its first seconds' energy below 20 Hz (`infrasound.LOUD`) comes without what lies there."""
        rate = self.sample_rate
        at_once = max(1, min(READ_SAMPLES, READ_SAMPLES * rate // model_rate))
        self.first.rewind()
        first = self.first.read(self.first.n_samples)
        rumbles = infrasound.is_loud([first], rate, self.channels)

        def cut() -> Iterator[NDArray[np.float32]]:
            for block in self._from_first(first):
                yield from (block[i : i + at_once] for i in range(0, len(block), at_once))

        def audible() -> Iterator[NDArray[np.float32]]:
            return (block - low * rumbles for block, low in infrasound.split(cut(), rate, quick=True))

        def ended() -> Iterator[tuple[NDArray[np.float32], bool]]:
            yield from ((block, False) for block in (audible() if rumbles.any() else cut()))
            yield np.zeros((0, self.channels), np.float32), True

        return resampled(ended(), rate, model_rate, self.channels)

    def _from_first(self, first: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        yield first
        yield from self._blocks

    def _checked(self, blocks: Iterable[ArrayLike]) -> Iterator[NDArray[np.float32]]:
        for given in blocks:
            block = full_scale_samples(given)
            if not len(block):
                continue
            self.channels = self.channels or block.shape[1]
            if block.shape[1] != self.channels:
                raise SicError(f"the audio has {self.channels} channels, and then {block.shape[1]}; it must keep them")
            if not np.isfinite(block).all():
                raise SicError("the audio holds samples that are NaN or infinite; repair it first")
            self.n_samples += len(block)
            yield block
