"""The segments of a table, with what its weights tell of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .models import codec_for

if TYPE_CHECKING:
    from sparsecodec_formats.segments import Segments
    from sparsecodec_formats.table import EventTable

    from .models import Model


def segments_of(table: EventTable, model: Model | None = None) -> Segments:
    """What a listener would name in a table of `speech` or `music`: notes, syllables, bursts.

    Which events of `speech` have a pitch is read from the weights, as `codec_for` finds them. Where they are not
    there, and no model is named, all have one from the first that was found on. SicError for any other preset.
    """
    from sparsecodec_formats.presets import layout_of
    from sparsecodec_formats.segments import Segments

    if layout_of(table.header).links != "channel" or not len(table):
        return Segments.of(table)
    from sparsecodec_models.errors import OtherWeights

    try:
        return Segments.of(table, codec_for(table, model).has_pitch(table))
    except OtherWeights:
        if model is not None:
            raise
        return Segments.of(table)
