"""A piano roll in characters: notes as lines over time, pitch upwards, each drum in a row of its own below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.interchange.drums import DRUMS
from sparsecodec_formats.interchange.notes import Note, note_name

from .cells import DOTS_X, DOTS_Y, braille, by_cell

ROWS, ROWS_OF_TWO = 16, 10  # of pitches: as many at least as there is room for a semitone to be as high as can be
DOTS_OF_SEMITONE = (4, 2, 1)  # each a divisor of DOTS_Y, so that a row is of 1, 2 or 4 semitones
LABELLED = {4: (0, 2, 4, 5, 7, 9, 11), 2: (0, 7), 1: (0,)}  # semitones above C that have their names beside them
UNVOICED = "unvoiced"  # the row of what has no pitch
GAP = 1  # dots that are left free before a note that begins where another of its pitch ends


class RollPanel(NamedTuple):
    """Notes of one channel, or of all where `channel` is None: lines of characters, one for each label of the roll.

    velocity: float64 [rows, width], 0 … 127, of the loudest note that each character shows; nan: none.
    """

    channel: int | None
    rows: list[str]
    velocity: NDArray[np.float64]


class Roll(NamedTuple):
    """Panels, one below the other, with the same rows. labels: of the rows, from above, "" for none."""

    duration_s: float
    width: int
    labels: list[str]
    panels: list[RollPanel]


class Keyboard(NamedTuple):
    """Which row a note is in. dots: of a semitone; bottom: pitch of the lowest semitone, a multiple of those in a row;
    n_rows: of pitches; drums: names of drums, from above, and of what else has no pitch, below these rows."""

    dots: int
    bottom: int
    n_rows: int
    drums: list[str]

    @classmethod
    def of(cls, notes: Sequence[Note], most_rows: int) -> Keyboard:
        struck = {note.drum for note in notes}
        drums = [drum.name for drum in reversed(DRUMS) if drum in struck]
        if any(_is_unvoiced(note) for note in notes):
            drums.append(UNVOICED)
        keys = [math.floor(note.midi + 0.5) for note in notes if note.drum is None and not _is_unvoiced(note)]
        if not keys:
            return cls(1, 0, 0, drums)
        low, high = min(keys), max(keys)
        for dots in DOTS_OF_SEMITONE:
            semitones = DOTS_Y // dots
            bottom = low // semitones * semitones
            n_rows = (high - bottom) // semitones + 1
            if n_rows <= most_rows:
                break
        return cls(dots, bottom, n_rows, drums)

    @property
    def labels(self) -> list[str]:
        semitones = DOTS_Y // self.dots
        names = []
        for row in range(self.n_rows):
            first = self.bottom + (self.n_rows - 1 - row) * semitones
            named = [key for key in range(first, first + semitones) if key % 12 in LABELLED[self.dots]]
            names.append(note_name(named[0]) if named else "")
        return names + self.drums

    def down(self, note: Note) -> int:
        """How many dots below the top a note lies: by its pitch, or in the middle of the row of those without."""
        if _is_unvoiced(note):
            return (self.n_rows + self.drums.index(UNVOICED)) * DOTS_Y + DOTS_Y // 2
        up = math.floor((note.midi + 0.5 - self.bottom) * self.dots + 1e-6)  # what is rounded in the file stays in tune
        return self.n_rows * DOTS_Y - 1 - up

    def down_drum(self, note: Note) -> int:
        """The first of a drum's dots."""
        assert note.drum is not None
        return (self.n_rows + self.drums.index(note.drum.name)) * DOTS_Y


def piano_roll(
    notes: Sequence[Note], duration_s: float, channels: int, width: int, *, ascii_only: bool = False
) -> Roll | None:
    """Notes, `width` characters wide; None when there are none.

    A note is a line from onset to offset, one whose pitch is nan in a row at the bottom; a drum, whose end is not heard
    as such, a stroke at its onset. Two channels get a panel each, more share one.
    """
    if not notes:
        return None
    both = channels == 2
    keyboard = Keyboard.of(notes, ROWS_OF_TWO if both else ROWS)
    panels = []
    for channel in range(2) if both else [None]:
        mine = [note for note in notes if channel in (None, note.channel)]
        panels.append(_panel(mine, keyboard, duration_s, width, channel, ascii_only))
    return Roll(duration_s, width, keyboard.labels, panels)


def _is_unvoiced(note: Note) -> bool:
    return note.drum is None and math.isnan(note.midi)


def _panel(
    notes: list[Note], keyboard: Keyboard, duration_s: float, width: int, channel: int | None, ascii_only: bool
) -> RollPanel:
    shape = (keyboard.n_rows + len(keyboard.drums)) * DOTS_Y, width * DOTS_X
    times_s = np.array([(note.onset_s, note.offset_s) for note in notes]).reshape(-1, 2)
    first, stop = np.rint(times_s / duration_s * shape[1]).astype(np.int64).T
    first = np.minimum(first, shape[1] - 1)
    loud = 127 * np.array([note.velocity for note in notes])
    struck = np.array([note.drum is not None for note in notes], bool)
    top = np.array([keyboard.down(note) if note.drum is None else keyboard.down_drum(note) for note in notes], np.int64)
    # dots of each: to the right, of a drum downwards
    n_dots = np.where(struck, DOTS_Y, np.maximum(stop - first, 1))
    of = np.repeat(np.arange(len(notes)), n_dots)
    along = np.arange(len(of)) - np.repeat(np.cumsum(n_dots) - n_dots, n_dots)
    velocity = np.full(shape, np.nan)
    np.fmax.at(velocity, (top[of] + along * struck[of], first[of] + along * ~struck[of]), loud[of])
    begins = np.zeros(shape, bool)
    begins[top, first] = ~struck
    before = np.pad(begins, ((0, 0), (0, GAP)))[:, GAP:] & ~begins
    velocity[before] = np.nan
    cells = by_cell(np.isfinite(velocity))
    loudest = np.fmax.reduce(by_cell(velocity), axis=(2, 3))
    return RollPanel(channel, _ascii(cells) if ascii_only else braille(cells), loudest)


def _ascii(cells: NDArray[np.bool_]) -> list[str]:
    return ["".join(_ascii_of(cell) for cell in row) for row in cells]


def _ascii_of(cell: NDArray[np.bool_]) -> str:
    """A character that looks about like dots [4, 2]: how high the line is, "=" for more than one, "|" for a stroke."""
    down = np.flatnonzero(cell.any(axis=1))
    if len(down) == DOTS_Y:
        return "|"
    return " " if not len(down) else "'--."[down[0]] if len(down) == 1 else "="
