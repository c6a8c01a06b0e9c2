"""Inputs that are recordings, or either recordings or .sic files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparsecodec_cli.errors import shown
from sparsecodec_formats import container
from sparsecodec_formats.container.header_bytes import MAGIC
from sparsecodec_formats.table import EventTable

from .audio import SoundFileSource
from .files import open_seekable_input
from .sic_files import telling_of_newer_version

if TYPE_CHECKING:
    from sparsecodec_models import AudioSource


@dataclass(frozen=True)
class InputSound:
    """A recording, or the events of a .sic file.

    path: of the file, for messages ('-': stdin); n_bytes: its size. sound: an `AudioSource`, or a table.
    """

    path: str
    n_bytes: int
    sound: AudioSource | EventTable

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return "stdin" if self.path == "-" else shown(os.path.basename(self.path))

    @property
    def is_encoded(self) -> bool:
        return isinstance(self.sound, EventTable)


@contextmanager
def open_recording(path: str) -> Iterator[SoundFileSource]:
    """The recording at `path` ('-': stdin); CliError when it is none, and expected errors inside get its name."""
    with open_seekable_input(path) as file:
        yield SoundFileSource(file, path)


@contextmanager
def open_sound(path: str) -> Iterator[InputSound]:
    """The recording or .sic file at `path` ('-': stdin); CliError when it is neither."""
    with open_seekable_input(path) as file:
        is_sic = file.read(len(MAGIC)) == MAGIC or path.lower().endswith(".sic")
        n_bytes = file.seek(0, os.SEEK_END)
        file.seek(0)
        with telling_of_newer_version(path):
            sound = container.read(file) if is_sic else SoundFileSource(file, path)
        yield InputSound(path, n_bytes, sound)
