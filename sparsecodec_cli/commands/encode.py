"""`sic encode`: audio to events."""

from __future__ import annotations

import click

from sparsecodec_cli.options import (
    FINITE,
    POSITIVE,
    device_option,
    input_argument,
    model_option,
    output_argument,
    output_options,
    seed_option,
)


def parse_tags(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for value in values:
        key, equals, text = value.partition("=")
        if not (key and equals):
            raise click.BadParameter(f"{value!r} is not of the form KEY=VALUE.", ctx, param)
        if key in tags:
            raise click.BadParameter(f"{key!r} is given twice.", ctx, param)
        tags[key] = text
    return tags


@click.command(name="encode")
@input_argument
@output_argument(required=False)
@click.option(
    "--bitrate",
    "bitrate_kbps",
    type=POSITIVE,
    metavar="KBPS",
    help="At most so many thousand bits a second, the whole file counted: 0.6 to 8. [default: as the sound needs]",
)
@click.option(
    "--events-per-second",
    type=POSITIVE,
    metavar="N",
    help="At most so many events a second in each channel; not with --bitrate.",
)
@click.option(
    "--snr-stop",
    "snr_stop_db",
    type=FINITE,
    metavar="DB",
    help="Stop when what is left of the audio is so far below it; not with --bitrate or --events-per-second.",
)
@click.option(
    "--effort",
    type=click.IntRange(0, 9),
    metavar="0..9",
    help="0: the network alone, fast; 9: the longest search. [default: the model's own]",
)
@model_option("A model that 'sic models' lists, or a file of weights.", default="speech")
@click.option(
    "--tag",
    "tags",
    multiple=True,
    metavar="KEY=VALUE",
    callback=parse_tags,
    help="Text to keep in OUT; repeatable.",
)
@seed_option("Of the noise that decoding draws.")
@device_option
@output_options
def command(
    input_path: str,
    output_path: str | None,
    bitrate_kbps: float | None,
    events_per_second: float | None,
    snr_stop_db: float | None,
    effort: int | None,
    model: str,
    tags: dict[str, str],
    seed: int,
    device: str,
    force: bool,
    quiet: bool,
) -> None:
    """Code a recording as events.

    \b
    Examples:
      sic encode talk.wav                        # writes talk.sic
      sic encode talk.flac small.sic --effort 9  # takes longer, sounds better
      sic encode talk.wav --bitrate 1.2          # at most 1,200 bits a second
      sic encode talk.wav --events-per-second 20
      sic encode talk.wav --tag title=Talk --tag speaker=Ann
      ffmpeg -i talk.mp4 -f wav - | sic encode - talk.sic

    IN is any audio that libsndfile reads (WAV, FLAC, Ogg, MP3, AIFF, ...), at any rate and of any length; the
    channels of stereo are coded one by one. OUT is IN with the extension .sic unless given.
    """
    wishes = {"--bitrate": bitrate_kbps, "--events-per-second": events_per_second, "--snr-stop": snr_stop_db}
    given = [name for name, value in wishes.items() if value is not None]
    if len(given) > 1:
        raise click.UsageError(f"Give {' or '.join(given)}, not both.")

    from sparsecodec_cli.errors import about
    from sparsecodec_cli.io import files
    from sparsecodec_cli.io.audio import SoundFileSource
    from sparsecodec_cli.io.progress import note, progress_bar
    from sparsecodec_formats import container

    from . import summary

    output_path = output_path or files.default_output(input_path, ".sic")
    with (
        files.open_seekable_input(input_path) as file,
        files.open_output(output_path, force=force, input_paths=[input_path]) as out,
    ):
        source = SoundFileSource(file, input_path)
        from sparsecodec_cli.api import resolve_device
        from sparsecodec_models import load_codec

        codec = load_codec(model, resolve_device(device))
        with about(input_path), progress_bar("encoding", quiet=quiet) as progress:
            table = codec.encode(
                source,
                effort=codec.default_effort if effort is None else effort,
                bitrate_kbps=bitrate_kbps,
                events_per_second=events_per_second,
                snr_stop_db=snr_stop_db,
                seed=seed,
                tags=tags,
                progress=progress,
            )
        data = container.dumps(table)
        out.write(data)
    note(summary.of_table(output_path, table, len(data)), quiet=quiet)
    if bitrate_kbps is not None and 8e-3 * len(data) > bitrate_kbps * table.duration_s:
        note(summary.of_excess(output_path, bitrate_kbps), quiet=quiet)
