"""Band grids and the linear maps between band levels and the bins of a synthesis frame."""

from __future__ import annotations

import numpy as np

FloatArray = np.ndarray


def hz_to_mel(hz: FloatArray | float) -> FloatArray:
    """The mel scale of O'Shaughnessy (1987): 2595 log10(1 + f/700)."""
    return 2595.0 * np.log10(1.0 + np.asarray(hz, dtype=np.float64) / 700.0)


def mel_to_hz(mel: FloatArray | float) -> FloatArray:
    return 700.0 * (10.0 ** (np.asarray(mel, dtype=np.float64) / 2595.0) - 1.0)


def band_centres_hz(bands: int, low_hz: float, high_hz: float) -> FloatArray:
    """Centres of `bands` bands, equally spaced on the mel scale, float64 [bands]."""
    return mel_to_hz(np.linspace(hz_to_mel(low_hz), hz_to_mel(high_hz), bands))


def interpolation_matrix(centres_hz: FloatArray, points_hz: FloatArray) -> FloatArray:
    """Linear interpolation on the mel scale, flat beyond the ends: float64 [len(points), len(centres)], rows sum to
    1."""
    x, grid = hz_to_mel(points_hz), hz_to_mel(centres_hz)
    return np.stack([np.interp(x, grid, row) for row in np.eye(len(grid))], axis=1)


def mel_filters(mels: int, fft_size: int, sample_rate: int) -> FloatArray:
    """Triangular mel filters of unit height sum, float64 [mels, fft_size // 2 + 1]; each averages power over its
    band."""
    edges = mel_to_hz(np.linspace(hz_to_mel(20.0), hz_to_mel(sample_rate / 2), mels + 2))
    f = np.linspace(0, sample_rate / 2, fft_size // 2 + 1)
    rise = (f - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - f) / np.diff(edges)[1:, None]
    weights = np.maximum(0.0, np.minimum(rise, fall))
    # a filter narrower than a bin would see nothing: give it its nearest bin
    nearest = np.abs(f[None] - edges[1:-1, None]).argmin(1)
    weights[np.arange(mels), nearest] = np.maximum(weights[np.arange(mels), nearest], 1e-3)
    return weights / weights.sum(1, keepdims=True)
