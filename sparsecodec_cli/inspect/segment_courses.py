"""How pitch and level of segments go through their events: what pictures of them draw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.interchange.notes import MIDI_OF_110_HZ
from sparsecodec_formats.presets import layout_of, level_db
from sparsecodec_formats.presets.voices import Voices
from sparsecodec_formats.segments import Segments
from sparsecodec_formats.table import EventTable

Floats = NDArray[np.float64]


class Course(NamedTuple):
    """A segment from its beginning to its end, by way of its events: float64 [k + 2], k > 0.

    time_s: within the segment, never falling; midi: pitch in semitones, 69 is 440 Hz, nan where the segment has none;
    level_db: re full scale, as in `Segments`; -inf: silence.
    """

    segment: int
    time_s: Floats
    midi: Floats
    level_db: Floats


def courses(table: EventTable, segments: Segments, pitched: NDArray[np.bool_]) -> Iterator[Course]:
    """The course of each segment. pitched: bool [n], which events of the table have a pitch.

    Of a segment with a pitch only events that have one count; of those of several notes that make one segment (a note
    and what goes with it), only those of the loudest.
    """
    voices, levels = Voices.of(table), level_db(table)
    midi = MIDI_OF_110_HZ + 12 * np.log2(voices.f0_hz / 110)
    are_notes = layout_of(table.header).events_are_notes
    for i, rows in enumerate(segments.runs):
        has_pitch = segments.kind[i] == "pitched" and bool(pitched[rows].any())
        if has_pitch:
            rows = rows[pitched[rows]]
        if are_notes:
            loudest = rows[int(levels[rows].argmax())]
            rows = rows[voices.number[rows] == voices.number[loudest]]
        begin_s, end_s = float(segments.start_s[i]), float(segments.end_s[i])
        time_s = np.concatenate([[begin_s], np.clip(table.time[rows], begin_s, end_s), [end_s]])
        held = np.concatenate([rows[:1], rows, rows[-1:]])
        yield Course(i, time_s, midi[held] if has_pitch else np.full(len(held), np.nan), levels[held])
