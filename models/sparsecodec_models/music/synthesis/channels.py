"""The `music` decoder from a table: of each channel its notes and its tones, as sounds to be heard from anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_formats.presets.voices import Voices
from sparsecodec_formats.table import EventTable
from sparsecodec_models.dsp.arrays import Array, library_of
from sparsecodec_models.music.config import PRESET

from .controls import MusicDecoder
from .samples import NoteSound
from .tones import ToneSound

Part = tuple[NDArray[np.int64], NoteSound | ToneSound]
"""Rows of the table, and their sound."""
_CPU = np.zeros(0, np.float32)


def channel_sounds(
    decoder: MusicDecoder,
    table: EventTable,
    time: NDArray[np.int64],
    seed: int,
    amplitude: NDArray[np.float32] | None = None,
    like: Array = _CPU,
) -> Iterator[list[Part]]:
    """Of each channel the parts that add up to it. time: int64 [n], samples of the events; seed: of the noise;
    amplitude: float32 [n], None for ones; like: an array of the library, and on the device, that makes the sound."""
    chains, tone, xp = Voices.of(table).chains, LAYOUTS[PRESET].tones(table.vector), library_of(like)

    def columns(rows: NDArray[np.int64]) -> tuple[Array, NDArray[np.int64], NDArray[np.float32] | None]:
        return xp.asarray(table.vector[rows], like), time[rows], None if amplitude is None else amplitude[rows]

    for channel in range(table.header.streams):
        here = table.channel == channel
        notes, tones = np.flatnonzero(here & ~tone), np.flatnonzero(here & tone)
        place = np.full(len(table), -1)
        place[notes] = np.arange(len(notes))
        mine = [place[run] for run in chains if place[run[0]] >= 0]
        vector, at, gain = columns(notes)
        sound = NoteSound(decoder, vector, at, runs=mine, seed=seed, channel=channel, amplitude=gain)
        yield [(notes, sound), (tones, ToneSound(decoder, *columns(tones)))]


def span_of(parts: list[Part], start: int, length: int) -> Array:
    """Samples from `start` on of a channel: float32 [length]."""
    notes, tones = (sound.samples(start, length) for _, sound in parts)
    return notes + tones
