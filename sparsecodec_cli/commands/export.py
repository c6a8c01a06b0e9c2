"""`sic export`: the events or the notes of a file, for other programs."""

from __future__ import annotations

import os

import click
from click.core import ParameterSource

from sparsecodec_cli import api
from sparsecodec_cli.io import exchange_names

from .options import FiniteFloat, default_of, exchange_format_option, input_argument, output_argument, output_options


@click.command(name="export")
@input_argument
@output_argument(required=True)
@exchange_format_option("Format of OUT. [default: as OUT ends; of '-' midi]", exchange_names.FORMATS)
@click.option(
    "--tempo",
    "tempo_bpm",
    type=FiniteFloat(min=4, max=1000),
    metavar="BPM",
    default=default_of(api.export, "tempo_bpm"),
    show_default=True,
    help="Tempo of a MIDI file, in beats a minute. It sets where the bars of an editor are, not how long notes last.",
)
@output_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    input_path: str,
    output_path: str,
    format: str | None,
    tempo_bpm: float,
    force: bool,
    quiet: bool,
) -> None:
    """Write a .sic file for other programs: its events as a table, its notes as MIDI, or its segments as labels.

    \b
    Examples:
      sic export talk.sic talk.csv
      sic export song.sic song.mid --tempo 96
      sic export talk.sic talk.TextGrid
      sic export talk.sic - --format json | jq .events[0]

    .json, .csv, .npz and .parquet hold all that the file says: 'sic import' makes the same file of them, byte by byte.
    .mid and .midi hold the notes: each coded channel of the recording is a track. Pitches between those of the
    keyboard are kept by pitch bend of up to 2 semitones, drums are on channel 10. Of a recording of speech each
    syllable ('sic inspect --segments') is a note. .txt is a label track of Audacity, .TextGrid a file of Praat: what
    each segment is and when, a note with cents, unvoiced or drum. Parquet needs pip install
    'sparsecodec[parquet]'.
    """
    from sparsecodec_cli.errors import about, shown_output
    from sparsecodec_cli.io.files import is_stream, open_output

    kind = exchange_names.format_of(output_path, format)
    if kind is None:
        if os.path.splitext(output_path)[1] or not is_stream(output_path):
            endings = ", ".join(exchange_names.EXTENSIONS)
            raise click.UsageError(f"{shown_output(output_path)}: OUT must end in {endings}, or give --format.")
        kind = "midi"
    if kind != "midi" and ctx.get_parameter_source("tempo_bpm") is not ParameterSource.DEFAULT:
        raise click.UsageError("--tempo goes with MIDI.")

    from sparsecodec_cli import exchange
    from sparsecodec_cli.io.progress import note
    from sparsecodec_cli.io.sic_files import open_sic
    from sparsecodec_cli.io.weights_files import weights_beside

    from . import summary

    exchange.check_format(kind)
    with open_sic(input_path) as file:
        events = exchange.events_of(file)
    with (
        open_output(output_path, force=force, input_paths=[input_path]) as out,
        about(input_path),
        weights_beside(input_path),
    ):
        n = exchange.write_events(events, out, kind, tempo_bpm=tempo_bpm)
    what = {"midi": "note", "labels": "segment", "textgrid": "segment"}.get(kind, "event")
    note(summary.of_exported(output_path, events.table, n, what), quiet=quiet)
