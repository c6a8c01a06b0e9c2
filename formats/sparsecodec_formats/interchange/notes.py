"""Events as notes: when each begins and ends, its pitch, how loud it is.

A note is a run of linked events (`Voices`). Velocities go with the level in dB: -60 dB re full scale is 0, 0 dB is 1.
Where there is no pitch there is no note, drums excepted: an unvoiced voice of `speech` gives none, and `reference`,
whose vectors tell no pitch, gives none at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.presets import layout_of, level_db
from sparsecodec_formats.presets.layout import NOTE_ABOVE, Layout
from sparsecodec_formats.presets.voices import Voices
from sparsecodec_formats.segments import Segments
from sparsecodec_formats.table import EventTable

from .drums import Drum, drum_of
from .rows import DECIMALS

SOFTEST_DB = -60.0
"""Level of velocity 0; that of velocity 1 is 0 dB."""
MIDI_OF_110_HZ = 45.0
NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Note:
    """A note, or a stroke of a drum.

    Attributes: onset_s, offset_s: onset and end, s from the start of the source; midi: pitch in semitones, of which 69
    are 440 Hz (of a drum that of its lowest mode); velocity: 0 … 1; drum: which one, None for a note with a pitch;
    channel: of the source; event: row of the note's first event.
    """

    onset_s: float
    offset_s: float
    midi: float
    velocity: float
    drum: Drum | None
    channel: int
    event: int


def notes_of(table: EventTable) -> list[Note]:
    """The notes of a table, by their onsets; SicError for a preset that is not known here.

    `music`: from the time of a note's first event to the key's release in its last. `speech`: a note for each voice,
    from the middle of its attack to where it has died away. The pitch is the median over a note's time, the velocity
    that of its loudest event. What is silent, or begins after the recording's end, is no note, and none goes on after
    that. Tones are no notes.
    """
    voices = Voices.of(table)
    if not voices.linked:
        return []
    tone = layout_of(table.header).tones(table.vector)
    found = [note for note in _notes(table, voices, voices.runs_from(~tone)) if note is not None]
    return sorted(found, key=lambda note: (note.onset_s, note.event))


def event_notes(table: EventTable) -> list[Note | None]:
    """Of each event by itself, what `notes_of` tells of a run of them; it ends where a linked event carries it on. Of a
    tone, the note that it would be."""
    voices = Voices.of(table)
    if not voices.linked:
        return [None] * len(table)
    return _notes(table, voices, list(np.arange(len(table))[:, None]))


def segment_notes(table: EventTable, segments: Segments, *, with_unvoiced: bool = False) -> list[Note]:
    """A note for each segment of a table that has a pitch or is a drum, with its times, its pitch and its level; drums
    are told apart as in `notes_of`. By their onsets; none begins or goes on after the recording's end.

    with_unvoiced: also for each that is heard and has neither; its pitch is nan.
    """
    drums = _drums(table, layout_of(table.header))
    midi = MIDI_OF_110_HZ + 12 * np.log2(segments.f0_hz / 110)
    velocity = np.clip(1 - segments.level_db / SOFTEST_DB, 0.0, 1.0)
    notes = []
    for i, run in enumerate(segments.runs):
        of_segment = [drums[row] for row in run.tolist() if drums[row] is not None]
        drum = of_segment[0] if segments.kind[i] == "drum" and of_segment else None
        is_unvoiced = with_unvoiced and segments.kind[i] == "unvoiced" and np.isfinite(segments.level_db[i])
        if drum is not None or np.isfinite(midi[i]) or is_unvoiced:
            pitch = float(midi[i]) if np.isfinite(midi[i]) or is_unvoiced else 0.0
            times = float(segments.start_s[i]), min(float(segments.end_s[i]), table.duration_s)
            if times[0] >= table.duration_s:
                continue
            notes.append(Note(*times, pitch, float(velocity[i]), drum, int(segments.channel[i]), int(run[0])))
    return sorted(notes, key=lambda note: (note.onset_s, note.event))


def note_rows(notes: Sequence[Note]) -> list[dict[str, Any]]:
    """Notes as flat mappings for JSON; their keys stay the same."""
    return [
        {
            "onset_s": round(note.onset_s, DECIMALS),
            "offset_s": round(note.offset_s, DECIMALS),
            "midi": round(note.midi, DECIMALS),
            "velocity": round(note.velocity, DECIMALS),
            "drum": note.drum is not None,
            "channel": note.channel,
            "event": note.event,
        }
        for note in notes
    ]


def note_name(midi: float) -> str:
    """The nearest note of the scale, such as C4 (60) and F#3 (54)."""
    nearest = math.floor(midi + 0.5)
    return f"{NAMES[nearest % 12]}{nearest // 12 - 1}"


def note_name_and_cents(midi: float) -> str:
    """As `note_name`, and how many cents above or below: A4, A4+12, A4-3."""
    cents = round(100 * (midi - math.floor(midi + 0.5)))
    return note_name(midi) + (f"{cents:+d}" if cents else "")


def _notes(table: EventTable, voices: Voices, runs: Sequence[NDArray[np.int64]]) -> list[Note | None]:
    """Of each run of rows, its note; None where there is none."""
    layout = layout_of(table.header)
    midi, level, drums = _midi(table, layout), _loudness_db(table, layout), _drums(table, layout)
    onset_s, offset_s = _times(table, layout, voices)

    def pitch(run: NDArray[np.int64]) -> float:
        """nan where there is none."""
        if len(run) == 1:
            return float(midi[run[0]])
        pitched = run[np.isfinite(midi[run])]
        return _median(midi[pitched], offset_s[pitched] - onset_s[pitched]) if len(pitched) else math.nan

    if not runs:
        return []
    lengths = np.array([len(run) for run in runs])
    rows, starts = np.concatenate(runs), np.cumsum(lengths) - lengths
    first, last = rows[starts], rows[starts + lengths - 1]
    columns = {
        "onset_s": onset_s[first],
        "offset_s": np.maximum(onset_s[first], np.minimum(offset_s[last], table.duration_s)),
        "midi": np.array([pitch(run) for run in runs]),
        "velocity": np.clip(1 - np.maximum.reduceat(level[rows], starts) / SOFTEST_DB, 0.0, 1.0),
        "channel": table.channel[first],
        "event": first,
    }
    sounds = (np.maximum.reduceat(level[rows], starts) > -math.inf) & (onset_s[first] < table.duration_s)
    is_note = sounds & np.isfinite(columns["midi"])
    fields = (dict(zip(columns, of, strict=True)) for of in zip(*(c.tolist() for c in columns.values()), strict=True))
    return [
        Note(**of, drum=drums[of["event"]]) if is_one else None
        for of, is_one in zip(fields, is_note.tolist(), strict=True)
    ]


def _midi(table: EventTable, layout: Layout) -> Floats:
    dim = layout.dim("f0_semitones")
    midi = MIDI_OF_110_HZ + dim.heard(table.vector)
    if layout.events_are_notes:
        return midi
    return np.where(table.vector[:, dim.index] == 0, np.nan, midi)  # a voice that has had no pitch yet


def _loudness_db(table: EventTable, layout: Layout) -> Floats:
    """Levels, with that of the noise where it is told apart."""
    level = level_db(table)
    if "noise_db" not in layout.dims:
        return level
    with_noise = level + 10 * np.log10(1 + 10 ** (layout.dim("noise_db").heard(table.vector) / 10))
    return np.where(layout.tones(table.vector), level, with_noise)


def _drums(table: EventTable, layout: Layout) -> list[Drum | None]:
    if "kind" not in layout.dims:
        return [None] * len(table)
    pitched = (layout.physical(table, "kind") > NOTE_ABOVE) | layout.tones(table.vector)
    semitones, noise_db, noise_t60 = (
        layout.dim(name).heard(table.vector) for name in ("f0_semitones", "noise_db", "noise_decay_log2_s")
    )
    f0_hz, noise_t60_s = 110 * np.exp2(semitones / 12), np.exp2(noise_t60)
    drums: list[Drum | None] = [None] * len(table)
    for i in np.flatnonzero(~pitched).tolist():
        drums[i] = drum_of(float(f0_hz[i]), float(noise_db[i]), float(noise_t60_s[i]))
    return drums


def _times(table: EventTable, layout: Layout, voices: Voices) -> tuple[Floats, Floats]:
    """Onset and end of every event, as if it were a note by itself."""
    if not layout.events_are_notes:
        return np.maximum(table.time - voices.attack_s / 2, 0), voices.end_s
    held_s = np.exp2(layout.dim("duration_log2_s").heard(table.vector))
    return table.time, table.time + np.where(voices.ends, held_s, voices.next_s)


def _median(values: Floats, weights: Floats) -> float:
    """The value that half of the weight lies at or below."""
    order = np.argsort(values, kind="stable")
    up_to = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(up_to, up_to[-1] / 2)])
