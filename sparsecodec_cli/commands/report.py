"""`sic report`: a page to see and hear the events of recordings."""

from __future__ import annotations

import click

from sparsecodec_cli import api

from .options import FILE, FOLDER, POSITIVE, default_of, device_option, model_option, output_options, seed_option


@click.command(name="report")
@click.argument("paths", metavar="IN... OUT", type=FILE, nargs=-1)
@click.option(
    "--examples",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of parts to show in detail, of all inputs together. [default: one of each input]",
)
@click.option(
    "--max-seconds",
    type=POSITIVE,
    metavar="SECONDS",
    default=default_of(api.render_report, "max_seconds"),
    show_default=True,
    help="Maximum length of such a part. A longer input is also shown as a whole.",
)
@click.option("--effort", type=click.IntRange(0, 9), metavar="0..9", help="Effort of encoding IN, as in 'sic encode'.")
@click.option(
    "--bitrate", "bitrate_kbps", type=POSITIVE, metavar="KBPS", help="Bitrate of encoding IN, as in 'sic encode'."
)
@seed_option("Seed of the random times, the random vectors and the map of events.", api.render_report)
@model_option(
    "Encode recordings with this model, or decode .sic files with this file of weights. [default: auto, chosen by the"
    " first IN; the shipped weights of IN's preset]",
    default=default_of(api.render_report, "model"),
)
@device_option
@click.option(
    "--list", "listed", type=FOLDER, metavar="PLACE", help="List the pages in a folder or below a URL instead."
)
@click.option(
    "--clear",
    "cleared",
    type=FOLDER,
    metavar="PLACE",
    help="Remove the pages in a folder or below a URL instead, after asking.",
)
@click.option("--yes", is_flag=True, help="Remove without asking, with --clear.")
@output_options
def command(
    paths: tuple[str, ...],
    examples: int | None,
    max_seconds: float,
    effort: int | None,
    bitrate_kbps: float | None,
    seed: int,
    model: str,
    device: str,
    listed: str | None,
    cleared: str | None,
    yes: bool,
    force: bool,
    quiet: bool,
) -> None:
    """Make a page to see and hear the events of recordings.

    \b
    Examples:
      sic report talk.wav talk.html              # encodes the recording, then shows both
      sic report talk.sic talk.html              # what is in the file
      sic report ann.wav bob.wav voices.html     # several on one page
      sic report lecture.wav lecture.html --examples 3 --max-seconds 10
      sic report talk.wav s3://bucket/pages/talk.html
      sic report --list s3://bucket/pages
      sic report --clear s3://bucket/pages

    IN is a recording or a .sic file. OUT is one HTML file that needs no network. It has waveforms and spectrograms,
    a film of the residual as the events are removed one after another, a scatterplot or a piano roll with a sound for
    each event, and the recording with random times and with random vectors. OUT may be a URL of a store, such as
    s3://, which needs pip install 'sparsecodec[s3]'. The command needs pip install 'sparsecodec[report]'.
    """
    if listed is not None or cleared is not None:
        _look_after(paths, listed, cleared, yes, quiet)
        return
    if yes:
        raise click.UsageError("--yes goes with --clear.")
    if len(paths) < 2:
        raise click.UsageError("Give one IN or several, then OUT.")
    *input_paths, output_path = paths
    from sparsecodec_cli.errors import shown
    from sparsecodec_cli.io.files import is_stream

    if input_paths.count("-") > 1:
        raise click.UsageError("Only one IN can be stdin.")
    if not (output_path.endswith(".html") or is_stream(output_path)):  # as an IN whose OUT was forgotten would not
        raise click.UsageError(f"OUT is {shown(output_path)}; its name must end in .html.")

    from contextlib import ExitStack

    from sparsecodec_cli.errors import CliError
    from sparsecodec_cli.io import store
    from sparsecodec_cli.io.progress import note, progress_bar
    from sparsecodec_cli.io.sounds import open_sound

    from . import summary

    with ExitStack() as files:
        sounds = [files.enter_context(open_sound(path)) for path in input_paths]
        for line in (line for sound in sounds for line in sound.warnings):
            note(line, quiet=quiet)
        for option, value in (("--effort", effort), ("--bitrate", bitrate_kbps)):
            for sound in sounds:
                if value is not None and sound.is_encoded:
                    message = f"is encoded already; leave out {option}, which is for recordings"
                    raise CliError(f"{shown(sound.path)}: {message}")
        out = files.enter_context(store.open_page(output_path, force=force, input_paths=input_paths))
        progress = files.enter_context(progress_bar("reporting", quiet=quiet))
        facts = api.render_report(
            out,
            sounds,
            examples=examples,
            max_seconds=max_seconds,
            effort=effort,
            bitrate_kbps=bitrate_kbps,
            seed=seed,
            model=model,
            device=device,
            progress=progress,
        )
    note(summary.of_page(store.shown_place(output_path), facts), quiet=quiet)


def _look_after(paths: tuple[str, ...], listed: str | None, cleared: str | None, yes: bool, quiet: bool) -> None:
    if listed is not None and cleared is not None:
        raise click.UsageError("Give --list or --clear, not both.")
    if paths:
        raise click.UsageError(f"{'--list' if listed is not None else '--clear'} goes alone: leave out IN and OUT.")
    if yes and cleared is None:
        raise click.UsageError("--yes goes with --clear.")
    from sparsecodec_cli.report import stored_pages

    if listed is not None:
        stored_pages.list_pages(listed, quiet=quiet)
    elif cleared is not None:
        stored_pages.clear_pages(cleared, yes=yes, quiet=quiet)
