"""`sic compare`: how near a file is to the recording that it came from."""

from __future__ import annotations

import click

from .file_work import ManyFiles, are_either
from .many import many_files
from .options import device_option, json_option, model_option, quiet_option


@click.command(name="compare")
@many_files(ManyFiles(metavar="REF X...", kind=".sic files or recordings", extensions=are_either, compares=True))
@json_option
@model_option("Decode X with this file of weights. [default: the shipped weights of X's preset]")
@device_option
@quiet_option
def command(reference_path: str, input_path: str, as_json: bool, model: str | None, device: str, quiet: bool) -> None:
    """Measure how near a .sic file or a recording is to another recording.

    \b
    Examples:
      sic compare talk.wav talk.sic
      sic compare talk.wav talk.opus
      sic compare talk.wav talk.sic --json | jq .estoi
      sic encode talk.wav - --effort 9 | sic compare talk.wav -
      sic compare talk.wav low.sic high.sic --json
      sic compare -r songs coded --json --jobs 2

    REF is a recording. X is another recording, or a .sic file, which is decoded. Prints the size, the bitrate and
    the delay of X; then ESTOI, PESQ, ViSQOL, mel distance and DistillMOS, measured without the delay. All but the
    mel distance need packages: pip install 'sparsecodec[metrics]'.

    Each of several X is compared with REF. With -r, REF and X are folders: each file below X is compared with the
    recording that has its name, but for the extension, below REF. --json then prints a line for each X.
    """
    if reference_path == input_path == "-":
        raise click.UsageError("Only one of REF and X can be stdin.")

    from sparsecodec_cli.errors import CliError, about, shown
    from sparsecodec_cli.io.progress import note, progress_bar
    from sparsecodec_cli.io.sounds import open_recording, open_sound, warnings_of
    from sparsecodec_cli.metrics import comparison

    with open_recording(reference_path) as source:
        for line in warnings_of(source):
            note(line, quiet=quiet)
        reference = comparison.recorded(reference_path, source)
    with open_sound(input_path) as sound, progress_bar("decoding", quiet=quiet) as progress:
        for line in sound.warnings:
            note(line, quiet=quiet)
        if model is not None and not sound.is_encoded:
            raise CliError(f"{shown(input_path)}: is not a .sic file; leave out --model, which is for these")
        other = comparison.heard(sound, model=model, device=device, progress=progress)
    with about(input_path), progress_bar("measuring", quiet=quiet) as progress:
        found = comparison.compared(reference, other, sound.n_bytes, progress=progress)
    for line in comparison.warnings_of(reference, other, found):
        note(line, quiet=quiet)
    click.echo(comparison.as_json(found) if as_json else comparison.as_text(reference, other, found))
