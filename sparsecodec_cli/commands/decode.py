"""`sic decode`: from events to audio."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import click

from sparsecodec_cli import api

from .options import (
    NOT_NEGATIVE,
    POSITIVE,
    SECONDS,
    EventRange,
    default_of,
    device_option,
    input_argument,
    model_option,
    output_argument,
    output_options,
    seed_option,
)


def join_ranges(ctx: click.Context, param: click.Parameter, ranges: tuple[range, ...]) -> Iterator[int] | None:
    return chain(*ranges) if ranges else None


@click.command(name="decode")
@input_argument
@output_argument(required=False)
@click.option(
    "--rate",
    "sample_rate",
    type=click.IntRange(min=1),
    metavar="HZ",
    help="Sample rate of OUT. [default: that of the recording]",
)
@click.option(
    "--start",
    "start_s",
    type=NOT_NEGATIVE,
    metavar=SECONDS,
    default=default_of(api.decode_blocks, "start_s"),
    help="Render from this time on.",
)
@click.option("--end", "end_s", type=POSITIVE, metavar=SECONDS, help="Render up to this time.")
@click.option(
    "--event",
    "events",
    type=EventRange(),
    multiple=True,
    metavar="N|N-M",
    callback=join_ranges,
    help="Render only this event, or this range of events, at its time. Repeatable. 'sic inspect --events' shows their"
    " numbers.",
)
@seed_option("Seed of the noise. [default: the seed in IN]", api.decode_blocks)
@model_option("Decode with this file of weights. [default: the shipped weights of IN's preset]")
@device_option
@output_options
def command(
    input_path: str,
    output_path: str | None,
    sample_rate: int | None,
    start_s: float,
    end_s: float | None,
    events: Iterator[int] | None,
    seed: int | None,
    model: str | None,
    device: str,
    force: bool,
    quiet: bool,
) -> None:
    """Render a .sic file as audio.

    \b
    Examples:
      sic decode talk.sic                   # writes talk.wav
      sic decode talk.sic talk.flac
      sic decode talk.sic part.wav --start 12.5 --end 20
      sic decode talk.sic some.wav --event 12 --event 30-34
      sic decode talk.sic out.opus --rate 48000
      sic decode talk.sic - | aplay

    OUT has the sample rate and the exact length of the recording that was encoded. Its extension chooses the
    format: wav, flac, ogg, opus, mp3, aiff, ... (what libsndfile writes). Without OUT, the output is IN with the
    extension .wav. WAV has 16 bits per sample; '-' writes WAV to stdout.
    """
    if end_s is not None and end_s <= start_s:
        raise click.UsageError("--end must be after --start.")

    from sparsecodec_cli.errors import CliError, about, shown
    from sparsecodec_cli.io import audio, files
    from sparsecodec_cli.io.progress import note, progress_bar
    from sparsecodec_cli.io.sic_files import read_table
    from sparsecodec_cli.io.weights_files import folder_of

    from . import summary

    output_path = output_path or files.default_output(input_path, ".wav")
    audio_format = audio.format_of(output_path)
    if audio_format is None:
        raise click.UsageError(f"{shown(output_path)}: no audio format has this extension; use .wav, .flac or .ogg.")

    table = read_table(input_path)
    header = table.header
    if 0 < start_s >= header.duration_s:
        raise CliError(f"{shown(input_path)}: lasts {header.duration_s:.3f} s; give an earlier --start")
    is_whole = start_s == 0 and (end_s is None or end_s >= header.duration_s)
    with (
        files.open_output(output_path, force=force, input_paths=[input_path]) as out,
        about(input_path),
        progress_bar("decoding", quiet=quiet) as progress,
    ):
        blocks = api.decode_blocks(
            table,
            events=events,
            start_s=start_s,
            end_s=end_s,
            sample_rate=sample_rate,
            seed=seed,
            model=api.codec_for(table, model, device=device, weights_beside=folder_of(input_path)),
            device=device,
            progress=progress,
        )
        n_clipped = audio.write_audio(
            out,
            output_path,
            blocks,
            audio_format=audio_format,
            sample_rate=sample_rate or header.sample_rate,
            channels=header.channels,
            n_samples=header.n_samples if is_whole and sample_rate in (None, header.sample_rate) else None,
        )
    if n_clipped:
        note(summary.of_clipping(output_path, n_clipped), quiet=quiet)
