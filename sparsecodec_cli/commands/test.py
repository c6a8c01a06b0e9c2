"""`sic test`: whether files are sound."""

from __future__ import annotations

import click

from sparsecodec_cli import api

from .options import device_option, quiet_option


@click.command(name="test")
@click.argument("paths", metavar="FILE...", nargs=-1, required=True)
@click.option("--decode", is_flag=True, help="Also decode each file, without writing anything. This loads its model.")
@device_option
@quiet_option
@click.pass_context
def command(ctx: click.Context, paths: tuple[str, ...], decode: bool, device: str, quiet: bool) -> None:
    """Check that .sic files are complete and undamaged.

    \b
    Examples:
      sic test talk.sic
      sic test *.sic && echo all are sound
      sic test --decode talk.sic

    Prints a line for each file: 'ok', or what is wrong. With -q, only damaged files are printed. The exit code is 1
    if any file is damaged.
    """
    from sparsecodec_cli.errors import one_line, shown

    n_bad = 0
    for path in paths:
        problems = problems_of(path, decode=decode, device=device)
        n_bad += bool(problems)
        if problems or not quiet:
            click.echo(f"{shown(path)}: {one_line('; '.join(problems)) or 'ok'}")
    if n_bad and len(paths) > 1:
        click.echo(f"sic: {n_bad} of {len(paths)} files are not sound", err=True)
    ctx.exit(1 if n_bad else 0)


def problems_of(path: str, *, decode: bool, device: str) -> list[str]:
    """Every problem of the file at `path`, one line each; so also that it cannot be opened, or its model."""
    from sparsecodec_cli import SicError
    from sparsecodec_cli.errors import describe, shown
    from sparsecodec_cli.io.sic_files import open_sic
    from sparsecodec_cli.io.weights_files import folder_of

    try:
        with open_sic(path) as file:
            return api.verify(file, decode=decode, device=device, weights_beside=folder_of(path))
    except (SicError, OSError, MemoryError) as error:
        return [describe(error).removeprefix(f"{shown(path)}: ")]
