"""Noise of notes: white noise through a few fixed filters, mixed by levels of bands."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

from sparsecodec_models.dsp.noise import white_noise
from sparsecodec_models.music.config import MusicConfig

from .controls import noise_centres_hz

FFT_SIZE = 4096


@functools.lru_cache(maxsize=4)
def band_filters(config: MusicConfig) -> Tensor:
    """Of each noise band, a filter: triangular over log frequency, 1 at its centre and 0 at those beside it, flat
    beyond the outermost: float32 [B, taps], centred on tap taps/2. They add up to a single 1."""
    taps = config.noise_taps
    hz = np.fft.rfftfreq(taps, 1 / config.sample_rate)
    centres = np.log(noise_centres_hz(config))
    of = np.log(np.maximum(hz, 1.0))
    shapes = np.stack([np.interp(of, centres, row) for row in np.eye(config.noise_bands)])
    window = np.hanning(taps + 1)[:-1]
    return torch.tensor(np.fft.fftshift(np.fft.irfft(shapes, taps), axes=1) * window, dtype=torch.float32)


@functools.lru_cache(maxsize=4)
def band_power(config: MusicConfig) -> Tensor:
    """Mean product of each two noise bands, float32 [B, B]."""
    filters = band_filters(config).double()
    return (filters @ filters.T).float()


def noise_bands(
    seed: int, channel: int, start: int, count: int, config: MusicConfig, device: torch.device | str = "cpu"
) -> Tensor:
    """Samples start … start + count - 1 of white noise through each band's filter: float32 [B, count]."""
    if count <= 0:
        return torch.zeros(config.noise_bands, 0, device=device)
    taps = config.noise_taps
    hop = FFT_SIZE - taps
    blocks = -(-count // hop)
    noise = white_noise(seed, channel, start - taps // 2, blocks * hop + taps, torch.empty(0, device=device))
    spectra = torch.fft.rfft(noise.unfold(0, FFT_SIZE, hop))  # [blocks, bins]
    filters = torch.fft.rfft(band_filters(config).to(device), FFT_SIZE)  # [B, bins]
    bands = torch.fft.irfft(filters[:, None] * spectra, FFT_SIZE)[:, :, taps:]
    return bands.reshape(config.noise_bands, -1)[:, :count]
