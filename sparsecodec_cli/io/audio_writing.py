"""Audio files that are written: sinks for the blocks that the codec renders."""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np
import soundfile
from numpy.typing import NDArray

from sparsecodec_cli.errors import CliError, shown_output

from .audio import Audio, _GuardedFile
from .files import SPOOL_BYTES

WAV_MAX_BYTES = 2**32 - 1
WAV_HEADER_BYTES = 44
FLOAT_WAV_HEADER_BYTES = 58
# libsndfile's Vorbis writer keeps a call's samples on the stack, so a call must not bring too many.
FRAMES_AT_ONCE = 1 << 14

_EXTENSIONS = {"aif": "AIFF", "aifc": "AIFF", "oga": "OGG", "opus": "OGG", "snd": "AU", "sph": "NIST"}
_SUBTYPES = {"opus": "OPUS"}
_HEADERLESS = {"RAW"}


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
