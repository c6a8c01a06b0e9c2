"""How far a file may round what an edit asks for. Where its grid is too coarse for that, the table gets finer steps.

A step is halved as often as it takes, so that numbers that lie on the grid stay where they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.presets import Dim, layout_of
from sparsecodec_formats.quantiser import MAX_VECTOR_CODE
from sparsecodec_formats.shape_maps import ShapeMap
from sparsecodec_formats.table import EventTable

LARGEST_ERROR = {
    "dB": 0.5,
    "semitones re 110 Hz": 0.05,
    "semitones": 0.1,
    "log2 s": 0.125,  # 9 %
    "cycles": 0.1,
}
"""Of a named number, by its unit: as much as is hardly heard."""
LEVEL_ERROR_DB, VOICING_ERROR = 1.0, 0.5
"""Of a spectrum: rms over the events of what rounding does to a band, and to the logit of a degree of voicing."""
N_JUDGED = 1000  # events, of which it is worked out how fine spectra have to be

Floats = NDArray[np.float64]


def told_finely(
    table: EventTable, dims: Iterable[Dim], where: NDArray[np.bool_], largest_error: float | None = None
) -> EventTable:
    """The table with steps of these numbers that are fine enough for the values at `where`, bool [n].

    largest_error: in the unit of the numbers; None: as LARGEST_ERROR has it.
    """
    steps = list(table.header.step)
    for dim in dims:
        i, values = dim.index, table.vector[where, dim.index].astype(np.float64)
        largest = (largest_error or LARGEST_ERROR[dim.unit]) / abs(dim.scale)
        while np.abs(_error(values, steps[i])).max(initial=0.0) > largest and _may_halve(table, i, steps):
            steps[i] /= 2
    return _with_steps(table, steps)


def spectra_told_finely(table: EventTable, where: NDArray[np.bool_], shape_map: ShapeMap) -> EventTable:
    """As `told_finely`, of the coefficients of spectra: those get finer steps with which that helps most."""
    first = layout_of(table.header).dim("shape_0").index
    rows = np.flatnonzero(where)
    values = table.vector[rows[:: max(1, len(rows) // N_JUDGED)], first:].astype(np.float64)
    levels = len(shape_map.level_hz) if shape_map.voicing_to_bin is not None else len(shape_map.mean)
    largest = np.where(np.arange(len(shape_map.mean)) < levels, LEVEL_ERROR_DB, VOICING_ERROR)
    basis = np.asarray(shape_map.basis / largest, np.float64)  # what is in excess of 1 is too much
    steps = list(table.header.step)
    while len(rows):
        error, finer = (_error(values, np.array(steps[first:]) / parts) for parts in (1, 2))
        outputs, change = error @ basis, finer - error
        squares = np.square(outputs).mean(0)
        if squares.max() <= 1:
            break
        # the squares, after a coefficient's step has been halved: [coefficients, outputs]
        after = squares + 2 * (change.T @ outputs / len(values)) * basis
        after += np.square(change).mean(0)[:, None] * np.square(basis)
        excess = np.maximum(after - 1, 0).sum(1)
        excess[[not _may_halve(table, first + i, steps) for i in range(len(basis))]] = np.inf
        best = int(excess.argmin())
        if excess[best] >= np.maximum(squares - 1, 0).sum():  # no single one helps; errors may make up for each other
            worth = np.square(np.array(steps[first:])) * np.square(basis).sum(1)
            best = int(np.where(np.isfinite(excess), worth, -1.0).argmax())
        if not np.isfinite(excess[best]):
            break
        steps[first + best] /= 2
    return _with_steps(table, steps)


def _error(values: Floats, step: float | Floats) -> Floats:
    """What rounding to multiples of the step adds."""
    error: Floats = np.rint(values / step) * step - values
    return error


def _may_halve(table: EventTable, index: int, steps: Sequence[float]) -> bool:
    """Whether a file can hold all of the table's numbers on a grid of half the step."""
    largest = float(np.abs(table.vector[:, index]).max(initial=0.0))
    return steps[index] / 2 >= max(2.0**-16, largest / MAX_VECTOR_CODE)


def _with_steps(table: EventTable, steps: Sequence[float]) -> EventTable:
    steps = tuple(steps)
    return table if steps == table.header.step else table.replace(header=replace(table.header, step=steps))
