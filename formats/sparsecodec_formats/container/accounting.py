"""What the bytes of a .sic file are spent on, and what they would be if coding were perfect."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from sparsecodec_formats.blocks import zstd_codec
from sparsecodec_formats.crc import CHECK_BYTES

from .reader import RawBlock, Reader

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
    reader = Reader(fileobj)
    spent = dict.fromkeys(PARTS, 0.0)
    ideal: dict[str, float] | None = dict.fromkeys(PARTS[2:], 0.0)
    dims: dict[str, tuple[float, float]] = {}
    spent["header"] = reader.header_bytes
    for raw in reader.raw_blocks():
        _, bits = reader.decode_counting(raw)
        if bits is not None:
            per_bit = (len(raw.payload) - CHECK_BYTES) / sum(bits.values())
            for name, n_bits in bits.items():
                part = name if name in spent else "vectors"
                spent[part] += n_bits * per_bit
                if ideal is not None:
                    ideal[part] += n_bits / 8
                if part == "vectors":
                    so_far = dims.get(name, (0.0, 0.0))
                    dims[name] = so_far[0] + n_bits * per_bit, so_far[1] + n_bits / 8
        else:
            ideal = None
            for part, share in zip(PARTS[2:], _shares(raw), strict=False):
                spent[part] += share
    spent["framing"] = reader.position - sum(spent.values())
    # Cut points are rounded, not shares, so that the parts add up.
    cuts = np.rint(np.cumsum([0, *spent.values()])).astype(int)
    return Spending(dict(zip(PARTS, np.diff(cuts).tolist(), strict=True)), ideal, dims)


def _shares(raw: RawBlock) -> list[float]:
    """Bytes of a sound payload of codec 0 that go to times, vectors and, where there are any, amplitudes."""
    alone = zstd_codec.column_bytes(raw.payload, raw.head.n_events)
    n_data = len(raw.payload) - zstd_codec.frame_overhead(raw.payload)
    return [n_bytes / sum(alone) * n_data for n_bytes in alone]
