"""Where notes lie on a page's piano roll, and their colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sparsecodec_cli.inspect.colour_ramp import ramp
from sparsecodec_cli.inspect.event_map import EventMap
from sparsecodec_cli.inspect.keys import Keys
from sparsecodec_formats.interchange.notes import Note

N_COLOURS = 64
LEAST_SPAN = 16.0 / 127  # of velocities, from the first colour to the last
SILENT_RGB = (140, 140, 140)


@dataclass(frozen=True)
class NoteMap:
    """events: where each is and its colour, by velocity. ticks: (name, place) of the upward axis, places 0 … 1; row:
    height of a semitone on it; velocities: of the first colour and of the last, 0 … 127."""

    events: EventMap
    ticks: list[tuple[str, float]]
    row: float
    velocities: tuple[float, float]


def note_map(notes: Sequence[Note | None], tone: Sequence[bool]) -> NoteMap:
    """Of the notes of events (`event_notes`): pitch upwards, drums below; those that are silent on the bottom, grey, as
    are tones at their pitch. tone: which events are tones."""
    heard = [note for note in notes if note is not None]
    keys = Keys.of(heard)
    height = max(keys.top - keys.bottom, 1.0)
    velocity = np.array([note.velocity for note, of in zip(notes, tone, strict=True) if note is not None and not of])
    low, high = velocity.min(initial=1.0), velocity.max(initial=0.0)
    wider = max(0.0, LEAST_SPAN - (high - low)) / 2
    low, high = low - wider, high + wider
    colours = [tuple(bytes.fromhex(name[1:])) for name in ramp(N_COLOURS)]
    place = np.zeros(len(notes), np.float32)
    rgb = np.full((len(notes), 3), SILENT_RGB, np.uint8)
    for i, note in enumerate(notes):
        if note is not None:
            place[i] = (keys.place(note) - keys.bottom) / height
            rgb[i] = SILENT_RGB if tone[i] else colours[round((note.velocity - low) / (high - low) * (N_COLOURS - 1))]
    ticks = [(name, round((at - keys.bottom) / height, 4)) for at, name in zip(*keys.ticks, strict=True)]
    return NoteMap(EventMap(place, rgb), ticks, 1 / height, (127 * max(low, 0.0), 127 * min(high, 1.0)))
