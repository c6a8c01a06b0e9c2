"""Checks of bytes: the CRC-32 of zlib, PNG and gzip, whole or cut to two bytes."""

from __future__ import annotations

import zlib

CRC_BYTES = 4
CHECK_BYTES = 2


def crc_bytes(data: bytes, so_far: int = 0) -> bytes:
    """CRC-32 of data that follows bytes whose CRC-32 is `so_far`: four bytes, lowest first."""
    return zlib.crc32(data, so_far).to_bytes(CRC_BYTES, "little")


def check_of(data: bytes) -> bytes:
    """The lower two bytes of the CRC-32: enough for a part of a file, whose end has a CRC-32 of all."""
    return crc_bytes(data)[:CHECK_BYTES]
