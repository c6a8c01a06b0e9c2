"""The event table: the one type that flows between models, commands and files."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import SicError
from .steps import code_of_step

N_DIMS = 32
"""Numbers in an event's vector."""

MAX_U32 = 2**32 - 1
MAX_INT = 2**48 - 1
"""Largest number in a file: exact in a double, and in the numbers of every language that has only those."""

MAX_TAG_BYTES = 65_000
"""All keys and values of the tags together, as UTF-8."""

_MODEL_NAME = re.compile(r"[a-z0-9._-]{1,32}")


@dataclass(frozen=True)
class Header:
    """What holds for a whole file.

    Attributes:
        sample_rate: of the source, Hz, 1..2**32-1.
        channels: of the source, 1..255.
        n_samples: exact length of the source per channel, 0..2**48-1.
        model: preset that made the vectors, 1..32 characters of a-z 0-9 . _ -
        weights_hash: first 8 bytes of the SHA-256 of the weights file; zeros = none.
        time_unit: seconds per unit of time in the file, e.g. Fraction(64, 22050); both terms below 2**32.
        step: quantiser step of each of the 32 dims, as made by `nearest_step`.
        seed: of the decoder's noise, 0..2**32-1.
        tags: free text by key; keys are not empty and hold no "=" and no control characters.

    Raises SicError when made with anything else.
    """

    sample_rate: int
    channels: int
    n_samples: int
    model: str
    weights_hash: bytes
    time_unit: Fraction
    step: tuple[float, ...]
    seed: int = 0
    tags: dict[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name, low, high in (
            ("sample_rate", 1, MAX_U32),
            ("channels", 1, 255),
            ("n_samples", 0, MAX_INT),
            ("seed", 0, MAX_U32),
        ):
            self._set(name, _integer(name, getattr(self, name), low, high))
        if not _MODEL_NAME.fullmatch(self.model):
            raise SicError(f"model name {self.model!r} is not 1 to 32 characters of a-z 0-9 . _ -")
        self._set("weights_hash", bytes(self.weights_hash))
        if len(self.weights_hash) != 8:
            raise SicError(f"weights_hash has {len(self.weights_hash)} bytes; it must have 8")
        self._set("time_unit", Fraction(self.time_unit))
        if not (self.time_unit > 0 and max(self.time_unit.as_integer_ratio()) <= MAX_U32):
            raise SicError(f"time_unit {self.time_unit} s is not a positive ratio of numbers below 2**32")
        self._set("step", tuple(float(step) for step in self.step))
        if len(self.step) != N_DIMS:
            raise SicError(f"step has {len(self.step)} numbers; it must have {N_DIMS}")
        for step in self.step:
            code_of_step(step)
        self._set("tags", dict(self.tags))
        _check_tags(self.tags)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @property
    def duration_s(self) -> float:
        """Length of the source in seconds."""
        return self.n_samples / self.sample_rate


@dataclass(frozen=True, eq=False, init=False, repr=False)
class EventTable:
    """Events in order of time, with the header they belong to. Columns are read-only arrays of n rows.

    Attributes:
        header: what holds for all events.
        time: float64 [n], seconds from the start of the source, >= 0, ascending. An event at or after the end
            is allowed (and silent).
        vector: float32 [n, 32], finite; `presets.layout_of(header)` tells what the dims mean.
        channel: uint8 [n], below header.channels; zeros unless given.
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
        if not ((channels >= 0).all() and (channels < header.channels).all()):
            raise SicError(f"an event's channel is outside 0..{header.channels - 1}")
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
    def empty(cls, header: Header) -> EventTable:
        """A table without events, which is silence of the header's length."""
        return cls(header, [], np.empty((0, N_DIMS)))

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

    def select(self, which: ArrayLike | slice) -> EventTable:
        """The rows of a boolean mask [n], of indices in any order, or of a slice; always in order of time."""
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


def _integer(name: str, value: object, low: int, high: int) -> int:
    try:
        number = operator.index(value)  # type: ignore[arg-type]  # that is the question
    except TypeError:
        raise SicError(f"{name} must be a whole number, not {value!r}") from None
    if not low <= number <= high:
        raise SicError(f"{name} is {number}; it must be in {low}..{high}")
    return number


def _float32(values: ArrayLike) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # too large becomes inf, and is refused as such
        return np.array(values, dtype=np.float32)


def _check_tags(tags: dict[str, str]) -> None:
    n_bytes = 0
    for key, value in tags.items():
        if not key or "=" in key or any(ord(c) < 32 or ord(c) == 127 for c in key):
            raise SicError(f"tag key {key!r} is empty or holds '=' or a control character")
        try:
            n_bytes += len(key.encode()) + len(value.encode())
        except UnicodeEncodeError:
            raise SicError(f"tag {key!r} holds text that is not Unicode") from None
    if n_bytes > MAX_TAG_BYTES:
        raise SicError(f"the tags take {n_bytes} bytes; at most {MAX_TAG_BYTES} fit")
