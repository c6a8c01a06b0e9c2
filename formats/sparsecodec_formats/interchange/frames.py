"""A table as a frame of pandas, where that is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.table import EventTable

from .columns import flat_columns
from .rows import header_fields

if TYPE_CHECKING:
    from pandas import DataFrame


def frame_of(table: EventTable) -> DataFrame:
    """A row for each event, with the columns of a CSV file; `attrs["header"]` has the header's fields."""
    try:
        from pandas import DataFrame
    except ImportError:
        raise SicError("a frame needs pandas; to have it: pip install pandas") from None
    frame = DataFrame(flat_columns(table))
    frame.attrs["header"] = header_fields(table.header)
    return frame
