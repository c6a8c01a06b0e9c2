"""The events of a table that an expression selects."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparsecodec_formats import weights_source
from sparsecodec_formats.errors import SicError
from sparsecodec_formats.table import EventTable

from .fields import FLAGS, NUMBERS, needs_voiced, values_of
from .grammar import parse


def check(expression: str) -> None:
    """SicError, in one line, for what is no expression, whatever the table."""
    parse(expression, NUMBERS, FLAGS)


def selected(
    table: EventTable, expression: str, voiced: ArrayLike | Callable[[EventTable], NDArray[np.bool_]] | None = None
) -> NDArray[np.bool_]:
    """bool [n]: which events an expression such as "pitch > 200 and level > -30" selects.

    Fields are in `fields.py`, the grammar in `grammar.py`. What an event does not have, as an unvoiced one has no
    pitch, compares with nothing: `pitch > 200`, `pitch <= 200` and `pitch != 200` are all false of it.

    voiced: bool [n], which events of `speech` have a pitch of their own, as weights tell (`Renderer.has_pitch`), or
    what tells it of the table, asked only if the expression depends on it; None: `weights_source.find_has_pitch`, and
    where nothing has set that, `pitched_by_numbers`.
    SicError, in one line, for what is no expression, for a field that the preset's vectors do not tell, and where
    weights are missing.
    """
    tree, fields = parse(expression, NUMBERS, FLAGS)
    known: NDArray[np.bool_] | None = None
    told = weights_source.find_has_pitch if voiced is None else voiced
    if told is not None and needs_voiced(table.header, fields):
        known = np.asarray(told(table) if callable(told) else told)
        if known.dtype != bool or known.shape != (len(table),):
            raise SicError(f"voiced is {known.dtype} {known.shape}; it must be bool [{len(table)}]")
    return tree.of(values_of(table, fields, known))
