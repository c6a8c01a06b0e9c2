"""Which segments sound alike."""

from __future__ import annotations

from collections import deque
from itertools import chain, islice, product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .parts import FLOOR_DB, Rows

if TYPE_CHECKING:
    from .segments import Segments

REPEAT_SEMITONES, REPEAT_DB, REPEAT_OCTAVES, REPEAT_SHAPE = 0.5, 6.0, 0.6, 6.0
"""Segments that differ by no more in pitch, level and log2 of their length, and in their mean spectrum (length of the
difference of vectors, in units of the vector), repeat each other."""
MOST_FIRSTS, AT_ONCE = 32, 256
"""Of those that are much alike but for their spectrum, only the last before each part of so many segments, and those
within the part, are remembered: time must not grow as a square."""


def repeats_of(segments: Segments) -> Rows:
    """The first segment that each sounds like, -1 for none, int64 [m]."""
    out = np.full(len(segments), -1)
    shape, f0_hz, kinds = segments.timbre, segments.f0_hz, segments.kind
    octaves = np.log2(np.maximum(segments.end_s - segments.start_s, 1e-3))
    pitch = np.where(np.isfinite(f0_hz), 12 * np.log2(np.where(np.isfinite(f0_hz), f0_hz, 1.0)), 0.0)
    loudness = np.maximum(segments.level_db, FLOOR_DB)
    named = np.column_stack([pitch, loudness, octaves]) / (REPEAT_SEMITONES, REPEAT_DB, REPEAT_OCTAVES)
    # what is alike lies in the same cell of two by two by two, or in the nearest one beside it
    cells = np.floor(named / 2).astype(int)
    beside = np.where(named / 2 - cells < 0.5, cells - 1, cells + 1)
    places = zip(kinds.tolist(), cells.tolist(), beside.tolist(), strict=True)
    firsts: dict[tuple[str, int, int, int], deque[int]] = {}

    def alike(rows: Rows, others: Rows) -> NDArray[np.bool_]:
        near: NDArray[np.bool_] = np.abs(named[rows] - named[others]).max(1) <= 1
        near[near] = ((shape[rows[near]] - shape[others[near]]) ** 2).sum(1) <= REPEAT_SHAPE**2
        return near

    for start in range(0, len(segments), AT_ONCE):
        part = list(islice(places, AT_ONCE))
        known: list[list[int]] = []  # of each, the firsts that lie near
        for kind, here, there in part:
            around = product((kind,), *zip(here, there, strict=True))
            known.append([j for cell in around if cell in firsts for j in firsts[cell]])
        rows = np.repeat(np.arange(start, start + len(part)), [len(near) for near in known])
        others = np.fromiter(chain.from_iterable(known), np.int64, len(rows))
        found = alike(rows, others)
        first = np.full(len(part), len(segments))
        np.minimum.at(first, rows[found] - start, others[found])
        out[start : start + len(part)] = np.where(first < len(segments), first, -1)
        left = start + np.flatnonzero(first == len(segments))
        while len(left):
            i, left = int(left[0]), left[1:]
            kind, here, _ = part[i - start]
            firsts.setdefault((kind, here[0], here[1], here[2]), deque(maxlen=MOST_FIRSTS)).append(i)
            repeats = (kinds[left] == kinds[i]) & alike(left, np.full(len(left), i))
            out[left[repeats]] = i
            left = left[~repeats]
    return out
