from __future__ import annotations

import io
import os
import re
import threading
import zlib
from dataclasses import replace
from typing import Any

import msgpack
import numpy as np
import pytest
import zstandard
from format_strategies import make_header, make_table, quick, tables
from hypothesis import given
from hypothesis import strategies as st

from sparsecodec_formats import (
    EventTable,
    FormatError,
    Reader,
    SicError,
    Writer,
    dequantise,
    dumps,
    loads,
    quantise,
    retag,
    sizes,
    verify,
)
from sparsecodec_formats.blocks.zstd_codec import pack_columns
from sparsecodec_formats.container.framing import Head, pack_end, pack_head
from sparsecodec_formats.container.header_bytes import pack_header
from sparsecodec_formats.varint import Cursor, decode_varints, encode_varint, encode_varints

SMALL = dumps(make_table([0.5, 1.0, 12.0], tags={"title": "x"}))


def refusal(data: bytes) -> str:
    """What `loads` says to damaged bytes; `verify` must find them damaged as well."""
    with pytest.raises(FormatError) as caught:
        loads(data)
    assert verify(io.BytesIO(data))
    message = str(caught.value)
    assert message and "\n" not in message
    return message


def framed(raw: bytes, **options: Any) -> bytes:
    return zstandard.ZstdCompressor(**{"write_checksum": True, **options}).compress(raw)


def with_payload(payload: bytes, header_changes: dict[str, Any] | None = None, **head: int) -> bytes:
    """A file of one block with sound framing around any payload and head."""
    header = make_header(**(header_changes or {}))
    fields = dict(codec=0, channel=0, n_events=1, first_index=0, first_time=0, payload_bytes=len(payload))
    data = pack_header(header) + pack_head(Head(**{**fields, **head}), header) + payload
    return data + pack_end(zlib.crc32(data))


def with_columns(*columns: bytes, **head: int) -> bytes:
    return with_payload(framed(msgpack.packb(columns)), **head)


# Refusals


def test_every_truncation_is_refused() -> None:
    for n in range(len(SMALL)):
        refusal(SMALL[:n])


def test_every_flipped_byte_is_noticed() -> None:
    for i in range(len(SMALL)):
        for flip in (0x01, 0x10, 0x80, 0xFF):
            refusal(SMALL[:i] + bytes([SMALL[i] ^ flip]) + SMALL[i + 1 :])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"RIFF....WAVE", "not a .sic"),
        (b"SIC\x89\x10", "not a .sic"),
        (b"\xef\xbf\xbdSIC\x10", "text mode"),
        (b"\x89SI", "cut short"),
        (b"\x89SIC", "cut short"),
        (b"\x89SIC\x20" + SMALL[5:], "version 2.0 of the format; .* reads 1.0, a newer one is needed"),
        (b"\x89SIC\x11" + SMALL[5:], "header: its check does not match"),
        (b"\x89SIC\xf0" + SMALL[5:], "version 15.0 of the format; .* reads 1.0, a newer one is needed"),
        (b"\x89SIC\x01" + SMALL[5:], "version 0.1 of the format; .* reads 1.0$"),
        (b"\x89SIC\x10" + b"\xff" * 6 + b"\x7f", "header"),
        (SMALL + b"\0", "bytes follow"),
        (SMALL + SMALL, "bytes follow"),
    ],
)
def test_says_what_is_wrong(data: bytes, says: str) -> None:
    assert re.search(says, refusal(data))


def test_unknown_codec_names_the_block() -> None:
    message = refusal(with_payload(b"x" * 20, codec=7))
    assert "block 1" in message and "codec is 7" in message


ONE = encode_varints(np.zeros(32, np.int64))  # the vectors of one event


@pytest.mark.parametrize(
    "data",
    [
        with_payload(b""),
        with_payload(b"not zstd"),
        with_payload(framed(b"", write_content_size=True)),
        with_payload(framed(msgpack.packb([b"", ONE]), write_checksum=False)),
        with_payload(framed(msgpack.packb([b"", ONE]), write_content_size=False)),
        with_payload(framed(msgpack.packb([b"", ONE])) + b"more"),
        with_payload(framed(msgpack.packb([b"", ONE])) * 2),
        with_payload(framed(bytes(10**8))),  # a bomb
        with_payload(framed(msgpack.packb([b"", ONE]) + b"\0")),
        with_payload(framed(msgpack.packb([b""]))),
        with_payload(framed(msgpack.packb([b"", ONE, b"\0", b""]))),
        with_payload(framed(msgpack.packb(["", ONE]))),
        with_payload(framed(msgpack.packb([0, ONE]))),
        with_payload(framed(msgpack.packb({"a": 1}))),
        with_payload(framed(b"\x91" * 100)),  # deep
        with_payload(framed(b"\xdd\xff\xff\xff\xff")),  # an array of 2**32 - 1
        with_payload(framed(b"\xc6\xff\xff\xff\xff")),  # bytes, as many
        with_columns(b"\0", ONE),
        with_columns(b"", ONE[1:]),
        with_columns(b"", ONE + b"\0"),
        with_columns(b"", ONE[1:] + b"\x80"),
        with_columns(b"", ONE[1:] + b"\x80\0"),
        with_columns(b"", ONE[1:] + b"\xff" * 9 + b"\0"),
        with_columns(b"", ONE[1:] + encode_varint(2**21 + 1)),
        with_columns(b"", ONE, b""),
        with_columns(b"", ONE, encode_varint(2048)),
        with_columns(encode_varint(2**48 - 1), ONE * 2, n_events=2, first_time=2**42),
        with_columns(encode_varint(2**49 - 1), ONE * 2, n_events=2),
        with_columns(encode_varint(3446), ONE * 2, n_events=2),  # crosses 10 s
        with_columns(b"", ONE, n_events=0),
        with_columns(b"", ONE, n_events=2**16 + 1),
        with_columns(b"", ONE, n_events=2**47),
        with_columns(b"", ONE, first_index=1),
        with_columns(b"", ONE, first_time=2**47),
        with_columns(b"", ONE, payload_bytes=2**47),
        with_columns(b"", ONE, payload_bytes=2),
        with_payload(framed(msgpack.packb([b"", ONE])), {"channels": 2}, channel=2),
    ],
)
def test_hostile_blocks_are_refused(data: bytes) -> None:
    refusal(data)


def test_the_hostile_blocks_are_hostile_for_their_one_fault() -> None:
    assert len(loads(with_columns(b"", ONE))) == 1
    assert len(loads(with_columns(encode_varint(3445), ONE * 2, n_events=2))) == 2
    assert loads(with_columns(b"", ONE, encode_varint(2047))).amplitude[0] == 0


def test_a_wrong_crc_is_refused() -> None:
    data = dumps(make_table([0.5]))
    body = data[: -len(pack_end(0))]
    assert body + pack_end(zlib.crc32(body)) == data
    assert "CRC" in refusal(body + pack_end(zlib.crc32(body) ^ 1))
    assert "CRC" in refusal(body + pack_end(0))


def test_the_writer_refuses() -> None:
    table = make_table([0.5, 1.0])
    writer = Writer(io.BytesIO(), table.header)
    with pytest.raises(SicError, match="another header"):
        writer.write(make_table([0.5], seed=1))
    writer.write(table)
    with pytest.raises(SicError, match="order"):
        writer.write(table)
    writer.close()
    with pytest.raises(SicError, match="finished"):
        writer.write(table)


def test_an_unfinished_file_is_seen_to_be_cut_short() -> None:
    buffer = io.BytesIO()
    with pytest.raises(KeyboardInterrupt), Writer(buffer, make_header()) as writer:
        writer.write(make_table([0.5]))
        raise KeyboardInterrupt
    assert "cut short" in refusal(buffer.getvalue())


# Known answers


def test_varints() -> None:
    assert encode_varint(0) == b"\0" and encode_varint(127) == b"\x7f" and encode_varint(300) == b"\xac\x02"
    assert encode_varint(2**48 - 1) == b"\xff" * 6 + b"\x3f"


def test_a_clip_takes_at_most_36_bytes_of_header_and_framing() -> None:
    """117 events in 3.2 s of mono at 16 kHz, the clip of the README."""
    header = make_header(sample_rate=16_000, n_samples=50_552, weights_hash=b"\x92\x64\xc4\xe1")
    for first_s in (0.0, 0.2, 3.0):
        time = np.linspace(first_s, 3.1, 117)
        parts = sizes(io.BytesIO(dumps(EventTable(header, time, np.ones((117, 32))))))
        assert parts["header"] == 20 and parts["header"] + parts["framing"] <= 36


def test_a_block_costs_at_most_10_bytes_of_head_and_11_of_frame() -> None:
    n = 200
    table = make_table(np.linspace(0.5, 4.9, n).tolist())
    reader = Reader(io.BytesIO(dumps(table)))
    (raw,) = reader.raw_blocks()
    assert raw.head.n_events == n and raw.head_bytes <= 10
    assert sizes(io.BytesIO(dumps(table)))["framing"] - len(pack_end(0)) - raw.head_bytes <= 11


@pytest.mark.parametrize("n_samples", [0, 44_100])
def test_files_without_events(n_samples: int) -> None:
    data = dumps(EventTable.empty(make_header(n_samples=n_samples)))
    assert len(data) <= 25 and verify(io.BytesIO(data)) == []
    assert len(loads(data)) == 0 and loads(data).header.n_samples == n_samples
    assert list(Reader(io.BytesIO(data)).blocks()) == []


def test_blocks_are_windows_of_10_s_by_channel() -> None:
    table = make_table([0.0, 1.0, 9.9, 10.1, 35.0], [1, 0, 0, 0, 1], channels=2)
    blocks = list(Reader(io.BytesIO(dumps(table))).blocks())
    assert [(b.channel, b.first_index, b.n_events) for b in blocks] == [
        (0, 0, 2),
        (1, 0, 1),
        (0, 2, 1),
        (1, 1, 1),
    ]
    assert [b.start_s for b in blocks] == [b.table.time[0] for b in blocks]


def test_a_crowded_window_is_split() -> None:
    n = 2**16 + 3
    table = EventTable(make_header(model="other"), np.zeros(n), np.zeros((n, 32)))  # codec 0: it is quick
    blocks = list(Reader(io.BytesIO(dumps(table))).blocks())
    assert [(b.first_index, b.n_events) for b in blocks] == [(0, 2**16), (2**16, 3)]


def test_amplitudes_of_one_take_no_bytes() -> None:
    table = make_table([0.5, 1.0])
    louder = table.replace(amplitude=[1.0, 2.0])
    assert len(pack_columns(quantise(table))) == 2 and len(pack_columns(quantise(louder))) == 3
    assert sizes(io.BytesIO(dumps(table)))["amplitude"] == 0 < sizes(io.BytesIO(dumps(louder)))["amplitude"]


# Round trips


@given(tables())
@quick
def test_round_trip(table: EventTable) -> None:
    data = dumps(table)
    again = loads(data)
    assert again == dequantise(table.header, quantise(table))
    assert dumps(again) == data
    assert verify(io.BytesIO(data)) == []
    spent = sizes(io.BytesIO(data))
    assert sum(spent.values()) == len(data) and min(spent.values()) >= 0


@given(tables(), st.data())
@quick
def test_written_in_pieces_gives_the_same_bytes(table: EventTable, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(table)), max_size=4)))
    buffer = io.BytesIO()
    with Writer(buffer, table.header) as writer:
        for start, stop in zip([0, *cuts], [*cuts, len(table)], strict=True):
            writer.write(table.select(slice(start, stop)))
    assert buffer.getvalue() == dumps(table)


@given(st.lists(st.integers(0, 2**48 - 1)))
@quick
def test_varint_columns(values: list[int]) -> None:
    data = encode_varints(np.array(values, np.int64))
    assert data == b"".join(encode_varint(value) for value in values)
    assert decode_varints(data, len(values), 2**48 - 1).tolist() == values
    cursor = Cursor(data)
    assert [cursor.varint() for _ in values] == values


@given(tables(max_events=40), st.floats(0, 60), st.floats(0, 60))
@quick
def test_reading_a_part_gives_its_events(table: EventTable, start_s: float, end_s: float) -> None:
    data = dumps(table)
    whole = loads(data)
    ranks = whole.rank_in_channel()
    wanted = (whole.time >= start_s) & (whole.time < end_s)
    blocks = list(Reader(io.BytesIO(data)).blocks(start_s, end_s))
    for channel in range(table.header.channels):
        mine = [block for block in blocks if block.channel == channel]
        rows = np.flatnonzero(wanted & (whole.channel == channel))
        assert [t for block in mine for t in block.table.time] == whole.time[rows].tolist()
        index = [block.first_index + i for block in mine for i in range(block.n_events)]
        assert index == ranks[rows].tolist()


# Files, pipes, damage


class Pipe(io.RawIOBase):
    """Cannot seek, and gives one to three bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self._inner = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, n: int = -1) -> bytes:
        return self._inner.read(min(n, 1 + self._inner.tell() % 3))


def test_pipes() -> None:
    table = make_table([0.5, 11.0, 25.0])
    data = dumps(table)
    reader = Reader(Pipe(data))  # type: ignore[arg-type]
    assert [block.start_s for block in reader.blocks(start_s=20)] == [loads(data).time[2]]
    with pytest.raises(SicError, match="once"):
        next(reader.blocks())
    assert verify(Pipe(data)) == []  # type: ignore[arg-type]
    assert sum(sizes(Pipe(data)).values()) == len(data)  # type: ignore[arg-type]


def test_a_real_pipe_gives_each_block_as_it_comes() -> None:
    data = dumps(make_table([0.5, 11.0]))
    (first, second) = Reader(io.BytesIO(data)).raw_blocks()
    cut = data.index(second.payload) + 8
    read_end, write_end = os.pipe()
    with open(read_end, "rb", buffering=0) as source, open(write_end, "wb", buffering=0) as sink:
        sink.write(data[:cut])
        blocks = Reader(source).blocks()  # type: ignore[arg-type]
        assert next(blocks).n_events == first.head.n_events  # while the rest has not been written
        rest = threading.Thread(target=lambda: (sink.write(data[cut:]), sink.close()))
        rest.start()
        assert next(blocks).table.time[0] == pytest.approx(11.0, abs=2e-3)
        assert next(blocks, None) is None
        rest.join()


def test_skipped_blocks_are_not_read() -> None:
    table = make_table([0.5, 11.0, 25.0])
    data = bytearray(dumps(table))
    (first, _, last) = Reader(io.BytesIO(bytes(data))).raw_blocks()
    data[data.index(first.payload) + 20] ^= 1
    reader = Reader(io.BytesIO(bytes(data)))
    assert [block.n_events for block in reader.blocks(start_s=20)] == [1]
    data[data.index(last.payload) + 20] ^= 1
    assert [round(block.start_s) for block in Reader(io.BytesIO(bytes(data))).blocks(10, 20)] == [11]


def test_a_reader_can_be_used_again() -> None:
    file = io.BytesIO(b"before" + dumps(make_table([0.5, 11.0])))
    file.seek(6)
    reader = Reader(file)
    assert [len(list(reader.blocks(start))) for start in (None, 10.0, None, 99.0, None)] == [2, 1, 2, 0, 2]


THREE = make_table([0.5, 1.0, 11.0, 12.0, 25.0, 26.0])


def test_damage_anywhere_in_a_block_loses_that_block_only() -> None:
    data = dumps(THREE)
    blocks = list(Reader(io.BytesIO(data)).blocks())
    header_bytes = Reader(io.BytesIO(data)).header_bytes
    start = header_bytes + blocks[0].n_bytes
    for at in range(start, start + blocks[1].n_bytes):
        for flip in (0x01, 0x5D, 0xFF):  # 0x5D turns a block's mark into the end's
            bad = data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]
            reader = Reader(io.BytesIO(bad))
            found = list(reader.blocks(damaged="skip"))
            if len(found) == 3:  # bits that zstd does not care for: nothing is lost, and the file's CRC tells
                assert [block.table for block in found] == [block.table for block in blocks]
                assert "CRC" in reader.problems[0]
                continue
            assert [block.first_index for block in found] == [0, 4], at
            assert found[1].table == blocks[2].table
            assert f"byte {start}" in reader.problems[0] and len(reader.problems) == 1


def test_a_lost_end_loses_no_events() -> None:
    data = dumps(THREE)
    for cut in range(len(data) - len(pack_end(0)), len(data)):
        reader = Reader(io.BytesIO(data[:cut]))
        assert sum(block.n_events for block in reader.blocks(damaged="skip")) == 6
        assert len(reader.problems) == 1


def test_missing_swapped_and_doubled_blocks_are_noticed() -> None:
    data = dumps(THREE)
    at = Reader(io.BytesIO(data)).header_bytes
    pieces = [data[:at]]
    for block in Reader(io.BytesIO(data)).blocks():
        pieces.append(data[at : at + block.n_bytes])
        at += block.n_bytes
    head, one, two, three, end = *pieces, data[at:]
    for body in (one + three, two + three, one + two, one + three + two, one + one + two + three):
        refusal(head + body + end)
    reader = Reader(io.BytesIO(head + one + three + end))
    assert [block.first_index for block in reader.blocks(damaged="skip")] == [0, 4]
    assert "2 events" in reader.problems[0] and len(reader.problems) == 1


@given(st.binary(max_size=200))
@quick
def test_random_bytes_after_a_header_are_refused(junk: bytes) -> None:
    refusal(pack_header(make_header()) + junk + b"\0")


@given(tables(), st.data())
@quick
def test_any_damage_is_refused(table: EventTable, data: st.DataObject) -> None:
    good = dumps(table)
    start = data.draw(st.integers(0, len(good)))
    bad = good[:start] + data.draw(st.binary(max_size=30)) + good[data.draw(st.integers(start, len(good))) :]
    if bad != good:
        refusal(bad)


# Other tags


@given(tables(), st.dictionaries(st.text("abc", min_size=1, max_size=3), st.text(max_size=5)))
def test_retag_gives_what_coding_anew_would(table: EventTable, tags: dict[str, str]) -> None:
    target = io.BytesIO()
    header = retag(io.BytesIO(dumps(table)), target, tags)
    assert header == replace(table.header, tags=tags)
    read = loads(target.getvalue())
    assert read.header == header
    again = loads(dumps(table))
    assert EventTable(header, again.time, again.vector, again.channel, again.amplitude) == read


def test_retag_copies_blocks_of_an_unknown_codec() -> None:
    source, target = io.BytesIO(with_payload(b"of the future", codec=9)), io.BytesIO()
    retag(source, target, {"a": "1"})
    (block,) = Reader(io.BytesIO(target.getvalue())).raw_blocks()
    assert (block.head.codec, block.payload) == (9, b"of the future")


def test_retag_refuses_a_damaged_file() -> None:
    for place in range(len(SMALL)):
        damaged = bytearray(SMALL)
        damaged[place] ^= 1
        with pytest.raises(FormatError):
            retag(io.BytesIO(damaged), io.BytesIO(), {})
