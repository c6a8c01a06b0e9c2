"""Things that sound by themselves, put on as few streams as they need.

In `speech` an event carries on the one before it in its stream, in `music` a note of its stream that is near in pitch.
So things whose events come in turn must not share a stream; those that come one after the other may.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.header import MAX_STREAMS, Header
from sparsecodec_formats.presets import Layout, layout_of
from sparsecodec_formats.presets.voices import BEGINS_ABOVE, Voices, begins_by_itself
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


def arranged(header: Header, things: Sequence[Thing], *, carry_on: bool = False) -> EventTable:
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
    steps = {header.step, *(thing.events.header.step for thing in things)}
    header = replace(header, step=tuple(map(min, zip(*steps, strict=True))))
    groups: dict[tuple[tuple[float, ...], int], list[Thing]] = {}
    for thing in things:
        groups.setdefault((thing.gains, thing.noise), []).append(thing)
    columns = zip(zip(*header.stream_gains, strict=True), header.noise_numbers, strict=True)
    there = {key: place for place, key in reversed(list(enumerate(columns)))}
    order = sorted(groups, key=lambda key: (there.get(key, MAX_STREAMS), [-gain for gain in key[0]], key[1]))
    lanes = [(*key, lane) for key in order for lane in _lanes(layout, groups[key], carry_on)]
    if not lanes:
        return EventTable.empty(replace(header, gains=(), noise=()))
    if len(lanes) > MAX_STREAMS:
        raise SicError(f"{len(lanes)} streams would be needed, as so much sounds at once; at most {MAX_STREAMS} fit")
    columns_of, numbers, tables = zip(*lanes, strict=True)
    header = replace(header, gains=tuple(zip(*columns_of, strict=True)), noise=numbers)
    parts = [table.replace(header=header, channel=np.full(len(table), i)) for i, table in enumerate(tables)]
    return EventTable.joined(header, parts)


@dataclass(frozen=True)
class _Rows:
    """The events of things, one thing after the other, as one stream; firsts: int64 [things], row of each one's first;
    of: int64 [n], whose each is."""

    header: Header
    time: NDArray[np.float64]
    vector: NDArray[np.float32]
    amplitude: NDArray[np.float32]
    firsts: NDArray[np.int64]
    of: NDArray[np.int64]

    @staticmethod
    def of_things(things: list[Thing]) -> _Rows:
        """things: at least one."""
        sizes = np.array([len(thing.events) for thing in things])
        return _Rows(
            replace(things[0].events.header, channels=1, gains=(), noise=()),
            np.concatenate([thing.events.time for thing in things]),
            np.concatenate([thing.events.vector for thing in things]),
            np.concatenate([thing.events.amplitude for thing in things]),
            np.cumsum(sizes) - sizes,
            np.repeat(np.arange(len(things)), sizes),
        )

    def cut(self, begins: NDArray[np.bool_]) -> _Rows:
        """With things cut into those that begin at these rows, bool [n], in order of when they begin and end."""
        firsts = np.flatnonzero(begins)
        sizes = np.diff(np.append(firsts, len(self.of)))
        order = np.lexsort((self.time[firsts + sizes - 1], self.time[firsts]))
        starts = np.cumsum(sizes[order]) - sizes[order]
        of = np.repeat(np.arange(len(order)), sizes[order])
        rows = firsts[order][of] + np.arange(len(of)) - starts[of]
        return _Rows(self.header, self.time[rows], self.vector[rows], self.amplitude[rows], starts, of)

    def in_order(self, rows: NDArray[np.bool_]) -> NDArray[np.int64]:
        """These rows, bool [n], by time; of equals, as things come."""
        picked = np.flatnonzero(rows)
        return picked[np.argsort(self.time[picked], kind="stable")]

    def table(self, rows: NDArray[np.int64]) -> EventTable:
        return EventTable(self.header, self.time[rows], self.vector[rows], None, self.amplitude[rows])


def _lanes(layout: Layout, things: list[Thing], carry_on: bool) -> list[EventTable]:
    """Tables of one stream, at least one."""
    sounding = sorted((thing for thing in things if len(thing.events)), key=_canonical)
    if not sounding:
        return [EventTable.empty(replace(things[0].events.header, channels=1, gains=(), noise=()))]
    rows = _Rows.of_things(sounding)
    if layout.links == "pitch":
        return list(_note_lanes(layout, rows, carry_on))
    if not (carry_on or layout.links is None):
        rows = rows.cut(_begins(layout, rows))
    lanes: list[tuple[float, int]] = []  # a heap of when each ends, and its number
    lane_of = np.empty(len(rows.firsts), np.int64)
    follows = np.zeros(len(rows.firsts), bool)
    lasts = np.append(rows.firsts[1:], len(rows.of)) - 1
    spans = zip(rows.time[rows.firsts].tolist(), rows.time[lasts].tolist(), strict=True)
    for i, (first_s, last_s) in enumerate(spans):
        follows[i] = bool(lanes) and lanes[0][0] <= first_s
        lane_of[i] = heapq.heappop(lanes)[1] if follows[i] else len(lanes)
        heapq.heappush(lanes, (last_s, int(lane_of[i])))
    tables = []
    for lane in range(len(lanes)):
        here = rows.in_order(lane_of[rows.of] == lane)
        table = rows.table(here)
        if not (carry_on or layout.links is None):
            table = _begun(layout, table, np.flatnonzero(np.isin(here, rows.firsts[follows])))
        tables.append(table)
    return tables


def _begins(layout: Layout, rows: _Rows) -> NDArray[np.bool_]:
    """bool [n]: rows that begin a thing, or a voice within one."""
    begins = np.zeros(len(rows.of), bool)
    begins[rows.firsts] = True
    gap_s = np.diff(rows.time, prepend=0.0)
    return begins | begins_by_itself(layout.dim("begins").physical(rows.vector), gap_s)


def _canonical(thing: Thing) -> tuple[float, float, bytes, bytes]:
    """In order of time, and the same in whatever order things come."""
    events = thing.events
    return float(events.time[0]), float(events.time[-1]), events.vector.tobytes(), events.amplitude.tobytes()


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
    expected = np.full(len(rows.of), -1)  # row of the event that each carries on in its thing
    may_carry_on = layout.dim("begins").physical(rows.vector) <= BEGINS_ABOVE
    ends = np.append(rows.firsts[1:], len(rows.of))
    for thing in np.unique(rows.of[may_carry_on]).tolist():
        here = np.arange(rows.firsts[thing], ends[thing])
        before = _carried_on(layout, rows.table(here))
        expected[here] = np.where(before < 0, -1, here[before])
    left = np.ones(len(rows.firsts), bool)  # things
    while left.any():
        taken = left.copy()
        while True:
            here = rows.in_order(taken[rows.of])
            lane, astray = _note_lane(layout, rows.table(here), _places(here, expected[here]), carry_on)
            if taken.sum() == 1 or not len(astray):
                break
            first = np.flatnonzero(taken)[0]
            taken[rows.of[here[astray]]] = False
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
    found = _carried_on(layout, lane)
    while not carry_on and len(caught := np.flatnonzero((expected < 0) & (found >= 0))):
        lane = _begun(layout, lane, caught)
        found = _carried_on(layout, lane)
    return lane, np.flatnonzero((expected >= 0) & (found != expected))


def _carried_on(layout: Layout, table: EventTable) -> NDArray[np.int64]:
    """int64 [n]: of a table of one stream, the row of the event that each carries on; -1: it begins."""
    before = np.full(len(table), -1)
    if (layout.dim("begins").physical(table.vector) > BEGINS_ABOVE).all():
        return before
    voices = Voices.of(table)
    before[voices.order[1:]] = voices.order[:-1]
    return np.where(voices.begins, -1, before)
