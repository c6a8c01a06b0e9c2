"""What is no partial: the noise of hammers, breath and bows, and drums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsecodec_models.dsp.stft import hann, stft_of_array
from sparsecodec_models.music.config import MusicConfig
from sparsecodec_models.music.synthesis.controls import noise_centres_hz

from .spectrogram import BIN_HZ, FLOOR_POWER, FRAME_S, SAMPLE_RATE_HZ, Spectrogram

FloatArray = NDArray[np.floating]

_WINDOW, _HOP = 512, 128
STEP_S = _HOP / SAMPLE_RATE_HZ
_T60_S = np.array([0.02, 0.04, 0.07, 0.12, 0.2, 0.35, 0.6, 1.0, 2.0, 5.0])
_FINE = 32
TOGETHER_S = 0.025  # notes that begin closer share what noise begins with them
_ABOVE_SEEN = 2.0  # times what frames see of it, whose window is longer than a short burst
_LONGEST_S = 0.6  # of a burst that is looked at
_NOISE_BANDWIDTH = 1.5  # of the Hann window, bins


@dataclass(frozen=True)
class Bands:
    """Power in 8 bands every 5.8 ms, float64 [frames, 8] each: all there is; and the noise that shows between
    partials."""

    everything: FloatArray
    valleys: FloatArray


def band_edges_hz(config: MusicConfig) -> FloatArray:
    """Edges between the decoder's noise bands, and of the outer ones: float64 [9]."""
    centre = noise_centres_hz(config)
    inner = np.sqrt(centre[1:] * centre[:-1])
    edges: FloatArray = np.concatenate([[20.0], inner, [SAMPLE_RATE_HZ / 2]])
    return edges


def bands_of(samples: FloatArray, sound: Spectrogram, config: MusicConfig) -> Bands:
    """The bands of a recording."""
    window = hann(_WINDOW)
    padded = np.pad(samples, (_WINDOW // 2, _WINDOW // 2 + _HOP)).astype(np.float32)
    spectrum = stft_of_array(padded, window, _HOP)
    power = (spectrum.real**2 + spectrum.imag**2) * (2.0 / (_WINDOW * (window**2).sum()))
    edges = band_edges_hz(config)
    everything = power @ _inside(_WINDOW, edges).T + FLOOR_POWER
    valleys = sound.floor @ _inside(2 * (sound.floor.shape[1] - 1), edges).T / _NOISE_BANDWIDTH
    at = np.arange(len(everything)) * STEP_S / FRAME_S
    near = np.clip(at.round().astype(int), 0, len(valleys) - 1)
    return Bands(everything.astype(np.float64), valleys[near].astype(np.float64))


def _inside(size: int, edges: FloatArray) -> NDArray[np.float32]:
    """Share of each bin in each band, 0 … 1: float32 [bands, bins]."""
    hz = np.arange(size // 2 + 1) * SAMPLE_RATE_HZ / size
    half = SAMPLE_RATE_HZ / size / 2
    low, high = np.maximum(hz - half, edges[:-1, None]), np.minimum(hz + half, edges[1:, None])
    share: NDArray[np.float32] = (np.clip(high - low, 0.0, None) / (2 * half)).astype(np.float32)
    return share


def burst(track: FloatArray, onset_s: float, until_s: float, attack_s: float) -> tuple[FloatArray, float]:
    """Power at full level (float64 [8]) and T60 of a noise that begins at an onset; track: float64 [frames, 8]."""
    first = max(0, round((onset_s - 0.02) / STEP_S))
    before = max(0, first - 4)
    last = min(len(track), round((min(until_s, onset_s + _LONGEST_S)) / STEP_S))
    last = max(last, min(len(track), first + 10))
    seen = track[first:last]
    if len(seen) < 3:
        return np.full(track.shape[1], FLOOR_POWER), 0.15
    base = track[before : first + 1].mean(0)
    rise = np.maximum(seen - base, 0.0)
    shapes = _shapes((first + np.arange(len(seen))) * STEP_S - onset_s, attack_s)  # [T60s, frames]
    # amplitudes, so that the loud beginning is not all
    total = np.sqrt(rise.sum(1))
    fits = np.sqrt(shapes)
    height = np.maximum(fits @ total, 0.0) / (fits**2).sum(1)
    miss = ((total - height[:, None] * fits) ** 2).sum(1)
    best = int(miss.argmin())
    power = (shapes[best][:, None] * rise).sum(0) / (shapes[best] ** 2).sum()
    power = np.minimum(power, _ABOVE_SEEN * rise.max(0))
    return np.maximum(power, FLOOR_POWER), float(_T60_S[best])


def _shapes(since_s: FloatArray, attack_s: float) -> FloatArray:
    """Power of bursts of all T60s as frames see it, float64 [T60s, frames]."""
    inside = (np.arange(_WINDOW // _FINE) + 0.5) * _FINE - _WINDOW / 2
    weight = np.hanning(len(inside) + 2)[1:-1] ** 2
    seconds = since_s[:, None] + inside / SAMPLE_RATE_HZ
    rise = np.clip(seconds / max(attack_s, 1e-3), 0.0, 1.0) ** 2
    fall = 10.0 ** (-np.minimum(6.0 * np.maximum(seconds - attack_s, 0.0) / _T60_S[:, None, None], 12.0))
    shapes: FloatArray = (rise * fall) @ (weight / weight.sum()) + 1e-9
    return shapes


def low_mode(
    sound: Spectrogram, explained: FloatArray, onset_s: float, until_s: float
) -> tuple[float, float, float] | None:
    """A drum's lowest mode: frequency in Hz, power at its onset and T60; None where there is no clear one.

    explained: float32 [frames, bins], power of the notes that sound with it.
    """
    first = int(np.ceil((onset_s + 0.02) / FRAME_S))
    last = min(len(sound), max(first + 2, int(min(until_s, onset_s + 0.4) / FRAME_S)))
    low, high = round(30 / BIN_HZ), round(500 / BIN_HZ)
    if last - first < 2:
        return None
    rest = np.maximum(sound.power[first:last, : high + 8] - explained[first:last, : high + 8], 0.0)
    start = rest[:2].mean(0)
    peak = low + int(start[low:high].argmax())
    around = np.median(start[max(0, peak - 8) : peak + 9])
    if not start[peak] > 8.0 * around + 10 * FLOOR_POWER:
        return None
    a, b, c = np.log(start[peak - 1 : peak + 2] + 1e-15)
    place = peak + 0.5 * (a - c) / (a - 2 * b + c - 1e-9)
    db = 10 * np.log10(rest[:, peak - 1 : peak + 2].max(1) + FLOOR_POWER)
    use = db > db[0] - 30
    count = int(np.argmin(use)) if not use.all() else len(use)
    t60 = 0.4
    if count >= 3:
        slope = np.polyfit(np.arange(count) * FRAME_S, db[:count], 1)[0]
        t60 = float(np.clip(-60.0 / min(slope, -1e-3), 0.05, 5.0))
    power = float(start[peak] * 10 ** (6.0 * ((first + 0.5) * FRAME_S - onset_s) / t60))
    return float(np.clip(place, 1.0, None) * BIN_HZ), min(power, 100.0 * float(start[peak])), t60
