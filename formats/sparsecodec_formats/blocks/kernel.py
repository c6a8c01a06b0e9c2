"""Codec 1 in WebAssembly: `kernel.wat` does what `block.py` does, number by number, some fifty times as fast.

The library is PyPI `wasmtime`, where whole numbers mean the same on every machine. What a kernel works on lies in its
memory, so each thread has one of its own.
"""

from __future__ import annotations

import atexit
import pkgutil
import re
import threading
from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import FormatError
from sparsecodec_formats.header import N_DIMS, Header
from sparsecodec_formats.quantiser import MAX_LEVEL_CODE, MAX_VECTOR_CODE, SILENT_LEVEL_CODE, QuantisedEvents
from sparsecodec_formats.steps import code_of_step
from sparsecodec_formats.varint import MAX_INT

from .block import HALF, LARGEST_LOGIT, LONGEST_AVERAGE, MOST_NEAR, Coded, Told
from .logistic import EIGHTHS, FARTHEST, INVERSE_EIGHTHS, LEAST_SCALE, LOGISTIC, MOST_SCALE
from .range_coder import LENGTHS, STATE_BYTES, TOTAL, TOTAL_BITS, WORD_BYTES, Table, ended
from .statistics import GROUPS, DimStatistics, GapRule, Statistics
from .vector_grid import MAX_VALUE, VALUE_BITS, Grid, code_filling

_PAGE_BYTES = 2**16
_SLOT_BITS = 13  # log2 of how many tables are kept: 4 MB
_SLOT_BYTES = 512
_NOWHERE = 64  # steps to a spike that is not there
_MOST_KINDS = 12
_MOST_GAPS = 64  # symbols of a table of gaps
_LEAST_EVENTS = 1024  # that there is room for
_BEFORE = 2  # rows before the first of a column: what stands for no event; a whole number of 8 bytes
_CODED_DIMS = N_DIMS - 1  # one is coded before the others

MESSAGES = {
    "DAMAGED": "its range-coded numbers are damaged",
    "NUMBER_OUT_OF_RANGE": "a number is out of range",
    "VECTOR_OUT_OF_RANGE": "a number of a vector is out of range",
    "TOO_LATE": "a time is too late",
    "AMPLITUDE_OUT_OF_RANGE": "an amplitude is out of range",
}
_SPIKES = ("none", "zero", "before", "gap")
_CONTEXTS = ("begins", "ends", "kind")


def _ints(*names: str) -> list[tuple[str, str]]:
    return [(name, "<i4") for name in names]


def _table(n_symbols: int) -> tuple[int]:
    """Shape of a table: how many symbols, where each begins, TOTAL."""
    return (n_symbols + 2,)


# Records in the memory. Columns of n events and tables whose length depends on the statistics are told by address.

_CHANGE = np.dtype(_ints("values", "weight"))
_DIM = np.dtype(
    [
        *_ints("codes", "values", "filling"),  # columns
        *_ints("start", "factor", "left", "half", "right", "inverse", "to_steps"),
        *((name, "<i4", (2, _MOST_KINDS)) for name in ("mean", "last", "before", "average", "scale", "logits")),
        *_ints("spike", "context", "n_change", "n_telling"),
        ("change", _CHANGE, N_DIMS),
        ("telling", _CHANGE, N_DIMS),
    ]
)
_COLUMNS = {"gaps": 8} | dict.fromkeys(
    ("amplitudes", "is_begin", "kind", "changes", "alike", "first", "second", "at_spike"), 4
)
"""Bytes of a number, by name."""
_PART = np.dtype([("likelihood", "<f8"), ("octaves", "<f8")])
_BLOCK = np.dtype(
    [
        ("low", "<u8"),
        ("span", "<u8"),
        ("first_time", "<i8"),
        *_ints("reads", "n", "words", "words_end", "word", "loud", "zeros_below", "density"),
        *_ints(*_COLUMNS),
        *_ints("dims", "begins_dim", "gap_tables", "gap_table_bytes", "tables"),
        *_ints("begins_code", "begins_scale", "amplitude_scale", "amplitude_logit"),
        *_ints("nearest_from", "alike_values", "near_values"),
        ("gap_limits", "<i4", 3),
        ("nearest_limits", "<i4", 2),
        *((name, "<i4", GROUPS) for name in ("running", "count", "latest")),
        ("eighths", "<i4", 8),
        ("inverse_eighths", "<i4", 8),
        ("logistic", "<i4", len(LOGISTIC) + 1),  # the last one twice
        ("lengths", "<i4", _table(len(LENGTHS.frequency))),
        ("begins", "<i4", (3, *_table(3))),
        ("two", "<i4", _table(2)),
        ("shares", "<i8", 128),
        ("parts", _PART, N_DIMS + 3),
    ],
    align=True,
)
_RECORDS = {"block": _BLOCK, "dim": _DIM, "change": _CHANGE, "telling": _CHANGE}


def _source() -> str:
    """The module's text, with the layout of the records and the constants put in."""
    numbers = {
        **{name: problem for problem, name in enumerate(MESSAGES, 1)},
        **{f"SPIKE_{name.upper()}": i for i, name in enumerate(_SPIKES)},
        **{f"CONTEXT_{name.upper()}": i for i, name in enumerate(_CONTEXTS)},
        "TOTAL": TOTAL,
        "TOTAL_BITS": TOTAL_BITS,
        "LEAST_SCALE": LEAST_SCALE,
        "MOST_SCALE": MOST_SCALE,
        "FARTHEST": FARTHEST,
        "LOGISTIC_END": (len(LOGISTIC) - 1) * 16,
        "NOWHERE": _NOWHERE,
        "SLOT_SHIFT": 32 - _SLOT_BITS,
        "MAX_VECTOR_CODE": MAX_VECTOR_CODE,
        "TWICE_MAX_VECTOR_CODE": 2 * MAX_VECTOR_CODE,
        "SILENT_LEVEL_CODE": SILENT_LEVEL_CODE,
        "MAX_LEVEL_CODE": MAX_LEVEL_CODE,
        "MAX_INT": MAX_INT,
        "MAX_VALUE": MAX_VALUE,
        "VALUE_BITS": VALUE_BITS,
        "TWICE_VALUE_BITS": 2 * VALUE_BITS,
        "HALF": HALF,
        "LARGEST_LOGIT": LARGEST_LOGIT,
        "LONGEST_AVERAGE": LONGEST_AVERAGE,
        "MOST_NEAR": MOST_NEAR,
        "MOST_KINDS": _MOST_KINDS,
        "N_CODED_DIMS": _CODED_DIMS,
        "DIM_BYTES": _DIM.itemsize,
        "CHANGE_BYTES": _CHANGE.itemsize,
        "GROUP_BYTES": 4 * GROUPS,
        "BEGINS_TABLE_BYTES": 4 * _table(3)[0],
    }

    def filled(found: re.Match[str]) -> str:
        ampersand, record, name, row = found.groups()
        if record is None:
            return str(numbers[name])
        fields = _RECORDS[record].fields
        assert fields is not None
        field, offset = fields[name][:2]
        base = "(i32.const 0)" if record == "block" else f"(local.get ${record})"
        if row is None:
            n_bytes = field.itemsize
        elif field.subdtype is not None:  # a list in the record
            n_bytes = field.base.itemsize
            base = f"(i32.add {base} (i32.shl (local.get {row}) (i32.const {n_bytes.bit_length() - 1})))"
        else:  # the address of a column
            n_bytes = _COLUMNS.get(name, 4)
            base = f"(i32.load offset={offset} {base})"
            base, offset = f"(i32.add {base} (i32.shl (local.get {row}) (i32.const {n_bytes.bit_length() - 1})))", 0
        if ampersand:
            return f"(i32.add {base} (i32.const {offset}))"
        return f"(i{8 * n_bytes}.load offset={offset} {base})"

    text = (pkgutil.get_data(__package__, "kernel.wat") or b"").decode()
    return re.sub(r"\{(&?)(?:([a-z]+)\.)?(\w+)(?:\[(\$\w+)\])?\}", filled, text)


@cache
def _module() -> tuple[Any, Any] | None:
    """The engine, and the module that it has compiled; None where the machine has no `wasmtime` that works."""
    try:
        import wasmtime  # 30 ms: only where it pays

        config = wasmtime.Config()
        config.parallel_compilation = False  # no threads for a few milliseconds of work
        engine = wasmtime.Engine(config)
        return engine, wasmtime.Module(engine, _source())
    except (ImportError, OSError, RuntimeError):
        return None


_of_thread = threading.local()


def of_this_thread() -> Kernel | None:
    """The kernel of the thread that asks; None where there can be none."""
    if not hasattr(_of_thread, "kernel"):
        _of_thread.kernel = _made()
    return _of_thread.kernel


def _made() -> Kernel | None:
    module = _module()
    if module is None:
        return None
    import wasmtime

    atexit.register(_forget)
    try:
        return Kernel(*module)
    except wasmtime.WasmtimeError:  # no addresses are left for its memory
        return None


def _forget() -> None:
    """Let go of what `wasmtime` must free while the interpreter is whole."""
    _of_thread.__dict__.clear()
    _module.cache_clear()


class Kernel:
    """The module with a memory of its own, for one thread."""

    def __init__(self, engine: Any, module: Any) -> None:
        import wasmtime

        self._errors: type[Exception] = wasmtime.WasmtimeError
        self._store = wasmtime.Store(engine)
        exports = wasmtime.Instance(self._store, module, []).exports(self._store)
        self._growing: Any = exports["memory"]
        self._begins_and_gaps: Any = exports["code_begins_and_gaps"]
        self._vectors_and_amplitudes: Any = exports["code_vectors_and_amplitudes"]
        self._statistics: Statistics | None = None  # that the records tell, and the header's fields
        self._told: tuple[Any, ...] = ()
        self._lay_out(_LEAST_EVENTS, 0)

    def write(self, events: QuantisedEvents, header: Header, statistics: Statistics, limit: int) -> Coded:
        """As `block.write` does."""
        n = len(events)
        self._set_up(header, statistics, n, limit)
        at = self._block
        told = Told.of(events, statistics, Grid(code_of_step(header.step[statistics.begins_dim])))
        at["loud"], at["zeros_below"], at["density"] = told.loud, told.zeros_below, told.density
        at["reads"], at["words_end"] = 0, at["words"] + limit // WORD_BYTES * WORD_BYTES
        self._codes[:, :n] = events.vector.T
        self._amplitudes[:n] = events.amplitude
        self._gaps[1:n] = np.diff(events.time_index)
        bits = self._code(n, int(events.time_index[0]), statistics)
        if at["word"] > at["words_end"]:
            return Coded(events, None, bits)
        words = self._memory[at["words"] : at["word"]].view("<u4").astype(">u4")
        data = ended(words.tobytes(), int(at["low"]), int(at["span"]))
        return Coded(events, data if len(data) <= limit else None, bits)

    def read(self, data: bytes, header: Header, statistics: Statistics, n: int, first_time: int) -> Coded:
        """As `block.read` does."""
        words = np.frombuffer(data + bytes(-len(data) % WORD_BYTES), ">u4")
        self._set_up(header, statistics, n, words.nbytes)
        at = self._block
        at["reads"], at["words_end"] = 1, at["words"] + words.nbytes
        self._memory[at["words"] : at["words_end"]].view("<u4")[:] = words
        bits = self._code(n, first_time, statistics)
        amplitude = self._amplitudes[:n].copy() if at["loud"] else np.zeros(n, np.int32)
        time_index = first_time + np.cumsum(self._gaps[:n])
        vector = np.ascontiguousarray(self._codes[:, :n].T)
        return Coded(QuantisedEvents(time_index, vector, amplitude, np.zeros(n, np.uint8)), None, bits)

    def _code(self, n: int, first_time: int, statistics: Statistics) -> dict[str, float]:
        """Both halves of a block. What each part takes, bits."""
        self._block["n"], self._block["first_time"] = n, first_time
        self._call(self._begins_and_gaps)
        for column, filling in self._fillings:
            gaps, which = np.unique(self._gaps[:n], return_inverse=True)
            column[:n] = np.array([filling(gap) for gap in gaps.tolist()])[which]
        self._call(self._vectors_and_amplitudes)
        dims = (statistics.names[dim] for dim in (statistics.begins_dim, *statistics.order))
        parts = self._block["parts"]
        bits: dict[str, float] = {}
        for name, n_bits in zip(
            ("amplitude", next(dims), "times", *dims, "amplitude"),
            (parts["octaves"] - np.log2(parts["likelihood"])).tolist(),
            strict=True,
        ):
            bits[name] = bits.get(name, 0.0) + n_bits
        return bits

    def _call(self, half: Any) -> None:
        problem = half(self._store)
        if problem:
            raise FormatError(list(MESSAGES.values())[problem - 1])

    def _set_up(self, header: Header, statistics: Statistics, n: int, n_bytes: int) -> None:
        """Make the memory ready for a block. What it tells already stays."""
        if n > self._most_events or n_bytes > self._most_bytes:
            self._lay_out(max(n, self._most_events), max(n_bytes, self._most_bytes))
        told = (header.step, header.time_unit)
        if self._statistics is not statistics or self._told != told:
            self._statistics = None  # until all is told
            self._tell(header, statistics)
            self._statistics, self._told = statistics, told

    def _lay_out(self, n: int, n_bytes: int) -> None:
        """Room for blocks of up to so many events, and bytes of data."""
        self._most_events, self._most_bytes = 1 << (n - 1).bit_length(), n_bytes
        self._statistics = None  # is told anew
        column = self._most_events + _BEFORE
        sizes = {
            "block": _BLOCK.itemsize,
            "dims": N_DIMS * _DIM.itemsize,
            "gap_tables": 4 * 16 * _table(_MOST_GAPS)[0],
            "tables": _SLOT_BYTES << _SLOT_BITS,  # up to here all stays where it is
            **{name: n_bytes * column for name, n_bytes in _COLUMNS.items()},
            **dict.fromkeys(("codes", "values", "fillings"), 4 * N_DIMS * column),
            "words": n_bytes + 2 * STATE_BYTES,
        }
        ends = np.cumsum([-(-size // 8) * 8 for size in sizes.values()]).tolist()
        self._places = dict(zip(sizes, [0, *ends[:-1]], strict=True))
        more = -(-ends[-1] // _PAGE_BYTES) - self._growing.size(self._store)
        if more > 0:
            try:
                self._growing.grow(self._store, more)
            except self._errors as error:
                self._most_events = 0  # so that the next block is laid out anew
                raise MemoryError(f"no room for a block of {n} events") from error
        self._memory = np.frombuffer(self._growing.get_buffer_ptr(self._store), np.uint8)

        def view(name: str, dtype: Any) -> NDArray[Any]:
            return self._memory[self._places[name] :][: sizes[name]].view(dtype)

        self._dims, self._gap_tables = view("dims", _DIM), view("gap_tables", "<i4")
        self._gaps, self._amplitudes = view("gaps", "<i8")[_BEFORE:], view("amplitudes", "<i4")[_BEFORE:]
        self._codes, self._filling = (
            view(name, "<i4").reshape(N_DIMS, column)[:, _BEFORE:] for name in ("codes", "fillings")
        )
        self._block = at = view("block", _BLOCK)[0]
        for name in ("dims", "gap_tables", "tables", "words"):
            at[name] = self._places[name]
        for name, n_bytes in _COLUMNS.items():
            at[name] = self._places[name] + n_bytes * _BEFORE
        at["eighths"], at["inverse_eighths"] = EIGHTHS, INVERSE_EIGHTHS
        at["logistic"] = np.append(LOGISTIC, LOGISTIC[-1])
        at["lengths"] = _laid_out(LENGTHS)

    def _column(self, name: str, dim: int) -> int:
        """Address of the codes, values or fillings of a dim."""
        return self._places[name] + 4 * ((self._most_events + _BEFORE) * dim + _BEFORE)

    def _tell(self, header: Header, statistics: Statistics) -> None:
        """Fill in the records: what the statistics say, at the steps of a header."""
        at, known = self._block, statistics
        grids = [Grid(code_of_step(step)) for step in header.step]
        self._fillings: list[tuple[NDArray[np.int32], Callable[[int], int]]] = []
        for record, dim in zip(self._dims, (*known.order, known.begins_dim), strict=True):
            grid = grids[dim]
            record["codes"], record["values"] = self._column("codes", dim), self._column("values", dim)
            record["factor"], record["inverse"], record["to_steps"] = grid.factor, grid.inverse, grid.to_steps
            record["left"], record["right"], record["half"] = grid.left, grid.right, grid.half
            if dim == known.begins_dim:
                continue
            self._tell_dim(record, known.dims[dim], grid)
            spike = known.dims[dim].spike
            if spike is not None and isinstance(spike.code, GapRule):
                record["filling"] = self._column("fillings", dim)
                filling = partial(code_filling, time_unit=header.time_unit, grid=grid, rule=spike.code)
                self._fillings.append((self._filling[dim], lru_cache(2**12)(filling)))
        grid = grids[known.begins_dim]
        at["begins_dim"] = self._places["dims"] + _DIM.itemsize * len(known.order)
        at["begins_code"], at["begins_scale"] = grid.ceil(51), 16 - grid.eighths
        at["begins"] = [_laid_out(table) for table in known.begins]
        at["gap_limits"] = known.gap_limits
        tables = np.array([[_laid_out(table) for table in contexts] for contexts in known.gaps])
        self._gap_tables[: tables.size] = tables.ravel()
        at["gap_table_bytes"] = 4 * tables.shape[-1]
        at["amplitude_scale"], at["amplitude_logit"] = known.amplitude
        at["nearest_from"] = -1
        if known.nearest is not None:
            at["nearest_from"] = len(known.order) - len(known.told_by_nearest)
            at["alike_values"] = self._column("values", known.nearest.alike)
            at["near_values"] = self._column("values", known.nearest.near)
            at["nearest_limits"] = known.nearest.limits

    def _tell_dim(self, record: Any, of: DimStatistics, grid: Grid) -> None:
        finer = (of.coarser * grid.eighths >> VALUE_BITS) - grid.eighths
        kinds = np.array(of.kinds)
        record["start"] = of.start
        for name in ("mean", "last", "before", "average", "scale"):
            record[name][:, : kinds.shape[1]] = np.array(getattr(of, name))[kinds]
        record["scale"] += finer
        weights = {"change": of.change, "telling": ()}
        record["spike"] = 0
        if of.spike is not None:
            code = "gap" if isinstance(of.spike.code, GapRule) else of.spike.code
            record["spike"], record["context"] = _SPIKES.index(code), _CONTEXTS.index(of.spike.context)
            record["logits"][:, : len(of.spike.logits[0])] = of.spike.logits
            weights["telling"] = of.spike.telling
        for name, pairs in weights.items():
            record[f"n_{name}"] = len(pairs)
            for to, (other, weight) in zip(record[name], pairs, strict=False):
                to["values"], to["weight"] = self._column("values", other), weight


def _laid_out(table: Table) -> list[int]:
    return [len(table.frequency), *table.begins]
