"""Runs of events that begin and fade by themselves, where they were parts of a voice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.table import EventTable

from .fades import unlink


def parted_at(table: EventTable, firsts: NDArray[np.int64]) -> EventTable:
    """With these rows beginning by themselves, and what was before each fading as it did there."""
    first = np.zeros(len(table), bool)
    first[firsts] = True
    return unlink(table, where=first)
