"""The `music` preset as a codec: audio → notes → audio, both as streams."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.header import Header
from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_formats.steps import nearest_step
from sparsecodec_formats.table import EventTable
from sparsecodec_models import weights
from sparsecodec_models.audio_source import ModelRateAudio
from sparsecodec_models.codec import Codec, RateTarget, Spans, samples_at_once
from sparsecodec_models.dsp.arrays import Array, library_of
from sparsecodec_models.music.analysis.pipeline import DEFAULT_EIGHTH, analyse
from sparsecodec_models.music.synthesis.channels import channel_sounds, span_of

from .config import PRESET
from .model import MusicModel

EFFORT_ITERATIONS = (0, 4, 8, 16, 30, 42, 60, 80, 110, 150)  # of the fit


class MusicCodec(Codec):
    """Every note an event."""

    name = PRESET
    model: MusicModel
    default_effort = 4
    time_unit: Fraction = LAYOUTS[PRESET].time_unit

    def __init__(self, model: MusicModel, *, weights_hash: bytes = weights.NO_WEIGHTS, device: str = "cpu") -> None:
        """model is taken over: frozen and moved. weights_hash: of its file, if it has one."""
        self.device = torch.device(device)
        self.model = model.to(self.device).eval().requires_grad_(False)
        self.weights_hash = weights_hash
        self.model_rate = model.config.decoder.sample_rate
        self.step = (nearest_step(2.0 ** (DEFAULT_EIGHTH / 8)),) * model.config.decoder.vector_dims

    @classmethod
    def from_bytes(cls, data: bytes, *, device: str = "cpu") -> Self:
        return cls(MusicModel.from_bytes(data), weights_hash=weights.hash_of(data), device=device)

    @classmethod
    def untrained(cls, seed: int = 0, *, device: str = "cpu") -> Self:
        return cls(MusicModel.drawn(seed), device=device)

    def event_spans(self, table: EventTable) -> Spans:
        """While an event's partials or its noise are heard, with its room."""
        first, last = np.zeros(len(table), np.int64), np.zeros(len(table), np.int64)
        for parts in channel_sounds(self.model.decoder.arrays, table, self.event_samples(table), seed=0):
            for rows, sound in parts:
                first[rows], last[rows] = sound.spans()
        return first, last

    def has_pitch(self, table: EventTable) -> NDArray[np.bool_]:
        controls = self.model.decoder.arrays.controls(table.vector)
        pitched: NDArray[np.bool_] = controls.pitched
        return pitched

    def _analyse(self, header: Header, audio: ModelRateAudio, effort: int, target: RateTarget) -> Iterator[EventTable]:
        if target.snr_stop_db is not None:
            raise SicError("an SNR to stop at is not a measure of preset 'music'; give a bitrate or events per second")
        return analyse(self.model, header, audio, EFFORT_ITERATIONS[effort], target)

    @torch.no_grad()
    def _synthesise(
        self, table: EventTable, start: int, stop: int, seed: int
    ) -> Iterator[tuple[NDArray[np.float32], bool]]:
        time = self.event_samples(table)
        like: Array = np.zeros(0) if self.device.type == "cpu" else torch.empty(0, device=self.device)
        xp = library_of(like)
        channels = list(channel_sounds(self.model.decoder.arrays, table, time, seed, table.amplitude, like))
        most = samples_at_once(table.header.channels)
        for at in range(start, stop, most):
            size = min(most, stop - at)
            yield np.stack([xp.numpy(span_of(parts, at, size)) for parts in channels], 1), at + size >= stop
