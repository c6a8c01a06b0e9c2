"""`sic report`: a page to see and hear the events of recordings."""

from __future__ import annotations

import click

from sparsecodec_cli.options import POSITIVE, device_option, model_option, output_options, seed_option

DEFAULT_SECONDS = 30.0


@click.command(name="report")
@click.argument("paths", metavar="IN... OUT", nargs=-1)
@click.option(
    "--examples",
    "n_examples",
    type=click.IntRange(min=1),
    metavar="N",
    help="Parts shown in detail, of all inputs together. [default: one of each input]",
)
@click.option(
    "--max-seconds",
    type=POSITIVE,
    metavar="SECONDS",
    default=DEFAULT_SECONDS,
    show_default=True,
    help="Of a part; a longer recording is shown as a whole, too.",
)
@click.option("--effort", type=click.IntRange(0, 9), metavar="0..9", help="Of coding a recording, as in 'sic encode'.")
@click.option(
    "--bitrate", "bitrate_kbps", type=POSITIVE, metavar="KBPS", help="Of coding a recording, as in 'sic encode'."
)
@seed_option("Of the times and vectors that are drawn anew, and of the map of events.")
@model_option("Of coding a recording; or other weights for .sic files. [default: speech; as coded]")
@device_option
@click.option("--list", "listed", metavar="PLACE", help="List the pages below a folder or URL instead.")
@click.option("--clear", "cleared", metavar="PLACE", help="Remove the pages below a folder or URL instead; asks first.")
@click.option("--yes", is_flag=True, help="With --clear: do not ask.")
@output_options
def command(
    paths: tuple[str, ...],
    n_examples: int | None,
    max_seconds: float,
    effort: int | None,
    bitrate_kbps: float | None,
    seed: int,
    model: str | None,
    device: str,
    listed: str | None,
    cleared: str | None,
    yes: bool,
    force: bool,
    quiet: bool,
) -> None:
    """Make a page on which the events of recordings are seen and heard.

    \b
    Examples:
      sic report talk.wav talk.html              # encodes it first, and shows both
      sic report talk.sic talk.html              # what is in the file
      sic report ann.wav bob.wav voices.html     # several on one page
      sic report lecture.wav lecture.html --examples 3 --max-seconds 10
      sic report talk.wav s3://bucket/pages/talk.html
      sic report --list s3://bucket/pages
      sic report --clear s3://bucket/pages

    IN is a recording or a .sic file. OUT is one HTML file that needs no network: waveforms and spectrograms, a
    film of what is left as event after event is taken out, every event to click on and hear, and what their
    times and vectors sound like when they are drawn anew. OUT may be a URL of a store, such as s3:// (for which:
    pip install 'sparsecodec[s3]'). Needs pip install 'sparsecodec[report]'.
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

    if input_paths.count("-") > 1:
        raise click.UsageError("Only one IN can be stdin.")
    if output_path != "-" and not output_path.endswith(".html"):  # as an IN whose OUT was forgotten would not
        raise click.UsageError(f"OUT is {shown(output_path)}; its name must end in .html.")

    from sparsecodec_cli.io import store
    from sparsecodec_cli.io.progress import note, progress_bar
    from sparsecodec_cli.report.inputs import Asked
    from sparsecodec_cli.report.write import write_page

    asked = Asked(
        effort=effort, bitrate_kbps=bitrate_kbps, max_seconds=max_seconds, seed=seed, model=model, device=device
    )
    if n_examples is None:
        n_examples = len(input_paths)
    with (
        store.open_page(output_path, force=force, input_paths=input_paths) as out,
        progress_bar("reporting", quiet=quiet) as progress,
    ):
        said = write_page(out, input_paths, n_examples, asked, progress)
    note(f"{store.shown_place(output_path)}: {said}", quiet=quiet)


def _look_after(paths: tuple[str, ...], listed: str | None, cleared: str | None, yes: bool, quiet: bool) -> None:
    if listed is not None and cleared is not None:
        raise click.UsageError("Give --list or --clear, not both.")
    if paths:
        raise click.UsageError(f"{'--list' if listed is not None else '--clear'} takes its place alone; no IN, no OUT.")
    if yes and cleared is None:
        raise click.UsageError("--yes goes with --clear.")
    from sparsecodec_cli.report import stored_pages

    if listed is not None:
        stored_pages.list_pages(listed, quiet=quiet)
    elif cleared is not None:
        stored_pages.clear_pages(cleared, yes=yes, quiet=quiet)
