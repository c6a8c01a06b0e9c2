"""Streams of audio at another sample rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import soxr
from numpy.typing import NDArray

Block = NDArray[np.float32]


def resampled(blocks: Iterable[tuple[Block, bool]], rate: int, new_rate: int, channels: int) -> Iterator[Block]:
    """Blocks float32 [m, channels] at `rate` Hz, each with whether it is the last → as many blocks at `new_rate` Hz,
    which may be empty; together they are as long as the stream. Nothing is changed where the rates are equal."""
    if rate == new_rate:
        yield from (block for block, _ in blocks)
        return
    stream = soxr.ResampleStream(rate, new_rate, channels, "float32", "HQ")
    for block, is_last in blocks:
        yield stream.resample_chunk(block, last=is_last)
