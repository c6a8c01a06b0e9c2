"""Sounds side by side in few lanes, in each of which no two sound at the same time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def pack_lanes(
    first: ArrayLike, last: ArrayLike, group: Sequence[int] | NDArray[np.integer] | None = None
) -> list[int]:
    """The lane of each of n sounds, from 0 on: in order of time, each goes to the first lane that is free.

    first, last: [n], its first sample and one past its last. group: [n], sounds of different groups may share a lane at
    the same time (channels, for one).
    """
    begins, ends = np.asarray(first, np.int64), np.asarray(last, np.int64)
    groups = np.zeros(len(begins), np.int64) if group is None else np.asarray(group, np.int64)
    free_from: list[dict[int, int]] = []  # of each lane, by group
    lanes = [0] * len(begins)
    for i in np.argsort(begins, kind="stable").tolist():
        mine, begin = int(groups[i]), int(begins[i])
        lane = next((k for k, until in enumerate(free_from) if until.get(mine, begin) <= begin), len(free_from))
        if lane == len(free_from):
            free_from.append({})
        free_from[lane][mine] = int(ends[i])
        lanes[i] = lane
    return lanes
