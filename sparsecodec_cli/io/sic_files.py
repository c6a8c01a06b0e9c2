"""Event tables from and to .sic files."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeVar

import click

from sparsecodec_cli.errors import about_os, one_line, shown
from sparsecodec_formats import container
from sparsecodec_formats.container.header_bytes import MAGIC
from sparsecodec_formats.errors import NewerVersion
from sparsecodec_formats.table import EventTable

from .files import open_input, open_seekable_input
from .progress import note

Item = TypeVar("Item")


@contextmanager
def open_sic(path: str) -> Iterator[BinaryIO]:
    """The .sic file at `path` ('-': stdin), seekable; expected errors inside get its name."""
    with open_seekable_input(path, MAGIC) as file, telling_of_newer_version(path):
        yield file


@contextmanager
def open_events(path: str) -> Iterator[container.Reader]:
    """The events of the .sic file at `path` ('-': stdin), to be read as they are needed; CliError when its header
    cannot be read."""
    with open_input(path) as file, telling_of_newer_version(path):
        yield container.Reader(file)


def read_from(path: str, items: Iterable[Item]) -> Iterator[Item]:
    """What is made of a file as it is read: an OSError on the way is told of this file, not of the one that is
    written."""
    with about_os(path):
        yield from items


def read_table(path: str) -> EventTable:
    """All events of the .sic file at `path` ('-': stdin); CliError when it cannot be read whole."""
    with open_input(path) as file, telling_of_newer_version(path):
        return container.read(file)


@contextmanager
def telling_of_newer_version(path: str) -> Iterator[None]:
    """The warning NewerVersion becomes a line on stderr, once, that names the file; none where the command is quiet."""
    show_others = warnings.showwarning
    told: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if not issubclass(category, NewerVersion):
            show_others(message, category, *place, **more)
        elif str(message) not in told:
            told.add(str(message))
            context = click.get_current_context(silent=True)
            quiet = context is not None and bool(context.params.get("quiet"))
            note(f"sic: warning: {shown(path)}: {one_line(str(message))}", quiet=quiet)

    with warnings.catch_warnings():
        warnings.simplefilter("always", NewerVersion)
        warnings.showwarning = show
        yield


def write_table(table: EventTable, file: BinaryIO) -> int:
    """Write a .sic file, once all its bytes are known, and return how many these are."""
    data = container.dumps(table)
    file.write(data)
    return len(data)
