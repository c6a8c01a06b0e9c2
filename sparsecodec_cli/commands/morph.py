"""`sic morph`: between two recordings."""

from __future__ import annotations

import click

from sparsecodec_cli import api

from .edited import write_edited
from .options import FILE, FiniteFloat, output_options, sic_output_argument


@click.command(name="morph")
@click.argument("first_path", metavar="A", type=FILE)
@click.argument("second_path", metavar="B", type=FILE)
@sic_output_argument(required=True)
@click.option(
    "--amount",
    type=FiniteFloat(min=0, max=1),
    metavar="X",
    required=True,
    help="How far OUT is on the way from A to B: 0 is A, 1 is B.",
)
@output_options
def command(first_path: str, second_path: str, output_path: str, amount: float, force: bool, quiet: bool) -> None:
    """Make a recording between two others.

    \b
    Examples:
      sic morph a.sic b.sic between.sic --amount 0.5
      sic morph a.sic b.sic nearly-b.sic --amount 0.9

    What is alike in A and B and at about the same place moves from one to the other: its time, pitch, level and
    spectrum. The rest of A fades out with X, that of B fades in. A and B are of the same model and have as many
    channels; the length of OUT is between theirs.
    """
    from sparsecodec_cli.errors import about
    from sparsecodec_cli.io.sic_files import read_joinable
    from sparsecodec_cli.io.weights_files import weights_beside

    first, second = read_joinable([first_path, second_path])
    with about(second_path), weights_beside(first_path, second_path):
        table = api.morph(first, second, amount)
    write_edited(
        table, output_path, input_paths=[first_path, second_path], about_path=output_path, force=force, quiet=quiet
    )
