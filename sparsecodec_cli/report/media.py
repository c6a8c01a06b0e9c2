"""Sounds and pictures as text that a page can hold: data URIs."""

from __future__ import annotations

import base64
import io
from typing import IO

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

Audio = NDArray[np.float32]

OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
OPUS_CHANNELS = 2
BLOCK = 1 << 14  # frames in a call of libsndfile's writers


def data_uri(mime: str, data: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def flac(audio: Audio, sample_rate: int) -> bytes:
    """Samples [n, channels] in 16 bits; beyond full scale they are clipped."""
    file = io.BytesIO()
    soundfile.write(file, np.clip(audio, -1, 1), sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def opus(audio: Audio, sample_rate: int) -> bytes:
    """Samples [n, channels] as Ogg Opus; of more than two channels the mean."""
    file = io.BytesIO()
    with OpusWriter(file, sample_rate, audio.shape[1]) as writer:
        writer.write(audio)
    return file.getvalue()


class OpusWriter:
    """Ogg Opus from blocks of float32 [m, channels] at any rate, to a seekable file."""

    def __init__(self, file: IO[bytes], sample_rate: int, channels: int) -> None:
        rate = next((r for r in OPUS_RATES if r >= sample_rate), OPUS_RATES[-1])
        self._channels = channels if channels <= OPUS_CHANNELS else 1
        self._resampler = None
        if rate != sample_rate:
            self._resampler = soxr.ResampleStream(sample_rate, rate, self._channels, "float32", "HQ")
        self._sound = soundfile.SoundFile(file, "w", rate, self._channels, "OPUS", format="OGG")

    def write(self, block: Audio, *, last: bool = False) -> None:
        if block.shape[1] != self._channels:
            block = block.mean(axis=1, keepdims=True)
        if self._resampler is not None:
            block = self._resampler.resample_chunk(np.ascontiguousarray(block), last=last)
        for start in range(0, len(block), BLOCK):
            self._sound.write(np.clip(block[start : start + BLOCK], -1, 1))

    def __enter__(self) -> OpusWriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._resampler is not None:
            self.write(np.zeros((0, self._channels), np.float32), last=True)
        self._sound.close()


def png(pixels: NDArray[np.uint8], palette: NDArray[np.uint8] | None = None) -> bytes:
    """Pixels uint8 [height, width], the first row on top: greys, or indices of a palette uint8 [≤ 256, 3]."""
    from PIL import Image

    image = Image.fromarray(pixels)
    if palette is not None:
        image.putpalette(palette.tobytes())
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def colours(name: str, n: int = 256) -> NDArray[np.uint8]:
    """n colours of one of matplotlib's maps, from low to high: uint8 [n, 3]."""
    from matplotlib import colormaps

    return np.round(255 * colormaps[name](np.linspace(0, 1, n))[:, :3]).astype(np.uint8)


def peaks(audio: Audio, n: int) -> NDArray[np.float32]:
    """Smallest and largest value of any channel, in n stretches of samples [m, channels]: float32 [n, 2]."""
    n = max(1, min(n, len(audio)))
    if not len(audio):
        return np.zeros((1, 2), np.float32)
    edges = np.linspace(0, len(audio), n, endpoint=False).astype(int)
    low = np.minimum.reduceat(audio.min(axis=1), edges)
    high = np.maximum.reduceat(audio.max(axis=1), edges)
    return np.stack([low, high], axis=1)


def waveform_path(extremes: NDArray[np.float32]) -> str:
    """An SVG path in a box of n × 200, full scale from top to bottom, around `peaks` [n, 2]."""
    y = np.round(100 - 99 * np.clip(extremes, -1, 1)).astype(int)
    top, bottom = np.minimum(y[:, 1], y[:, 0] - 1), y[:, 0]  # a pixel at least, so that silence is a line
    forth = " ".join(f"{i} {value}" for i, value in enumerate(top.tolist()))
    back = " ".join(f"{i} {value}" for i, value in reversed(list(enumerate(bottom.tolist()))))
    return f"M{forth} L{back}z"
