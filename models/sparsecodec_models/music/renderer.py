"""The `music` preset's decoder: event table → audio."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from sparsecodec_formats.header import NO_WEIGHTS
from sparsecodec_formats.table import EventTable
from sparsecodec_models.music.synthesis.channels import channel_sounds, span_of
from sparsecodec_models.music.synthesis.controls import MusicDecoder
from sparsecodec_models.renderer import Excerpt, ParameterCounts, Renderer, Sound, Spans

from .config import PRESET


class MusicRenderer(Renderer):
    """Every note an event."""

    name = PRESET

    def __init__(self, decoder: MusicDecoder, counts: ParameterCounts, *, weights_hash: bytes = NO_WEIGHTS) -> None:
        """decoder: without gradients; counts: of the model that it is of; weights_hash: of its file, if it has one."""
        self._decoder, self.counts, self.weights_hash = decoder, counts, weights_hash
        self.model_rate = decoder.config.sample_rate

    def event_spans(self, table: EventTable) -> Spans:
        """While an event's partials or its noise are heard, with its room."""
        first, last = np.zeros(len(table), np.int64), np.zeros(len(table), np.int64)
        for parts in channel_sounds(self._decoder, table, self.event_samples(table), seed=0):
            for rows, sound in parts:
                first[rows], last[rows] = sound.spans()
        return first, last

    @torch.no_grad()
    def has_pitch(self, table: EventTable) -> NDArray[np.bool_]:
        controls = self._decoder.controls(torch.tensor(table.vector, device=self._decoder.shape_mean.device))
        pitched: NDArray[np.bool_] = controls.pitched.cpu().numpy()
        return pitched

    @torch.no_grad()
    def _sound(self, excerpt: Excerpt, seed: int) -> Sound:
        table = excerpt.table
        time = self.event_samples(table)
        channels = list(channel_sounds(self._decoder, table, time, seed, table.amplitude))

        @torch.no_grad()
        def sound(start: int, stop: int) -> NDArray[np.float32]:
            streams = torch.stack([span_of(parts, start, stop - start) for parts in channels], 1)
            samples: NDArray[np.float32] = streams.cpu().numpy()
            return samples

        return sound
