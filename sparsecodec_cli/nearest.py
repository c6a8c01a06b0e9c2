"""Which events or segments, of one recording or several, sound most like a given one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats import EventTable, Segments, Voices
from sparsecodec_formats.edit.join import check_joinable
from sparsecodec_formats.edit.likeness import (
    UNPITCHED,
    distances,
    kinds_of_events,
    points_of_events,
    points_of_segments,
)
from sparsecodec_formats.errors import SicError, UnknownEvent
from sparsecodec_formats.presets import level_db

_Facts = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Similar:
    """An event or a segment, and how it differs from the one that was asked about.

    Attributes:
        table: index of the table that it is in.
        index: of the event or the segment in that table.
        distance: 0 for what sounds alike; 1 is a difference that is plainly heard.
        start_s, end_s: when it is heard, seconds; the same where vectors tell no length.
        f0_hz: its pitch; nan without one, or where that is not told.
        level_db: re full scale where vectors tell a level; -inf for silence.
    """

    table: int
    index: int
    distance: float
    start_s: float
    end_s: float
    f0_hz: float
    level_db: float


def similar(
    tables: Sequence[EventTable],
    to: int,
    *,
    top: int,
    segments: Sequence[Segments] | None,
    voiced: Sequence[NDArray[np.bool_] | None],
) -> tuple[Similar, list[Similar]]:
    """The event or segment `to` of the first table, and the `top` ones of all tables that are most similar to it, the
    nearest first, of equals the first. segments: of each table; None: events are compared. voiced: of each table, which
    events have a pitch, bool [n], None: what the vectors tell.

    SicError where the first table does not have it (of an event UnknownEvent), or when the tables are not of one model.
    """
    if not tables:
        raise SicError("there is nothing to compare; give at least one table")
    for table in tables[1:]:
        check_joinable(tables[0].header, table.header)
    if segments is not None:
        points = [points_of_segments(table, found) for table, found in zip(tables, segments, strict=True)]
        facts = [(found.start_s, found.end_s, found.f0_hz, found.level_db) for found in segments]
    else:
        points = [points_of_events(table, voiced=mask) for table, mask in zip(tables, voiced, strict=True)]
        facts = [_of_events(table, mask) for table, mask in zip(tables, voiced, strict=True)]
    if not 0 <= to < len(points[0]):
        there = f"there are 0 to {len(points[0]) - 1}" if len(points[0]) else "there is none"
        if segments is None:
            raise UnknownEvent(f"there is no event {to}; {there}")
        raise SicError(f"there is no segment {to}; {there} ('sic inspect --segments')")
    wanted = points[0][to : to + 1]
    found = np.concatenate([distances(here, wanted)[:, 0] for here in points])
    found[to] = -1.0  # itself, of which rounding must not make a near relative
    of_table = np.repeat(np.arange(len(tables)), [len(here) for here in points])
    index = np.concatenate([np.arange(len(here)) for here in points])

    def told(row: int) -> Similar:
        table, at = int(of_table[row]), int(index[row])
        return Similar(table, at, max(0.0, float(found[row])), *(float(column[at]) for column in facts[table]))

    nearest = np.argsort(found, kind="stable")[1 : top + 1]
    return told(to), [told(row) for row in nearest.tolist()]


def _of_events(table: EventTable, voiced: NDArray[np.bool_] | None) -> _Facts:
    """start_s, end_s, f0_hz, level_db."""
    voices = Voices.of(table)
    level = level_db(table)
    if not voices.linked:
        return table.time, table.time, np.full(len(table), np.nan), level
    f0_hz = np.where(kinds_of_events(table, voiced) == UNPITCHED, np.nan, voices.f0_hz)
    return np.maximum(voices.start_s, 0.0), voices.end_s, f0_hz, level
