"""A table as a frame of pandas, where that is installed, and back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeGuard

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.table import EventTable

from .columns import Columns, flat_columns
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


def is_frame(given: Any) -> TypeGuard[DataFrame]:
    """Whether this is a frame; pandas, which takes a second to import, is there if it is."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(given, pandas.DataFrame)


def columns_of(frame: DataFrame) -> Columns:
    """The columns of a frame, in which NaN stands for no value."""
    values: dict[str, Any] = {}
    for name in frame.columns:
        column = frame[name]
        none = column.isna()
        values[str(name)] = column.astype(object).where(~none, None).tolist() if none.any() else column.to_numpy()
    labels = frame.index.tolist()
    return Columns(values, len(frame), lambda i: f"row {labels[i]!r}")
