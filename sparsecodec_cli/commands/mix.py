"""`sic mix`: .sic files at once."""

from __future__ import annotations

import click

from sparsecodec_cli import api

from .edited import write_edited
from .options import (
    FINITE,
    NOT_NEGATIVE,
    SECONDS,
    FiniteFloat,
    output_options,
    sic_inputs_argument,
    sic_output_argument,
)


@click.command(name="mix")
@sic_inputs_argument
@sic_output_argument(required=True)
@click.option(
    "--at",
    "offsets_s",
    type=NOT_NEGATIVE,
    multiple=True,
    metavar=SECONDS,
    help="When a file begins: give it once for each IN, in their order. [default: all at 0]",
)
@click.option(
    "--gain",
    "gains_db",
    type=FINITE,
    multiple=True,
    metavar="DB",
    help="How much louder a file is, or softer with a negative number: give it once for each IN, in their order."
    " [default: 0 for all]",
)
@click.option(
    "--pan",
    "pans",
    type=FiniteFloat(min=-1, max=1),
    multiple=True,
    metavar="P",
    help="Where a file is in a stereo mix, from -1 (left) to 1 (right): give it once for each IN, in their order."
    " [default: mono in all channels]",
)
@output_options
def command(
    input_paths: tuple[str, ...],
    output_path: str,
    offsets_s: tuple[float, ...],
    gains_db: tuple[float, ...],
    pans: tuple[float, ...],
    force: bool,
    quiet: bool,
) -> None:
    """Mix .sic files: all sound at once.

    \b
    Examples:
      sic mix voice.sic music.sic both.sic
      sic mix voice.sic music.sic both.sic --gain 0 --gain -12
      sic mix a.sic b.sic c.sic round.sic --at 0 --at 4 --at 8
      sic mix left.sic right.sic stereo.sic --pan -1 --pan 1

    OUT sounds as the sum of the files, in whatever order they come. They must be of one preset and its weights. Mono
    is heard in all channels of the others; the sample rate is the highest. A tag stays unless two files differ in it.
    """
    for name, given in (("--at", offsets_s), ("--gain", gains_db), ("--pan", pans)):
        if len(given) not in (0, len(input_paths)):
            raise click.UsageError(
                f"{name} is given {len(given)} time{'s' * (len(given) != 1)} for {len(input_paths)}"
                f" input{'s' * (len(input_paths) != 1)}; give it once for each, or not at all."
            )

    from sparsecodec_cli.errors import about
    from sparsecodec_cli.io.sic_files import read_joinable

    tables = read_joinable(input_paths)
    with about(input_paths[0]):
        table = api.mix(tables, offsets_s=offsets_s or None, gains_db=gains_db or None, pans=pans or None)
    write_edited(table, output_path, input_paths=input_paths, about_path=input_paths[0], force=force, quiet=quiet)
