"""The last step of commands that make a table of other tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparsecodec_formats.table import EventTable


def write_edited(
    table: EventTable, output_path: str, *, input_paths: Sequence[str], about_path: str, force: bool, quiet: bool
) -> None:
    """Write a .sic file and tell of it. about_path: of the file that an event which cannot be written is blamed on."""
    from sparsecodec_cli.errors import about
    from sparsecodec_cli.io.files import open_output
    from sparsecodec_cli.io.progress import note
    from sparsecodec_cli.io.sic_files import write_table

    from . import summary

    with open_output(output_path, force=force, input_paths=input_paths) as out, about(about_path):
        n_bytes = write_table(table, out)
    note(summary.of_table(output_path, table, n_bytes), quiet=quiet)
