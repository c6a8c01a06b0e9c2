"""The lines that commands print on stderr when they are done."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sparsecodec_cli.errors import counted, one_line, shown, shown_output

if TYPE_CHECKING:
    from sparsecodec_cli.coded_share import CodedShare
    from sparsecodec_cli.report.write import PageFacts
    from sparsecodec_formats.container import Written
    from sparsecodec_formats.header import Header
    from sparsecodec_formats.table import EventTable


def of_table(output_path: str, table: EventTable, n_bytes: int) -> str:
    return of_written(output_path, table.header, len(table), n_bytes)


def of_written(output_path: str, header: Header, n_events: int, n_bytes: int) -> str:
    duration_s = header.duration_s
    rates = f" ({n_events / duration_s:.1f} a second), {8e-3 * n_bytes / duration_s:.2f} kbit/s" if duration_s else ""
    what = f"{duration_s:.2f} s, {n_bytes} bytes, {counted(n_events, 'event')}{rates}, model {one_line(header.model)}"
    return f"{shown_output(output_path)}: {what}"


def of_exported(output_path: str, table: EventTable, n: int, what: str) -> str:
    """what: one of that which is counted, such as a note."""
    return f"{shown_output(output_path)}: {counted(n, what)}, {table.duration_s:.2f} s"


def of_drums(input_path: str, n_drums: int) -> str:
    strokes = "1 stroke of a drum is" if n_drums == 1 else f"{n_drums} strokes of drums are"
    return f"sic: note: {shown(input_path)}: {strokes} left out: they have no pitch to play"


def of_stems(output_path: str, table: EventTable, n_stems: int, n_all: int, what: str, top: int | None) -> str:
    """n_all: of which there are so many, each a `what`; top: how many with most energy were asked for; None: all."""
    stems = counted(n_stems, "stem") + ("" if top is None else f" of {counted(n_all, what)}")
    n_silent = n_all - n_stems if top is None or n_stems < top else 0
    silent = f"; 1 {what} is not heard" if n_silent == 1 else f"; {n_silent} {what}s are not heard"
    return f"{shown_output(output_path)}: {stems}, {table.duration_s:.2f} s{silent if n_silent else ''}"


def of_page(place: str, facts: PageFacts) -> str:
    """place: as messages show it."""
    counts = f"{counted(facts.n_events, 'event')}, {counted(facts.n_examples, 'example')}"
    return f"{place}: {counts}, {facts.n_bytes / 1e6:.1f} MB"


def of_limiting(output_path: str, n_over: int, least_gain: float) -> str:
    values = "1 value was" if n_over == 1 else f"{n_over} values were"
    softer_db = -20 * math.log10(least_gain)
    return (
        f"sic: warning: {shown_output(output_path)}: {values} beyond full scale; the sound about them is up to"
        f" {softer_db:.1f} dB softer; use 'sic transform --gain {-softer_db:.1f}' to lower all of it alike"
    )


def of_cut_tags(output_path: str, names: Sequence[str]) -> str:
    """names: of tags that are longer than `output_path` can hold."""
    tags = f"the tag {names[0]} was" if len(names) == 1 else f"the tags {', '.join(names)} were"
    return f"sic: warning: {shown_output(output_path)}: {tags} too long and cut; use --no-tags to leave out all"


MUCH_SMALLER, SOME_EVENTS_BYTES = 0.9, 40  # than asked for; what more events would have taken


def of_bitrate(output_path: str, written: Written, asked_kbps: float, least_kbps: float) -> str | None:
    """What a limit for the bitrate has come to, where that is not what was asked for. least_kbps: of the preset."""
    name, model = shown_output(output_path), one_line(written.header.model)
    n_bytes, duration_s = written.n_bytes, written.header.duration_s
    asked_bytes, kbps = 125 * asked_kbps * duration_s, 8e-3 * n_bytes / duration_s
    if n_bytes > asked_bytes:  # silence, which is all that is coded above the limit
        return (
            f"sic: warning: {name}: takes {kbps:.2f} kbit/s, more than {asked_kbps:g}: in so short a file the header"
            " alone does"
        )
    if written.n_events and asked_kbps < least_kbps:
        return (
            f"sic: warning: {name}: {asked_kbps:g} kbit/s are too few for {model} to tell much; give at least"
            f" {least_kbps:g} (--bitrate)"
        )
    if written.n_events and n_bytes < MUCH_SMALLER * asked_bytes - SOME_EVENTS_BYTES:
        return f"sic: note: {name}: takes {kbps:.2f} of {asked_kbps:g} kbit/s: {model} has no more to say of this sound"
    return None


def of_uncoded(output_path: str, coded: CodedShare, model: str, limit: str) -> str:
    """model: the preset that was used; limit: the option with which more can be coded."""
    what = (
        f"sic: warning: {shown_output(output_path)}: {100 * (1 - coded.share):.0f} % of the sound's energy is not coded"
    )
    if coded.missing_above > 0.5:
        return f"{what}, most of it above {coded.highest_hz / 1000:.0f} kHz, where '{one_line(model)}' codes nothing"
    other = {"speech": "music", "music": "speech"}.get(model, "speech")
    return f"{what}; try --model {other} or a higher {limit}"
