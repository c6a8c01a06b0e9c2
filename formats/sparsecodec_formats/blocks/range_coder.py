"""Range coding with integer tables: numbers in, bytes out, and back; docs/format.md has the algorithm."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import FormatError

TOTAL_BITS = 24
TOTAL = 1 << TOTAL_BITS
"""Sum of the frequencies of a table."""

STATE_BYTES = 8
WORD_BYTES = 4
_STATE = (1 << 8 * STATE_BYTES) - 1
_WORD_BITS = 8 * WORD_BYTES
_WORD = (1 << _WORD_BITS) - 1


class Table:
    """How often each of two or more symbols 0, 1, … is expected, of TOTAL.

    Attributes:
        frequency: int64 [symbols], each at least 1.
        begins: [symbols + 1], the sum of the frequencies before each symbol; and TOTAL.
    """

    def __init__(self, frequency: NDArray[np.int64]) -> None:
        self.frequency = frequency

    @cached_property
    def begins(self) -> list[int]:
        return [0, *itertools.accumulate(self.frequency.tolist())]


def table_of(weights: Sequence[int] | NDArray[np.int64], least: int = 1 << 8) -> Table:
    """Frequencies in proportion to weights (whole numbers, less than 2**36 in all), none below `least`."""
    return Table(frequencies_of(np.array([weights], np.int64), least)[0])


def frequencies_of(weights: NDArray[np.int64], least: int = 1 << 8) -> NDArray[np.int64]:
    """As `table_of`, of each row of weights [n, symbols]: frequencies [n, symbols]."""
    room = TOTAL - least * weights.shape[1]
    frequency = least + weights * room // weights.sum(axis=1, keepdims=True)
    left = TOTAL - frequency.sum(axis=1)  # by rounding; it goes to the first of the likeliest
    frequency[np.arange(len(weights)), weights.argmax(axis=1)] += left
    return frequency


class Coder(Protocol):
    """One side of the coding: each is given the same tables in the same order.

    Attributes:
        bits: what the symbols so far take, ideally.
    """

    bits: float

    def symbol(self, table: Table, symbol: int) -> int:
        """Code a symbol; where symbols are read, what is given is of no account. The symbol."""


class Encoder:
    """Symbols → bytes."""

    def __init__(self) -> None:
        self.bits = 0.0
        self._words: list[int] = []
        self._low, self._span = 0, _STATE

    def symbol(self, table: Table, symbol: int) -> int:
        begin, end = table.begins[symbol : symbol + 2]
        self.bits += _bits(end - begin)
        unit = self._span >> TOTAL_BITS
        self._low += unit * begin
        self._span = unit * (end - begin)
        if self._low > _STATE:
            self._low &= _STATE
            at = len(self._words) - 1
            while self._words[at] == _WORD:
                self._words[at] = 0
                at -= 1
            self._words[at] += 1
        if self._span <= _WORD:
            self._words.append(self._low >> _WORD_BITS)
            self._low = self._low << _WORD_BITS & _STATE
            self._span <<= _WORD_BITS
        return symbol

    @property
    def n_bytes(self) -> int:
        """That are written for good."""
        return WORD_BYTES * len(self._words)

    def finish(self) -> bytes:
        """The shortest bytes that, with zeros after them, give the symbols back."""
        return ended(np.array(self._words, ">u4").tobytes(), self._low, self._span)


def ended(words: bytes, low: int, span: int) -> bytes:
    """The shortest bytes, with zeros after them, of the interval that begins at `words` and then `low`, 8 bytes."""

    def up_to(zeros: int) -> int:
        """The first number from `low` on that ends in so many zero bytes."""
        return -(-low >> 8 * zeros) << 8 * zeros

    # If one that ends in so many zeros is in the interval, so is one that ends in fewer.
    last = next(up_to(zeros) for zeros in range(STATE_BYTES, -1, -1) if up_to(zeros) < low + span)
    whole = (int.from_bytes(words, "big") << 8 * STATE_BYTES) + last
    return whole.to_bytes(len(words) + STATE_BYTES, "big").rstrip(b"\0")


class Decoder:
    """Bytes → symbols."""

    def __init__(self, data: bytes) -> None:
        self.bits = 0.0
        self._data, self._at = data, 0
        self._ahead, self._span = self._take(STATE_BYTES), _STATE

    def symbol(self, table: Table, symbol: int) -> int:
        unit = self._span >> TOTAL_BITS
        place = self._ahead // unit
        if place >= TOTAL:
            raise FormatError("its range-coded numbers are damaged")
        symbol = bisect_right(table.begins, place) - 1
        begin, end = table.begins[symbol], table.begins[symbol + 1]
        self.bits += _bits(end - begin)
        self._ahead -= unit * begin
        self._span = unit * (end - begin)
        if self._span <= _WORD:
            self._ahead = self._ahead << _WORD_BITS | self._take(WORD_BYTES)
            self._span <<= _WORD_BITS
        return symbol

    def _take(self, n: int) -> int:
        """So many bytes more; zeros follow the data without end."""
        taken = self._data[self._at : self._at + n]
        self._at += n
        return int.from_bytes(taken.ljust(n, b"\0"), "big")


def _bits(frequency: int) -> float:
    return TOTAL_BITS - math.log2(frequency)


def uniform(coder: Coder, n_bits: int, value: int) -> int:
    """A number of n_bits bits, each as likely as the other; eight at a time, lowest first."""
    out = 0
    for at in range(0, n_bits, 8):
        width = min(8, n_bits - at)
        out |= coder.symbol(_UNIFORM[width], (value >> at) & ((1 << width) - 1)) << at
    return out


def exp_golomb(coder: Coder, value: int) -> int:
    """A number 0…2**48 - 2, small ones in few bits: how many bits value + 1 has after its highest, then these."""
    n_bits = coder.symbol(LENGTHS, (value + 1).bit_length() - 1)
    return (1 << n_bits | uniform(coder, n_bits, (value + 1) & ((1 << n_bits) - 1))) - 1


_UNIFORM = [Table(np.full(1 << width, TOTAL >> width)) for width in range(9)]
LENGTHS = table_of([1 << max(0, 16 - i) for i in range(48)])
"""How many bits a number has, of `exp_golomb`."""
