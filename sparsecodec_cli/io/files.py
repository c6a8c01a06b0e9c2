"""Inputs and outputs of the commands: '-' for pipes, and outputs that appear whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import BinaryIO, cast

from sparsecodec_cli.errors import CliError, about, about_os, shown_output

SPOOL_BYTES = 64 << 20  # a pipe's content beyond this goes to a temporary file, so that memory stays bounded


def default_output(input_path: str, extension: str) -> str:
    """IN with another extension; stdout for stdin."""
    return "-" if input_path == "-" else os.path.splitext(input_path)[0] + extension


@contextmanager
def open_input(path: str) -> Iterator[BinaryIO]:
    """The file at `path`, or stdin for '-', for reading bytes; a pipe cannot seek."""
    if path != "-":
        with about(path), about_os(path), open(path, "rb") as file:
            yield file
        return
    if sys.stdin is None:
        raise CliError("stdin is closed; name a file")
    if sys.stdin.isatty():
        raise CliError("stdin is a terminal; name a file, or pipe one in")
    with about(path), about_os(path):
        yield cast(BinaryIO, sys.stdin.buffer)


@contextmanager
def open_seekable_input(path: str, magic: bytes = b"") -> Iterator[BinaryIO]:
    """As `open_input`, but it can seek from its first byte on: a pipe is taken in whole first.

    A pipe that does not begin with `magic` is taken in no further than that, so an endless one is noticed.
    """
    with open_input(path) as file:
        if file.seekable() and file.tell() == 0:
            yield file
            return
        with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as copy:
            head = file.read(len(magic))
            copy.write(head)
            if head == magic:
                shutil.copyfileobj(file, copy, 1 << 20)
            copy.seek(0)
            yield cast(BinaryIO, copy)


def file_state(file: BinaryIO) -> tuple[int, int] | None:
    """What differs once somebody has written to a file on disk: its size and time; None for a pipe or a copy of one."""
    if not isinstance(file, io.BufferedReader):
        return None
    status = os.fstat(file.fileno())
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


@contextmanager
def open_output(path: str, *, force: bool, input_paths: Sequence[str] = ()) -> Iterator[BinaryIO]:
    """A file to write, which appears as `path` when the block ends well, else not at all.

    '-' is stdout. Devices and named pipes are written straight. Refused with a CliError: a terminal, a
    folder, an existing file without `force`, a file that one of `input_paths` names.
    """
    if path == "-":
        yield from _stdout()
        return
    with about_os(path, always=True):
        target = os.path.realpath(path)  # through a link, so that the link stays one
        mode = os.stat(target).st_mode if os.path.exists(target) else None
        if mode is not None and stat.S_ISDIR(mode):
            raise CliError(f"{shown_output(path)}: is a folder; name a file in it")
        if not os.path.isdir(os.path.dirname(target)):
            raise CliError(f"{shown_output(path)}: its folder does not exist; make it first")
        if any(_is_same_file(input_path, target) for input_path in input_paths):
            raise CliError(f"{shown_output(path)}: is the input too; name another output")
    if mode is not None and not stat.S_ISREG(mode):
        yield from _device(path, mode)
        return
    if mode is not None and not force:
        raise CliError(f"{shown_output(path)}: exists already; use -f to overwrite it")
    yield from _whole_file(path, target, mode)


def _stdout() -> Iterator[BinaryIO]:
    if sys.stdout is None:
        raise CliError("stdout is closed; name an output file")
    if sys.stdout.isatty():
        raise CliError("stdout is a terminal, and this output is binary; name an output file, or redirect it")
    stream = cast(BinaryIO, sys.stdout.buffer)
    with about_os("-", name="stdout"):
        yield stream
        stream.flush()


def _device(path: str, mode: int) -> Iterator[BinaryIO]:
    if not (stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)):
        raise CliError(f"{shown_output(path)}: is neither a file, a pipe nor a character device; name a file")
    with about_os(path), open(path, "wb") as file:
        if file.isatty():
            raise CliError(f"{shown_output(path)}: is a terminal, and this output is binary; name a file")
        yield file


def _whole_file(path: str, target: str, mode: int | None) -> Iterator[BinaryIO]:
    temporary = os.path.join(os.path.dirname(target), f".sic-{secrets.token_hex(6)}.part")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    readable_by = 0o666 if mode is None else stat.S_IMODE(mode) & 0o666  # never by more than may read the old file
    try:
        with about_os(path, always=True):
            descriptor = os.open(temporary, flags, readable_by)
        with about_os(path), os.fdopen(descriptor, "w+b") as file:
            yield file
            bring_to_disk(file)  # before the name: else a power cut may leave the name without the content
        with about_os(path, always=True), _told_if_folder_is_gone(path, target):
            if mode is None:
                _publish_new(temporary, target, path)
            else:
                os.chmod(temporary, stat.S_IMODE(mode))
                os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def bring_to_disk(file: BinaryIO) -> None:
    """Return once what was written to `file` would outlast a power cut; OSError when it cannot be written."""
    file.flush()
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # what some disks over a network say: they cannot
            raise


@contextmanager
def _told_if_folder_is_gone(path: str, target: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        if os.path.isdir(os.path.dirname(target)):
            raise
        raise CliError(f"{shown_output(path)}: its folder was removed meanwhile; make it and start again") from None


def _publish_new(temporary: str, target: str, path: str) -> None:
    """Name the finished file, without overwriting one that came up in the meantime."""
    try:
        try:
            os.link(temporary, target)
        except FileExistsError:
            raise
        except OSError:  # a disk without hard links: an empty file takes the name first, as only one program can
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            try:
                os.replace(temporary, target)
            except BaseException:
                os.unlink(target)
                raise
        else:
            os.unlink(temporary)
    except FileExistsError:
        raise CliError(
            f"{shown_output(path)}: was created meanwhile by another program; use -f to overwrite it"
        ) from None


def _is_same_file(input_path: str, target: str) -> bool:
    try:
        there = os.stat(target)
        if not stat.S_ISREG(there.st_mode):
            return False
        here = os.fstat(sys.stdin.fileno()) if input_path == "-" else os.stat(input_path)
    except (OSError, ValueError, AttributeError):
        return False
    return os.path.samestat(here, there)
