"""The events of a file as a table for people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.interchange.notes import Note, event_notes, note_name_and_cents
from sparsecodec_formats.interchange.rows import Quantity, quantities

from .inspection import KINDS, Inspection


def print_events(inspection: Inspection, where: NDArray[np.bool_] | None = None) -> None:
    """Print a line for each event, or for those of a mask, bool [n]: time, channel, and the quantities that the preset
    names, and those of notes."""
    table = inspection.table
    columns = [("event", "", [str(i) for i in range(len(table))]), ("time", "s", [f"{t:.4f}" for t in table.time])]
    if table.header.streams > 1:
        columns.append(("channel", "", [str(channel) for channel in table.channel]))
    found = quantities(table)
    for quantity in found:
        columns.append(_column(quantity))
        if quantity.name == "f0" and inspection.layout is not None and inspection.layout.events_are_notes:
            columns.append(("note", "cents", [_note_name(note) for note in event_notes(table)]))
    if not found or (table.amplitude != 1).any():
        columns.append(_column(Quantity("amplitude", "amplitude", "", table.amplitude.astype(np.float64))))
    widths = [max(7, len(name), len(unit), *map(len, cells)) for name, unit, cells in columns]
    names, units, cells_of = zip(*columns, strict=True)
    lines = list(zip(*cells_of, strict=True))
    if where is not None:
        lines = [line for line, is_selected in zip(lines, where, strict=True) if is_selected]
    for line in (names, units, *lines):
        print(" ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def _column(quantity: Quantity) -> tuple[str, str, list[str]]:
    if quantity.key == "kind":
        return quantity.name, "", [KINDS[int(value)] for value in quantity.values]
    decimals = 4 if quantity.unit == "s" else 2
    return quantity.name, quantity.unit, [f"{value:.{decimals}f}" for value in quantity.values]


def _note_name(note: Note | None) -> str:
    if note is None:
        return "-"
    return note_name_and_cents(note.midi) if note.drum is None else note.drum.name
