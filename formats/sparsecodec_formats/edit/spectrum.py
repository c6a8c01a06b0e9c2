"""Edits of spectra, whose coefficients a map of the weights explains: tilt, whisper, and what transposing needs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.presets import layout_of
from sparsecodec_formats.shape_maps import ShapeMap, Shapes, shape_map_of
from sparsecodec_formats.table import EventTable

from .checks import Where, chosen, within
from .rounding import spectra_told_finely

UNVOICED = 0.08
"""Mean voicing below which a `speech` event has no harmonics."""
UNVOICED_LOGIT = -4.0
FIRM = 30.0  # weight of outputs that an edit has to reach or to leave alone
GRID_SEMITONES = 0.1  # of the pitches whose harmonics are worked out
A_ROUND = 20_000  # events

Floats = NDArray[np.floating]


def tilt(table: EventTable, db_per_octave: float, *, where: Where = None, shape_map: Shapes = None) -> EventTable:
    """Spectra brighter by -12..12 dB an octave, or darker, as near as a vector's coefficients tell; the level stays as
    `level_db` says. Tones of `music`, single sinusoids, stay as they are.

    shape_map: as for `transpose`. SicError where vectors tell no spectrum (`reference`).
    """
    within("tilt", db_per_octave, -12, 12)
    mask = _with_spectrum(table, where)
    shapes = shape_map_of(table.header, shape_map)
    change = np.zeros(len(shapes.mean))
    levels = len(shapes.level_hz)
    change[:levels] = db_per_octave * np.log2(shapes.level_hz / 1000.0)
    if shapes.noise_hz is not None:
        change[levels:] = db_per_octave * np.log2(shapes.noise_hz / 1000.0)
    return _reshaped(table, mask, shapes.nearest(change[None]), shapes)


def whisper(table: EventTable, *, where: Where = None, shape_map: Shapes = None) -> EventTable:
    """All that is voiced becomes noise of nearly the same spectrum and of the same level; pitches are kept, unheard.

    shape_map: as for `transpose`. SicError where vectors tell no voicing (`music`, `reference`).
    """
    mask = _with_spectrum(table, where)
    shapes = shape_map_of(table.header, shape_map)
    if shapes.voicing_to_bin is None:
        raise SicError(f"cannot be done: vectors of preset {table.header.model!r} do not tell voicing")
    levels = len(shapes.level_hz)
    outputs = shapes.outputs(_coefficients(table)[mask])
    change = np.zeros_like(outputs)
    change[:, levels:] = np.minimum(UNVOICED_LOGIT - outputs[:, levels:], 0.0)
    firm = np.concatenate([shapes.weight[:levels], np.full(len(shapes.mean) - levels, FIRM)])
    return _reshaped(table, mask, shapes.nearest(change, firm), shapes)


def follow_pitch(table: EventTable, semitones: float, where: NDArray[np.bool_], shape_map: ShapeMap) -> EventTable:
    """Spectra that are moved along the frequency axis by so many semitones, as near as coefficients tell.

    In `music`, whose points lie evenly in log frequency, as a group of linear maps: as many semitones back undo it. In
    `speech`, whose bands lie on the mel scale, as the nearest coefficients, which are not undone exactly.
    """
    coefficients = _coefficients(table)[where].astype(np.float64)
    if shape_map.noise_hz is not None:
        return _reshaped(table, where, _slid(coefficients, semitones, shape_map) - coefficients, shape_map)
    outputs = shape_map.outputs(coefficients)
    return _reshaped(table, where, shape_map.nearest(outputs @ _slide(semitones, shape_map) - outputs), shape_map)


def _slide(semitones: float, shape_map: ShapeMap) -> Floats:
    """Outputs times this [m, m] are those of a spectrum that lies so many semitones higher."""
    octaves, levels = np.log2(shape_map.level_hz), len(shape_map.level_hz)
    out = np.eye(len(shape_map.mean))
    out[:levels, :levels] = [np.interp(octaves - semitones / 12, octaves, row) for row in np.eye(levels)]
    return out


def _slid(coefficients: Floats, semitones: float, shape_map: ShapeMap) -> Floats:
    """Coefficients [n, k] moved on along the slope of `_slide`, which is the same at every pitch."""
    slope = (_slide(1.0, shape_map) - _slide(-1.0, shape_map)) / 2  # of outputs, a semitone
    size = len(shape_map.basis)
    a_semitone = np.zeros((size + 1, size + 1))  # affine: the mean moves, too
    a_semitone[:size, :size] = shape_map.nearest(shape_map.basis @ slope)
    a_semitone[size, :size] = shape_map.nearest((shape_map.mean @ slope)[None])[0]
    ones = np.ones((len(coefficients), 1))
    moved: Floats = (np.concatenate([coefficients, ones], 1) @ _exponential(semitones * a_semitone))[:, :size]
    return moved


def _exponential(matrix: Floats) -> Floats:
    """Of a square matrix: Taylor's series of a small part of it, squared as often."""
    halvings = max(0, int(np.ceil(np.log2(np.abs(matrix).sum(0).max() + 1e-30))) + 4)
    term = out = np.eye(len(matrix))
    for order in range(1, 13):
        term = term @ matrix / 2.0**halvings / order
        out = out + term
    for _ in range(halvings):
        out = out @ out
    return out


def loudness_db(table: EventTable, shape_map: ShapeMap, where: NDArray[np.bool_]) -> Floats:
    """What is heard of the events at `where` [k], dB re their `level_db`: the power of their noise and of their
    harmonics, which are samples of the spectrum at multiples of the pitch. For vectors that tell voicing."""
    assert shape_map.level_to_bin is not None and shape_map.voicing_to_bin is not None
    pitch = layout_of(table.header).dim("f0_semitones").heard(table.vector)[where]
    below = np.floor(pitch / GRID_SEMITONES)
    share = (pitch / GRID_SEMITONES - below).astype(np.float32)
    place, which = np.unique([below, below + 1], return_inverse=True)
    low, high = which.reshape(2, -1)
    comb = _combs(110 * 2.0 ** (place * GRID_SEMITONES / 12), shape_map)
    coefficients, levels = _coefficients(table)[where].astype(np.float32), len(shape_map.level_hz)
    out = np.empty(len(pitch))
    for start in range(0, len(pitch), A_ROUND):
        rows = slice(start, start + A_ROUND)
        outputs = shape_map.outputs(coefficients[rows])
        power = np.exp2(
            np.clip(outputs[:, :levels], -120, 60) @ (shape_map.level_to_bin * np.float32(np.log2(10) / 10))
        )
        voicing = _voicing(outputs, levels)
        voicing[voicing.mean(1) < UNVOICED] = 0
        harmonic = power * (voicing @ shape_map.voicing_to_bin)
        whole = power.sum(1)
        at_low, at_high = (np.einsum("nb,nb->n", harmonic, comb[index[rows]]) for index in (low, high))
        heard = whole - harmonic.sum(1) + at_low + (at_high - at_low) * share[rows]
        out[rows] = 10 * np.log10(np.maximum(heard, 1e-12 * whole) / (whole + 1e-20) + 1e-20)
    return out


def has_harmonics(table: EventTable, shape_map: ShapeMap) -> NDArray[np.bool_]:
    """bool [n]: which events have a pitch that is heard. For vectors that tell voicing."""
    return _voicing(shape_map.outputs(_coefficients(table)), len(shape_map.level_hz)).mean(1) >= UNVOICED


def _voicing(outputs: Floats, levels: int) -> Floats:
    """Degrees of voicing, 0..1, [n, bands], of a map's outputs, the first of which are so many levels."""
    shares: Floats = 1 / (1 + np.exp(-np.clip(outputs[:, levels:], -80, 80)))
    return shares


def _combs(f0_hz: Floats, shape_map: ShapeMap) -> NDArray[np.float32]:
    """What each bin counts in the power of the harmonics of each pitch: float32 [pitches, bins]. On the mean 1."""
    assert shape_map.level_to_bin is not None and shape_map.bin_hz is not None
    bins, bin_hz = shape_map.level_to_bin.shape[1], shape_map.bin_hz
    out = np.zeros((len(f0_hz), bins), np.float32)
    for comb, f0 in zip(out, f0_hz, strict=True):
        at = np.arange(1, int((bins - 5) * bin_hz / f0) + 1) * f0 / bin_hz
        near = at.astype(np.int64)
        np.add.at(comb, near, f0 / bin_hz * (1 - (at - near)))
        np.add.at(comb, near + 1, f0 / bin_hz * (at - near))
    return out


def _with_spectrum(table: EventTable, where: Where) -> NDArray[np.bool_]:
    layout = layout_of(table.header)
    layout.dim("shape_0")
    return chosen(table, where) & ~layout.tones(table.vector)


def _coefficients(table: EventTable) -> NDArray[np.float32]:
    return table.vector[:, layout_of(table.header).dim("shape_0").index :]


def _reshaped(table: EventTable, where: NDArray[np.bool_], change: Floats, shape_map: ShapeMap) -> EventTable:
    vector = table.vector.astype(np.float64)
    vector[where, layout_of(table.header).dim("shape_0").index :] += change
    return spectra_told_finely(table.replace(vector=vector), where, shape_map)
