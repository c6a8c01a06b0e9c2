"""The formats of other programs by name and extension."""

from __future__ import annotations

import os
from collections.abc import Mapping

TABLES = ("json", "csv", "npz", "parquet")
"""Formats that lose nothing."""
EXTENSIONS: Mapping[str, str] = {
    ".mid": "midi",
    ".midi": "midi",
    ".json": "json",
    ".csv": "csv",
    ".npz": "npz",
    ".parquet": "parquet",
    ".txt": "labels",
    ".textgrid": "textgrid",
}
FORMATS = tuple(dict.fromkeys(EXTENSIONS.values()))
READABLE = tuple(kind for kind in FORMATS if kind in (*TABLES, "midi"))
"""Formats that hold events, or notes to be played."""


def format_of(file: object, given: str | None) -> str | None:
    """The format of a file: as given, or by the extension of a path; None where neither tells."""
    if given is not None:
        if given not in FORMATS:
            from sparsecodec_cli.errors import CliError  # not for the options' choices, which --help reads

            raise CliError(f"there is no format {given!r}; there are {', '.join(FORMATS)}")
        return given
    if not isinstance(file, str | os.PathLike):
        return None
    return EXTENSIONS.get(os.path.splitext(os.fsdecode(file))[1].lower())
