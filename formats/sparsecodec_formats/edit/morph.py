"""Between two recordings: what is alike in both moves from one to the other, the rest fades."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.gains import nearest_gain
from sparsecodec_formats.header import Header
from sparsecodec_formats.presets import layout_of
from sparsecodec_formats.presets.voices import Voices
from sparsecodec_formats.segments import Segments
from sparsecodec_formats.table import EventTable

from .checks import on_grid_above, within
from .join import check_joinable, joint_header
from .lanes import Thing, arranged, noise_number
from .likeness import distances, points_of_events, points_of_segments
from .parting import parted_at

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

APART = 8.0
"""What is no nearer to each other (`likeness.py`) is not matched: one fades out, the other in."""
TIME_S = 0.2
"""As far apart in time counts as a distance of 1."""
WINDOW_S = 20.0
"""Matches lie within windows of about this length, so that time and memory do not grow as a square."""


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

    amount: 0..1. segments, other_segments: of the two tables; None: `Segments.of` them.
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
    things = []
    pairs = _matched(one, two)
    for i, j in pairs:
        (a, gains, noise), (b, other_gains, _) = one.thing(one.runs[i]), two.thing(two.runs[j])
        gains = tuple(nearest_gain((1 - amount) * g + amount * h) for g, h in zip(gains, other_gains, strict=True))
        things.append(Thing(_blended(a, b, amount), gains, noise))
    for side, left, matched in ((one, 1 - amount, {i for i, _ in pairs}), (two, amount, {j for _, j in pairs})):
        for rows in [*(run for i, run in enumerate(side.runs) if i not in matched), *side.tones]:
            events, gains, noise = side.thing(rows)
            start_s = events.time[0]
            time = events.time - start_s + start_s * (duration_s / max(side.table.duration_s, 1e-9))
            things.append(Thing(events.replace(time=time, amplitude=events.amplitude * np.float32(left)), gains, noise))
    return arranged(header, things)


@dataclass(frozen=True)
class _Side:
    """A table whose things sound by themselves. runs: the rows of each thing that may be matched; points: where it lies
    (`likeness.py`); tones: the rows of those of each stream, which fade."""

    table: EventTable
    noise: tuple[int, ...]
    runs: list[Rows]
    points: Floats
    tones: list[Rows]

    @staticmethod
    def of(table: EventTable, segments: Segments | None, joint: Header) -> _Side:
        noise = tuple(noise_number(number, table.header.seed, joint.seed) for number in table.header.noise_numbers)
        header = replace(table.header, step=joint.step)
        if not Voices.of(table).linked:
            rows = [np.array([i]) for i in range(len(table))]
            return _Side(table.replace(header=header), noise, rows, points_of_events(table), [])
        segments = Segments.of(table) if segments is None else segments
        tone = layout_of(header).tones(table.vector)
        points = points_of_segments(table, segments)
        notes = [rows[~tone[rows]] for rows in segments.runs]
        heard = [i for i, rows in enumerate(notes) if len(rows)]
        tones = [np.flatnonzero(tone & (table.channel == channel)) for channel in np.unique(table.channel[tone])]
        runs = [notes[i] for i in heard]
        return _Side(parted_at(table, runs).replace(header=header), noise, runs, points[heard], tones)

    def thing(self, rows: Rows) -> tuple[EventTable, tuple[float, ...], int]:
        """Its events, the gains of its stream, and the number of its noise."""
        stream = self.table.channel[rows[0]]
        return self.table.select(rows), tuple(row[stream] for row in self.table.header.stream_gains), self.noise[stream]

    @property
    def place(self) -> Floats:
        """Where each thing begins, as a share of the recording's length."""
        return self.table.time[[rows[0] for rows in self.runs]] / max(self.table.duration_s, 1e-9)

    @property
    def n_events(self) -> Rows:
        return np.array([len(rows) for rows in self.runs], np.int64)


def _matched(one: _Side, two: _Side) -> list[tuple[int, int]]:
    from scipy.optimize import linear_sum_assignment

    if not (one.runs and two.runs):
        return []
    length_s = max(one.table.duration_s, two.table.duration_s)
    as_many = layout_of(one.table.header).events_are_notes
    n_windows = max(1, round(length_s / WINDOW_S))
    window, other_window = (np.minimum(side.place * n_windows, n_windows - 1).astype(int) for side in (one, two))
    pairs = []
    for here in np.intersect1d(window, other_window).tolist():
        rows, others = np.flatnonzero(window == here), np.flatnonzero(other_window == here)
        apart_s = np.subtract.outer(one.place[rows], two.place[others]) * length_s
        cost = np.hypot(distances(one.points[rows], two.points[others]), apart_s / TIME_S)
        if as_many:
            cost[np.not_equal.outer(one.n_events[rows], two.n_events[others])] = APART
        cost = np.minimum(cost, APART)  # as much as it costs to match neither
        found = zip(*linear_sum_assignment(cost), strict=True)
        pairs += [(int(rows[i]), int(others[j])) for i, j in found if cost[i, j] < APART]
    return pairs


def _blended(one: EventTable, two: EventTable, amount: float) -> EventTable:
    """The events of a thing between two."""
    layout = layout_of(one.header)
    if layout.links == "channel":
        places = np.unique(np.concatenate([_places(one), _places(two)]))
        one, two = _with_events_at(one, places), _with_events_at(two, places)
    vector = (1 - amount) * one.vector.astype(np.float64) + amount * two.vector
    if layout.links is not None:
        begins = layout.dim("begins")
        vector[1:, begins.index] = 0.0
        vector[0, begins.index] = on_grid_above(one, begins, 0.51)
    a, b = one.amplitude.astype(np.float64), two.amplitude.astype(np.float64)
    amplitude = np.where((a > 0) & (b > 0), a ** (1 - amount) * b**amount, (1 - amount) * a + amount * b)
    time = (1 - amount) * one.time + amount * two.time
    return EventTable(one.header, time, vector, None, amplitude)


def _places(events: EventTable) -> Floats:
    """Where each event of a thing lies between the first, 0, and the last, 1."""
    return np.round((events.time - events.time[0]) / max(events.time[-1] - events.time[0], 1e-9), 6)


def _with_events_at(events: EventTable, places: Floats) -> EventTable:
    """A thing of `speech` as events at these places, of stream 0, that sounds nearly as it did: an event between
    two is what the sound has come to there."""
    layout, time = layout_of(events.header), events.time
    vector, amplitude = events.vector.astype(np.float64), events.amplitude.astype(np.float64)
    at_s = time[0] + places * (time[-1] - time[0])
    after = np.minimum(np.searchsorted(_places(events), places), len(events) - 1)
    before = np.maximum(after - 1, 0)
    attack, level = layout.dim("attack_log2_s"), layout.dim("level_db")
    gap_s = np.maximum(time[after] - time[before], 1e-9)
    comes_s = np.minimum(np.exp2(attack.heard(events.vector)[after]), gap_s)
    left_s = np.maximum(time[after] - at_s, 0.0)
    between = (left_s > 1e-6 * gap_s) & (after > before)
    share = np.where(between, np.clip(1 - left_s / comes_s, 0.0, 1.0), 1.0)[:, None]
    blend = vector[before] * (1 - share) + vector[after] * share
    loud, louder = 10 ** ((level.offset + level.scale * vector[[before, after], level.index]) / 20)
    with np.errstate(divide="ignore"):
        level_db = 20 * np.log10(loud * (1 - share[:, 0]) + louder * share[:, 0])
        comes_log2_s = np.maximum(np.log2(np.maximum(comes_s - left_s, 0.0)), attack.low)
    blend[between, level.index] = ((level_db - level.offset) / level.scale)[between]
    blend[between, attack.index] = ((comes_log2_s - attack.offset) / attack.scale)[between]
    louds = amplitude[before] * (1 - share[:, 0]) + amplitude[after] * share[:, 0]
    return EventTable(events.header, at_s, blend, None, louds)
