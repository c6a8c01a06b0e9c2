"""`sic decode`: events to audio."""

from __future__ import annotations

import click

from sparsecodec_cli.options import (
    NOT_NEGATIVE,
    POSITIVE,
    SECONDS,
    EventRange,
    device_option,
    input_argument,
    model_option,
    output_argument,
    output_options,
    seed_option,
)


@click.command(name="decode")
@input_argument
@output_argument(required=False)
@click.option("--rate", type=click.IntRange(min=1), metavar="HZ", help="Sample rate of OUT. [default: the source's]")
@click.option("--start", "start_s", type=NOT_NEGATIVE, metavar=SECONDS, default=0.0, help="Render from here on.")
@click.option("--end", "end_s", type=POSITIVE, metavar=SECONDS, help="Render up to here.")
@click.option(
    "--event",
    "events",
    type=EventRange(),
    multiple=True,
    metavar="N|N-M",
    help="Render only this event, or these, in place; 'sic inspect --events' numbers them. Repeatable.",
)
@seed_option("Draw the noise from another seed than IN's.", default=None)
@model_option("Other weights for the preset that IN was coded with.")
@device_option
@output_options
def command(
    input_path: str,
    output_path: str | None,
    rate: int | None,
    start_s: float,
    end_s: float | None,
    events: tuple[range, ...],
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

    OUT has the rate and the exact length of the recording that was coded. Its extension tells the format
    (wav, flac, ogg, opus, mp3, aiff, ... as libsndfile writes them); it is IN with the extension .wav unless
    given. WAV has 16 bits a sample; '-' writes WAV to stdout.
    """
    if end_s is not None and end_s <= start_s:
        raise click.UsageError("--end must be after --start.")

    from itertools import chain

    from sparsecodec_cli.errors import CliError, about, shown
    from sparsecodec_cli.io import audio, files
    from sparsecodec_cli.io.progress import note, progress_bar
    from sparsecodec_cli.io.sic_files import read_table
    from sparsecodec_formats import edit

    from . import summary

    output_path = output_path or files.default_output(input_path, ".wav")
    audio_format = audio.format_of(output_path)
    if audio_format is None:
        raise click.UsageError(f"{shown(output_path)}: no audio format has this extension; use .wav, .flac or .ogg.")

    table = read_table(input_path)
    header = table.header
    if events:
        with about(input_path):
            table = edit.solo(table, chain(*events))
    if 0 < start_s >= header.duration_s:
        raise CliError(f"{shown(input_path)}: lasts {header.duration_s:.3f} s; give an earlier --start")
    whole = start_s == 0 and (end_s is None or end_s >= header.duration_s) and rate in (None, header.sample_rate)
    with files.open_output(output_path, force=force, input_paths=[input_path]) as out:
        from sparsecodec_cli.api import resolve_device
        from sparsecodec_models import codec_for

        with about(input_path), progress_bar("decoding", quiet=quiet) as progress:
            codec = codec_for(header, resolve_device(device), model)
            n_clipped = audio.write_audio(
                out,
                output_path,
                codec.decode(table, start_s=start_s, end_s=end_s, sample_rate=rate, seed=seed, progress=progress),
                audio_format=audio_format,
                sample_rate=rate or header.sample_rate,
                channels=header.channels,
                n_samples=header.n_samples if whole else None,
            )
    if n_clipped:
        note(summary.of_clipping(output_path, n_clipped), quiet=quiet)
