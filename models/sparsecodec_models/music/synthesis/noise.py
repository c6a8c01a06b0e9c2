"""Noise of notes: white noise through a few fixed filters, mixed by levels of bands."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from sparsecodec_models.dsp.arrays import Array, library_of
from sparsecodec_models.dsp.noise import white_noise
from sparsecodec_models.music.config import MusicConfig

from .controls import noise_centres_hz

FFT_SIZE = 4096
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


def noise_bands(
    seed: int,
    channel: int,
    start: int,
    count: int,
    config: MusicConfig,
    like: Array = _CPU,
    heard: NDArray[np.bool_] | None = None,
) -> Array:
    """Samples start … start + count - 1 of white noise through each band's filter: float32 [B, count].

    heard: bool [count], where it is asked for; None: everywhere. Elsewhere it may be 0. like: an array of the library,
    and on the device, that it is wanted in.
    """
    xp = library_of(like)
    if count <= 0:
        return xp.zeros((config.noise_bands, 0), "float32", like)
    taps = config.noise_taps
    hop = FFT_SIZE - taps
    blocks = -(-count // hop)
    asked = np.arange(blocks)
    if heard is not None:
        padded = np.zeros(blocks * hop, bool)
        padded[:count] = heard
        asked = np.flatnonzero(padded.reshape(blocks, hop).any(1))
    responses = xp.asarray(_responses(config), like)[:, None]
    out = xp.zeros((config.noise_bands, blocks, hop), "float32", like)
    for run in np.split(asked, np.flatnonzero(np.diff(asked) > 1) + 1):
        if len(run):
            first, last = int(run[0]), int(run[-1]) + 1
            white = white_noise(seed, channel, start + first * hop - taps // 2, (last - first) * hop + taps, like)
            spectra = xp.rfft(xp.frames(white, FFT_SIZE, hop))  # [blocks, bins]
            out[:, first:last] = xp.irfft(responses * spectra, FFT_SIZE)[:, :, taps // 2 : taps // 2 + hop]
    return out.reshape(config.noise_bands, -1)[:, :count]
