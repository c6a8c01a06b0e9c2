"""Event tables from and to .sic files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, TypeVar

from sparsecodec_cli import let_tables_ask
from sparsecodec_cli.errors import about, about_os
from sparsecodec_formats import container
from sparsecodec_formats.container.header_bytes import MAGIC
from sparsecodec_formats.errors import NewerVersion
from sparsecodec_formats.table import EventTable

from .files import open_input, open_seekable_input
from .warned import telling

Item = TypeVar("Item")

let_tables_ask()


@contextmanager
def open_sic(path: str) -> Iterator[BinaryIO]:
    """The .sic file at `path` ('-': stdin), seekable; expected errors inside get its name."""
    with open_seekable_input(path, MAGIC) as file, telling(path, NewerVersion):
        yield file


@contextmanager
def open_events(path: str) -> Iterator[container.Reader]:
    """The events of the .sic file at `path` ('-': stdin), to be read as they are needed; CliError when its header
    cannot be read."""
    with open_input(path) as file, telling(path, NewerVersion):
        yield container.Reader(file)


def read_from(path: str, items: Iterable[Item]) -> Iterator[Item]:
    """What is made of a file as it is read: an OSError on the way is told of this file, not of the one that is
    written."""
    with about_os(path):
        yield from items


def read_table(path: str) -> EventTable:
    """All events of the .sic file at `path` ('-': stdin); CliError when it cannot be read whole."""
    with open_input(path) as file, telling(path, NewerVersion):
        return container.read(file)


def read_joinable(paths: Sequence[str]) -> list[EventTable]:
    """As `read_table`, of several files of which one table can hold all events; CliError for the first that does not
    go with those before it."""
    from sparsecodec_formats.edit import check_joinable

    tables: list[EventTable] = []
    for path in paths:
        tables.append(read_table(path))
        with about(path):
            for before in tables[:-1]:
                check_joinable(before.header, tables[-1].header)
    return tables


def write_table(table: EventTable, file: BinaryIO) -> int:
    """Write a .sic file, once all its bytes are known, and return how many these are."""
    data = container.dumps(table)
    file.write(data)
    return len(data)
