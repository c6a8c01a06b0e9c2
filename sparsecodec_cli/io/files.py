"""Inputs and outputs of the commands: '-' for pipes, and outputs that appear whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import re
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import BinaryIO, cast

from sparsecodec_cli.errors import CliError, about, about_os, shown_output

_DESCRIPTOR = re.compile(r"(?:/dev|/proc/self)/fd/([0-9]{1,9})|/dev/(stdin|stdout|stderr)")
_STANDARD = {"stdin": 0, "stdout": 1, "stderr": 2}
_MAX_LINKS = 40  # as many as Linux follows

SPOOL_BYTES = 64 << 20
COPY_BYTES = 1 << 20  # at a time


def default_output(input_path: str, extension: str) -> str:
    """IN with another extension; stdout for stdin and other open descriptors, such as those of '<(...)'."""
    if input_path == "-" or _descriptor_of(input_path) is not None:
        return "-"
    return os.path.splitext(input_path)[0] + extension


def is_stream(path: str) -> bool:
    """Whether what is written to `path` goes out as it comes: to stdout ('-'), a descriptor, a pipe or a device."""
    if path == "-" or _descriptor_of(path) is not None:
        return True
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def _descriptor_of(path: str) -> int | None:
    """The open descriptor that /dev/stdout, /dev/fd/N, or a link to one of these names; None for another path."""
    place = os.path.abspath(path)
    for _ in range(_MAX_LINKS):
        match = _DESCRIPTOR.fullmatch(place)
        if match is not None:
            return int(match[1]) if match[1] else _STANDARD[match[2]]
        try:
            place = os.path.join(os.path.dirname(place), os.readlink(place))
        except OSError:  # no link
            return None
    return None


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
    with open_input(path) as file, seekable(file, magic) as whole:
        yield whole


@contextmanager
def seekable(file: BinaryIO, magic: bytes = b"") -> Iterator[BinaryIO]:
    """A file itself if it stands at its first byte and can seek, else a copy of what is left of it; magic: as above."""
    if file.seekable() and file.tell() == 0:
        yield file
        return
    with spooled() as copy:
        head = file.read(len(magic))
        copy.write(head)
        if head == magic:
            copy_rest(file, copy)
        copy.seek(0)
        yield copy


def spooled() -> AbstractContextManager[BinaryIO]:
    """A file to write and read again, which goes to disk beyond SPOOL_BYTES, so that memory stays bounded."""
    import tempfile  # takes a while, and most commands do without

    return cast(AbstractContextManager[BinaryIO], tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES))


def copy_rest(source: BinaryIO, target: BinaryIO) -> None:
    """Write to `target` what `source` has from where it stands."""
    import shutil  # as above

    shutil.copyfileobj(source, target, COPY_BYTES)


def file_state(file: BinaryIO) -> tuple[int, int] | None:
    """What differs once somebody has written to a file on disk: its size and time; None for a pipe or a copy of one."""
    if not isinstance(file, io.BufferedReader):
        return None
    status = os.fstat(file.fileno())
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


@contextmanager
def open_output(
    path: str, *, force: bool, input_paths: Sequence[str] = (), growing: bool = False
) -> Iterator[BinaryIO]:
    """A file to write, which appears as `path` when the block ends well, else not at all; or, if it is to be seen
    growing, at once, and stays with what was written.

    '-' is stdout. Open descriptors (/dev/stdout, /dev/fd/N), devices and named pipes are written straight. Refused
    with a CliError: a terminal, a folder, an existing file without `force`, a file that one of `input_paths` names.
    """
    if path == "-":
        yield from _stdout()
        return
    descriptor = _descriptor_of(path)
    if descriptor is not None:
        yield from _open_descriptor(path, descriptor)
        return
    with about_os(path, always=True):
        mode = os.stat(path).st_mode if os.path.exists(path) else None
        if mode is not None and stat.S_ISDIR(mode):
            raise CliError(f"{shown_output(path)}: is a folder; name a file in it")
    if mode is not None and not stat.S_ISREG(mode):
        yield from _device(path, mode)
        return
    with about_os(path, always=True):
        target = os.path.realpath(path)  # through a link, so that the link stays one
        if not os.path.isdir(os.path.dirname(target)):
            raise CliError(f"{shown_output(path)}: its folder does not exist; make it first")
        if any(_is_same_file(input_path, target) for input_path in input_paths):
            raise CliError(f"{shown_output(path)}: is the input too; name another output")
    if mode is not None and not force:
        raise CliError(f"{shown_output(path)}: exists already; use -f to overwrite it")
    yield from (_growing_file if growing else _whole_file)(path, target, mode)


def refuse_read_only(path: str) -> None:
    """CliError for a file that must not be changed, though another could take its place."""
    if not os.access(path, os.W_OK):
        raise CliError(f"{shown_output(path)}: is read-only; name another output, or allow writing")


def _stdout() -> Iterator[BinaryIO]:
    if sys.stdout is None:
        raise CliError("stdout is closed; name an output file")
    if sys.stdout.isatty():
        raise CliError("stdout is a terminal, and this output is binary; name an output file, or redirect it")
    stream = cast(BinaryIO, sys.stdout.buffer)
    with about_os("-", name="stdout"):
        yield stream
        stream.flush()


def _open_descriptor(path: str, descriptor: int) -> Iterator[BinaryIO]:
    # Not opened by its name, which fails for sockets, and goes back to the start of a file that the shell appends to.
    with about_os(path, always=True), os.fdopen(os.dup(descriptor), "wb") as file:
        _refuse_terminal(file, path)
        yield file


def _device(path: str, mode: int) -> Iterator[BinaryIO]:
    if not (stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)):
        raise CliError(f"{shown_output(path)}: is neither a file, a pipe nor a character device; name a file")
    with about_os(path), open(path, "wb") as file:
        _refuse_terminal(file, path)
        yield file


def _refuse_terminal(file: BinaryIO, path: str) -> None:
    if file.isatty():
        raise CliError(f"{shown_output(path)}: is a terminal, and this output is binary; name a file")


def _whole_file(path: str, target: str, mode: int | None) -> Iterator[BinaryIO]:
    temporary = os.path.join(os.path.dirname(target), f".sic-{os.urandom(6).hex()}.part")
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


def _growing_file(path: str, target: str, mode: int | None) -> Iterator[BinaryIO]:
    flags = os.O_WRONLY | os.O_CREAT | (os.O_EXCL if mode is None else os.O_TRUNC) | getattr(os, "O_BINARY", 0)
    with about_os(path, always=True):
        descriptor = os.open(target, flags, 0o666)
    try:
        with about_os(path), os.fdopen(descriptor, "wb") as file:
            yield file
            bring_to_disk(file)
    except BaseException:
        with suppress(OSError):
            if not os.path.getsize(target):
                os.unlink(target)
        raise


@contextmanager
def readable_again(out: BinaryIO) -> Iterator[BinaryIO]:
    """A file to write and read, whose content is that of `out` when the block ends well: itself, if it can be read, or
    a temporary one of which it becomes a copy."""
    if out.readable() and out.seekable():
        yield out
        return
    with spooled() as copy:
        yield copy
        copy.seek(0)
        copy_rest(copy, out)


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
