"""Characters as cells of 2 × 4 dots, and the axis of time below them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

DOTS_X, DOTS_Y = 2, 4
BLANK = "\u2800"  # braille of no dots, which is as wide as the others in every font
BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])  # of the dots of a character, from above


def by_cell(dots: NDArray[Any]) -> NDArray[Any]:
    """[rows, characters, 4, 2] of dots [down, to the right]."""
    down, right = dots.shape
    return dots.reshape(down // DOTS_Y, DOTS_Y, right // DOTS_X, DOTS_X).transpose(0, 2, 1, 3)


def braille(cells: NDArray[np.bool_]) -> list[str]:
    codes = ord(BLANK) + (cells * BITS).sum(axis=(2, 3))
    return ["".join(map(chr, row)) for row in codes.tolist()]


def time_ticks(duration_s: float, width: int) -> tuple[list[int], str]:
    """Columns of round times below a picture, and their labels in a line that ends in " s", at most as wide."""
    exponent = math.floor(math.log10(duration_s)) - 2
    steps = (m * 10.0**e for e in range(exponent, exponent + 4) for m in (1, 2, 5))
    for step in steps:
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        times = step * np.arange(math.floor(duration_s / step + 1e-9) + 1)
        columns = [min(int(time / duration_s * width + 1e-9), width - 1) for time in times]
        labels = ["0", *(f"{time:.{decimals}f}" for time in times[1:])]
        if len(times) <= 2 or step / duration_s * width >= len(labels[-1]) + 4:
            break
    line = ""
    for column, label in zip(columns, labels, strict=True):
        start = max(min(column - (len(label) - 1) // 2, width - len(label + " s")), 0)
        if not line or start > len(line):
            line = line.ljust(start) + label
    return columns, line + " s"
