"""Edits of pitch: transpose, glide, and how much pitch moves within a voice."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.presets import layout_of
from sparsecodec_formats.presets.voices import Voices
from sparsecodec_formats.shape_maps import Shapes, shape_map_of
from sparsecodec_formats.table import EventTable

from .checks import Where, chosen, moved, within
from .spectrum import follow_pitch, has_harmonics, loudness_db

Timbre = Literal["fixed", "follows"]
DEFAULT_TIMBRE: Mapping[str, Timbre] = MappingProxyType({"speech": "fixed", "music": "follows"})
"""Of each preset, what transposes with less harm: a speaker's formants do not move with the pitch; the partials of the
notes that an instrument plays are more alike by their numbers than by their frequencies."""


def transpose(
    table: EventTable,
    semitones: float,
    *,
    timbre: Timbre | None = None,
    where: Where = None,
    shape_map: Shapes = None,
) -> EventTable:
    """The pitch of the events raised by -120..120 semitones; times and levels stay.

    timbre: "fixed": formants stay where they are, as those of a voice do; "follows": the spectrum moves with the pitch,
    so that harmonics keep their levels, as near as a vector's coefficients can tell. None: as `DEFAULT_TIMBRE` has it.
    shape_map: of the weights, as for `shape_map_of`, which is asked where it is needed.
    In `speech` what is heard depends on where the harmonics lie under the spectrum, so `level_db` is moved by what that
    makes. Tones of `music` that would leave the decoder's range are silent, as partials of notes are there.
    SicError where another pitch leaves it, or the preset's vectors tell no pitch.
    """
    within("transpose", semitones, -120, 120)
    if timbre not in (None, "fixed", "follows"):
        raise SicError(f"the timbre cannot be {timbre!r}; it is fixed or follows")
    layout = layout_of(table.header)
    timbre = timbre or DEFAULT_TIMBRE.get(layout.name, "fixed")
    layout.dim("f0_semitones")
    mask = chosen(table, where)
    out = _same_voices(table, at_other_pitches(table, semitones, mask))
    if not mask.any() or semitones == 0 or (layout.events_are_notes and timbre == "fixed"):
        return out
    shapes = shape_map_of(table.header, shape_map)
    if timbre == "follows":
        out = follow_pitch(out, semitones, mask, shapes)
    return level_held(table, out, mask, shapes)


def at_other_pitches(table: EventTable, semitones: ArrayLike, where: NDArray[np.bool_]) -> EventTable:
    """Events at `where`, bool [n], higher by so many semitones (a number, or [n]); tones that would leave the decoder's
    range are silent. SicError where another pitch leaves it."""
    layout = layout_of(table.header)
    pitch = layout.dim("f0_semitones")
    wanted = pitch.physical(table.vector) + np.asarray(semitones, np.float64)
    gone = where & layout.tones(table.vector) & ((wanted < pitch.low) | (wanted > pitch.high))
    out = moved(table, pitch, semitones, where & ~gone)
    return out.replace(amplitude=np.where(gone, 0, out.amplitude))


def level_held(before: EventTable, after: EventTable, where: NDArray[np.bool_], shape_map: Shapes) -> EventTable:
    """`after`, whose events at `where`, bool [n], have other pitches or spectra than `before`, as loud as that.

    Levels of notes of `music` are those of their partials, wherever these lie, and stay. SicError as for `transpose`.
    """
    layout = layout_of(before.header)
    if layout.events_are_notes:
        return after
    shapes = shape_map_of(before.header, shape_map)
    change = np.zeros(len(before))
    change[where] = loudness_db(before, shapes, where) - loudness_db(after, shapes, where)
    return moved(after, layout.dim("level_db"), change, where)


def glide(table: EventTable, semitones: float, *, where: Where = None) -> EventTable:
    """Pitch that slides by -48..48 semitones over each voice, from its first event's time to its end. Of a voice that
    is edited in part, over the part.

    SicError where vectors tell no glide, so that a single event's pitch cannot move (`music`).
    """
    within("glide", semitones, -48, 48)
    layout, mask = layout_of(table.header), chosen(table, where)
    pitch, bend = layout.dim("f0_semitones"), layout.dim("glide_semitones")
    voices = Voices.of(table)
    rows = voices.order[mask[voices.order]]
    first, last = _edges(voices.number[rows])
    share, tail = np.zeros(len(table)), np.zeros(len(table))
    start, stop = table.time[rows[first]], voices.end_s[rows[last]]
    share[rows] = (table.time[rows] - start) / np.maximum(stop - start, 1e-9)
    ends = mask & voices.ends
    tail[ends] = 1 - share[ends]
    return moved(moved(table, pitch, semitones * share, mask), bend, semitones * tail, ends)


def contour(table: EventTable, factor: float, *, where: Where = None, shape_map: Shapes = None) -> EventTable:
    """How far the pitch of each voice goes from its mean, times a factor of -10..10: 0 is a monotone, 1 changes
    nothing, 2 exaggerates, -1 mirrors. Glides, and the depth of vibratos where the factor is not below 0, too.

    The mean is that of the events which are edited and have a pitch that is heard, each for as long as it sounds.
    shape_map: as for `transpose`; in `speech` it tells which these are.
    """
    within("contour", factor, -10, 10)
    layout, mask = layout_of(table.header), chosen(table, where)
    pitch, voices = layout.dim("f0_semitones"), Voices.of(table)
    semitones = pitch.physical(table.vector)
    rows = voices.order[mask[voices.order]]
    number, weight = voices.number[rows], np.maximum(voices.sounding_s[rows], 1e-3)
    if not layout.events_are_notes:  # what is unvoiced counts only where nothing else is in its voice
        weight = np.where(has_harmonics(table, shape_map_of(table.header, shape_map))[rows], weight, 1e-9 * weight)
    size = int(number.max(initial=-1)) + 1
    mean = np.bincount(number, weight * semitones[rows], size) / np.maximum(np.bincount(number, weight, size), 1e-15)
    change = np.zeros(len(table))
    change[rows] = (factor - 1) * (semitones[rows] - mean[number])
    out = moved(table, pitch, change, mask)
    for name in ("glide_semitones", "vibrato_semitones"):
        if name in layout.dims and (name == "glide_semitones" or factor >= 0):
            dim = layout.dims[name]
            out = moved(out, dim, (factor - 1) * dim.physical(table.vector), mask)
    return _same_voices(table, out)


def _edges(number: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of rows voice by voice, with the numbers of their voices [k]: the place of the first row of each one's voice, and
    of the last, int64 [k] both."""
    return np.searchsorted(number, number), np.searchsorted(number, number, side="right") - 1


def _same_voices(before: EventTable, after: EventTable) -> EventTable:
    """`after`; SicError where its events carry on others than they did, as notes do whose pitches come near others."""
    if layout_of(before.header).events_are_notes:
        changed = Voices.of(before).number != Voices.of(after).number
        if changed.any():
            raise SicError(
                f"with these pitches a note at {before.time[changed.argmax()]:.3f} s would carry on another than it"
                " does; edit whole notes, and all that sound together"
            )
    return after
