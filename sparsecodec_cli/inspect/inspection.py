"""What `sic inspect` finds in a file, as numbers and names."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats import container
from sparsecodec_formats.container.accounting import Spending, spending
from sparsecodec_formats.errors import SicError
from sparsecodec_formats.presets import Layout, layout_of
from sparsecodec_formats.table import EventTable


@dataclass(frozen=True)
class Column:
    """A quantity of all events: name and unit for people, values [n], key for tables (name and unit)."""

    name: str
    unit: str
    values: NDArray[np.float64]
    key: str


@dataclass(frozen=True)
class Inspection:
    """A file's events, and what its bytes are spent on (see `sparsecodec_formats.spending`).

    `layout` is None for a preset that this version does not know: its vectors are numbers without names.
    """

    table: EventTable
    spent: Spending
    layout: Layout | None

    @classmethod
    def of_file(cls, file: BinaryIO) -> Inspection:
        """Read a seekable .sic file; FormatError when it is damaged."""
        table = container.read(file)
        file.seek(0)
        spent = spending(file)
        try:
            layout = layout_of(table.header)
        except SicError:
            layout = None
        return cls(table, spent, layout)

    @property
    def n_bytes(self) -> int:
        return sum(self.spent.parts.values())

    @property
    def events_per_second(self) -> float | None:
        """None for a recording without samples."""
        return len(self.table) / self.table.duration_s if self.table.duration_s else None

    def bitrate_kbps(self, n_bytes: float) -> float | None:
        """Thousands of bits a second of sound; None for a recording without samples."""
        return 8e-3 * n_bytes / self.table.duration_s if self.table.duration_s else None

    def columns(self) -> list[Column]:
        """See `columns`."""
        return columns(self.table, self.layout)


def columns(table: EventTable, layout: Layout | None) -> list[Column]:
    """The named quantities of the events, logarithms undone; shapes of spectra are left to JSON."""
    named = [] if layout is None else [d for d in layout.dims.values() if d.unit != "1"]
    found = []
    for dim in named:
        values, key = dim.physical(table.vector), dim.name.replace("_log2_", "_")
        if dim.unit.startswith("log2 "):
            unit = dim.unit.removeprefix("log2 ")
            found.append(Column(dim.name.removesuffix(f"_log2_{unit}"), unit, np.exp2(values), key))
        elif dim.name == "begins":
            found.append(Column(dim.name, "0/1", (values > 0.5).astype(np.float64), key))
        else:
            found.append(Column(dim.name.rpartition("_")[0], dim.unit.replace("semitones", "st"), values, key))
    if not named or (table.amplitude != 1).any():
        found.append(Column("amplitude", "1", table.amplitude.astype(np.float64), "amplitude"))
    return found


def as_json(inspection: Inspection) -> str:
    """The whole inspection as JSON text, an event a line; docs/cli.md lists the keys, which stay the same."""
    table, header = inspection.table, inspection.table.header
    head = {
        "header": {
            "model": header.model,
            "weights_hash": header.weights_hash.hex() if any(header.weights_hash) else None,
            "sample_rate_hz": header.sample_rate,
            "channels": header.channels,
            "n_samples": header.n_samples,
            "duration_s": header.duration_s,
            "time_unit_s": float(header.time_unit),
            "step": list(header.step),
            "seed": header.seed,
            "tags": header.tags,
        },
        "bytes": inspection.n_bytes,
        "bitrate_kbps": inspection.bitrate_kbps(inspection.n_bytes),
        "parts": {
            name: {
                "bytes": n_bytes,
                "bitrate_kbps": inspection.bitrate_kbps(n_bytes),
                "ideal_bytes": _rounded((inspection.spent.ideal or {}).get(name)),
            }
            for name, n_bytes in inspection.spent.parts.items()
        },
        "dims": {
            name: {"bytes": _rounded(n_bytes), "ideal_bytes": _rounded(ideal)}
            for name, (n_bytes, ideal) in inspection.spent.dims.items()
        },
        "n_events": len(table),
        "events_per_second": inspection.events_per_second,
    }
    lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items())
    rows = ",\n".join(f"    {json.dumps(event)}" for event in _events(inspection))
    return f'{{\n{lines},\n  "events": [\n{rows}\n  ]\n}}'


def _rounded(n_bytes: float | None) -> float | None:
    return None if n_bytes is None else round(n_bytes, 3)


def _events(inspection: Inspection) -> list[dict[str, Any]]:
    table = inspection.table
    dims = {} if inspection.layout is None else inspection.layout.dims
    physical = {name: np.round(dim.physical(table.vector), 6).tolist() for name, dim in dims.items()}
    columns = zip(
        table.time.tolist(),
        table.channel.tolist(),
        table.amplitude.tolist(),
        table.vector.tolist(),
        strict=True,
    )
    return [
        {
            "index": i,
            "time_s": round(time_s, 9),
            "channel": channel,
            "amplitude": amplitude,
            "physical": {name: values[i] for name, values in physical.items()},
            "vector": vector,
        }
        for i, (time_s, channel, amplitude, vector) in enumerate(columns)
    ]
