"""Runs of events that begin and fade by themselves, where they were parts of a voice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.table import EventTable

from .fades import unlink


def parted_at(table: EventTable, runs: Sequence[NDArray[np.int64]]) -> EventTable:
    """With the first row of each run beginning by itself, and what was before it fading as it did there."""
    first = np.zeros(len(table), bool)
    first[[rows[0] for rows in runs]] = True
    return unlink(table, where=first)
