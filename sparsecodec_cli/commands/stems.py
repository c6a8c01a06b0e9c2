"""`sic stems`: every event or segment as a sound of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sparsecodec_cli import api

from .options import (
    FOLDER,
    default_of,
    device_option,
    input_argument,
    model_option,
    quiet_option,
    seed_option,
    select_option,
)

if TYPE_CHECKING:
    from sparsecodec_cli.stems import Edl
    from sparsecodec_formats.edit.nearest import By


@click.command(name="stems")
@input_argument
@click.argument("output_path", metavar="DIR", type=FOLDER)
@click.option(
    "--by",
    type=click.Choice(["event", "segment"]),
    default=default_of(api.render_stems, "by"),
    show_default=True,
    help="A file for each event, or for each note, syllable or burst.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    metavar="N",
    help="Write only the N events or segments with the most energy. [default: all]",
)
@select_option("Write only the events that EXPR selects, such as 'level > -30'. With --top, the N of these.")
@click.option(
    "--edl",
    type=click.Choice(["samples", "24", "25", "30"]),
    help="Also write DIR/stems.edl, an edit list, which places the files: in samples (for Samplitude and Reaper), or in"
    " 24, 25 or 30 frames a second (CMX 3600).",
)
@seed_option("Seed of the noise. [default: the seed in IN]", api.render_stems)
@model_option("Decode with this file of weights. [default: the shipped weights of IN's preset]")
@device_option
@click.option(
    "-f", "--force", is_flag=True, help="Write into DIR even if it is not empty, and replace earlier stems in it."
)
@quiet_option
def command(
    input_path: str,
    output_path: str,
    by: By,
    top: int | None,
    select: str | None,
    edl: Edl | None,
    seed: int | None,
    model: str | None,
    device: str,
    force: bool,
    quiet: bool,
) -> None:
    """Render every event, or every note or syllable, as a sound file of its own.

    \b
    Examples:
      sic stems talk.sic stems            # stems/0000-0.081s.wav, ... and stems/stems.csv
      sic stems talk.sic loud --top 20    # the 20 events with most energy
      sic stems talk.sic high --select 'pitch > 200'
      sic stems talk.sic parts --by segment   # notes, syllables, bursts
      sic stems talk.sic parts --by segment --edl samples   # and parts/stems.edl

    Each event becomes a WAV file (32-bit float) in the folder DIR, named by the event's number and time. It has the
    sample rate and the channels of the recording, and is cut to where the event sounds. stems.csv lists for each
    file at which sample it starts, and the parameters of the event. Placed at these samples, the files add up to
    the output of 'sic decode'. Each file also tells its place to programs that know Broadcast Wave.
    --by segment writes a file for each line of 'sic inspect --segments' instead. --edl adds an edit
    list, by which programs place all files at once. In samples it is exact and holds any number of them. In frames it
    holds 999 files, four at once, and more are refused.
    """
    if output_path in ("-", ""):
        raise click.UsageError("Stems are many files; name a folder for them, not stdout.")

    from functools import partial

    from sparsecodec_cli.errors import NothingSelected, about
    from sparsecodec_cli.io.output_folder import open_output_folder
    from sparsecodec_cli.io.progress import note, progress_bar
    from sparsecodec_cli.io.sic_files import read_table
    from sparsecodec_cli.io.warned import telling
    from sparsecodec_cli.io.weights_files import weights_beside

    from . import summary

    table = read_table(input_path)
    from sparsecodec_cli.stems import earlier_stems, write_stems  # imports torch

    with (
        open_output_folder(
            output_path, force=force, earlier=partial(earlier_stems, with_edl=edl is not None)
        ) as folder,
        about(input_path),
        weights_beside(input_path),
        telling(input_path, NothingSelected),
        progress_bar("rendering stems", quiet=quiet) as progress,
    ):
        codec = api.codec_for(table, model, device=device)
        segments = api.segments_of(table, model=codec) if by == "segment" else None
        stems = api.render_stems(table, by=by, top=top, select=select, seed=seed, model=codec, progress=progress)
        n_stems = write_stems(folder, table, stems, segments, edl=edl)
    n_all = len(table) if segments is None else len(segments)
    asked = top if select is None else n_stems
    note(summary.of_stems(output_path, table, n_stems, n_all, by, asked), quiet=quiet)
