"""`sic test`: whether files are sound."""

from __future__ import annotations

from typing import BinaryIO

import click

from sparsecodec_cli import api

from .file_work import ManyFiles, are_sic
from .many import many_files
from .options import device_option, model_option, quiet_option


@click.command(name="test")
@many_files(ManyFiles(metavar="FILE...", kind=".sic files", extensions=are_sic, said="are not sound"))
@click.option("--decode", is_flag=True, help="Also decode each file, without writing anything. This loads its model.")
@model_option("With --decode: decode with this file of weights. [default: the shipped weights of FILE's preset]")
@device_option
@quiet_option
@click.pass_context
def command(ctx: click.Context, input_path: str, decode: bool, model: str | None, device: str, quiet: bool) -> None:
    """Check that .sic files are complete and undamaged.

    \b
    Examples:
      sic test talk.sic
      sic test *.sic && echo all are sound
      sic test -r coded --jobs 2 -q
      sic test --decode talk.sic
      sic test --decode talk.sic --model my.safetensors

    Prints a line for each file: 'ok', or what is wrong and how much of it 'sic decode --salvage' renders. With -q, only
    damaged files are printed. The exit code is 1 if any file is damaged.
    """
    if model is not None and not decode:
        raise click.UsageError("--model goes with --decode.")

    from sparsecodec_cli.errors import one_line, shown

    problems = problems_of(input_path, decode=decode, model=model, device=device)
    if problems or not quiet:
        click.echo(f"{shown(input_path)}: {one_line('; '.join(problems)) or 'ok'}")
    ctx.exit(1 if problems else 0)


def salvageable(file: BinaryIO) -> list[str]:
    """How much of a damaged file `sic decode --salvage` renders, in a line; none where that is nothing."""
    from sparsecodec_cli import SicError
    from sparsecodec_cli.errors import counted

    file.seek(0)
    try:
        found = api.salvage(file)
    except SicError:
        return []
    return [f"'sic decode --salvage' renders {counted(len(found.table), 'event')} of it"] if found.missing else []


def problems_of(path: str, *, decode: bool, model: str | None, device: str) -> list[str]:
    """Every problem of the file at `path`, one line each; so also that it cannot be opened, or its model."""
    from sparsecodec_cli import SicError
    from sparsecodec_cli.errors import describe, shown
    from sparsecodec_cli.io.sic_files import open_sic
    from sparsecodec_cli.io.weights_files import weights_beside

    try:
        with open_sic(path) as file, weights_beside(path):
            problems = api.verify(file, decode=decode, model=model, device=device)
            return [*problems, *salvageable(file)] if problems else []
    except (SicError, OSError, MemoryError) as error:
        return [describe(error).removeprefix(f"{shown(path)}: ")]
