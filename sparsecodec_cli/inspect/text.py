"""`sic inspect` for people: what was found, in lines of text."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from sparsecodec_cli.errors import counted, one_line
from sparsecodec_cli.io.screen import Line, Screen, print_lines, stdout_screen

from .inspection import KINDS, Inspection
from .picture_text import LABEL_WIDTH, NEEDED, picture_lines, roll_lines


def print_inspection(inspection: Inspection, name: str) -> None:
    """Print header, bitrate by part, and the picture, as wide as the terminal (80 where there is none)."""
    screen = stdout_screen()
    print_lines(_lines(inspection, name, screen), screen)


def _lines(inspection: Inspection, name: str, screen: Screen) -> Iterator[Line]:
    yield [(name, "bold")]
    for label, value in _facts(inspection):
        yield [(f"  {label:<10}", "cyan"), (value, "")]
    yield []
    yield from _parts(inspection)
    yield from _picture(inspection, screen)


def _facts(inspection: Inspection) -> Iterator[tuple[str, str]]:
    table, header = inspection.table, inspection.table.header
    weights = header.weights_hash.hex() if any(header.weights_hash) else "none"
    yield "model", f"{header.model}, weights {weights}"
    kind = {1: "mono", 2: "stereo"}.get(header.channels, f"{header.channels} channels")
    if header.gains:
        kind += f" from {counted(header.streams, 'stream')}"
    yield "source", f"{header.duration_s:.3f} s, {header.sample_rate} Hz, {kind}, {counted(header.n_samples, 'sample')}"
    yield "events", f"{len(table)}{_per_second(inspection.events_per_second)}{_kinds(inspection)}"
    yield "times", f"in steps of {1e3 * float(header.time_unit):.4g} ms"
    low, high = min(header.step), max(header.step)
    yield "vectors", f"in steps of {low:.4g}" + (f" to {high:.4g}" if high > low else "")
    yield "coding", f"statistics {header.statistics}" if header.statistics else "without statistics"
    yield "seed", str(header.seed)
    for key, value in header.tags.items():
        yield "tag", one_line(f"{key}={value}")


def _kinds(inspection: Inspection) -> str:
    """How many of the events are what, where the preset tells."""
    if inspection.layout is None or "kind" not in inspection.layout.dims:
        return ""
    from sparsecodec_formats.interchange.rows import quantities

    said = next(quantity.values for quantity in quantities(inspection.table) if quantity.key == "kind")
    counts = [(int((said == kind).sum()), name) for kind, name in sorted(KINDS.items(), reverse=True)]
    words = [counted(count, name) for count, name in counts if count]
    return f": {', '.join(words)}" if words else ""


def _per_second(rate: float | None) -> str:
    return "" if rate is None else f", {rate:.1f} a second"


def _parts(inspection: Inspection) -> Iterator[Line]:
    spent, ideal = inspection.spent, inspection.spent.ideal or {}
    ideal_title = "ideal" if ideal else ""
    yield [(f"  {'part':<16}{'bytes':>8}{'kbit/s':>9}{ideal_title:>9}", "cyan")]
    for name, n_bytes in [*spent.parts.items(), ("whole", inspection.n_bytes)]:
        rate = inspection.bitrate_kbps(n_bytes)
        best = f"{ideal[name]:9.1f}" if name in ideal else ""
        yield [(f"  {name:<16}{n_bytes:>8}{'-' if rate is None else format(rate, '.3f'):>9}{best}", "")]
        for dim, n_dim_bytes, least in _largest_dims(inspection) if name == "vectors" else ():
            rate = inspection.bitrate_kbps(n_dim_bytes)
            share = "-" if rate is None else format(rate, ".3f")
            yield [(f"    {dim:<14}{n_dim_bytes:>8.1f}{share:>9}{least:9.1f}", "")]


def _largest_dims(inspection: Inspection) -> list[tuple[str, float, float]]:
    """(Name, bytes, ideal bytes) of vectors' numbers: one line for all the coefficients of a spectrum."""
    rows: dict[str, tuple[float, float]] = {}
    for dim, (n_bytes, ideal) in inspection.spent.dims.items():
        name = "shape" if dim.startswith("shape_") else dim.removesuffix("_log2_s").split("_")[0]
        so_far = rows.get(name, (0.0, 0.0))
        rows[name] = so_far[0] + n_bytes, so_far[1] + ideal
    return [(name, *both) for name, both in rows.items()]


def _picture(inspection: Inspection, screen: Screen) -> Iterator[Line]:
    """A piano roll of notes, levels of other events; nothing of a preset that is not known here."""
    if inspection.layout is None:
        return
    ascii_only = not _can_encode(NEEDED)
    width = max(10, screen.width - LABEL_WIDTH)
    how = {"ascii_only": ascii_only, "coloured": screen.depth is not None}
    table = inspection.table
    if inspection.layout.events_are_notes:
        from .piano_roll import piano_roll

        panels = 2 if table.header.streams == 2 <= table.header.channels else 1
        roll = piano_roll(inspection.notes, table.duration_s, panels, width, ascii_only=ascii_only)
        if roll is not None:
            yield from _title("notes over time")
            yield from roll_lines(roll, **how)
        return
    from .picture import picture

    drawn = picture(table, inspection.layout, width, ascii_only=ascii_only)
    if drawn is not None:
        yield from _title(f"level of {'voices' if 'begins' in inspection.layout.dims else 'events'} over time")
        yield from picture_lines(drawn, **how)


def segment_roll(inspection: Inspection) -> Iterator[Line]:
    """Segments as a piano roll, as wide as the terminal, those without a pitch in a row at the bottom; nothing where
    there are none."""
    from sparsecodec_formats.interchange.notes import segment_notes

    from .piano_roll import piano_roll

    screen, table, segments = stdout_screen(), inspection.table, inspection.segments
    ascii_only = not _can_encode(NEEDED)
    width = max(10, screen.width - LABEL_WIDTH)
    notes = segment_notes(table, segments, with_unvoiced=True)
    roll = piano_roll(notes, table.duration_s, table.header.streams, width, ascii_only=ascii_only)
    if roll is not None:
        yield from _title("segments over time")
        yield from roll_lines(roll, ascii_only=ascii_only, coloured=screen.depth is not None)


def _title(title: str) -> Iterator[Line]:
    yield []
    yield [(f"  {title}", "cyan")]


def _can_encode(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True
