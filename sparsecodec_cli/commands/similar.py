"""`sic similar`: the events or segments that sound most like a given one."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import click

from sparsecodec_cli import api

from .options import default_of, json_option, sic_inputs_argument

if TYPE_CHECKING:
    from sparsecodec_formats.edit.nearest import By, Similar


@click.command(name="similar")
@sic_inputs_argument
@click.option(
    "--to",
    type=click.IntRange(min=0),
    metavar="N",
    required=True,
    help="Look for what is like event N of the first IN.",
)
@click.option(
    "--by",
    type=click.Choice(["event", "segment"]),
    default=default_of(api.similar, "by"),
    show_default=True,
    help="Compare events, or segments: notes, syllables, bursts.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    metavar="N",
    default=default_of(api.similar, "top"),
    show_default=True,
    help="Print the N nearest.",
)
@json_option
def command(input_paths: tuple[str, ...], to: int, by: By, top: int, as_json: bool) -> None:
    """List the events or segments that sound most like a given one.

    \b
    Examples:
      sic similar talk.sic --to 12
      sic similar talk.sic more.sic other.sic --to 3 --by segment --top 5
      sic similar tune.sic --to 0 --by segment --json | jq '.similar[0]'

    The first line is the one asked about, the others are of all IN, the nearest first. Distance is by pitch, level,
    length, spectrum and what else vectors tell; 1 is a difference that is plainly heard. All IN are of the same model.
    """
    from sparsecodec_cli.errors import about
    from sparsecodec_cli.io.sic_files import read_joinable
    from sparsecodec_cli.io.weights_files import weights_beside

    tables = read_joinable(input_paths)
    with about(input_paths[0]), weights_beside(*input_paths):
        asked, found = api.similar(tables, to, by=by, top=top)
    if as_json:
        told = {"to": _as_dict(asked, by, input_paths), "similar": [_as_dict(one, by, input_paths) for one in found]}
        click.echo(json.dumps(told, indent=2))
    else:
        _print([asked, *found], by, input_paths)


def _as_dict(one: Similar, by: By, paths: tuple[str, ...]) -> dict[str, Any]:
    from sparsecodec_cli.errors import shown

    numbers = {name: getattr(one, name) for name in ("distance", "start_s", "end_s", "f0_hz", "level_db")}
    finite = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
    return {"file": shown(paths[one.table]), by: one.index, **finite}


def _print(lines: list[Similar], by: By, paths: tuple[str, ...]) -> None:
    from sparsecodec_cli.errors import shown

    rows: list[tuple[str, ...]] = [(by, "distance", "start s", "end s", "pitch Hz", "level dB", "file")]
    for one in lines:
        pitch = f"{one.f0_hz:.1f}" if math.isfinite(one.f0_hz) else "-"
        times = (f"{one.start_s:.3f}", f"{one.end_s:.3f}")
        rows.append(
            (str(one.index), f"{one.distance:.2f}", *times, pitch, f"{one.level_db:.1f}", shown(paths[one.table]))
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    for *cells, name in rows:
        click.echo("  ".join([*(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)), name]))
