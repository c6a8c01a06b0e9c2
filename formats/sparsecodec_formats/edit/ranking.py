"""Which events are missed least: in what order to leave them out, so that those left sound most like all of them.

Between linked events everything is interpolated, so an event is worth what the straight line between its neighbours
gets wrong of it (as points of a polyline are: Visvalingam & Whyatt 1993), for as long as it sounds.
"""

from __future__ import annotations

import heapq
import math

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.presets import Layout, layout_of, level_db
from sparsecodec_formats.presets.voices import Voices
from sparsecodec_formats.table import EventTable

PITCH_UNITS = 0.6  # per semitone: what an error of pitch counts, re one of a quantiser step in the spectrum
AUDIBLE_DB = 60.0  # below the loudest event nothing is missed
ENDS = 0.033  # what 1 dB² of sound counts that is gone and not interpolated
LOUD_DB = 55.0, 30.0  # events so far below the loudest count least; they count fully this much above that
LEAST = 0.05
TONE = 0.1  # what a tone counts re a note: it only mends what notes get wrong
SOUNDS_S = 0.005, 0.2  # an event is taken to sound for so long at least, and at most


def drawn_to(left: EventTable, whole: EventTable) -> EventTable:
    """`left`, what is kept of `whole`, with levels and spectra such that the lines between its linked events
    come nearest to all events of the whole, in the least squares that `removal_order` counts.

    For presets that tell links.
    """
    layout = layout_of(whole.header)
    weight = _weight(whole, Voices.of(whole))
    dims = [layout.dim("level_db").index, *range(layout.dim("shape_0").index, whole.vector.shape[1])]
    vector = left.vector.astype(np.float64)
    for rows in Voices.of(left).runs:
        if len(rows) > 1:
            channel, first, last = left.channel[rows[0]], left.time[rows[0]], left.time[rows[-1]]
            near = (whole.channel == channel) & (whole.time >= first) & (whole.time <= last)
            points = whole.vector[near][:, dims].astype(np.float64)
            own = vector[np.ix_(rows, dims)]
            vector[np.ix_(rows, dims)] = _polyline(left.time[rows], own, whole.time[near], points, weight[near])
    return left.replace(vector=vector)


def _polyline(
    knots: NDArray[np.float64],
    own: NDArray[np.float64],
    at: NDArray[np.float64],
    points: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Values at ascending knots [k] whose lines come nearest to points [n, dims] at times within, weighted [n]; their
    own values [k, dims] where nothing else tells: [k, dims]."""
    after = np.searchsorted(knots, at, side="right").clip(1, len(knots) - 1)
    span = np.maximum(knots[after] - knots[after - 1], 1e-9)
    share = ((at - knots[after - 1]) / span).clip(0.0, 1.0)
    low, high = weight * (1 - share), weight * share
    n = len(knots)
    slight = 1e-3 * weight.mean()  # so that there is one answer
    diagonal = slight + np.bincount(after - 1, low * (1 - share), n) + np.bincount(after, high * share, n)
    beside = np.bincount(after - 1, low * share, n)  # between a knot and the next
    right = slight * own
    np.add.at(right, after - 1, low[:, None] * points)
    np.add.at(right, after, high[:, None] * points)
    for i in range(1, n):  # the matrix has three diagonals: Thomas' algorithm
        factor = beside[i - 1] / diagonal[i - 1]
        diagonal[i] -= factor * beside[i - 1]
        right[i] -= factor * right[i - 1]
    for i in range(n - 1, -1, -1):
        right[i] = (right[i] - (beside[i] * right[i + 1] if i + 1 < n else 0.0)) / diagonal[i]
    return right


def _weight(table: EventTable, voices: Voices, loudest_db: float = -math.inf) -> NDArray[np.float64]:
    """float64 [n]: what an error of an event counts: the more, the louder it is and the longer it sounds."""
    level = np.maximum(level_db(table), -300.0)
    loud = np.clip((level - level.max(initial=max(loudest_db, -300.0)) + LOUD_DB[0]) / LOUD_DB[1], LEAST, 1.0)
    return loud * np.clip(voices.sounding_s, *SOUNDS_S)


def removal_order(
    table: EventTable, importance: NDArray[np.floating] | None = None, loudest_db: float = -math.inf
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(rows int64 [n], the one that is missed least first; cost float64 [n], of each one's going, after those before).

    Costs are squared vector units of the spectrum times seconds. importance: float [n], a factor of what each event's
    loss counts; None for 1. loudest_db: of what else sounds, of which the table is a part. For presets that tell links.
    """
    voices = Voices.of(table)
    order = voices.order
    importance = np.ones(len(table)) if importance is None else importance
    line = _Lines(table, layout_of(table.header), voices, importance, loudest_db)
    heap = [(line.cost(i), i, 0) for i in range(len(order))]
    heapq.heapify(heap)
    version = [0] * len(order)
    gone: list[int] = []
    costs: list[float] = []
    while heap:
        cost, i, of = heapq.heappop(heap)
        if of != version[i]:
            continue
        version[i] = -1
        gone.append(i)
        costs.append(cost)
        for neighbour in line.remove(i):
            version[neighbour] += 1
            heapq.heappush(heap, (line.cost(neighbour), neighbour, version[neighbour]))
    return order[np.array(gone, np.int64)], np.array(costs)


class _Lines:
    """Events that are left, each knowing its neighbours, and what the lines between them get wrong."""

    def __init__(
        self,
        table: EventTable,
        layout: Layout,
        voices: Voices,
        importance: NDArray[np.floating],
        loudest_db: float,
    ) -> None:
        order, n = voices.order, len(table)
        level = np.maximum(level_db(table)[order], -300.0)
        below = level - level.max(initial=max(loudest_db, -300.0))
        pitch = layout.physical(table, "f0_semitones")[order] * PITCH_UNITS
        shape = table.vector[order][:, layout.dim("shape_0").index :].astype(np.float64)
        self._numbers = np.column_stack([level / layout.dim("level_db").scale, pitch, shape])
        self._time = table.time[order]
        self._voice = voices.number[order]
        self._weight = (_weight(table, voices, loudest_db) * importance)[order]
        self._lost = self._weight * ENDS * np.maximum(below + AUDIBLE_DB, 0.0) ** 2
        self._lost *= np.where(layout.tones(table.vector)[order], TONE, 1.0)
        self._error = np.zeros(n)  # so far, of each event that is gone
        self._before = np.arange(-1, n - 1)
        self._after = np.arange(1, n + 1)
        self._gone_after: list[list[int]] = [[] for _ in range(n)]

    def cost(self, i: int) -> float:
        """What it adds to the error that an event goes."""
        gone, error = self._without(i)
        return float((error - self._error[gone]).sum())

    def remove(self, i: int) -> list[int]:
        """Take an event out; those whose cost has changed."""
        gone, error = self._without(i)
        self._error[gone] = error
        before, after = int(self._before[i]), int(self._after[i])
        neighbours = []
        if before >= 0:
            self._after[before] = after
            if self._voice[before] == self._voice[i]:  # else nothing will tell of them again
                self._gone_after[before] += [i, *self._gone_after[i]]
            neighbours.append(before)
        if after < len(self._time):
            self._before[after] = before
            neighbours.append(after)
        return neighbours

    def _without(self, i: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The events that are told otherwise without it, and their errors then."""
        before, after = int(self._before[i]), int(self._after[i])
        follows = before >= 0 and self._voice[before] == self._voice[i]
        goes_on = after < len(self._time) and self._voice[after] == self._voice[i]
        gone = np.array([*(self._gone_after[before] if follows else []), i, *self._gone_after[i]], np.int64)
        if not (follows and goes_on):
            return gone, self._lost[gone]
        span = max(self._time[after] - self._time[before], 1e-6)
        share = ((self._time[gone] - self._time[before]) / span)[:, None]
        told = (1 - share) * self._numbers[before] + share * self._numbers[after]
        return gone, self._weight[gone] * ((self._numbers[gone] - told) ** 2).sum(1)
