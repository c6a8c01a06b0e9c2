"""Recordings that are read while they come: WAV or raw samples from a pipe, or any recording in a file."""

from __future__ import annotations

import io
import signal
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from sparsecodec_cli.errors import CliError, counted, shown

from .audio import MAX_CHANNELS, check_finite
from .files import open_input
from .raw_format import RAW_CODINGS, RawFormat
from .recordings import read_recording

READ_BYTES = 1 << 16  # at most at a time; a pipe gives what is there
READ_SAMPLES = 1 << 12
NO_SIZE = 0x7FFF_0000  # bytes of sound in a WAV header: from here on, and 0, they are no size but a wish
CODINGS = {
    (1, 8): "u8",
    (1, 16): "s16le",
    (1, 24): "s24le",
    (1, 32): "s32le",
    (3, 32): "f32le",
    (3, 64): "f64le",
    (6, 8): "alaw",
    (7, 8): "mulaw",
}
"""By format and bits of a WAV header."""
EXTENSIBLE = 0xFFFE

_ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

Audio = NDArray[np.float32]


class LiveInput:
    """Sound as it comes. Attributes: sample_rate, Hz; tags; blocks: float32 [m, channels], which end where the input
    does, or once a signal (Ctrl-C) says that it is enough."""

    def __init__(self, sample_rate: int, tags: dict[str, str], blocks: Iterator[Audio]) -> None:
        self.sample_rate, self.tags, self.blocks = sample_rate, tags, blocks


@contextmanager
def open_live(path: str, raw: RawFormat | None = None) -> Iterator[LiveInput]:
    """The sound at `path` ('-': stdin); CliError when it is none that can be read as it comes.

    raw: how its samples are stored, where it has no header.
    """
    with open_input(path) as file, _Patience() as patience:
        if raw is None and file.seekable() and file.tell() == 0:
            source = read_recording(file, path)

            def blocks() -> Iterator[Audio]:
                while len(block := patience.wait(lambda: source.read(READ_SAMPLES), np.zeros((0, 1), np.float32))):
                    yield block

            yield LiveInput(source.sample_rate, source.tags, blocks())
            return
        n_bytes = None
        if raw is None:
            raw, n_bytes = _wav_header(file, path)
        yield LiveInput(raw.sample_rate, {}, _samples(file, path, raw, n_bytes, patience))


def _samples(file: BinaryIO, path: str, raw: RawFormat, n_bytes: int | None, patience: _Patience) -> Iterator[Audio]:
    """n_bytes: of samples; None: to the end."""
    subtype, endian, _ = RAW_CODINGS[raw.coding]
    options: dict[str, Any] = {"format": "RAW", "subtype": subtype, "endian": endian}
    options |= {"samplerate": raw.sample_rate, "channels": raw.channels}
    read: Callable[[int], bytes] = getattr(file, "read1", file.read)
    held, n_read, left = b"", 0, n_bytes
    while True:
        most = READ_BYTES if left is None else min(READ_BYTES, left)
        data = patience.wait(lambda most=most: read(most), b"") if most else b""  # type: ignore[misc]
        if not data:
            return
        left = None if left is None else left - len(data)
        held += data
        n_whole = len(held) // raw.frame_bytes * raw.frame_bytes
        if n_whole:
            block, _ = soundfile.read(io.BytesIO(held[:n_whole]), dtype="float32", always_2d=True, **options)
            held = held[n_whole:]
            check_finite(block, path, n_read, raw.sample_rate)
            n_read += len(block)
            yield block


def _wav_header(file: BinaryIO, path: str) -> tuple[RawFormat, int | None]:
    """How samples are stored that follow in a pipe, and how many bytes they take, if it tells."""
    name = shown(path)
    head = file.read(12)
    if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        raise CliError(
            f"{name}: with --live, a pipe holds WAV or, with --raw-rate, samples alone; convert it first (ffmpeg -i ..."
            " -f wav -)"
        )
    raw = None
    while True:
        chunk = file.read(8)
        if len(chunk) < 8:
            raise CliError(f"{name}: ends within its header; it holds no sound")
        n_bytes = int.from_bytes(chunk[4:], "little")
        if chunk[:4] == b"data":
            break
        content = file.read(n_bytes + n_bytes % 2)
        if chunk[:4] == b"fmt " and len(content) >= 16:
            raw = _raw_format(content, name)
    if raw is None:
        raise CliError(f"{name}: does not tell how its samples are stored; the file is damaged")
    return raw, n_bytes if 0 < n_bytes < NO_SIZE else None


def _raw_format(content: bytes, name: str) -> RawFormat:
    """Of a WAV header."""
    kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", content[:16])
    if kind == EXTENSIBLE and len(content) >= 26:
        kind = int.from_bytes(content[24:26], "little")
    coding = CODINGS.get((kind, bits))
    if coding is None or not rate or not 1 <= channels <= MAX_CHANNELS:
        raise CliError(
            f"{name}: holds samples of format {kind}, {bits} bits, {counted(channels, 'channel')} at {rate} Hz, which"
            " are not read live; convert it to 16 bits first"
        )
    return RawFormat(rate, channels, coding)


class _Stopped(BaseException):
    """A signal came while we waited for sound."""


class _Patience:
    """Waits for sound until a signal says that it is enough; a second signal ends the program as it does else."""

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._is_waiting = self._is_over = False

    def __enter__(self) -> _Patience:
        if threading.current_thread() is threading.main_thread():
            for number in _ENDING:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def wait(self, read: Callable[[], Any], nothing: Any) -> Any:
        """What `read` gives, or nothing when it is over."""
        try:
            try:
                self._is_waiting = True
                return nothing if self._is_over else read()
            finally:
                self._is_waiting = False
        except _Stopped:
            return nothing

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.__exit__()
        self._is_over = True
        if self._is_waiting:
            raise _Stopped
