"""Edits as methods of a table, so that they read in the order in which they are done."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .edit import Gap, Similar, Timbre
    from .edit.nearest import By
    from .table import EventTable

    Where = NDArray[np.bool_] | str | None


class TableEdits:
    """Each is the function of its name in `sparsecodec_formats.edit`, which tells of its arguments, ranges and errors.
    where: which events it is of: bool [n], or an expression such as "pitch > 200"; None: all."""

    def gain(self, db: float, *, where: Where = None) -> EventTable:
        """Louder by so many dB."""
        from . import edit

        return edit.gain(cast("EventTable", self), db, where=where)

    def transpose(self, semitones: float, *, timbre: Timbre | None = None, where: Where = None) -> EventTable:
        """Higher by so many semitones."""
        from . import edit

        return edit.transpose(cast("EventTable", self), semitones, timbre=timbre, where=where)

    def glide(self, semitones: float, *, where: Where = None) -> EventTable:
        """Pitch that slides by so many semitones over each voice."""
        from . import edit

        return edit.glide(cast("EventTable", self), semitones, where=where)

    def contour(self, factor: float, *, where: Where = None) -> EventTable:
        """Pitch that goes so many times as far from the mean of its voice."""
        from . import edit

        return edit.contour(cast("EventTable", self), factor, where=where)

    def stretch(self, factor: float, *, events: bool = True) -> EventTable:
        """So many times as long."""
        from . import edit

        return edit.stretch(cast("EventTable", self), factor, events=events)

    def shift(self, seconds: float, *, where: Where = None) -> EventTable:
        """Later by so many seconds."""
        from . import edit

        return edit.shift(cast("EventTable", self), seconds, where=where)

    def shorten_pauses(self, longest_s: float) -> EventTable:
        """With no pause longer than so many seconds."""
        from . import edit

        return edit.shorten_pauses(cast("EventTable", self), longest_s)

    def reverse(self) -> EventTable:
        """Backwards."""
        from . import edit

        return edit.reverse(cast("EventTable", self))

    def crop(self, start_s: float = 0.0, end_s: float | None = None) -> EventTable:
        """The part between two times."""
        from . import edit

        return edit.crop(cast("EventTable", self), start_s, end_s)

    def attack(self, factor: float, *, where: Where = None) -> EventTable:
        """What comes in takes so many times as long."""
        from . import edit

        return edit.attack(cast("EventTable", self), factor, where=where)

    def decay(self, factor: float, *, where: Where = None) -> EventTable:
        """What dies away takes so many times as long."""
        from . import edit

        return edit.decay(cast("EventTable", self), factor, where=where)

    def whisper(self, *, where: Where = None) -> EventTable:
        """Voice becomes noise."""
        from . import edit

        return edit.whisper(cast("EventTable", self), where=where)

    def tilt(self, db_per_octave: float, *, where: Where = None) -> EventTable:
        """Brighter by so many dB an octave."""
        from . import edit

        return edit.tilt(cast("EventTable", self), db_per_octave, where=where)

    def room(self, db: float, *, where: Where = None) -> EventTable:
        """So much sent to the room, dB."""
        from . import edit

        return edit.room(cast("EventTable", self), db, where=where)

    def unlink(self, *, where: Where = None) -> EventTable:
        """Every event a thing by itself."""
        from . import edit

        return edit.unlink(cast("EventTable", self), where=where)

    def drop_below(self, db: float, *, where: Where = None) -> EventTable:
        """Without events softer than so many dB re full scale."""
        from . import edit

        return edit.drop_below(cast("EventTable", self), db, where=where)

    def take(self, where: NDArray[np.bool_] | str, gap: Gap = "keep") -> EventTable:
        """Some events, as things by themselves."""
        from . import edit

        return edit.take(cast("EventTable", self), where, gap)

    def drop(self, where: NDArray[np.bool_] | str, gap: Gap = "keep") -> EventTable:
        """Without some events."""
        from . import edit

        return edit.drop(cast("EventTable", self), where, gap)

    def keep(self, n: int, *, where: Where = None) -> EventTable:
        """The n events that are missed most."""
        from . import edit

        return edit.keep(cast("EventTable", self), n, where=where)

    def keep_percent(self, percent: float, *, where: Where = None) -> EventTable:
        """The share of the events that is missed most."""
        from . import edit

        return edit.keep_percent(cast("EventTable", self), percent, where=where)

    def repeat(self, n: int, *, every_s: float | None = None, where: Where = None) -> EventTable:
        """Heard n times in all."""
        from . import edit

        return edit.repeat(cast("EventTable", self), n, every_s=every_s, where=where)

    def echo(self, delay_s: float, db: float, n: int, *, where: Where = None) -> EventTable:
        """With n echoes."""
        from . import edit

        return edit.echo(cast("EventTable", self), delay_s, db, n, where=where)

    def move_to(self, seconds: float, *, where: Where = None) -> EventTable:
        """Moved so that the first event is at a time."""
        from . import edit

        return edit.move_to(cast("EventTable", self), seconds, where=where)

    def quantise_times(self, grid_s: float, *, where: Where = None) -> EventTable:
        """Each voice at the nearest multiple of so many seconds."""
        from . import edit

        return edit.quantise_times(cast("EventTable", self), grid_s, where=where)

    def jitter(self, seconds: float, *, seed: int = 0, where: Where = None) -> EventTable:
        """Each voice earlier or later, up to so many seconds."""
        from . import edit

        return edit.jitter(cast("EventTable", self), seconds, seed=seed, where=where)

    def morph(self, other: EventTable, amount: float) -> EventTable:
        """So far on the way to another table, 0..1."""
        from . import edit

        return edit.morph(cast("EventTable", self), other, amount)

    def mosaic(self, other: EventTable, *, keep_pitch: bool = False, keep_level: bool = False) -> EventTable:
        """Each segment by the most similar of another table: what `sic replace` does."""
        from . import edit

        return edit.mosaic(cast("EventTable", self), other, keep_pitch=keep_pitch, keep_level=keep_level)

    def similar(
        self, to: int, others: Sequence[EventTable] = (), *, by: By = "event", top: int = 10
    ) -> tuple[Similar, list[Similar]]:
        """Event `to`, and those of this table and of others that sound most like it."""
        from . import edit

        return edit.similar([cast("EventTable", self), *others], to, by=by, top=top)
