"""Audio files that the codec reads in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

import numpy as np
import soundfile
from numpy.typing import NDArray

from sparsecodec_cli.errors import CliError, about_os, shown

MAX_CHANNELS = 255  # of a .sic file

Audio = NDArray[np.float32]


class SoundFileSource:
    """An `AudioSource` over a seekable file of any format that libsndfile reads.

    Attributes: sample_rate (Hz), channels, n_samples (per channel; at least 1), path (for messages).
    """

    def __init__(self, file: BinaryIO, path: str) -> None:
        """Raises CliError when `file` is not audio, has no samples, or too many channels."""
        self.path = path
        self._file = _GuardedFile(file)
        with self._naming():
            self._sound = soundfile.SoundFile(cast(Any, self._file))
        self.sample_rate: int = self._sound.samplerate
        self.channels: int = self._sound.channels
        self.n_samples: int = self._sound.frames
        self._n_read = 0
        if self.n_samples < 1:
            raise CliError(f"{shown(path)}: has no samples; name a recording that has some")
        if self.channels > MAX_CHANNELS:
            raise CliError(f"{shown(path)}: has {self.channels} channels; at most {MAX_CHANNELS} can be coded")

    def read(self, n: int) -> Audio:
        """The next samples: float32 [m, channels], full scale 1; m < n only at the end.

        Raises CliError at samples that are NaN or infinite, and when the file ends before its time.
        """
        n = min(n, self.n_samples - self._n_read)
        with self._naming():
            block: Audio = self._sound.read(n, dtype="float32", always_2d=True)
        if len(block) < n:
            raise CliError(
                f"{shown(self.path)}: ends after {self._n_read + len(block)} of {self.n_samples}"
                " samples; the file is damaged or incomplete"
            )
        if not np.isfinite(block).all():
            bad = int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0]) + self._n_read
            raise CliError(
                f"{shown(self.path)}: has NaN or infinite samples (the first at"
                f" {bad / self.sample_rate:.3f} s); repair it with an audio editor first"
            )
        self._n_read += n
        return block

    def rewind(self) -> None:
        """Back to the first sample."""
        with self._naming():
            self._sound.seek(0)
        self._n_read = 0

    @property
    def tags(self) -> dict[str, str]:
        """Texts that the file has about itself: title, artist, ...; `audio_tags.NAMES` lists their names."""
        return self._sound.copy_metadata()

    @contextmanager
    def _naming(self) -> Iterator[None]:
        with about_os(self.path):
            try:
                yield
            except soundfile.LibsndfileError as error:
                self._file.reraise()
                raise CliError(self._explain(error)) from error
            self._file.reraise()

    def _explain(self, error: soundfile.LibsndfileError) -> str:
        from sparsecodec_formats.container.header_bytes import MAGIC

        name = shown(self.path)
        if self._file.head(len(MAGIC)) == MAGIC:
            return f"{name}: is a .sic file already; decode it, or name a recording"
        if self._file.head(1) == b"":
            return f"{name}: is empty; name a recording (WAV, FLAC, Ogg, MP3, AIFF, ...)"
        reason = error.error_string.strip().rstrip(".")
        if "Format not recognised" in reason:
            return f"{name}: is not audio that sic reads (WAV, FLAC, Ogg, MP3, AIFF, ...); convert it first"
        return f"{name}: cannot be read as audio ({reason}); the file is damaged or incomplete"


class _GuardedFile:
    """A file for libsndfile's callbacks, which cannot carry exceptions: keeps the first for `reraise`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._error: BaseException | None = None

    def reraise(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def head(self, n: int) -> bytes:
        self._file.seek(0)
        return self._file.read(n)

    def _guarded(self, name: str, *args: Any) -> int:
        if self._error is not None:
            return 0
        try:
            return int(getattr(self._file, name)(*args))
        except BaseException as error:  # Ctrl-C too comes up in here
            self._error = error
            return 0

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._guarded("seek", offset, whence)

    def tell(self) -> int:
        return self._guarded("tell")

    def readinto(self, buffer: Any) -> int:
        return self._guarded("readinto", buffer)

    def write(self, data: bytes) -> int:
        return self._guarded("write", data)
