"""`sic report --list` and `--clear`: which pages lie below a place, and their removal."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from sparsecodec_cli.errors import CliError, one_line
from sparsecodec_cli.io.progress import note
from sparsecodec_cli.io.store import GENERATOR, StoredPage, pages_below, remove, shown_place

_N_NAMED = 3  # pages that a question names


def list_pages(prefix: str, quiet: bool = False) -> None:
    """Print a line for each page below `prefix` on stdout, and their sum on stderr."""
    pages = pages_below(prefix)
    for page in pages:
        when = page.modified.astimezone().strftime("%Y-%m-%d %H:%M") if page.modified else "-"
        click.echo(f"{one_line(page.place)}  {_size(page.n_bytes)}  {when}")
    note(_sum(pages) if pages else _none_below(prefix), quiet=quiet)


def clear_pages(prefix: str, yes: bool, quiet: bool = False) -> None:
    """Remove the pages below `prefix`, after asking on the terminal, or without with `yes`.

    UsageError where there is no terminal to ask on; CliError when the answer is no, or a page cannot be removed.
    """
    if not yes and not _can_ask():
        raise click.UsageError("stdin is not a terminal, so nobody can be asked; give --yes to remove without asking.")
    pages = pages_below(prefix)
    if not pages:
        note(_none_below(prefix), quiet=quiet)
        return
    if not yes:
        note(f"{_sum(pages)}: {_names(pages)}", quiet=False)
        if not click.confirm("Remove them?" if len(pages) > 1 else "Remove it?", err=True):
            raise CliError("nothing removed")
    remove(pages)
    note(f"removed {_sum(pages)}", quiet=quiet)


def _can_ask() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _sum(pages: Sequence[StoredPage]) -> str:
    return f"{len(pages)} page{'s' * (len(pages) != 1)}, {_size(sum(page.n_bytes for page in pages))}"


def _names(pages: Sequence[StoredPage]) -> str:
    named = ", ".join(one_line(page.place) for page in pages[:_N_NAMED])
    more = len(pages) - _N_NAMED
    return f"{named} and {more} more" if more > 0 else named


def _none_below(prefix: str) -> str:
    return f"no pages of {GENERATOR} below {shown_place(prefix)}"


def _size(n_bytes: int) -> str:
    if n_bytes < 1000:
        return f"{n_bytes} B"
    for unit, scale in (("kB", 1e3), ("MB", 1e6)):
        if n_bytes < 999.95 * scale:
            return f"{n_bytes / scale:.1f} {unit}"
    return f"{n_bytes / 1e9:.1f} GB"
