"""Whole .sic files: write, read, verify, and what their bytes are spent on; docs/format.md has the bytes.

    magic, version, header | block | block | ... | end

A block holds events of one channel within one window of 10 s: a head with a check of its own, and a payload
that is decoded by itself. So a reader can stream, can go to a time, and loses only the block that is damaged.
"""

from __future__ import annotations

import io
from typing import BinaryIO

import numpy as np

from .errors import FormatError
from .events import EventTable
from .payload import column_bytes, frame_overhead
from .reader import Block, Reader
from .writer import Writer

__all__ = ["Block", "Reader", "Writer", "dumps", "loads", "read", "sizes", "verify", "write"]

PARTS = ("header", "framing", "times", "vectors", "amplitude")


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
    """Read a whole .sic file; FormatError if any of it is damaged or missing, or if anything follows it."""
    reader = Reader(fileobj)
    parts = [block.table for block in reader.blocks()]
    if not parts:
        return EventTable.empty(reader.header)
    return EventTable.from_unsorted(
        reader.header,
        np.concatenate([part.time for part in parts]),
        np.concatenate([part.vector for part in parts]),
        np.concatenate([part.channel for part in parts]),
        np.concatenate([part.amplitude for part in parts]),
    )


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

    Keys: header; framing (heads and checks of blocks and zstd frames, the end); times, vectors, amplitude.
    These three share a payload in proportion to what each takes when compressed alone.
    """
    reader = Reader(fileobj)
    spent = dict.fromkeys(PARTS, 0)
    spent["header"] = reader.header_bytes
    for raw in reader.raw_blocks():
        overhead = frame_overhead(raw.payload)
        spent["framing"] += raw.head_bytes + overhead
        alone = column_bytes(raw.payload, raw.head.n_events)
        # Cut points are rounded, not shares, so that the shares add up.
        cuts = np.rint(np.cumsum([0, *alone]) / sum(alone) * (len(raw.payload) - overhead)).astype(int)
        for part, share in zip(PARTS[2:], np.diff(cuts).tolist(), strict=False):
            spent[part] += share
    spent["framing"] += reader.position - sum(spent.values())
    return spent
