"""Audio files for the codec: sources it can read in blocks, and sinks for the blocks that it renders."""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np
import soundfile
from numpy.typing import NDArray

from sparsecodec_cli.errors import CliError, about_os, shown, shown_output

from .files import SPOOL_BYTES, file_state

MAX_CHANNELS = 255  # of a .sic file
WAV_MAX_BYTES = 2**32 - 1
WAV_HEADER_BYTES = 44
FLOAT_WAV_HEADER_BYTES = 58
# libsndfile's Vorbis writer keeps a call's samples on the stack, so a call must not bring too many.
FRAMES_AT_ONCE = 1 << 14

Audio = NDArray[np.float32]

_EXTENSIONS = {"aif": "AIFF", "aifc": "AIFF", "oga": "OGG", "opus": "OGG", "snd": "AU", "sph": "NIST"}
_SUBTYPES = {"opus": "OPUS"}
_HEADERLESS = {"RAW"}


class SoundFileSource:
    """An `AudioSource` over a seekable file of any format that libsndfile reads.

    Attributes: sample_rate (Hz), channels, n_samples (per channel; at least 1), path (for messages).
    """

    def __init__(self, file: BinaryIO, path: str) -> None:
        """Raises CliError when `file` is not audio, has no samples, or too many channels."""
        self.path = path
        self._file = _GuardedFile(file)
        self._state = file_state(file)
        self._original = file
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

        Raises CliError at samples that are NaN or infinite, when the file ends before its time, and when it is no
        longer what it was when it was opened.
        """
        n = min(n, self.n_samples - self._n_read)
        with self._naming():
            block: Audio = self._sound.read(n, dtype="float32", always_2d=True)
        self._refuse_if_changed()
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

    def _refuse_if_changed(self) -> None:
        if file_state(self._original) != self._state:
            raise CliError(
                f"{shown(self.path)}: was changed while it was read; wait until it is complete, or name a copy of it"
            )

    @contextmanager
    def _naming(self) -> Iterator[None]:
        with about_os(self.path):
            try:
                yield
            except soundfile.LibsndfileError as error:
                self._file.reraise()
                self._refuse_if_changed()
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


@dataclass(frozen=True)
class AudioFormat:
    """libsndfile's name of a format to write, and its coding of samples (None for the format's usual)."""

    name: str
    subtype: str | None = None


WAV = AudioFormat("WAV", "PCM_16")


def format_of(path: str) -> AudioFormat | None:
    """The format that a path's extension asks for; WAV for '-' and devices; None if it cannot be written."""
    extension = os.path.splitext(path)[1][1:].lower()
    if path == "-" or (extension == "" and os.path.exists(path) and not os.path.isfile(path)):
        return WAV
    name = _EXTENSIONS.get(extension, extension.upper())
    if name == "WAV":
        return WAV
    if name not in soundfile.available_formats() or name in _HEADERLESS:
        return None
    return AudioFormat(name, _SUBTYPES.get(extension, soundfile.default_subtype(name)))


def write_audio(
    file: BinaryIO,
    path: str,
    blocks: Iterable[Audio],
    *,
    audio_format: AudioFormat,
    sample_rate: int,
    channels: int,
    n_samples: int | None,
) -> int:
    """Write blocks (float32 [m, channels], full scale 1) and return how many values were clipped.

    `n_samples`, where it is known before, is the blocks' length together: then WAV goes out as it comes, to
    pipes too. Else, and in other formats, writers must seek, so a pipe gets everything at the end.
    Raises CliError when the format cannot hold this; RuntimeError when the blocks break their promise.
    """
    clipper = _Clipper(blocks, channels, n_samples)
    can_seek = path != "-" and file.seekable()  # 'sic decode ... - >> FILE' looks seekable
    streams = audio_format == WAV and n_samples is not None
    with nullcontext(file) if can_seek or streams else _spool() as sink:
        if audio_format == WAV:
            _write_wav(sink, path, clipper, sample_rate, channels, n_samples)
        else:
            _write_soundfile(sink, path, clipper, audio_format, sample_rate, channels)
        if sink is not file:
            sink.seek(0)
            shutil.copyfileobj(sink, file, 1 << 20)
    return clipper.n_clipped


def _spool() -> AbstractContextManager[BinaryIO]:
    return cast(AbstractContextManager[BinaryIO], tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES))


class _Clipper:
    """Passes blocks on, clipped to [-1, 1], and checks that they are what was promised."""

    def __init__(self, blocks: Iterable[Audio], channels: int, n_samples: int | None) -> None:
        self._blocks, self._channels, self._n_promised = blocks, channels, n_samples
        self.n_samples = 0
        self.n_clipped = 0

    def __iter__(self) -> Iterator[Audio]:
        for block in self._blocks:
            if block.ndim != 2 or block.shape[1] != self._channels or not np.isfinite(block).all():
                raise RuntimeError(f"the decoder gave a block of shape {block.shape}, or NaN")
            self.n_samples += len(block)
            for start in range(0, len(block), FRAMES_AT_ONCE):
                part = block[start : start + FRAMES_AT_ONCE]
                self.n_clipped += int(np.count_nonzero(np.abs(part) > 1))
                yield np.clip(part, -1, 1)
        if self._n_promised not in (None, self.n_samples):
            raise RuntimeError(f"the decoder gave {self.n_samples} samples, not {self._n_promised}")


def pcm16(audio: Audio) -> NDArray[np.int16]:
    """16-bit integers [n, channels] of samples in [-1, 1]; the inverse of how libsndfile reads them."""
    return np.minimum(np.rint(audio.astype(np.float64) * 32768), 32767).astype("<i2")


def _write_wav(
    file: BinaryIO, path: str, blocks: _Clipper, sample_rate: int, channels: int, n_samples: int | None
) -> None:
    # By hand, as libsndfile must seek back to write the length, which a pipe cannot.
    file.write(_wav_header(path, sample_rate, channels, n_samples or 0))
    for block in blocks:
        file.write(pcm16(block).tobytes())
    if n_samples is None:
        file.seek(0)
        file.write(_wav_header(path, sample_rate, channels, blocks.n_samples))


def write_float_wav(file: BinaryIO, path: str, audio: Audio, sample_rate: int) -> None:
    """Write float32 [n, channels] as WAV of 32-bit floats, in which nothing is clipped.

    By hand, as libsndfile puts the time of day into such a file. Raises CliError when WAV cannot hold this.
    """
    n_samples, channels = audio.shape
    frame_bytes = 4 * channels
    n_bytes = frame_bytes * n_samples
    if max(n_bytes + FLOAT_WAV_HEADER_BYTES, sample_rate * frame_bytes) > WAV_MAX_BYTES:
        raise CliError(
            f"{shown_output(path)}: WAV cannot hold {channels} channels of 32-bit floats at {sample_rate} Hz;"
            " 'sic decode --event' writes other formats, and at a --rate"
        )
    file.write(struct.pack("<4sI4s4sI", b"RIFF", n_bytes + FLOAT_WAV_HEADER_BYTES - 8, b"WAVE", b"fmt ", 18))
    file.write(struct.pack("<HHIIHHH", 3, channels, sample_rate, sample_rate * frame_bytes, frame_bytes, 32, 0))
    file.write(struct.pack("<4sII4sI", b"fact", 4, n_samples, b"data", n_bytes))
    file.write(audio.astype("<f4").tobytes())


def _wav_header(path: str, sample_rate: int, channels: int, n_samples: int) -> bytes:
    frame_bytes = 2 * channels
    n_bytes = frame_bytes * n_samples
    if n_bytes + WAV_HEADER_BYTES > WAV_MAX_BYTES:
        raise CliError(f"{shown_output(path)}: would pass 4 GiB, the most that WAV can hold; write .w64 or .flac")
    if sample_rate * frame_bytes > WAV_MAX_BYTES:
        raise CliError(f"{shown_output(path)}: WAV cannot hold a sample rate of {sample_rate} Hz; give a --rate")
    return (
        struct.pack("<4sI4s4sI", b"RIFF", n_bytes + WAV_HEADER_BYTES - 8, b"WAVE", b"fmt ", 16)
        + struct.pack("<HHIIHH", 1, channels, sample_rate, sample_rate * frame_bytes, frame_bytes, 16)
        + struct.pack("<4sI", b"data", n_bytes)
    )


def _write_soundfile(
    file: BinaryIO,
    path: str,
    blocks: Iterable[Audio],
    audio_format: AudioFormat,
    sample_rate: int,
    channels: int,
) -> None:
    guarded = _GuardedFile(file)
    try:
        sound = soundfile.SoundFile(
            cast(Any, guarded),
            "w",
            samplerate=sample_rate,
            channels=channels,
            format=audio_format.name,
            subtype=audio_format.subtype,
        )
    except (soundfile.LibsndfileError, ValueError) as error:
        guarded.reraise()
        reason = getattr(error, "error_string", str(error)).strip().removeprefix("Error : ").rstrip(".")
        raise CliError(
            f"{shown_output(path)}: {audio_format.name} cannot hold {channels} channels at {sample_rate} Hz"
            f" ({reason}); try --rate, or write .wav"
        ) from error
    with sound:
        for block in blocks:
            try:
                sound.write(pcm16(block) if audio_format.subtype == "PCM_16" else block)
            finally:  # the cause rather than libsndfile's view of it
                guarded.reraise()
    guarded.reraise()
    if file.seek(0, os.SEEK_END) == 0:
        raise CliError(f"{shown_output(path)}: {audio_format.name} cannot hold a file without samples; write .wav")
