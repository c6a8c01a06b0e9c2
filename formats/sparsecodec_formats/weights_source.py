"""Where this package, which has no weights, asks for what they tell. Whoever has weights sets it."""

from __future__ import annotations

from collections.abc import Callable

TYPE_CHECKING = False  # as typing has it, which takes time to import
if TYPE_CHECKING:
    from .header import Header
    from .shape_maps import ShapeMap

find_shape_map: Callable[[Header], ShapeMap] | None = None
"""Gives the map of the weights that a header names; raises SicError where they are not there."""
