"""Audio on its way to an encoder: a source at any rate, and the same at the model's rate, as blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparsecodec_formats.errors import SicError

from .dsp.resampling import resampled

READ_SAMPLES = 2**15
Progress = Callable[[float], None]
"""Called with the share of the work that is done, 0 … 1."""


class AudioSource(Protocol):
    """Audio to encode: `read(n)` gives the next float32 [m, channels], m < n only at the end; `rewind` goes back to the
    first sample."""

    @property
    def sample_rate(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def n_samples(self) -> int: ...
    def read(self, n: int, /) -> NDArray[np.float32]: ...
    def rewind(self) -> None: ...


class ArraySource:
    """An array as an `AudioSource`: samples [n] or [n, channels], full scale 1; sample_rate in Hz."""

    def __init__(self, samples: ArrayLike, sample_rate: int) -> None:
        array = np.asarray(samples, dtype=np.float32)
        if array.ndim not in (1, 2) or (array.ndim == 2 and not array.shape[1]):
            raise SicError(f"audio has shape {array.shape}; it must be [n] or [n, channels]")
        self._array = array[:, None] if array.ndim == 1 else array
        self.sample_rate = sample_rate
        self._at = 0

    @property
    def channels(self) -> int:
        return self._array.shape[1]

    @property
    def n_samples(self) -> int:
        return len(self._array)

    def read(self, n: int, /) -> NDArray[np.float32]:
        block = self._array[self._at : self._at + n]
        self._at += len(block)
        return block

    def rewind(self) -> None:
        self._at = 0


def read_blocks(source: AudioSource, at_once: int = READ_SAMPLES) -> Iterator[tuple[NDArray[np.float32], bool]]:
    """All of a source from its start, in blocks float32 [m, channels], m at most at_once, each with whether it is the
    last. SicError for audio that is not finite, or shorter than it says."""
    source.rewind()
    n_read = 0
    while n_read < source.n_samples:
        block = np.asarray(source.read(min(at_once, source.n_samples - n_read)), dtype=np.float32)
        if not len(block):
            raise SicError(f"the audio ends after {n_read} of its {source.n_samples} samples")
        if not np.isfinite(block).all():
            raise SicError("the audio holds samples that are NaN or infinite; repair it first")
        n_read += len(block)
        yield block.reshape(len(block), source.channels), n_read == source.n_samples


class ModelRateAudio:
    """A source at the model's rate, to be read from its start as often as an analysis needs to."""

    def __init__(self, source: AudioSource, model_rate: int, progress: Progress | None = None) -> None:
        """model_rate: Hz; progress: of the whole analysis."""
        self._source, self._model_rate, self._progress = source, model_rate, progress

    def blocks(self, begins: float = 0.0, ends: float = 1.0) -> Iterator[NDArray[np.float32]]:
        """All of it, as blocks float32 [m, channels]. begins, ends: share of the analysis that is done before and after
        it. SicError for audio that is not finite, or shorter than it says."""
        source = self._source
        blocks = resampled(read_blocks(source, self._at_once), source.sample_rate, self._model_rate, source.channels)
        for n_blocks, block in enumerate(blocks, start=1):
            yield block
            if self._progress:
                read = min(1.0, n_blocks * self._at_once / source.n_samples)
                self._progress(begins + (ends - begins) * read)

    @property
    def _at_once(self) -> int:
        """Samples of the source to read. Of a source at a few Hz, a block grows by thousands: what comes out is
        bounded, too."""
        return max(1, min(READ_SAMPLES, READ_SAMPLES * self._source.sample_rate // self._model_rate))
