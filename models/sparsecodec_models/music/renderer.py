"""The `music` preset's decoder: event table → audio. Arrays alone: torch comes with whoever hands over a tensor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.header import NO_WEIGHTS
from sparsecodec_formats.presets.voices import LONGEST_NOTE_LINK_S, NOTE_WINDOW_S
from sparsecodec_formats.shape_maps import ShapeMap
from sparsecodec_formats.table import EventTable
from sparsecodec_models import weights
from sparsecodec_models.dsp.arrays import Array
from sparsecodec_models.music.synthesis.channels import TableSound
from sparsecodec_models.music.synthesis.controls import MusicDecoder, noise_centres_hz, partial_points_hz
from sparsecodec_models.renderer import Excerpt, ParameterCounts, Renderer, Sound, Spans

from .config import PRESET, MusicConfig

LONGEST_EVENT_S = 80.0  # from an event's time until nothing of it is heard, at most: 64 s, then the longest release
_CPU = np.zeros(0, np.float32)


class MusicRenderer(Renderer):
    """Every note an event, made by the library and on the device of an array."""

    name = PRESET
    lookback_s = LONGEST_EVENT_S + NOTE_WINDOW_S  # and what an event carries on is of its window

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
        return TableSound(self._decoder, table, self.event_samples(table), seed=0).spans()

    def has_pitch(self, table: EventTable) -> NDArray[np.bool_]:
        pitched: NDArray[np.bool_] = self._decoder.controls(table.vector).pitched
        return pitched

    def shape_map(self) -> ShapeMap:
        config = self._decoder.config
        return ShapeMap(
            mean=self._decoder.shape_mean,
            basis=self._decoder.shape_basis,
            level_hz=partial_points_hz(config),
            weight=np.ones(config.partial_points + config.noise_bands),
            noise_hz=noise_centres_hz(config),
        )

    def _sound(self, excerpt: Excerpt, seed: int) -> TableSound:
        table = excerpt.table
        return TableSound(self._decoder, table, self.event_samples(table), seed, table.amplitude, self._like)

    def _settled(self, excerpt: Excerpt) -> int:
        """An event may yet carry on another, which began to come in with the one before it."""
        return math.floor((float(excerpt.known_s.min()) - 2 * LONGEST_NOTE_LINK_S) * self.model_rate) - 1

    def _rest(self, excerpt: Excerpt, sound: Sound, at: int) -> Excerpt:
        """Notes stay whole: their clocks run from their onsets."""
        assert isinstance(sound, TableSound)
        stays = sound.spans()[1] > at
        stays |= excerpt.table.time >= excerpt.known_s.min() - 2 * LONGEST_NOTE_LINK_S  # may be carried on
        for chain in sound.chains:
            stays[chain] = stays[chain].any()
        return excerpt.with_rows(stays)


def _config_of(fields: Mapping[str, Any]) -> MusicConfig:
    """Of the fields of a whole model's config."""
    return weights.config_of(MusicConfig, fields["decoder"], free=())


def _shapes(config: MusicConfig) -> dict[str, tuple[int, ...]]:
    """Of the tensors that a decoder of this config has in a weights file."""
    outputs = config.partial_points + config.noise_bands
    return {"shape_mean": (outputs,), "shape_basis": (config.vector_dims - config.named_dims, outputs)}
