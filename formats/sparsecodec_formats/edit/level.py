"""Edits of level, and how much energy events have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.presets import level_db
from sparsecodec_formats.presets.voices import Voices
from sparsecodec_formats.table import EventTable

from .checks import within

FLOOR_DB = -300.0
"""Energy given to an event of amplitude 0: below everything that sounds."""


def gain(table: EventTable, db: float) -> EventTable:
    """Every event's sound louder by -200..200 dB: its amplitude, which files keep in steps of 0.25 dB."""
    return table.replace(amplitude=table.amplitude * 10.0 ** (within("gain", db, -200, 200) / 20))


def estimate_energy_db(table: EventTable) -> NDArray[np.float32]:
    """float32 [n]: energy of each event, dB, up to a constant of the preset.

    Level plus 10 log10(`Voices.sounding_s`) where vectors tell what is linked; never below FLOOR_DB.
    """
    energy_db, voices = level_db(table), Voices.of(table)
    if voices.linked:
        with np.errstate(divide="ignore"):  # linked events at the same time
            energy_db = energy_db + 10 * np.log10(voices.sounding_s)
    return np.maximum(energy_db, FLOOR_DB).astype(np.float32)
