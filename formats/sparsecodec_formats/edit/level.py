"""Edits of level and of the send to the room, and how much energy events have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.presets import layout_of, level_db
from sparsecodec_formats.presets.voices import Voices
from sparsecodec_formats.table import EventTable

from .checks import Where, chosen, within
from .rounding import told_finely
from .select import only

FLOOR_DB = -300.0
"""Energy given to an event of amplitude 0: below everything that sounds."""


def gain(table: EventTable, db: float, *, where: Where = None) -> EventTable:
    """The sound of the events louder by -200..200 dB: their amplitude, which files keep in steps of 0.25 dB."""
    factor = 10.0 ** (within("gain", db, -200, 200) / 20)
    return table.replace(amplitude=np.where(chosen(table, where), table.amplitude * factor, table.amplitude))


def room(table: EventTable, db: float, *, where: Where = None) -> EventTable:
    """Send of the events to the room, -60..0 dB; below -54 dB it is off. SicError where vectors tell none."""
    dim = layout_of(table.header).dim("room_db")
    vector = table.vector.copy()
    mask = chosen(table, where)
    vector[mask, dim.index] = (within("room", db, -60, 0) - dim.offset) / dim.scale
    return told_finely(table.replace(vector=vector), [dim], mask)


def drop_below(table: EventTable, db: float, *, where: Where = None) -> EventTable:
    """Without the events softer than -200..20 dB re full scale, by `level_db` and amplitude. Where a voice loses its
    beginning, or soft events in its midst, it begins anew. SicError where vectors tell no level (`reference`).
    """
    within("drop below", db, -200, 20)
    layout_of(table.header).dim("level_db")
    return only(table, ~chosen(table, where) | (level_db(table) >= db))


def estimate_energy_db(table: EventTable) -> NDArray[np.float32]:
    """float32 [n]: energy of each event, dB, up to a constant of the preset.

    Level plus 10 log10(`Voices.sounding_s`) where vectors tell what is linked; never below FLOOR_DB.
    """
    energy_db, voices = level_db(table), Voices.of(table)
    if voices.linked:
        with np.errstate(divide="ignore"):  # linked events at the same time
            energy_db = energy_db + 10 * np.log10(voices.sounding_s)
    return np.maximum(energy_db, FLOOR_DB).astype(np.float32)
