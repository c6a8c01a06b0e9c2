"""`sic randomize`: the two experiments of Vinyard 2025, with random times and with random vectors."""

from __future__ import annotations

import click

from sparsecodec_cli import api

from .options import input_argument, output_options, seed_option, sic_output_argument


@click.command(name="randomize")
@input_argument
@sic_output_argument(required=True)
@click.option("--times", is_flag=True, help="Draw each event's time uniformly from the length of the recording.")
@click.option(
    "--vectors",
    is_flag=True,
    help="Draw each number of each vector uniformly between its smallest and largest value in IN.",
)
@seed_option("Seed of the draw. The same seed gives the same OUT.", api.randomize)
@output_options
def command(input_path: str, output_path: str, times: bool, vectors: bool, seed: int, force: bool, quiet: bool) -> None:
    """Draw the times or the vectors of all events at random.

    \b
    Examples:
      sic randomize talk.sic times.sic --times             # same sounds, other times
      sic randomize talk.sic babble.sic --vectors --seed 3 # same rhythm, other sounds

    Give --times, --vectors or both. Everything else stays as it is.
    """
    if not (times or vectors):
        raise click.UsageError("Give --times, --vectors or both.")

    from sparsecodec_cli.errors import about
    from sparsecodec_cli.io.files import open_output
    from sparsecodec_cli.io.progress import note
    from sparsecodec_cli.io.sic_files import read_table, write_table

    from . import summary

    table = read_table(input_path)
    with about(input_path):
        table = api.randomize(table, times=times, vectors=vectors, seed=seed)
    with open_output(output_path, force=force, input_paths=[input_path]) as out, about(input_path):
        n_bytes = write_table(table, out)
    note(summary.of_table(output_path, table, n_bytes), quiet=quiet)
