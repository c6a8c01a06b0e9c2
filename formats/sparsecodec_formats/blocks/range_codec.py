"""Codec 1: the numbers of a block, range coded with the statistics it is given.

One description serves both directions: `code_events` goes through all numbers in the order of the file, and a `Coder`
writes each, reads it, or counts its bits. What is said of a number before it is coded depends on numbers that come
earlier in the file alone, and is worked out in whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.crc import CHECK_BYTES, check_of
from sparsecodec_formats.errors import FormatError
from sparsecodec_formats.header import N_DIMS, Header
from sparsecodec_formats.quantiser import MAX_LEVEL_CODE, MAX_VECTOR_CODE, SILENT_LEVEL_CODE, QuantisedEvents
from sparsecodec_formats.steps import code_of_step
from sparsecodec_formats.varint import MAX_INT

from .logistic import MEAN_BITS, bit, number, numbers
from .range_coder import Coder, Decoder, Encoder, Tally, exp_golomb, uniform
from .statistics import GROUPS, GapRule, Nearest, Spike, Statistics
from .vector_grid import MAX_VALUE, VALUE_BITS, Grid, code_filling

CODEC = 1
MAX_EVENTS_PER_BYTE = 64
"""More is no sound, and would keep a reader busy."""

GAP_BITS = 2  # of a gap that are coded apart from its table
LONGEST_AVERAGE = 32  # events
MOST_NEAR = 64  # events that are looked through for the nearest
LARGEST_LOGIT = 40
_RATES = [(1 << VALUE_BITS) // (i + 2) for i in range(LONGEST_AVERAGE + 1)]


def encode_payload(events: QuantisedEvents, header: Header, statistics: Statistics) -> bytes:
    """The payload of a block of one channel; `events` is not empty."""
    coder = Encoder()
    code_events(coder, header, statistics, len(events), int(events.time_index[0]), events)
    data = coder.finish()
    return check_of(data) + data


def decode_payload(
    payload: bytes, header: Header, statistics: Statistics, n_events: int, first_time: int, channel: int
) -> QuantisedEvents:
    """The events of a block; FormatError for anything but n_events of them in legal ranges."""
    if n_events > MAX_EVENTS_PER_BYTE * len(payload):
        raise FormatError(f"{n_events} events cannot be in {len(payload)} bytes")
    data = payload[CHECK_BYTES:]
    if payload[:CHECK_BYTES] != check_of(data):
        raise FormatError("the check of its numbers does not match")
    events = code_events(Decoder(data), header, statistics, n_events, first_time, None)
    events.channel[:] = channel
    return events


def part_bits(events: QuantisedEvents, header: Header, statistics: Statistics) -> dict[str, float]:
    """What each part of a block takes under the statistics, bits: times, the dims by name, amplitude."""
    tally = Tally()
    bits: dict[str, float] = {}
    code_events(tally, header, statistics, len(events), int(events.time_index[0]), events, bits)
    return bits


def code_events(
    coder: Coder,
    header: Header,
    statistics: Statistics,
    n: int,
    first_time: int,
    events: QuantisedEvents | None,
    bits: dict[str, float] | None = None,
) -> QuantisedEvents:
    """All numbers of n events of a block, in the order of the file. events: what to write; None: they are read."""
    return _Block(coder, header, statistics, n, first_time, events, bits).code()


@dataclass(frozen=True)
class _Prediction:
    """What is expected of a dim's numbers before they are coded.

    Attributes:
        constant, last, before, average: int64 [2, n], of the mean; row 1 where the number before was at its spike.
        scale: int64 [2, n], about the mean.
        spikes: int64 [n], codes; None: each is the code before.
        logits: int64 [2, n], of the spikes; None: there are none.
    """

    constant: NDArray[np.int64]
    last: NDArray[np.int64]
    before: NDArray[np.int64]
    average: NDArray[np.int64]
    scale: NDArray[np.int64]
    spikes: NDArray[np.int64] | None
    logits: NDArray[np.int64] | None


@dataclass(frozen=True)
class Past:
    """Which earlier events tell what to expect of each event of a block: rows, -1 where there is none.

    Attributes:
        first: int64 [n], of the event before; or of the nearest one.
        second: int64 [n], of the one before that; or of the latest that is alike.
        alike: int64 [n], 0, 1 or 2; events that are alike have a running mean of their own.
        kind: int64 [n]. By the event before: 0 begins, then by the gap. By the nearest: `alike` · (limits + 2), and 0
            where there is none, else 1 and one more for each limit that its distance is above.
        changes: bool [n]; what other numbers changed by since `first` counts.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    alike: NDArray[np.int64]
    kind: NDArray[np.int64]
    changes: NDArray[np.bool_]

    @classmethod
    def in_time(cls, kind: NDArray[np.int64]) -> Past:
        """Events are told by those before; what begins has not changed."""
        row = np.arange(len(kind))
        return cls(row - 1, np.maximum(row - 2, -1), np.zeros(len(kind), np.int64), kind, kind > 0)

    @classmethod
    def by_nearest(cls, alike: NDArray[np.int64], near: NDArray[np.int64], limits: tuple[int, ...]) -> Past:
        """Events are told by the nearest of the latest that are alike. near: int64 [n], values."""
        n = len(alike)
        first, second, distance = np.full(n, -1), np.full(n, -1), np.zeros(n, np.int64)
        latest: tuple[list[int], ...] = tuple([] for _ in range(GROUPS))
        for row, (group, value) in enumerate(zip(alike.tolist(), near.tolist(), strict=True)):
            before = latest[group][-MOST_NEAR:]
            if before:
                away = np.abs(near[before] - value)[::-1]
                closest = int(away.argmin())  # of equals, the latest
                first[row], second[row], distance[row] = before[-1 - closest], before[-1], away[closest]
            latest[group].append(row)
        kind = alike * (len(limits) + 2) + np.where(first < 0, 0, 1 + np.searchsorted(limits, distance))
        return cls(first, second, alike, kind, np.ones(n, bool))

    def of(self, rows: NDArray[np.int64], column: NDArray[np.int64], start: int) -> NDArray[np.int64]:
        """int64 [n]: a column at `first` or `second`; start where there is none."""
        return np.where(rows < 0, start, column[rows])

    def averages(self, value: NDArray[np.int64], start: int) -> NDArray[np.int64]:
        """int64 [n]: the running mean of the events that are alike, before each."""
        out, mean, count = [], [start] * GROUPS, [0] * GROUPS
        for x, group in zip(value.tolist(), self.alike.tolist(), strict=True):
            out.append(mean[group])
            mean[group] = _averaged(mean[group], x, count[group])
            count[group] += 1
        return np.array(out, np.int64)


def groups(values: NDArray[np.integer] | NDArray[np.floating], half: float) -> NDArray[np.int64]:
    """Which events are alike, int64 [n]: 1 above a half, 2 below minus a half, 0 between."""
    return np.where(values > half, 1, np.where(values < -half, 2, 0))


def _averaged(mean: int, value: int, count: int) -> int:
    """The running mean after another value; count: of those in it."""
    return mean + ((value - mean) * _RATES[min(count, LONGEST_AVERAGE)] >> VALUE_BITS)


class _Block:
    def __init__(
        self,
        coder: Coder,
        header: Header,
        statistics: Statistics,
        n: int,
        first_time: int,
        events: QuantisedEvents | None,
        bits: dict[str, float] | None,
    ) -> None:
        self._coder = coder
        self._n = n
        self._first_time = first_time
        self._events = events
        self._bits = bits
        self._known = statistics
        self._unit = header.time_unit
        self._grids = [Grid(code_of_step(step)) for step in header.step]
        self._codes = np.zeros((n, N_DIMS), np.int64)
        self._values = np.zeros((n, N_DIMS), np.int64)

    def code(self) -> QuantisedEvents:
        n = self._n
        loud = bool(bit(self._coder, -12, int(self._events is not None and self._events.amplitude.any())))
        self._spent("amplitude")
        begins = self._code_begins()
        self._spent(self._known.names[self._known.begins_dim])
        gap = self._code_gaps(begins)
        self._spent("times")
        kind = np.where(begins, 0, 1 + np.searchsorted(self._known.gap_limits, gap))
        self._begins, self._gap, self._past = begins, gap, Past.in_time(kind)
        nearest, by_nearest = self._known.nearest, self._known.told_by_nearest
        for dim in self._known.order:
            if nearest is not None and dim in by_nearest:
                self._past, nearest = self._past_by(nearest), None  # from here on
            self._code_dim(dim)
            self._spent(self._known.names[dim])
        amplitude = self._code_amplitude() if loud else np.zeros(n, np.int64)
        self._spent("amplitude")
        time_index = self._first_time + np.cumsum(gap)
        return QuantisedEvents(
            time_index, self._codes.astype(np.int32), amplitude.astype(np.int32), np.zeros(n, np.uint8)
        )

    def _spent(self, part: str) -> None:
        if self._bits is not None and isinstance(self._coder, Tally):
            self._bits[part] = self._bits.get(part, 0.0) + self._coder.bits
            self._coder.bits = 0.0

    def _given(self, column: NDArray[np.integer] | None) -> list[int]:
        return [0] * self._n if column is None else column.tolist()

    def _column(self, dim: int) -> list[int]:
        return self._given(None if self._events is None else self._events.vector[:, dim])

    def _keep(self, dim: int, codes: Sequence[int] | NDArray[np.int64]) -> None:
        self._codes[:, dim] = codes
        if np.abs(self._codes[:, dim]).max() > MAX_VECTOR_CODE:
            raise FormatError("a number of a vector is out of range")
        self._values[:, dim] = self._grids[dim].values(self._codes[:, dim])

    def _code_begins(self) -> NDArray[np.bool_]:
        """Which events begin by themselves, bool [n]; the first is taken to."""
        dim = self._known.begins_dim
        grid = self._grids[dim]
        least = grid.ceil(51)
        context, codes = 2, []
        for code in self._column(dim):
            symbol = self._coder.symbol(self._known.begins[context], 0 if code == 0 else 1 if code == least else 2)
            code = number(self._coder, 16 - grid.eighths, 0, code) if symbol == 2 else symbol * least
            codes.append(code)
            context = int(grid.value(code) > 1 << (VALUE_BITS - 1))
        self._keep(dim, codes)
        begins = self._values[:, dim] > 1 << (VALUE_BITS - 1)
        begins[0] = True
        return begins

    def _code_gaps(self, begins: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Time units since the event before, int64 [n], of the first 0."""
        coder, gap = self._coder, np.zeros(self._n, np.int64)
        if self._events is not None:
            gap[1:] = np.diff(self._events.time_index)
        every = int(np.bitwise_or.reduce(gap))
        low_bits = uniform(coder, 2, next((i for i in range(GAP_BITS) if every >> i & 1), GAP_BITS))
        low_bits = GAP_BITS - min(low_bits, GAP_BITS)
        density = uniform(coder, 2, self._density(gap, begins))
        tables = self._known.gaps[density]
        last, out, total = 0, [0], self._first_time
        for given, begin in zip(gap[1:].tolist(), begins[1:].tolist(), strict=True):
            table = tables[0 if begin else 1 + last]
            most = len(table.frequency) - 1
            coarse = coder.symbol(table, min(given >> GAP_BITS, most))
            if coarse == most:
                coarse += exp_golomb(coder, max(0, (given >> GAP_BITS) - most))
            shift = GAP_BITS - low_bits
            now = coarse << GAP_BITS | uniform(coder, low_bits, (given & 3) >> shift) << shift
            total += now
            if total > MAX_INT:
                raise FormatError("a time is too late")
            out.append(now)
            last = 0 if now <= self._known.gap_limits[0] else 1 if now <= self._known.gap_limits[1] else 2
        return np.array(out, np.int64)

    def _density(self, gap: NDArray[np.int64], begins: NDArray[np.bool_]) -> int:
        """The class of gaps that they take the fewest bits under."""
        limits = self._known.gap_limits[:2]
        context = np.where(begins[1:], 0, 1 + np.searchsorted(limits, gap[:-1]))
        costs = []
        for tables in self._known.gaps:
            coarse = np.minimum(gap[1:] >> GAP_BITS, len(tables[0].frequency) - 1)
            costs.append(sum(tables[c].bits[g] for c, g in zip(context.tolist(), coarse.tolist(), strict=True)))
        return int(np.argmin(costs))

    def _past_by(self, of: Nearest) -> Past:
        alike = groups(self._values[:, of.alike], 1 << (VALUE_BITS - 1))
        return Past.by_nearest(alike, self._values[:, of.near], of.limits)

    def _code_dim(self, dim: int) -> None:
        known, grid, past = self._known.dims[dim], self._grids[dim], self._past
        changed = np.zeros(self._n, np.int64)
        for other, weight in known.change:
            value = self._values[:, other]
            changed += weight * (value - past.of(past.first, value, self._known.dims[other].start))
        changed = np.where(past.changes, changed >> VALUE_BITS, 0)
        kinds = np.array(known.kinds)[:, past.kind]
        constant, last, before, average, scale = (
            np.array(row, np.int64)[kinds] for row in (known.mean, known.last, known.before, known.average, known.scale)
        )
        finer = (known.coarser * grid.eighths >> VALUE_BITS) - grid.eighths
        spikes = logits = None
        if known.spike:
            spikes, logits = self._spike_codes(known.spike, grid), self._spike_logits(known.spike)
        expected = _Prediction(constant + changed, last, before, average, scale + finer, spikes, logits)
        if self._events is None:
            self._read(dim, expected)
        else:
            self._write(dim, expected, self._events.vector[:, dim].astype(np.int64))

    def _write(self, dim: int, expected: _Prediction, codes: NDArray[np.int64]) -> None:
        """Code numbers that are known."""
        grid, n = self._grids[dim], self._n
        self._keep(dim, codes)
        start = self._known.dims[dim].start
        value, row, past = self._values[:, dim], np.arange(n), self._past
        x1, x2 = (past.of(rows, value, start) for rows in (past.first, past.second))
        running = past.averages(value, start)
        spikes, at_spike = None, np.zeros(n, np.int64)
        if expected.logits is not None:
            spikes = past.of(past.first, codes, 0) if expected.spikes is None else expected.spikes
            at_spike = past.of(past.first, (codes == spikes).astype(np.int64), 0)
        last, before, average = (column[at_spike, row] for column in (expected.last, expected.before, expected.average))
        weighted = last * x1 + before * x2 + average * running
        mean = np.clip(expected.constant[at_spike, row] + (weighted >> VALUE_BITS), -MAX_VALUE, MAX_VALUE)
        logit = None if expected.logits is None else expected.logits[at_spike, row]
        numbers(self._coder, expected.scale[at_spike, row], grid.sixteenths_of(mean), codes, spikes, logit)

    def _read(self, dim: int, expected: _Prediction) -> None:
        """Decode numbers one by one, each from those before."""
        grid, coder = self._grids[dim], self._coder
        constant, last, before, average, scale = (
            column.tolist()
            for column in (expected.constant, expected.last, expected.before, expected.average, expected.scale)
        )
        spikes = None if expected.spikes is None else expected.spikes.tolist()
        logits = None if expected.logits is None else expected.logits.tolist()
        start = self._known.dims[dim].start
        # where there is no event before, rows are -1: the last place of these lists
        codes, values, were_at_spike = ([of] * (self._n + 1) for of in (0, start, 0))
        running, count = [start] * GROUPS, [0] * GROUPS
        rows = (column.tolist() for column in (self._past.first, self._past.second, self._past.alike))
        for i, (first, second, group) in enumerate(zip(*rows, strict=True)):
            at_spike = were_at_spike[first]
            weighted = last[at_spike][i] * values[first] + before[at_spike][i] * values[second]
            weighted += average[at_spike][i] * running[group]
            mean = min(max(constant[at_spike][i] + (weighted >> VALUE_BITS), -MAX_VALUE), MAX_VALUE)
            if logits is None:
                code = number(coder, scale[0][i], grid.sixteenths(mean), 0)
            else:
                spike = codes[first] if spikes is None else spikes[i]
                code = number(coder, scale[at_spike][i], grid.sixteenths(mean), 0, spike, logits[at_spike][i])
                were_at_spike[i] = int(code == spike)
            codes[i], values[i] = code, grid.value(code)
            running[group] = _averaged(running[group], values[i], count[group])
            count[group] += 1
        self._keep(dim, codes[:-1])

    def _spike_codes(self, spike: Spike, grid: Grid) -> NDArray[np.int64] | None:
        """The code of every event's spike, [n]; None: the code before."""
        if isinstance(spike.code, GapRule):
            codes = {gap: code_filling(gap, self._unit, grid, spike.code) for gap in np.unique(self._gap).tolist()}
            return np.array([codes[gap] for gap in self._gap.tolist()], np.int64)
        return np.zeros(self._n, np.int64) if spike.code == "zero" else None

    def _spike_logits(self, spike: Spike) -> NDArray[np.int64]:
        """The logit of every event's spike, [2, n]; row 1 where the number before was at its spike."""
        contexts = {
            "begins": self._begins.astype(np.int64),
            "ends": np.append(self._begins[1:], True).astype(np.int64),  # the next begins, or there is none
            "kind": self._past.kind,
        }
        telling = np.zeros(self._n, np.int64)
        for other, weight in spike.telling:
            telling += weight * self._values[:, other]
        logits = np.array(spike.logits)[:, contexts[spike.context]] + (telling >> 2 * VALUE_BITS)
        return np.clip(logits, -LARGEST_LOGIT, LARGEST_LOGIT)

    def _code_amplitude(self) -> NDArray[np.int64]:
        scale, logit = self._known.amplitude
        last, out = 0, []
        for given in self._given(None if self._events is None else self._events.amplitude):
            last = number(self._coder, scale, last << MEAN_BITS, given, last, logit)
            if not SILENT_LEVEL_CODE <= last <= MAX_LEVEL_CODE:
                raise FormatError("an amplitude is out of range")
            out.append(last)
        return np.array(out, np.int64)
