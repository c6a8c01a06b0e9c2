"""What a stream holds below 20 Hz: DC and rumble, which nobody hears and which an analysis should not code."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Block = NDArray[np.float32]

CUT_HZ = 20.0  # half of the amplitude stays here
TRANSITION_HZ = 10.0  # about the cut: from 25 Hz on sound is left alone, what lies below 15 Hz is 60 dB down
KAISER_BETA, KAISER_WIDTH = 5.65, 3.62  # for 60 dB: Kaiser & Schafer 1980
LEAST_S = 1 / CUT_HZ  # in less, infrasound cannot be told from sound
LOUD = 5e-3  # share of a channel's energy from which on infrasound costs bits; white noise at 8 kHz holds as much
HIGHEST_RATE = 2**20  # Hz; the filter of a higher one would be too long


@functools.lru_cache(maxsize=4)
def _lowpass(rate: int) -> NDArray[np.float64]:
    """Linear phase, unity at 0 Hz: float64 [taps], an odd number of them."""
    reach = round(KAISER_WIDTH * rate / TRANSITION_HZ / 2)
    n = np.arange(-reach, reach + 1)
    taps: NDArray[np.float64] = np.sinc(min(1.0, 2 * CUT_HZ / rate) * n) * np.kaiser(2 * reach + 1, KAISER_BETA)
    return taps / taps.sum()


def split(blocks: Iterable[Block], rate: int, *, quick: bool = False) -> Iterator[tuple[Block, Block]]:
    """Blocks float32 [m, channels] at `rate` Hz, at most HIGHEST_RATE → (block, infrasound in it), float32
    [k, channels] both, of some 2 s each; if it is to be quick, of at most 1.1 s, which takes more work.

    The result does not depend on how the stream is cut in blocks. Beyond its ends the stream is taken to go on as its
    mirror image, so that DC has no edges.
    """
    taps = _lowpass(rate)
    reach = len(taps) // 2
    fft_size = 1 << max(8, (4 if quick else 8) * reach).bit_length()
    size = fft_size - 2 * reach
    response = np.fft.rfft(taps, fft_size)
    held: Block | None = None
    begun = False
    for block in blocks:
        held = block if held is None else np.concatenate([held, block])
        if not begun and len(held) >= reach:
            held, begun = _mirrored(held, reach, 0), True
        while begun and len(held) >= fft_size:
            yield _split(held[:fft_size], response, reach, fft_size)
            held = held[size:]
    if held is None or not len(held):
        return
    held = _mirrored(held, 0 if begun else reach, reach)
    for start in range(0, len(held) - 2 * reach, size):
        yield _split(held[start : start + fft_size], response, reach, fft_size)


def _mirrored(samples: Block, before: int, after: int) -> Block:
    """So many samples longer: float32 [before + n + after, channels]."""
    return np.pad(samples, ((before, after), (0, 0)), mode="symmetric")


def _split(samples: Block, response: NDArray[np.complex128], reach: int, fft_size: int) -> tuple[Block, Block]:
    """All samples that have all their neighbours, and the infrasound in them. response: the filter's spectrum, of
    fft_size points; reach: its taps to either side."""
    middle = samples[reach : len(samples) - reach]
    low = np.empty_like(middle)
    for channel in range(samples.shape[1]):
        spectrum = np.fft.rfft(samples[:, channel], fft_size)
        low[:, channel] = np.fft.irfft(spectrum * response, fft_size)[2 * reach : len(samples)]
    return middle, low


def is_loud(blocks: Iterable[Block], rate: int, channels: int) -> NDArray[np.bool_]:
    """In which channels of a stream infrasound holds more than LOUD of the energy: bool [channels]. In a stream shorter
    than LEAST_S there is none, and above HIGHEST_RATE none is looked for."""
    energy, low_energy, n_samples = np.zeros(channels), np.zeros(channels), 0
    for block, low in split(blocks, rate) if rate <= HIGHEST_RATE else ():
        energy += np.square(block, dtype=np.float64).sum(axis=0)
        low_energy += np.square(low, dtype=np.float64).sum(axis=0)
        n_samples += len(block)
    return (low_energy > LOUD * energy) & (n_samples >= LEAST_S * rate)
