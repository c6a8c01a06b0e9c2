"""Noise of notes: white noise through a few fixed filters, mixed by levels of bands."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsecodec_models.dsp.arrays import Array, library_of
from sparsecodec_models.dsp.noise import white_noise
from sparsecodec_models.music.config import MusicConfig

from .controls import noise_centres_hz
from .sinusoids import ranges

FFT_SIZE = 4096
BLOCKS_AT_ONCE = 64
_CPU = np.zeros(0, np.float32)


@functools.lru_cache(maxsize=4)
def band_filters(config: MusicConfig) -> NDArray[np.float32]:
    """Of each noise band, a filter: triangular over log frequency, 1 at its centre and 0 at those beside it, flat
    beyond the outermost: float32 [B, taps], centred on tap taps/2. They add up to a single 1."""
    taps = config.noise_taps
    hz = np.fft.rfftfreq(taps, 1 / config.sample_rate)
    centres = np.log(noise_centres_hz(config))
    of = np.log(np.maximum(hz, 1.0))
    shapes = np.stack([np.interp(of, centres, row) for row in np.eye(config.noise_bands)])
    window = np.hanning(taps + 1)[:-1]
    filters = np.fft.fftshift(np.fft.irfft(shapes, taps), axes=1) * window
    return filters.astype(np.float32)


@functools.lru_cache(maxsize=4)
def _responses(config: MusicConfig) -> NDArray[np.float32]:
    """What the filters do to each bin of FFT_SIZE, without delay: float32 [B, bins], real as they are symmetric."""
    padded = np.pad(band_filters(config), ((0, 0), (0, FFT_SIZE - config.noise_taps)))
    responses = np.fft.rfft(np.roll(padded, -config.noise_taps // 2, 1)).real
    return responses.astype(np.float32)


@functools.lru_cache(maxsize=4)
def band_power(config: MusicConfig) -> NDArray[np.float32]:
    """Mean product of each two noise bands, float32 [B, B]."""
    filters = band_filters(config).astype(np.float64)
    power: NDArray[np.float32] = (filters @ filters.T).astype(np.float32)
    return power


@dataclass(frozen=True)
class NoiseBlocks:
    """White noise of a channel, ready to be filtered: from block `first` on the spectra of blocks of FFT_SIZE - taps
    samples, each with what filters of so many taps reach on either side: complex64 [blocks, bins]."""

    config: MusicConfig
    first: int
    spectra: Array

    @staticmethod
    def drawn(seed: int, channel: int, begin: int, stop: int, config: MusicConfig, like: Array = _CPU) -> NoiseBlocks:
        """For samples begin … stop - 1. like: an array of the library, and on the device, that it is wanted in."""
        xp, taps = library_of(like), config.noise_taps
        size = FFT_SIZE - taps
        first, last = begin // size, -(-max(stop, begin + 1) // size)
        white = white_noise(seed, channel, first * size - taps // 2, (last - first) * size + taps, like)
        return NoiseBlocks(config, first, xp.rfft(xp.frames(white, FFT_SIZE, size)))

    def filtered(self, gains: Array, lows: NDArray[np.int64], highs: NDArray[np.int64]) -> list[Array]:
        """Of each of n events samples low … high - 1 of the noise, through the sum of the bands' filters times its
        gains, float32 [n, B]: float32 [high - low]; low < high."""
        if not len(lows):
            return []
        xp, taps = library_of(gains), self.config.noise_taps
        size = FFT_SIZE - taps
        begin, counts = lows // size, (highs - 1) // size - lows // size + 1
        of, block = np.repeat(np.arange(len(lows)), counts), ranges(begin - self.first, counts)
        responses = gains @ xp.asarray(_responses(self.config), gains)
        parts = []
        for at in range(0, len(of), BLOCKS_AT_ONCE):
            some = slice(at, at + BLOCKS_AT_ONCE)
            spectra = xp.taken(self.spectra, xp.asarray(block[some], gains))
            filtered = xp.irfft(spectra * xp.taken(responses, xp.asarray(of[some], gains)), FFT_SIZE)
            parts.append(filtered[:, taps // 2 : taps // 2 + size])
        whole = parts[0] if len(parts) == 1 else xp.concatenate(parts)
        sounds = (x.reshape(-1) for x in xp.split(whole, counts.tolist()))
        cuts = zip((lows - begin * size).tolist(), (highs - begin * size).tolist(), strict=True)
        return [sound[low:high] for sound, (low, high) in zip(sounds, cuts, strict=True)]
