"""Which events of a table an expression selects, with what the weights tell of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .models import has_pitch_for

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sparsecodec_formats.table import EventTable

    from .models import Model


def selected(table: EventTable, select: str, *, model: Model | None = None) -> NDArray[np.bool_]:
    """bool [n]: as `sparsecodec_formats.selection.selected`, which names fields and grammar.

    model: as for `codec_for`, which is asked only where weights tell what is voiced.
    """
    from functools import partial

    from sparsecodec_formats import selection

    return selection.selected(table, select, partial(has_pitch_for, model=model))


def chosen(table: EventTable, select: str, *, model: Model | None = None) -> NDArray[np.bool_]:
    """As `selected`, of events with which something is done: it warns if that is none."""
    where = selected(table, select, model=model)
    if len(where) and not where.any():
        import warnings

        from .errors import NothingSelected, counted

        warnings.warn(f"{select!r} selects none of {counted(len(where), 'event')}", NothingSelected, stacklevel=3)
    return where
