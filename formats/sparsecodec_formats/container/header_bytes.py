"""The first bytes of a file: magic, version and header.

Every header has exactly one form in bytes: a field that has its usual value is left out, and a flag says so.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from sparsecodec_formats.crc import check_of
from sparsecodec_formats.errors import FormatError, SicError
from sparsecodec_formats.gains import MAX_CODE, code_of_gain, gain_of_code
from sparsecodec_formats.header import MAX_TAG_BYTES, MAX_U32, N_DIMS, WEIGHTS_HASH_BYTES, Header
from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_formats.steps import code_of_step, step_of_code
from sparsecodec_formats.varint import Cursor, encode_varint, encode_varints, unzigzag, zigzag

MAGIC = b"\x89SIC"
VERSION = 0x10
"""Major version in the high four bits, minor in the low."""

MAX_BODY_BYTES = 2**19
"""More than any legal header: bounds what a reader takes in before it has checked anything."""

CHANNELS, TIME_UNIT, STEPS, SEED, TAGS, GAINS, LENGTH_AT_END, NOISE = (1 << bit for bit in range(8))
"""Flags: which fields are given. Absent, they are USUAL_CHANNELS and so on, one step holds for all dims,
each channel is a stream of its own, and streams draw noise by their own numbers. With LENGTH_AT_END, the number of
samples is not given, but stands at the end."""

USUAL_CHANNELS = 1
USUAL_TIME_UNIT = Fraction(32, 11_025)
USUAL_SEED = 0

RATES = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000)
"""Sample rates with a code, in Hz: 1, 2, … Code 0 says that the rate follows."""


def pack_header(header: Header, *, length_at_end: bool = False) -> bytes:
    """Magic, version, length, body and the check of all of these. length_at_end: n_samples is not known yet."""
    body = _pack_body(header, length_at_end)
    head = MAGIC + bytes([VERSION]) + encode_varint(len(body)) + body
    return head + check_of(head)


def parse_header(body: bytes, *, is_newer: bool = False) -> tuple[Header, bool]:
    """The header in a body whose check matches, and whether the length stands at the file's end (n_samples is then 0);
    FormatError when it breaks the rules.

    is_newer: of a later minor version. Then fields may come after the known ones, and are passed over.
    """
    try:
        header, length_at_end = _parse_body(Cursor(body))
    except UnicodeDecodeError:
        raise FormatError("damaged header: a text is not UTF-8") from None
    except SicError as error:
        what = "its header needs a newer version of the library" if is_newer else "damaged header"
        raise FormatError(f"{what}: {error}") from None
    known = _pack_body(header, length_at_end)
    if is_newer:
        body = body[: len(known)]
    if known != body:
        raise FormatError("damaged header: it is longer than it need be")
    return header, length_at_end


def _pack_body(header: Header, length_at_end: bool) -> bytes:
    steps = header.step[:1] if len(set(header.step)) == 1 else header.step
    given = {
        CHANNELS: header.channels != USUAL_CHANNELS,
        TIME_UNIT: header.time_unit != USUAL_TIME_UNIT,
        STEPS: len(steps) > 1,
        SEED: header.seed != USUAL_SEED,
        TAGS: bool(header.tags),
        GAINS: bool(header.gains),
        LENGTH_AT_END: length_at_end,
        NOISE: bool(header.noise),
    }
    body = bytearray([sum(flag for flag, is_given in given.items() if is_given)])
    if header.sample_rate in RATES:
        body.append(1 + RATES.index(header.sample_rate))
    else:
        body += b"\0" + encode_varint(header.sample_rate)
    if given[CHANNELS]:
        body.append(header.channels)
    if given[GAINS]:
        body.append(header.streams)
        codes = [code_of_gain(gain) for row in header.gains for gain in row]
        body += encode_varints(zigzag(np.array(codes, np.int64)))
    if not length_at_end:
        body += encode_varint(header.n_samples)
    if header.model in LAYOUTS:
        body.append(LAYOUTS[header.model].number)
    else:
        body += b"\0" + _text(header.model)
    body += header.weights_hash
    body.append(header.statistics)
    if given[TIME_UNIT]:
        body += encode_varint(header.time_unit.numerator) + encode_varint(header.time_unit.denominator)
    body += bytes(code_of_step(step) for step in steps)
    if given[SEED]:
        body += encode_varint(header.seed)
    if given[NOISE]:
        body += encode_varints(np.array(header.noise, np.int64))
    if given[TAGS]:
        body += encode_varint(len(header.tags))
        for key, value in header.tags.items():
            body += _text(key) + _text(value)
    return bytes(body)


def _parse_body(cursor: Cursor) -> tuple[Header, bool]:
    flags = cursor.byte()
    sample_rate = _take_rate(cursor)
    channels = cursor.byte() if flags & CHANNELS else USUAL_CHANNELS
    gains = _take_gains(cursor, channels) if flags & GAINS else ()
    header = Header(
        sample_rate=sample_rate,
        channels=channels,
        gains=gains,
        n_samples=0 if flags & LENGTH_AT_END else cursor.varint(),
        model=_take_model(cursor),
        weights_hash=cursor.take(WEIGHTS_HASH_BYTES),
        statistics=cursor.byte(),
        time_unit=_take_ratio(cursor) if flags & TIME_UNIT else USUAL_TIME_UNIT,
        step=tuple(map(step_of_code, cursor.take(N_DIMS) if flags & STEPS else cursor.take(1) * N_DIMS)),
        seed=cursor.varint() if flags & SEED else USUAL_SEED,
        noise=_take_noise(cursor, len(gains[0]) if gains else channels) if flags & NOISE else (),
        tags=_take_tags(cursor) if flags & TAGS else {},
    )
    return header, bool(flags & LENGTH_AT_END)


def _take_rate(cursor: Cursor) -> int:
    code = cursor.byte()
    if code > len(RATES):
        raise FormatError(f"sample rate code {code} is not known")
    return RATES[code - 1] if code else cursor.varint()


def _take_gains(cursor: Cursor, channels: int) -> tuple[tuple[float, ...], ...]:
    streams = cursor.byte()
    if not (channels and streams):
        raise FormatError(f"{channels} channels are said to be made of {streams} streams")
    codes = unzigzag(np.array([cursor.varint(2 * MAX_CODE) for _ in range(channels * streams)], np.int64))
    return tuple(tuple(gain_of_code(int(code)) for code in row) for row in codes.reshape(channels, streams))


def _take_noise(cursor: Cursor, streams: int) -> tuple[int, ...]:
    return tuple(cursor.varint(MAX_U32) for _ in range(streams))


def _take_model(cursor: Cursor) -> str:
    number = cursor.byte()
    if number == 0:
        return _take_text(cursor, 32)
    for layout in LAYOUTS.values():
        if layout.number == number:
            return layout.name
    raise FormatError(f"preset number {number} is not known")


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


def _take_tags(cursor: Cursor) -> dict[str, str]:
    tags: dict[str, str] = {}
    for _ in range(cursor.varint(MAX_TAG_BYTES)):
        key = _take_text(cursor, MAX_TAG_BYTES)
        if key in tags:
            raise FormatError(f"tag {key!r} is there twice")
        tags[key] = _take_text(cursor, MAX_TAG_BYTES)
    return tags
