"""`sic randomize`: the author's two experiments."""

from __future__ import annotations

import click

from sparsecodec_cli.options import input_argument, output_argument, output_options, seed_option


@click.command(name="randomize")
@input_argument
@output_argument(required=True)
@click.option("--times", is_flag=True, help="Strew the events evenly over the length of the recording.")
@click.option(
    "--vectors",
    is_flag=True,
    help="Draw every number of a vector between the smallest and largest that IN has of it.",
)
@seed_option("The same seed gives the same OUT.")
@output_options
def command(input_path: str, output_path: str, times: bool, vectors: bool, seed: int, force: bool, quiet: bool) -> None:
    """Draw the times or the sounds of all events anew.

    \b
    Examples:
      sic randomize talk.sic strewn.sic --times            # same sounds, other times
      sic randomize talk.sic babble.sic --vectors --seed 3 # same rhythm, other sounds

    Both flags may be given; all else stays as it is.
    """
    if not (times or vectors):
        raise click.UsageError("Give --times, --vectors or both.")

    from sparsecodec_cli.errors import about
    from sparsecodec_cli.io.progress import note
    from sparsecodec_cli.io.sic_files import read_table, write_table
    from sparsecodec_formats import edit

    from . import summary

    table = read_table(input_path)
    with about(input_path):
        if times:
            table = edit.randomize_times(table, seed)
        if vectors:
            table = edit.randomize_vectors(table, seed)
    n_bytes = write_table(table, output_path, force=force, input_path=input_path)
    note(summary.of_table(output_path, table, n_bytes), quiet=quiet)
