"""What several edits need: ranges of their arguments, what is edited, and numbers on the file's grid."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.header import Header
from sparsecodec_formats.presets import Dim
from sparsecodec_formats.selection import selected
from sparsecodec_formats.table import EventTable

from .rounding import told_finely

Where = NDArray[np.bool_] | str | None
"""Which events an edit is of: bool [n], or an expression that selects them (`selection`); None: all."""


def within(what: str, value: float, low: float = -1e9, high: float = 1e9) -> float:
    """The value; SicError, which names it `what`, unless it is in low..high."""
    if not low <= value <= high:
        raise SicError(f"{what} cannot be {value:g}; give a number in {low:g}..{high:g}")
    return value


def chosen(table: EventTable, where: Where) -> NDArray[np.bool_]:
    """`where` as bool [n], an array of its own; SicError for what is no mask of the table's events."""
    if where is None:
        return np.ones(len(table), bool)
    if isinstance(where, str):
        return selected(table, where)
    mask = np.array(where)
    if mask.dtype != bool or mask.shape != (len(table),):
        raise SicError(
            f"the selection is {mask.dtype} {mask.shape}; it must be bool, one for each of {len(table)} events"
        )
    return mask


def moved(table: EventTable, dim: Dim, amount: ArrayLike, where: NDArray[np.bool_]) -> EventTable:
    """A named quantity of the events at `where`, bool [n], raised by `amount` (a number, or [n]), in its unit.

    Its step becomes finer where a file would round that off by too much (`rounding`). SicError where the decoder would
    not take what comes out, and so another sound than is asked for would be heard.
    """
    raised = dim.physical(table.vector) + np.where(where, amount, 0.0)
    check_held(table, dim, raised, where)
    vector = table.vector.astype(np.float64)
    vector[where, dim.index] = (raised[where] - dim.offset) / dim.scale
    return told_finely(table.replace(vector=vector), [dim], where)


def check_held(table: EventTable, dim: Dim, values: NDArray[np.float64], where: NDArray[np.bool_]) -> None:
    """SicError where a quantity, float64 [n] in its unit, of an event at `where` leaves the range of the decoder."""
    slight = 1e-3 + abs(dim.scale) * table.header.step[dim.index]  # as far as a file's grid may round
    now = dim.physical(table.vector)
    was_held = (now >= dim.low - slight) & (now <= dim.high + slight)
    beyond = where & was_held & ((values > dim.high + slight) | (values < dim.low - slight))
    if beyond.any():
        first, n = int(beyond.argmax()), int(beyond.sum())
        raise SicError(
            f"the {dim.label} of {n} event{'s' * (n != 1)} would leave what preset"
            f" {table.header.model!r} can sound ({dim.low:g} to {dim.high:g} {dim.unit}), first that at"
            f" {table.time[first]:.3f} s with {values[first]:.4g}; edit by less, or fewer events"
        )


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
