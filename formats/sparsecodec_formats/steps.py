"""Quantiser steps: a step is one byte in the file and stands for 2 ** ((code - 128) / 8).

Eight steps an octave are finer than a listener can tell. Every reader gets the same doubles: the fraction of
the octave comes from a table, the octave itself is an exponent.
"""

from __future__ import annotations

import math

from .errors import SicError

# 2 ** (i / 8) as the nearest doubles; written out so that every reader multiplies by the same numbers.
_EIGHTHS = (
    1.0,
    1.0905077326652577,
    1.189207115002721,
    1.2968395546510096,
    1.4142135623730951,
    1.5422108254079407,
    1.681792830507429,
    1.8340080864093424,
)


def step_of_code(code: int) -> float:
    """The step that a byte 0..255 stands for: 2**-16 .. 2**15.875, exact to the last bit of a double."""
    octave, eighth = divmod(code - 128, 8)
    return math.ldexp(_EIGHTHS[eighth], octave)


_CODE_OF_STEP = {step_of_code(code): code for code in range(256)}


def nearest_step(step: float) -> float:
    """The step nearest to `step` (in ratio) that a file can hold; SicError unless 0 < step < inf."""
    if not (step > 0 and math.isfinite(step)):
        raise SicError(f"a quantiser step must be a positive number, not {step}")
    return step_of_code(min(255, max(0, round(8 * math.log2(step)) + 128)))


def code_of_step(step: float) -> int:
    """The byte of a step as made by `nearest_step`; SicError for any other number."""
    try:
        return _CODE_OF_STEP[step]
    except KeyError:
        raise SicError(f"step {step} is not one a file can hold; use nearest_step({step})") from None
