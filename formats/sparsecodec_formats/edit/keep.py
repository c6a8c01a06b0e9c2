"""Fewer events: those that are missed most stay."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.container import dumps
from sparsecodec_formats.errors import SicError
from sparsecodec_formats.presets.voices import Voices
from sparsecodec_formats.table import EventTable

from .checks import Where, chosen
from .level import estimate_energy_db
from .ranking import drawn_to, removal_order
from .select import only


def keep(table: EventTable, n: int, *, where: Where = None) -> EventTable:
    """The n events that are missed most (`ranking.py`); where vectors tell no links, those with the most energy. Of
    those at `where`; all others stay.

    Of linked events, those that stay move to where the lines between them come nearest to the whole.
    """
    if n < 0:
        raise SicError(f"{n} events cannot be kept; give 0 or more")
    first_to_go, mask = _first_to_go(table), chosen(table, where)
    return _kept(table, first_to_go[mask[first_to_go]], n)


def keep_percent(table: EventTable, percent: float, *, where: Where = None) -> EventTable:
    """The given share of the events (0..100, rounded up), those worth most; of those at `where`, while others stay."""
    if not 0 <= percent <= 100:
        raise SicError(f"{percent:g}% of the events cannot be kept; give 0 to 100")
    count = int(np.count_nonzero(chosen(table, where)))
    return keep(table, math.ceil(Fraction(percent) * count / 100), where=where)


def keep_bytes(table: EventTable, n_bytes: int) -> EventTable:
    """As many of the events worth most as a file of n_bytes holds; none where not even one fits."""
    if len(dumps(table)) <= n_bytes:
        return table
    first_to_go = _first_to_go(table)

    def size(n: int) -> int:
        return len(dumps(_kept(table, first_to_go, n)))

    return _kept(table, first_to_go, largest_within(n_bytes, size, len(table) - 1, lambda n: 1 / max(n, 1)))


def largest_within(
    limit: float,
    size: Callable[[int], float],
    most: int,
    slope: Callable[[int], float],
    first: int | None = None,
    near: float = 0.995,
) -> int:
    """The largest number 0..most whose size is at most `limit`, or any whose size lies in near * limit..limit.

    size: grows with the number, and takes long to work out; of 0 it is taken to be small enough. slope: about how much
    its logarithm grows at a number. first: where to look first, default `most`.
    """
    low, high = 0, most + 1
    n = most if first is None else min(max(first, 0), most)
    while high - low > 1:
        now = size(n)
        if now <= limit:
            low = n
            if now >= near * limit:
                break
        else:
            high = n
        step = math.log(max(limit, 1.0) / max(now, 1.0)) / slope(n)
        n = min(max(n + round(step), low + 1), high - 1)
    return low


def _first_to_go(table: EventTable) -> NDArray[np.int64]:
    """Rows, the one that is missed least first: int64 [n]."""
    if Voices.of(table).linked:
        return removal_order(table)[0]
    return np.argsort(-estimate_energy_db(table), kind="stable")[::-1]  # of equals, the later


def _kept(table: EventTable, first_to_go: NDArray[np.int64], n: int) -> EventTable:
    kept = np.ones(len(table), dtype=bool)
    kept[first_to_go[: max(0, len(first_to_go) - n)]] = False
    if kept.all():
        return table
    left = only(table, kept)
    return drawn_to(left, table) if Voices.of(table).linked else left
