"""Whole numbers in as few bytes as they need: LEB128, seven bits a byte, lowest first, shortest form only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .errors import FormatError

MAX_INT = 2**48 - 1
"""Largest number in a file: exact in a double, and in the numbers of every language that has only those."""

MAX_VARINT_BYTES = 7  # for 48 bits


def encode_varint(value: int) -> bytes:
    """One number 0..2**48-1."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_varints(values: NDArray[np.int64]) -> bytes:
    """Numbers 0..2**48-1, one after another."""
    width = max(1, -(-int(values.max(initial=0)).bit_length() // 7))
    groups = values[:, None] >> (7 * np.arange(width))
    needed = groups > 0
    needed[:, 0] = True
    more = np.zeros_like(needed)
    more[:, :-1] = needed[:, 1:]
    return ((groups & 0x7F) | (more << 7)).astype(np.uint8)[needed].tobytes()


def decode_varints(data: bytes, count: int, limit: int) -> NDArray[np.int64]:
    """int64 [count]: all of `data`, each number 0..limit; FormatError if it holds anything else."""
    octets = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(octets < 0x80)
    if len(ends) != count or len(octets) != (ends[-1] + 1 if count else 0):
        raise FormatError(f"a column does not hold {count} numbers")
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64) if count else ends
    lengths = ends - starts + 1
    if count and lengths.max() > MAX_VARINT_BYTES:
        raise FormatError(f"a number takes more than {MAX_VARINT_BYTES} bytes")
    if ((lengths > 1) & (octets[ends] == 0)).any():
        raise FormatError("a number is not in its shortest form")
    values = np.zeros(count, np.int64)
    for i in range(int(lengths.max(initial=0))):
        longer = lengths > i
        values[longer] |= (octets[starts[longer] + i].astype(np.int64) & 0x7F) << (7 * i)
    if (values > limit).any():
        raise FormatError(f"a number is above {limit}")
    return values


def zigzag(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, -1, 1, -2, 2 … -> 0, 1, 2, 3, 4 …, so that small numbers of either sign stay small."""
    return (values << 1) ^ (values >> 63)


def unzigzag(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The inverse of `zigzag`."""
    return (values >> 1) ^ -(values & 1)


class Cursor:
    """Takes fields off the front of some bytes; FormatError when they run out."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, n: int) -> bytes:
        """The next n bytes."""
        if n > len(self.data) - self.position:
            raise FormatError("it ends in the middle of a field")
        self.position += n
        return self.data[self.position - n : self.position]

    def byte(self) -> int:
        """The next byte as a number 0..255."""
        return self.take(1)[0]

    def varint(self, limit: int = MAX_INT) -> int:
        """The next varint, 0..limit."""
        value = 0
        for i in range(MAX_VARINT_BYTES):
            octet = self.byte()
            value |= (octet & 0x7F) << (7 * i)
            if octet < 0x80:
                if octet == 0 and i > 0:
                    raise FormatError("a number is not in its shortest form")
                if value > limit:
                    raise FormatError(f"a number is {value}; it must be at most {limit}")
                return value
        raise FormatError(f"a number takes more than {MAX_VARINT_BYTES} bytes")
