"""`sic import`: events from files of other programs."""

from __future__ import annotations

import click
from click.core import ParameterSource

from sparsecodec_cli import api
from sparsecodec_cli.io import exchange_names

from .options import (
    FILE,
    FINITE,
    default_of,
    exchange_format_option,
    input_argument,
    output_options,
    sic_output_argument,
)


@click.command(name="import")
@input_argument
@sic_output_argument(required=True)
@exchange_format_option("Format of IN. [default: as IN ends]", exchange_names.READABLE)
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
@click.option(
    "--instrument",
    type=FILE,
    metavar="SIC",
    help="A .sic file of speech or music whose segments play the notes of a MIDI file.",
)
@click.option(
    "--contour",
    type=FINITE,
    metavar="F",
    default=default_of(api.import_, "contour"),
    show_default=True,
    help="With --instrument: how far the pitch of each sound goes from its note's, in multiples of how far it goes in"
    " SIC; 0 is a steady pitch.",
)
@output_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    input_path: str,
    output_path: str,
    format: str | None,
    like: str | None,
    by_name: bool,
    instrument: str | None,
    contour: float,
    force: bool,
    quiet: bool,
) -> None:
    """Make a .sic file of a table of events, as 'sic export' writes it, or of the notes of a MIDI file.

    \b
    Examples:
      sic import talk.csv talk.sic
      sic import talk.csv higher.sic --by-name        # f0_hz was changed
      sic import events.parquet new.sic --like talk.sic
      sic import song.mid sung.sic --instrument talk.sic
      sic import song.mid sung.sic --instrument talk.sic --contour 0.2

    IN is a .json, .csv, .npz or .parquet file, or '-' with --format. Columns and rows may be in any order, and most
    of them may be missing: docs/exchange.md tells which. What IN cannot mean is refused, with the row.

    Notes of a .mid or .midi file are played by the segments of --instrument, each by that which is nearest in pitch:
    transposed, as loud as its velocity says, held or cut to its length. Drums (channel 10) are left out.
    """
    from sparsecodec_cli.errors import about, shown

    kind = exchange_names.format_of(input_path, format)
    if kind not in exchange_names.READABLE:
        endings = ", ".join(end for end, kind in exchange_names.EXTENSIONS.items() if kind in exchange_names.READABLE)
        raise click.UsageError(f"{shown(input_path)}: IN must end in {endings}, or give --format.")
    if kind == "midi" and instrument is None:
        raise click.UsageError("MIDI needs --instrument, a .sic file that plays the notes.")
    if kind != "midi" and instrument is not None:
        raise click.UsageError("--instrument goes with MIDI.")
    if kind != "midi" and ctx.get_parameter_source("contour") is not ParameterSource.DEFAULT:
        raise click.UsageError("--contour goes with MIDI.")
    if kind == "midi" and (like is not None or by_name):
        raise click.UsageError("--like and --by-name go with tables, not with MIDI.")

    from sparsecodec_cli import exchange
    from sparsecodec_cli.io.files import open_input, open_output, seekable
    from sparsecodec_cli.io.progress import note
    from sparsecodec_cli.io.sic_files import open_events, read_table
    from sparsecodec_cli.io.weights_files import weights_beside

    from . import summary

    exchange.check_format(kind)
    n_drums = 0
    if instrument is not None:
        table = read_table(instrument)
        with open_input(input_path) as file:
            notes, n_drums = exchange.notes_of_midi(file)
        with about(instrument), weights_beside(instrument):
            events = exchange.play(notes, table, contour=contour)
    else:
        header = None
        if like is not None:
            with open_events(like) as reader:
                header = reader.header
        with open_input(input_path) as file, seekable(file) as whole:
            events = exchange.read_events(whole, kind, like=header, by_name=by_name)
    inputs = [path for path in (input_path, like, instrument) if path is not None]
    with open_output(output_path, force=force, input_paths=inputs) as out, about(input_path):
        n_bytes = exchange.write_sic(events, out)
    note(summary.of_table(output_path, events.table, n_bytes), quiet=quiet)
    if n_drums:
        note(summary.of_drums(input_path, n_drums), quiet=quiet)
