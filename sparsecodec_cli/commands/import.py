"""`sic import`: events from files of other programs."""

from __future__ import annotations

import click

from sparsecodec_cli import api

from .options import FILE, default_of, exchange_format_option, input_argument, output_options, sic_output_argument


@click.command(name="import")
@input_argument
@sic_output_argument(required=True)
@exchange_format_option("Format of IN. [default: as IN ends]")
@click.option(
    "--like",
    "like",
    type=FILE,
    metavar="SIC",
    help="A .sic file that says what IN does not: rates, length, quantiser's steps, tags.",
)
@click.option(
    "--by-name",
    is_flag=True,
    default=default_of(api.import_, "by_name"),
    help="Where a named quantity, such as f0_hz, says something else than the vector beside it, follow the name.",
)
@output_options
def command(
    input_path: str,
    output_path: str,
    format: str | None,
    like: str | None,
    by_name: bool,
    force: bool,
    quiet: bool,
) -> None:
    """Make a .sic file of a table of events, as 'sic export' writes it.

    \b
    Examples:
      sic import talk.csv talk.sic
      sic import talk.csv higher.sic --by-name        # f0_hz was changed
      sic import events.parquet new.sic --like talk.sic

    IN is a .json, .csv, .npz or .parquet file, or '-' with --format. Columns and rows may be in any order, and most
    of them may be missing: docs/exchange.md tells which. What IN cannot mean is refused, with the row.
    """
    from sparsecodec_cli.errors import about, shown
    from sparsecodec_cli.io import exchange_names

    kind = exchange_names.format_of(input_path, format)
    if kind not in exchange_names.TABLES:
        endings = ", ".join(end for end, kind in exchange_names.EXTENSIONS.items() if kind in exchange_names.TABLES)
        raise click.UsageError(f"{shown(input_path)}: IN must end in {endings}, or give --format.")

    from sparsecodec_cli import exchange
    from sparsecodec_cli.io.files import open_input, open_output, seekable
    from sparsecodec_cli.io.progress import note
    from sparsecodec_cli.io.sic_files import open_events

    from . import summary

    exchange.check_format(kind)
    header = None
    if like is not None:
        with open_events(like) as reader:
            header = reader.header
    with open_input(input_path) as file, seekable(file) as whole:
        events = exchange.read_events(whole, kind, like=header, by_name=by_name)
    inputs = [path for path in (input_path, like) if path is not None]
    with open_output(output_path, force=force, input_paths=inputs) as out, about(input_path):
        n_bytes = exchange.write_sic(events, out)
    note(summary.of_table(output_path, events.table, n_bytes), quiet=quiet)
