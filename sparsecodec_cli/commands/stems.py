"""`sic stems`: every event as a sound of its own."""

from __future__ import annotations

import click

from sparsecodec_cli.options import device_option, input_argument, model_option, quiet_option, seed_option


@click.command(name="stems")
@input_argument
@click.argument("output_path", metavar="DIR")
@click.option(
    "--top", type=click.IntRange(min=1), metavar="N", help="Only the N events with most energy. [default: all]"
)
@seed_option("Draw the noise from another seed than IN's.", default=None)
@model_option("Other weights for the preset that IN was coded with.")
@device_option
@click.option(
    "-f", "--force", is_flag=True, help="Write into DIR even if it is not empty, in the place of earlier stems."
)
@quiet_option
def command(
    input_path: str,
    output_path: str,
    top: int | None,
    seed: int | None,
    model: str | None,
    device: str,
    force: bool,
    quiet: bool,
) -> None:
    """Render every event as a sound of its own.

    \b
    Examples:
      sic stems talk.sic stems            # stems/0000-0.081s.wav, ... and stems/stems.csv
      sic stems talk.sic loud --top 20    # the 20 events with most energy

    Each event becomes a WAV file of 32-bit floats in the folder DIR, named by its index and its time, at the
    rate and with the channels of the recording, cut to where it sounds. stems.csv tells for each at which
    sample it starts, and what the event says. All of them, each from its start, add up to what 'sic decode'
    renders.
    """
    if output_path in ("-", ""):
        raise click.UsageError("Stems are many files; name a folder for them, not stdout.")

    from sparsecodec_cli.errors import about
    from sparsecodec_cli.io.output_folder import open_output_folder
    from sparsecodec_cli.io.progress import note, progress_bar
    from sparsecodec_cli.io.sic_files import read_table

    from . import summary

    table = read_table(input_path)
    from sparsecodec_cli.stems import earlier_stems, write_stems

    with open_output_folder(output_path, force=force, earlier=earlier_stems) as folder:
        from sparsecodec_cli.api import resolve_device
        from sparsecodec_models import codec_for

        with about(input_path), progress_bar("rendering stems", quiet=quiet) as progress:
            codec = codec_for(table.header, resolve_device(device), model)
            n_stems = write_stems(folder, codec, table, top=top, seed=seed, progress=progress)
    note(summary.of_stems(output_path, table, n_stems, top), quiet=quiet)
