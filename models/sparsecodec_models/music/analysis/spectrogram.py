"""The spectrogram that notes are measured in, and what lies between their partials."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsecodec_models.dsp.stft import hann, stft_of_array

FloatArray = NDArray[np.floating]

SAMPLE_RATE_HZ = 22_050
WINDOW, HOP = 2048, 256
BINS = WINDOW // 2 + 1
BIN_HZ = SAMPLE_RATE_HZ / WINDOW
FRAME_S = HOP / SAMPLE_RATE_HZ
TOP_HZ = 10_500.0  # partials above are not measured
LOBE_BINS = 4  # in which a sinusoid is seen
FLOOR_POWER = 1e-12  # -120 dB re full scale: nothing is heard below

_FLOOR_EDGES_HZ = (0, 300, 600, 1000, 1600, 2400, 3500, 5000, 7500, SAMPLE_RATE_HZ / 2)
_VALLEY = 0.2  # share of a band's bins that count as lying between partials


@dataclass(frozen=True)
class Spectrogram:
    """Frames of 93 ms every 11.6 ms; frame t is centred on sample 256 t, with silence around the recording.

    spectrum complex64 [frames, 1025]
    power    float32 [frames, 1025]: a sinusoid's power, A²/2, at its place
    floor    float32 [frames, 1025]: power of the noise between partials, as far as it shows there
    """

    spectrum: NDArray[np.complexfloating]
    power: FloatArray
    floor: FloatArray

    def __len__(self) -> int:
        return len(self.power)


def spectrogram(samples: FloatArray) -> Spectrogram:
    """The spectrogram of samples, float32 [n] at 22,050 Hz."""
    window = hann(WINDOW)
    # the last frame's centre is at or after the last sample
    padded = np.pad(samples, (WINDOW // 2, WINDOW // 2 + HOP)).astype(np.float32)
    spectrum = stft_of_array(padded, window, HOP).astype(np.complex64)
    power = (spectrum.real**2 + spectrum.imag**2) * np.float32(2.0 / window.sum() ** 2) + np.float32(FLOOR_POWER)
    return Spectrogram(spectrum, power, _between_partials(power))


def _between_partials(power: FloatArray) -> FloatArray:
    """The mean of noise whose powers are exponentially distributed, from a low quantile that partials leave alone."""
    edges = np.round(np.array(_FLOOR_EDGES_HZ) / BIN_HZ).astype(int)
    floor = np.empty_like(power)
    for low, high in itertools.pairwise(edges):
        high = min(high, BINS - 1) + (high >= BINS - 1)
        rank = int(_VALLEY * (high - low))
        valley = np.partition(power[:, low:high], rank, axis=1)[:, rank]
        floor[:, low:high] = (valley / -np.log(1 - _VALLEY))[:, None]
    return floor


def lobes(places: FloatArray) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The bins in which sinusoids are seen, int64 [LOBE_BINS, m], for places in bins [m]; and their power there re that
    at their place, float32 likewise: the Hann window's main lobe. What would lie beyond the spectrum has power 0."""
    bins = np.floor(places).astype(np.int64) + np.arange(-1, LOBE_BINS - 1)[:, None]
    x = bins - places
    # transform of the Hann window: sinc(x) / (1 - x²), with its limit 1/2 at x = ±1
    rest = 1.0 - x * x
    single = np.abs(rest) < 1e-3
    height = np.where(single, 0.5, np.sinc(x) / np.where(single, 1.0, rest))
    inside = (bins >= 0) & (bins < BINS)
    return np.clip(bins, 0, BINS - 1), np.where(inside, height * height, 0.0).astype(np.float32)


def partial_hz(f0_hz: FloatArray | float, inharmonicity: FloatArray | float, order: FloatArray) -> FloatArray:
    """Frequencies of partials 1, 2 … of stiff strings: k f0 √(1 + B k²)."""
    hz: FloatArray = f0_hz * order * np.sqrt(1.0 + inharmonicity * order**2)
    return hz
