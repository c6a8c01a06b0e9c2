"""What tests of the shipped `speech` preset share: recordings, and both ways through its codec (in conftest.py)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from pystoi import stoi

from sparsecodec_formats import EventTable
from sparsecodec_models import ArraySource
from sparsecodec_models.speech.codec import SpeechCodec

CLIPS = sorted((Path(__file__).parents[1] / "data").glob("*.flac"))


def recording(index: int = 0) -> tuple[np.ndarray, int]:
    return soundfile.read(CLIPS[index], dtype="float32")


def encode(codec: SpeechCodec, audio: np.ndarray, rate: int, **options: object) -> EventTable:
    return codec.encode(ArraySource(audio, rate), **{"effort": 0, **options})  # type: ignore[arg-type]


@cache
def encoded(codec: SpeechCodec, index: int, effort: int) -> EventTable:
    """A whole recording, encoded once for all tests of a process."""
    return encode(codec, *recording(index), effort=effort)


def decode(codec: SpeechCodec, table: EventTable, **options: object) -> np.ndarray:
    blocks = list(codec.decode(table, **options))  # type: ignore[arg-type]
    return np.concatenate([np.zeros((0, table.header.channels), np.float32), *blocks])


def estoi(reference: np.ndarray, heard: np.ndarray, rate: int) -> float:
    return float(stoi(reference, heard, rate, extended=True))
