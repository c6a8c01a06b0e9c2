"""`sic encode`: from audio to events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sparsecodec_cli import api

from .file_work import ManyFiles, Options, are_recordings
from .many import many_files
from .options import (
    FINITE,
    MAX_THREADS,
    POSITIVE,
    default_of,
    device_option,
    model_option,
    output_options,
    parse_tags,
    raw_format_of,
    raw_options,
    refuse_name_of_recording,
    seed_option,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparsecodec_cli.batch.results import Job
    from sparsecodec_formats.container import Written

LEAST_CODED = 0.6  # share of the energy; speech has 0.8 and more, 0.6 and more at 0.8 kbit/s; music 0.7 and more


def _is_whole(job: Job, options: Options) -> bool:
    from sparsecodec_cli.batch.whole import is_whole_sic

    return is_whole_sic(job.output or "")


def _refuse_name_of_recording(ctx: click.Context, path: str) -> None:
    refuse_name_of_recording(ctx, None, path, ", or encode several IN with --out-dir")


@click.command(name="encode")
@many_files(
    ManyFiles(
        metavar="IN... [OUT]",
        kind="recordings",
        extensions=are_recordings,
        writes=lambda options: ".sic",
        is_whole=_is_whole,
        check_output=_refuse_name_of_recording,
        of_one=("live",),
    )
)
@click.option(
    "--bitrate",
    "bitrate_kbps",
    type=POSITIVE,
    metavar="KBPS",
    help="Upper limit for the whole file in kbit/s: from 0.6 for speech, from 0.2 for music. [default: as much as the"
    " sound needs]",
)
@click.option(
    "--events-per-second",
    type=POSITIVE,
    metavar="N",
    help="Upper limit for the events in each coded channel. Not with --bitrate.",
)
@click.option(
    "--snr-stop",
    "snr_stop_db",
    type=FINITE,
    metavar="DB",
    help="Add no more events where the residual is DB below the audio. Not with --bitrate or --events-per-second.",
)
@click.option(
    "--effort",
    type=click.IntRange(0, 9),
    metavar="0..9",
    help="How long to search for better events: 0 is the network alone, 9 the longest search. [default: the model's]",
)
@raw_options
@click.option(
    "--live",
    is_flag=True,
    help="Write events while their sound comes, at most 8 s later, as of a pipe without an end. IN in a pipe is WAV or"
    " has --raw-rate.",
)
@model_option(
    "Encode with this model: a name that 'sic models' lists, or a file of weights; 'auto' is speech or music, whichever"
    " fits IN better.",
    default=default_of(api.encode, "model"),
    show_default=True,
)
@click.option(
    "--tag",
    "tags",
    multiple=True,
    metavar="KEY=VALUE",
    callback=parse_tags,
    help="Store a text in OUT, in place of IN's tag of this name. Repeatable.",
)
@click.option("--no-tags", is_flag=True, help="Keep none of IN's tags. [default: title, artist, album, ... are kept]")
@seed_option("Seed of the decoder's noise.", api.encode)
@device_option
@click.option(
    "--threads",
    type=click.IntRange(1, MAX_THREADS),
    metavar="N",
    help="Work on so many parts of the sound at a time; OUT is the same for any N. Of speech these are half windows of"
    " 3 s, of music and reference channels: a mono one takes one thread. [default: 2, or 1 where there is"
    " one processor or where --jobs uses them all]",
)
@output_options
def command(
    input_path: str,
    output_path: str | None,
    bitrate_kbps: float | None,
    events_per_second: float | None,
    snr_stop_db: float | None,
    effort: int | None,
    raw_rate: int | None,
    raw_channels: int | None,
    raw_coding: str | None,
    live: bool,
    model: str,
    tags: dict[str, str] | None,
    no_tags: bool,
    seed: int,
    device: str,
    threads: int | None,
    force: bool,
    quiet: bool,
) -> None:
    """Encode a recording as events.

    \b
    Examples:
      sic encode talk.wav                        # writes talk.sic
      sic encode talk.flac best.sic --effort 9   # takes longer, sounds better
      sic encode talk.wav --bitrate 1.2          # at most 1,200 bits a second
      sic encode talk.wav --events-per-second 20
      sic encode talk.wav --tag title=Talk --tag speaker=Ann
      arecord -f cd -d 60 | sic encode - talk.sic
      sic encode call.pcm --raw-rate 8000 --raw-format mulaw
      arecord -f cd | sic encode - - --live | nc host 1234
      sic encode -r songs --out-dir coded --jobs 2   # every recording below songs

    IN is any audio that libsndfile reads (WAV, FLAC, Ogg, MP3, AIFF, ...), at any sample rate and of any length. With
    pip install 'sparsecodec[media]', IN is also what FFmpeg reads: m4a, WebM, WMA, videos, ... Channels that are
    nearly the same, but for level or polarity, are encoded once, others by themselves. Without OUT, the output is IN
    with the extension .sic. With --live, OUT grows from the start, and Ctrl-C ends it well. Of several IN, each output
    is in the folder DIR of --out-dir.
    """
    raw = raw_format_of(raw_rate, raw_channels, raw_coding)
    wishes = {"--bitrate": bitrate_kbps, "--events-per-second": events_per_second, "--snr-stop": snr_stop_db}
    given = [name for name, value in wishes.items() if value is not None]
    if len(given) > 1:
        raise click.UsageError(f"Give {' or '.join(given)}, not both.")

    from sparsecodec_cli.io import audio_tags, files
    from sparsecodec_cli.io.live_input import open_live
    from sparsecodec_cli.io.progress import note, progress_bar
    from sparsecodec_cli.io.sounds import open_recording, warnings_of
    from sparsecodec_cli.io.warned import telling_of_memory

    from . import summary

    output_path = output_path or files.default_output(input_path, ".sic")
    options: dict[str, Any] = {
        "model": model,
        "effort": effort,
        "bitrate_kbps": bitrate_kbps,
        "events_per_second": events_per_second,
        "snr_stop_db": snr_stop_db,
        "seed": seed,
        "device": device,
        "threads": threads,
    }
    if live:
        with (
            open_live(input_path, raw) as sound,
            files.open_output(output_path, force=force, input_paths=[input_path], growing=True) as out,
            telling_of_memory(input_path),
        ):
            tags, cut = audio_tags.kept({} if no_tags else sound.tags, tags or {})
            parts = api.encode_live(sound.blocks, sound.sample_rate, tags=tags, **options)
            written = api.write_parts(parts, out, live=True)
        _tell(output_path, written, cut, quiet)
        return
    with (
        open_recording(input_path, raw) as source,
        files.open_output(output_path, force=force, input_paths=[input_path]) as out,
        files.readable_again(out) as file,
        telling_of_memory(input_path),
    ):
        for line in warnings_of(source):
            note(line, quiet=quiet)
        tags, cut = audio_tags.kept({} if no_tags else source.tags, tags or {})
        with progress_bar("encoding", quiet=quiet) as progress:
            parts = api.encode_parts(source, tags=tags, progress=progress, **options)
            written = api.write_parts(parts, file)
        header = written.header
        coded = None
        if not quiet:
            file.seek(0)
            coded = api.coded_share(source, file, model=model, device=device)
    _tell(output_path, written, cut, quiet)
    if bitrate_kbps is not None:
        told = summary.of_bitrate(output_path, written, bitrate_kbps, api.least_bitrate_kbps(header.model))
        if told is not None:
            note(told, quiet=quiet)
    if coded is not None and coded.share < LEAST_CODED:
        limit = given[0] if given else "--bitrate"
        note(summary.of_uncoded(output_path, coded, header.model, limit), quiet=quiet)


def _tell(output_path: str, written: Written, cut: Sequence[str], quiet: bool) -> None:
    """cut: names of tags that were too long."""
    from sparsecodec_cli.io.progress import note

    from . import summary

    note(summary.of_written(output_path, written.header, written.n_events, written.n_bytes), quiet=quiet)
    if cut:
        note(summary.of_cut_tags(output_path, cut), quiet=quiet)
