"""`sic randomize`: the two experiments of Vinyard 2025, with random times and with random vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from sparsecodec_cli import api

from .edited import write_edited
from .options import default_of, input_argument, output_options, seed_option, sic_output_argument

if TYPE_CHECKING:
    from sparsecodec_formats.edit.randomize import Within


@click.command(name="randomize")
@input_argument
@sic_output_argument(required=True)
@click.option("--times", is_flag=True, help="Draw each event's time uniformly from the length of the recording.")
@click.option("--vectors", is_flag=True, help="Draw each event's vector as --within says.")
@click.option(
    "--within",
    type=click.Choice(["range", "own", "normal"]),
    default=default_of(api.randomize, "within"),
    show_default=True,
    help="What --vectors draws from: 'range', each number uniformly between its smallest and largest value in IN; "
    "'own', the vectors of IN, in another order; 'normal', a normal distribution fitted to the vectors of IN.",
)
@click.option(
    "--keep-order", is_flag=True, help="With --times: let the events take the drawn times in the order they are in."
)
@seed_option("Seed of the draw. The same seed gives the same OUT.", api.randomize)
@output_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    input_path: str,
    output_path: str,
    times: bool,
    vectors: bool,
    within: Within,
    keep_order: bool,
    seed: int,
    force: bool,
    quiet: bool,
) -> None:
    """Draw the times or the vectors of all events at random.

    \b
    Examples:
      sic randomize talk.sic times.sic --times               # same sounds, other times
      sic randomize talk.sic rhythm.sic --times --keep-order # same sounds in order, other rhythm
      sic randomize talk.sic babble.sic --vectors --seed 3   # same rhythm, other sounds
      sic randomize talk.sic mixed.sic --vectors --within own # same rhythm, sounds of its own

    Give --times, --vectors or both. Everything else stays as it is.
    """
    if not (times or vectors):
        raise click.UsageError("Give --times, --vectors or both.")
    if keep_order and not times:
        raise click.UsageError("--keep-order is for --times.")
    if not vectors and ctx.get_parameter_source("within") is not ParameterSource.DEFAULT:
        raise click.UsageError("--within is for --vectors.")

    from sparsecodec_cli.errors import about
    from sparsecodec_cli.io.sic_files import read_table

    table = read_table(input_path)
    with about(input_path):
        table = api.randomize(table, times=times, vectors=vectors, within=within, keep_order=keep_order, seed=seed)
    write_edited(table, output_path, input_paths=[input_path], about_path=input_path, force=force, quiet=quiet)
