"""What the numbers of an event mean in each preset, without torch."""

from __future__ import annotations

from .layout import LAYOUTS, Dim, Layout, layout_of, level_db

__all__ = ["LAYOUTS", "Dim", "Layout", "layout_of", "level_db"]
