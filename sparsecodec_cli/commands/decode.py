"""`sic decode`: from events to audio."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

import click

from sparsecodec_cli import api

from .file_work import ManyFiles, Options, are_sic
from .many import many_files
from .options import (
    NOT_NEGATIVE,
    POSITIVE,
    SECONDS,
    EventRange,
    default_of,
    device_option,
    model_option,
    output_options,
    seed_option,
    select_option,
)

if TYPE_CHECKING:
    from sparsecodec_cli.batch.results import Job
    from sparsecodec_cli.io.audio_writing import AudioFormat
    from sparsecodec_formats.container import Reader
    from sparsecodec_formats.table import EventTable

WARNED_OF_GAIN = 0.94  # half a decibel; less is not heard


def _extension(options: Options) -> str:
    return f".{options['format_name'] or 'wav'}".lower()


def _is_whole(job: Job, options: Options) -> bool:
    from sparsecodec_cli.batch.whole import is_whole_audio

    part = {name: options[name] for name in ("sample_rate", "start_s", "end_s")}
    return is_whole_audio(job.output or "", job.input, **part)


@click.command(name="decode")
@many_files(
    ManyFiles(metavar="IN... [OUT]", kind=".sic files", extensions=are_sic, writes=_extension, is_whole=_is_whole)
)
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
    callback=lambda ctx, param, ranges: ranges or None,
    help="Render only this event, or this range of events, at its time. Repeatable. 'sic inspect --events' shows their"
    " numbers.",
)
@select_option(
    "Render only the events that EXPR selects, such as 'pitch > 200 and level > -30', each as it sounds among all"
    " others. With --event, those of both."
)
@click.option(
    "--format",
    "format_name",
    metavar="FORMAT",
    help="Format of OUT: wav, flac, ogg, opus, mp3, aiff, caf, w64, rf64, ... [default: as OUT's extension says; wav"
    " for '-' and pipes]",
)
@click.option(
    "--bits",
    type=click.Choice(["16", "24", "float"]),
    help="Bits of a sample in OUT; 'float' is 32 bits, without clipping. [default: 16, where the format is not lossy]",
)
@click.option("--no-tags", is_flag=True, help="Write none of IN's tags. [default: those that OUT's format has]")
@click.option(
    "--salvage",
    is_flag=True,
    help="IN is damaged: render every block of it that is whole, and list what is missing.",
)
@seed_option("Seed of the noise. [default: the seed in IN]", api.decode_blocks)
@model_option("Decode with this file of weights. [default: the shipped weights of IN's preset]")
@device_option
@output_options
@click.pass_context
def command(
    ctx: click.Context,
    input_path: str,
    output_path: str | None,
    sample_rate: int | None,
    start_s: float,
    end_s: float | None,
    events: tuple[range, ...] | None,
    select: str | None,
    format_name: str | None,
    bits: str | None,
    no_tags: bool,
    salvage: bool,
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
      sic decode talk.sic hisses.wav --select 'not voiced'
      sic decode talk.sic out.opus --rate 48000
      sic decode quiet.sic quiet.wav --bits 24
      sic decode talk.sic - | aplay
      sic decode talk.sic - --format flac | flac --test -
      sic decode damaged.sic --salvage      # what is whole of it
      sic decode -r coded --out-dir songs --jobs 2   # every .sic file below coded

    OUT has the sample rate and the exact length of the recording that was encoded. Its extension chooses the
    format, unless --format does: wav, flac, ogg, opus, mp3, aiff, ... (what libsndfile writes). Without OUT, the
    output is IN with the extension .wav, or that of --format. '-' writes WAV to stdout. Of several IN, each output
    is in the folder DIR of --out-dir.

    With --salvage, events that a damaged file has lost are silent. Each damaged place is a line on stderr, and the exit
    code is 1 if there is one, though OUT is written.
    """
    if end_s is not None and end_s <= start_s:
        raise click.UsageError("--end must be after --start.")

    from sparsecodec_cli.errors import NothingSelected, about, shown
    from sparsecodec_cli.io import audio_tags, files
    from sparsecodec_cli.io.audio_writing import is_float, write_audio
    from sparsecodec_cli.io.progress import note, progress_bar
    from sparsecodec_cli.io.sic_files import open_events, read_from
    from sparsecodec_cli.io.soft_limit import SoftLimited
    from sparsecodec_cli.io.warned import telling
    from sparsecodec_cli.io.weights_files import weights_beside

    from . import summary

    if output_path is not None and output_path.lower().endswith(".sic"):
        raise click.UsageError(
            f"{shown(output_path)}: OUT is audio, not a .sic file; give it .wav, .flac or .ogg, or decode"
            " several IN with --out-dir."
        )
    output_path = output_path or files.default_output(input_path, f".{format_name or 'wav'}".lower())
    audio_format = _format(output_path, format_name, bits)

    is_whole_file = True
    with ExitStack() as opened:
        source: EventTable | Reader
        endless = False  # until its end has come
        if salvage:
            source, is_whole_file = salvaged(input_path)
        else:
            source = opened.enter_context(open_events(input_path))
            endless = not source.length_is_known
        header = source.header
        if not endless:
            check_start(start_s, source, input_path)
        texts, cut = audio_tags.fitting({} if no_tags else header.tags, audio_format.name)
        is_whole = not endless and start_s == 0 and (end_s is None or end_s >= header.duration_s)
        whole_at_own_rate = is_whole and sample_rate in (None, header.sample_rate)
        out = opened.enter_context(files.open_output(output_path, force=force, input_paths=[input_path]))
        opened.enter_context(about(input_path))
        opened.enter_context(weights_beside(input_path))
        opened.enter_context(telling(input_path, NothingSelected))
        progress = opened.enter_context(progress_bar("decoding", quiet=quiet))
        render = api.decode_blocks if is_float(audio_format) else api.decode_within_full_scale
        sound = render(
            source,
            events=None if events is None else chain(*events),
            select=select,
            start_s=start_s,
            end_s=end_s,
            sample_rate=sample_rate,
            seed=seed,
            model=api.codec_for(source, model, device=device),
            device=device,
            progress=progress,
        )
        write_audio(
            out,
            output_path,
            read_from(input_path, sound),
            audio_format=audio_format,
            sample_rate=sample_rate or header.sample_rate,
            channels=header.channels,
            n_samples=header.n_samples if whole_at_own_rate else None,
            endless=endless,
            texts=texts,
        )
        if endless:
            check_start(start_s, source, input_path)
    if cut:
        note(summary.of_cut_tags(output_path, cut), quiet=quiet)
    if isinstance(sound, SoftLimited) and sound.least_gain <= WARNED_OF_GAIN:
        note(summary.of_limiting(output_path, sound.n_over, sound.least_gain), quiet=quiet)
    ctx.exit(0 if is_whole_file else 1)


def check_start(start_s: float, source: EventTable | Reader, path: str) -> None:
    """CliError where sound ends before a start, seconds."""
    from sparsecodec_cli.errors import CliError, shown

    if 0 < start_s >= source.header.duration_s:
        raise CliError(f"{shown(path)}: lasts {source.header.duration_s:.3f} s; give an earlier --start")


def _format(output_path: str, name: str | None, bits: str | None) -> AudioFormat:
    """What to write: as `name` and `bits` say, else as OUT's extension does; UsageError when there is no such thing."""
    from sparsecodec_cli.errors import shown, shown_output
    from sparsecodec_cli.io import audio_writing

    audio_format = audio_writing.format_of(output_path) if name is None else audio_writing.format_named(name)
    if audio_format is None and name is not None:
        raise click.UsageError(f"--format {shown(name)}: there is no such format; use wav, flac, ogg or another.")
    if audio_format is None:
        raise click.UsageError(
            f"{shown(output_path)}: no audio format has this extension; use .wav, .flac or .ogg, or give a --format."
        )
    if bits is None:
        return audio_format
    possible = audio_writing.bits_of(audio_format)
    if bits in possible:
        return replace(audio_format, subtype=audio_writing.BITS[bits])
    what = f"{shown_output(output_path)}: {audio_format.name}"
    if not possible:
        raise click.UsageError(f"{what} has no bits to choose; leave out --bits, or write .wav.")
    raise click.UsageError(f"{what} cannot hold --bits {bits}, only {' or '.join(possible)}; or write .wav.")


def salvaged(path: str) -> tuple[EventTable, bool]:
    """The events of a damaged file that are whole, and whether nothing is missing; what is, is told on stderr.

    CliError when no block is whole.
    """
    from sparsecodec_cli.errors import CliError, one_line, shown
    from sparsecodec_cli.io.sic_files import open_sic

    with open_sic(path) as file:
        found = api.salvage(file)
    if found.missing and not found.n_blocks:
        raise CliError(
            f"{shown(path)}: no block of it is whole, so nothing can be salvaged ({found.missing[0].reason})"
        )
    for missing in found.missing:
        click.echo(f"sic: {shown(path)}: {one_line(str(missing))}", err=True)
    return found.table, not found.missing
