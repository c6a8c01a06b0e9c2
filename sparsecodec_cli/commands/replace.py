"""`sic replace`: a mosaic of one recording by another."""

from __future__ import annotations

import click

from sparsecodec_cli import api

from .edited import write_edited
from .options import FILE, output_options, sic_output_argument


@click.command(name="replace")
@click.argument("first_path", metavar="A", type=FILE)
@click.argument("second_path", metavar="B", type=FILE)
@sic_output_argument(required=True)
@click.option("--keep-pitch", is_flag=True, help="Move what comes from B to the pitch of what it stands for.")
@click.option("--keep-level", is_flag=True, help="Make what comes from B as loud as what it stands for.")
@output_options
def command(
    first_path: str,
    second_path: str,
    output_path: str,
    keep_pitch: bool,
    keep_level: bool,
    force: bool,
    quiet: bool,
) -> None:
    """Replace each segment of A by the most similar of B: a mosaic.

    \b
    Examples:
      sic replace talk.sic other.sic mosaic.sic
      sic replace tune.sic other.sic mosaic.sic --keep-pitch --keep-level

    Segments are the notes, syllables and bursts that 'sic similar --by segment' compares. Each of OUT begins when that
    of A does, and is as long as it is in B. What is kept of A does not count in what is similar. A and B are of the
    same model, speech or music.
    """
    from sparsecodec_cli.errors import about
    from sparsecodec_cli.io.sic_files import read_joinable
    from sparsecodec_cli.io.weights_files import weights_beside

    first, second = read_joinable([first_path, second_path])
    with about(second_path), weights_beside(first_path, second_path):
        table = api.replace(first, second, keep_pitch=keep_pitch, keep_level=keep_level)
    write_edited(
        table, output_path, input_paths=[first_path, second_path], about_path=output_path, force=force, quiet=quiet
    )
