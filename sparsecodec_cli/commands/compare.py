"""`sic compare`: how near a file is to the recording that it came from."""

from __future__ import annotations

import click

from sparsecodec_cli.options import device_option, json_option, model_option, quiet_option


@click.command(name="compare")
@click.argument("reference_path", metavar="REF")
@click.argument("other_path", metavar="X")
@json_option
@model_option("Other weights for the preset that X was coded with.")
@device_option
@quiet_option
def command(reference_path: str, other_path: str, as_json: bool, model: str | None, device: str, quiet: bool) -> None:
    """Measure how near a .sic file or a recording is to another recording.

    \b
    Examples:
      sic compare talk.wav talk.sic
      sic compare talk.wav talk.opus
      sic compare talk.wav talk.sic --json | jq .estoi
      sic encode talk.wav - --effort 9 | sic compare talk.wav -

    REF is a recording; X is a .sic file, which is decoded, or any recording. Prints size, bitrate, and by how
    much X is late; then ESTOI, PESQ, ViSQOL, mel distance and DistillMOS of X, moved to where it fits best.
    All but mel distance need packages: pip install 'sparsecodec[metrics]'.
    """
    if reference_path == other_path == "-":
        raise click.UsageError("Only one of REF and X can be stdin.")

    from sparsecodec_cli.errors import about
    from sparsecodec_cli.io.progress import note, progress_bar
    from sparsecodec_cli.metrics import comparison

    reference = comparison.read_reference(reference_path)
    with progress_bar("decoding", quiet=quiet) as progress:
        other = comparison.read_other(other_path, model=model, device=device, progress=progress)
    with progress_bar("measuring", quiet=quiet) as progress, about(other_path):
        found = comparison.compared(reference, other, progress=progress)
    for line in comparison.warnings_of(reference, other, found):
        note(line, quiet=quiet)
    click.echo(comparison.as_json(found) if as_json else comparison.as_text(reference, other, found))
