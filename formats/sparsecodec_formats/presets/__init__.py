"""What the numbers of an event mean in each preset, and which events form a voice: all that needs no model."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.header import Header
from sparsecodec_formats.table import EventTable

from .layout import Dim, Layout
from .music import MUSIC
from .reference import REFERENCE
from .speech import SPEECH

__all__ = ["LAYOUTS", "Dim", "Layout", "layout_of", "level_db"]

LAYOUTS: Mapping[str, Layout] = MappingProxyType({layout.name: layout for layout in (SPEECH, REFERENCE, MUSIC)})
"""The layout of every preset, by the preset's name."""


def layout_of(header: Header) -> Layout:
    """The layout of the preset that a header names; SicError when this version does not know it."""
    try:
        return LAYOUTS[header.model]
    except KeyError:
        known = ", ".join(LAYOUTS)
        raise SicError(f"preset {header.model!r} is not known here ({known}); update sic") from None


def level_db(table: EventTable) -> NDArray[np.float64]:
    """float64 [n]: level of every event, dB; -inf for amplitude 0. SicError for a preset that is not known here.

    Re full scale where the preset's vectors tell a level, else up to a constant.
    """
    layout = layout_of(table.header)
    with np.errstate(divide="ignore"):
        amplitude_db = 20 * np.log10(table.amplitude.astype(np.float64))
    return amplitude_db + (layout.physical(table, "level_db") if "level_db" in layout.dims else 0.0)
