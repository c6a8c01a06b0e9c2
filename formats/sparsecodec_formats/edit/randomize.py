"""The two experiments of Vinyard 2025: the times or the vectors of all events drawn anew."""

from __future__ import annotations

import numpy as np

from sparsecodec_formats.table import EventTable


def randomize_times(table: EventTable, seed: int) -> EventTable:
    """Every event at a time drawn uniformly from the source's duration; vectors and channels as they were."""
    time = _rng(seed, "times").uniform(0.0, table.duration_s, len(table))
    return EventTable.from_unsorted(table.header, time, table.vector, table.channel, table.amplitude)


def randomize_vectors(table: EventTable, seed: int) -> EventTable:
    """Every dim drawn uniformly between its smallest and largest value in the table; the rest as it was."""
    if not len(table):
        return table
    vector = table.vector.astype(np.float64)
    drawn = _rng(seed, "vectors").uniform(vector.min(axis=0), vector.max(axis=0), vector.shape)
    return table.replace(vector=drawn)


def _rng(seed: int, what: str) -> np.random.Generator:
    # The name keeps the draws of the two experiments apart when one seed serves both.
    return np.random.default_rng([seed, *what.encode()])
