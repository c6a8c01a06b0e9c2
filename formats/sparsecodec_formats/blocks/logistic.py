"""Tables for numbers spread about a mean: logistic, made of whole numbers only, so that every machine has the same."""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import FormatError

from .range_coder import TOTAL, TOTAL_BITS, Coder, Table, exp_golomb, frequencies_of, table_of, uniform

EIGHTH_BITS = 14
EIGHTHS = (16384, 17867, 19484, 21247, 23170, 25268, 27554, 30048)
"""2**(i / 8), in units of 2**-14."""
INVERSE_EIGHTHS = (16384, 15024, 13777, 12634, 11585, 10624, 9742, 8933)
"""2**(-i / 8), likewise."""

MEAN_BITS = 4
"""A mean is told in sixteenths of a step."""
LEAST_SCALE, MOST_SCALE = -32, 23
"""Eighths of an octave re one step. Below the first all are alike; above the other, the lowest bits are coded apart."""

FARTHEST = 1 << 34
"""Steps from a mean that no legal number reaches."""

_X_BITS = 10  # of an argument of the logistic function, after the point
_GRID = 64  # points of its table a unit
_END = 24  # units; beyond, it is 0 or 1
_DECAY = 1135047113432355401  # exp(-1/64), in units of 2**-60
_ONE = 1 << 60


def _logistic_table() -> NDArray[np.int64]:
    """TOTAL / (1 + exp(i / 64)) for i = 0 … 1536, rounded down."""
    out, power = [], _ONE
    for _ in range(_END * _GRID + 1):
        out.append(TOTAL * power // (_ONE + power))
        power = power * _DECAY >> 60
    return np.array(out, np.int64)


LOGISTIC = _logistic_table()


def logistic(x: NDArray[np.int64]) -> NDArray[np.int64]:
    """TOTAL / (1 + exp(-x)) for x in units of 2**-10, on lines between the points of a table."""
    away = np.minimum(np.abs(x), _END << _X_BITS)
    shift = _X_BITS - _GRID.bit_length() + 1
    at, part = away >> shift, away & ((1 << shift) - 1)
    low, high = LOGISTIC[at], LOGISTIC[np.minimum(at + 1, _END * _GRID)]
    tail = low - ((low - high) * part >> shift)
    return np.where(x < 0, tail, TOTAL - tail)


@cache
def reach(scale: int) -> int:
    """How many steps from the mean a number may be before it is an escape: eight times the scale, and two."""
    return 2 + ((EIGHTHS[scale % 8] << 4) >> (EIGHTH_BITS + 1 - scale // 8))


NOWHERE = 1 << 30


def spread(scale: int, part: int, spike: int, weight: int) -> Table:
    """Symbols 0 … 2 reach: a number that many steps from the mean, plus reach; then above, below, and the spike.

    Args:
        scale: of the logistic distribution, LEAST_SCALE … MOST_SCALE, eighths of an octave re one step.
        part: 0 … 15: the mean is (part - 8) / 16 steps from a whole step.
        spike: steps from there to a number that is likelier than others; NOWHERE: there is none. Where it lies within
            reach it has no symbol of its own.
        weight: of the spike: its probability is the logistic function of weight / 4.
    """
    return _without_spike(scale)[part] if spike == NOWHERE else _with_spike(scale, part, spike, weight)


@cache
def _shares(scale: int) -> NDArray[np.int64]:
    """Of every part, what symbols but that of a spike have of TOTAL: [16, symbols]."""
    half = reach(scale)
    part = np.arange(1 << MEAN_BITS)[:, None]
    edge = 2 * np.arange(-half, half + 2, dtype=np.int64) - 1  # half steps
    x = (edge * 8 - (part - 8)) * (1 << (_X_BITS - MEAN_BITS)) * INVERSE_EIGHTHS[scale % 8]
    cumulative = logistic(x >> (EIGHTH_BITS + scale // 8))
    return np.concatenate([np.diff(cumulative), TOTAL - cumulative[:, -1:], cumulative[:, :1]], axis=1)


@cache
def _without_spike(scale: int) -> list[Table]:
    """The tables of every part at once: one by one they would take ten times as long."""
    return [Table(frequency) for frequency in frequencies_of(_shares(scale))]


@lru_cache(maxsize=2**13)
def _with_spike(scale: int, part: int, spike: int, weight: int) -> Table:
    half, likely = reach(scale), _likely(weight)
    share = _shares(scale)[part] * (TOTAL - likely) >> TOTAL_BITS
    if abs(spike) <= half:
        share[spike + half] += likely
    else:
        share = np.append(share, likely)
    return table_of(share)


@cache
def _likely(logit: int) -> int:
    """The logistic function of logit / 4, of TOTAL."""
    return int(logistic(np.array([logit << (_X_BITS - 2)], np.int64))[0])


def number(coder: Coder, scale: int, mean: int, value: int, spike: int | None = None, weight: int = 0) -> int:
    """Code a whole number that is spread about a mean (in sixteenths). Any number can be coded."""
    if scale > MOST_SCALE:
        if spike is not None and bit(coder, weight, int(value == spike)):
            return spike
        low_bits = (scale - MOST_SCALE + 7) >> 3
        low = uniform(coder, low_bits, value & ((1 << low_bits) - 1))
        rest = number(coder, scale - 8 * low_bits, (mean - 8 * ((1 << low_bits) - 1)) >> low_bits, value >> low_bits)
        return rest << low_bits | low
    if scale < LEAST_SCALE:
        scale = LEAST_SCALE
    half = reach(scale)
    middle = (mean + 8) >> MEAN_BITS
    at = NOWHERE if spike is None else min(max(spike - middle, -half - 1), half + 1)
    table = spread(scale, mean + 8 - (middle << MEAN_BITS), at, weight)
    away = value - middle
    if value == spike and abs(away) > half:
        symbol = 2 * half + 3
    elif away > half:
        symbol = 2 * half + 1
    elif away < -half:
        symbol = 2 * half + 2
    else:
        symbol = away + half
    symbol = coder.symbol(table, symbol)
    if symbol <= 2 * half:
        return middle + symbol - half
    if symbol == 2 * half + 3 and spike is not None:
        return spike
    beyond = half + 1 + exp_golomb(coder, max(0, abs(away) - half - 1))
    if beyond > FARTHEST:
        raise FormatError("a number is out of range")
    return middle + beyond if symbol == 2 * half + 1 else middle - beyond


def bit(coder: Coder, logit: int, value: int) -> int:
    """Code 0 or 1; the probability of 1 is the logistic function of logit / 4."""
    return coder.symbol(_two(logit), value)


@cache
def _two(logit: int) -> Table:
    return table_of([TOTAL - _likely(logit), _likely(logit)])
