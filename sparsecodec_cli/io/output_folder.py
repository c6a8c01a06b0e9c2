"""A folder as an output: its files appear all together or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sparsecodec_cli.errors import CliError, about_os, shown

Names = set[str]


class OutputFolder:
    """A folder that is being written."""

    def __init__(self, folder: Path, path: str) -> None:
        """folder: where files go until all are there; path: what messages call it."""
        self._folder = folder
        self.path = path

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """A new file in it, to write; CliError when that fails."""
        if not self._folder.is_dir():
            raise CliError(f"{shown(self.path)}: the folder was removed meanwhile; start again")
        with about_os(self.path, always=True), open(self._folder / name, "xb") as file:
            yield file


@contextmanager
def open_output_folder(path: str, *, force: bool, earlier: Callable[[Path], Names]) -> Iterator[OutputFolder]:
    """A folder to write, whose files appear in `path` when the block ends well, else none of them.

    With `force` they may go into a folder that is not empty: those that `earlier` names in it, as it gets its path,
    are replaced by the new ones, and all others stay. Refused with a CliError: a folder that is not empty without
    `force`, a file, a folder in one that does not exist.
    """
    with about_os(path, always=True):
        target = Path(os.path.realpath(path))
        exists = target.is_dir()
        _check(target, path, force)
        old = earlier(target) if exists else set()
        # within a folder that exists: the one around it may be on another disk, or not ours to write in
        part = (target if exists else target.parent) / f".sic-{os.urandom(6).hex()}.part"
    try:
        with about_os(path, always=True):
            part.mkdir()
        yield OutputFolder(part, path)
        with about_os(path, always=True):
            if exists:
                _move_in(part, target, old, force)
            else:
                _publish_new(part, target, path)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _check(target: Path, path: str, force: bool) -> None:
    if target.is_dir():
        if not force and any(target.iterdir()):
            raise CliError(f"{shown(path)}: is not empty; use -f to write into it, or name another folder")
    elif target.exists():
        raise CliError(f"{shown(path)}: is a file; name a folder")
    elif not target.parent.is_dir():
        raise CliError(f"{shown(path)}: its folder does not exist; make it first")


def _publish_new(part: Path, target: Path, path: str) -> None:
    try:
        part.rename(target)
    except OSError:
        if not target.exists():
            raise
        raise CliError(f"{shown(path)}: was created meanwhile by another program; use -f to write into it") from None


def _move_in(part: Path, target: Path, old: Names, force: bool) -> None:
    """Files of `part` into `target`, in the place of `old` ones and of any that have their names; all as before when
    that fails."""
    new = set(os.listdir(part))
    there = {name for name in old | new if os.path.lexists(target / name)}
    for name in sorted(there & new):
        if not force:
            raise CliError(
                f"{shown(str(target / name))}: was created meanwhile by another program; use -f to overwrite it"
            )
        if _is_folder(target / name):
            raise CliError(f"{shown(str(target / name))}: is a folder; move it away, or name another folder")
    aside = part / "old"
    aside.mkdir()
    try:
        for name in there:
            if not _is_folder(target / name):
                os.replace(target / name, aside / name)
        for name in new:
            os.replace(part / name, target / name)
    except BaseException:
        # by what is where: an interrupt may come between a move and a note of it
        for name in new:
            if not os.path.lexists(part / name):
                os.replace(target / name, part / name)
        for name in os.listdir(aside):
            os.replace(aside / name, target / name)
        raise
    shutil.rmtree(part, ignore_errors=True)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
