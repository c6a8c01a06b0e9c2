"""Audio that FFmpeg reads, by the package `av`: what libsndfile does not know, and the sound of videos."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from sparsecodec_cli.errors import CliError, about_os, shown

from . import audio_tags
from .audio import MAX_CHANNELS, Audio, check_finite

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

# A playlist names other files and addresses, which nobody has asked for: only what is in the file itself is read.
_OPTIONS = {"protocol_whitelist": "data"}
# Formats whose header tells how long they are; of others FFmpeg estimates it.
_TELLING = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "asf", "avi", "flv"}
_MPEG_4 = "mov,mp4,m4a,3gp,3g2,mj2"
_LONGEST_PADDING = 4096  # samples that an encoder fills up at the end
_MPEG_4_CLOCK_HZ = 600  # the coarsest clock that its edit lists usually have


class NotMedia(Exception):
    """FFmpeg finds no sound in a file."""


class MediaSource:
    """An `AudioSource` over the best sound of a seekable file of any format that FFmpeg reads.

    All of it is decoded once to count its samples. Attributes: sample_rate (Hz), channels, n_samples (per channel; at
    least 1), path (for messages), warnings, tags (as of `SoundFileSource`).
    """

    def __init__(self, file: BinaryIO | io.RawIOBase, path: str) -> None:
        """Raises NotMedia when there is no sound; CliError when the sound is damaged or cannot be coded."""
        self.path = path
        self.warnings: list[str] = []
        self.tags: dict[str, str] = {}
        self._file = file
        self._blocks: Iterator[Audio] = iter(())
        self._rest: Audio | None = None
        self._length = Length()
        n_decoded = 0
        self.sample_rate = self.channels = 0
        for block in self._decoded():
            self.sample_rate, self.channels = self._rate, block.shape[1]
            n_decoded += len(block)
        if not n_decoded:
            raise NotMedia
        if self.channels > MAX_CHANNELS:
            raise CliError(f"{shown(path)}: has {self.channels} channels; at most {MAX_CHANNELS} can be coded")
        self.n_samples = self._length.without_padding(n_decoded, self.sample_rate)
        told_s = self._length.told_s
        if told_s is not None and told_s > n_decoded / self.sample_rate + 1:
            self.warnings.append(
                f"its header tells of {told_s:.3f} s of sound, but there are {n_decoded / self.sample_rate:.3f} s;"
                " sound may be missing"
            )
        self.rewind()

    def read(self, n: int) -> Audio:
        """The next samples: float32 [m, channels], full scale 1; m < n only at the end.

        Raises CliError at samples that are NaN or infinite, and where the sound is damaged.
        """
        assert self._rest is not None
        n = min(n, self.n_samples - self._n_read)
        parts, n_parts = [self._rest], len(self._rest)
        while n_parts < n and (block := next(self._blocks, None)) is not None:
            parts.append(block)
            n_parts += len(block)
        joined = np.concatenate(parts)
        block, self._rest = joined[:n], joined[n:]
        check_finite(block, self.path, self._n_read, self.sample_rate)
        self._n_read += len(block)
        return block

    def rewind(self) -> None:
        """Back to the first sample."""
        self._blocks = self._decoded()
        self._rest = np.zeros((0, self.channels), np.float32)
        self._n_read = 0

    def _decoded(self) -> Iterator[Audio]:
        import av

        av.logging.set_level(None)
        with about_os(self.path), self._opened() as (container, stream):
            self._length = Length.of_header(container, stream)
            self.tags = _texts(stream.metadata | container.metadata)
            kind = None
            for frame in self._frames(container, stream):
                found = (frame.sample_rate, len(frame.layout.channels))
                if kind not in (None, found):
                    raise CliError(
                        f"{shown(self.path)}: changes from {shown_kind(*kind)} to {shown_kind(*found)} on its way;"
                        " split it there, or convert it first"
                    )
                kind = found
                self._rate = frame.sample_rate
                yield _as_float(frame)

    @contextmanager
    def _opened(self) -> Iterator[tuple[InputContainer, AudioStream]]:
        import av

        self._file.seek(0)
        try:
            container = av.open(_Unclosed(self._file), "r", options=_OPTIONS)
        except (av.error.FFmpegError, ValueError) as error:
            raise NotMedia from error
        with container:
            stream = container.streams.best("audio")
            if stream is None:
                raise NotMedia
            yield container, cast("AudioStream", stream)

    def _frames(self, container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
        import av

        try:
            for packet in container.demux(stream):
                frames = packet.decode()
                if frames and packet.duration and packet.time_base:
                    tail = frames[-1].samples - packet.duration * packet.time_base * frames[-1].sample_rate
                    self._length.last_padding = round(tail)
                yield from frames
        except av.error.FFmpegError as error:
            raise CliError(
                f"{shown(self.path)}: cannot be read as audio ({error.strerror}); the file is damaged or incomplete"
            ) from error


class _Unclosed:
    """A file for FFmpeg, which closes what it opens; the file stays open."""

    def __init__(self, file: BinaryIO | io.RawIOBase) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell
        self.seekable = lambda: True
        self.readable = lambda: True


@dataclass
class Length:
    """How long the sound is by the file itself.

    is_mpeg_4: which tells at which sample the sound ends. n_samples: by an edit list or the header; n_smoothed: by
    iTunes' note about padding; last_padding: samples of the last packet beyond its duration. told_s: seconds, of a file
    with one stream.
    """

    is_mpeg_4: bool = False
    n_samples: int | None = None
    n_smoothed: int | None = None
    told_s: float | None = None
    last_padding: int = 0

    @staticmethod
    def of_header(container: InputContainer, stream: AudioStream) -> Length:
        name, rate = container.format.name, stream.codec_context.sample_rate
        length = Length(is_mpeg_4=name == _MPEG_4)
        if length.is_mpeg_4 and stream.duration and stream.time_base:
            length.n_samples = round(stream.duration * stream.time_base * rate)
        smoothing = (stream.metadata.get("iTunSMPB") or container.metadata.get("iTunSMPB") or "").split()
        if len(smoothing) > 3:
            with suppress(ValueError):
                length.n_smoothed = int(smoothing[3], 16)
        if name in _TELLING and len(container.streams) == 1 and container.duration:
            length.told_s = container.duration / 1e6
        return length

    def without_padding(self, n_decoded: int, sample_rate: int) -> int:
        """The number of samples of `n_decoded` that are sound, where the file tells it."""
        candidates = [self.n_smoothed]
        if self.is_mpeg_4:
            by_packets = n_decoded - self.last_padding
            is_near = self.n_samples is None or abs(by_packets - self.n_samples) <= sample_rate / _MPEG_4_CLOCK_HZ
            candidates += [by_packets if self.last_padding > 0 and is_near else None, self.n_samples]
        for n in candidates:
            if n is not None and 0 <= n_decoded - n < _LONGEST_PADDING and n > 0:
                return n
        return n_decoded


def shown_kind(sample_rate: int, channels: int) -> str:
    return f"{sample_rate} Hz and {channels} channel{'s' if channels != 1 else ''}"


_FULL_SCALE = {"u8": 2.0**7, "s16": 2.0**15, "s32": 2.0**31, "s64": 2.0**63}


def _texts(metadata: dict[str, str]) -> dict[str, str]:
    """Those of `audio_tags.NAMES`; FFmpeg has a name of its own for the number of a track."""
    named = {"tracknumber" if key.lower() == "track" else key.lower(): text for key, text in metadata.items()}
    return {name: named[name] for name in audio_tags.NAMES if name in named}


def _as_float(frame: AudioFrame) -> Audio:
    """Samples as float32 [n, channels], full scale 1."""
    samples: NDArray[Any] = frame.to_ndarray()
    channels = len(frame.layout.channels)
    samples = samples.T if frame.format.is_planar else samples.reshape(-1, channels)
    name = frame.format.name.rstrip("p")
    if name == "u8":
        samples = samples.astype(np.int16) - 128
    if name in _FULL_SCALE:
        samples = samples / _FULL_SCALE[name]
    return np.ascontiguousarray(samples, dtype=np.float32)
