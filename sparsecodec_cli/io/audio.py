"""Audio files by libsndfile: sources that the codec can read in blocks."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from sparsecodec_cli.errors import CliError, about_os, shown

from .raw_format import RAW_CODINGS, RawFormat

MAX_CHANNELS = 255  # of a .sic file

READ_AT_ONCE = 1 << 14  # samples
UNKNOWN_LENGTH = 1 << 60  # samples; libsndfile's numbers from here on are no lengths

Audio = NDArray[np.float32]


class NotReadable(CliError):
    """libsndfile cannot read a file, or not all of it; another decoder may."""


class SoundFileSource:
    """An `AudioSource` over a seekable file of any format that libsndfile reads.

    It is read from its beginning to its end and opened anew to rewind, so that codecs that cannot seek, or seek
    inexactly, give the same samples each time.

    Attributes: sample_rate (Hz), channels, n_samples (per channel; at least 1), path (for messages), warnings,
    tags (texts that the file has about itself, by `audio_tags.NAMES`).
    """

    def __init__(
        self,
        file: BinaryIO | io.RawIOBase | None,
        path: str,
        *,
        raw: RawFormat | None = None,
        told: range | None = None,
        at_least: int = 0,
    ) -> None:
        """file: None to have libsndfile open `path` itself, whose extension then counts.
        raw: how the samples are stored, in a file without a header.
        told: the length is its first number, if libsndfile's is in it.
        at_least: samples; NotReadable when libsndfile finds fewer.

        Raises NotReadable when `file` is not audio; CliError when it has no samples, or too many channels.
        """
        self.path = path
        self.warnings: list[str] = []
        self._file = _GuardedFile(file) if file is not None else None
        self._raw = raw
        self._n_read = 0
        self._sound = self._open()
        self.sample_rate: int = self._sound.samplerate
        self.channels: int = self._sound.channels
        self.tags: dict[str, str] = self._sound.copy_metadata()
        if self.channels > MAX_CHANNELS:
            raise CliError(f"{shown(path)}: has {self.channels} channels; at most {MAX_CHANNELS} can be coded")
        self.n_samples: int = self._sound.frames
        if told is not None and self.n_samples in told:
            self.n_samples = told.start
        if self.n_samples < at_least:
            raise NotReadable(f"{shown(path)}: only {self.n_samples} of its {at_least} samples can be read")
        if self.n_samples >= UNKNOWN_LENGTH:
            self.n_samples = self._counted()
        if self.n_samples < 1:
            raise CliError(f"{shown(path)}: has no samples; name a recording that has some")

    @property
    def is_mp3(self) -> bool:
        """Whether the file is MP3 to libsndfile, which guesses its length."""
        return bool(self._sound.format == "MP3")

    def read(self, n: int) -> Audio:
        """The next samples: float32 [m, channels], full scale 1; m < n only at the end.

        Raises CliError at samples that are NaN or infinite, when the file ends before its time, and when it is no
        longer what it was when it was opened.
        """
        n = min(n, self.n_samples - self._n_read)
        with self._naming():
            block: Audio = self._sound.read(n, dtype="float32", always_2d=True)
        if len(block) < n:
            raise CliError(
                f"{shown(self.path)}: ends after {self._n_read + len(block)} of {self.n_samples}"
                " samples; the file is damaged or incomplete"
            )
        check_finite(block, self.path, self._n_read, self.sample_rate)
        self._n_read += n
        return block

    def rewind(self) -> None:
        """Back to the first sample."""
        if self._n_read:
            self._sound.close()
            self._sound = self._open()
            self._n_read = 0

    def _open(self) -> Any:
        options: dict[str, Any] = {}
        if self._raw is not None:
            subtype, endian, _ = RAW_CODINGS[self._raw.coding]
            options = {"format": "RAW", "subtype": subtype, "endian": endian}
            options |= {"samplerate": self._raw.sample_rate, "channels": self._raw.channels}
        target: Any = self.path
        if self._file is not None:
            target = self._file
            with about_os(self.path):
                self._file.seek(0)
                self._file.reraise()
        with self._naming(NotReadable):
            return _ForwardOnly(target, **options)

    def _counted(self) -> int:
        n = 0
        with self._naming():
            while n_more := len(self._sound.read(READ_AT_ONCE, dtype="float32", always_2d=True)):
                n += n_more
        self._sound.close()
        self._sound = self._open()
        return n

    @contextmanager
    def _naming(self, kind: type[CliError] = CliError) -> Iterator[None]:
        with about_os(self.path), silent_stderr():
            try:
                yield
            except soundfile.LibsndfileError as error:
                self._reraise()
                raise kind(self._explain(error)) from error
            self._reraise()

    def _reraise(self) -> None:
        if self._file is not None:
            self._file.reraise()

    def _explain(self, error: soundfile.LibsndfileError) -> str:
        name = shown(self.path)
        reason = error.error_string.strip().removeprefix("Error : ").rstrip(".")
        if "Format not recognised" in reason:
            return f"{name}: is not audio that sic reads (WAV, FLAC, Ogg, MP3, AIFF, ...); convert it first"
        return f"{name}: cannot be read as audio ({reason}); the file is damaged or incomplete"


def check_finite(block: Audio, path: str, first_sample: int, sample_rate: int) -> None:
    """CliError when a block, which begins at `first_sample`, has NaN or infinite samples."""
    if not np.isfinite(block).all():
        bad = int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0]) + first_sample
        raise CliError(
            f"{shown(path)}: has NaN or infinite samples (the first at"
            f" {bad / sample_rate:.3f} s); repair it with an audio editor first"
        )


def tags_of(file: BinaryIO | io.RawIOBase) -> dict[str, str]:
    """Texts of a whole file, as `SoundFileSource.tags`; none where libsndfile does not read it."""
    file.seek(0)
    with silent_stderr(), suppress(soundfile.LibsndfileError), _ForwardOnly(_GuardedFile(file)) as sound:
        tags: dict[str, str] = sound.copy_metadata()
        return tags
    return {}


class _ForwardOnly(soundfile.SoundFile):
    """A file read from its beginning to its end: `soundfile` seeks after each read in files that can."""

    def seekable(self) -> bool:
        return False


@contextmanager
def silent_stderr() -> Iterator[None]:
    """libmpg123, within libsndfile, writes to the process's stderr what it thinks of a file; nobody asked."""
    try:
        kept = os.dup(2)
    except OSError:  # stderr is closed
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


class _GuardedFile:
    """A file for libsndfile's callbacks, which cannot carry exceptions: keeps the first for `reraise`."""

    def __init__(self, file: BinaryIO | io.RawIOBase) -> None:
        self._file = file
        self._error: BaseException | None = None

    def reraise(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _guarded(self, name: str, *args: Any) -> int:
        if self._error is not None:
            return 0
        try:
            return int(getattr(self._file, name)(*args))
        except ValueError:  # a place before the first byte, where damaged audio may lead: for libsndfile to refuse
            return -1
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
