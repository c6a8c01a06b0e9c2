"""Files as a Python program has them: paths, or file objects of bytes."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from sparsecodec_cli import let_tables_ask
from sparsecodec_cli.errors import CliError, about_os, shown
from sparsecodec_formats import container
from sparsecodec_formats.container.header_bytes import MAGIC
from sparsecodec_formats.errors import FormatError, shown_value
from sparsecodec_formats.table import EventTable

from .files import open_output, seekable

if TYPE_CHECKING:  # what reads recordings is imported where one is read
    from .recordings import Recording
    from .sounds import InputSound

AnyFile = str | os.PathLike[str] | BinaryIO

let_tables_ask()


def is_path(value: object) -> bool:
    return isinstance(value, str | os.PathLike)


def is_file(value: object) -> bool:
    """Whether this is meant as a file: a path, or an object that reads."""
    return is_path(value) or hasattr(value, "read")


@contextmanager
def open_to_read(file: AnyFile, magic: bytes = b"") -> Iterator[BinaryIO]:
    """`file` from where it stands, seekable from its first byte on; a path is opened, and closed again.

    CliError for what cannot be read; a FormatError inside gets the name of a path. magic: as for
    `open_seekable_input`.
    """
    if isinstance(file, str | os.PathLike):
        path = _path(file)
        try:
            with about_os(path), open(path, "rb") as opened, seekable(opened, magic) as whole:
                yield whole
        except FormatError as error:
            raise FormatError(f"{shown(path)}: {error}") from error
        return
    name = _name(file)
    with about_os(name):
        _check_object(file, name, "read", "rb")
        if file.seekable() and file.tell() > 0 and not _has_more(file):
            raise CliError(f"{shown(name)}: is at its end, nothing is left to read; go back with seek(0) first")
        with seekable(file, magic) as whole:
            yield whole


@contextmanager
def open_to_write(file: AnyFile) -> Iterator[BinaryIO]:
    """`file` to write bytes to; a path appears when the block ends well, in the place of what was there."""
    if isinstance(file, str | os.PathLike):
        with open_output(_path(file), force=True) as opened:
            yield opened
        return
    name = _name(file)
    with about_os(name):
        _check_object(file, name, "write", "wb")
        yield file


@contextmanager
def open_audio(file: AnyFile) -> Iterator[Recording]:
    """The recording in a file; CliError when it is none."""
    from .recordings import read_recording

    with open_to_read(file) as opened:
        yield read_recording(opened, _path(file) if is_path(file) else _name(file))


@contextmanager
def open_sounds(given: Sequence[InputSound | str | os.PathLike[str]]) -> Iterator[list[InputSound]]:
    """Sounds themselves, or those at paths; CliError when one is neither a recording nor a .sic file, or none is
    given."""
    from .sounds import InputSound, open_sound

    with ExitStack() as files:
        sounds = []
        for sound in [given] if isinstance(given, str | os.PathLike) else given:
            if not (isinstance(sound, InputSound) or is_path(sound)):
                raise CliError(f"this is {shown_value(sound)}; give the path of a recording or of a .sic file")
            sounds.append(sound if isinstance(sound, InputSound) else files.enter_context(open_sound(_path(sound))))
        if not sounds:
            raise CliError("there is no sound; give a recording or a .sic file at least")
        yield sounds


@contextmanager
def open_events(given: EventTable | container.Reader | AnyFile) -> Iterator[EventTable | container.Reader]:
    """Events themselves, or those of a .sic file, to be read as they are needed; CliError when it is neither."""
    if isinstance(given, EventTable | container.Reader):
        yield given
    elif is_file(given):
        with open_to_read(given, MAGIC) as file:
            yield container.Reader(file)
    else:
        raise CliError(f"this is {shown_value(given)}; give an EventTable, or a .sic file")


def table_of(source: EventTable | container.Reader) -> EventTable:
    """All events, as a table; SicError for more than one may hold."""
    return source if isinstance(source, EventTable) else source.read_all()


def as_table(given: EventTable | AnyFile) -> EventTable:
    """A table itself, or that of a .sic file; CliError when it is neither, or the file is damaged."""
    if isinstance(given, EventTable):
        return given
    if not is_file(given):
        raise CliError(f"this is {shown_value(given)}; give an EventTable, or a .sic file")
    with open_to_read(given, MAGIC) as file:
        return container.read(file)


def as_tables(given: Any) -> list[EventTable]:
    """As `as_table`, of one or of several."""
    if isinstance(given, EventTable) or is_file(given) or not isinstance(given, Iterable):
        return [as_table(given)]
    return [as_table(one) for one in given]


def check_table(table: object) -> None:
    if not isinstance(table, EventTable):
        raise CliError(f"this is {shown_value(table)}; give an EventTable")


def _path(file: Any) -> str:
    """A path as the commands take it, for whom "-" alone is a pipe."""
    path = os.fsdecode(file)
    if "\0" in path:
        raise CliError(f"{shown(path)}: no file has such a name; check it")
    return os.path.join(".", path) if path == "-" else path


def _name(file: object) -> str:
    """Of a file object, for messages; "-" is stdin."""
    name = getattr(file, "name", None)
    if name in ("<stdin>", 0):
        return "-"
    return name if isinstance(name, str) else "the file object"


def _check_object(file: Any, name: str, does: str, mode: str) -> None:
    if not hasattr(file, does):
        raise CliError(f"this is {shown_value(file)}; give a path, or a file object")
    if getattr(file, "closed", False):
        raise CliError(f"{shown(name)}: is closed; open it, or give its path")
    if isinstance(file, io.TextIOBase):
        raise CliError(f"{shown(name)}: is open as text; open it with mode {mode!r}")
    if not (hasattr(file, "seekable") and getattr(file, "readable" if does == "read" else "writable", lambda: True)()):
        raise CliError(f"{shown(name)}: is not a file open in mode {mode!r}")
    if does == "read" and not isinstance(file.read(0), bytes):
        raise CliError(f"{shown(name)}: gives no bytes; give a path, or a file open in mode {mode!r}")


def _has_more(file: BinaryIO) -> bool:
    here = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(here)
    return here < size
