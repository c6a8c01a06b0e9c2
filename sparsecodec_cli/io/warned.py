"""Python's warnings as lines on stderr."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import click

from sparsecodec_cli.errors import one_line, shown

from .progress import note


@contextmanager
def telling(path: str, kind: type[Warning]) -> Iterator[None]:
    """Inside, a warning of this kind becomes a line that names the file, each once; none where the command is quiet."""
    show_others = warnings.showwarning
    told: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if not issubclass(category, kind):
            show_others(message, category, *place, **more)
        elif str(message) not in told:
            told.add(str(message))
            context = click.get_current_context(silent=True)
            quiet = context is not None and bool(context.params.get("quiet"))
            note(f"sic: warning: {shown(path)}: {one_line(str(message))}", quiet=quiet)

    with warnings.catch_warnings():
        warnings.simplefilter("always", kind)
        warnings.showwarning = show
        yield


def telling_of_memory(path: str) -> AbstractContextManager[None]:
    """`telling` of a device whose memory holds fewer parts of a recording at once."""
    from sparsecodec_models.errors import FewerAtOnce

    return telling(path, FewerAtOnce)
