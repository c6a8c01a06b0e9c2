"""The numbers of a block under codec 1, one after another: written, read, and their bits counted.

One description serves both directions: `_Block.code` goes through all numbers in the order of the file, and a `Coder`
writes each or reads it. What is said of a number before it is coded depends on numbers that come earlier in the file
alone, and is worked out in whole numbers. `kernel.wat` is the same for long files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import FormatError
from sparsecodec_formats.header import N_DIMS, Header
from sparsecodec_formats.quantiser import MAX_LEVEL_CODE, MAX_VECTOR_CODE, SILENT_LEVEL_CODE, QuantisedEvents
from sparsecodec_formats.steps import code_of_step
from sparsecodec_formats.varint import MAX_INT

from .logistic import MEAN_BITS, bit, number
from .range_coder import Coder, Decoder, Encoder, exp_golomb, uniform
from .statistics import GROUPS, DimStatistics, GapRule, Nearest, Spike, Statistics
from .vector_grid import VALUE_BITS, Grid, code_filling, within

GAP_BITS = 2  # of a gap that are coded apart from its table
LONGEST_AVERAGE = 32  # events
MOST_NEAR = 64  # events that are looked through for the nearest
LARGEST_LOGIT = 40
HALF = 1 << (VALUE_BITS - 1)
_RATES = [(1 << VALUE_BITS) // (i + 2) for i in range(LONGEST_AVERAGE + 1)]


class Told(NamedTuple):
    """What is told of gaps and amplitudes before them.

    Attributes:
        loud: whether there are amplitudes.
        zeros_below: lowest bits that are 0 in every gap, up to GAP_BITS.
        density: the class of the tables of gaps.
    """

    loud: int
    zeros_below: int
    density: int

    @classmethod
    def of(cls, events: QuantisedEvents, statistics: Statistics, grid: Grid) -> Told:
        """What to tell of events: the class is the one that their gaps take the fewest bits under.

        grid: of the dim that tells which events begin.
        """
        gap = np.diff(events.time_index)
        begins = grid.values(events.vector[1:, statistics.begins_dim].astype(np.int64)) > HALF
        every = int(np.bitwise_or.reduce(gap))
        before = np.append(0, gap)[: len(gap)]
        context = np.where(begins, 0, 1 + np.searchsorted(statistics.gap_limits[:2], before))
        bits = statistics.gap_bits
        costs = bits[:, context, np.minimum(gap >> GAP_BITS, bits.shape[-1] - 1)].sum(axis=1)
        zeros = next((i for i in range(GAP_BITS) if every >> i & 1), GAP_BITS)
        return cls(int(events.amplitude.any()), zeros, int(costs.argmin()))


class Coded(NamedTuple):
    """A block after coding.

    Attributes:
        events: those that were given, or that were read, as of channel 0.
        data: what they are range coded as; None where they were read, or take more bytes than asked for.
        bits: what each part takes under the statistics: times, the dims by name, amplitude.
    """

    events: QuantisedEvents
    data: bytes | None
    bits: dict[str, float]


def write(events: QuantisedEvents, header: Header, statistics: Statistics, limit: int) -> Coded:
    """Code events, at least one of one channel, as at most `limit` bytes."""
    encoder = Encoder()
    first_time = int(events.time_index[0])
    block = _Block(encoder, header, statistics, len(events), first_time, events)
    block.code()
    data = encoder.finish()
    fits = encoder.n_bytes <= limit and len(data) <= limit
    return Coded(events, data if fits else None, block.bits)


def read(data: bytes, header: Header, statistics: Statistics, n: int, first_time: int) -> Coded:
    """Decode n events; FormatError where a number is not in its legal range."""
    block = _Block(Decoder(data), header, statistics, n, first_time, None)
    return Coded(block.code(), None, block.bits)


class Past(NamedTuple):
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


def groups(values: NDArray[np.integer] | NDArray[np.floating], half: float) -> NDArray[np.int64]:
    """Which events are alike, int64 [n]: 1 above a half, 2 below minus a half, 0 between."""
    return np.where(values > half, 1, np.where(values < -half, 2, 0))


class _Block:
    def __init__(
        self,
        coder: Coder,
        header: Header,
        statistics: Statistics,
        n: int,
        first_time: int,
        events: QuantisedEvents | None,
    ) -> None:
        self._coder = coder
        self._n = n
        self._first_time = first_time
        self._events = events
        self._known = statistics
        self._unit = header.time_unit
        self._grids = [Grid(code_of_step(step)) for step in header.step]
        self._codes = np.zeros((n, N_DIMS), np.int64)
        self._values = np.zeros((n, N_DIMS), np.int64)
        self._told = None
        if events is not None:
            self._told = Told.of(events, statistics, self._grids[statistics.begins_dim])
        self.bits: dict[str, float] = {}

    def code(self) -> QuantisedEvents:
        n = self._n
        loud = bit(self._coder, -12, self._told.loud if self._told else 0)
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
        self.bits[part] = self.bits.get(part, 0.0) + self._coder.bits
        self._coder.bits = 0.0

    def _given(self, column: NDArray[np.integer] | None) -> list[int]:
        return [0] * self._n if column is None else column.tolist()

    def _column(self, dim: int) -> list[int]:
        return self._given(None if self._events is None else self._events.vector[:, dim])

    def _keep(self, dim: int, codes: Sequence[int]) -> None:
        if max(codes) > MAX_VECTOR_CODE or min(codes) < -MAX_VECTOR_CODE:
            raise FormatError("a number of a vector is out of range")
        self._codes[:, dim] = codes
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
            context = int(grid.value(code) > HALF)
        self._keep(dim, codes)
        begins = self._values[:, dim] > HALF
        begins[0] = True
        return begins

    def _code_gaps(self, begins: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Time units since the event before, int64 [n], of the first 0."""
        coder, told = self._coder, self._told
        low_bits = GAP_BITS - min(uniform(coder, 2, told.zeros_below if told else 0), GAP_BITS)
        tables = self._known.gaps[uniform(coder, 2, told.density if told else 0)]
        every = self._given(None if self._events is None else np.diff(self._events.time_index, prepend=0))
        last, out, total = 0, [0], self._first_time
        for given, begin in zip(every[1:], begins[1:].tolist(), strict=True):
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

    def _past_by(self, of: Nearest) -> Past:
        return Past.by_nearest(groups(self._values[:, of.alike], HALF), self._values[:, of.near], of.limits)

    def _changed(self, known: DimStatistics) -> NDArray[np.int64]:
        """What other numbers of each event changed by since the one that tells, weighted, int64 [n]."""
        past, changed = self._past, np.zeros(self._n, np.int64)
        for other, weight in known.change:
            value = self._values[:, other]
            changed += weight * (value - past.of(past.first, value, self._known.dims[other].start))
        return np.where(past.changes, changed >> VALUE_BITS, 0)

    def _code_dim(self, dim: int) -> None:
        """One dim of all events, each told by those before."""
        known, grid, past, coder = self._known.dims[dim], self._grids[dim], self._past, self._coder
        finer = (known.coarser * grid.eighths >> VALUE_BITS) - grid.eighths
        changed, kinds = self._changed(known).tolist(), past.kind.tolist()
        spikes = logits = None
        if known.spike:
            spikes, logits = self._spike_codes(known.spike, grid), self._spike_logits(known.spike).tolist()
        # where there is no event before, rows are -1: the last place of these lists
        codes, values, were_at_spike = ([of] * (self._n + 1) for of in (0, known.start, 0))
        kind_of, scale_of, mean_of = known.kinds, known.scale, known.mean
        last_of, before_of, average_of = known.last, known.before, known.average
        running, count = [known.start] * GROUPS, [0] * GROUPS
        columns = (self._column(dim), past.first.tolist(), past.second.tolist(), past.alike.tolist())
        for i, (given, first, second, group) in enumerate(zip(*columns, strict=True)):
            at_spike = were_at_spike[first]
            kind = kind_of[at_spike][kinds[i]]
            weighted = last_of[kind] * values[first] + before_of[kind] * values[second]
            weighted += average_of[kind] * running[group]
            mean = grid.sixteenths(within(mean_of[kind] + changed[i] + (weighted >> VALUE_BITS)))
            scale = scale_of[kind] + finer
            if logits is None:
                code = number(coder, scale, mean, given)
            else:
                spike = codes[first] if spikes is None else spikes[i]
                code = number(coder, scale, mean, given, spike, logits[at_spike][i])
                were_at_spike[i] = int(code == spike)
            codes[i], values[i] = code, grid.value(code)
            running[group] += (values[i] - running[group]) * _RATES[min(count[group], LONGEST_AVERAGE)] >> VALUE_BITS
            count[group] += 1
        self._keep(dim, codes[:-1])

    def _spike_codes(self, spike: Spike, grid: Grid) -> list[int] | None:
        """The code of every event's spike; None: the code before."""
        if isinstance(spike.code, GapRule):
            codes = {gap: code_filling(gap, self._unit, grid, spike.code) for gap in set(self._gap.tolist())}
            return [codes[gap] for gap in self._gap.tolist()]
        return [0] * self._n if spike.code == "zero" else None

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
