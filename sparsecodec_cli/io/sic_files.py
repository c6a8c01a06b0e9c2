"""Event tables from and to .sic files."""

from __future__ import annotations

from sparsecodec_cli.errors import about
from sparsecodec_formats import container
from sparsecodec_formats.table import EventTable

from .files import open_input, open_output


def read_table(path: str) -> EventTable:
    """All events of the .sic file at `path` ('-': stdin); CliError when it cannot be read whole."""
    with open_input(path) as file:
        return container.read(file)


def write_table(table: EventTable, path: str, *, force: bool, input_path: str) -> int:
    """Write a .sic file to `path` ('-': stdout), whole or not at all; the number of bytes it takes."""
    with open_output(path, force=force, input_paths=[input_path]) as file:
        with about(input_path):
            data = container.dumps(table)
        file.write(data)
    return len(data)
