"""Which events are meant: expressions over what events say, such as "pitch > 200 and level > -30"."""

from __future__ import annotations

from .fields import FIELDS
from .selected import check, selected

__all__ = ["FIELDS", "check", "selected"]
