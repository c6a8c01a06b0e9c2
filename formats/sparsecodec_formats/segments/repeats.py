"""Which segments sound alike."""

from __future__ import annotations

from collections import deque
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from .parts import FLOOR_DB, Rows

if TYPE_CHECKING:
    from .segments import Segments

REPEAT_SEMITONES, REPEAT_DB, REPEAT_OCTAVES, REPEAT_SHAPE = 0.5, 6.0, 0.6, 6.0
"""Segments that differ by no more in pitch, level and log2 of their length, and in their mean spectrum (length of the
difference of vectors, in units of the vector), repeat each other."""
MOST_FIRSTS = 32
"""Of those that are much alike but for their spectrum, only the last are remembered: time must not grow as a square."""


def repeats_of(segments: Segments) -> Rows:
    """The first segment that each sounds like, -1 for none, int64 [m]."""
    out = np.full(len(segments), -1)
    shape, f0_hz = segments.timbre, segments.f0_hz
    octaves = np.log2(np.maximum(segments.end_s - segments.start_s, 1e-3))
    pitch = np.where(np.isfinite(f0_hz), 12 * np.log2(np.where(np.isfinite(f0_hz), f0_hz, 1.0)), 0.0)
    loudness = np.maximum(segments.level_db, FLOOR_DB)
    named = np.column_stack([pitch, loudness, octaves]) / (REPEAT_SEMITONES, REPEAT_DB, REPEAT_OCTAVES)
    # what is alike lies in the same cell of two by two by two, or in the nearest one beside it
    cells = np.floor(named / 2).astype(int)
    beside = np.where(named / 2 - cells < 0.5, cells - 1, cells + 1)
    places = zip(segments.kind.tolist(), cells.tolist(), beside.tolist(), strict=True)
    firsts: dict[tuple[str, int, int, int], deque[int]] = {}
    for i, (kind, here, there) in enumerate(places):
        around = product((kind,), *zip(here, there, strict=True))
        near = [j for cell in around if cell in firsts for j in firsts[cell]]
        if near:
            alike = (np.abs(named[near] - named[i]) <= 1).all(1)
            alike &= ((shape[near] - shape[i]) ** 2).sum(1) <= REPEAT_SHAPE**2
            if alike.any():
                out[i] = min(j for j, is_one in zip(near, alike.tolist(), strict=True) if is_one)
                continue
        firsts.setdefault((kind, here[0], here[1], here[2]), deque(maxlen=MOST_FIRSTS)).append(i)
    return out
