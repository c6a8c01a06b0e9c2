"""Which events carry on which, and when each sounds: the one owner of links, for edits, pictures, measures, decoders.

An event is *linked* if it carries on the sound of an event before it in its channel. A run of linked events is a
*voice*: in `speech` a stretch of a speaker's voice, in `music` a note. docs/sound.md, "Voices", has the rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.table import EventTable

from . import layout_of
from .layout import Layout

BEGINS_ABOVE = 0.5
"""An event whose `begins` is above this begins by itself."""
LONGEST_LINK_S = 10.0
"""No link reaches over a longer gap: a file that says otherwise must not fill a decoder's memory."""
NEAREST_SEMITONES = 1.5
"""Where links go by pitch, none reaches over a larger step."""
LONGEST_NOTE_LINK_S = 2.0
"""Nor over a longer gap."""
NOTE_WINDOW_S = 60
"""Nor from one window of so many seconds into the next, so that what is heard never depends on all that was before."""
SAID_BY_FIRST = ("inharmonicity_log2", "vibrato_hz", "kind")
"""Of a note of several events, what its first event says of all of it, beside the attack."""
TONE_SOUNDS = 3 / 8
"""Area under the square of a Hann window, of its length."""
WHOLE_SHARE = 0.9
"""An attack of more than this share of the gap takes up all of it, as far as is heard."""
LATEST_S = 2.0**40
"""Events after that are counted as if they were there, so that samples fit in 64 bits."""

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


def begins_by_itself(begins: Any, gap_s: Any) -> Any:
    """The rule for links: whether events with these values of `begins` begin by themselves, this long after the event
    that they would carry on. Arrays or tensors [n] → bool [n]; an event that has none before it begins anyway."""
    return (begins > BEGINS_ABOVE) | (gap_s > LONGEST_LINK_S)


@dataclass(frozen=True)
class Voices:
    """The voices of a table. Arrays have n values, in the table's order; times are seconds.

    Attributes:
        linked: whether this preset's vectors tell links and fades. If not, every event is a voice of its own, and
            attack_s, decay_s, f0_hz, start_s, end_s and sounding_s are NaN.
        order: int64, rows voice by voice, in order of time in each; voices channel by channel, by their beginnings.
        begins, ends: bool, whether an event begins by itself; whether none is linked to it.
        gap_s: float64, since the event that it is linked to; where it is linked to none, since the one before it in its
            channel, inf for a channel's first.
        attack_s: float64, as the decoder takes it: within its range, and no longer than the gap if the event is linked.
        decay_s: float64, likewise: the time over which the event dies away if it ends its voice (of a note, after the
            key's release).
        f0_hz: float64, within the decoder's range.
        start_s, end_s: float64, when each event begins to come in; when it has died away, or the one that is linked to
            it has taken over.
        sounding_s: float64, how long each event sounds, by the area under its fades.
    """

    linked: bool
    order: Rows
    begins: NDArray[np.bool_]
    ends: NDArray[np.bool_]
    gap_s: Floats
    attack_s: Floats
    decay_s: Floats
    f0_hz: Floats
    start_s: Floats
    end_s: Floats
    sounding_s: Floats

    @staticmethod
    def of(table: EventTable) -> Voices:
        """SicError for a preset that is not known here."""
        layout = layout_of(table.header)
        if layout.links == "pitch":
            return _notes(table, layout)
        if layout.links == "channel":
            return _voices(table, layout)
        order, n = np.argsort(table.channel, kind="stable"), len(table)
        every, none = np.ones(n, bool), np.full(n, np.nan)
        gap_s = _since(table, _before_in_channel(table, order))
        return Voices(False, order, every, every, gap_s, none, none, none, none, none, none)

    @property
    def number(self) -> Rows:
        """int64 [n]: which voice each event belongs to, counted from 0 in `order`."""
        out = np.empty(len(self.order), np.int64)
        out[self.order] = np.cumsum(self.begins[self.order]) - 1
        return out

    @property
    def firsts(self) -> Rows:
        """int64 [voices]: the row that begins each."""
        return self.order[self.begins[self.order]]

    @property
    def first(self) -> Rows:
        """int64 [n]: the row that begins each event's voice."""
        return self.firsts[self.number]

    @property
    def runs(self) -> list[Rows]:
        """The rows of each voice, in order of time."""
        return self.runs_from(self.begins)

    @property
    def chains(self) -> list[Rows]:
        """The rows of each voice of several events, in order of time."""
        return self.runs_from(self.begins & ~self.ends)

    def runs_from(self, which: NDArray[np.bool_]) -> list[Rows]:
        """As `runs`, of the voices whose first event is among `which`, bool [n]."""
        starts = np.flatnonzero(self.begins[self.order])
        stops = np.append(starts[1:], len(self.order))
        wanted = which[self.order[starts]]
        places = zip(starts[wanted].tolist(), stops[wanted].tolist(), strict=True)
        return [self.order[start:stop] for start, stop in places]

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


def _voices(table: EventTable, layout: Layout) -> Voices:
    """Links go to the event before in the channel. An attack is before an event's time, a decay after it."""
    order = np.argsort(table.channel, kind="stable")
    before = _before_in_channel(table, order)
    gap_s = _since(table, before)
    says, attack_s, decay_s, f0_hz = _heard(table, layout, "begins", "attack", "decay", "f0")
    begins = (before < 0) | begins_by_itself(says, _since_as_decoded(table, layout, before))
    ends = _ends(begins, order)
    attack_s = np.where(begins, attack_s, np.minimum(attack_s, gap_s))
    next_s = np.full(len(table), np.inf)
    next_s[order[:-1]] = gap_s[order[1:]]
    # linear attacks, decays of (1 - x)²
    sounding_s = np.where(begins, attack_s, gap_s) / 2 + np.where(ends, decay_s / 3, next_s / 2)
    end_s = table.time + np.where(ends, decay_s, next_s)
    return Voices(True, order, begins, ends, gap_s, attack_s, decay_s, f0_hz, table.time - attack_s, end_s, sounding_s)


def _notes(table: EventTable, layout: Layout) -> Voices:
    """Links go to the note of the channel that is nearest in pitch. A note comes in from its event's time on, and dies
    away after its duration. A tone is no note: it links to none, and none to it."""
    n, tone = len(table), layout.tones(table.vector)
    attack_s, release_s, f0_hz, duration_s = _heard(table, layout, "attack", "release", "f0", "duration")
    before = links_by_pitch(layout, table.time, table.vector, table.channel)
    begins = before < 0
    gap_s = np.where(begins, _since(table, _before_in_channel(table, np.argsort(table.channel, kind="stable"))), 0.0)
    gap_s = np.where(begins, gap_s, table.time - table.time[before])
    voice = np.arange(n)
    for row in np.flatnonzero(~begins).tolist():
        voice[row] = voice[before[row]]
    order = np.lexsort((np.arange(n), voice, table.channel))
    ends = _ends(begins, order)
    attack_s = np.where(begins, attack_s, np.minimum(attack_s, gap_s))
    next_s = np.full(n, np.inf)
    next_s[order[:-1]] = gap_s[order[1:]]
    held_s = np.where(ends, duration_s, next_s)
    end_s = table.time + np.where(ends, duration_s + np.where(tone, 0.0, release_s), next_s)
    # a partial falls by 60 dB in T60: the square of its envelope has the area T60 / 13.8
    decay_s = np.exp2(layout.dims["decay_low_log2_s"].heard(table.vector))
    sounding_s = np.where(tone, TONE_SOUNDS * duration_s, np.minimum(held_s, decay_s / 13.8))
    return Voices(True, order, begins, ends, gap_s, attack_s, release_s, f0_hz, table.time.copy(), end_s, sounding_s)


def links_by_pitch(
    layout: Layout, time_s: Floats, vector: NDArray[np.float32], stream: NDArray[np.integer[Any]]
) -> Rows:
    """int64 [n]: of events of a preset whose links go by pitch, the row of the one that each is linked to; -1: none.

    time_s: float64 [n], vector: float32 [n, dims], stream: integers [n]: no link goes from one to another. Those of
    each stream are in order of time.
    """
    tone, says = layout.tones(vector), layout.dim("begins").heard(vector)
    wants = (says <= BEGINS_ABOVE) & ~tone
    before = np.full(len(time_s), -1)
    if not wants.any():
        return before
    place = _samples(time_s, layout)
    window = (place // (NOTE_WINDOW_S * layout.sample_rate)).astype(np.int64) * (int(stream.max()) + 1) + stream
    may_link = np.flatnonzero(~tone & np.isin(window, window[wants]))
    longest = LONGEST_NOTE_LINK_S * layout.sample_rate
    latest: dict[int, list[tuple[int, float, float]]] = {}  # of each note of a stream and window, its last event
    columns = (column[may_link].tolist() for column in (window, place, layout.dim("f0_semitones").heard(vector), wants))
    for row, here, at, pitch, may in zip(may_link.tolist(), *columns, strict=True):
        notes = [note for note in latest.get(here, ()) if at - note[1] <= longest]
        if may and notes:
            steps = [abs(note[2] - pitch) for note in notes]
            step = min(steps)
            if step <= NEAREST_SEMITONES:
                nearest = len(steps) - 1 - steps[::-1].index(step)  # of equals, the note that was heard last
                before[row] = notes.pop(nearest)[0]
        notes.append((row, at, pitch))
        latest[here] = notes
    return before


def pitched_by_numbers(table: EventTable) -> NDArray[np.bool_]:
    """bool [n]: which events of `speech` may have a pitch of their own, as far as vectors tell without weights: all of
    a stream from the first on whose number of the pitch is not 0. Encoders give what has no pitch the one before it,
    and 0, which else is 110 Hz, before there has been any."""
    told = table.vector[:, layout_of(table.header).dim("f0_semitones").index] != 0
    since = np.full(table.header.streams, len(told))
    np.minimum.at(since, table.channel[told], np.flatnonzero(told))
    return np.arange(len(told)) >= since[table.channel]


def _heard(table: EventTable, layout: Layout, *names: str) -> list[Floats]:
    """Named quantities within the decoder's range, logarithms undone: seconds, Hz, or as they are."""
    out = []
    for name in names:
        key = next(key for key in (name, f"{name}_log2_s", f"{name}_semitones") if key in layout.dims)
        values = layout.dims[key].heard(table.vector)
        out.append(
            np.exp2(values) if key.endswith("_log2_s") else 110 * np.exp2(values / 12) if name == "f0" else values
        )
    return out


def _before_in_channel(table: EventTable, order: Rows) -> Rows:
    """The row before each in its channel, -1 for a channel's first. order: rows channel by channel."""
    before = np.full(len(table), -1)
    same = table.channel[order[1:]] == table.channel[order[:-1]]
    before[order[1:]] = np.where(same, order[:-1], -1)
    return before


def _since(table: EventTable, before: Rows) -> Floats:
    """Seconds since the time of another row; inf for -1."""
    return np.where(before < 0, np.inf, table.time - table.time[before])


def _samples(time_s: Floats, layout: Layout) -> Floats:
    """Times in whole samples of the model, as the decoder counts."""
    return np.round(np.minimum(time_s, LATEST_S) * layout.sample_rate)


def _since_as_decoded(table: EventTable, layout: Layout, before: Rows) -> Floats:
    place = _samples(table.time, layout)
    return np.where(before < 0, np.inf, (place - place[before]) / layout.sample_rate)


def _ends(begins: NDArray[np.bool_], order: Rows) -> NDArray[np.bool_]:
    """Which events end a voice; the first in `order` begins one."""
    ends = np.empty(len(order), bool)
    ends[order] = np.roll(begins[order], -1)
    return ends
