"""Audio on its way to an encoder: a source at any rate, and the same at the model's rate, as blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.header import MAX_CHANNELS, MAX_U32, whole_number

from .dsp import infrasound
from .dsp.resampling import resampled

if TYPE_CHECKING:
    import torch

READ_SAMPLES = 2**15
MOST_PEAK = 128.0  # of floats whose full scale is 1: no sound is 42 dB above it, but unscaled numbers of 16 bits are
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
    """An array as an `AudioSource`. samples: what `full_scale_samples` takes; sample_rate: Hz, a whole number."""

    def __init__(self, samples: ArrayLike | torch.Tensor, sample_rate: int) -> None:
        self._array = full_scale_samples(samples)
        self.sample_rate = whole_number("sample_rate", sample_rate, 1, MAX_U32)
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


def full_scale_samples(samples: ArrayLike | torch.Tensor) -> NDArray[np.float32]:
    """float32 [n, channels] of full scale 1, from an array, a tensor on any device, or nested lists.

    samples: [n] or [n, channels]. Floats stay as they are. Whole numbers of 8, 16 or 32 bits are divided by their full
    scale; uint8 is silent at 128, as in WAV files. Raises SicError for other types, for more than 255 channels or more
    channels than samples, and for floats that were never scaled.
    """
    if isinstance(samples, bytes | bytearray):  # of which numpy would make numbers
        raise SicError("audio is bytes; give samples, or a file object of these bytes: io.BytesIO(audio)")
    if hasattr(samples, "detach"):  # a tensor; torch itself is not needed here
        samples = samples.detach().cpu()
        samples = samples.float() if samples.is_floating_point() else samples  # numpy has no bfloat16
    try:
        array = np.asarray(samples)
    except (ValueError, TypeError, RuntimeError):
        raise SicError("audio is no array of numbers; give samples [n] or [n, channels]") from None
    if array.dtype.kind not in "fiu" or array.ndim == 0:
        kind = type(samples).__name__ if array.ndim == 0 else f"{array.dtype} numbers"
        raise SicError(f"audio is {kind}; give samples [n] or [n, channels], as floats of full scale 1 or int16")
    _check_shape(array.shape)
    scaled = _floats_as_they_are(array) if array.dtype.kind == "f" else _whole_numbers_scaled(array)
    return scaled[:, None] if scaled.ndim == 1 else scaled


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) > 2 or (len(shape) == 2 and not shape[1]):
        raise SicError(f"audio has shape {shape}; it must be [n] or [n, channels]")
    if len(shape) == 2 and shape[1] > shape[0] > 0:
        raise SicError(
            f"audio has shape {shape}: {shape[1]} channels of {shape[0]} samples; it must be [n, channels], so"
            " transpose it (audio.T)"
        )
    if len(shape) == 2 and shape[1] > MAX_CHANNELS:
        raise SicError(f"audio has shape {shape}: {shape[1]} channels; at most {MAX_CHANNELS} can be coded")


def _floats_as_they_are(array: NDArray[np.floating]) -> NDArray[np.float32]:
    peak = float(max(array.max(initial=0), -array.min(initial=0)))
    if MOST_PEAK < peak < np.inf:
        raise SicError(
            f"audio has a peak of {peak:.6g}, where full scale is 1; divide numbers of 16 bits by 32768, or give them"
            " as int16"
        )
    return array.astype(np.float32, copy=False)


def _whole_numbers_scaled(array: NDArray[np.integer]) -> NDArray[np.float32]:
    if array.dtype.name not in ("uint8", "int8", "int16", "int32"):  # in either order of bytes
        raise SicError(f"audio is {array.dtype} numbers, whose full scale is not known; give floats, int16 or int32")
    scaled = array.astype(np.float32)
    if array.dtype == np.uint8:
        scaled -= 128
    return scaled / np.float32(2.0 ** (8 * array.dtype.itemsize - 1))


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
    """A source at the model's rate, to be read from its start as often as an analysis needs to.

    A channel with much of its energy below 20 Hz (`infrasound.LOUD`) comes without what lies there; the others are not
    changed in a bit.
    """

    def __init__(self, source: AudioSource, model_rate: int, progress: Progress | None = None) -> None:
        """model_rate: Hz; progress: of the whole analysis."""
        self._source, self._model_rate, self.progress = source, model_rate, progress
        self._rumbles: NDArray[np.bool_] | None = None  # channels with loud infrasound, once that is known

    @property
    def n_samples(self) -> int:
        """How many there are at the model's rate, about."""
        return self._source.n_samples * self._model_rate // self._source.sample_rate

    def blocks(self, *, tells: bool = True) -> Iterator[NDArray[np.float32]]:
        """All of it, as blocks float32 [m, channels]. tells: whether progress is told, which else is for the analysis.
        SicError for audio that is not finite, or shorter than it says."""
        source, n_read = self._source, 0
        if self._rumbles is None:
            self._rumbles = infrasound.is_loud(self._read(), source.sample_rate, source.channels)

        def counted() -> Iterator[tuple[NDArray[np.float32], bool]]:
            nonlocal n_read
            for block in self._audible():
                n_read += len(block)
                yield block, n_read == source.n_samples

        for block in resampled(counted(), source.sample_rate, self._model_rate, source.channels):
            yield block
            if self.progress and tells:
                self.progress(n_read / source.n_samples)

    def _audible(self) -> Iterator[NDArray[np.float32]]:
        """The source from its first sample on, without infrasound where that is loud."""
        rumbles = self._rumbles
        if rumbles is None or not rumbles.any():
            yield from self._read()
        else:
            for block, low in infrasound.split(self._read(), self._source.sample_rate):
                yield block - low * rumbles

    @property
    def _at_once(self) -> int:
        """Samples of the source to read. Of a source at a few Hz, a block grows by thousands: what comes out is
        bounded, too."""
        return max(1, min(READ_SAMPLES, READ_SAMPLES * self._source.sample_rate // self._model_rate))

    def _read(self) -> Iterator[NDArray[np.float32]]:
        """The source from its first sample on, as it is."""
        return (block for block, _ in read_blocks(self._source, self._at_once))
