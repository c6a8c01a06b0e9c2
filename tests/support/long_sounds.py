"""Sounds of any length, and what tests of encoding in parts share."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from sparsecodec_formats import EventTable, Writer

DUET = Path(__file__).parents[1] / "data" / "music" / "duet.flac"


class LongSound:
    """A sound again and again, as an `AudioSource`, which counts how often it is rewound, or as blocks.

    Attributes: at, samples that have been read; period_s, after which it begins anew.
    """

    def __init__(
        self,
        sound: NDArray[np.float32],
        sample_rate: int,
        duration_s: float,
        pause_s: float = 0.0,
        late_s: tuple[float, ...] = (0.0,),
    ) -> None:
        """sound: float32 [n]; pause_s: before which all is silent; late_s: of each channel, how much later it is."""
        self._sound, self.sample_rate = sound, sample_rate
        self.period_s = len(sound) / sample_rate
        self.n_samples, self.channels = round(duration_s * sample_rate), len(late_s)
        self._pause = round(pause_s * sample_rate)
        self._late = [round(late * sample_rate) for late in late_s]
        self.at = self.n_rewound = 0

    def read(self, n: int, /) -> NDArray[np.float32]:
        index = np.arange(self.at, min(self.at + n, self.n_samples))[:, None]
        self.at += len(index)
        return np.where(index < self._pause, 0.0, self._sound[(index - self._late) % len(self._sound)]).astype("f")

    def rewind(self) -> None:
        self.at, self.n_rewound = 0, self.n_rewound + 1

    def blocks(self, n: int) -> Iterator[NDArray[np.float32]]:
        while len(block := self.read(n)):
            yield block


@cache
def _duet() -> tuple[NDArray[np.float32], int]:
    samples, rate = soundfile.read(DUET, dtype="float32")
    return samples, rate


def duet(duration_s: float, pause_s: float = 0.0, late_s: tuple[float, ...] = (0.0,)) -> LongSound:
    return LongSound(*_duet(), duration_s, pause_s, late_s)


def joined(parts: list[EventTable]) -> EventTable:
    return EventTable.joined(parts[-1].header, parts)


def written(parts: list[EventTable]) -> bytes:
    file = io.BytesIO()
    with Writer(file, parts[0].header) as writer:
        for part in parts:
            writer.write(part)
    return file.getvalue()
