"""The upward axis of a drawn piano roll: pitch in semitones, and a row for each drum below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sparsecodec_formats.interchange.drums import DRUMS
from sparsecodec_formats.interchange.notes import Note, note_name

MARGIN = 1.0  # semitones above the highest and below the lowest
DRUM_ROW = 1.5  # semitones from drum to drum
NAMED = {24: (0, 2, 4, 5, 7, 9, 11), 48: (0, 7)}  # up to such a range: semitones above C that have names; above: C


@dataclass(frozen=True)
class Keys:
    """Where notes are on the axis. low, high: pitches of the lowest and highest note, None without any; drums: names of
    rows for what has no pitch, from below."""

    low: float | None
    high: float | None
    drums: list[str]

    @classmethod
    def of(cls, notes: Sequence[Note]) -> Keys:
        struck = {note.drum for note in notes}
        pitches = [note.midi for note in notes if note.drum is None]
        drums = [drum.name for drum in DRUMS if drum in struck]
        return cls(min(pitches, default=None), max(pitches, default=None), drums)

    @property
    def bottom(self) -> float:
        return (0.0 if self.low is None else self.low - MARGIN) - DRUM_ROW * len(self.drums)

    @property
    def top(self) -> float:
        return 0.0 if self.high is None else self.high + MARGIN

    def place(self, note: Note) -> float:
        return note.midi if note.drum is None else self.row(note.drum.name)

    def row(self, name: str) -> float:
        """The middle of one of the rows of `drums`."""
        return self.bottom + DRUM_ROW * (self.drums.index(name) + 0.5)

    @property
    def ticks(self) -> tuple[list[float], list[str]]:
        """Places and names."""
        ticks = [(self.row(name), name) for name in self.drums]
        if self.low is not None and self.high is not None:
            named = next((keys for span, keys in NAMED.items() if self.high - self.low <= span), (0,))
            low, high = math.ceil(self.low - MARGIN), math.floor(self.high + MARGIN)
            ticks += [(float(key), note_name(key)) for key in range(low, high + 1) if key % 12 in named]
        return [place for place, _ in ticks], [name for _, name in ticks]
