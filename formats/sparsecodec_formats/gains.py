"""Gains of streams in channels: a number in the file stands for 0, or for ±10^(-n / 2000), which is n hundredths of a
dB below 1.

A hundredth of a dB is finer than a listener can tell, and leaves 65 dB between a channel and what it should be.
"""

from __future__ import annotations

import math
import struct

from .errors import SicError

STEPS_PER_DB = 100
MAX_CODE = 2**13 - 1
"""Of either sign: as a zigzag, no gain takes more than two bytes."""


def gain_of_code(code: int) -> float:
    """The gain of a code -8191 … 8191, as the nearest single: 0, or ±1 for ±1, down to ±10^-4.095."""
    if code == 0:
        return 0.0
    size = 10.0 ** (-(abs(code) - 1) / (20 * STEPS_PER_DB))
    return math.copysign(struct.unpack("<f", struct.pack("<f", size))[0], code)


LEAST_GAIN = gain_of_code(MAX_CODE)
"""The softest that a file can hold."""


def nearest_gain(gain: float) -> float:
    """The gain nearest to `gain` (in dB) that a file can hold; SicError unless it is -1 … 1."""
    return gain_of_code(_nearest_code(gain))


def code_of_gain(gain: float) -> int:
    """The code of a gain as made by `nearest_gain`; SicError for any other number."""
    code = _nearest_code(gain)
    if gain_of_code(code) != gain:
        raise SicError(f"gain {gain} is not one a file can hold; use nearest_gain({gain})")
    return code


def _nearest_code(gain: float) -> int:
    if not -1 <= gain <= 1:
        raise SicError(f"a stream's gain in a channel must be -1 to 1, not {gain}")
    if gain == 0:
        return 0
    below_db = -20 * math.log10(abs(gain))
    return int(math.copysign(min(MAX_CODE, 1 + round(STEPS_PER_DB * below_db)), gain))
