"""Inputs that are recordings, or either recordings or .sic files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparsecodec_cli.errors import shown
from sparsecodec_formats import container
from sparsecodec_formats.container.header_bytes import MAGIC
from sparsecodec_formats.errors import NewerVersion
from sparsecodec_formats.table import EventTable

from .files import open_seekable_input
from .raw_format import RawFormat
from .recordings import Recording, read_raw, read_recording
from .warned import telling

if TYPE_CHECKING:
    from sparsecodec_models import AudioSource


@dataclass(frozen=True)
class InputSound:
    """A recording, or the events of a .sic file.

    path: of the file, for messages ('-': stdin); n_bytes: its size. sound: an `AudioSource`, or a table. warnings:
    lines for the user, about sound that may be missing.
    """

    path: str
    n_bytes: int
    sound: AudioSource | EventTable
    warnings: Sequence[str] = ()

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return "stdin" if self.path == "-" else shown(os.path.basename(self.path))

    @property
    def is_encoded(self) -> bool:
        return isinstance(self.sound, EventTable)


@contextmanager
def open_recording(path: str, raw: RawFormat | None = None) -> Iterator[Recording]:
    """The recording at `path` ('-': stdin); CliError when it is none, and expected errors inside get its name.

    raw: how its samples are stored, where it has no header.
    """
    with open_seekable_input(path) as file:
        yield read_raw(file, path, raw) if raw else read_recording(file, path)


@contextmanager
def open_sound(path: str) -> Iterator[InputSound]:
    """The recording or .sic file at `path` ('-': stdin); CliError when it is neither."""
    with open_seekable_input(path) as file:
        is_sic = file.read(len(MAGIC)) == MAGIC or path.lower().endswith(".sic")
        n_bytes = file.seek(0, os.SEEK_END)
        file.seek(0)
        if is_sic:
            with telling(path, NewerVersion):
                table = container.read(file)
            yield InputSound(path, n_bytes, table)
        else:
            recording = read_recording(file, path)
            yield InputSound(path, n_bytes, recording, warnings_of(recording))


def warnings_of(recording: Recording) -> list[str]:
    """The lines for the user about sound of a recording that may be missing."""
    return [f"sic: warning: {shown(recording.path)}: {warning}" for warning in recording.warnings]
