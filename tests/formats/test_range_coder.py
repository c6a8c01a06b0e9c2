"""The range coder and its tables: as docs/format.md tells them, on every machine."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from format_strategies import quick
from hypothesis import given
from hypothesis import strategies as st

from sparsecodec_formats.blocks.logistic import (
    EIGHTHS,
    INVERSE_EIGHTHS,
    LEAST_SCALE,
    MOST_SCALE,
    NOWHERE,
    bit,
    logistic,
    number,
    reach,
    spread,
)
from sparsecodec_formats.blocks.range_coder import (
    TOTAL,
    Decoder,
    Encoder,
    Table,
    exp_golomb,
    table_of,
    uniform,
)
from sparsecodec_formats.errors import FormatError


class Documented:
    """The decoder of docs/format.md, line by line."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 8
        self.span = 2**64 - 1
        self.ahead = int.from_bytes(data[:8].ljust(8, b"\0"), "big")

    def symbol(self, table: Table, symbol: int) -> int:
        unit = self.span >> 24
        place = self.ahead // unit
        if place >= 2**24:
            raise FormatError("damaged")
        symbol = begin = 0
        while begin + int(table.frequency[symbol]) <= place:
            begin += int(table.frequency[symbol])
            symbol += 1
        self.ahead -= unit * begin
        self.span = unit * int(table.frequency[symbol])
        if self.span < 2**32:
            self.span <<= 32
            self.ahead = self.ahead << 32 | int.from_bytes(self.data[self.at : self.at + 4].ljust(4, b"\0"), "big")
            self.at += 4
        return symbol


def random_tables(rng: np.random.Generator, n: int) -> list[Table]:
    return [table_of((rng.random(rng.integers(2, 90)) ** 9 * 2**20).astype(np.int64) + 1) for _ in range(n)]


@pytest.mark.parametrize("seed", range(8))
def test_what_is_written_is_read_as_documented(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = random_tables(rng, 12)
    picked = [tables[i] for i in rng.integers(0, len(tables), 40 * 4**seed if seed < 4 else seed - 3)]
    symbols = [int(rng.choice(len(t.frequency), p=t.frequency / TOTAL)) for t in picked]
    encoder = Encoder()
    for table, symbol in zip(picked, symbols, strict=True):
        encoder.symbol(table, symbol)
    data = encoder.finish()
    ideal = -sum(np.log2(table.frequency[symbol] / TOTAL) for table, symbol in zip(picked, symbols, strict=True))
    assert encoder.bits == pytest.approx(ideal)
    assert len(data) <= encoder.bits / 8 + 1.01
    for decoder in (Decoder(data), Documented(data)):
        assert [decoder.symbol(table, 0) for table in picked] == symbols


@given(st.binary(max_size=60), st.integers(0, 2**32))
@quick
def test_any_bytes_are_read_as_documented_or_refused(data: bytes, seed: int) -> None:
    tables = random_tables(np.random.default_rng(seed), 4) * 20
    ours, documented = Decoder(data), Documented(data)
    for table in tables:
        try:
            expected = documented.symbol(table, 0)
        except FormatError:
            with pytest.raises(FormatError):
                ours.symbol(table, 0)
            return
        assert ours.symbol(table, 0) == expected


def test_nothing_takes_no_bytes() -> None:
    assert Encoder().finish() == b""
    encoder = Encoder()
    assert encoder.symbol(table_of([1, 1]), 0) == 0 and encoder.finish() == b""


def test_eighths_of_an_octave() -> None:
    for i in range(8):
        assert round(2 ** (14 + i / 8)) == EIGHTHS[i] and round(2 ** (14 - i / 8)) == INVERSE_EIGHTHS[i]


def test_logistic_function() -> None:
    x = np.arange(-30_000, 30_001)
    found = logistic(x)
    np.testing.assert_allclose(found / TOTAL, 1 / (1 + np.exp(-x / 1024)), atol=4e-6)
    assert (np.diff(found) >= 0).all() and (found + found[::-1] == TOTAL).all()
    assert zlib.crc32(found.astype("<i4").tobytes()) == 228880893  # whole numbers, the same everywhere


def test_tables_are_the_same_everywhere() -> None:
    every = zlib.crc32(b"")
    for scale in range(LEAST_SCALE, MOST_SCALE + 1):
        for part in range(16):
            for spike, weight in ((NOWHERE, 0), (0, -7), (1, 9), (-reach(scale) - 1, 3)):
                table = spread(scale, part, spike, weight)
                assert table.frequency.sum() == TOTAL and table.frequency.min() >= 1
                assert len(table.frequency) == 2 * reach(scale) + 3 + (abs(spike) == reach(scale) + 1)
                every = zlib.crc32(table.frequency.astype("<i4").tobytes(), every)
    assert every == 1410889257


values = st.integers(-(2**20), 2**20) | st.integers(-9, 9)
cases = st.tuples(
    st.integers(-170, 170), st.integers(-(2**26), 2**26) | st.integers(-99, 99), values, values, st.integers(-40, 40)
)


@given(st.lists(cases, min_size=1, max_size=30), st.booleans())
@quick
def test_any_number_can_be_coded(rows: list[tuple[int, int, int, int, int]], spiked: bool) -> None:
    rows = [(s, m, v if i % 3 else k, k, w) for i, (s, m, v, k, w) in enumerate(rows)]
    encoder = Encoder()
    for scale, mean, value, spike, weight in rows:
        assert number(encoder, scale, mean, value, spike if spiked else None, weight) == value
    decoder = Decoder(encoder.finish())
    for scale, mean, value, spike, weight in rows:
        assert number(decoder, scale, mean, 0, spike if spiked else None, weight) == value


@given(st.lists(st.tuples(st.integers(0, 2**47), st.integers(0, 48), st.integers(-40, 40)), max_size=20))
@quick
def test_whole_numbers_and_bits(rows: list[tuple[int, int, int]]) -> None:
    encoder = Encoder()
    for value, width, logit in rows:
        exp_golomb(encoder, value)
        uniform(encoder, width, value & ((1 << width) - 1))
        bit(encoder, logit, value & 1)
    decoder = Decoder(encoder.finish())
    for value, width, logit in rows:
        assert exp_golomb(decoder, 0) == value
        assert uniform(decoder, width, 0) == value & ((1 << width) - 1)
        assert bit(decoder, logit, 0) == value & 1
