"""The parts between payloads: a block's head, and the end of the file."""

from __future__ import annotations

from typing import NamedTuple

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
LENGTH_BYTES = 6
LONG_END_BYTES = END_BYTES + LENGTH_BYTES + CHECK_BYTES
"""Of a file whose length stands at its end."""
AFTER_LAST_S = 1
"""What such a file is taken to last after its last event, where its end is missing."""


class Head(NamedTuple):
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


def pack_end(crc: int, n_samples: int | None = None) -> bytes:
    """The end of a file: its mark, and the CRC-32 of every byte before; `crc` is that of those before the mark.

    n_samples: the length, where it stands here and not in the header.
    """
    data = bytes([END_MARK])
    if n_samples is not None:
        data += n_samples.to_bytes(LENGTH_BYTES, "little")
        data += check_of(data)
    return data + crc_bytes(data, crc)


def length_in_end(data: bytes) -> int:
    """The number of samples that the end of such a file tells; FormatError unless it is an end."""
    told = data[: -CHECK_BYTES - CRC_BYTES]
    if len(data) != LONG_END_BYTES or data[0] != END_MARK or data[len(told) : -CRC_BYTES] != check_of(told):
        raise FormatError("the check of the length at its end does not match")
    return int.from_bytes(told[1:], "little")


def length_without_end(last_time: int, header: Header) -> int:
    """How many samples such a file is taken to have whose end is missing. last_time: of its last event, in units."""
    unit = header.time_unit
    n_samples = -(-last_time * unit.numerator * header.sample_rate // unit.denominator)
    return min(n_samples + AFTER_LAST_S * header.sample_rate, MAX_INT)


def window_of(time_index: int, header: Header) -> int:
    """Which window of 10 s a time is in; in whole numbers, so that every reader and writer agrees."""
    return time_index * header.time_unit.numerator // (WINDOW_S * header.time_unit.denominator)


def windows_of(time_index: NDArray[np.int64], header: Header) -> NDArray[np.int64]:
    """`window_of` every time of a column."""
    return time_index * header.time_unit.numerator // (WINDOW_S * header.time_unit.denominator)
