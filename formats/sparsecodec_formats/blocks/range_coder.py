"""Range coding with integer tables: numbers in, bytes out, and back; docs/format.md has the algorithm.

The coder is PyPI `constriction`. Its frequencies are exactly the integers of a `Table`, so every machine agrees.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import FormatError

TOTAL_BITS = 24
TOTAL = 1 << TOTAL_BITS
"""Sum of the frequencies of a table."""

_STATE_BYTES = 8
_WORD_BYTES = 4
_MASK = (1 << 64) - 1


class Table:
    """How often each of two or more symbols 0, 1, … is expected, of TOTAL: int64 [symbols], each at least 1."""

    def __init__(self, frequency: NDArray[np.int64]) -> None:
        assert int(frequency.sum()) == TOTAL and int(frequency.min()) >= 1
        self.frequency = frequency
        self._model: Any = None
        self._bits: list[float] | None = None

    @property
    def model(self) -> Any:
        """What `constriction` codes a symbol with."""
        if self._model is None:
            from constriction import stream  # only where something is coded

            # It adds 1 to each weight, scaled to sum to TOTAL less the number of symbols: as these do already, every
            # partial sum is a whole number that a float holds exactly, and nothing is ever rounded.
            self._model = stream.model.Categorical((self.frequency - 1).astype(np.float64), perfect=False)
        return self._model

    @property
    def bits(self) -> list[float]:
        """What each symbol takes, ideally."""
        if self._bits is None:
            self._bits = (TOTAL_BITS - np.log2(self.frequency)).tolist()
        return self._bits


def table_of(weights: Sequence[int] | NDArray[np.int64], least: int = 1 << 8) -> Table:
    """Frequencies in proportion to weights (whole numbers, less than 2**36 in all), none below `least`."""
    share = np.asarray(weights, np.int64)
    room = TOTAL - least * len(share)
    frequency = least + share * room // int(share.sum())
    frequency[int(share.argmax())] += TOTAL - int(frequency.sum())  # what rounding left, to the first of the likeliest
    return Table(frequency)


class Coder(Protocol):
    """One side of the coding: each is given the same tables in the same order."""

    def symbol(self, table: Table, symbol: int) -> int:
        """Code a symbol; where symbols are read, what is given is of no account. The symbol."""


class Encoder:
    """Symbols → bytes."""

    def __init__(self) -> None:
        from constriction import stream

        self._encoder = stream.queue.RangeEncoder()

    def symbol(self, table: Table, symbol: int) -> int:
        self._encoder.encode(symbol, table.model)
        return symbol

    def finish(self) -> bytes:
        """The shortest bytes that, with zeros after them, give the symbols back."""
        n_words, (low, span) = self._encoder.pos()
        n_bytes = n_words * _WORD_BYTES + _STATE_BYTES
        words = self._encoder.get_compressed().astype(">u4").tobytes()
        inside = int.from_bytes(words.ljust(n_bytes, b"\0")[:n_bytes], "big")
        first = inside - ((inside - int(low)) & _MASK)  # of the numbers that give the symbols back

        def ending_in(zeros: int) -> int:
            return -(-first >> 8 * zeros) << 8 * zeros

        # If one that ends in so many zeros is among them, so is one that ends in fewer.
        beyond = bisect_left(range(n_bytes + 1), True, key=lambda zeros: ending_in(zeros) >= first + int(span))
        return ending_in(beyond - 1).to_bytes(n_bytes, "big").rstrip(b"\0")


class Decoder:
    """Bytes → symbols."""

    def __init__(self, data: bytes) -> None:
        from constriction import stream

        padded = data + bytes(-len(data) % _WORD_BYTES + _STATE_BYTES)
        self._decoder = stream.queue.RangeDecoder(np.frombuffer(padded, ">u4").astype(np.uint32))

    def symbol(self, table: Table, symbol: int) -> int:
        try:
            return int(self._decoder.decode(table.model))
        except AssertionError:
            raise FormatError("its range-coded numbers are damaged") from None


class Tally:
    """Counts what symbols take under their tables, and codes nothing."""

    def __init__(self) -> None:
        self.bits = 0.0

    def symbol(self, table: Table, symbol: int) -> int:
        self.bits += table.bits[symbol]
        return symbol


def uniform(coder: Coder, n_bits: int, value: int) -> int:
    """A number of n_bits bits, each as likely as the other; eight at a time, lowest first."""
    out = 0
    for at in range(0, n_bits, 8):
        width = min(8, n_bits - at)
        out |= coder.symbol(_UNIFORM[width], (value >> at) & ((1 << width) - 1)) << at
    return out


def exp_golomb(coder: Coder, value: int) -> int:
    """A number 0…2**48 - 2, small ones in few bits: how many bits value + 1 has after its highest, then these."""
    n_bits = coder.symbol(_LENGTHS, (value + 1).bit_length() - 1)
    return (1 << n_bits | uniform(coder, n_bits, (value + 1) & ((1 << n_bits) - 1))) - 1


_UNIFORM = [Table(np.full(1 << width, TOTAL >> width)) for width in range(9)]
_LENGTHS = table_of([1 << max(0, 16 - i) for i in range(48)])
