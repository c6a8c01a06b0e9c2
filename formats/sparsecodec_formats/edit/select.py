"""Some of the events: taken out with what is linked to them in mind, or heard alone in their place."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import UnknownEvent
from sparsecodec_formats.presets import LAYOUTS, level_db
from sparsecodec_formats.presets.voices import Voices
from sparsecodec_formats.table import EventTable

from .checks import on_grid_above

DIP_DB = 15.0
"""How much softer than those on both sides an event is whose loss parts a voice."""


def parted(level_db: NDArray[np.floating], kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """bool [n]: events of a channel, in order of time, that are kept but should not carry on the kept one before.

    So where an event between them that is dropped is softer than both by DIP_DB: there was a pause, or nearly one.
    """
    out = np.zeros(len(kept), bool)
    before, lowest = -np.inf, np.inf  # level of the last that is kept, and lowest since
    for i, level in enumerate(level_db):
        if kept[i]:
            out[i] = lowest < min(before, level) - DIP_DB
            before, lowest = level, np.inf
        else:
            lowest = min(lowest, level)
    return out


def only(table: EventTable, kept: NDArray[np.bool_]) -> EventTable:
    """The rows of a mask, bool [n]. Where a voice loses its beginning, its first event that is kept begins by itself.

    Else it would carry on the voice before. So does the first after a pause whose soft events are dropped. What came
    in all the way from the event before it still does. A preset that is not known here is taken to have no voices.
    """
    layout = LAYOUTS.get(table.header.model)
    if layout is None or kept.all():
        return table.select(kept)
    voices = Voices.of(table)
    if not voices.linked:
        return table.select(kept)
    order, begins = voices.order, voices.begins[voices.order]
    here = kept[order]
    leads = np.diff(voices.number[order][here], prepend=-1) != 0
    level = level_db(table)[order]
    for channel in np.unique(table.channel):
        mine = table.channel[order] == channel
        leads |= np.isin(np.flatnonzero(here), np.flatnonzero(mine)[parted(level[mine], here[mine])])
    rows = order[here]
    vector = table.vector.copy()
    # on the grid, so that rounding does not take it away
    vector[rows[leads & ~begins[here]], layout.dims["begins"].index] = on_grid_above(table, layout.dims["begins"], 0.51)
    before_s, after_s = np.diff(table.time[order], prepend=0.0)[here], np.diff(table.time[rows], prepend=0.0)
    whole = voices.comes_whole[order][here] & ~leads & (after_s > before_s)
    attack = layout.dims["attack_log2_s"]
    gap_log2_s = np.log2(np.maximum(after_s[whole], 1e-3))
    comes, now = rows[whole], vector[rows[whole], attack.index]
    shorter = attack.physical(vector[comes]) < gap_log2_s
    vector[comes, attack.index] = np.where(shorter, on_grid_above(table, attack, gap_log2_s), now)
    return table.replace(vector=vector).select(kept)


def solo(table: EventTable, events: Iterable[int]) -> EventTable:
    """All others at amplitude 0: those at these indices sound as in the whole, and carry on what they carried on there.

    UnknownEvent for an index that the table does not have.
    """
    heard = np.zeros(len(table), bool)
    for index in events:
        if not 0 <= index < len(table):
            there = f"it has 0 to {len(table) - 1}" if len(table) else "it has none"
            raise UnknownEvent(f"there is no event {index}; {there}")
        heard[index] = True
    return table.replace(amplitude=np.where(heard, table.amplitude, 0))
