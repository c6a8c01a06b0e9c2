"""`sic tag`: the texts that a file has about itself."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping

import click

from sparsecodec_cli import api

from .options import input_argument, json_option, output_options, parse_tags, refuse_name_of_recording


@click.command(name="tag")
@input_argument
@click.argument("changes", metavar="[KEY=VALUE]...", nargs=-1, callback=parse_tags)
@click.option("--clear", is_flag=True, help="Remove all tags, before those of KEY=VALUE are set.")
@click.option(
    "-o",
    "--output",
    "output_path",
    metavar="OUT",
    callback=refuse_name_of_recording,
    help="Write the changed file to OUT. [default: change IN itself]",
)
@json_option
@output_options
def command(
    input_path: str,
    changes: dict[str, str] | None,
    clear: bool,
    output_path: str | None,
    as_json: bool,
    force: bool,
    quiet: bool,
) -> None:
    """Show or change the tags of a .sic file.

    \b
    Examples:
      sic tag talk.sic                          # a line KEY=VALUE for each
      sic tag talk.sic --json | jq -r .title
      sic tag talk.sic title=Talk artist=Ann    # changes talk.sic
      sic tag talk.sic comment=                 # removes the comment
      sic tag talk.sic --clear -o bare.sic

    Only the tags are changed: the events stay as they are, byte for byte. KEY= removes a tag. The case of KEY does
    not matter. Without KEY=VALUE and --clear, the tags are printed. With IN '-', the changed file goes to stdout.
    """
    if not (changes or clear):
        if output_path is not None:
            raise click.UsageError("-o goes with KEY=VALUE or --clear.")
        _show(input_path, as_json=as_json)
        return
    if as_json:
        raise click.UsageError("--json shows tags; leave out KEY=VALUE and --clear.")

    from sparsecodec_cli.errors import about, shown_output
    from sparsecodec_cli.io import files
    from sparsecodec_cli.io.progress import note
    from sparsecodec_cli.io.sic_files import open_sic

    in_place = output_path is None and not files.is_stream(input_path)
    if output_path is None:
        output_path = input_path if in_place else "-"
    changed = io.BytesIO()
    with open_sic(input_path) as file:
        tags = with_changes({} if clear else api.read_tags(file), changes or {})
        file.seek(0)
        api.retag(file, changed, tags)
    if in_place:
        files.refuse_read_only(input_path)
    input_paths = [] if in_place else [input_path]
    with files.open_output(output_path, force=force or in_place, input_paths=input_paths) as out, about(input_path):
        out.write(changed.getvalue())
    note(f"{shown_output(output_path)}: {len(tags)} tag{'s' * (len(tags) != 1)}", quiet=quiet)


def with_changes(tags: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    """Tags with those of `changes` in place of the ones that have the same key in whatever case; empty ones removed."""
    changed = dict(tags)
    for key, text in changes.items():
        same = [old for old in changed if old.casefold() == key.casefold()]
        renamed = {}
        for old, old_text in changed.items():
            if old not in same:
                renamed[old] = old_text
            elif old == same[0] and text:  # the new one stands where the first of them stood
                renamed[key] = text
        if text and not same:
            renamed[key] = text
        changed = renamed
    return changed


def _show(input_path: str, *, as_json: bool) -> None:
    from sparsecodec_cli.errors import one_line
    from sparsecodec_cli.io.sic_files import open_sic

    with open_sic(input_path) as file:
        tags = api.read_tags(file)
    if as_json:
        click.echo(json.dumps(tags, indent=2))
        return
    for key, text in tags.items():
        click.echo(one_line(f"{key}={text}"))
