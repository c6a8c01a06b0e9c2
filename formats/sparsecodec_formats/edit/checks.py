"""What several edits need: ranges of their arguments, and numbers on the file's grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.presets import Dim
from sparsecodec_formats.table import EventTable


def within(what: str, value: float, low: float = -1e9, high: float = 1e9) -> float:
    """The value; SicError, which names it `what`, unless it is in low..high."""
    if not low <= value <= high:
        raise SicError(f"{what} cannot be {value:g}; give a number in {low:g}..{high:g}")
    return value


def on_grid_above(table: EventTable, dim: Dim, physical: ArrayLike) -> NDArray[np.float64]:
    """The smallest number on the file's grid that says at least this."""
    step = table.header.step[dim.index]
    return np.ceil((np.asarray(physical) - dim.offset) / dim.scale / step - 1e-6) * step
