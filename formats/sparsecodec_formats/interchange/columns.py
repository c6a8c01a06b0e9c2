"""A table as columns, for files of tables, and back.

A column is a name and n values. The names are the keys of a row (`rows`), but for the vector, which is 32 columns,
`vector_0` … `vector_31`, or one of 32 numbers in each row. Reading, values may be of any type, as files have them:
numbers, texts that say numbers, None or "" for none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError, shown_value
from sparsecodec_formats.header import N_DIMS, Header
from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_formats.presets.layout import Dim
from sparsecodec_formats.table import EventTable

from .rows import DECIMALS, PLACE, Named, named, quantities

Floats = NDArray[np.float64]

LARGEST = float(np.finfo(np.float32).max)
SLIGHT = 1e-3
"""As far beyond the ends of its range a quantity may be, in the dim's unit, by the rounding of columns."""
VECTOR = "vector"
VECTOR_COLUMNS = tuple(f"{VECTOR}_{dim}" for dim in range(N_DIMS))


def table_columns(table: EventTable) -> dict[str, NDArray[Any]]:
    """All columns of a table by name, the vector as one, float32 [n, 32]; those of named quantities rounded."""
    place: dict[str, NDArray[Any]] = dict(
        zip(PLACE, (np.arange(len(table)), table.time, table.channel, table.amplitude), strict=True)
    )
    said = {quantity.key: np.round(quantity.values, DECIMALS) for quantity in quantities(table)}
    return place | said | {VECTOR: table.vector}


def flat_columns(table: EventTable) -> dict[str, NDArray[Any]]:
    """As `table_columns`, the vector as 32 columns."""
    columns = table_columns(table)
    vector = columns.pop(VECTOR)
    return columns | dict(zip(VECTOR_COLUMNS, vector.T, strict=True))


@dataclass(frozen=True)
class Columns:
    """Columns as they were read. n_rows: of each; place: what a message calls a row, by its number from 0."""

    values: Mapping[str, Sequence[Any] | NDArray[Any]]
    n_rows: int
    place: Callable[[int], str] = "event {}".format

    @classmethod
    def of_rows(cls, rows: Iterable[Any], place: Callable[[int], str] = "event {}".format) -> Columns:
        """Of mappings, each a row; SicError where one is none."""
        found = list(rows)
        for i, row in enumerate(found):
            if not isinstance(row, Mapping):
                raise SicError(f"{place(i)} is {shown_value(row)}; it must have fields, such as time_s")
        names = dict.fromkeys(name for row in found for name in row)
        return cls({str(name): [row.get(name) for row in found] for name in names}, len(found), place)

    def numbers(self, name: str, missing: float | None = None) -> Floats | None:
        """float64 [n]: a column, with `missing` where a row has no value; None where there is no such column.

        SicError for a value that is no finite number, and for none where there is nothing in its place.
        """
        if name not in self.values:
            return None
        given = self.values[name]
        try:
            out = np.array(given, np.float64)  # None is nan
        except (TypeError, ValueError, OverflowError):
            out = np.array([self._number(name, i, value) for i, value in enumerate(given)], np.float64)
        if out.shape != (self.n_rows,):
            raise SicError(f"column {name} has the shape {out.shape}; it must have a number for each event")
        for i in np.flatnonzero(~np.isfinite(out)).tolist():
            if not _is_none(given[i]):
                raise self.error(i, f"{name} is {shown_value(_plain(given[i]))}, not a finite number")
            if missing is None:
                raise self.error(i, f"has no {name}")
            out[i] = missing
        return out

    def vectors(self) -> NDArray[np.float32] | None:
        """float32 [n, 32]; None where there are none. SicError for numbers that no vector has, or too few."""
        if VECTOR in self.values:
            return self._float32(self._rows_of_32())
        there = [name for name in VECTOR_COLUMNS if name in self.values]
        if not there:
            return None
        if len(there) < N_DIMS:
            missing = next(name for name in VECTOR_COLUMNS if name not in self.values)
            raise SicError(f"there is a column {there[0]}, but no {missing}; a vector is {N_DIMS} columns, or none")
        columns = [self.numbers(name) for name in VECTOR_COLUMNS]
        return self._float32(np.stack([column for column in columns if column is not None], axis=1))

    def error(self, i: int, what: str) -> SicError:
        return SicError(f"{self.place(i)}: {what}")

    def _number(self, name: str, i: int, value: Any) -> float:
        if _is_none(value):
            return np.nan
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            raise self.error(i, f"{name} is {shown_value(value)}, not a finite number") from None

    def _rows_of_32(self) -> Floats:
        given = self.values[VECTOR]
        if not self.n_rows:
            return np.empty((0, N_DIMS))
        try:
            vectors = np.array(given, np.float64)
            if vectors.shape == (self.n_rows, N_DIMS):
                return vectors
        except (TypeError, ValueError, OverflowError):
            pass  # one of the rows is not as it must be
        for i, row in enumerate(given):
            if not isinstance(row, Sequence | np.ndarray) or isinstance(row, str):
                raise self.error(i, f"{VECTOR} is {shown_value(row)}, not a list of {N_DIMS} numbers")
            if len(row) != N_DIMS:
                raise self.error(i, f"{VECTOR} has {len(row)} numbers; it must have {N_DIMS}")
            for number in row:
                if _is_none(number) or np.isnan(self._number(VECTOR, i, number)):
                    raise self.error(i, f"{VECTOR} holds {shown_value(number)}, which is no number")
        raise SicError(f"column {VECTOR} is not {N_DIMS} numbers for each event")

    def _float32(self, vectors: Floats) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):
            out = vectors.astype(np.float32)
        for i in np.flatnonzero(~np.isfinite(out).all(axis=1)).tolist():
            raise self.error(i, f"{VECTOR} holds a number that is not finite, or too large")
        return out


def table_of(header: Header, columns: Columns, *, by_name: bool = False) -> EventTable:
    """The events of columns in any order, and of rows in any order.

    time_s must be there, and either the vector or a column of a named quantity. channel is 0 and amplitude 1 where
    nothing is said. Without vectors, the named quantities make them, also `shape_…`; what is not named is 0 in the
    vector. With vectors, named quantities say what the vector says already, and are passed over; unless by_name: then
    those that say something else than the vector set its number. index tells the order of events at the same time;
    other columns are passed over.

    SicError, which names the row, for what cannot be.
    """
    if not columns.n_rows:
        return EventTable.empty(header)
    time = columns.numbers("time_s")
    if time is None:
        raise SicError("there is no column time_s; the columns must be named as docs/exchange.md has them")
    _refuse(columns, "time_s", time, time < 0, "is before 0")
    channel = _or_usual(columns.numbers("channel", 0), columns, 0.0)
    _refuse(columns, "channel", channel, (channel % 1 != 0) | (channel < 0), "is no whole number from 0")
    _refuse(columns, "channel", channel, channel >= header.streams, f"is not below {header.streams}, the streams")
    amplitude = _or_usual(columns.numbers("amplitude", 1), columns, 1.0)
    _refuse(columns, "amplitude", amplitude, (amplitude < 0) | (amplitude > LARGEST), "is out of range")
    order = np.lexsort((_or_usual(columns.numbers("index", np.inf), columns, 0.0), time))
    vector = _vectors(header, columns, by_name)
    return EventTable(header, time[order], vector[order], channel[order].astype(np.uint8), amplitude[order])


def _vectors(header: Header, columns: Columns, by_name: bool) -> NDArray[np.float32]:
    layout = LAYOUTS.get(header.model)
    said = [] if layout is None else [one for one in named(layout) if one.key in columns.values]
    shape = (
        []
        if layout is None
        else [dim for dim in layout.dims.values() if dim.unit == "1" and dim.name in columns.values]
    )
    vector = columns.vectors()
    if vector is not None and not by_name:
        return vector
    if vector is None:
        if not said and not shape:
            raise SicError("there are neither vectors nor named quantities, such as level_db; one of them is needed")
        vector = np.zeros((columns.n_rows, N_DIMS), np.float32)
        return _set(vector, columns, said, shape)
    return _set(vector.copy(), columns, said, shape, keep=True)


def _set(
    vector: NDArray[np.float32], columns: Columns, said: Sequence[Named], shape: Sequence[Dim], keep: bool = False
) -> NDArray[np.float32]:
    """Vectors with what columns say. keep: a number that says the same, as far as a column tells it, stays."""
    for one in said:
        now = np.round(one.values(vector), DECIMALS)
        values = columns.numbers(one.key, np.inf)
        assert values is not None
        changed = np.isfinite(values) & ((np.round(values, DECIMALS) != now) | (not keep))
        wanted = one.to_physical(np.where(changed, values, 1.0))
        low, high = one.dim.low - SLIGHT, one.dim.high + SLIGHT
        least, most = one.of_physical(np.array([one.dim.low, one.dim.high], np.float64))
        there = f"is not in {least:g}..{most:g}, which decoders take"
        _refuse(columns, one.key, values, changed & ~((wanted >= low) & (wanted <= high)), there)
        number = one.numbers(np.where(changed, values, 1.0))
        vector[changed, one.dim.index] = number[changed]
    for dim in shape:
        values = columns.numbers(dim.name, np.inf)
        assert values is not None
        number = np.where(np.isfinite(values), (values - dim.offset) / dim.scale, vector[:, dim.index])
        _refuse(columns, dim.name, values, np.abs(number) > LARGEST, "cannot be")
        vector[:, dim.index] = number
    return vector


def _refuse(columns: Columns, name: str, values: Floats, wrong: NDArray[np.bool_], why: str) -> None:
    for i in np.flatnonzero(wrong).tolist():
        raise columns.error(i, f"{name} {values[i]:g} {why}")


def _or_usual(values: Floats | None, columns: Columns, usual: float) -> Floats:
    return np.full(columns.n_rows, usual) if values is None else values


def _is_none(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
