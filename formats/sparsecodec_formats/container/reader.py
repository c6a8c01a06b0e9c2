"""Reading a .sic file block by block."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import BinaryIO, Literal, NamedTuple

import numpy as np

from sparsecodec_formats.blocks.codecs import decode_block
from sparsecodec_formats.crc import CHECK_BYTES, CRC_BYTES, check_of
from sparsecodec_formats.errors import DamagedBlocks, FormatError, NewerVersion, SicError, TooManyEvents
from sparsecodec_formats.header import Header
from sparsecodec_formats.quantiser import QuantisedEvents, dequantise
from sparsecodec_formats.table import EventTable
from sparsecodec_formats.varint import MAX_VARINT_BYTES, Cursor

from .byte_source import ByteSource, Truncated
from .framing import (
    END_BYTES,
    END_MARK,
    LONG_END_BYTES,
    MAX_HEAD_BYTES,
    WINDOW_S,
    Head,
    length_in_end,
    length_without_end,
    parse_head,
    window_of,
)
from .header_bytes import MAGIC, MAX_BODY_BYTES, VERSION, parse_header

Damaged = Literal["raise", "skip"]

_MARKS = re.compile(rb"[\xb0-\xbf\xed]")  # BLOCK_MARK with any codec, END_MARK
_SEARCH_BYTES = 2**16

MAX_EVENTS = 2**22
"""The most that are read as one table, which takes 141 bytes an event: a block of a hundred bytes may hold 65,536."""


@dataclass(frozen=True)
class Block:
    """Some neighbouring events of one channel.

    Attributes:
        channel: as in `EventTable`.
        first_index: events of this channel before the table's first (what `EventTable.rank_in_channel` counts
            from in a whole file).
        start_s: time of the first event.
        n_events: in the table.
        n_bytes: that the block takes in the file, head and payload.
        table: the events, with the file's header.
    """

    channel: int
    first_index: int
    start_s: float
    n_events: int
    n_bytes: int
    table: EventTable


class RawBlock(NamedTuple):
    """A block whose payload has not been decoded; `place` names it in messages."""

    head: Head
    head_bytes: int
    payload: bytes
    place: str


class EventCount:
    """Events of a file that are on their way into one table."""

    def __init__(self) -> None:
        self._n = 0

    def add(self, n: int) -> None:
        """Count in n more; FormatError when that is more than MAX_EVENTS."""
        self._n += n
        if self._n > MAX_EVENTS:
            raise TooManyEvents(f"it holds more than {MAX_EVENTS} events, the most that are read at once")


class Reader:
    """Reads a .sic file forward; works on pipes.

    Args:
        fileobj: binary, readable, at the first byte of the file.

    Attributes:
        header: read when the reader is made; FormatError if it is damaged or the file is not a .sic file. A file of a
            later minor version is read with the warning NewerVersion.
        header_bytes: that it takes, with magic and check.
        problems: one line for each that the last `blocks(damaged="skip")` has met.
        length_at_end: whether the length stands at the end of the file. Its blocks may be shorter than a window of
            10 s, and those of a window are in order of time, not by channel.
        length_is_known: always, but where it stands at an end that has not been read: of a pipe, or of a file that is
            cut off. Then `header.n_samples` grows with each block: it is a second after the last event so far.
    """

    def __init__(self, fileobj: BinaryIO) -> None:
        self._source = ByteSource(fileobj)
        self.header, self.length_at_end = take_header(self._source)
        self.header_bytes = self._source.position
        self.problems: list[str] = []
        self._crc = self._source.crc or 0
        self._order = _Order(self.header, self.length_at_end)
        self.length_is_known = not self.length_at_end
        if self.length_at_end:
            with suppress(FormatError):
                self._take_length(self._source.last(LONG_END_BYTES))

    @property
    def position(self) -> int:
        """Bytes of the file read or passed over so far."""
        return self._source.position

    def read_all(self) -> EventTable:
        """All events; FormatError if any part of the file is damaged or missing, or if anything follows it.

        TooManyEvents, which is one too, for more than MAX_EVENTS.
        """
        count, parts = EventCount(), []
        for block in self.blocks():
            count.add(block.n_events)
            parts.append(block.table)
        return EventTable.joined(self.header, parts)

    def blocks(
        self, start_s: float | None = None, end_s: float | None = None, damaged: Damaged = "raise"
    ) -> Iterator[Block]:
        """The blocks with events of start_s <= time < end_s, cut to these events.

        They come in order of their windows of 10 s and within a window by channel (but see length_at_end). Blocks
        outside the times asked for are passed over undecoded, and unread where the file can seek. On a pipe this works
        once.

        Raises:
            FormatError: at the first damage. With damaged="skip" never: what is damaged is left out, and
                `problems` tells of it.
        """
        for raw in self.raw_blocks(start_s, end_s, damaged):
            try:
                events = self.decode(raw)
            except FormatError as error:
                self._report(f"{raw.place}: {error}", damaged)
                continue
            table = dequantise(self.header, events)
            first = 0 if start_s is None else int(np.searchsorted(table.time, start_s))
            stop = len(table) if end_s is None else int(np.searchsorted(table.time, end_s))
            if first < stop:
                yield Block(
                    channel=raw.head.channel,
                    first_index=raw.head.first_index + first,
                    start_s=float(table.time[first]),
                    n_events=stop - first,
                    n_bytes=raw.head_bytes + len(raw.payload),
                    table=table if stop - first == len(table) else table.select(slice(first, stop)),
                )

    def raw_blocks(
        self, start_s: float | None = None, end_s: float | None = None, damaged: Damaged = "raise"
    ) -> Iterator[RawBlock]:
        """As `blocks`, but not decoded, and whole: they may hold events outside the times asked for."""
        source = self._source
        if source.position != self.header_bytes:
            if not source.seekable:
                raise SicError("a pipe can be read only once")
            source.rewind(self.header_bytes, self._crc)
        self.problems = []
        self._order = _Order(self.header, self.length_at_end)
        while True:
            place = f"block {self._order.n_blocks + 1} at byte {source.position}"
            try:
                mark = source.peek(1)
                if not mark:
                    raise Truncated(f"the file is cut short at byte {source.position}")
                if mark[0] == END_MARK:
                    place = f"end at byte {source.position}"
                    self._check_end()
                    return
                head, head_bytes = parse_head(source.peek(MAX_HEAD_BYTES), self.header)
                window = window_of(head.first_time, self.header)
                n_missing = self._order.count(head, window)
                if n_missing and not self.problems:
                    events = "1 event" if n_missing == 1 else f"{n_missing} events"
                    gap = f"{events} of its channel {'is' if n_missing == 1 else 'are'} missing before it"
                    if damaged == "raise":
                        raise FormatError(gap)
                    self.problems.append(f"{place}: {gap}")
                source.take(head_bytes)
                if end_s is not None and window * WINDOW_S >= end_s:
                    return
                if start_s is not None and (window + 1) * WINDOW_S <= start_s:
                    source.skip(head.payload_bytes)
                    continue
                payload = source.take(head.payload_bytes)
            except Truncated as error:
                self._report(str(error), damaged)
                return
            except FormatError as error:
                self._report(f"{place}: {error}", damaged)
                if not self._find_next():
                    return
                continue
            yield RawBlock(head, head_bytes, payload, place)

    def decode(self, raw: RawBlock) -> QuantisedEvents:
        """The events of a block; FormatError when its payload is damaged."""
        return self.decode_counting(raw)[0]

    def decode_counting(self, raw: RawBlock) -> tuple[QuantisedEvents, dict[str, float] | None]:
        """As `decode`, and what the parts of the block take ideally, bits (None: its codec tells no probabilities)."""
        head = raw.head
        events, bits = decode_block(head.codec, raw.payload, self.header, head.n_events, head.first_time, head.channel)
        last_time = int(events.time_index[-1])
        if window_of(last_time, self.header) != window_of(head.first_time, self.header):
            raise FormatError(f"its events do not lie in one window of {WINDOW_S} s")
        self._order.last_time[head.channel] = last_time
        if not self.length_is_known:
            n_samples = max(self.header.n_samples, length_without_end(last_time, self.header))
            self.header = replace(self.header, n_samples=n_samples)
        return events, bits

    def _report(self, problem: str, damaged: Damaged) -> None:
        if damaged == "raise":
            raise DamagedBlocks(problem) from None
        self.problems.append(problem)

    def _check_end(self) -> None:
        """Take the end of the file; FormatError unless nothing follows and it agrees with what was read."""
        source, n_bytes = self._source, self._end_bytes
        if len(data := source.peek(n_bytes + 1)) > n_bytes:
            raise FormatError("bytes follow that do not belong to the file")
        if self.length_at_end and len(data) == n_bytes:
            self._take_length(data)
        source.take(n_bytes - CRC_BYTES)
        whole_crc = source.crc
        crc = int.from_bytes(source.take(CRC_BYTES), "little")
        if self.problems:
            return  # the CRC is bound to disagree, and would say nothing new
        if whole_crc not in (None, crc):
            raise FormatError("the CRC of the file does not match")

    @property
    def _end_bytes(self) -> int:
        return LONG_END_BYTES if self.length_at_end else END_BYTES

    def _take_length(self, end: bytes) -> None:
        """end: of the file, LONG_END_BYTES; FormatError if it is none."""
        self.header = replace(self.header, n_samples=length_in_end(end))
        self.length_is_known = True

    def _find_next(self) -> bool:
        """After damage: go on to the next sound head or end that lies ahead; False if there is none."""
        source = self._source
        source.take(len(source.peek(1)))
        while chunk := source.peek(_SEARCH_BYTES):
            is_last = len(chunk) < _SEARCH_BYTES
            n_searched = len(chunk) if is_last else len(chunk) - MAX_HEAD_BYTES
            for mark in _MARKS.finditer(chunk, 0, n_searched):
                if self._is_sound(chunk[mark.start() : mark.start() + MAX_HEAD_BYTES], is_last):
                    source.take(mark.start())
                    return True
            source.take(n_searched)
        return False

    def _is_sound(self, data: bytes, is_last: bool) -> bool:
        try:
            if data[0] == END_MARK:
                return is_last and len(data) == self._end_bytes
            parse_head(data, self.header)
        except FormatError:
            return False
        return True


class _Order:
    """What the blocks so far demand of the next."""

    def __init__(self, header: Header, by_time: bool) -> None:
        """by_time: whether a window's blocks are in order of time, not by channel."""
        self._by_time = by_time
        self.n_blocks = 0
        self.n_events = [0] * header.streams
        self.last_time = [0] * header.streams
        self._last = (0, 0)

    def count(self, head: Head, window: int) -> int:
        """Count a block in; FormatError if it is out of order. How many events are missing before it."""
        here = (window, 0 if self._by_time else head.channel)
        n_missing = head.first_index - self.n_events[head.channel]
        if here < self._last or n_missing < 0 or head.first_time < self.last_time[head.channel]:
            raise FormatError("it lies before the block before it")
        self._last = here
        self.n_blocks += 1
        self.n_events[head.channel] = head.first_index + head.n_events
        return n_missing


def take_header(source: ByteSource) -> tuple[Header, bool]:
    """The header at the front of a file, and whether the file's length stands at its end; FormatError when it is
    damaged, or the file is not a .sic file."""
    start = source.peek(len(MAGIC) + 1)
    if not start:
        raise FormatError("the file is empty")
    if not start.startswith(MAGIC[: len(start)]):
        raise FormatError("not a .sic file (or changed on its way by a transfer in text mode)")
    if len(start) <= len(MAGIC):
        raise Truncated(f"the file is cut short at byte {len(start)}")
    version = start[-1]
    if version >> 4 != VERSION >> 4:
        newer = ", a newer one is needed" if version > VERSION else ""
        raise FormatError(
            f"it is of version {_dotted(version)} of the format; this version of the library reads"
            f" {_dotted(VERSION)}{newer}"
        )
    cursor = Cursor(source.peek(len(start) + MAX_VARINT_BYTES))
    cursor.take(len(start))
    try:
        n_body = cursor.varint(MAX_BODY_BYTES)
    except FormatError as error:
        raise FormatError(f"damaged header: {error}") from None
    head = source.take(cursor.position + n_body)
    if source.take(CHECK_BYTES) != check_of(head):
        raise FormatError("damaged header: its check does not match")
    header, length_at_end = parse_header(head[cursor.position :], is_newer=version > VERSION)
    if version > VERSION:
        warnings.warn(
            f"it is of version {_dotted(version)} of the format; this version of the library reads {_dotted(VERSION)}"
            " and passes over what is new",
            NewerVersion,
            stacklevel=3,
        )
    return header, length_at_end


def _dotted(version: int) -> str:
    return f"{version >> 4}.{version & 15}"
