"""The decoder's learned map: a Karhunen-Loève transform of the spectra of measured notes.

A note shows its spectrum only where it has partials that nothing hides. So the mean and covariance of whole spectra
come from all that was seen together: expectation maximisation for a Gaussian with missing values (Little & Rubin 2002,
chapter 11). Directions are found in a metric in which what is louder weighs more; an equal quantiser step on every
coefficient is then the right choice (reverse water-filling).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sparsecodec_models.music.synthesis.controls import MusicDecoder

from .measured import MeasuredNotes
from .vectors import observed_shape

FloatArray = NDArray[np.floating]

UNIT_DB = 6.0  # what 1 of a coefficient means: dB over all points together, each by its weight
_ROUNDS = 12
_START_DB = 12.0  # standard deviation of a point before anything is known
_START_OCTAVE_CORRELATION = 2.0
_NOISE_WEIGHT = 0.1  # of a noise band re a point of the partials' curve
_SILENT_DB = -75.0  # a note that is not louder has no spectrum to learn from
_LEAST_WEIGHT = 0.05  # of a point that is hardly ever heard


def fit_shape_map(recordings: Sequence[MeasuredNotes], decoder: MusicDecoder) -> tuple[FloatArray, FloatArray]:
    """Mean float64 [points + bands] and basis float64 [coefficients, points + bands], dB. Drums and notes alike."""
    points, coefficients = decoder.config.partial_points, len(decoder.shape_basis)
    notes = _observations(recordings, decoder)
    size = notes[0][0].shape[1]
    mean = decoder.shape_mean.astype(np.float64)
    covariance = _smooth(points, size)
    for _ in range(_ROUNDS):
        precision = np.linalg.inv(covariance)
        total, square = np.zeros(size), np.zeros((size, size))
        for design, level, weight in notes:
            seen = design.T * weight
            spread = np.linalg.inv(precision + seen @ design)
            shape = mean + spread @ (seen @ (level - design @ mean))
            total += shape
            square += np.outer(shape - mean, shape - mean) + spread
        step = total / len(notes) - mean
        covariance = square / len(notes) - np.outer(step, step)
        mean = mean + step
    # how far each point is heard, over all notes
    heard = sum((design.T @ weight for design, _, weight in notes), np.zeros(size))
    metric = np.maximum(heard / heard.max(), _LEAST_WEIGHT)
    metric[points:] *= _NOISE_WEIGHT
    free = _levels(points, size)  # constants that the decoder normalises away
    away = np.eye(size) - free.T @ np.linalg.solve(free * metric @ free.T, free * metric)
    root = np.sqrt(metric)
    scaled = root[:, None] * (away @ covariance @ away.T) * root
    values, directions = np.linalg.eigh(scaled)
    best = directions[:, np.argsort(-values)[:coefficients]].T
    best *= np.where(best.sum(1, keepdims=True) < 0, -1.0, 1.0)  # a sign that every machine agrees on
    return mean, UNIT_DB * best / root


def _observations(
    recordings: Sequence[MeasuredNotes], decoder: MusicDecoder
) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
    """Of each note what `observed_shape` says, with its levels' weighted means taken out."""
    bands, found = decoder.config.noise_bands, []
    for recording in recordings:
        measured = recording[recording.level_db + np.maximum(recording.noise_db, 0.0) > _SILENT_DB]
        for design, level, weight in zip(*observed_shape(measured, decoder), strict=True):
            use = weight > 0
            design, level, weight = design[use], level[use].copy(), weight[use]
            for part in (slice(0, -bands), slice(-bands, None)):
                if weight[part].sum() > 0:
                    level[part] -= np.average(level[part], weights=weight[part])
            found.append((design, level, weight))
    return found


def _levels(points: int, size: int) -> FloatArray:
    """The two constant spectra, float64 [2, size]."""
    levels = np.zeros((2, size))
    levels[0, :points], levels[1, points:] = 1.0, 1.0
    return levels


def _smooth(points: int, size: int) -> FloatArray:
    """Covariance to begin with: points near each other are alike."""
    place = np.concatenate([np.arange(points) * 0.32, 100.0 + np.arange(size - points)])
    apart = np.abs(place[:, None] - place)
    covariance: FloatArray = _START_DB**2 * np.exp(-apart / _START_OCTAVE_CORRELATION) + np.eye(size)
    return covariance
