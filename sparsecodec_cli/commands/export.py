"""`sic export`: the notes of a file, for other programs."""

from __future__ import annotations

import os

import click

from sparsecodec_cli import api

from .options import FiniteFloat, default_of, input_argument, output_argument, output_options

EXTENSIONS = (".mid", ".midi")


@click.command(name="export")
@input_argument
@output_argument(required=True)
@click.option(
    "--tempo",
    "tempo_bpm",
    type=FiniteFloat(min=4, max=1000),
    metavar="BPM",
    default=default_of(api.export, "tempo_bpm"),
    show_default=True,
    help="Tempo of OUT, in beats a minute. It sets where the bars of an editor are, not how long notes last.",
)
@output_options
def command(input_path: str, output_path: str, tempo_bpm: float, force: bool, quiet: bool) -> None:
    """Write the notes of a .sic file as a MIDI file.

    \b
    Examples:
      sic export song.sic song.mid
      sic export song.sic song.mid --tempo 96
      sic encode song.wav - | sic export - song.mid

    OUT ends in .mid or .midi; '-' writes MIDI to stdout. Each coded channel of the recording is a track. Pitches
    between those of the keyboard are kept by pitch bend of up to 2 semitones, drums are on channel 10. Of a recording
    of speech each voice is a note.
    """
    extension = os.path.splitext(output_path)[1].lower()
    if extension not in EXTENSIONS and not _is_pipe(output_path, extension):
        from sparsecodec_cli.errors import shown_output

        raise click.UsageError(f"{shown_output(output_path)}: OUT must end in .mid or .midi, for a MIDI file.")

    from sparsecodec_cli.errors import about
    from sparsecodec_cli.io.files import open_output
    from sparsecodec_cli.io.progress import note
    from sparsecodec_cli.io.sic_files import read_table

    from . import summary

    table = read_table(input_path)
    with open_output(output_path, force=force, input_paths=[input_path]) as out, about(input_path):
        n_notes = api.export(table, out, tempo_bpm=tempo_bpm)
    note(summary.of_notes(output_path, table, n_notes), quiet=quiet)


def _is_pipe(path: str, extension: str) -> bool:
    """stdout, a device or a named pipe, which need no extension."""
    return path == "-" or (extension == "" and os.path.exists(path) and not os.path.isfile(path))
