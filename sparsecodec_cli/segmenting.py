"""The segments of a table, with what its weights tell of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .models import has_pitch_for

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sparsecodec_formats.segments import Segments
    from sparsecodec_formats.table import EventTable

    from .models import Model


def segments_of(table: EventTable, model: Model | None = None) -> Segments:
    """What a listener would name in a table of `speech` or `music`: notes, syllables, bursts.

    Which events of `speech` have a pitch is what `voiced_of` tells; where that is not known, all have one from the
    first that was found on. SicError for any other preset.
    """
    from sparsecodec_formats.segments import Segments

    return Segments.of(table, voiced_of(table, model))


def voiced_of(table: EventTable, model: Model | None = None) -> NDArray[np.bool_] | None:
    """bool [n]: which events of `speech` have a pitch, as the weights tell that `codec_for` finds. None where they are
    not there and no model is named, and for other presets, whose vectors tell all there is to know."""
    from sparsecodec_formats.presets import layout_of

    if layout_of(table.header).links != "channel" or not len(table):
        return None
    from sparsecodec_models.errors import OtherWeights

    try:
        return has_pitch_for(table, model)
    except OtherWeights:
        if model is not None:
            raise
        return None
