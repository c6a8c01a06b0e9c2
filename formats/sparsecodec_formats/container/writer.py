"""Writing a .sic file, whole or in parts."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import BinaryIO

import numpy as np

from sparsecodec_formats.blocks.codecs import encode_block
from sparsecodec_formats.errors import SicError
from sparsecodec_formats.header import Header
from sparsecodec_formats.quantiser import QuantisedEvents, quantise
from sparsecodec_formats.table import EventTable

from .framing import MAX_BLOCK_EVENTS, Head, pack_end, pack_head, windows_of
from .header_bytes import pack_header


@dataclass(frozen=True)
class Written:
    """What a file has come to. header: of its events; n_events; n_bytes."""

    header: Header
    n_events: int
    n_bytes: int


def write_parts(parts: Iterable[EventTable], fileobj: BinaryIO, *, live: bool = False) -> Written:
    """Write a whole .sic file of tables that follow each other in time, with the same header.

    live: each is written out as soon as it is there, and the length is that which the last one's header tells. What is
    there if writing breaks off is then a file that is readable but for its end. SicError where there is no table.
    """
    writer, n_events = None, 0
    for part in parts:
        writer = Writer(fileobj, part.header, length_at_end=live) if writer is None else writer
        writer.write(part)
        n_events += len(part)
        if live:
            writer.flush()
            fileobj.flush()
    if writer is None:
        raise SicError("there are no events to write, not even a table of none")
    writer.close()
    return Written(writer.header, n_events, writer.n_bytes)


class Writer:
    """Writes events in parts; the same bytes come out however they are cut in parts.

    A context manager: leaving it writes the end of the file (and leaves the file object open), unless by an
    exception, so that a file that was not finished is seen to be cut short.

    Args:
        fileobj: binary, buffered, writable; never seeked.
        header: the header of every part. Events cannot be written with statistics that are not known here.
        length_at_end: the length is not known yet. Parts may then have any n_samples, and the file lasts as long as the
            last one says.

    Attributes:
        header: that of the parts; of length_at_end, that of the last one.
        n_bytes: written so far.
    """

    def __init__(self, fileobj: BinaryIO, header: Header, *, length_at_end: bool = False) -> None:
        self.header = header
        self._length_at_end = length_at_end
        self._file = fileobj
        self.n_bytes = 0
        self._crc = 0
        self._n_events = [0] * header.streams
        self._window = 0
        self._last_time = 0
        self._pending: list[QuantisedEvents] = []
        self._closed = False
        self._put(pack_header(header, length_at_end=length_at_end))

    def write(self, table: EventTable) -> None:
        """Add events, none before those written so far; SicError if one is, or if the header differs."""
        if self._closed:
            raise SicError("this .sic file is finished; nothing can be added")
        if self._length_at_end:
            self.header = replace(self.header, n_samples=table.header.n_samples)
        if table.header != self.header:
            raise SicError("these events have another header than the file")
        if not len(table):
            return
        events = quantise(table)
        if events.time_index[0] < self._last_time:
            raise SicError("events must be written in order of time")
        self._last_time = int(events.time_index[-1])
        windows = windows_of(events.time_index, self.header)
        cuts = (np.flatnonzero(np.diff(windows)) + 1).tolist()
        for start, stop in zip([0, *cuts], [*cuts, len(events)], strict=True):
            if windows[start] != self._window:
                self.flush()
                self._window = int(windows[start])
            self._pending.append(events.select(slice(start, stop)))

    def close(self) -> None:
        """Write what is pending, and the end."""
        if self._closed:
            return
        self.flush()
        self._put(pack_end(self._crc, self.header.n_samples if self._length_at_end else None))
        self._closed = True

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()

    def flush(self) -> None:
        """Write what is pending, though more of the same window may follow: a window's events are then in more blocks
        than they need be, and the bytes do depend on the parts, unless one ends where a window does."""
        if not self._pending:
            return
        events = QuantisedEvents.concatenate(self._pending)
        self._pending = []
        for channel in sorted(set(events.channel.tolist())):
            mine = events.select(events.channel == channel)
            for start in range(0, len(mine), MAX_BLOCK_EVENTS):
                self._put_block(channel, mine.select(slice(start, start + MAX_BLOCK_EVENTS)))

    def write_block(self, channel: int, events: QuantisedEvents, codec: int) -> None:
        """Write a block as another writer cut and coded it: events of one channel, not empty, after those written so
        far. SicError where this codec cannot code them."""
        self._put_block(channel, events, codec)

    def _put_block(self, channel: int, events: QuantisedEvents, codec: int | None = None) -> None:
        codec, payload = encode_block(events, self.header, codec)
        head = Head(
            codec=codec,
            channel=channel,
            n_events=len(events),
            first_index=self._n_events[channel],
            first_time=int(events.time_index[0]),
            payload_bytes=len(payload),
        )
        self._put(pack_head(head, self.header) + payload)
        self._n_events[channel] += len(events)

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self.n_bytes += len(data)
        self._crc = zlib.crc32(data, self._crc)
