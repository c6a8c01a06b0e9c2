"""`Segments`: a column for each thing that is told of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.presets import layout_of
from sparsecodec_formats.presets.voices import Voices, pitched_by_numbers
from sparsecodec_formats.table import EventTable

from .description import description
from .notes import cut_notes
from .parts import Bools, Floats, Rows
from .repeats import repeats_of
from .voices import cut_voices


@dataclass(frozen=True, eq=False)
class Segments:
    """The m segments of a table of n events, in order of their first events.

    Attributes:
        start_s, end_s: float64 [m], seconds: when it begins to be heard, and when it has died away, the next sound of
            its voice has begun, the key of a note is released, or the recording ends.
        kind: str [m], of KINDS: with a pitch, without, or a stroke of a drum.
        f0_hz: float64 [m], the pitch that it is at or below for half of the time in which it has one; nan without.
        f0_course_semitones: float64 [m], how much higher it ends than it begins, by the line that is nearest to its
            pitch; nan without.
        level_db: float64 [m], of its loudest event, dB re full scale; -inf for silence.
        channel: uint8 [m], the stream that its events are in, as `EventTable.channel`.
        timbre: float64 [m, dims], the mean of its events' spectra as vectors tell them, the louder ones counting more.
        number: int64 [n], the segment of each event.
    """

    start_s: Floats
    end_s: Floats
    kind: NDArray[np.str_]
    f0_hz: Floats
    f0_course_semitones: Floats
    level_db: Floats
    channel: NDArray[np.uint8]
    timbre: Floats
    number: Rows

    @staticmethod
    def of(table: EventTable, voiced: Bools | None = None) -> Segments:
        """The segments of a table of `speech` or `music`; SicError for any other preset, whose vectors tell no links.

        voiced: bool [n], which events of `speech` have a pitch of their own, as the weights tell
        (`Renderer.has_pitch`); None: `pitched_by_numbers`. `music` tells itself.
        """
        layout, voices = layout_of(table.header), Voices.of(table)
        if not voices.linked:
            raise SicError(f"has no segments: vectors of preset {layout.name!r} do not tell what is linked")
        if layout.events_are_notes:
            return Segments(**description(table, layout, cut_notes(table, layout, voices)))
        known = pitched_by_numbers(table) if voiced is None else np.asarray(voiced, bool)
        cut = cut_voices(table, layout, voices, known)
        return Segments(**description(table, layout, cut))

    def __len__(self) -> int:
        return len(self.start_s)

    def rows(self, i: int) -> Rows:
        """int64: which events of the table are segment i, in order of time."""
        return np.flatnonzero(self.number == i)

    @cached_property
    def repeats(self) -> Rows:
        """int64 [m]: index of the first segment that each sounds like; -1 where it is the first of its kind."""
        return repeats_of(self)

    @property
    def runs(self) -> list[Rows]:
        """`rows` of every segment."""
        order = np.argsort(self.number, kind="stable")
        stops = np.cumsum(np.bincount(self.number, minlength=len(self))).tolist()
        return [order[start:stop] for start, stop in pairwise([0, *stops])]
