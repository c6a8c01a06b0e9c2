"""Which events or segments, of one recording or several, sound most like a given one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError, UnknownEvent, shown_value
from sparsecodec_formats.presets import level_db
from sparsecodec_formats.presets.voices import Voices
from sparsecodec_formats.segments import Segments
from sparsecodec_formats.table import EventTable

from .join import check_joinable
from .likeness import (
    UNPITCHED,
    distances,
    kinds_of_events,
    points_of_events,
    points_of_segments,
)
from .told import voiced_of

By = Literal["event", "segment"]

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
    by: By = "event",
    top: int = 10,
    voiced: Sequence[NDArray[np.bool_] | None] | None = None,
) -> tuple[Similar, list[Similar]]:
    """Event `to` of the first table, and the `top` events of all tables that are most similar to it, the nearest first,
    of equals the first.

    by: "segment" for segments in place of events. voiced: of each table, which events have a pitch, bool [n], None:
    what the vectors tell; None: what the weights tell where they are at hand.
    SicError where the first table does not have it (of an event UnknownEvent), or when the tables are not of one model.
    """
    check_by(by)
    if not tables:
        raise SicError("there is nothing to compare; give at least one table")
    for table in tables[1:]:
        check_joinable(tables[0].header, table.header)
    told = [voiced_of(table) for table in tables] if voiced is None else voiced
    masks = list(zip(tables, told, strict=True))
    if by == "segment":
        segments = [Segments.of(table, mask) for table, mask in masks]
        points = [points_of_segments(table, found) for table, found in zip(tables, segments, strict=True)]
        facts = [(found.start_s, found.end_s, found.f0_hz, found.level_db) for found in segments]
    else:
        points = [points_of_events(table, voiced=mask) for table, mask in masks]
        facts = [_of_events(table, mask) for table, mask in masks]
    if not 0 <= to < len(points[0]):
        there = f"there are 0 to {len(points[0]) - 1}" if len(points[0]) else "there is none"
        if by == "event":
            raise UnknownEvent(f"there is no event {to}; {there}")
        raise SicError(f"there is no segment {to}; {there} ('sic inspect --segments')")
    wanted = points[0][to : to + 1]
    found = np.concatenate([distances(here, wanted)[:, 0] for here in points])
    found[to] = -1.0  # itself, of which rounding must not make a near relative
    of_table = np.repeat(np.arange(len(tables)), [len(here) for here in points])
    index = np.concatenate([np.arange(len(here)) for here in points])

    def found_at(row: int) -> Similar:
        table, at = int(of_table[row]), int(index[row])
        return Similar(table, at, max(0.0, float(found[row])), *(float(column[at]) for column in facts[table]))

    nearest = np.argsort(found, kind="stable")[1 : top + 1]
    return found_at(to), [found_at(row) for row in nearest.tolist()]


def check_by(by: str) -> None:
    """SicError for what is neither "event" nor "segment"."""
    if by not in ("event", "segment"):
        raise SicError(f"by is {shown_value(by)}; it must be 'event' or 'segment'")


def _of_events(table: EventTable, voiced: NDArray[np.bool_] | None) -> _Facts:
    """start_s, end_s, f0_hz, level_db."""
    voices = Voices.of(table)
    level = level_db(table)
    if not voices.linked:
        return table.time, table.time, np.full(len(table), np.nan), level
    f0_hz = np.where(kinds_of_events(table, voiced) == UNPITCHED, np.nan, voices.f0_hz)
    return np.maximum(voices.start_s, 0.0), voices.end_s, f0_hz, level
