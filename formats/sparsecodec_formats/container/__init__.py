"""Whole .sic files: write, read, verify, and what their bytes are spent on; docs/format.md has the bytes.

    magic, version, header | block | block | ... | end

A block holds events of one channel within one window of 10 s: a head with a check of its own, and a payload
that is decoded by itself. So a reader can stream, can go to a time, and loses only the block that is damaged.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, BinaryIO

from sparsecodec_formats.errors import FormatError
from sparsecodec_formats.table import EventTable

from .accounting import Spending, spending
from .reader import MAX_EVENTS, Block, Reader
from .retagging import retag
from .writer import Writer, Written, write_parts

if TYPE_CHECKING:
    from .salvaging import Missing, Salvage, salvage

__all__ = [
    "MAX_EVENTS",
    "Block",
    "Missing",
    "Reader",
    "Salvage",
    "Spending",
    "Writer",
    "Written",
    "dumps",
    "loads",
    "read",
    "retag",
    "salvage",
    "sizes",
    "spending",
    "verify",
    "write",
    "write_parts",
]


def __getattr__(name: str) -> Any:
    if name in ("Missing", "Salvage", "salvage"):  # damage is rare
        from . import salvaging

        return getattr(salvaging, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def write(table: EventTable, fileobj: BinaryIO) -> None:
    """Write a whole .sic file. Numbers are rounded to the grid that the header sets."""
    with Writer(fileobj, table.header) as writer:
        writer.write(table)


def dumps(table: EventTable) -> bytes:
    """The bytes of a whole .sic file."""
    buffer = io.BytesIO()
    write(table, buffer)
    return buffer.getvalue()


def read(fileobj: BinaryIO) -> EventTable:
    """Read a whole .sic file; FormatError if any of it is damaged or missing, or if anything follows it.

    TooManyEvents, which is one too, for more than MAX_EVENTS.
    """
    return Reader(fileobj).read_all()


def loads(data: bytes) -> EventTable:
    """Read the bytes of a whole .sic file, as `read` does."""
    return read(io.BytesIO(data))


def verify(fileobj: BinaryIO) -> list[str]:
    """Every problem of a .sic file, one line each; none says that every byte of it is sound."""
    try:
        reader = Reader(fileobj)
    except FormatError as error:
        return [str(error)]
    for _ in reader.blocks(damaged="skip"):
        pass
    return reader.problems


def sizes(fileobj: BinaryIO) -> dict[str, int]:
    """Bytes of each part of a .sic file; they add up to its length. FormatError if it is damaged.

    Keys: header; framing (heads and checks of blocks, the end); times, vectors, amplitude. `spending` tells more.
    """
    return spending(fileobj).parts
