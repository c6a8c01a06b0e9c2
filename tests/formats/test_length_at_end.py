"""Files whose length was not known when they were begun: they end with it, and are readable but for that when cut."""

from __future__ import annotations

import io
import zlib
from dataclasses import replace

import numpy as np
import pytest
from format_strategies import make_header

from sparsecodec_formats import (
    DamagedBlocks,
    EventTable,
    FormatError,
    Header,
    Reader,
    SicError,
    Writer,
    dumps,
    loads,
    retag,
    salvage,
    sizes,
    verify,
)
from sparsecodec_formats.container.framing import LONG_END_BYTES, pack_end

RATE = 16_000
STEP_S = 2.5


class Pipe(io.BytesIO):
    """Cannot seek."""

    def seekable(self) -> bool:
        return False


def parts_of(channels: int = 2, n_parts: int = 6) -> list[EventTable]:
    """Events of all channels in parts of 2.5 s, as a live encoder gives them."""
    header = make_header(sample_rate=RATE, channels=channels, n_samples=0)
    rng = np.random.default_rng(1)
    parts = []
    for i in range(n_parts):
        time = np.sort(rng.integers(0, 860, 30) + 861 * i) * float(header.time_unit)
        vector = rng.integers(-20, 20, (30, 32)) * header.step[0]
        so_far = replace(header, n_samples=round((i + 1) * STEP_S * RATE))
        parts.append(EventTable(so_far, time, vector, rng.integers(0, channels, 30)))
    return parts


def write(parts: list[EventTable], flush: bool = True) -> bytes:
    file = io.BytesIO()
    with Writer(file, parts[0].header, length_at_end=True) as writer:
        for part in parts:
            writer.write(part)
            if flush:
                writer.flush()
    return file.getvalue()


def whole(parts: list[EventTable]) -> EventTable:
    return loads(dumps(EventTable.joined(parts[-1].header, parts)))


@pytest.mark.parametrize("flush", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_a_file_gives_all_its_events_and_the_length_at_its_end(channels: int, flush: bool) -> None:
    parts = parts_of(channels)
    data = write(parts, flush)
    for file in (io.BytesIO(data), Pipe(data)):
        assert Reader(file).read_all() == whole(parts)
    assert loads(data).header.n_samples == round(6 * STEP_S * RATE)
    assert verify(io.BytesIO(data)) == []
    assert salvage(io.BytesIO(data)).table == whole(parts) and not salvage(io.BytesIO(data)).missing
    assert sum(sizes(io.BytesIO(data)).values()) == len(data)
    assert len(data) > len(dumps(whole(parts)))


def test_blocks_leave_when_they_are_flushed() -> None:
    parts, file = parts_of(), io.BytesIO()
    writer = Writer(file, parts[0].header, length_at_end=True)
    for i, part in enumerate(parts):
        writer.write(part)
        writer.flush()
        there = salvage(io.BytesIO(file.getvalue()))
        assert len(there.table) == sum(map(len, parts[: i + 1]))


def test_the_length_is_known_at_once_where_a_file_can_seek() -> None:
    data = write(parts_of())
    reader = Reader(io.BytesIO(data))
    assert reader.length_at_end and reader.length_is_known and reader.header.duration_s == 15
    plain = Reader(io.BytesIO(dumps(whole(parts_of()))))
    assert plain.length_is_known and not plain.length_at_end


def test_the_length_of_a_pipe_grows_until_its_end_tells() -> None:
    data = write(parts_of())
    reader, known = Reader(Pipe(data)), []
    assert not reader.length_is_known and reader.header.n_samples == 0
    for block in reader.blocks():
        assert not reader.length_is_known
        known.append(reader.header.n_samples)
        assert block.table.time[-1] + 1 <= reader.header.duration_s
    assert known == sorted(known) and reader.length_is_known
    assert reader.header.n_samples == 15 * RATE


def test_cut_anywhere_it_gives_all_that_is_whole() -> None:
    """And lasts until a second after its last event."""
    parts = parts_of(n_parts=3)
    data = write(parts)
    events = whole(parts)
    n_before = 0
    for cut in range(Reader(io.BytesIO(data)).header_bytes, len(data)):
        found = salvage(io.BytesIO(data[:cut]))
        assert n_before <= len(found.table) <= len(events)
        n_before = len(found.table)
        assert found.missing
        if n_before:
            last_s = found.table.time[-1]
            assert found.table.header.n_samples == np.ceil(round(last_s * 11_025 / 32) * 32 * RATE / 11_025) + RATE
        assert len(verify(io.BytesIO(data[:cut]))) == 1
        for file in (io.BytesIO(data[:cut]), Pipe(data[:cut])):
            with pytest.raises(DamagedBlocks):
                Reader(file).read_all()
    assert n_before == len(events)


def test_parts_of_a_time_are_found(channels: int = 2) -> None:
    parts = parts_of(channels)
    events = whole(parts)
    data = write(parts)
    for start_s, end_s in ((0, 3), (4, 11), (12, 99)):
        wanted = events.select((events.time >= start_s) & (events.time < end_s))
        found = [block.table for block in Reader(io.BytesIO(data)).blocks(start_s, end_s)]
        assert EventTable.joined(events.header, found) == wanted


def test_other_tags_keep_all_else() -> None:
    data, file = write(parts_of()), io.BytesIO()
    header = retag(io.BytesIO(data), file, {"title": "Live"})
    assert header == loads(file.getvalue()).header == replace(loads(data).header, tags={"title": "Live"})
    assert file.getvalue()[-LONG_END_BYTES:-6] == data[-LONG_END_BYTES:-6]


@pytest.mark.parametrize("at", range(-LONG_END_BYTES, 0))
def test_damage_of_the_end_is_seen(at: int) -> None:
    data = bytearray(write(parts_of()))
    data[at] ^= 0x10
    with pytest.raises(FormatError):
        loads(bytes(data))
    assert verify(io.BytesIO(bytes(data)))
    assert len(salvage(io.BytesIO(bytes(data))).table) == len(whole(parts_of()))


def test_another_length_needs_another_crc() -> None:
    data = write(parts_of())
    body = data[:-LONG_END_BYTES]
    assert loads(body + pack_end(zlib.crc32(body), 77)).header.n_samples == 77
    with pytest.raises(FormatError, match="CRC"):
        loads(body + pack_end(0, 77))


def test_an_ordinary_file_must_have_a_window_by_channel() -> None:
    """Only where the length stands at the end may its blocks be in order of time."""
    file = io.BytesIO()
    parts = [part.replace(header=parts_of()[0].header) for part in parts_of()]
    with Writer(file, parts[0].header) as writer:
        for part in parts:
            writer.write(part)
            writer.flush()
    with pytest.raises(FormatError, match="lies before"):
        loads(file.getvalue())


def test_parts_of_another_header_are_refused() -> None:
    writer = Writer(io.BytesIO(), parts_of()[0].header, length_at_end=True)
    with pytest.raises(SicError, match="another header"):
        writer.write(parts_of(1)[0])


def test_an_empty_live_file() -> None:
    header = Header(RATE, 1, 5 * RATE)
    file = io.BytesIO()
    with Writer(file, header, length_at_end=True) as writer:
        writer.write(EventTable.empty(replace(header, n_samples=7)))
    assert loads(file.getvalue()) == EventTable.empty(replace(header, n_samples=7))
