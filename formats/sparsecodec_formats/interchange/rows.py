"""The one schema of an event as a row: where it is, what its preset's named numbers say in physical units, its vector.

A row is a flat mapping with these keys, all of which stay the same:

    index      place in the table, from 0
    time_s     seconds from the start of the source
    channel    from 0
    amplitude  linear factor of the event's sound
    …          a key for each named quantity of the preset, with its unit: `quantities`
    vector     the 32 numbers as the file holds them; with time_s, channel and amplitude they are the event
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.header import Header
from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_formats.presets.layout import NOTE_ABOVE, TONE_BELOW, Dim, Layout
from sparsecodec_formats.presets.voices import BEGINS_ABOVE
from sparsecodec_formats.table import EventTable

PLACE = ("index", "time_s", "channel", "amplitude")
"""Keys of every row, before those of the preset."""
Floats = NDArray[np.float64]

DECIMALS = 6
"""Of a quantity in a row: finer than any quantiser's step. The vector is exact."""


@dataclass(frozen=True)
class Quantity:
    """A named quantity of all events of a table.

    Attributes: key: name and unit, as in a row; name and unit for people, unit "" where it has none; values float64
    [n], in that unit and finite: within the range that the decoder takes, whatever the vector says.
    """

    key: str
    name: str
    unit: str
    values: NDArray[np.float64]


def quantities(table: EventTable) -> list[Quantity]:
    """What the preset's named numbers say; logarithms are undone, coefficients of a spectrum left out.

    None for a preset that names no numbers, or that is not known here.
    """
    layout = LAYOUTS.get(table.header.model)
    found = [] if layout is None else named(layout)
    return [Quantity(one.key, one.name, one.unit, one.values(table.vector)) for one in found]


def event_rows(table: EventTable, rows: Sequence[int] | None = None) -> list[dict[str, Any]]:
    """A row for each event, or for those at these indices."""
    some = range(len(table)) if rows is None else rows
    said = [(quantity.key, np.round(quantity.values, DECIMALS).tolist()) for quantity in quantities(table)]
    return [
        _place(table, i) | {key: values[i] for key, values in said} | {"vector": table.vector[i].tolist()} for i in some
    ]


def header_fields(header: Header) -> dict[str, Any]:
    """What holds for all rows: the fields of a header as JSON has them, numbers exact."""
    return {
        "model": header.model,
        "weights_hash": header.weights_hash.hex() if any(header.weights_hash) else None,
        "statistics": header.statistics,
        "sample_rate_hz": header.sample_rate,
        "channels": header.channels,
        "gains": [list(row) for row in header.gains] or None,
        "n_samples": header.n_samples,
        "time_unit": list(header.time_unit.as_integer_ratio()),
        "step": list(header.step),
        "seed": header.seed,
        "noise": list(header.noise) or None,
        "tags": dict(header.tags),
    }


def _place(table: EventTable, i: int) -> dict[str, Any]:
    values = i, float(table.time[i]), int(table.channel[i]), float(table.amplitude[i])
    return dict(zip(PLACE, values, strict=True))


@dataclass(frozen=True)
class Named:
    """A named quantity as rows have it: key, name and unit as of `Quantity`; how it comes from a dim's number.

    of_physical: float64 [n] in the dim's unit → in the row's unit; to_physical: back, nan for a number that cannot be.
    """

    dim: Dim
    key: str
    name: str
    unit: str
    of_physical: Callable[[Floats], Floats]
    to_physical: Callable[[Floats], Floats]

    def values(self, vector: NDArray[np.float32]) -> Floats:
        """float64 [n]: what vectors [n, 32] say, within the range that the decoder takes."""
        return self.of_physical(self.dim.heard(vector))

    def numbers(self, values: Floats) -> Floats:
        """float64 [n]: the vectors' numbers that say this; nan where there is none."""
        return (self.to_physical(values) - self.dim.offset) / self.dim.scale


def named(layout: Layout) -> list[Named]:
    """The named quantities of a preset, but for the coefficients of a spectrum."""
    return [_named(dim) for dim in layout.dims.values() if dim.unit != "1"]


def _named(dim: Dim) -> Named:
    name, unit = dim.name, dim.unit
    if unit.startswith("log2 "):
        unit = unit.removeprefix("log2 ")
        name = name.removesuffix(f"_log2_{unit}")
        return Named(dim, f"{name}_{unit}", name, unit, np.exp2, _log2)
    if name == "f0_semitones":
        return Named(
            dim, "f0_hz", "f0", "Hz", lambda x: 110.0 * np.exp2(x / 12), lambda f0_hz: 12 * _log2(f0_hz / 110.0)
        )
    if name == "kind":  # 1 a note, 0 a drum, -1 a tone
        return Named(dim, name, name, "", _kind, _same)
    if unit.startswith("above "):  # yes or no
        return Named(dim, name, name, "", lambda x: (x > BEGINS_ABOVE).astype(np.float64), _same)
    return Named(dim, name, name.rpartition("_")[0], unit.replace("semitones", "st"), _same, _same)


def _log2(values: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(values > 0, np.log2(values), np.nan)


def _kind(values: Floats) -> Floats:
    return np.where(values > NOTE_ABOVE, 1.0, np.where(values < TONE_BELOW, -1.0, 0.0))


def _same(values: Floats) -> Floats:
    return values
