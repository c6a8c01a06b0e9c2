"""The `music` preset's decoder: event table → audio. Arrays alone: torch comes with whoever hands over a tensor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.header import NO_WEIGHTS
from sparsecodec_formats.table import EventTable
from sparsecodec_models import weights
from sparsecodec_models.dsp.arrays import Array, library_of
from sparsecodec_models.music.synthesis.channels import channel_sounds, span_of
from sparsecodec_models.music.synthesis.controls import MusicDecoder
from sparsecodec_models.renderer import Excerpt, ParameterCounts, Renderer, Sound, Spans

from .config import PRESET, MusicConfig

_CPU = np.zeros(0, np.float32)


class MusicRenderer(Renderer):
    """Every note an event, made by the library and on the device of an array."""

    name = PRESET

    def __init__(
        self, decoder: MusicDecoder, counts: ParameterCounts, *, weights_hash: bytes = NO_WEIGHTS, like: Array = _CPU
    ) -> None:
        """counts: of the model that the decoder is of; weights_hash: of its file, if it has one; like: an array of the
        library, and on the device, that makes the sound."""
        self._decoder, self.counts, self.weights_hash, self._like = decoder, counts, weights_hash, like
        self.model_rate = decoder.config.sample_rate

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Of a weights file's bytes, in numpy; SicError when they are not this preset's."""
        config, tensors = weights.read_decoder(data, PRESET, _config_of, _shapes)
        whole, decoder = weights.count_parameters(data)
        counts = ParameterCounts(whole, whole - decoder, decoder)
        return cls(MusicDecoder(config, **tensors), counts, weights_hash=weights.hash_of(data))

    def event_spans(self, table: EventTable) -> Spans:
        """While an event's partials or its noise are heard, with its room."""
        first, last = np.zeros(len(table), np.int64), np.zeros(len(table), np.int64)
        for parts in channel_sounds(self._decoder, table, self.event_samples(table), seed=0):
            for rows, sound in parts:
                first[rows], last[rows] = sound.spans()
        return first, last

    def has_pitch(self, table: EventTable) -> NDArray[np.bool_]:
        pitched: NDArray[np.bool_] = self._decoder.controls(table.vector).pitched
        return pitched

    def _sound(self, excerpt: Excerpt, seed: int) -> Sound:
        table, xp = excerpt.table, library_of(self._like)
        time = self.event_samples(table)
        channels = list(channel_sounds(self._decoder, table, time, seed, table.amplitude, self._like))
        return lambda start, stop: np.stack([xp.numpy(span_of(parts, start, stop - start)) for parts in channels], 1)


def _config_of(fields: Mapping[str, Any]) -> MusicConfig:
    """Of the fields of a whole model's config."""
    return weights.config_of(MusicConfig, fields["decoder"], free=())


def _shapes(config: MusicConfig) -> dict[str, tuple[int, ...]]:
    """Of the tensors that a decoder of this config has in a weights file."""
    outputs = config.partial_points + config.noise_bands
    return {"shape_mean": (outputs,), "shape_basis": (config.vector_dims - config.named_dims, outputs)}
