"""A recording in parts, so that memory does not grow with it: where they end, and what each may take, so that all of
them together keep to what an encoder may spend."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol, cast

import numpy as np

from sparsecodec_formats.container import Writer, dumps
from sparsecodec_formats.container.framing import END_BYTES, WINDOW_S
from sparsecodec_formats.header import Header
from sparsecodec_formats.table import EventTable

from .codec import RateTarget

MOST_STREAMS = 8  # of parts of the usual length
SAVED_S = 3.0  # what pauses of a live stream leave is there for what follows: at most what is meant for so long
HEAD_GROWS_BYTES = 3  # what a block's head may take more than in a file of its own: it tells of the events before


def ends_of_parts(n_samples: int, streams: int, part_s: int, sample_rate: int, unit: int) -> Iterator[int | None]:
    """Where the parts of a recording end, samples; None for the last, which ends where the recording does.

    part_s: usual length, whole windows of the file; of more than MOST_STREAMS streams, parts are shorter. The last has
    between half and one and a half of it, if it is not the only one. unit: of the events' times, samples: each part but
    the last ends at a whole one.
    """
    windows = max(1, part_s // WINDOW_S * MOST_STREAMS // max(streams, MOST_STREAMS))
    for i in itertools.count(1):
        # rounded up: all events before are in windows before
        end = math.ceil(i * windows * WINDOW_S * sample_rate / unit) * unit
        if n_samples - end < windows * WINDOW_S * sample_rate / 2:
            break
        yield end
    yield None


@dataclass(frozen=True)
class Allowance:
    """What a part of a recording may take; None: there is no such limit.

    n_bytes: of a file of its events alone; events: of each channel, how many; all_heard: nothing but what is heard
    decides; fills: all of n_bytes may be spent; if not, what other parts can use better is left to them.
    """

    n_bytes: float | None = None
    events: Sequence[int] | None = None
    all_heard: bool = False
    fills: bool = True


class Budget(Protocol):
    """What the parts of a recording may take, asked for and spent one after the other."""

    def allowance(self, begin_s: float, end_s: float) -> Allowance:
        """Of the part from begin_s to end_s."""

    def spend(self, table: EventTable) -> None:
        """What a part has come to."""


class WholeBudget:
    """Of a recording that is one part."""

    def __init__(self, target: RateTarget, header: Header) -> None:
        self._target, self._header = target, header

    def allowance(self, begin_s: float, end_s: float) -> Allowance:
        target, header = self._target, self._header
        if target.events_per_second is not None:
            return Allowance(events=[int(target.events_per_second * header.duration_s)] * header.streams)
        return Allowance(target.n_bytes(header), all_heard=target.snr_stop_db is not None)

    def spend(self, table: EventTable) -> None:
        pass


class SharedBudget:
    """Of a recording of known length: what is left is shared out evenly over the time that is left, so that quiet
    parts give to all that follows."""

    def __init__(self, target: RateTarget, header: Header) -> None:
        self._target, self._header = target, header
        self._n_bytes = target.n_bytes(header)
        self._spent = _Spent(header)

    def allowance(self, begin_s: float, end_s: float) -> Allowance:
        duration_s = self._header.duration_s
        share = min(1.0, (end_s - begin_s) / (duration_s - begin_s))
        if self._n_bytes is not None:
            return self._spent.allowance((self._n_bytes - self._spent.n_bytes) * share, end_s - begin_s)
        if self._target.events_per_second is not None:
            left = self._target.events_per_second * duration_s - self._spent.n_events
            return Allowance(events=np.floor(left * share).astype(int).tolist())
        return Allowance(all_heard=self._target.snr_stop_db is not None)

    def spend(self, table: EventTable) -> None:
        self._spent.add(table)


class LiveBudget:
    """Of a stream without a known end. At any time no more is spent than was meant for the time so far, and within any
    time no more than is meant for SAVED_S longer."""

    def __init__(self, target: RateTarget, header: Header) -> None:
        self._target = target
        self._spent = _Spent(header)
        self._bytes_a_second = 125 * (target.bitrate_kbps or 0.0)
        self._left_bytes = -float(self._spent.n_bytes)
        self._left_events = np.zeros(header.streams)

    def allowance(self, begin_s: float, end_s: float) -> Allowance:
        length_s = end_s - begin_s
        if self._target.bitrate_kbps is not None:
            saved = min(self._left_bytes, SAVED_S * self._bytes_a_second)
            self._left_bytes = saved + length_s * self._bytes_a_second
            return self._spent.allowance(self._left_bytes, length_s)
        events_a_second = self._target.events_per_second
        if events_a_second is not None:
            saved_events = np.minimum(self._left_events, SAVED_S * events_a_second)
            self._left_events = saved_events + length_s * events_a_second
            return Allowance(events=np.floor(self._left_events).astype(int).tolist())
        return Allowance(all_heard=self._target.snr_stop_db is not None)

    def spend(self, table: EventTable) -> None:
        bytes_before, events_before = self._spent.n_bytes, self._spent.n_events.copy()
        self._spent.add(table)
        self._left_bytes -= self._spent.n_bytes - bytes_before
        self._left_events -= self._spent.n_events - events_before


class _Spent:
    """What a file has come to so far. Attributes: n_bytes, with its end; n_events of each stream, int64 [streams]."""

    def __init__(self, header: Header) -> None:
        self._file = _Counter()
        self._writer: Writer | None = None
        self._empty_bytes = len(dumps(EventTable.empty(header)))
        self.n_bytes = self._empty_bytes
        self.n_events = np.zeros(header.streams, np.int64)

    def add(self, table: EventTable) -> None:
        """The blocks of a part."""
        self._writer = Writer(cast(BinaryIO, self._file), table.header) if self._writer is None else self._writer
        self._writer.write(table)
        self._writer.flush()
        self.n_bytes = END_BYTES + self._file.n_bytes
        self.n_events += np.bincount(table.channel, minlength=len(self.n_events))

    def allowance(self, n_bytes: float, length_s: float) -> Allowance:
        """n_bytes: that a part may add to the file."""
        n_blocks = len(self.n_events) * max(1.0, length_s / WINDOW_S)
        return Allowance(n_bytes + self._empty_bytes - HEAD_GROWS_BYTES * n_blocks, fills=False)


class _Counter:
    """Takes what is written to a file, of which only the size counts."""

    def __init__(self) -> None:
        self.n_bytes = 0

    def write(self, data: bytes) -> int:
        self.n_bytes += len(data)
        return len(data)
