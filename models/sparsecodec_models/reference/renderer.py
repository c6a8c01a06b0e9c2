"""The `reference` preset's decoder: event table → audio, as a stream."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsecodec_formats.table import EventTable
from sparsecodec_models.renderer import Excerpt, ParameterCounts, Renderer, Sound, Spans

from .config import PRESET
from .decoder import ReferenceDecoder, draw_noise

RENDER_BATCH = 4  # events rendered at once: about 40 MiB at the published sizes


class ReferenceRenderer(Renderer):
    """Each event a sound of its own, which lasts for one window."""

    name = PRESET

    def __init__(
        self, decoder: ReferenceDecoder, counts: ParameterCounts, *, weights_hash: bytes, device: torch.device
    ) -> None:
        """decoder: without gradients, on the device; counts: of the model that it is of; weights_hash: of its file."""
        self._decoder, self.counts, self.weights_hash, self._device = decoder, counts, weights_hash, device
        self._config = decoder.config
        self.model_rate = self._config.sample_rate
        self.lookback_s = (self._config.window + self._config.hop) / self.model_rate

    def event_spans(self, table: EventTable) -> Spans:
        time = self.event_samples(table)
        return time - self._config.hop, time + self._config.window

    def _settled(self, excerpt: Excerpt) -> int:
        """An event may sound up to one hop before its time."""
        return int(excerpt.known_s.min() * self.model_rate) - self._config.hop - 1

    def _sound(self, excerpt: Excerpt, seed: int) -> Sound:
        table, hop = excerpt.table, self._config.hop
        onset = self.event_samples(table)
        rank = table.rank_in_channel() + excerpt.skipped[table.channel]
        loud = table.amplitude > 0
        held: dict[int, NDArray[np.float32]] = {}  # sounds that are not over yet

        def sound(start: int, stop: int) -> NDArray[np.float32]:
            out = np.zeros((stop - start, table.header.streams), np.float32)
            heard = np.flatnonzero((onset + self._config.window > start) & (onset - hop < stop) & loud)
            new = np.array([row for row in heard.tolist() if row not in held], np.int64)
            for at in range(0, len(new), RENDER_BATCH):
                batch = new[at : at + RENDER_BATCH]
                noise = draw_noise(seed, rank[batch].tolist(), self._config.envelope_samples)
                vector = torch.from_numpy(table.vector[batch].copy()).to(self._device)
                sounds = self.sounds(vector, noise).cpu().numpy() * table.amplitude[batch, None]
                held.update(zip(batch.tolist(), sounds, strict=True))
            for row in heard.tolist():
                begin, one = int(onset[row]) - hop - start, held[row]
                part = one[max(0, -begin) :][: stop - start - max(0, begin)]
                out[max(0, begin) :][: len(part), table.channel[row]] += part
                if begin + len(one) <= stop - start:
                    del held[row]
            return out

        return sound

    @torch.inference_mode()
    def sounds(self, vector: Tensor, noise: NDArray[np.float32]) -> Tensor:
        """Events float32 [n, dims], with noise [n, envelope_samples] → [n, hop + window], at unit height."""
        samples: Tensor = self._decoder(vector, torch.from_numpy(noise).to(self._device))
        return samples
