"""Things that sound by themselves, put on as few streams as they need.

In `speech` an event carries on the one before it in its stream, in `music` a note of its stream that is near in pitch.
So things whose events come in turn must not share a stream; those that come one after the other may.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.header import MAX_STREAMS, Header
from sparsecodec_formats.presets import Layout, layout_of
from sparsecodec_formats.presets.voices import BEGINS_ABOVE, Voices
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
        events: in order of time. Which stream they are of, and their header but for the preset, do not matter.
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

    header: of the table; its gains and noise give way to those of the things, but tell the order of streams. Streams
    that it does not have come after those, the one that is loudest in the first channels first. A thing without
    events keeps its stream. carry_on: a thing whose first event does not begin by itself carries on what ends on its
    stream; else it is made to begin.

    SicError when more than 255 streams are needed, or a preset is not known.
    """
    layout = layout_of(header)
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


def _lanes(layout: Layout, things: list[Thing], carry_on: bool) -> list[EventTable]:
    """Tables of one stream, at least one."""
    mono = replace(things[0].events.header, channels=1, gains=(), noise=())
    tables = [
        EventTable(mono, thing.events.time, thing.events.vector, None, thing.events.amplitude)
        for thing in sorted((thing for thing in things if len(thing.events)), key=_canonical)
    ]
    if not tables:
        return [EventTable.empty(mono)]
    if layout.links == "pitch":
        return _note_lanes(layout, tables, carry_on)
    lanes: list[list[EventTable]] = []
    for table in tables:
        lane = next((lane for lane in lanes if lane[-1].time[-1] <= table.time[0]), None)
        if lane is None:
            lanes.append([table])
        else:
            lane.append(table if carry_on or layout.links is None else _begun(layout, table, np.arange(1)))
    return [EventTable.joined(mono, lane) for lane in lanes]


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


def _note_lanes(layout: Layout, tables: list[EventTable], carry_on: bool) -> list[EventTable]:
    """Notes share a stream as long as each event carries on what it did by itself."""
    lanes = []
    while tables:
        taken = list(range(len(tables)))
        while True:
            lane, astray = _note_lane(layout, [tables[i] for i in taken], carry_on)
            if not len(astray):
                break
            taken = [i for place, i in enumerate(taken) if place not in astray] or taken[:1]
        lanes.append(lane)
        tables = [table for i, table in enumerate(tables) if i not in taken]
    return lanes


def _note_lane(layout: Layout, tables: list[EventTable], carry_on: bool) -> tuple[EventTable, set[int]]:
    """All on one stream, and those of which an event then carries on what it should not."""
    lane = EventTable.joined(tables[0].header, tables)
    of = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    place = np.empty(len(of), np.int64)  # in the lane, of each event thing by thing
    place[np.argsort(np.concatenate([table.time for table in tables]), kind="stable")] = np.arange(len(of))
    expected = np.full(len(of), -1)
    first = 0
    for table in tables:
        here = place[first : first + len(table)]
        before = _carried_on(layout, table)
        expected[here] = np.where(before < 0, -1, here[before])
        first += len(table)
    found = _carried_on(layout, lane)
    while not carry_on and len(caught := np.flatnonzero((expected < 0) & (found >= 0))):
        lane = _begun(layout, lane, caught)
        found = _carried_on(layout, lane)
    astray = np.flatnonzero((expected >= 0) & (found != expected))
    return lane, set(of[np.argsort(place)][astray].tolist()) if len(tables) > 1 else set()


def _carried_on(layout: Layout, table: EventTable) -> NDArray[np.int64]:
    """int64 [n]: of a table of one stream, the row of the event that each carries on; -1: it begins."""
    before = np.full(len(table), -1)
    if (layout.dim("begins").physical(table.vector) > BEGINS_ABOVE).all():
        return before
    voices = Voices.of(table)
    before[voices.order[1:]] = voices.order[:-1]
    return np.where(voices.begins, -1, before)
