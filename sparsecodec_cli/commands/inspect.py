"""`sic inspect`: what is inside a file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from sparsecodec_cli import api

from .file_work import ManyFiles, are_sic
from .many import many_files
from .options import FILE, json_option, output_options, select_option

if TYPE_CHECKING:
    from sparsecodec_cli.inspect.inspection import Inspection


@click.command(name="inspect")
@many_files(ManyFiles(metavar="IN...", kind=".sic files", extensions=are_sic, of_one=("plot_path",)))
@click.option("--events", "with_events", is_flag=True, help="Print the events as a table instead.")
@click.option("--segments", "with_segments", is_flag=True, help="Print notes, syllables and bursts as a table instead.")
@select_option(
    "With --events: print only those that EXPR selects, such as 'pitch > 200 and level > -30'. With --segments: those"
    " of such events."
)
@json_option
@click.option(
    "--plot",
    "plot_path",
    type=FILE,
    metavar="OUT",
    help="Write a picture to OUT instead: a .png, .svg or .pdf file; '-' is PNG to stdout.",
)
@output_options
def command(
    input_path: str,
    with_events: bool,
    with_segments: bool,
    select: str | None,
    as_json: bool,
    plot_path: str | None,
    force: bool,
    quiet: bool,
) -> None:
    """Show what is inside a .sic file.

    \b
    Examples:
      sic inspect talk.sic
      sic inspect talk.sic --events | less -S
      sic inspect talk.sic --events --select 'level > -20'
      sic inspect talk.sic --segments
      sic inspect talk.sic --segments --json | jq '.segments[] | .end_s - .start_s'
      sic inspect talk.sic --json | jq .bitrate_kbps
      sic inspect talk.sic --plot talk.png
      sic inspect talk.sic --segments --plot syllables.png
      sic inspect -r coded --json | jq .bitrate_kbps

    Prints the header, the number of events, how many bytes each part of the file takes, and a picture of the events:
    voices as levels over time, notes as a piano roll. --events prints a line for each event, in physical units.
    --segments prints a line for each note, syllable or burst, which is what a listener would name, and a piano roll of
    them. --json prints all of this, the vectors, and the notes; with --segments, these too. --plot draws the vectors as
    an image, and the events as a scatterplot or a piano roll; with --segments, these, pitch upwards, and their levels.
    It needs pip install 'sparsecodec[report]'.
    Of several IN, --json prints a line for each.
    """
    if select is not None and (as_json or not (with_events or with_segments)):
        raise click.UsageError("--select goes with --events or --segments, and not with --json, which has everything.")
    if plot_path is not None:
        if with_events or as_json or select is not None:
            raise click.UsageError("--plot goes with neither --events nor --select nor --json.")
        _plot(input_path, plot_path, with_segments=with_segments, force=force, quiet=quiet)
        return
    if with_events and with_segments:
        raise click.UsageError("--events and --segments are two tables; ask for one of them.")

    from sparsecodec_cli.errors import NothingSelected, about, shown
    from sparsecodec_cli.io.warned import telling
    from sparsecodec_cli.io.weights_files import weights_beside
    from sparsecodec_cli.selecting import chosen

    found = _inspected(input_path)
    with about(input_path), weights_beside(input_path), telling(input_path, NothingSelected):
        where = None if select is None else chosen(found.table, select)
        if as_json:
            from sparsecodec_cli.inspect.inspection import as_json as json_of

            click.echo(json_of(found, with_segments=with_segments))
        elif with_events:
            from sparsecodec_cli.inspect.events_text import print_events

            print_events(found, where)
        elif with_segments:
            from sparsecodec_cli.inspect.segments_text import print_segments

            print_segments(found, where)
        else:
            from sparsecodec_cli.inspect.text import print_inspection

            print_inspection(found, shown(input_path))


def _inspected(input_path: str) -> Inspection:
    from sparsecodec_cli.io.sic_files import open_sic

    with open_sic(input_path) as file:
        return api.inspect(file)


def _plot(input_path: str, plot_path: str, *, with_segments: bool, force: bool, quiet: bool) -> None:
    from sparsecodec_cli.errors import about, shown, shown_output
    from sparsecodec_cli.extras import check_installed
    from sparsecodec_cli.inspect import plot
    from sparsecodec_cli.io.files import is_stream, open_output

    file_format = os.path.splitext(plot_path)[1].lower().removeprefix(".")
    if file_format == "" and is_stream(plot_path):
        file_format = "png"
    if file_format not in plot.FORMATS:
        raise click.UsageError(f"--plot writes .png, .svg or .pdf, which OUT must end in, not {plot_path!r}.")

    from sparsecodec_cli.io.progress import note
    from sparsecodec_cli.io.weights_files import weights_beside

    check_installed("--plot", "report")
    found = _inspected(input_path)
    with (
        open_output(plot_path, force=force, input_paths=[input_path]) as out,
        about(input_path),
        weights_beside(input_path),
    ):
        plot.draw(out, found, os.path.basename(shown(input_path)), file_format, with_segments=with_segments)
    note(f"{shown_output(plot_path)}: {plot.facts(found, with_segments=with_segments)}", quiet=quiet)
