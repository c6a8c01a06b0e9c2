"""The parts between payloads: a block's head, and the end of the file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.blocks.zstd_codec import max_payload_bytes
from sparsecodec_formats.crc import CHECK_BYTES, CRC_BYTES, check_of, crc_bytes
from sparsecodec_formats.errors import FormatError
from sparsecodec_formats.header import Header
from sparsecodec_formats.varint import MAX_INT, MAX_VARINT_BYTES, Cursor, encode_varint

WINDOW_S = 10
"""A block's events lie within one window of this length, so that a reader knows which blocks it can skip."""

MAX_BLOCK_EVENTS = 2**16
BLOCK_MARK = 0xB0  # the low four bits are the codec
END_MARK = 0xED

MAX_HEAD_BYTES = 2 + 4 * MAX_VARINT_BYTES + CHECK_BYTES
END_BYTES = 1 + CRC_BYTES


@dataclass(frozen=True)
class Head:
    """The head of a block.

    Attributes:
        codec: how the payload is coded, 0..15.
        channel: of all its events.
        n_events: 1..65536.
        first_index: events of this channel before this block's first.
        first_time: of the first event, in units of the header's time_unit.
        payload_bytes: that follow the head.
    """

    codec: int
    channel: int
    n_events: int
    first_index: int
    first_time: int
    payload_bytes: int


def pack_head(head: Head, header: Header) -> bytes:
    """The bytes of a block's head."""
    data = bytes([BLOCK_MARK | head.codec])
    if header.streams > 1:
        data += bytes([head.channel])
    for number in (head.n_events, head.first_index, head.first_time, head.payload_bytes):
        data += encode_varint(number)
    return data + check_of(data)


def parse_head(data: bytes, header: Header) -> tuple[Head, int]:
    """The head at the front of `data`, and how many bytes it takes; FormatError unless all of it is sound."""
    cursor = Cursor(data)
    mark = cursor.byte()
    if mark & 0xF0 != BLOCK_MARK:
        raise FormatError(f"it begins with {mark:#04x}, which is no block's mark")
    channel = cursor.byte() if header.streams > 1 else 0
    n_events, first_index, first_time, payload_bytes = (cursor.varint() for _ in range(4))
    if cursor.take(CHECK_BYTES) != check_of(data[: cursor.position - CHECK_BYTES]):
        raise FormatError("the check of its head does not match")
    if channel >= header.streams:
        raise FormatError(f"its channel is {channel} of {header.streams}")
    if not 1 <= n_events <= MAX_BLOCK_EVENTS:
        raise FormatError(f"it claims {n_events} events; there must be 1 to {MAX_BLOCK_EVENTS}")
    if payload_bytes > max_payload_bytes(n_events):
        raise FormatError(f"it claims {payload_bytes} bytes for {n_events} events")
    if first_time * header.time_unit.numerator > MAX_INT:
        raise FormatError("its time is too late")
    head = Head(mark & 0x0F, channel, n_events, first_index, first_time, payload_bytes)
    return head, cursor.position


def pack_end(crc: int) -> bytes:
    """The end of a file: its mark, and the CRC-32 of every byte before; `crc` is that of those before the mark."""
    mark = bytes([END_MARK])
    return mark + crc_bytes(mark, crc)


def window_of(time_index: int, header: Header) -> int:
    """Which window of 10 s a time is in; in whole numbers, so that every reader and writer agrees."""
    return time_index * header.time_unit.numerator // (WINDOW_S * header.time_unit.denominator)


def windows_of(time_index: NDArray[np.int64], header: Header) -> NDArray[np.int64]:
    """`window_of` every time of a column."""
    return time_index * header.time_unit.numerator // (WINDOW_S * header.time_unit.denominator)
