"""Pitch to a few cents, inharmonicity and vibrato, from the phases of partials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .spectrogram import BIN_HZ, BINS, FRAME_S, HOP, SAMPLE_RATE_HZ, TOP_HZ, WINDOW, Spectrogram, partial_hz

FloatArray = NDArray[np.floating]

SETTLED_S = 0.023  # after an onset, when half of a frame's window is full of the note
# (highest partial, cents that it may be off): upwards, as the pitch gets known better
_PASSES = ((3, 60.0), (5, 35.0), (8, 22.0), (12, 15.0), (20, 12.0))
_LEAST_FOR_INHARMONICITY = 6  # partials
MOST_INHARMONICITY = 2e-3

VIBRATO_LONGEST_NOTE_S = 4.0
VIBRATO_SHORTEST_NOTE_S = 0.35
_VIBRATO_HZ = np.arange(3.5, 8.6, 0.25)
_LEAST_VIBRATO_SEMITONES = 0.06
_WINDOW_KEEPS = 0.87  # of a vibrato's depth at 5.5 Hz, in frames of 93 ms


@dataclass(frozen=True)
class Tuning:
    """Columns of n notes, float64 [n]: f0_hz; inharmonicity B; vibrato_semitones either way, 0 for none; vibrato_hz."""

    f0_hz: FloatArray
    inharmonicity: FloatArray
    vibrato_semitones: FloatArray
    vibrato_hz: FloatArray


def tune(sound: Spectrogram, onset_s: FloatArray, offset_s: FloatArray, midi: FloatArray) -> Tuning:
    """The tuning of n notes whose semitone is known; columns float64 [n]."""
    count = len(onset_s)
    f0 = 440.0 * 2.0 ** ((np.asarray(midi, dtype=np.float64) - 69.0) / 12.0)
    nominal = f0.copy()
    stiff = np.zeros(count)
    start, stop = _settled_frames(len(sound), onset_s, offset_s)
    # products of a frame and its next: their angle is the frequency, their sum the mean over a note
    turn = sound.spectrum[1:] * np.conj(sound.spectrum[:-1])
    summed = np.concatenate([np.zeros((1, BINS), np.complex64), np.cumsum(turn, axis=0, dtype=np.complex128)])
    sizes = np.abs(turn)
    total = np.concatenate([np.zeros((1, BINS), np.float32), np.cumsum(sizes, axis=0, dtype=np.float64)])
    crowd = _crowd(len(sound), start, stop, f0)
    known = np.zeros(count, dtype=bool)
    for highest, cents in _PASSES:
        order = np.arange(1, highest + 1, dtype=np.float64)
        hz = partial_hz(f0[:, None], stiff[:, None], order)  # [n, k]
        heard = hz < TOP_HZ
        near = np.clip(np.round(hz / BIN_HZ).astype(int), 1, BINS - 2)
        rows = np.arange(count)[:, None]
        mean = summed[stop[:, None], near] - summed[start[:, None], near]
        size = total[stop[:, None], near] - total[start[:, None], near]
        found = _frequency(mean, near)
        steady = np.abs(mean) / np.maximum(size, 1e-20)
        off = 1200.0 * np.log2(np.maximum(found, 1.0) / hz)
        others = crowd[rows, near] - 1.0
        weight = np.sqrt(size / np.maximum(size.max(1, keepdims=True), 1e-20)) * steady**4
        weight = weight / (1.0 + 6.0 * np.maximum(others, 0.0)) * order
        weight = np.where(heard & (np.abs(off) < cents), weight, 0.0)
        for i in np.flatnonzero(weight.sum(1) > 0.05).tolist():
            f0[i], stiff[i] = _stretched(order, found[i], weight[i], f0[i], stiff[i])
            known[i] = True
        if highest == _PASSES[0][0] and known.any():
            # instruments are tuned together: start the others from there
            common = float(np.median(f0[known] / nominal[known]))
            f0[~known] *= common
    depth, rate = np.zeros(count), np.full(count, 5.5)
    for i, _ in enumerate(f0):
        if (stop[i] - start[i]) * FRAME_S >= VIBRATO_SHORTEST_NOTE_S:
            depth[i], rate[i] = _vibrato(sound, int(start[i]), int(stop[i]), f0[i])
    return Tuning(f0, stiff, depth, rate)


def _settled_frames(frames: int, onset_s: FloatArray, offset_s: FloatArray) -> tuple[NDArray[np.int64], ...]:
    """First and last frame (int64 [n]) in which a note has settled and goes on; at least two frames."""
    start = np.ceil((onset_s + SETTLED_S) / FRAME_S).astype(np.int64)
    stop = np.floor(np.minimum(offset_s, onset_s + VIBRATO_LONGEST_NOTE_S) / FRAME_S).astype(np.int64)
    start = np.clip(start, 0, max(0, frames - 3))
    return start, np.clip(stop, start + 2, frames - 1)


def _crowd(frames: int, start: NDArray[np.int64], stop: NDArray[np.int64], f0: FloatArray) -> FloatArray:
    """How many notes have a partial near each bin while note i sounds, itself included: float [n, bins]."""
    taken = np.zeros((frames, BINS), np.float32)
    masks = []
    for a, b, hz in zip(start, stop, f0, strict=True):
        near = np.round(np.arange(1, int(TOP_HZ / hz) + 1) * hz / BIN_HZ).astype(int)
        mask = np.zeros(BINS, np.float32)
        for reach in (-2, -1, 0, 1, 2):
            mask[np.clip(near + reach, 0, BINS - 1)] = 1.0
        taken[a:b] += mask
        masks.append(mask)
    return np.array([taken[a:b].mean(0) for a, b in zip(start, stop, strict=True)]).reshape(-1, BINS)


def _frequency(product: NDArray[np.complexfloating], near: NDArray[np.integer]) -> FloatArray:
    """Frequency in Hz by the angle from a frame to the next, near the middle of bin `near`."""
    angle = np.angle(product) - 2 * np.pi * near * HOP / WINDOW
    angle = np.remainder(angle + np.pi, 2 * np.pi) - np.pi
    hz: FloatArray = near * BIN_HZ + angle / (2 * np.pi) * SAMPLE_RATE_HZ / HOP
    return hz


def _stretched(
    order: FloatArray, hz: FloatArray, weight: FloatArray, f0_hz: float, inharmonicity: float
) -> tuple[float, float]:
    """f0 and B by weighted least squares on (f_k / k)² = f0² + f0² B k², without the worst outliers."""
    squares = (hz / order) ** 2 / f0_hz**2
    for _ in range(2):
        used = weight > 0
        free = used.sum() >= _LEAST_FOR_INHARMONICITY
        k2 = order**2
        w = weight / weight.sum()
        if free:
            mean_k, mean_y = (w * k2).sum(), (w * squares).sum()
            slope = (w * (k2 - mean_k) * (squares - mean_y)).sum() / ((w * (k2 - mean_k) ** 2).sum() + 1e-9)
            slope = min(max(slope, 0.0), MOST_INHARMONICITY)
            base = mean_y - slope * mean_k
        else:
            slope, base = inharmonicity, float((w * (squares - inharmonicity * k2)).sum())
        miss = np.abs(squares - base - slope * k2)
        worst = 3.0 * np.median(miss[used]) + 1e-5
        weight = np.where(miss <= worst, weight, 0.0)
    if not base > 0.5:
        return f0_hz, inharmonicity
    return f0_hz * float(np.sqrt(base)), float(slope / base)


def _vibrato(sound: Spectrogram, start: int, stop: int, f0_hz: float) -> tuple[float, float]:
    """Depth in semitones and rate in Hz of a pitch that swings around f0; depth 0 where none is clear."""
    hz = f0_hz * np.arange(1, max(1, min(4, int(2500 / f0_hz))) + 1)
    near = np.clip(np.round(hz / BIN_HZ).astype(int), 1, BINS - 2)
    product = sound.spectrum[start + 1 : stop + 1, near] * np.conj(sound.spectrum[start:stop, near])
    off = 12.0 * np.log2(np.maximum(_frequency(product, near), 1.0) / hz)
    weight = np.sqrt(np.abs(product)) * (np.abs(off) < 1.0) + 1e-12
    pitch = (weight * np.clip(off, -1, 1)).sum(1) / weight.sum(1)
    seconds = np.arange(len(pitch)) * FRAME_S
    trend = np.polyfit(seconds, pitch, 1)
    swing = pitch - np.polyval(trend, seconds)
    angle = 2 * np.pi * _VIBRATO_HZ[:, None] * seconds
    amplitude = np.abs((swing * np.exp(-1j * angle)).mean(1)) * 2
    best = int(amplitude.argmax())
    explained = 0.5 * amplitude[best] ** 2 / max(float((swing**2).mean()), 1e-9)
    if amplitude[best] < _LEAST_VIBRATO_SEMITONES or explained < 0.4:
        return 0.0, 5.5
    return float(amplitude[best] / _WINDOW_KEEPS), float(_VIBRATO_HZ[best])
