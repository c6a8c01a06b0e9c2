"""The `music` decoder from a table: of each channel its notes and its tones, as sounds to be heard from anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_formats.presets.voices import Voices
from sparsecodec_formats.table import EventTable
from sparsecodec_models.music.config import PRESET

from .controls import MusicDecoder
from .samples import NoteSound
from .tones import ToneSound

Part = tuple[NDArray[np.int64], NoteSound | ToneSound]
"""Rows of the table, and their sound."""


@torch.no_grad()
def channel_sounds(
    decoder: MusicDecoder,
    table: EventTable,
    time: NDArray[np.int64],
    seed: int,
    amplitude: NDArray[np.float32] | None = None,
) -> Iterator[list[Part]]:
    """Of each channel the parts that add up to it. time: int64 [n], samples of the events; seed: of the noise;
    amplitude: float32 [n], None for ones."""
    device, runs, tone = decoder.shape_mean.device, Voices.of(table).runs, LAYOUTS[PRESET].tones(table.vector)

    def columns(rows: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor | None]:
        vector, at = (torch.tensor(column[rows], device=device) for column in (table.vector, time))
        return vector, at, None if amplitude is None else torch.tensor(amplitude[rows], device=device)

    for channel in range(table.header.streams):
        here = table.channel == channel
        notes, tones = np.flatnonzero(here & ~tone), np.flatnonzero(here & tone)
        place = np.full(len(table), -1)
        place[notes] = np.arange(len(notes))
        mine = [place[run] for run in runs if len(run) and place[run[0]] >= 0]
        vector, at, gain = columns(notes)
        sound = NoteSound(decoder, vector, at, runs=mine, seed=seed, channel=channel, amplitude=gain)
        yield [(notes, sound), (tones, ToneSound(decoder, *columns(tones)))]


def span_of(parts: list[Part], start: int, length: int) -> Tensor:
    """Samples from `start` on of a channel: float32 [length]."""
    return torch.stack([sound.samples(start, length) for _, sound in parts]).sum(0)
