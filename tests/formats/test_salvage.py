"""What is had of damaged files: every block that is whole, and a list of what is missing."""

from __future__ import annotations

import io
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from format_strategies import make_header, make_table
from hostile import damage, is_part, pieces

from sparsecodec_formats import FormatError, Missing, Salvage, dumps, loads, salvage
from sparsecodec_formats.container.framing import Head, pack_head
from sparsecodec_formats.container.header_bytes import pack_header

GOLDEN = Path(__file__).parents[2] / "formats" / "golden"
STEREO = (GOLDEN / "stereo.sic").read_bytes()  # channels 0, 1, 0, 1, 0, 1 with 61, 61, 59, 59, 30, 30 events
HEAD, *BLOCKS, END = pieces(STEREO)
LAST_S, NEXT_S = 9.999093, 20.000907  # channel 0's events on either side of its second block


def of(*parts: bytes) -> Salvage:
    data = b"".join(parts)
    found = salvage(io.BytesIO(data))
    assert is_part(found.table, loads(STEREO))
    return found


def bent(block: bytes, at: int) -> bytes:
    return block[:at] + bytes([block[at] ^ 1]) + block[at + 1 :]


def told(found: Salvage) -> list[tuple[int | None, int | None]]:
    """Of each damaged place: how many events, of which channel."""
    return [(one.n_events, one.channel) for one in found.missing]


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.sic")), ids=lambda path: path.stem)
def test_a_sound_file_is_salvaged_whole(path: Path) -> None:
    found = salvage(io.BytesIO(path.read_bytes()))
    assert found.missing == [] and found.table == loads(path.read_bytes())


def test_a_damaged_payload_loses_the_events_that_its_head_tells() -> None:
    found = of(HEAD, *BLOCKS[:2], bent(BLOCKS[2], 40), *BLOCKS[3:], END)
    assert (len(found.table), found.n_blocks) == (241, 5)
    (missing,) = found.missing
    assert missing == Missing(261, "its zstd frame is damaged", 59, 0, pytest.approx(10.167, abs=1e-3), 20.0)
    assert str(missing) == (
        "59 events are missing from channel 0, between 10.167 and 20.000 s (byte 261: its zstd frame is damaged)"
    )


@pytest.mark.parametrize("at", range(9))
def test_a_damaged_head_loses_the_events_that_the_next_block_misses(at: int) -> None:
    found = of(HEAD, *BLOCKS[:2], bent(BLOCKS[2], at), *BLOCKS[3:], END)
    (missing,) = found.missing
    assert (missing.n_events, missing.channel, missing.position) == (59, 0, 261)
    assert (missing.start_s, missing.end_s) == pytest.approx((LAST_S, NEXT_S), abs=1e-3)
    assert len(found.table) == 241


def test_bytes_lost_or_put_in_lose_one_block() -> None:
    for middle in (BLOCKS[2][:50] + BLOCKS[2][55:], BLOCKS[2][:50] + b"12345" + BLOCKS[2][50:], BLOCKS[2][:-9]):
        assert told(of(HEAD, *BLOCKS[:2], middle, *BLOCKS[3:], END)) == [(59, 0)]


def test_a_block_that_is_not_there() -> None:
    assert told(of(HEAD, *BLOCKS[:2], *BLOCKS[3:], END)) == [(59, 0)]


def test_a_hole_over_several_blocks_is_told_by_channel() -> None:
    hole = bytes(len(b"".join(BLOCKS[1:4])))
    assert told(of(HEAD, BLOCKS[0], hole, *BLOCKS[4:], END)) == [(59, 0), (120, 1)]


def test_of_a_file_that_is_cut_short_the_rest_is_not_known() -> None:
    for n in (3, 4, 6):
        found = of(HEAD, *BLOCKS[:n])
        (missing,) = found.missing
        assert (missing.n_events, missing.channel, missing.end_s) == (None, None, float("inf"))
        assert missing.position == len(HEAD) + sum(map(len, BLOCKS[:n])) and found.n_blocks == n
    assert str(missing) == "events may be missing, after 20.000 s (byte 730: the file is cut short)"
    assert told(of(HEAD, *BLOCKS[:3], BLOCKS[3][:40])) == [(59, 1), (None, None)]


def test_a_damaged_last_block_may_be_any() -> None:
    (missing,) = of(HEAD, *BLOCKS[:5], bent(BLOCKS[5], 2), END).missing
    assert (missing.n_events, missing.start_s) == (None, 20.0)


def test_swapped_and_doubled_blocks_lose_nothing() -> None:
    swapped = of(HEAD, BLOCKS[0], BLOCKS[2], BLOCKS[1], *BLOCKS[3:], END)
    doubled = of(HEAD, BLOCKS[0], BLOCKS[0], *BLOCKS[1:], END)
    assert swapped.table == doubled.table == loads(STEREO)
    assert told(swapped) == told(doubled) == [(0, None)]


def test_another_file_is_left_alone() -> None:
    other = dumps(make_table([0.5, 1.5, 31.0], channels=2, sample_rate=48_000))
    assert told(of(STEREO, other)) == [(0, None)]
    (missing,) = of(HEAD, *BLOCKS[:3], other).missing  # whose blocks would fit in
    assert missing.reason == "another .sic file begins here" and missing.n_events is None


def test_a_wrong_crc_alone_loses_nothing() -> None:
    (missing,) = of(STEREO[:-1] + b"x").missing
    assert (
        missing.n_events == 0 and "CRC" in missing.reason and str(missing).startswith("no event is missing (byte 730")
    )


def test_nothing_is_had_without_a_header() -> None:
    for data in (b"", b"RIFF", bent(STEREO, 8), STEREO[1:], STEREO[:10]):
        with pytest.raises(FormatError):
            salvage(io.BytesIO(data))


def test_a_file_object_is_read_from_where_it_is() -> None:
    file = io.BytesIO(b"before" + HEAD + b"".join(BLOCKS[1:]) + END)
    file.seek(6)
    assert told(salvage(file)) == [(61, 0)]


def test_marks_across_the_border_of_a_search_are_found() -> None:
    """The search goes in pieces of 2**16 bytes."""
    for n in range(2**16 - 12, 2**16 + 3):
        assert told(of(HEAD, BLOCKS[0], bytes(n), *BLOCKS[1:], END)) == [(None, None)]


@pytest.mark.parametrize("name", ["stereo", "coded-stereo", "coded-music"])
def test_nothing_is_invented(name: str) -> None:
    data = (GOLDEN / f"{name}.sic").read_bytes()
    whole, rng = loads(data), np.random.default_rng(0)
    for _, bad in islice(damage(data, rng), 200):
        try:
            found = salvage(io.BytesIO(bad))
        except FormatError:
            continue
        assert found.missing and is_part(found.table, whole)


class CountingFile(io.BytesIO):
    n_read = 0

    def read(self, n: int | None = -1, /) -> bytes:
        data = super().read(n)
        self.n_read += len(data)
        return data


def test_heads_within_heads_are_not_read_again_and_again() -> None:
    """Each claims nearly all that follows: reading it for each of them would take the square of the file's length."""
    header = make_header(statistics=0)
    head = pack_head(Head(0, 0, 2**16, 0, 0, 2**20), header)
    file = CountingFile(pack_header(header) + 3000 * head)
    found = salvage(file)
    assert found.missing and not len(found.table)
    assert file.n_read < 40 * len(file.getvalue())
