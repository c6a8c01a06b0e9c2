"""Events part by part: what is cut into notes or sounds, and described."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.presets import level_db
from sparsecodec_formats.table import EventTable

KINDS = ("pitched", "unvoiced", "drum")

FLOOR_DB = -300.0
"""Silence, as a number."""
NEAR_S = 0.05
"""Beginnings in a stream that are nearer to each other are one."""
HEARD_DB = 30.0
"""What is further below a louder neighbour is not heard as a sound of its own."""
LEAST_S = 1e-3
"""That an event counts, where its pitch is asked for."""

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Parts:
    """Events part by part, in order of time in each. order: rows [n]; first: where in `order` each part begins."""

    order: Rows
    first: Rows

    @property
    def part(self) -> Rows:
        """[n]: which part each place in `order` is of."""
        return np.repeat(np.arange(len(self.first)), np.diff(self.first, append=len(self.order)))

    @property
    def last(self) -> Rows:
        return np.append(self.first[1:], len(self.order)) - 1

    def most(self, values: Floats) -> Floats:
        return np.maximum.reduceat(values, self.first) if len(self.first) else np.zeros(0)

    def sums(self, values: NDArray[np.floating]) -> Floats:
        return np.add.reduceat(values, self.first) if len(self.first) else np.zeros(0)


@dataclass(frozen=True)
class Cut:
    """Where a table was cut into m parts.

    parts: m of them, of n events together. start_s, end_s: float64 [m], seconds, when each is heard. kind: str [m], of
    KINDS. weight: float64 [n], of each place in `parts.order`, how much its pitch counts. level_db: float64 [n], of
    each place, its level; FLOOR_DB where it does not count.
    """

    parts: Parts
    start_s: Floats
    end_s: Floats
    kind: NDArray[np.str_]
    weight: Floats
    level_db: Floats


def event_levels(table: EventTable) -> Floats:
    """float64 [n]: dB within ± FLOOR_DB, whatever numbers a file holds."""
    return np.clip(level_db(table), FLOOR_DB, -FLOOR_DB)
