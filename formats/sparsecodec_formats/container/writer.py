"""Writing a .sic file, whole or in parts."""

from __future__ import annotations

import zlib
from dataclasses import replace
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


class Writer:
    """Writes events in parts; the same bytes come out however they are cut in parts.

    A context manager: leaving it writes the end of the file (and leaves the file object open), unless by an
    exception, so that a file that was not finished is seen to be cut short.

    Args:
        fileobj: binary, buffered, writable; never seeked.
        header: the header of every part. Events cannot be written with statistics that are not known here.
        length_at_end: the length is not known yet. Parts may then have any n_samples, and the file lasts as long as the
            last one says.
    """

    def __init__(self, fileobj: BinaryIO, header: Header, *, length_at_end: bool = False) -> None:
        self.header = header
        self._length_at_end = length_at_end
        self._file = fileobj
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

    def _put_block(self, channel: int, events: QuantisedEvents) -> None:
        codec, payload = encode_block(events, self.header)
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
        self._crc = zlib.crc32(data, self._crc)
