"""Grids of the numbers of a vector, in whole numbers: what codes stand for, and where values lie between codes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.quantiser import MAX_VECTOR_CODE

from .logistic import EIGHTH_BITS, EIGHTHS, INVERSE_EIGHTHS, MEAN_BITS
from .statistics import GapRule

VALUE_BITS = 8
"""Values, code times step, are in units of 2**-8."""
MAX_VALUE = 1 << 20

_LOG2_BITS = 16
_ALMOST = 66  # in units of 2**-16 of a step: so much too short still fills a gap


def within(value: int) -> int:
    """The nearest of -MAX_VALUE … MAX_VALUE."""
    return value if -MAX_VALUE <= value <= MAX_VALUE else MAX_VALUE if value > 0 else -MAX_VALUE


class Grid:
    """The grid of one dim: a code stands for code · 2**((step_code - 128) / 8)."""

    def __init__(self, step_code: int) -> None:
        self.eighths = step_code - 128
        octave, eighth = divmod(self.eighths, 8)
        self.factor, self.inverse = EIGHTHS[eighth], INVERSE_EIGHTHS[eighth]
        self.left = max(0, octave + VALUE_BITS - EIGHTH_BITS)
        self.right = max(0, EIGHTH_BITS - VALUE_BITS - octave)
        self.half = (1 << self.right) >> 1
        self.to_steps = EIGHTH_BITS + VALUE_BITS - MEAN_BITS + octave
        self.octave = octave

    def value(self, code: int) -> int:
        """What a code stands for, -MAX_VALUE … MAX_VALUE."""
        return within(((code * self.factor << self.left) + self.half) >> self.right)

    def values(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """`value` of each, int64 [n]."""
        values = ((codes * self.factor << self.left) + self.half) >> self.right
        return np.clip(values, -MAX_VALUE, MAX_VALUE)

    def sixteenths(self, value: int) -> int:
        """Where a value lies on the grid, in sixteenths of a step."""
        return value * self.inverse >> self.to_steps

    def sixteenths_of(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """`sixteenths` of each, int64 [n]."""
        return values * self.inverse >> self.to_steps

    def scaled(self, value: int) -> int:
        """A number as one of steps."""
        shift = EIGHTH_BITS + self.octave
        return value * self.inverse >> shift if shift >= 0 else value * self.inverse << -shift

    def ceil(self, hundredths: int) -> int:
        """The smallest code that stands for at least so many hundredths (below 2**17)."""
        wanted = hundredths << max(0, EIGHTH_BITS - self.octave)
        return -(-wanted // (100 * self.factor << max(0, self.octave - EIGHTH_BITS)))


def code_filling(gap: int, time_unit: Fraction, grid: Grid, rule: GapRule) -> int:
    """The smallest code whose time, as the rule has it, is at least `gap` time units of `time_unit` seconds."""
    seconds, octaves = rule.seconds, rule.octaves
    log2 = _log2(gap * time_unit.numerator * seconds.denominator, time_unit.denominator * seconds.numerator)
    steps = grid.scaled(log2 * octaves.denominator // octaves.numerator)
    return min(max(0, -(-(steps - _ALMOST) >> _LOG2_BITS)), MAX_VECTOR_CODE)


def _log2(above: int, below: int) -> int:
    """log2(above / below) in units of 2**-16, rounded down; 0 where it is negative."""
    ratio = (above << 62) // below
    octave = ratio.bit_length() - 63
    if octave < 0:
        return 0
    ratio >>= octave
    out = octave
    for _ in range(_LOG2_BITS):
        ratio = ratio * ratio >> 62
        out <<= 1
        if ratio >> 63:
            ratio >>= 1
            out += 1
    return out
