"""From measured notes to event vectors: the layout's units, and the coefficients of the learned map."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_models.music.config import PRESET
from sparsecodec_models.music.synthesis.controls import F0_REFERENCE_HZ, NAMED, MusicDecoder, partial_points_hz
from sparsecodec_models.music.synthesis.noise import band_power

from .measured import MeasuredNotes

FloatArray = NDArray[np.floating]

DEPTH_DB = 55.0  # partials further below the loudest are not told apart
_MEASURED_DB = 3.0  # standard deviation of a level that was seen well
_COEFFICIENT = 4.0  # and of a coefficient of the map, in its units
_OCTAVES_APART = 0.33  # between points of the partials' curve: closer partials share one's weight
_AUDIBLE_NOISE_DB = -50.0  # re the partials; noise below has no shape


def vectors_of(measured: MeasuredNotes, decoder: MusicDecoder) -> tuple[Tensor, Tensor]:
    """Vectors float32 [n, 32] and times int64 [n] (samples), in order of time."""
    time = _samples(measured, decoder)
    vector = np.zeros((len(measured), decoder.config.vector_dims))
    vector[:, : decoder.config.named_dims] = named_dims(measured)
    mean, basis = (x.astype(np.float64) for x in (decoder.shape_mean, decoder.shape_basis))
    vector[:, decoder.config.named_dims :] = shape_coefficients(measured, mean, basis, decoder)
    order = by_time(measured, decoder)
    return torch.tensor(vector[order], dtype=torch.float32), torch.from_numpy(time[order])


def by_time(measured: MeasuredNotes, decoder: MusicDecoder) -> NDArray[np.int64]:
    """The rows of measured notes in the order of `vectors_of`, int64 [n]."""
    return np.argsort(_samples(measured, decoder), kind="stable")


def _samples(measured: MeasuredNotes, decoder: MusicDecoder) -> NDArray[np.int64]:
    """Onsets, int64 [n]."""
    return np.round(measured.onset_s * decoder.config.sample_rate).astype(np.int64)


def named_dims(measured: MeasuredNotes) -> FloatArray:
    """The first 16 dims, float64 [n, 16]."""
    ones = np.ones(len(measured))
    physical = {
        "level_db": measured.level_db,
        "attack_log2_s": np.log2(np.maximum(measured.attack_s, 1e-4)),
        "decay_low_log2_s": np.log2(np.maximum(measured.decay_low_s, 1e-4)),
        "decay_high_log2_s": np.log2(np.maximum(measured.decay_high_s, 1e-4)),
        "duration_log2_s": np.log2(np.maximum(measured.duration_s, 1e-4)),
        "release_log2_s": np.log2(np.maximum(measured.release_s, 1e-4)),
        "f0_semitones": 12.0 * np.log2(np.maximum(measured.f0_hz, 1.0) / F0_REFERENCE_HZ),
        "inharmonicity_log2": np.log2(measured.inharmonicity + 2.0**-18),
        "vibrato_semitones": measured.vibrato_semitones,
        "vibrato_hz": measured.vibrato_hz,
        "noise_db": measured.noise_db,
        "noise_decay_log2_s": np.log2(np.maximum(measured.noise_decay_s, 1e-4)),
        "kind": measured.pitched * ones,
        "begins": ones,
        "room_db": -60.0 * ones,
        "phase_cycles": 0.0 * ones,
    }
    dims = LAYOUTS[PRESET].dims
    columns = [
        (np.clip(physical[name], dims[name].low, dims[name].high) - dims[name].offset) / dims[name].scale
        for name in NAMED
    ]
    return np.stack(columns, axis=1)


def observed_shape(measured: MeasuredNotes, decoder: MusicDecoder) -> tuple[FloatArray, FloatArray, FloatArray]:
    """What a note tells of the points that the map draws: (design, level, weight), k values a note.

    design float64 [n, k, points + bands]: shares of the points in each value; level float64 [n, k], dB; weight float64
    [n, k]: one over its variance, dB^-2. First the partials, then the noise bands.
    """
    config = decoder.config
    points, bands = config.partial_points, config.noise_bands
    octaves, place = np.log2(measured.partial_hz), np.log2(partial_points_hz(config))
    x = np.clip((octaves - place[0]) / (place[1] - place[0]), 0.0, points - 1.0)
    near = np.minimum(x.astype(int), points - 2)
    share = x - near
    n, k = x.shape
    design = np.zeros((n, k + bands, points + bands))
    rows, columns = np.arange(n)[:, None], np.arange(k)
    design[rows, columns, near] = 1.0 - share
    design[rows, columns, near + 1] += share
    design[:, k:, points:] = np.eye(bands)
    loudest = measured.partial_db.max(1, keepdims=True)
    partial = np.maximum(measured.partial_db, loudest - DEPTH_DB)
    order = columns + 1.0
    crowd = np.maximum(1.0, np.log2(1.0 + 1.0 / order)[None] ** -1 * _OCTAVES_APART)
    seen = np.minimum(1.0, 4.0 * measured.partial_weight) + 0.02 * (measured.partial_weight > 0)
    heard = 10.0 ** (np.clip(partial - loudest, -DEPTH_DB, 0.0) / 60.0)
    heard = np.where(measured.partial_db < loudest - DEPTH_DB, 0.1 * heard, heard)  # all that is known: not more
    noise = measured.noise_band_db - 10.0 * np.log10(band_power(config).diagonal())
    noise = np.maximum(noise, noise.max(1, keepdims=True) - DEPTH_DB)
    audible = np.clip((measured.noise_db - _AUDIBLE_NOISE_DB) / 40.0, 0.02, 1.0)[:, None]
    prominent = 10.0 ** ((noise - noise.max(1, keepdims=True)) / 60.0)
    weight = np.concatenate([seen * heard / crowd, audible * prominent], axis=1) / _MEASURED_DB**2
    return design, np.concatenate([partial, noise], axis=1), weight


def shape_coefficients(
    measured: MeasuredNotes, mean: FloatArray, basis: FloatArray, decoder: MusicDecoder, spread: float = _COEFFICIENT
) -> FloatArray:
    """Coefficients float64 [n, 16] that fit what was seen, by least squares drawn to 0 (ridge). The levels' means are
    free: the decoder's levels are told apart from the spectrum.

    mean float64 [points + bands]; basis float64 [coefficients, points + bands]; spread: standard deviation of the
    coefficients before anything is seen.
    """
    out = np.zeros((len(measured), len(basis)))
    if not len(measured):
        return out
    design, level, weight = observed_shape(measured, decoder)
    bands = decoder.config.noise_bands
    for i in range(len(measured)):
        use = weight[i] > 0
        w = weight[i][use]
        mapped = design[i][use]
        of_noise = np.zeros(int(use.sum()))
        of_noise[-bands:] = 1.0
        unknown = np.column_stack([mapped @ basis.T, 1.0 - of_noise, of_noise])
        left = (unknown.T * w) @ unknown
        left[np.arange(len(basis)), np.arange(len(basis))] += 1.0 / spread**2
        left[np.arange(len(left)), np.arange(len(left))] += 1e-9
        out[i] = np.linalg.solve(left, (unknown.T * w) @ (level[i][use] - mapped @ mean))[: len(basis)]
    return out
