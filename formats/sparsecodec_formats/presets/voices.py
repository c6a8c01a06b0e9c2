"""Which events carry on which: the one owner of links, for edits, pictures, measures and decoders.

An event is *linked* if it carries on the sound of the event before it in its channel. A run of linked events is a
*voice*. docs/sound.md, "Voices", has the rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.table import EventTable

from . import layout_of

BEGINS_ABOVE = 0.5
"""An event whose `begins` is above this begins by itself."""
LONGEST_LINK_S = 10.0
"""No link reaches over a longer gap: a file that says otherwise must not fill a decoder's memory."""
WHOLE_SHARE = 0.9
"""An attack of more than this share of the gap takes up all of it, as far as is heard."""

Floats = NDArray[np.float64]


def begins_by_itself(begins: Any, gap_s: Any) -> Any:
    """The rule for links: whether events with these values of `begins` begin by themselves, this long after the event
    before them in their channel. Arrays or tensors [n] → bool [n]; the first event of a channel begins anyway."""
    return (begins > BEGINS_ABOVE) | (gap_s > LONGEST_LINK_S)


@dataclass(frozen=True)
class Voices:
    """The voices of a table. Arrays have n values, in the table's order; times are seconds.

    Attributes:
        linked: whether this preset's vectors tell links and fades. If not, every event is a voice of its own, and
            attack_s, decay_s and f0_hz are NaN.
        order: int64, rows channel by channel, in order of time in each: voices lie one after the other.
        begins, ends: bool, whether an event begins by itself; whether none is linked to it.
        gap_s: float64, since the event before in the channel; inf for a channel's first.
        attack_s, decay_s: float64, as the decoder takes them: within its range, an attack no longer than the gap if
            the event is linked. The decay counts where the event ends its voice.
        f0_hz: float64, within the decoder's range.
    """

    linked: bool
    time_s: Floats
    order: NDArray[np.int64]
    begins: NDArray[np.bool_]
    ends: NDArray[np.bool_]
    gap_s: Floats
    attack_s: Floats
    decay_s: Floats
    f0_hz: Floats

    @staticmethod
    def of(table: EventTable) -> Voices:
        """SicError for a preset that is not known here."""
        layout, n = layout_of(table.header), len(table)
        order = np.argsort(table.channel, kind="stable")
        first = np.diff(table.channel[order].astype(np.int64), prepend=-1) != 0
        gap_s = np.empty(n)
        gap_s[order] = np.where(first, np.inf, np.diff(table.time[order], prepend=0.0))
        if "begins" not in layout.dims:
            every, none = np.ones(n, bool), np.full(n, np.nan)
            return Voices(False, table.time, order, every, every, gap_s, none, none, none)
        says, attack, decay, f0 = (
            layout.dims[name].heard(table.vector)
            for name in ("begins", "attack_log2_s", "decay_log2_s", "f0_semitones")
        )
        # in whole samples of the model, as the decoder counts
        place = np.round(np.minimum(table.time, 2.0**40) * layout.sample_rate)[order]
        starts = first | begins_by_itself(says[order], np.diff(place, prepend=0.0) / layout.sample_rate)
        begins, ends = np.empty(n, bool), np.empty(n, bool)
        begins[order], ends[order] = starts, np.roll(starts, -1)  # the first begins, so the last ends
        attack_s = np.exp2(attack)
        attack_s = np.where(begins, attack_s, np.minimum(attack_s, gap_s))
        return Voices(True, table.time, order, begins, ends, gap_s, attack_s, np.exp2(decay), 110.0 * np.exp2(f0 / 12))

    @property
    def number(self) -> NDArray[np.int64]:
        """int64 [n]: which voice each event belongs to, counted from 0 in `order`."""
        out = np.empty(len(self.order), np.int64)
        out[self.order] = np.cumsum(self.begins[self.order]) - 1
        return out

    @property
    def runs(self) -> list[NDArray[np.int64]]:
        """The rows of each voice, in order of time."""
        return np.split(self.order, np.flatnonzero(self.begins[self.order]))[1:]

    @property
    def next_s(self) -> Floats:
        """float64 [n]: to the event that is linked to each; inf where none is."""
        out = np.full(len(self.order), np.inf)
        out[self.order[:-1]] = self.gap_s[self.order[1:]]
        return np.where(self.ends, np.inf, out)

    @property
    def comes_whole(self) -> NDArray[np.bool_]:
        """bool [n]: linked events that come in all the way from the event before them."""
        return ~self.begins & (self.attack_s > WHOLE_SHARE * self.gap_s)

    @property
    def start_s(self) -> Floats:
        """float64 [n]: when each event begins to come in."""
        return self.time_s - self.attack_s

    @property
    def end_s(self) -> Floats:
        """float64 [n]: when each event has died away, or the one linked to it has taken over."""
        return self.time_s + np.where(self.ends, self.decay_s, self.next_s)

    @property
    def sounding_s(self) -> Floats:
        """float64 [n]: how long each event sounds, by the area under its fades.

        To either side it sounds for half the gap to the event that it is linked to; else for half its attack (linear)
        where it begins by itself, and for a third of its decay ((1 - x)²) where nothing is linked to it.
        """
        before = np.where(self.begins, self.attack_s / 2, self.gap_s / 2)
        return before + np.where(self.ends, self.decay_s / 3, self.next_s / 2)
