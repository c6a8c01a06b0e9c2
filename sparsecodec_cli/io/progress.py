"""What a command tells on stderr while it works and when it is done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import click

Progress = Callable[[float], None]
_listener: Progress | None = None


@contextmanager
def sent_to(listener: Progress) -> Iterator[None]:
    """Inside, `progress_bar` draws nothing: it gives `listener`."""
    global _listener
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before


@contextmanager
def progress_bar(what: str, *, quiet: bool) -> Iterator[Progress | None]:
    """A function to call with the fraction done, 0 to 1; None when quiet or when stderr is no terminal."""
    if _listener is not None:
        yield _listener
        return
    with bar(what, quiet=quiet) as draw:
        yield None if draw is None else lambda share: draw(share, what)


@contextmanager
def bar(what: str, *, quiet: bool) -> Iterator[Callable[[float, str], None] | None]:
    """As `progress_bar`; the function also takes the words before the bar, which are `what` at first."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from .console import console

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console(stderr=True), transient=True) as drawn:
        task = drawn.add_task(what, total=1.0)
        yield lambda share, words: drawn.update(task, completed=share, description=words)


def note(message: str, *, quiet: bool) -> None:
    """One line on stderr; the work is done, so nothing is amiss where nobody can read it."""
    if not quiet:
        with suppress(OSError):
            click.echo(message, err=True)
