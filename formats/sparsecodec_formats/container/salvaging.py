"""What a damaged .sic file still gives: every block that is whole, and what is missing."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import BinaryIO

from sparsecodec_formats.blocks.codecs import decode_block
from sparsecodec_formats.crc import CRC_BYTES
from sparsecodec_formats.errors import FormatError
from sparsecodec_formats.header import Header
from sparsecodec_formats.quantiser import QuantisedEvents, dequantise
from sparsecodec_formats.table import EventTable

from .byte_source import ByteSource
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
from .header_bytes import MAGIC, VERSION
from .reader import EventCount, take_header

_MARKS = re.compile(rb"[\xb0-\xbf\xed]|\x89SIC")  # a block's with any codec, the end's, another file's
_SEARCH_BYTES = 2**16
_READS_PER_BYTE = 16
"""Payloads that are searched hold all that was read of them up to here; so time stays linear in a file's length."""


@dataclass(frozen=True)
class Missing:
    """A place where a file is damaged, and what that costs. As text: one line.

    Attributes:
        position: of its first byte in the file.
        reason: what is wrong there.
        n_events: that are missing; 0: none; None: that cannot be known.
        channel: of these events; None: not known.
        start_s: none of them is before, seconds.
        end_s: none of them is after; inf: that cannot be known.
    """

    position: int
    reason: str
    n_events: int | None
    channel: int | None = None
    start_s: float = 0.0
    end_s: float = float("inf")

    def __str__(self) -> str:
        where = f"byte {self.position}: {self.reason}"
        if self.n_events == 0:
            return f"no event is missing ({where})"
        events = "events may be" if self.n_events is None else "1 event is" if self.n_events == 1 else (
            f"{self.n_events} events are"
        )  # fmt: skip
        channel = "" if self.channel is None else f" from channel {self.channel}"
        bounded = self.end_s != float("inf")
        when = f"between {self.start_s:.3f} and {self.end_s:.3f} s" if bounded else f"after {self.start_s:.3f} s"
        return f"{events} missing{channel}, {when} ({where})"


@dataclass(frozen=True)
class Salvage:
    """What a file still gives.

    Attributes:
        table: the events of every block that is whole, with the file's header.
        n_blocks: how many these are.
        missing: what is not whole, in order of place; empty where the file is undamaged.
    """

    table: EventTable
    n_blocks: int
    missing: list[Missing]


def salvage(fileobj: BinaryIO) -> Salvage:
    """Every event of a damaged file that is certain, and what is missing. fileobj: binary, seekable, at its first byte.

    A block counts if its head and its payload pass their checks. It may lie anywhere: after damage, the next head that
    passes its check is searched for, byte by byte. No event is guessed. Where another .sic file begins, all ends.

    Raises FormatError where there is nothing to be had: the header is damaged, or this is no .sic file; and for more
    events than `read` takes.
    """
    return _Salvage(fileobj).run()


@dataclass(frozen=True)
class _Found:
    """A block whose head is whole. events: None where its payload is not, and `reason` why."""

    position: int
    head: Head
    events: QuantisedEvents | None
    reason: str = ""

    @property
    def stop_index(self) -> int:
        return self.head.first_index + self.head.n_events


class _Salvage:
    def __init__(self, fileobj: BinaryIO) -> None:
        self._file, self._base = fileobj, fileobj.tell()
        source = ByteSource(fileobj)
        self._header: Header
        self._header, self._length_at_end = take_header(source)
        self._end_bytes = LONG_END_BYTES if self._length_at_end else END_BYTES
        self._length_is_known = not self._length_at_end
        self._begin = source.position
        self._size = fileobj.seek(0, os.SEEK_END) - self._base
        self._crc, self._crc_to = 0, 0
        self._reads_left = _READS_PER_BYTE * self._size
        self._count = EventCount()
        self._found: list[_Found] = []
        self._lost: list[tuple[int, str]] = []
        self._notes: list[Missing] = []
        self._crc_differs: int | None = None  # where the end is that says so

    def run(self) -> Salvage:
        self._walk()
        whole = self._sorted_out()
        missing = sorted([*self._notes, *self._gaps(whole)], key=lambda one: one.position)
        if self._crc_differs is not None and not missing:
            reason = "the CRC of the file does not match: something in it is not as it was written"
            missing = [Missing(self._crc_differs, reason, 0)]
        events = [block.events for block in whole if block.events is not None]
        if events and not self._length_is_known:
            last = max(int(part.time_index[-1]) for part in events)
            self._header = replace(self._header, n_samples=length_without_end(last, self._header))
        tables = [dequantise(self._header, part) for part in events]
        return Salvage(EventTable.joined(self._header, tables), len(tables), missing)

    # the walk through the file

    def _walk(self) -> None:
        at = self._begin
        while True:
            here = self._sound_at(at)
            if here is None:
                after = self._next_sound(at)
                stop = self._size if after is None else after
                reason = "the file is cut short" if stop == at else f"no block is whole in {stop - at} bytes"
                self._lost.append((at, reason))
                if after is None:
                    return
                at = after
                continue
            if here == "end":
                self._end(at)
                return
            if here == "file":
                self._lost.append((at, "another .sic file begins here"))
                return
            at = self._block(at, *here)

    def _block(self, at: int, head: Head, head_bytes: int) -> int:
        """Take in the block there; where to go on."""
        payload_at = at + head_bytes
        stop = payload_at + head.payload_bytes
        self._reads_left -= head.payload_bytes
        payload = self._bytes(payload_at, head.payload_bytes)
        try:
            if len(payload) < head.payload_bytes:
                raise FormatError("the file is cut short in this block")
            events, _ = decode_block(head.codec, payload, self._header, head.n_events, head.first_time, head.channel)
            if window_of(int(events.time_index[-1]), self._header) != window_of(head.first_time, self._header):
                raise FormatError(f"its events do not lie in one window of {WINDOW_S} s")
        except FormatError as error:
            self._found.append(_Found(at, head, None, str(error)))
            # bytes may be missing or too many in it: what follows is then not where the head says
            if self._sound_at(stop) is not None or self._reads_left < 0:
                return min(stop, self._size)
            after = self._next_sound(payload_at)
            return self._size if after is None else after
        self._count.add(head.n_events)
        self._found.append(_Found(at, head, events))
        return stop

    def _end(self, at: int) -> None:
        n_bytes = self._end_bytes
        if self._length_at_end:
            self._header = replace(self._header, n_samples=length_in_end(self._bytes(at, n_bytes)))
            self._length_is_known = True
        stored = int.from_bytes(self._bytes(at + n_bytes - CRC_BYTES, CRC_BYTES), "little")
        if stored != self._crc_before(at + n_bytes - CRC_BYTES):
            self._crc_differs = at
        if at + n_bytes < self._size:
            extra = self._size - at - n_bytes
            bytes_follow = "1 byte follows that does" if extra == 1 else f"{extra} bytes follow that do"
            self._notes.append(Missing(at + n_bytes, f"{bytes_follow} not belong to the file", 0))

    def _sound_at(self, at: int) -> tuple[Head, int] | str | None:
        """What begins there: a block (its head, and how many bytes that takes), the "end", another "file", or None."""
        data = self._bytes(at, MAX_HEAD_BYTES)
        if not data:
            return None
        n_bytes = self._end_bytes
        if data[0] == END_MARK and len(data) >= n_bytes and self._is_end(data[:n_bytes]):
            crc = int.from_bytes(data[n_bytes - CRC_BYTES : n_bytes], "little")
            is_last = at + n_bytes == self._size
            return "end" if is_last or crc == self._crc_before(at + n_bytes - CRC_BYTES) else None
        if data.startswith(MAGIC + bytes([VERSION])):
            self._file.seek(self._base + at)
            try:
                take_header(ByteSource(self._file))
            except FormatError:
                return None
            return "file"
        try:
            return parse_head(data, self._header)
        except FormatError:
            return None

    def _is_end(self, data: bytes) -> bool:
        with suppress(FormatError):
            return not self._length_at_end or length_in_end(data) >= 0
        return False

    def _next_sound(self, at: int) -> int | None:
        """The first place after `at` where something sound begins; None: there is none."""
        while chunk := self._bytes(at + 1, _SEARCH_BYTES):
            for mark in _MARKS.finditer(chunk):
                place = at + 1 + mark.start()
                if chunk[mark.start()] == END_MARK and place + self._end_bytes != self._size:
                    continue  # one byte is little to go by
                if self._sound_at(place) is not None:
                    return place
            at += max(1, len(chunk) - len(MAGIC))  # a mark may lie across the border
            if at + 1 + len(MAGIC) > self._size:
                break
        return None

    def _bytes(self, at: int, n: int) -> bytes:
        self._file.seek(self._base + at)
        return self._file.read(max(0, min(n, self._size - at)))

    def _crc_before(self, at: int) -> int:
        """CRC-32 of all bytes before; asked for in ascending order, mostly."""
        if at < self._crc_to:
            self._crc, self._crc_to = 0, 0
        while self._crc_to < at:
            data = self._bytes(self._crc_to, min(_SEARCH_BYTES, at - self._crc_to))
            self._crc, self._crc_to = zlib.crc32(data, self._crc), self._crc_to + len(data)
        return self._crc

    # what was found, put in order

    def _sorted_out(self) -> list[_Found]:
        """Blocks by channel and index, without those that contradict others; these become notes."""
        kept: list[_Found] = []
        place = (0, 0)
        for block in self._found:
            if block.events is None:
                continue
            here = (
                window_of(block.head.first_time, self._header),
                0 if self._length_at_end else block.head.channel,
            )
            if here < place:
                self._notes.append(Missing(block.position, "this block lies before the block before it", 0))
            place = max(place, here)
        for _, blocks in self._by_channel(self._found):
            last: _Found | None = None
            for block in blocks:
                if block.events is None:
                    continue
                if last is not None and last.events is not None:
                    if block.head.first_index < last.stop_index:
                        self._notes.append(Missing(block.position, "another block holds events of this one", 0))
                        continue
                    if block.head.first_time < last.events.time_index[-1]:
                        self._notes.append(Missing(block.position, "its times are before those of events before it", 0))
                        continue
                kept.append(block)
                last = block
        return kept

    def _by_channel(self, blocks: list[_Found]) -> Iterator[tuple[int, list[_Found]]]:
        for channel in sorted({block.head.channel for block in blocks}):
            mine = [block for block in blocks if block.head.channel == channel]
            yield channel, sorted(mine, key=lambda block: (block.head.first_index, block.position))

    def _gaps(self, whole: list[_Found]) -> Iterator[Missing]:
        """What the indices of the blocks say is missing, and places that no index accounts for."""
        damaged = [block for block in self._found if block.events is None]
        explained: set[int] = set()
        for channel, blocks in self._by_channel([*whole, *damaged]):
            index, time_s, position = 0, 0.0, self._begin
            for block in blocks:
                head = block.head
                first_s = self._seconds(head.first_time)
                if head.first_index > index:
                    lost = [(at, why) for at, why in self._lost if position <= at <= block.position]
                    explained.update(at for at, _ in lost)
                    at, why = lost[0] if lost else (block.position, "blocks before this one are not there")
                    yield Missing(at, why, head.first_index - index, channel, time_s, first_s)
                if block.events is None:
                    if head.first_index >= index:
                        window_s = (window_of(head.first_time, self._header) + 1) * float(WINDOW_S)
                        yield Missing(block.position, block.reason, head.n_events, channel, first_s, window_s)
                    else:
                        yield Missing(block.position, block.reason, 0)
                else:
                    time_s = self._seconds(int(block.events.time_index[-1]))
                index, position = max(index, block.stop_index), block.position
        yield from self._unexplained(explained)

    def _unexplained(self, explained: set[int]) -> Iterator[Missing]:
        for at, why in self._lost:
            if at in explained:
                continue
            before = [block.head.first_time for block in self._found if block.position < at]
            after = [block.head.first_time for block in self._found if block.position > at]
            # of many channels, each has its own times; a window is the same for all
            start_s = self._window_s(max(before), 0) if before else 0.0
            end_s = self._window_s(min(after), 1) if after else float("inf")
            yield Missing(at, why, None, None, start_s, end_s)

    def _seconds(self, time_index: int) -> float:
        unit = self._header.time_unit
        return time_index * unit.numerator / unit.denominator

    def _window_s(self, time_index: int, later: int) -> float:
        return (window_of(time_index, self._header) + later) * float(WINDOW_S)
