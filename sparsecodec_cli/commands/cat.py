"""`sic cat`: .sic files one after the other."""

from __future__ import annotations

import click

from sparsecodec_cli import api

from .edited import write_edited
from .options import NOT_NEGATIVE, SECONDS, default_of, output_options, sic_inputs_argument, sic_output_argument


@click.command(name="cat")
@sic_inputs_argument
@sic_output_argument(required=True)
@click.option(
    "--gap",
    "gap_s",
    type=NOT_NEGATIVE,
    metavar=SECONDS,
    default=default_of(api.cat, "gap_s"),
    show_default=True,
    help="Silence between one file and the next.",
)
@click.option(
    "--carry-on",
    is_flag=True,
    help="Let a file that begins in the middle of a voice, as a cut leaves it, go on with the voice before it.",
)
@output_options
def command(
    input_paths: tuple[str, ...], output_path: str, gap_s: float, carry_on: bool, force: bool, quiet: bool
) -> None:
    """Join .sic files, one after the other.

    \b
    Examples:
      sic cat intro.sic talk.sic show.sic
      sic cat one.sic two.sic three.sic all.sic --gap 0.5
      sic cat first-half.sic second-half.sic whole.sic --carry-on

    The files must be of one preset and its weights. Mono is heard in all channels of the others; the sample rate is
    the highest. A tag stays unless two files differ in it.
    """
    from sparsecodec_cli.errors import about
    from sparsecodec_cli.io.sic_files import read_joinable

    tables = read_joinable(input_paths)
    with about(input_paths[0]):
        table = api.cat(tables, gap_s=gap_s, carry_on=carry_on)
    write_edited(table, output_path, input_paths=input_paths, about_path=input_paths[0], force=force, quiet=quiet)
