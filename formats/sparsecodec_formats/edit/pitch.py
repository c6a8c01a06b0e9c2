"""Edits of pitch."""

from __future__ import annotations

import numpy as np

from sparsecodec_formats.presets import layout_of
from sparsecodec_formats.table import EventTable

from .checks import within


def transpose(table: EventTable, semitones: float) -> EventTable:
    """The pitch of every event moved by -120..120 semitones; times stay."""
    return _added(table, "f0_semitones", within("transpose", semitones, -120, 120))


def _added(table: EventTable, name: str, amount: float) -> EventTable:
    """The named physical quantity of every event raised by `amount`, in its unit."""
    dim = layout_of(table.header).dim(name)
    vector = table.vector.astype(np.float64)
    vector[:, dim.index] += amount / dim.scale
    return table.replace(vector=vector)
