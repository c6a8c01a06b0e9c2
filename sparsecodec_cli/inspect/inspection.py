"""What `sic inspect` finds in a file, as numbers and names."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO

from sparsecodec_formats.container.accounting import Spending, read_and_account
from sparsecodec_formats.errors import SicError
from sparsecodec_formats.presets import Layout, layout_of
from sparsecodec_formats.table import EventTable

if TYPE_CHECKING:  # imported where they are looked for
    import numpy as np
    from numpy.typing import NDArray

    from sparsecodec_formats.interchange.notes import Note
    from sparsecodec_formats.segments import Segments

KINDS = {1: "note", 0: "drum", -1: "tone"}
"""Of events of `music`, as `interchange.rows.quantities` numbers them."""


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
        """Read a .sic file; FormatError when it is damaged."""
        table, spent = read_and_account(file)
        try:
            layout = layout_of(table.header)
        except SicError:
            layout = None
        return cls(table, spent, layout)

    @property
    def notes(self) -> list[Note]:
        """Empty for a preset that this version does not know."""
        from sparsecodec_formats.interchange.notes import notes_of

        return [] if self.layout is None else notes_of(self.table)

    @cached_property
    def segments(self) -> Segments:
        """SicError for a preset that tells no links."""
        from sparsecodec_cli.segmenting import segments_of

        return segments_of(self.table)

    @cached_property
    def pitched(self) -> NDArray[np.bool_]:
        """bool [n], which events have a pitch, as far as it is known: without the weights of `speech`, all from the
        first that was found on. SicError for a preset whose numbers have no names."""
        from sparsecodec_cli.segmenting import voiced_of
        from sparsecodec_formats.presets import layout_of
        from sparsecodec_formats.presets.layout import NOTE_ABOVE
        from sparsecodec_formats.presets.voices import pitched_by_numbers

        layout, voiced = layout_of(self.table.header), voiced_of(self.table)
        if voiced is not None:
            return voiced
        if layout.events_are_notes:
            return layout.physical(self.table, "kind") > NOTE_ABOVE
        return pitched_by_numbers(self.table)

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


def as_json(inspection: Inspection, *, with_segments: bool = False) -> str:
    """The whole inspection as JSON text, an event, note or segment a line; docs/cli.md lists the keys, which stay the
    same. with_segments: SicError for a preset that tells no links."""
    from sparsecodec_formats.interchange.notes import note_rows
    from sparsecodec_formats.interchange.rows import event_rows, header_fields
    from sparsecodec_formats.interchange.segment_rows import segment_rows

    table = inspection.table
    head = {
        "header": header_fields(table.header) | {"duration_s": table.duration_s},
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
    lists = {"events": event_rows(table), "notes": note_rows(inspection.notes)}
    if with_segments:
        lists["segments"] = segment_rows(inspection.segments)
    for key, rows in lists.items():
        lines += f",\n  {json.dumps(key)}: [\n" + ",\n".join(f"    {json.dumps(row)}" for row in rows) + "\n  ]"
    return f"{{\n{lines}\n}}"


def _rounded(n_bytes: float | None) -> float | None:
    return None if n_bytes is None else round(n_bytes, 3)
