"""From the paths that a user names to the jobs of a run; what cannot be is refused before anything is done."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sparsecodec_cli.errors import CliError, about_os, counted, shown
from sparsecodec_cli.io.files import is_stream

from .results import Job

Wanted = Callable[[str], bool]


@dataclass(frozen=True)
class Found:
    """A file that was named, or found in a folder that was. below: its path below that folder, without extension."""

    path: str
    below: str
    n_bytes: int


@dataclass(frozen=True)
class Plan:
    """jobs: in the order in which they were named, those of a folder by name. n_passed_over: files of other kinds."""

    jobs: tuple[Job, ...]
    n_passed_over: int


def plan(
    paths: Sequence[str],
    *,
    recursive: bool,
    wanted: Wanted,
    kind: str,
    out_dir: str | None = None,
    extension: str = "",
) -> Plan:
    """The jobs for files and, if `recursive`, for all files of a kind below folders.

    wanted: whether a file in a folder is of the kind, by its name; kind: what messages call such files. out_dir: folder
    of the outputs, which get their input's path below the folder that was named, with `extension`; None: no outputs.
    CliError when a path cannot be one of several, folders and `recursive` do not go together, there is no file at all,
    two outputs are the same file, or one is an input.
    """
    if out_dir is not None and os.path.exists(out_dir) and not os.path.isdir(out_dir):
        raise CliError(f"{shown(out_dir)}: is a file; name a folder")
    found, n_passed_over = find(paths, recursive=recursive, wanted=wanted, kind=kind, left_out=out_dir)
    if out_dir is None:
        return Plan(tuple(Job(file.path, n_bytes=file.n_bytes) for file in found), n_passed_over)
    jobs = tuple(Job(file.path, os.path.join(out_dir, file.below + extension), n_bytes=file.n_bytes) for file in found)
    _refuse_collisions(jobs)
    return Plan(jobs, n_passed_over)


def plan_pairs(references: str, others: str, wanted_reference: Wanted, wanted: Wanted, kind: str) -> Plan:
    """A job for each file below the folder `others` and the file of the same name, but for the extension, below
    `references`; one without a partner gets a job without a reference."""
    of_name: dict[str, str] = {}
    for file in find([references], recursive=True, wanted=wanted_reference, kind="recordings")[0]:
        if file.below in of_name:
            raise CliError(
                f"{shown(file.path)}: has the same name as {shown(of_name[file.below])}; move one of them away, as"
                " which is to be compared cannot be told"
            )
        of_name[file.below] = file.path
    found, n_passed_over = find([others], recursive=True, wanted=wanted, kind=kind)
    jobs = (Job(file.path, reference=of_name.get(file.below), n_bytes=file.n_bytes) for file in found)
    return Plan(tuple(jobs), n_passed_over)


def plan_beside(reference: str, others: Sequence[str], wanted: Wanted, kind: str) -> Plan:
    """A job for each of `others` and one reference."""
    found, _ = find([reference, *others], recursive=False, wanted=wanted, kind=kind)
    return Plan(tuple(Job(file.path, reference=reference, n_bytes=file.n_bytes) for file in found[1:]), 0)


def find(
    paths: Sequence[str], *, recursive: bool, wanted: Wanted, kind: str, left_out: str | None = None
) -> tuple[list[Found], int]:
    """Files at paths and below folders, and how many of the latter are of another kind.

    Hidden files and folders are not looked at, nor the folder `left_out` within another.
    """
    found: list[Found] = []
    n_passed_over = n_folders = 0
    for path in paths:
        if path == "-" or is_stream(path):
            raise CliError(f"{shown(path)}: is a pipe, which cannot be one of several inputs; give it alone")
        if not os.path.isdir(path):
            name = os.path.splitext(os.path.basename(path))[0]
            found.append(Found(path, name, os.path.getsize(path) if os.path.exists(path) else 0))
            continue
        n_folders += 1
        if not recursive:
            raise CliError(f"{shown(path)}: is a folder; give -r for the {kind} in it, or name a file")
        for file, is_wanted in _files_below(path, wanted, left_out):
            if is_wanted:
                found.append(file)
            else:
                n_passed_over += 1
    if recursive and not n_folders:
        raise CliError(f"{shown(paths[0])}: is not a folder, which -r is for; leave out -r, or name a folder")
    if not found:
        others = f" ({counted(n_passed_over, 'file')} of other kinds)" if n_passed_over else ""
        raise CliError(f"{shown(paths[0])}: holds no {kind}{others}; check the name")
    return found, n_passed_over


def _files_below(folder: str, wanted: Wanted, left_out: str | None) -> Iterator[tuple[Found, bool]]:
    def on_error(error: OSError) -> None:
        raise error

    with about_os(folder):
        for root, folders, names in os.walk(folder, onerror=on_error):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            if left_out is not None:
                folders[:] = [name for name in folders if not _is_same(os.path.join(root, name), left_out)]
            for name in sorted(name for name in names if not name.startswith(".")):
                path = os.path.join(root, name)
                status = os.stat(path) if os.path.exists(path) else None  # None: a link to nothing
                is_wanted = wanted(name) and (status is None or stat.S_ISREG(status.st_mode))
                below = os.path.splitext(os.path.relpath(path, folder))[0]
                yield Found(path, below, status.st_size if status else 0), is_wanted


def _is_same(path: str, other: str) -> bool:
    return os.path.exists(other) and os.path.samefile(path, other)


def _refuse_collisions(jobs: Sequence[Job]) -> None:
    input_of: dict[str, str] = {}
    inputs = {os.path.realpath(job.input): job.input for job in jobs}
    for job in jobs:
        assert job.output is not None
        place = os.path.realpath(job.output)
        if place in input_of:
            other = input_of[place]
            if os.path.realpath(other) == os.path.realpath(job.input):
                raise CliError(f"{shown(job.input)}: is given twice; name it once")
            raise CliError(
                f"{shown(job.input)}: would become {shown(job.output)}, and so would {shown(other)}; rename one, or"
                " give them folders of their own with --out-dir"
            )
        input_of[place] = job.input
        if place in inputs:
            raise CliError(f"{shown(job.output)}: would be written, but is an input too; name another --out-dir")


@contextmanager
def folders_for(jobs: Sequence[Job]) -> Iterator[None]:
    """The folders of all outputs, made if need be; those that stay empty are gone at the end."""
    made: list[Path] = []
    for folder in sorted({os.path.dirname(job.output) for job in jobs if job.output is not None}):
        missing = [part for part in (Path(folder), *Path(folder).parents) if not part.exists()]
        with about_os(folder):
            os.makedirs(folder or ".", exist_ok=True)
        made += missing
    try:
        yield
    finally:
        for part in sorted(set(made), key=lambda part: len(part.parts), reverse=True):
            with suppress(OSError):  # not empty
                part.rmdir()
