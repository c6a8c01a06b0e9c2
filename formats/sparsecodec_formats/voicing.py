"""Which events of `speech` have a pitch: their vectors tell it by a map that comes with a model's weights.

This package has no weights. What has them sets `has_pitch`, so that selections of a table find it out.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as typing has it, which takes time to import
if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from .table import EventTable

has_pitch: Callable[[EventTable], NDArray[np.bool_]] | None = None
"""Tells of each event of a table whether it has a pitch of its own, bool [n]; raises SicError where the weights that
the table was made with are not there."""
