"""How alike events or segments sound, by what their vectors say: a distance of 1 is a difference that is plainly heard.

Things become points whose distance is that of Euclid. Each axis is a quantity that is heard, in units of the difference
that counts 1. What a decoder does not make audible, such as the decay of an event that another carries on, counts
nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.presets import Layout, layout_of, level_db
from sparsecodec_formats.presets.layout import NOTE_ABOVE
from sparsecodec_formats.presets.voices import Voices
from sparsecodec_formats.segments import KINDS, Segments
from sparsecodec_formats.table import EventTable

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Heard = Literal["level", "pitch"]

LEVEL_DB, SOFTEST_DB = 6.0, -90.0
PITCH_SEMITONES = 3.0
LENGTH_OCTAVES, SHORTEST_S = 1.0, 0.005
COUNTS_1 = {
    "attack_log2_s": 1.5,
    "decay_low_log2_s": 1.5,
    "decay_high_log2_s": 1.5,
    "noise_decay_log2_s": 2.0,
    "inharmonicity_log2": 4.0,
    "vibrato_semitones": 0.5,
    "noise_db": 9.0,
    "room_db": 18.0,
}
"""Of further quantities, in their units."""
LEAST = {"noise_db": -45.0, "room_db": -60.0, "attack_log2_s": -8.0}
"""Below that nothing more is heard of them."""
SPECTRUM = {"speech": 5.0, "music": 2.2}
"""Length of the difference of two spectra as vectors tell them that is about 6 dB in the mean of bands, by preset."""
PITCHED, UNPITCHED, TONE = range(3)
"""Kinds of events."""
KIND = 8.0
"""A note, a drum and a tone are so far apart, and so are what has a pitch and what has none."""
REFERENCE = 32**0.5
"""Where no number has a name: length of the difference of vectors."""

_PLACES = (0.0, 0.5, 1.0)
_ALIKE = 1e-6
"""Points that differ by less count as equal: times that are differences of others are that exact."""
_FEW = 1_000_000
"""So many distances are worked out sooner than a tree is imported."""
_NO_SPREAD = 1e-13
"""Of the largest variance: axes along which points differ by no more than rounding."""


def points_of_events(
    table: EventTable, without: Collection[Heard] = (), voiced: NDArray[np.bool_] | None = None
) -> Floats:
    """float64 [n, k]: a point for each event. without: what does not count; voiced: as for `kinds_of_events`.

    SicError for a preset that is not known here.
    """
    layout, voices = layout_of(table.header), Voices.of(table)
    level = _level(table)
    if not voices.linked:
        return _columns(without, table.vector.astype(np.float64) / REFERENCE, level=level)
    kind = kinds_of_events(table, voiced)
    tone = kind == TONE
    pitch = 12 * np.log2(voices.f0_hz / 110) / PITCH_SEMITONES
    if "kind" not in layout.dims:  # a drum has modes, what is unvoiced has nothing
        pitch = np.where(kind == UNPITCHED, 0.0, pitch)
    length = np.log2(np.maximum(voices.sounding_s, SHORTEST_S)) / LENGTH_OCTAVES
    heard = ~tone[:, None]  # a tone has no more than level, pitch and length
    rest = _kinds(kind, 3), length[:, None], _named(table, layout, voices) * heard, _spectrum(table) * heard
    return _columns(without, *rest, level=level, pitch=pitch)


def kinds_of_events(table: EventTable, voiced: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
    """int64 [n], of a preset with links: PITCHED, UNPITCHED (unvoiced, or a drum) or TONE.

    voiced: bool [n], which events of `speech` have a pitch, as its weights tell; None: all are taken to have one.
    """
    layout = layout_of(table.header)
    if "kind" in layout.dims:
        pitched = layout.physical(table, "kind") > NOTE_ABOVE
    else:
        pitched = np.ones(len(table), bool) if voiced is None else voiced
    return np.where(layout.tones(table.vector), TONE, np.where(pitched, PITCHED, UNPITCHED))


def points_of_segments(table: EventTable, segments: Segments, without: Collection[Heard] = ()) -> Floats:
    """float64 [m, k]: a point for each segment: its level, length, kind, pitch and its course, how it begins, and its
    spectrum at its beginning, in its middle and at its end."""
    layout, voices = layout_of(table.header), Voices.of(table)
    kind = np.array([KINDS.index(kind) for kind in segments.kind.tolist()], np.int64)
    length = np.log2(np.maximum(segments.end_s - segments.start_s, SHORTEST_S)) / LENGTH_OCTAVES
    pitched = np.isfinite(segments.f0_hz)
    pitch = np.where(pitched, 12 * np.log2(np.where(pitched, segments.f0_hz, 110.0) / 110), 0.0) / PITCH_SEMITONES
    course = np.nan_to_num(segments.f0_course_semitones) / PITCH_SEMITONES
    named, spectrum, tone = _named(table, layout, voices), _spectrum(table), layout.tones(table.vector)
    order, firsts, sizes = _sounding(segments, tone)
    moves = _at_places(table.time[order], spectrum[order], firsts, sizes) / len(_PLACES) ** 0.5
    rest = _kinds(kind, len(KINDS)), length[:, None], named[order[firsts]], moves
    level = np.maximum(segments.level_db, SOFTEST_DB) / LEVEL_DB
    return _columns(without, *rest, level=level, pitch=pitch, course=course)


def distances(points: Floats, others: Floats) -> Floats:
    """float64 [n, m]: of each of some points [n, k] from each of some others [m, k]."""
    both = (points**2).sum(1)[:, None] + (others**2).sum(1) - 2 * points @ others.T
    return np.sqrt(np.maximum(both, 0.0))


def nearest(points: Floats, others: Floats) -> NDArray[np.int64]:
    """int64 [n]: the nearest of some others [m, k] (m at least 1) to each point [n, k]; of equals, the first."""
    grid = np.rint(others / _ALIKE).astype(np.int64)
    keys = [row.tobytes() for row in grid]
    firsts = np.array(sorted(dict(zip(reversed(keys), reversed(range(len(keys))), strict=True)).values()))
    others = others[firsts]
    if len(points) * len(others) <= _FEW:
        few: NDArray[np.int64] = firsts[distances(points, others).argmin(axis=1)]
        return few
    from scipy.spatial import cKDTree

    # turned so that the axes along which they differ most come first: then a tree soon tells what is far away
    mean = others.mean(axis=0)
    variance, axes = np.linalg.eigh((others - mean).T @ (others - mean) / len(others))
    axes = axes[:, ::-1][:, : max(1, np.count_nonzero(variance > _NO_SPREAD * variance[-1]))]
    tree = cKDTree((others - mean) @ axes, balanced_tree=False)
    found: NDArray[np.int64] = firsts[tree.query((points - mean) @ axes)[1]]
    return found


def _sounding(segments: Segments, tone: NDArray[np.bool_]) -> tuple[Rows, Rows, Rows]:
    """Rows of the events that tell of each segment, one segment after the other and in order of time in each: all but
    tones, or all where there are no others; where each one's begin among them, and how many they are."""
    m = len(segments)
    counts = ~tone | (np.bincount(segments.number[~tone], minlength=m) == 0)[segments.number]
    order = np.argsort(segments.number, kind="stable")
    order = order[counts[order]]
    sizes = np.bincount(segments.number[order], minlength=m)
    return order, np.cumsum(sizes) - sizes, sizes


def _at_places(time_s: Floats, values: Floats, firsts: Rows, sizes: Rows) -> Floats:
    """float64 [m, places * k]: values [n, k] of m runs of times that ascend, at _PLACES of each run, on lines between.

    firsts, sizes: int64 [m], where each run begins, and how many are in it, at least 1.
    """
    if not len(firsts):
        return np.zeros((0, len(_PLACES) * values.shape[1]))
    lasts = firsts + sizes - 1
    out = np.tile(values[firsts], (1, len(_PLACES)))
    several = np.flatnonzero(sizes > 1)  # what has one event is the same at all places
    if len(several) < len(sizes):
        if len(several):
            rows = np.repeat(sizes > 1, sizes)
            sizes = sizes[several]
            out[several] = _at_places(time_s[rows], values[rows], np.cumsum(sizes) - sizes, sizes)
        return out
    for i, place in enumerate(_PLACES):
        at_s = time_s[firsts] + place * (time_s[lasts] - time_s[firsts])
        n_before = np.add.reduceat(time_s < np.repeat(at_s, sizes), firsts, dtype=np.int64)
        after = firsts + np.clip(n_before, 1, sizes - 1)
        before = after - 1
        gap_s = np.maximum(time_s[after] - time_s[before], 1e-9)
        share = np.clip((at_s - time_s[before]) / gap_s, 0.0, 1.0)[:, None]
        out[:, i * values.shape[1] : (i + 1) * values.shape[1]] = values[before] * (1 - share) + values[after] * share
    return out


def _level(table: EventTable) -> Floats:
    return np.maximum(level_db(table), SOFTEST_DB) / LEVEL_DB


def _named(table: EventTable, layout: Layout, voices: Voices) -> Floats:
    """float64 [n, …]: the quantities of COUNTS_1 that the preset has."""
    columns = []
    for name, counts_1 in COUNTS_1.items():
        if name in layout.dims:
            heard = layout.dim(name).heard(table.vector)
            if name == "attack_log2_s":  # of linked events no longer than the gap
                heard = np.log2(np.maximum(voices.attack_s, 2.0 ** LEAST[name]))
            columns.append(np.maximum(heard, LEAST.get(name, -np.inf)) / counts_1)
    return np.stack(columns, axis=1)


def _spectrum(table: EventTable) -> Floats:
    layout = layout_of(table.header)
    return table.vector[:, layout.dim("shape_0").index :].astype(np.float64) / SPECTRUM[layout.name]


def _kinds(kind: NDArray[np.int64], n: int) -> Floats:
    return np.eye(n)[kind] * KIND / 2**0.5


def _columns(without: Collection[Heard], *rest: Floats, **columns: Floats) -> Floats:
    """Side by side; without the pitch its course counts still."""
    return np.column_stack([*(column for name, column in columns.items() if name not in without), *rest])
