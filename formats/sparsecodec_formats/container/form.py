"""How the bytes of a file are cut, apart from what it says, so that the same bytes can be written again.

Most files are as `write` makes them, and then there is nothing to keep: one block for each stream and window, coded
with the statistics that the header names. A file that was written while its sound came has other blocks, and its length
stands at the end. Other writers may cut and code blocks as they like.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

import numpy as np

from sparsecodec_formats.errors import DamagedBlocks, FormatError, SicError
from sparsecodec_formats.quantiser import dequantise, quantise
from sparsecodec_formats.table import EventTable

from .framing import windows_of
from .reader import EventCount, Reader
from .writer import Writer


class BlockForm(NamedTuple):
    """A block in its place in the file. stream: of all its events; n_events; codec: how its payload is coded."""

    stream: int
    n_events: int
    codec: int


@dataclass(frozen=True)
class Form:
    """How a file is cut. length_at_end: as of `Reader`; blocks: in the file's order."""

    length_at_end: bool
    blocks: tuple[BlockForm, ...]

    @classmethod
    def of(cls, reader: Reader) -> Form:
        """That of a file, whose blocks are not decoded. FormatError where it is damaged."""
        blocks = [BlockForm(raw.head.channel, raw.head.n_events, raw.head.codec) for raw in reader.raw_blocks()]
        return cls(reader.length_at_end, tuple(blocks))


def read_with_form(fileobj: BinaryIO) -> tuple[EventTable, Form | None]:
    """Read a whole .sic file as `read` does, and its form, None where that is the one that `write` gives its events."""
    reader, count = Reader(fileobj), EventCount()
    parts, blocks = [], []
    for raw in reader.raw_blocks():
        count.add(raw.head.n_events)
        try:
            events = reader.decode(raw)
        except FormatError as error:
            raise DamagedBlocks(f"{raw.place}: {error}") from None
        blocks.append(BlockForm(raw.head.channel, raw.head.n_events, raw.head.codec))
        parts.append(dequantise(reader.header, events))
    table = EventTable.joined(reader.header, parts)
    form = Form(reader.length_at_end, tuple(blocks))
    return table, None if form == _usual_form(table) else form


def write_in_form(table: EventTable, fileobj: BinaryIO, form: Form | None) -> int:
    """Write a .sic file of this form, and return how many bytes it has. Events that do not fit it, since some came,
    went or moved, get the form that `write` gives them; so they do where there is none (None)."""
    data = (_in_form(table, form) if form else None) or _usual(table)
    fileobj.write(data)
    return len(data)


def _usual(table: EventTable) -> bytes:
    buffer = io.BytesIO()
    with Writer(buffer, table.header) as writer:
        writer.write(table)
    return buffer.getvalue()


def _usual_form(table: EventTable) -> Form | None:
    """That which `write` gives the events; None where it cannot write them, as their statistics are not known here."""
    try:
        return Form.of(Reader(io.BytesIO(_usual(table))))
    except SicError:
        return None


def _in_form(table: EventTable, form: Form) -> bytes | None:
    """The bytes; None where the events do not fit."""
    events = quantise(table)
    rows = {stream: np.flatnonzero(events.channel == stream) for stream in range(table.header.streams)}
    counts = dict.fromkeys(rows, 0)
    for block in form.blocks:
        counts[block.stream] = counts.get(block.stream, 0) + block.n_events
    if counts != {stream: len(mine) for stream, mine in rows.items()}:
        return None
    buffer = io.BytesIO()
    try:
        with Writer(buffer, table.header, length_at_end=form.length_at_end) as writer:
            for block in form.blocks:
                mine, rows[block.stream] = np.split(rows[block.stream], [block.n_events])
                if len(set(windows_of(events.time_index[mine], table.header).tolist())) != 1:
                    return None
                writer.write_block(block.stream, events.select(mine), block.codec)
        buffer.seek(0)
        found = Form.of(Reader(buffer))
    except SicError:  # its codec cannot code them, or they are in another order
        return None
    return buffer.getvalue() if found == form else None
