"""Between two recordings: what is alike in both moves from one to the other, the rest fades."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.gains import nearest_gain
from sparsecodec_formats.header import Header
from sparsecodec_formats.presets import Layout, layout_of
from sparsecodec_formats.presets.voices import Voices
from sparsecodec_formats.segments import Segments
from sparsecodec_formats.table import EventTable

from .checks import on_grid_above, within
from .join import check_joinable, joint_header
from .lanes import Things, arranged, noise_number, stretches
from .likeness import distances, points_of_events, points_of_segments
from .parting import parted_at
from .told import segments_of

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

APART = 8.0
"""What is no nearer to each other (`likeness.py`) is not matched: one fades out, the other in."""
TIME_S = 0.2
"""As far apart in time counts as a distance of 1."""
WINDOW_S = 20.0
"""Matches lie within windows of about this length,"""
MOST_AT_ONCE = 400
"""and of no more than so many things of each side in the mean, so that time and memory do not grow as a square."""
PLACES = 1_000_001
"""Events of two things that are matched are at the same place in both if they are so by this many steps."""


def morph(
    table: EventTable,
    other: EventTable,
    amount: float,
    *,
    segments: Segments | None = None,
    other_segments: Segments | None = None,
) -> EventTable:
    """Between two tables: at amount 0 the first, at 1 the other, exactly.

    Segments (in `reference` events) are matched so that all differences together, of sound and of place in the
    recording, are least. Matched ones move from one to the other: time, pitch, level in dB, spectrum, gains in the
    channels. The others fade by their amplitudes, at their place in the recording. A note of `music` goes with one of
    as many events only; tones fade.

    amount: 0..1. segments, other_segments: of the two tables; None: as `told.segments_of`
    has them.
    SicError when the tables are not of the same model, or have not as many channels.
    """
    within("amount", amount, 0, 1)
    check_joinable(table.header, other.header)
    if table.header.channels != other.header.channels:
        raise SicError(f"has {other.header.channels} channels, the one before {table.header.channels}; give as many")
    if amount in (0, 1):
        return other if amount else table
    header = joint_header([table, other])
    duration_s = (1 - amount) * table.duration_s + amount * other.duration_s
    header = replace(header, n_samples=round(duration_s * header.sample_rate))
    one, two = _Side.of(table, segments, header), _Side.of(other, other_segments, header)
    pairs, others = _matched(one, two)
    a, b = one.things(pairs), two.things(others)
    gains = [
        tuple(nearest_gain((1 - amount) * g + amount * h) for g, h in zip(*both, strict=True))
        for both in zip(a.gains, b.gains, strict=True)
    ]
    parts = [replace(_blended(one.table, a, b, amount), gains=gains)]
    for side, left, matched in ((one, 1 - amount, pairs), (two, amount, others)):
        alone = side.things(np.setdiff1d(np.arange(len(side.sizes)), matched))
        start_s = alone.time[alone.firsts]
        moved_s = start_s * (duration_s / max(side.table.duration_s, 1e-9))
        time = alone.time - start_s[alone.number] + moved_s[alone.number]
        parts.append(replace(alone, time=time, amplitude=alone.amplitude * np.float32(left)))
    return arranged(header, Things.joined(parts))


@dataclass(frozen=True)
class _Side:
    """A table whose things sound by themselves.

    Attributes:
        noise: of each stream, its number in the file that is made.
        rows, sizes: the events of one thing after the other, and how many each has. After those that may be matched, of
            which there are as many as points, come the tones of each stream, which fade.
        points: where each that may be matched lies (`likeness.py`).
    """

    table: EventTable
    noise: tuple[int, ...]
    rows: Rows
    sizes: Rows
    points: Floats

    @staticmethod
    def of(table: EventTable, segments: Segments | None, joint: Header) -> _Side:
        noise = tuple(noise_number(number, table.header.seed, joint.seed) for number in table.header.noise_numbers)
        header = replace(table.header, step=joint.step)
        if not Voices.of(table).linked:
            every, ones = np.arange(len(table)), np.ones(len(table), np.int64)
            return _Side(table.replace(header=header), noise, every, ones, points_of_events(table))
        segments = segments_of(table) if segments is None else segments
        tone = layout_of(header).tones(table.vector)
        notes = np.bincount(segments.number[~tone], minlength=len(segments))
        points = points_of_segments(table, segments)[notes > 0]
        thing = np.where(tone, len(segments) + table.channel.astype(np.int64), segments.number)
        rows = np.argsort(thing, kind="stable")
        sizes = np.bincount(thing)
        sizes = sizes[sizes > 0]
        firsts = rows[np.cumsum(sizes) - sizes]
        parted = parted_at(table, firsts[: len(points)]).replace(header=header)
        return _Side(parted, noise, rows, sizes, points)

    def things(self, which: Rows) -> Things:
        """Some of them, in this order."""
        firsts = np.cumsum(self.sizes) - self.sizes
        rows = self.rows[stretches(firsts[which], self.sizes[which])]
        columns = list(zip(*self.table.header.stream_gains, strict=True))
        streams = self.table.channel[self.rows[firsts[which]]].tolist()
        gains, noise = [columns[i] for i in streams], [self.noise[i] for i in streams]
        table = self.table
        return Things(table.time[rows], table.vector[rows], table.amplitude[rows], self.sizes[which], gains, noise)

    @property
    def place(self) -> Floats:
        """Where each that may be matched begins, as a share of the recording's length."""
        firsts = self.rows[(np.cumsum(self.sizes) - self.sizes)[: len(self.points)]]
        return self.table.time[firsts] / max(self.table.duration_s, 1e-9)


def _matched(one: _Side, two: _Side) -> tuple[Rows, Rows]:
    """Which go together: int64 [k] of one, and [k] of two."""
    from scipy.optimize import linear_sum_assignment

    length_s = max(one.table.duration_s, two.table.duration_s)
    as_many = layout_of(one.table.header).events_are_notes
    place, other_place = one.place, two.place
    pairs = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    for rows, others in _windows(place, other_place, max(1, round(length_s / WINDOW_S))):
        apart_s = np.subtract.outer(place[rows], other_place[others]) * length_s
        cost = np.hypot(distances(one.points[rows], two.points[others]), apart_s / TIME_S)
        if as_many:
            cost[np.not_equal.outer(one.sizes[rows], two.sizes[others])] = APART
        cost = np.minimum(cost, APART)  # as much as it costs to match neither
        i, j = linear_sum_assignment(cost)
        near = cost[i, j] < APART
        pairs.append((rows[i[near]], others[j[near]]))
    of_one, of_two = zip(*pairs, strict=True)
    return np.concatenate(of_one), np.concatenate(of_two)


def _windows(place: Floats, other_place: Floats, n_windows: int) -> Iterator[tuple[Rows, Rows]]:
    """What is matched with each other, of both sides: what begins in the same of so many equal parts of the recordings;
    of a part that holds much, in the same of shorter ones."""
    window, other_window = (np.minimum(at * n_windows, n_windows - 1).astype(int) for at in (place, other_place))
    order, other_order = np.argsort(window, kind="stable"), np.argsort(other_window, kind="stable")
    edges, other_edges = (
        np.searchsorted(of[by], np.arange(n_windows + 1)) for of, by in ((window, order), (other_window, other_order))
    )
    for here in np.intersect1d(window, other_window).tolist():
        rows = order[edges[here] : edges[here + 1]]
        others = other_order[other_edges[here] : other_edges[here + 1]]
        n_parts = math.ceil(max(len(rows), len(others)) / MOST_AT_ONCE)
        if n_parts == 1:
            yield rows, others
            continue
        # of what begins at once, the same share of both sides each
        share = np.concatenate([np.arange(len(side)) / len(side) for side in (rows, others)])
        in_turn = np.lexsort((share, np.concatenate([place[rows], other_place[others]])))
        part = np.empty(len(in_turn), np.int64)
        part[in_turn] = np.arange(len(in_turn)) * n_parts // len(in_turn)
        for number in range(n_parts):
            here = part == number
            yield rows[here[: len(rows)]], others[here[len(rows) :]]


def _blended(like: EventTable, one: Things, two: Things, amount: float) -> Things:
    """As many things, each between two; like: a table of the same preset and steps."""
    layout = layout_of(like.header)
    if layout.links == "channel":
        wanted = np.unique(np.concatenate([_places(one), _places(two)]))
        one, two = _with_events_at(layout, one, wanted), _with_events_at(layout, two, wanted)
    vector = (1 - amount) * one.vector.astype(np.float64) + amount * two.vector
    if layout.links is not None:
        begins = layout.dim("begins")
        vector[:, begins.index] = 0.0
        vector[one.firsts, begins.index] = on_grid_above(like, begins, 0.51)
    a, b = one.amplitude.astype(np.float64), two.amplitude.astype(np.float64)
    amplitude = np.where((a > 0) & (b > 0), a ** (1 - amount) * b**amount, (1 - amount) * a + amount * b)
    time = (1 - amount) * one.time + amount * two.time
    return replace(one, time=time, vector=vector.astype(np.float32), amplitude=amplitude.astype(np.float32))


def _places(things: Things) -> Rows:
    """int64 [n]: whose each event is, and where it lies between the first, 0, and the last, PLACES - 1, of it, as one
    number: PLACES times the one and the other."""
    firsts, lasts = things.firsts, np.cumsum(things.sizes) - 1
    first_s, number = things.time[firsts], things.number
    length_s = np.maximum(things.time[lasts] - first_s, 1e-9)
    share = (things.time - first_s[number]) / length_s[number]
    return number * PLACES + np.rint(share * (PLACES - 1)).astype(np.int64)


def _with_events_at(layout: Layout, things: Things, wanted: Rows) -> Things:
    """Things of `speech` with events at these places (`_places`, ascending, some of each) that sound nearly as they
    did: an event between two is what the sound has come to there."""
    number, time = wanted // PLACES, things.time
    firsts, lasts = things.firsts[number], (np.cumsum(things.sizes) - 1)[number]
    at_s = time[firsts] + wanted % PLACES / (PLACES - 1) * (time[lasts] - time[firsts])
    after = np.minimum(np.searchsorted(_places(things), wanted), lasts)
    before = np.maximum(after - 1, firsts)
    attack, level = layout.dim("attack_log2_s"), layout.dim("level_db")
    gap_s = np.maximum(time[after] - time[before], 1e-9)
    comes_s = np.minimum(np.exp2(attack.heard(things.vector)[after]), gap_s)
    left_s = np.maximum(time[after] - at_s, 0.0)
    between = (left_s > 1e-6 * gap_s) & (after > before)
    share = np.where(between, np.clip(1 - left_s / comes_s, 0.0, 1.0), 1.0)[:, None]
    vector = things.vector[before] * (1 - share) + things.vector[after] * share
    levels = things.vector[:, level.index].astype(np.float64)
    loud, louder = 10 ** ((level.offset + level.scale * levels[[before, after]]) / 20)
    with np.errstate(divide="ignore"):
        level_db = 20 * np.log10(loud * (1 - share[:, 0]) + louder * share[:, 0])
        comes_log2_s = np.maximum(np.log2(np.maximum(comes_s - left_s, 0.0)), attack.low)
    vector[between, level.index] = ((level_db - level.offset) / level.scale)[between]
    vector[between, attack.index] = ((comes_log2_s - attack.offset) / attack.scale)[between]
    amplitude = things.amplitude[before] * (1 - share[:, 0]) + things.amplitude[after] * share[:, 0]
    columns = vector.astype(np.float32), amplitude.astype(np.float32), np.bincount(number, minlength=len(things))
    return Things(at_s, *columns, things.gains, things.noise)
