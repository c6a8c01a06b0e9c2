"""Things that sound by themselves, put on as few streams as they need.

In `speech` an event carries on the one before it in its stream, in `music` a note of its stream that is near in pitch.
So things whose events come in turn must not share a stream; those that come one after the other may.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.header import MAX_STREAMS, Header
from sparsecodec_formats.presets import Layout, layout_of
from sparsecodec_formats.presets.voices import BEGINS_ABOVE, begins_by_itself, links_by_pitch
from sparsecodec_formats.table import EventTable

from .checks import on_grid_above

_GOLDEN, _WORD = 0x9E3779B1, 2**32


def noise_number(number: int, seed: int, new_seed: int) -> int:
    """The number by which a stream's noise is in a file of another seed what it was (docs/sound.md, Hash)."""
    return (new_seed ^ seed ^ (number * _GOLDEN % _WORD)) * pow(_GOLDEN, -1, _WORD) % _WORD


@dataclass(frozen=True)
class Thing:
    """Events that sound by themselves.

    Attributes:
        events: in order of time. Which stream they are of, and their header but for preset and steps, do not matter.
        gains: of its stream in each channel, as in `Header.gains`: [channels].
        noise: number that its noise is drawn by, 0..2**32-1, with the seed of the file that it goes to.
    """

    events: EventTable
    gains: tuple[float, ...]
    noise: int

    @staticmethod
    def of_stream(table: EventTable, stream: int) -> Thing:
        """All events of a stream, which sound in a file of the same seed as they do here."""
        column = tuple(row[stream] for row in table.header.stream_gains)
        return Thing(table.select(table.channel == stream), column, table.header.noise_numbers[stream])


@dataclass(frozen=True)
class Things:
    """m things, of n events together: column by column where there are many.

    Attributes:
        time, vector, amplitude: of events, as those of EventTable: thing after thing, and in order of time in each.
        sizes: int64 [m], how many events each has, 0 or more.
        gains, noise: of each, as those of Thing.
    """

    time: NDArray[np.float64]
    vector: NDArray[np.float32]
    amplitude: NDArray[np.float32]
    sizes: NDArray[np.int64]
    gains: Sequence[tuple[float, ...]]
    noise: Sequence[int]

    @staticmethod
    def of(things: Sequence[Thing]) -> Things:
        """things: at least one."""
        tables = [thing.events for thing in things]
        return Things(
            np.concatenate([table.time for table in tables]),
            np.concatenate([table.vector for table in tables]),
            np.concatenate([table.amplitude for table in tables]),
            np.array([len(table) for table in tables]),
            [thing.gains for thing in things],
            [thing.noise for thing in things],
        )

    @staticmethod
    def of_rows(table: EventTable, rows: NDArray[np.int64], begins: NDArray[np.bool_]) -> Things:
        """Events of a table, each thing with the gains and noise of its stream.

        rows: int64 [n], thing after thing, those of each of one stream and in order of time; begins: bool [n], of each
        of these rows, whether it is a thing's first.
        """
        firsts, header = np.flatnonzero(begins), table.header
        streams, gains = table.channel[rows[firsts]].tolist(), list(zip(*header.stream_gains, strict=True))
        return Things(
            table.time[rows],
            table.vector[rows],
            table.amplitude[rows],
            np.diff(np.append(firsts, len(rows))),
            [gains[stream] for stream in streams],
            [header.noise_numbers[stream] for stream in streams],
        )

    @staticmethod
    def joined(parts: Sequence[Things]) -> Things:
        """All of some, at least one."""
        columns = [(part.time, part.vector, part.amplitude, part.sizes) for part in parts]
        time, vector, amplitude, sizes = (np.concatenate(column) for column in zip(*columns, strict=True))
        gains, noise = ([*chain(*values)] for values in zip(*((part.gains, part.noise) for part in parts), strict=True))
        return Things(time, vector, amplitude, sizes, gains, noise)

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def firsts(self) -> NDArray[np.int64]:
        """int64 [m]: the first event of each."""
        return np.cumsum(self.sizes) - self.sizes

    @property
    def number(self) -> NDArray[np.int64]:
        """int64 [n]: whose each event is."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def those(self, which: NDArray[np.int64]) -> Things:
        """Some things, in this order."""
        rows, sizes = stretches(self.firsts[which], self.sizes[which]), self.sizes[which]
        gains, noise = ([values[i] for i in which.tolist()] for values in (self.gains, self.noise))
        return Things(self.time[rows], self.vector[rows], self.amplitude[rows], sizes, gains, noise)


def stretches(firsts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64 [sum of sizes]: rows from each first on, as many as it has."""
    return np.repeat(firsts - (np.cumsum(sizes) - sizes), sizes) + np.arange(sizes.sum())


def arranged(header: Header, things: Things | Sequence[Thing], *, carry_on: bool = False) -> EventTable:
    """All things in one table, on no more streams than needed: things of the same gains and noise share one where none
    of their events would carry on another's.

    header: of the table; its gains and noise give way to those of the things, but tell the order of streams, and its
    steps to finer ones of the things. Streams that it does not have come after those, the one that is loudest in the
    first channels first. A thing without events keeps its stream. carry_on: a thing whose first event does not begin by
    itself carries on what ends on its stream; else it is made to begin, and voices of one thing may be on several
    streams.

    SicError when more than 255 streams are needed, or a preset is not known.
    """
    layout = layout_of(header)
    if not len(things):
        return EventTable.empty(replace(header, gains=(), noise=()))
    if not isinstance(things, Things):
        steps = {header.step, *(thing.events.header.step for thing in things)}
        header = replace(header, step=tuple(map(min, zip(*steps, strict=True))))
        things = Things.of(things)
    groups: dict[tuple[tuple[float, ...], int], list[int]] = {}
    for i, key in enumerate(zip(things.gains, things.noise, strict=True)):
        groups.setdefault(key, []).append(i)
    columns = zip(zip(*header.stream_gains, strict=True), header.noise_numbers, strict=True)
    there = {key: place for place, key in reversed(list(enumerate(columns)))}
    order = sorted(groups, key=lambda key: (there.get(key, MAX_STREAMS), [-gain for gain in key[0]], key[1]))
    one = replace(header, channels=1, gains=(), noise=())
    lanes = []
    for key in order:
        those = things.those(np.array(groups[key]))
        rows = _Rows.of_things(one, those if carry_on or layout.links != "channel" else _voices(layout, those))
        lanes += [(*key, lane) for lane in _lanes(layout, rows, carry_on)]
    if len(lanes) > MAX_STREAMS:
        raise SicError(f"{len(lanes)} streams would be needed, as so much sounds at once; at most {MAX_STREAMS} fit")
    columns_of, numbers, tables = zip(*lanes, strict=True)
    header = replace(header, gains=tuple(zip(*columns_of, strict=True)), noise=numbers)
    parts = [table.replace(header=header, channel=np.full(len(table), i)) for i, table in enumerate(tables)]
    return EventTable.joined(header, parts)


def _voices(layout: Layout, things: Things) -> Things:
    """Things of the same gains and noise, each voice of them a thing by itself."""
    begins = begins_by_itself(layout.dim("begins").physical(things.vector), np.diff(things.time, prepend=0.0))
    begins[things.firsts[things.sizes > 0]] = True
    sizes = np.diff(np.append(np.flatnonzero(begins), len(begins)))
    return replace(things, sizes=sizes, gains=[things.gains[0]] * len(sizes), noise=[things.noise[0]] * len(sizes))


@dataclass(frozen=True)
class _Rows:
    """Things that have events and share gains and noise, in order of time; header: of one stream."""

    header: Header
    things: Things

    @staticmethod
    def of_things(header: Header, things: Things) -> _Rows:
        """In an order that is the same in whatever order they come: by first and last time, then by what they say."""
        things = things.those(np.flatnonzero(things.sizes))
        firsts, stops = things.firsts, np.cumsum(things.sizes)
        first_s, last_s = things.time[firsts], things.time[stops - 1]
        order = np.lexsort((last_s, first_s))

        def said(i: int) -> tuple[bytes, bytes]:
            rows = slice(firsts[i], stops[i])
            return things.vector[rows].tobytes(), things.amplitude[rows].tobytes()

        new = (np.diff(first_s[order]) > 0) | (np.diff(last_s[order]) != 0)
        for start, stop in pairwise([0, *(np.flatnonzero(new) + 1).tolist(), len(order)]):
            if stop - start > 1:
                order[start:stop] = sorted(order[start:stop].tolist(), key=said)
        return _Rows(header, things.those(order))

    def in_order(self, rows: NDArray[np.bool_]) -> NDArray[np.int64]:
        """These rows, bool [n], by time; of equals, as things come."""
        picked = np.flatnonzero(rows)
        return picked[np.argsort(self.things.time[picked], kind="stable")]

    def table(self, rows: NDArray[np.int64]) -> EventTable:
        things = self.things
        return EventTable(self.header, things.time[rows], things.vector[rows], None, things.amplitude[rows])


def _lanes(layout: Layout, rows: _Rows, carry_on: bool) -> list[EventTable]:
    """Tables of one stream, at least one."""
    things = rows.things
    if not len(things):
        return [EventTable.empty(rows.header)]
    if layout.links == "pitch":
        return list(_note_lanes(layout, rows, carry_on))
    lanes: list[tuple[float, int]] = []  # a heap of when each ends, and its number
    lane_of = np.empty(len(things), np.int64)
    follows = np.zeros(len(things), bool)
    firsts = things.firsts
    first_s, last_s = things.time[firsts].tolist(), things.time[firsts + things.sizes - 1].tolist()
    for i, (begins_s, ends_s) in enumerate(zip(first_s, last_s, strict=True)):
        follows[i] = bool(lanes) and lanes[0][0] <= begins_s
        lane_of[i] = heapq.heappop(lanes)[1] if follows[i] else len(lanes)
        heapq.heappush(lanes, (ends_s, int(lane_of[i])))
    tables, lane_of_event = [], lane_of[things.number]
    for lane in range(len(lanes)):
        here = rows.in_order(lane_of_event == lane)
        table = rows.table(here)
        if not (carry_on or layout.links is None):
            table = _begun(layout, table, np.flatnonzero(np.isin(here, firsts[follows])))
        tables.append(table)
    return tables


def _begun(layout: Layout, table: EventTable, rows: NDArray[np.int64]) -> EventTable:
    """With these events beginning by themselves."""
    dim = layout.dim("begins")
    rows = rows[dim.physical(table.vector[rows]) <= BEGINS_ABOVE]
    if not len(rows):
        return table
    vector = table.vector.copy()
    vector[rows, dim.index] = on_grid_above(table, dim, 0.51)
    return table.replace(vector=vector)


def _note_lanes(layout: Layout, rows: _Rows, carry_on: bool) -> Iterator[EventTable]:
    """Notes share a stream as long as each event carries on what it did by itself."""
    things, number = rows.things, rows.things.number
    expected = links_by_pitch(layout, things.time, things.vector, number)  # what each carries on in its thing
    left = np.ones(len(things), bool)
    while left.any():
        taken = left.copy()
        while True:
            here = rows.in_order(taken[number])
            lane, astray = _note_lane(layout, rows.table(here), _places(here, expected[here]), carry_on)
            if taken.sum() == 1 or not len(astray):
                break
            first = np.flatnonzero(taken)[0]
            taken[number[here[astray]]] = False
            taken[first] |= not taken.any()
        yield lane
        left &= ~taken


def _places(here: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where rows, or -1, stand among those here."""
    order = np.argsort(here)
    return np.where(rows < 0, -1, order[np.searchsorted(here[order], rows).clip(max=len(here) - 1)])


def _note_lane(
    layout: Layout, lane: EventTable, expected: NDArray[np.int64], carry_on: bool
) -> tuple[EventTable, NDArray[np.int64]]:
    """A stream in which nothing that should begin carries on another thing, and rows that carry on what they should
    not. expected: int64 [n], row of the event that each should carry on; -1: it begins."""
    found = links_by_pitch(layout, lane.time, lane.vector, lane.channel)
    while not carry_on and len(caught := np.flatnonzero((expected < 0) & (found >= 0))):
        lane = _begun(layout, lane, caught)
        found = links_by_pitch(layout, lane.time, lane.vector, lane.channel)
    return lane, np.flatnonzero((expected >= 0) & (found != expected))
