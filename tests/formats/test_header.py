"""What a header may hold, and its bytes: docs/format.md, "Magic, version, header"."""

from __future__ import annotations

import io
import zlib
from dataclasses import replace
from fractions import Fraction

import documented_reader
import numpy as np
import pytest
from format_strategies import headers, make_header, quick
from hypothesis import given
from hypothesis import strategies as st

from sparsecodec_formats import (
    LAYOUTS,
    EventTable,
    FormatError,
    Header,
    NewerVersion,
    Reader,
    SicError,
    dumps,
    loads,
    nearest_gain,
    verify,
)
from sparsecodec_formats.container.framing import pack_end
from sparsecodec_formats.container.header_bytes import MAGIC, RATES, VERSION, pack_header
from sparsecodec_formats.gains import LEAST_GAIN, code_of_gain, gain_of_code
from sparsecodec_formats.header import NO_WEIGHTS
from sparsecodec_formats.varint import encode_varint


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sample_rate", 0),
        ("sample_rate", 2**32),
        ("sample_rate", 44_100.5),
        ("channels", 0),
        ("channels", 256),
        ("n_samples", -1),
        ("n_samples", 2**48),
        ("model", ""),
        ("model", "Speech"),
        ("model", "speech\n"),
        ("model", "s" * 33),
        ("model", None),
        ("weights_hash", bytes(3)),
        ("weights_hash", 4),
        ("weights_hash", "9264c4e1"),
        ("time_unit", "soon"),
        ("time_unit", float("nan")),
        ("time_unit", Fraction(0)),
        ("time_unit", Fraction(-1, 100)),
        ("time_unit", Fraction(1, 2**32)),
        ("step", (1.0,)),
        ("step", (0.0,) * 32),
        ("step", (1.05,) * 32),
        ("step", 1.0),
        ("step", ("a",) * 32),
        ("step", (float("nan"),) * 32),
        ("seed", -1),
        ("seed", 2**32),
        ("statistics", -1),
        ("statistics", 256),
        ("gains", ((1.0,), (1.0,))),  # of two channels, where there is one
        ("gains", ((1.0,) * 256,)),  # more streams than there are numbers for
        ("gains", ((),)),
        ("gains", ((0.3,),)),  # not on the grid
        ("gains", ((1.5,),)),
        ("gains", ((float("nan"),),)),
        ("noise", (1, 2)),  # of two streams, where there is one
        ("noise", (-1,)),
        ("noise", (2**32,)),
        ("noise", (0.5,)),
        ("tags", {"": "x"}),
        ("tags", {"take": 3}),
        ("tags", {3: "take"}),
        ("tags", "title"),
        ("channels", [1] * 99),
        ("tags", {"a=b": "x"}),
        ("tags", {"a\n": "x"}),
        ("tags", {"a": "\ud800"}),
        ("tags", {"a": "x" * 65_001}),
    ],
)
def test_header_refuses(field: str, value: object) -> None:
    with pytest.raises(SicError) as caught:
        make_header(**{field: value})
    assert "\n" not in str(caught.value)


def test_an_identity_of_gains_is_none() -> None:
    header = make_header(channels=2, gains=[[1, 0], [0, 1]])
    assert header == make_header(channels=2) and header.streams == 2
    assert header.stream_gains == ((1.0, 0.0), (0.0, 1.0))


def test_streams_are_what_events_count() -> None:
    header = make_header(channels=3, gains=[[1, 0], [0, 0], [0, -1]])
    assert (header.channels, header.streams) == (3, 2)
    assert header.of_streams() == make_header(channels=2)
    EventTable(header, [0.0], np.zeros((1, 32)), [1])
    with pytest.raises(SicError, match=r"channel is outside 0\.\.1"):
        EventTable(header, [0.0], np.zeros((1, 32)), [2])


def test_more_streams_than_channels() -> None:
    header = make_header(gains=[[1] * 255])
    assert (header.channels, header.streams) == (1, 255)
    assert loads(dumps(EventTable(header, [0.0], np.zeros((1, 32)), [254]))).channel.tolist() == [254]


def test_numbers_of_noise_that_are_the_streams_own_are_none() -> None:
    header = make_header(channels=3, noise=[0, 1, 2])
    assert header == make_header(channels=3) and header.noise_numbers == (0, 1, 2)
    other = make_header(channels=2, noise=np.array([5, 5]))
    assert other.noise_numbers == other.noise == other.of_streams().noise == (5, 5)


@pytest.mark.parametrize("gain", [0.0, 1.0, -1.0, 0.5, -0.1, 0.999, 1e-4])
def test_gains_are_within_a_hundredth_of_a_db(gain: float) -> None:
    nearest = nearest_gain(gain)
    assert gain_of_code(code_of_gain(nearest)) == nearest
    assert nearest == pytest.approx(gain, rel=0.0006)
    assert nearest == float(np.float32(nearest)) and (abs(gain) not in (0, 1) or nearest == gain)


def test_a_gain_takes_at_most_two_bytes_and_the_softest_is_no_silence() -> None:
    assert nearest_gain(-1e-12) == -LEAST_GAIN == gain_of_code(-8191)
    alike = make_header(channels=2, gains=[[1], [1]])
    assert len(pack_header(alike)) == len(pack_header(make_header(channels=2))) + 3
    soft = make_header(channels=2, gains=[[1], [LEAST_GAIN]])
    assert len(pack_header(soft)) == len(pack_header(alike)) + 1


# Bytes


def file_of(body: bytes, version: int = VERSION) -> bytes:
    """A file without events, sound but for what is wrong in the body of its header."""
    head = MAGIC + bytes([version]) + encode_varint(len(body)) + body
    data = head + zlib.crc32(head).to_bytes(4, "little")[:2]
    return data + pack_end(zlib.crc32(data))


def body_of(header: Header) -> bytes:
    data = pack_header(header)
    return data[len(MAGIC) + 1 + len(encode_varint(len(data) - 8)) : -2]


RATE, SAMPLES, PRESET, HASH, STATISTICS, STEP = b"\x08", b"\xcc\x89\x08", b"\x01", bytes(range(4)), b"\x01", b"\x80"
UNIT = b"\x20\x91\x56"  # 32/11025, the usual one
BODY = b"\0" + RATE + SAMPLES + PRESET + HASH + STATISTICS + STEP


def test_bodies_are_cut_where_the_test_thinks() -> None:
    assert body_of(make_header()) == BODY
    assert loads(file_of(BODY)).header == make_header()
    stereo = b"\x01" + RATE + b"\x02" + SAMPLES + PRESET + HASH + STATISTICS + STEP
    assert loads(file_of(stereo)).header == make_header(channels=2)
    fine = b"\x02" + BODY[1:-1] + b"\x01\x90\x4e" + STEP
    assert loads(file_of(fine)).header == make_header(time_unit=Fraction(1, 10_000))
    seeded = b"\x08" + BODY[1:] + b"\x07"
    assert loads(file_of(seeded)).header == make_header(seed=7)
    noisy = b"\xa8" + RATE + b"\x02\x02\x01" + BODY[2:] + b"\x07\x81\x01\x00"
    assert loads(file_of(noisy)).header == make_header(gains=((1.0, -1.0),), seed=7, noise=(129, 0))
    mixed = b"\x21" + RATE + b"\x02\x01\x02\x01" + SAMPLES + PRESET + HASH + STATISTICS + STEP
    assert loads(file_of(mixed)).header == make_header(channels=2, gains=((1.0,), (-1.0,)))
    tagged = b"\x10" + BODY[1:] + b"\x01\x01a\x00"
    assert loads(file_of(tagged)).header == make_header(tags={"a": ""})
    named = b"\0" + RATE + SAMPLES + b"\0\x05drums" + HASH + STATISTICS + STEP
    assert loads(file_of(named)).header == make_header(model="drums")
    odd = b"\0" + b"\0\x07" + BODY[2:]
    assert loads(file_of(odd)).header == make_header(sample_rate=7)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        BODY[:-1],
        BODY + b"\0",
        b"\x80" + BODY[1:],  # a number of noise that is not there
        b"\x80" + BODY[1:] + b"\x80\x80\x80\x80\x10",  # 2**32
        b"\0\0\0" + BODY[2:],  # rate 0
        b"\0\x0e" + BODY[2:],  # a rate code that means nothing
        b"\x01" + RATE + b"\0" + BODY[2:],  # no channels
        b"\x20" + RATE + b"\0" + BODY[2:],  # gains of no stream
        b"\x21" + RATE + b"\xff\xff" + BODY[2:],  # 255 streams in 255 channels, without gains
        b"\x20" + RATE + b"\x01\xff\x7f" + BODY[2:],  # a gain below the softest
        BODY.replace(SAMPLES + PRESET, SAMPLES + b"\x63"),  # a preset number that means nothing
        BODY.replace(SAMPLES + PRESET, SAMPLES + b"\0\0"),  # a preset without a name
        BODY.replace(SAMPLES + PRESET, SAMPLES + b"\0\x05Music"),
        BODY.replace(SAMPLES + PRESET, SAMPLES + b"\0\x05mus\xffc"),
        BODY.replace(SAMPLES + PRESET, SAMPLES + b"\0\x21" + b"m" * 33),
        b"\x02" + BODY[1:-1] + b"\0\x91\x56" + STEP,  # time unit 0
        b"\x02" + BODY[1:-1] + b"\x20\0" + STEP,  # time unit over 0
        b"\x02" + BODY[1:-1] + b"\x02\x04" + STEP,  # not in lowest terms
        b"\x04" + BODY[1:],  # one step of 32
        b"\x08" + BODY[1:] + b"\x80\x80\x80\x80\x10",  # seed 2**32
        b"\x10" + BODY[1:] + b"\x01",  # a tag that is not there
        b"\x10" + BODY[1:] + b"\x01\x00\x00",  # a tag without a key
        b"\x10" + BODY[1:] + b"\x02\x01a\x00\x01a\x00",  # twice the same key
        b"\x10" + BODY[1:] + b"\x01\x01a\x01\xff",  # not UTF-8
        b"\x10" + BODY[1:] + b"\x01\x01a\xe8\xfb\x03" + b"x" * 65_000,  # too long a text
        b"\x10" + BODY[1:] + b"\xff\xff\xff\xff\xff\xff\x7f",  # too many tags
    ],
)
def test_hostile_headers_are_refused(body: bytes) -> None:
    with pytest.raises(FormatError, match="header") as caught:
        loads(file_of(body))
    assert "\n" not in str(caught.value) and verify(io.BytesIO(file_of(body))) == [str(caught.value)]


@pytest.mark.parametrize(
    "body",
    [
        b"\0\0" + encode_varint(44_100) + BODY[2:],  # a rate that has a code
        b"\x01" + RATE + b"\x01" + BODY[2:],  # one channel
        b"\x20" + RATE + b"\x01\x02" + BODY[2:],  # gains that say nothing
        b"\x21" + RATE + b"\x02\x02\x02\0\0\x02" + BODY[2:],
        BODY.replace(SAMPLES + PRESET, SAMPLES + b"\0\x06speech"),  # a preset that has a number
        b"\x02" + BODY[1:-1] + UNIT + STEP,
        b"\x04" + BODY[1:-1] + STEP * 32,  # 32 steps that are one
        b"\x08" + BODY[1:] + b"\0",  # seed 0
        b"\x10" + BODY[1:] + b"\0",  # no tags
        b"\x80" + BODY[1:] + b"\0",  # noise by the stream's own number
    ],
)
def test_a_header_has_one_form_only(body: bytes) -> None:
    with pytest.raises(FormatError, match="damaged header: it is longer than it need be"):
        loads(file_of(body))


def test_a_damaged_check_is_named() -> None:
    data = bytearray(file_of(BODY))
    data[len(MAGIC) + 2 + len(BODY)] ^= 1
    with pytest.raises(FormatError, match="damaged header: its check"):
        loads(bytes(data))


@pytest.mark.parametrize("rate", [*RATES, 1, 7999, 37_800, 2**32 - 1])
def test_rates(rate: int) -> None:
    header = make_header(sample_rate=rate)
    assert loads(file_of(body_of(header))).header == header
    assert len(body_of(header)) == len(BODY) + (0 if rate in RATES else len(encode_varint(rate)))


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_presets_of_the_library_take_one_byte(name: str) -> None:
    assert len(body_of(make_header(model=name))) == len(BODY)


def test_numbers_of_presets_stay_as_they_are() -> None:
    assert {layout.number: name for name, layout in LAYOUTS.items()} == {1: "speech", 2: "reference", 3: "music"}


def test_header_of_a_mono_clip_without_tags_takes_at_most_28_bytes() -> None:
    header = make_header(n_samples=2**32 - 1, seed=2**32 - 1)
    assert len(pack_header(header)) <= 28
    assert len(pack_header(replace(header, model="reference", seed=0, time_unit=Fraction(256, 22_050)))) <= 28


@given(headers(), st.integers(0, 255))
@quick
def test_every_header_comes_back_as_the_same_bytes(header: Header, statistics: int) -> None:
    header = replace(header, statistics=statistics)
    data = dumps(EventTable.empty(header))
    again = Reader(io.BytesIO(data)).header
    assert again == header and list(again.tags) == list(header.tags)
    assert pack_header(again) == pack_header(header) == data[: Reader(io.BytesIO(data)).header_bytes]
    assert file_of(body_of(header)) == data


@given(headers())
@quick
def test_the_documented_reader_finds_the_same(header: Header) -> None:
    found, n_bytes = documented_reader.header(pack_header(header) + b"what follows")
    assert n_bytes == len(pack_header(header))
    assert found == {
        "sample_rate": header.sample_rate,
        "channels": header.channels,
        "gains": header.gains,
        "n_samples": header.n_samples,
        "model": header.model,
        "weights_hash": header.weights_hash,
        "statistics": header.statistics,
        "time_unit": header.time_unit.as_integer_ratio(),
        "step": list(header.step),
        "seed": header.seed,
        "noise": header.noise,
        "tags": header.tags,
    }


def test_rate_channels_and_length_suffice() -> None:
    header = Header(16_000, 2, 48_000)
    assert (header.model, header.weights_hash, header.duration_s) == ("speech", NO_WEIGHTS, 3.0)
    table = EventTable(header, [0.5, 1.25], np.full((2, 32), 0.375), [0, 1])
    read = loads(dumps(table))
    assert read.header == header and (read.vector == 0.375).all()
    np.testing.assert_allclose(read.time, table.time, atol=float(header.time_unit) / 2)


# Later versions


@pytest.mark.parametrize("version", [0x11, 0x1F])
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (BODY, make_header()),
        (BODY + b"a new field", make_header()),
        (
            b"\x18" + BODY[1:] + b"\x07\x01\x01a\x01b" + b"two, after seed and tags",
            make_header(seed=7, tags={"a": "b"}),
        ),
    ],
)
def test_a_later_minor_version_is_read_with_a_warning(version: int, body: bytes, expected: Header) -> None:
    data = file_of(body, version)
    for read in (lambda: loads(data).header, lambda: Reader(io.BytesIO(data)).header):
        with pytest.warns(NewerVersion, match=f"version 1.{version & 15} of the format; .* reads 1.0") as caught:
            assert read() == expected
        assert len(caught) == 1
    with pytest.warns(NewerVersion):
        assert verify(io.BytesIO(data)) == []
    found, n_bytes = documented_reader.header(data)
    assert found["seed"] == expected.seed and found["tags"] == expected.tags and len(data) - n_bytes == 5


def test_what_was_read_from_a_later_minor_version_is_written_as_this_one() -> None:
    with pytest.warns(NewerVersion):
        table = loads(file_of(BODY + b"a new field", VERSION + 1))
    assert dumps(table) == file_of(BODY)


@pytest.mark.parametrize(
    "body",
    [
        b"\0\x63" + BODY[2:],  # a rate code of its own
        BODY.replace(SAMPLES + PRESET, SAMPLES + b"\x63"),  # a preset of its own
        b"\0\0" + encode_varint(44_100) + BODY[2:],  # what was forbidden before
    ],
)
def test_what_a_later_minor_version_has_of_its_own_is_refused_where_it_cannot_be_passed_over(body: bytes) -> None:
    with pytest.raises(FormatError, match="header"):
        loads(file_of(body, VERSION + 1))


@pytest.mark.parametrize("version", [0x00, 0x01, 0x20, 0x21, 0xF0])
def test_another_major_version_is_refused(version: int) -> None:
    with pytest.raises(FormatError, match=f"version {version >> 4}.{version & 15} of the format"):
        loads(file_of(BODY, version))


@pytest.mark.parametrize("at", range(4, 30))
def test_damage_is_no_later_version(at: int) -> None:
    data = file_of(BODY + b"a new field", VERSION + 1)
    with pytest.raises(FormatError):
        loads(data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :])
