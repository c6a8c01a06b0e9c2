"""Event tables from and to .sic files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from sparsecodec_formats import container
from sparsecodec_formats.container.header_bytes import MAGIC
from sparsecodec_formats.table import EventTable

from .files import open_input, open_seekable_input


@contextmanager
def open_sic(path: str) -> Iterator[BinaryIO]:
    """The .sic file at `path` ('-': stdin), seekable; expected errors inside get its name."""
    with open_seekable_input(path, MAGIC) as file:
        yield file


def read_table(path: str) -> EventTable:
    """All events of the .sic file at `path` ('-': stdin); CliError when it cannot be read whole."""
    with open_input(path) as file:
        return container.read(file)


def write_table(table: EventTable, file: BinaryIO) -> int:
    """Write a .sic file, once all its bytes are known, and return how many these are."""
    data = container.dumps(table)
    file.write(data)
    return len(data)
