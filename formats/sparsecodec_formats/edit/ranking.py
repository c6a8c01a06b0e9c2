"""Which events are missed least: in what order to leave them out, so that those left sound most like all of them.

Between linked events everything is interpolated, so an event is worth what the straight line between its neighbours
gets wrong of it (as points of a polyline are: Visvalingam & Whyatt 1993), for as long as it sounds.
"""

from __future__ import annotations

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

A_ROUND = 20  # events go in rounds: at once, at most the twentieth of them that is missed least
SINGLY = 32  # so few go one by one


def drawn_to(left: EventTable, whole: EventTable) -> EventTable:
    """`left`, what is kept of `whole`, with levels and spectra such that the lines between its linked events
    come nearest to all events of the whole, in the least squares that `removal_order` counts.

    For presets that tell links.
    """
    layout = layout_of(whole.header)
    weight = _weight(whole, Voices.of(whole))
    dims = [layout.dim("level_db").index, *range(layout.dim("shape_0").index, whole.vector.shape[1])]
    vector = left.vector.astype(np.float64)
    channels = [np.flatnonzero(whole.channel == i) for i in range(whole.header.streams)]
    times = [whole.time[rows] for rows in channels]
    for rows in Voices.of(left).runs:
        if len(rows) > 1:
            channel, first, last = int(left.channel[rows[0]]), left.time[rows[0]], left.time[rows[-1]]
            start, stop = np.searchsorted(times[channel], first), np.searchsorted(times[channel], last, side="right")
            near = channels[channel][start:stop]
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
    """(rows int64 [n], the one that is missed least first; cost float64 [n], ascending, of each one's going after those
    before; at least that of any beside it that went before, and so made it cheaper).

    Costs are squared vector units of the spectrum times seconds. importance: float [n], a factor of what each event's
    loss counts; None for 1. loudest_db: of what else sounds, of which the table is a part. For presets that tell links.
    """
    voices = Voices.of(table)
    importance = np.ones(len(table)) if importance is None else importance
    line = _Lines(table, layout_of(table.header), voices, importance, loudest_db)
    gone, costs = [], []
    while len(line.left):
        rows = line.least()
        gone.append(rows)
        costs.append(line.remove(rows))
    if not gone:
        return np.zeros(0, np.int64), np.zeros(0)
    found, cost = np.concatenate(gone), np.concatenate(costs)
    first_to_go = np.argsort(cost, kind="stable")
    return voices.order[found[first_to_go]], cost[first_to_go]


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
        # sums over the events before each, so that those of any stretch are a difference
        since_s = self._time - self._time[np.searchsorted(self._voice, self._voice)]
        weighted = self._weight[:, None] * self._numbers
        self._sums = _sums(self._weight, self._weight * since_s, self._weight * since_s**2)
        self._squares = _sums((weighted * self._numbers).sum(1))[:, 0]
        self._points, self._moments = _sums(weighted), _sums(since_s[:, None] * weighted)
        self._losses = _sums(self._lost)[:, 0]
        self._since_s = since_s
        self._stops = np.searchsorted(self._voice, self._voice, side="right")  # one past the voice's last event
        self._error = np.zeros(n)  # so far, of those that are gone after each event that is left, up to the next
        self._before, self._after = np.arange(-1, n - 1), np.arange(1, n + 1)
        self._floor = np.zeros(n)  # the most that an event beside it cost that is gone
        self._cost = np.zeros(n)
        self._tie = np.arange(n) * 0x9E3779B1 & 0xFFFFFFFF  # of equals in a row, not one after the other
        self.left = np.arange(n)
        self._reckon(self.left)

    def least(self) -> NDArray[np.int64]:
        """Events of which none is near another, each missed less than any near it, and less than most: int64 [k]."""
        left, cost = self.left, self._cost[self.left]
        if len(left) <= SINGLY:
            return left[[cost.argmin()]]
        least = cost <= np.partition(cost, len(left) // A_ROUND)[len(left) // A_ROUND]
        tie = self._tie[left]
        for apart in (1, 2):
            behind, ahead = slice(None, -apart), slice(apart, None)
            less = (cost[behind] < cost[ahead]) | ((cost[behind] == cost[ahead]) & (tie[behind] < tie[ahead]))
            least[behind] &= less
            least[ahead] &= ~less
        return left[least]

    def remove(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Take events out, of which no two are beside each other; what each of them costs."""
        cost = np.maximum(self._cost[rows], self._floor[rows])
        before, after = self._before[rows], self._after[rows]
        follows = self._follows(rows)
        self._error[before[follows]] += self._cost[rows[follows]] + self._error[rows[follows]]
        here, there = before >= 0, after < len(self._time)
        self._after[before[here]], self._before[after[there]] = after[here], before[there]
        beside = np.concatenate([before[here], after[there]])
        np.maximum.at(self._floor, beside, np.concatenate([cost[here], cost[there]]))
        gone = np.zeros(len(self._time), bool)
        gone[rows] = True
        self.left = self.left[~gone[self.left]]
        self._reckon(np.unique(beside))
        return cost

    def _follows(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether an event of their voice is left before them."""
        before = self._before[rows]
        return (before >= 0) & (self._voice[before] == self._voice[rows])

    def _reckon(self, rows: NDArray[np.int64]) -> None:
        """What events that are left add to the error by going."""
        before, after, stops = self._before[rows], self._after[rows], self._stops[rows]
        follows, goes_on = self._follows(rows), after < stops
        first = np.where(follows, before + 1, rows)
        error = self._losses[np.where(goes_on, after, stops)] - self._losses[first]
        between = follows & goes_on
        error[between] = self._between(before[between], after[between])
        so_far = self._error[rows] + np.where(follows, self._error[before], 0.0)
        self._cost[rows] = error - so_far

    def _between(self, before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.float64]:
        """Errors of all between two events if a line is drawn: float64 [k]."""
        stretch = before + 1, after
        weight, first, second = (self._sums[stretch[1]] - self._sums[stretch[0]]).T
        squares = self._squares[stretch[1]] - self._squares[stretch[0]]
        points = self._points[stretch[1]] - self._points[stretch[0]]
        moments = self._moments[stretch[1]] - self._moments[stretch[0]]
        start_s = self._since_s[before]
        span_s = np.maximum(self._since_s[after] - start_s, 1e-6)
        low, rise = self._numbers[before], self._numbers[after] - self._numbers[before]
        # sums of weight · share, weight · share², weight · share · number
        share = (first - start_s * weight) / span_s
        share_2 = (second - 2 * start_s * first + start_s**2 * weight) / span_s**2
        risen = (moments - start_s[:, None] * points) / span_s[:, None]
        error = squares - 2 * (low * points).sum(1) + weight * (low**2).sum(1)
        error += share_2 * (rise**2).sum(1) - 2 * ((risen - share[:, None] * low) * rise).sum(1)
        return np.maximum(error, 0.0)


def _sums(*columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the rows before each and of all: [n + 1, columns]."""
    values = np.column_stack(columns)
    return np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, 0)])
