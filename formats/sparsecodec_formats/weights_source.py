"""Where this package, which has no weights, asks for what they tell. Whoever has weights sets it."""

from __future__ import annotations

from collections.abc import Callable

TYPE_CHECKING = False  # as typing has it, which takes time to import
if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .header import Header
    from .shape_maps import ShapeMap
    from .table import EventTable

find_shape_map: Callable[[Header], ShapeMap] | None = None
"""Gives the map of the weights that a header names; raises SicError where they are not there."""

find_phase_cycles: Callable[[EventTable], NDArray[np.float64]] | None = None
"""Tells the phase of the fundamental at each event's time, as it runs through its voice, cycles, float64 [n]; NaN where
that is not known. Raises SicError where a table's weights are not there."""

find_has_pitch: Callable[[EventTable], NDArray[np.bool_]] | None = None
"""Tells which events of a table of `speech` have a pitch of their own, bool [n]; raises WeightsNotThere
where its weights are not at hand, and SicError where they are damaged."""
