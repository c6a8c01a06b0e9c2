"""The first bytes of a file: magic, version and header."""

from __future__ import annotations

import zlib
from fractions import Fraction

from sparsecodec_formats.errors import FormatError, SicError
from sparsecodec_formats.header import MAX_TAG_BYTES, MAX_U32, N_DIMS, Header
from sparsecodec_formats.steps import code_of_step, step_of_code
from sparsecodec_formats.varint import Cursor, encode_varint

MAGIC = b"\x89SIC"
VERSION = 1
MAX_BODY_BYTES = 2**18
"""More than any legal header: bounds what a reader takes in before it has checked anything."""

CRC_BYTES = 4


def pack_header(header: Header) -> bytes:
    """Magic, version, length, body and CRC-32 of all of these."""
    steps = header.step[:1] if len(set(header.step)) == 1 else header.step
    body = bytearray()
    body += encode_varint(header.sample_rate)
    body.append(header.channels)
    body += encode_varint(header.n_samples)
    body += _text(header.model)
    body += header.weights_hash
    body += encode_varint(header.time_unit.numerator)
    body += encode_varint(header.time_unit.denominator)
    body.append(len(steps))
    body += bytes(code_of_step(step) for step in steps)
    body += encode_varint(header.seed)
    body += encode_varint(len(header.tags))
    for key, value in header.tags.items():
        body += _text(key) + _text(value)
    head = MAGIC + bytes([VERSION]) + encode_varint(len(body)) + body
    return head + zlib.crc32(head).to_bytes(CRC_BYTES, "little")


def parse_header(body: bytes) -> Header:
    """The header in a body whose CRC has been checked; FormatError when it breaks the rules."""
    cursor = Cursor(body)
    try:
        header = Header(
            sample_rate=cursor.varint(),
            channels=cursor.byte(),
            n_samples=cursor.varint(),
            model=_take_text(cursor, 32),
            weights_hash=cursor.take(8),
            time_unit=_take_ratio(cursor),
            step=_take_steps(cursor),
            seed=cursor.varint(),
            tags=_take_tags(cursor),
        )
    except UnicodeDecodeError:
        raise FormatError("damaged header: a text is not UTF-8") from None
    except SicError as error:
        raise FormatError(f"damaged header: {error}") from None
    if cursor.position != len(body):
        raise FormatError(f"damaged header: {len(body) - cursor.position} bytes too many")
    return header


def _text(text: str) -> bytes:
    data = text.encode()
    return encode_varint(len(data)) + data


def _take_text(cursor: Cursor, limit: int) -> str:
    return cursor.take(cursor.varint(limit)).decode()


def _take_ratio(cursor: Cursor) -> Fraction:
    numerator, denominator = cursor.varint(MAX_U32), cursor.varint(MAX_U32)
    ratio = Fraction(numerator, denominator) if denominator else Fraction(0)
    if ratio.as_integer_ratio() != (numerator, denominator):
        raise FormatError("the time unit is not a ratio in lowest terms")
    return ratio


def _take_steps(cursor: Cursor) -> tuple[float, ...]:
    n = cursor.byte()
    if n not in (1, N_DIMS):
        raise FormatError(f"there are {n} steps; there must be 1 or {N_DIMS}")
    steps = tuple(step_of_code(code) for code in cursor.take(n))
    return steps * (N_DIMS // n)


def _take_tags(cursor: Cursor) -> dict[str, str]:
    tags: dict[str, str] = {}
    for _ in range(cursor.varint(MAX_TAG_BYTES)):
        key = _take_text(cursor, MAX_TAG_BYTES)
        if key in tags:
            raise FormatError(f"tag {key!r} is there twice")
        tags[key] = _take_text(cursor, MAX_TAG_BYTES)
    return tags
