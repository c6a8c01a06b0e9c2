"""Whether a .sic file is sound, as `sic test` asks."""

from __future__ import annotations

from sparsecodec_cli.io.files import open_seekable_input
from sparsecodec_formats import container
from sparsecodec_formats.container.header_bytes import MAGIC
from sparsecodec_formats.errors import SicError
from sparsecodec_formats.table import EventTable

from .errors import describe, shown


def problems_of(path: str, device: str | None) -> list[str]:
    """Every problem of the file at `path`, one line each. With a `device` it is rendered there too."""
    try:
        with open_seekable_input(path, MAGIC) as file:
            problems = container.verify(file)
            if problems or device is None:
                return problems
            file.seek(0)
            table = container.read(file)
        return rendering_problems(table, device)
    except (SicError, OSError, MemoryError) as error:
        return [describe(error).removeprefix(f"{shown(path)}: ")]


def rendering_problems(table: EventTable, device: str) -> list[str]:
    """What is wrong with the sound of a table: that it is not finite, or not as long as it should be."""
    import numpy as np

    from sparsecodec_models import codec_for

    from .api import resolve_device

    n_samples = 0
    for block in codec_for(table.header, resolve_device(device), None).decode(table):
        if not np.isfinite(block).all():
            return ["decodes to NaN or infinite samples"]
        n_samples += len(block)
    if n_samples != table.header.n_samples:
        return [f"decodes to {n_samples} samples, not {table.header.n_samples}"]
    return []
