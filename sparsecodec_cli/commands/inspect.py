"""`sic inspect`: what is inside a file."""

from __future__ import annotations

import click

from sparsecodec_cli.options import input_argument, json_option


@click.command(name="inspect")
@input_argument
@click.option("--events", "with_events", is_flag=True, help="Print the table of events instead.")
@json_option
def command(input_path: str, with_events: bool, as_json: bool) -> None:
    """Show what is inside a .sic file.

    \b
    Examples:
      sic inspect talk.sic
      sic inspect talk.sic --events | less -S
      sic inspect talk.sic --json | jq .bitrate_kbps

    Prints the header, what the bytes are spent on, events a second, and a picture of the events; with
    --events a line for each event in physical units; with --json all of it, and every event's vector.
    """
    from sparsecodec_cli import inspection
    from sparsecodec_cli.errors import shown
    from sparsecodec_cli.files import open_seekable_input
    from sparsecodec_formats.header import MAGIC

    with open_seekable_input(input_path, MAGIC) as file:
        found = inspection.Inspection.of_file(file)
    if as_json:
        click.echo(inspection.as_json(found))
        return
    from sparsecodec_cli import inspection_text

    if with_events:
        inspection_text.print_events(found)
    else:
        inspection_text.print_inspection(found, shown(input_path))
