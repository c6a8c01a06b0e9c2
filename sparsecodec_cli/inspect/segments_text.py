"""The segments of a file as a table for people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparsecodec_cli.io.screen import print_lines, stdout_screen
from sparsecodec_formats.interchange.notes import MIDI_OF_110_HZ, note_name_and_cents
from sparsecodec_formats.interchange.segment_rows import segment_rows

from .inspection import Inspection
from .text import segment_roll


def print_segments(inspection: Inspection, where: NDArray[np.bool_] | None = None) -> None:
    """Print a line for each segment, and a piano roll of them; or lines for those with an event of a mask, bool [n].
    SicError for a preset that tells no links."""
    rows = segment_rows(inspection.segments)
    columns = [
        ("segment", "", [str(row["index"]) for row in rows]),
        ("start", "s", [f"{row['start_s']:.3f}" for row in rows]),
        ("end", "s", [f"{row['end_s']:.3f}" for row in rows]),
        ("kind", "", [row["kind"] for row in rows]),
        ("f0", "Hz", [_number(row["f0_hz"], ".2f") for row in rows]),
        ("note", "cents", [_note(row["f0_hz"]) for row in rows]),
        ("course", "st", [_number(row["f0_course_semitones"], "+.2f") for row in rows]),
        ("level", "dB", [_number(row["level_db"], ".2f") for row in rows]),
        ("repeats", "", ["-" if row["repeats"] is None else str(row["repeats"]) for row in rows]),
        ("event", "", [str(row["event"]) for row in rows]),
        ("events", "", [str(row["n_events"]) for row in rows]),
    ]
    if inspection.table.header.streams > 1:
        columns.insert(1, ("channel", "", [str(row["channel"]) for row in rows]))
    widths = [max(7, len(name), len(unit), *map(len, cells)) for name, unit, cells in columns]
    names, units, cells_of = zip(*columns, strict=True)
    lines = list(zip(*cells_of, strict=True))
    if where is not None:
        lines = [lines[i] for i in np.unique(inspection.segments.number[where]).tolist()]
    for line in (names, units, *lines):
        print(" ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    roll = list(segment_roll(inspection))
    if roll and where is None:
        print_lines(roll, stdout_screen())


def _number(value: float | None, how: str) -> str:
    return "-" if value is None else format(value, how)


def _note(f0_hz: float | None) -> str:
    return "-" if f0_hz is None else note_name_and_cents(MIDI_OF_110_HZ + 12 * float(np.log2(f0_hz / 110)))
