"""What several edits need: ranges of their arguments, and numbers on the file's grid."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.header import Header
from sparsecodec_formats.presets import Dim
from sparsecodec_formats.table import EventTable


def within(what: str, value: float, low: float = -1e9, high: float = 1e9) -> float:
    """The value; SicError, which names it `what`, unless it is in low..high."""
    if not low <= value <= high:
        raise SicError(f"{what} cannot be {value:g}; give a number in {low:g}..{high:g}")
    return value


def without_tie(header: Header, shift_s: float) -> float:
    """A shift of times, seconds. Where it is halfway between two steps of time it is made shorter by a trifle, so that
    all events are rounded to the same side, and those that go back the same way come back to where they were."""
    units = shift_s / float(header.time_unit)
    tie = abs(abs(units) % 1 - 0.5) < 1e-6
    return shift_s - math.copysign(2e-6 * tie, shift_s) * float(header.time_unit)


def on_grid_above(table: EventTable, dim: Dim, physical: ArrayLike) -> NDArray[np.float64]:
    """The smallest number on the file's grid that says at least this."""
    step = table.header.step[dim.index]
    return np.ceil((np.asarray(physical) - dim.offset) / dim.scale / step - 1e-6) * step
