"""A picture of events in characters: time to the right, level upwards, denser characters for more events."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DENSITIES = "░▒▓█"  # 1, 2, 3, 4 or more events
DENSITIES_ASCII = ".:+#"
MIN_ROW_DB = 3.0
N_ROWS = 10
LABEL_WIDTH = 8


@dataclass(frozen=True)
class Row:
    """One level of the picture: its lower edge in dB, and a character for each step of time."""

    level_db: float
    cells: str


def picture(
    time_s: NDArray[np.float64],
    level_db: NDArray[np.float64],
    duration_s: float,
    width: int,
    ascii_only: bool,
) -> list[Row]:
    """Rows from loud to soft, `width` characters each; none when nothing sounds within the duration.

    time_s, level_db: [n]; events at -inf dB or after the end are not drawn.
    """
    drawn = np.isfinite(level_db) & (time_s < duration_s)
    time_s, level_db = time_s[drawn], level_db[drawn]
    if not len(time_s):
        return []
    low, high = math.floor(level_db.min()), math.ceil(level_db.max() + 1e-9)
    row_db = max(MIN_ROW_DB, math.ceil((high - low) / N_ROWS))
    n_rows = max(1, math.ceil((high - low) / row_db))
    low = high - n_rows * row_db
    rows = np.clip((level_db - low) // row_db, 0, n_rows - 1).astype(int)
    steps = np.clip(time_s / duration_s * width, 0, width - 1).astype(int)
    count = np.zeros((n_rows, width), int)
    np.add.at(count, (rows, steps), 1)
    ramp = " " + (DENSITIES_ASCII if ascii_only else DENSITIES)
    return [
        Row(low + i * row_db, "".join(ramp[min(n, len(ramp) - 1)] for n in count[i].tolist()))
        for i in reversed(range(n_rows))
    ]
