"""Notes played on the segments of a table, as on an instrument."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.presets import Layout, layout_of, level_db
from sparsecodec_formats.presets.voices import Voices
from sparsecodec_formats.segments import Segments
from sparsecodec_formats.shape_maps import Shapes
from sparsecodec_formats.table import EventTable

from . import pitch
from .lanes import Thing, arranged
from .level import gain

LONGEST_STEP_S = 5.0
"""Between two events of a sound that is held: half as long as a link may be."""
NEAR_S = 0.01
"""A sound that is cut lasts to the note's end, within this."""
MIDI_OF_110_HZ = 45.0
N_PITCHES = 201
"""Moments at which a sound's pitch is looked at."""
SHORTEST_S, SOFTEST_DB = 0.08, 25.0
"""What is shorter, or so far below the loudest, is no note of an instrument, if there is anything else."""


@dataclass(frozen=True)
class Stroke:
    """A note to be played. onset_s; duration_s > 0; midi: pitch in semitones, of which 69 are 440 Hz; level_db: of its
    loudest event, re full scale."""

    onset_s: float
    duration_s: float
    midi: float
    level_db: float


def played(
    instrument: EventTable,
    segments: Segments,
    strokes: Iterable[Stroke],
    *,
    contour: float = 1.0,
    shape_map: Shapes = None,
) -> EventTable:
    """Each note as the segment of the instrument that is nearest to it in pitch, transposed, at its level, held or cut
    to its length.

    A sound of `speech` is held where it is loudest: what comes after that comes later. A note of `music` has its key
    released at the end, and dies away as it does by itself; tones and faint notes of its segment are left out. Each
    segment keeps its place among the channels. The table lasts until all have died away.
    contour: how far pitches go from the note's, as for `pitch.contour`. shape_map: as for `pitch.transpose`. SicError
    where the instrument has no segment with a pitch, where a pitch or a level is out of range, and where more sounds at
    once than 255 streams can hold.
    """
    layout = layout_of(instrument.header)
    midi = MIDI_OF_110_HZ + 12 * np.log2(np.where(segments.f0_hz > 0, segments.f0_hz, np.nan) / 110)
    of = _playable(segments, midi)
    if not len(of):
        raise SicError("has no segment with a pitch, so no note can be played on it")
    runs, streams = segments.runs, instrument.header.stream_gains
    voices, tone, levels = Voices.of(instrument).number, layout.tones(instrument.vector), level_db(instrument)
    things, end_s = [], 0.0
    for stroke in strokes:
        i = int(of[np.argmin(np.abs(midi[of] - stroke.midi))])
        start_s = float(segments.start_s[i])
        if layout.events_are_notes:
            rows = runs[i][~tone[runs[i]]]
            note = rows[voices[rows] == voices[rows[levels[rows].argmax()]]]
            start_s = float(instrument.time[note[0]])
            sound = _released(layout, instrument.select(note), stroke.duration_s)
        else:
            length_s = float(segments.end_s[i]) - start_s
            sound = _lasting(layout, instrument.select(runs[i]), start_s, length_s, stroke.duration_s)
        if contour != 1:
            sound = pitch.contour(sound, contour, shape_map=shape_map)
        # of a part of a segment, pitch and level may be others than its own
        sound = pitch.transpose(sound, stroke.midi - _midi(layout, sound), shape_map=shape_map)
        sound = gain(sound, stroke.level_db - float(level_db(sound).max()))
        sound = sound.replace(time=np.maximum(sound.time - start_s + stroke.onset_s, 0))
        stream = int(segments.channel[i])
        gains = tuple(row[stream] for row in streams)
        things.append(Thing(sound, gains, instrument.header.noise_numbers[stream]))
        end_s = max(end_s, stroke.onset_s + stroke.duration_s)
    table = arranged(replace(instrument.header, tags={}), things)
    if len(table):
        end_s = max(end_s, float(Voices.of(table).end_s.max()))
    return table.replace(header=replace(table.header, n_samples=math.ceil(end_s * table.header.sample_rate)))


def _playable(segments: Segments, midi: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which segments can play a note."""
    pitched = np.flatnonzero((segments.kind == "pitched") & np.isfinite(midi) & np.isfinite(segments.level_db))
    if not len(pitched):
        return pitched
    long = (segments.end_s - segments.start_s)[pitched] >= SHORTEST_S
    loud = segments.level_db[pitched] >= segments.level_db[pitched].max() - SOFTEST_DB
    return pitched[long & loud] if (long & loud).any() else pitched


def _midi(layout: Layout, sound: EventTable) -> float:
    """The pitch that a run of linked events is below for half of its time."""
    midi = MIDI_OF_110_HZ + layout.dim("f0_semitones").heard(sound.vector)
    times = np.linspace(sound.time[0], sound.time[-1], N_PITCHES)
    return float(np.median(np.interp(times, sound.time, midi)))


def _lasting(layout: Layout, sound: EventTable, start_s: float, length_s: float, duration_s: float) -> EventTable:
    """A run of linked events, heard from start_s on for so long, that is cut, or held where it is loudest, to this
    length."""
    more_s = duration_s - length_s
    if more_s > 0:
        return _held(layout, sound, int(np.argmax(level_db(sound))), more_s)
    stop_s = start_s + duration_s
    sound = sound.select(sound.time < max(stop_s, float(np.nextafter(sound.time[0], np.inf))))
    left_s = stop_s - float(sound.time[-1])
    return _held(layout, sound, len(sound) - 1, left_s) if left_s > NEAR_S else sound


def _held(layout: Layout, sound: EventTable, row: int, more_s: float) -> EventTable:
    """A run of linked events that stays so much longer as it is at one of them."""
    n_steps = math.ceil(more_s / LONGEST_STEP_S)
    rows = np.concatenate([np.arange(row + 1), np.full(n_steps, row), np.arange(row + 1, len(sound))])
    added = slice(row + 1, row + 1 + n_steps)
    later = np.zeros(len(rows))
    later[added] = more_s * np.arange(1, n_steps + 1) / n_steps
    later[added.stop :] = more_s
    vector = sound.vector[rows]
    vector[added, layout.dim("begins").index] = 0
    return EventTable(sound.header, sound.time[rows] + later, vector, sound.channel[rows], sound.amplitude[rows])


def _released(layout: Layout, sound: EventTable, duration_s: float) -> EventTable:
    """The events of a note whose key is released after this long."""
    first_s = float(sound.time[0])
    sound = sound.select(sound.time < max(first_s + duration_s, float(np.nextafter(first_s, np.inf))))
    dim, vector = layout.dim("duration_log2_s"), sound.vector.copy()
    left_s = max(first_s + duration_s - float(sound.time[-1]), 2.0**dim.low)
    vector[-1, dim.index] = (math.log2(left_s) - dim.offset) / dim.scale
    return sound.replace(vector=vector)
