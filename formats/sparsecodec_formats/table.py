"""The event table: the one type that flows between models, commands and files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import SicError
from .header import N_DIMS, Header
from .table_edits import TableEdits

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, eq=False, init=False, repr=False)
class EventTable(TableEdits):
    """Events in order of time, with the header they belong to. Columns are read-only arrays of n rows.

    Attributes:
        header: what holds for all events.
        time: float64 [n], seconds from the start of the source, >= 0, ascending. An event at or after the end
            is allowed (and silent).
        vector: float32 [n, 32], finite; `presets.layout_of(header)` tells what the dims mean.
        channel: uint8 [n], below header.streams; zeros unless given. The stream that the event belongs to, which is a
            channel of the source where `header.gains` says nothing else.
        amplitude: float32 [n], linear, >= 0, a factor of the event's sound; ones unless given. In `reference` it
            is the height of the encoder's switch; `speech` leaves it at 1, and edits of the level use it.

    Raises SicError when made with anything else. Two tables are equal when headers and all columns are.
    """

    header: Header
    time: NDArray[np.float64]
    vector: NDArray[np.float32]
    channel: NDArray[np.uint8]
    amplitude: NDArray[np.float32]

    def __init__(
        self,
        header: Header,
        time: ArrayLike,
        vector: ArrayLike,
        channel: ArrayLike | None = None,
        amplitude: ArrayLike | None = None,
    ) -> None:
        times = np.array(time, dtype=np.float64)
        n = len(times) if times.ndim == 1 else -1
        vectors = _float32(vector)
        if n == 0 and vectors.size == 0:
            vectors = vectors.reshape(0, N_DIMS)
        channels = np.zeros(n if n > 0 else 0, np.uint8) if channel is None else np.array(channel)
        amplitudes = np.ones(n if n > 0 else 0, np.float32) if amplitude is None else _float32(amplitude)
        shapes = (times.shape, vectors.shape, channels.shape, amplitudes.shape)
        if shapes != ((n,), (n, N_DIMS), (n,), (n,)):
            raise SicError(f"columns time, vector, channel, amplitude have shapes {shapes}; they must be"
                           f" [n], [n, {N_DIMS}], [n], [n]")  # fmt: skip
        if not (np.isfinite(times).all() and (times >= 0).all()):
            raise SicError("every event's time must be a finite number of seconds >= 0")
        if (np.diff(times) < 0).any():
            raise SicError("events are not in order of time; EventTable.from_unsorted sorts them")
        if not np.isfinite(vectors).all():
            raise SicError("every number of an event's vector must be finite")
        if not ((channels >= 0).all() and (channels < header.streams).all()):
            raise SicError(f"an event's channel is outside 0..{header.streams - 1}")
        if not (np.isfinite(amplitudes).all() and (amplitudes >= 0).all()):
            raise SicError("every event's amplitude must be a finite number >= 0")
        object.__setattr__(self, "header", header)
        columns: dict[str, NDArray[Any]] = {
            "time": times + 0.0,  # -0.0 becomes 0.0
            "vector": vectors,
            "channel": channels.astype(np.uint8),
            "amplitude": amplitudes,
        }
        for name, column in columns.items():
            column.setflags(write=False)
            object.__setattr__(self, name, column)

    @classmethod
    def from_unsorted(
        cls,
        header: Header,
        time: ArrayLike,
        vector: ArrayLike,
        channel: ArrayLike | None = None,
        amplitude: ArrayLike | None = None,
    ) -> EventTable:
        """A table from rows in any order; rows of equal time keep their order."""
        times = np.asarray(time, dtype=np.float64)
        order = np.argsort(times, kind="stable")
        if len(order) == 0:
            return cls(header, times, vector, channel, amplitude)
        return cls(
            header,
            times[order],
            np.asarray(vector)[order],
            None if channel is None else np.asarray(channel)[order],
            None if amplitude is None else np.asarray(amplitude)[order],
        )

    @classmethod
    def joined(cls, header: Header, parts: Sequence[EventTable]) -> EventTable:
        """All events of some tables: by time, then channel, then place."""
        if not parts:
            return cls.empty(header)
        time, channel = (np.concatenate([getattr(part, name) for part in parts]) for name in ("time", "channel"))
        vector, amplitude = (np.concatenate([getattr(p, name) for p in parts]) for name in ("vector", "amplitude"))
        order = np.lexsort((channel, time))
        return cls(header, time[order], vector[order], channel[order], amplitude[order])

    @classmethod
    def empty(cls, header: Header) -> EventTable:
        """A table without events, which is silence of the header's length."""
        return cls(header, [], np.empty((0, N_DIMS)))

    @classmethod
    def from_rows(
        cls,
        header: Header | Mapping[str, Any],
        rows: Iterable[Mapping[str, Any]] | DataFrame,
        *,
        by_name: bool = False,
    ) -> EventTable:
        """A table from its events as mappings, in any order, as `to_dict` has them, or from a frame, as `to_frame` has
        it: time_s, vector, and if need be channel and amplitude; or, without a vector, named quantities of the preset,
        such as f0_hz.

        header: a Header, or the fields of one, as a frame has them in its `attrs["header"]`. by_name: a named quantity
        that says something else than the vector beside it is what counts. SicError, which names the row, for what no
        event can be.
        """
        from .interchange.columns import Columns, table_of
        from .interchange.frames import columns_of, is_frame
        from .interchange.header_reading import header_of

        columns = columns_of(rows) if is_frame(rows) else Columns.of_rows(rows)
        return table_of(header if isinstance(header, Header) else header_of(header), columns, by_name=by_name)

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON has it: "header", its fields, and "events", a mapping for each (docs/exchange.md)."""
        from .interchange.table_files import document_of

        return document_of(self)

    def to_frame(self) -> DataFrame:
        """A row for each event, as a pandas.DataFrame: the columns of a CSV file (docs/exchange.md), with the header's
        fields in its `attrs["header"]`. SicError where pandas is missing."""
        from .interchange.frames import frame_of

        return frame_of(self)

    def __len__(self) -> int:
        return len(self.time)

    def __iter__(self) -> Iterator[EventTable]:
        """Each event as a table of one row."""
        return (self.select([i]) for i in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EventTable):
            return NotImplemented
        return (
            self.header == other.header
            and np.array_equal(self.time, other.time)
            and np.array_equal(self.vector, other.vector)
            and np.array_equal(self.channel, other.channel)
            and np.array_equal(self.amplitude, other.amplitude)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"EventTable({len(self)} events, {self.duration_s:.3f} s, model {self.header.model!r})"

    @property
    def duration_s(self) -> float:
        """Length of the source in seconds."""
        return self.header.duration_s

    def select(self, which: ArrayLike | slice | str) -> EventTable:
        """The rows of a boolean mask [n], of indices in any order, or of a slice, as they are; or what an expression
        selects, such as "pitch > 200 and level > -30" (`selection.selected`), taken out of its voices so that it begins
        and ends by itself (`edit.take`). Always in order of time.
        """
        if isinstance(which, str):
            return self.take(which)
        if isinstance(which, slice):
            rows = np.arange(len(self))[which]
        else:
            picked = np.asarray(which)
            if picked.dtype != bool and picked.size == 0:
                picked = picked.astype(np.int64)
            rows = np.arange(len(self))[picked]
        rows = np.sort(rows)
        return EventTable(self.header, self.time[rows], self.vector[rows], self.channel[rows], self.amplitude[rows])

    def replace(
        self,
        *,
        header: Header | None = None,
        time: ArrayLike | None = None,
        vector: ArrayLike | None = None,
        channel: ArrayLike | None = None,
        amplitude: ArrayLike | None = None,
    ) -> EventTable:
        """A table with some columns or the header replaced; times must still ascend."""
        return EventTable(
            self.header if header is None else header,
            self.time if time is None else time,
            self.vector if vector is None else vector,
            self.channel if channel is None else channel,
            self.amplitude if amplitude is None else amplitude,
        )

    def rank_in_channel(self) -> NDArray[np.int64]:
        """int64 [n]: how many events of the same channel come before each event. `reference` draws noise by it."""
        rank = np.empty(len(self), np.int64)
        for channel in np.unique(self.channel):
            mine = self.channel == channel
            rank[mine] = np.arange(np.count_nonzero(mine))
        return rank


def _float32(values: ArrayLike) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # too large becomes inf, and is refused as such
        return np.array(values, dtype=np.float32)
