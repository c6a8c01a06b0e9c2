"""The terminal, for what is drawn on it."""

from __future__ import annotations

import shutil
from typing import Any

from rich.console import Console


def console(**options: Any) -> Console:
    """A rich console that has a width: where COLUMNS is 0, as containers and editors set it, that of the terminal."""
    made = Console(**options)
    if made.width < 1:
        made.width = shutil.get_terminal_size().columns  # takes 0 for unknown
    return made
