"""`sic test`: whether files are sound."""

from __future__ import annotations

import click

from sparsecodec_cli.options import device_option, quiet_option


@click.command(name="test")
@click.argument("paths", metavar="FILE...", nargs=-1, required=True)
@click.option("--decode", "with_decode", is_flag=True, help="Render each file too, writing nothing; needs its model.")
@device_option
@quiet_option
@click.pass_context
def command(ctx: click.Context, paths: tuple[str, ...], with_decode: bool, device: str, quiet: bool) -> None:
    """Check that .sic files are whole and undamaged.

    \b
    Examples:
      sic test talk.sic
      sic test *.sic && echo all sound
      sic test --decode talk.sic

    Prints a line for each file: 'ok', or what is wrong; with -q the bad ones only. Exits with 1 if there are
    any.
    """
    from sparsecodec_cli.checks import problems_of
    from sparsecodec_cli.errors import one_line, shown

    n_bad = 0
    for path in paths:
        problems = problems_of(path, device=device if with_decode else None)
        n_bad += bool(problems)
        if problems or not quiet:
            click.echo(f"{shown(path)}: {one_line('; '.join(problems)) or 'ok'}")
    if n_bad and len(paths) > 1:
        click.echo(f"sic: {n_bad} of {len(paths)} files are not sound", err=True)
    ctx.exit(1 if n_bad else 0)
