"""What weights tell of a table's segments, where they are at hand (`weights_source`)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats import weights_source
from sparsecodec_formats.errors import WeightsNotThere
from sparsecodec_formats.presets import layout_of
from sparsecodec_formats.segments import Segments
from sparsecodec_formats.table import EventTable


def voiced_of(table: EventTable) -> NDArray[np.bool_] | None:
    """bool [n]: which events of `speech` have a pitch; None where the weights are not there, and for other presets,
    whose vectors tell all there is to know. SicError where there are weights, but damaged ones: else the same file
    would have other segments, and nobody would be told why."""
    if weights_source.find_has_pitch is None or layout_of(table.header).links != "channel" or not len(table):
        return None
    try:
        return weights_source.find_has_pitch(table)
    except WeightsNotThere:
        return None


def segments_of(table: EventTable) -> Segments:
    """`Segments.of` a table, with what `voiced_of` tells."""
    return Segments.of(table, voiced_of(table))
