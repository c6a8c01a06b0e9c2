"""Onsets to a few milliseconds, and attacks: the rise of a note's own partials against templates of rises."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from sparsecodec_models.dsp.stft import hann, stft_of_array

from .spectrogram import SAMPLE_RATE_HZ, partial_hz

FloatArray = NDArray[np.floating]

_WINDOW, _HOP = 512, 64
_FRAME_S = _HOP / SAMPLE_RATE_HZ
_BEFORE, _AFTER = 36, 70  # frames looked at before and after the onset that is given: 105 and 203 ms
_SHIFTS = np.arange(-20, 21)  # frames that an onset may move: 58 ms either way
_ATTACKS_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16)
_DECAYS_DB_S = (0.0, 60.0, 200.0)
_HIGHEST_HZ = 9000.0
_SURE_S = 0.012  # standard deviation of the onsets that are given
_NEXT_S = 0.01  # frames this long before the note's end, and after, do not count


@functools.lru_cache(maxsize=1)
def _templates() -> tuple[FloatArray, NDArray[np.int64], FloatArray]:
    """Rises as frames see them, float32 [templates, frames]; shift of each in frames; attack of each in seconds."""
    fine = 8  # samples
    seconds = np.arange(-(_BEFORE + 30) * _HOP, (_AFTER + 30) * _HOP, fine) / SAMPLE_RATE_HZ
    window = hann(_WINDOW)[::fine]
    window = window / window.sum()
    rows, shifts, attacks = [], [], []
    for attack in _ATTACKS_S:
        for decay in _DECAYS_DB_S:
            rise = np.clip(seconds / attack, 0, 1) * 10 ** (-decay / 20 * np.maximum(seconds - attack, 0))
            seen = np.convolve(rise, window, mode="same")[:: _HOP // fine]
            for shift in _SHIFTS:
                first = 30 - shift
                rows.append(seen[first : first + _BEFORE + _AFTER])
                shifts.append(shift)
                attacks.append(attack)
    return np.array(rows, dtype=np.float32), np.array(shifts), np.array(attacks)


def refine_onsets(
    samples: FloatArray, onset_s: FloatArray, offset_s: FloatArray, f0_hz: FloatArray, inharmonicity: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Onsets and attacks of n notes, seconds, float64 [n] each."""
    template, shift, attack = _templates()
    padded = np.pad(samples, (_WINDOW // 2 + _BEFORE * _HOP, _WINDOW // 2 + (_AFTER + 2) * _HOP)).astype(np.float32)
    spectrum = stft_of_array(padded, hann(_WINDOW), _HOP)
    size = np.abs(spectrum)
    squares = template**2
    prior = 0.5 * (shift * _FRAME_S / _SURE_S) ** 2
    onset, rise_s = np.array(onset_s, dtype=np.float64), np.full(len(onset_s), 0.01)
    for i in range(len(onset)):
        hz = partial_hz(f0_hz[i], inharmonicity[i], np.arange(1.0, max(1, int(_HIGHEST_HZ / f0_hz[i])) + 1))
        near = np.unique(np.clip(np.round(hz * _WINDOW / SAMPLE_RATE_HZ).astype(int), 1, _WINDOW // 2))
        centre = round(onset[i] / _FRAME_S)  # frame of the padded sound at which it is looked at: _BEFORE later
        seen = size[centre : centre + _BEFORE + _AFTER][:, near].sum(1)
        if len(seen) < _BEFORE + _AFTER or not seen.any():
            continue
        last = _BEFORE + int((max(offset_s[i] - onset[i], 0.04) + _NEXT_S) / _FRAME_S)
        use = (np.arange(_BEFORE + _AFTER) < last).astype(np.float32)
        n = use.sum()
        level = seen / seen.max()
        mean_t, mean_y = template @ use / n, float(use @ level / n)
        variance = squares @ use / n - mean_t**2 + 1e-6
        covariance = template @ (use * level) / n - mean_t * mean_y
        left = float(use @ level**2 / n) - mean_y**2 - np.maximum(covariance, 0) ** 2 / variance
        cost = 0.5 * n * _HOP / _WINDOW * np.log(left + 1e-4) + prior
        best = int(cost.argmin())
        onset[i] = (centre + shift[best]) * _FRAME_S
        rise_s[i] = attack[best]
    return np.maximum(onset, 0.0), rise_s
