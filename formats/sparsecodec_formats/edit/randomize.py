"""The two experiments of Vinyard 2025: the times or the vectors of all events drawn anew."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.table import EventTable

Within = Literal["range", "own", "normal"]
"""What vectors are drawn from: "range", each dim uniformly between its smallest and largest value in the table; "own",
the vectors that the table has, each once, in another order; "normal", the normal distribution with their means and
covariances, so that dims go together as they do in the table."""


def randomize_times(table: EventTable, seed: int, *, keep_order: bool = False) -> EventTable:
    """Every event at a time drawn uniformly from the source's duration; vectors and channels as they were.

    keep_order: the events take the drawn times in the order that they are in, so voices stay whole.
    """
    time = _rng(seed, "times").uniform(0.0, table.duration_s, len(table))
    if keep_order:
        time.sort()
    return EventTable.from_unsorted(table.header, time, table.vector, table.channel, table.amplitude)


def randomize_vectors(table: EventTable, seed: int, *, within: Within = "range") -> EventTable:
    """Every vector drawn anew; times, channels and amplitudes as they were. ValueError for any other `within`."""
    if within not in get_args(Within):
        raise ValueError(f"within is {within!r}; it must be one of {', '.join(get_args(Within))}")
    if not len(table):
        return table
    vector, rng = table.vector.astype(np.float64), _rng(seed, "vectors")
    if within == "own":
        return table.replace(vector=table.vector[rng.permutation(len(table))])
    if within == "normal":
        return table.replace(vector=_normal(vector, rng))
    return table.replace(vector=rng.uniform(vector.min(axis=0), vector.max(axis=0), vector.shape))


def _normal(vector: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """As many vectors, float64 [n, 32], from the normal distribution with the means and covariances of these."""
    mean = vector.mean(axis=0)
    # V diag(s) Z / sqrt(n) has the covariance of the rows, also where these span fewer dims than there are
    _, spread, axes = np.linalg.svd((vector - mean) / np.sqrt(len(vector)), full_matrices=False)
    return mean + (rng.standard_normal((len(vector), len(spread))) * spread) @ axes


def _rng(seed: int, what: str) -> np.random.Generator:
    # The name keeps the draws of the two experiments apart when one seed serves both.
    return np.random.default_rng([seed, *what.encode()])
