"""What the bytes of a .sic file are spent on, and what they would be if coding were perfect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from sparsecodec_formats.blocks import zstd_codec
from sparsecodec_formats.crc import CHECK_BYTES
from sparsecodec_formats.errors import DamagedBlocks, FormatError
from sparsecodec_formats.quantiser import QuantisedEvents, dequantise
from sparsecodec_formats.table import EventTable

from .reader import EventCount, RawBlock, Reader

PARTS = ("header", "framing", "times", "vectors", "amplitude")


@dataclass(frozen=True)
class Spending:
    """Bytes of a file by part.

    Attributes:
        parts: bytes by part of PARTS; they add up to the file. framing: heads and checks of blocks, the end.
        ideal: bytes that times, vectors and amplitude would take if each number took exactly minus the logarithm of its
            probability; None where a block's codec (0) tells no probabilities.
        dims: (bytes, ideal bytes) by name of a vector's number, of blocks whose codec tells; they add up to vectors.
    """

    parts: dict[str, int]
    ideal: dict[str, float] | None
    dims: dict[str, tuple[float, float]] = field(default_factory=dict)


def spending(fileobj: BinaryIO) -> Spending:
    """What a .sic file's bytes are spent on; FormatError if it is damaged.

    Parts of a payload share it in proportion to what each takes: under codec 1 by its probabilities, under codec 0 when
    compressed alone.
    """
    account = _Account(Reader(fileobj))
    for _ in account.blocks():
        pass
    return account.closed()


def read_and_account(fileobj: BinaryIO) -> tuple[EventTable, Spending]:
    """A whole .sic file as `read` reads it, and its `spending`, in one pass."""
    reader, count, parts = Reader(fileobj), EventCount(), []
    account = _Account(reader)
    for events in account.blocks():
        count.add(len(events))
        parts.append(dequantise(reader.header, events))
    return EventTable.joined(reader.header, parts), account.closed()


class _Account:
    """Sums of what is read."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._spent = dict.fromkeys(PARTS, 0.0) | {"header": float(reader.header_bytes)}
        self._ideal: dict[str, float] | None = dict.fromkeys(PARTS[2:], 0.0)
        self._dims: dict[str, tuple[float, float]] = {}

    def blocks(self) -> Iterator[QuantisedEvents]:
        """The blocks of the file, each counted in."""
        for raw in self._reader.raw_blocks():
            try:
                events, bits = self._reader.decode_counting(raw)
            except FormatError as error:
                raise DamagedBlocks(f"{raw.place}: {error}") from None
            if bits is None:
                self._ideal = None
                for part, share in zip(PARTS[2:], _shares(raw), strict=False):
                    self._spent[part] += share
            else:
                self._add(raw, bits)
            yield events

    def _add(self, raw: RawBlock, bits: dict[str, float]) -> None:
        per_bit = (len(raw.payload) - CHECK_BYTES) / sum(bits.values())
        for name, n_bits in bits.items():
            part = name if name in self._spent else "vectors"
            self._spent[part] += n_bits * per_bit
            if self._ideal is not None:
                self._ideal[part] += n_bits / 8
            if part == "vectors":
                so_far = self._dims.get(name, (0.0, 0.0))
                self._dims[name] = so_far[0] + n_bits * per_bit, so_far[1] + n_bits / 8

    def closed(self) -> Spending:
        """What was spent, when all is read."""
        self._spent["framing"] = self._reader.position - sum(self._spent.values())
        # Cut points are rounded, not shares, so that the parts add up.
        cuts = np.rint(np.cumsum([0, *self._spent.values()])).astype(int)
        return Spending(dict(zip(PARTS, np.diff(cuts).tolist(), strict=True)), self._ideal, self._dims)


def _shares(raw: RawBlock) -> list[float]:
    """Bytes of a sound payload of codec 0 that go to times, vectors and, where there are any, amplitudes."""
    alone = zstd_codec.column_bytes(raw.payload, raw.head.n_events)
    n_data = len(raw.payload) - zstd_codec.frame_overhead(raw.payload)
    return [n_bytes / sum(alone) * n_data for n_bytes in alone]
