"""The `speech` preset as a codec: audio → event table, as a stream; the way back is its renderer's."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from sparsecodec_formats.header import Header
from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_formats.table import EventTable
from sparsecodec_models import weights
from sparsecodec_models.audio_source import ModelRateAudio
from sparsecodec_models.codec import Codec, RateTarget
from sparsecodec_models.speech.analysis.operating_points import DEFAULT_EIGHTH, point
from sparsecodec_models.speech.analysis.pipeline import analyse, analyse_live
from sparsecodec_models.threads import Threads

from .config import PRESET
from .model import SpeechModel
from .renderer import SpeechRenderer

EFFORT_ITERATIONS = (0, 4, 8, 16, 26, 36, 50, 70, 100, 140)  # of the fit


class SpeechCodec(Codec):
    """Linked events of harmonics, noise and room."""

    name = PRESET
    model: SpeechModel
    default_effort = 4
    codes_live = True
    time_unit: Fraction = LAYOUTS[PRESET].time_unit

    def __init__(self, model: SpeechModel, *, weights_hash: bytes = weights.NO_WEIGHTS, device: str = "cpu") -> None:
        """model is taken over: frozen and moved. weights_hash: of its file, if it has one."""
        self.device = torch.device(device)
        self.model = model.to(self.device).eval().requires_grad_(False)
        self.weights_hash = weights_hash
        tables = self.model.decoder.tables
        tables = tables.in_numpy() if self.device.type == "cpu" else tables
        self.renderer = SpeechRenderer(tables, self.parameters(), weights_hash=weights_hash)
        self.model_rate = model.config.sample_rate
        self.step = (point(DEFAULT_EIGHTH).step,) * model.config.vector_dims

    @classmethod
    def from_bytes(cls, data: bytes, *, device: str = "cpu") -> Self:
        return cls(SpeechModel.from_bytes(data), weights_hash=weights.hash_of(data), device=device)

    @classmethod
    def untrained(cls, seed: int = 0, *, device: str = "cpu") -> Self:
        return cls(SpeechModel.drawn(seed), device=device)

    def _analyse(
        self, header: Header, audio: ModelRateAudio, effort: int, target: RateTarget, threads: Threads
    ) -> Iterator[EventTable]:
        return analyse(self.model, header, audio, EFFORT_ITERATIONS[effort], target, threads)

    def _analyse_live(
        self, header: Header, blocks: Iterator[NDArray[np.float32]], effort: int, target: RateTarget, threads: Threads
    ) -> Iterator[EventTable]:
        return analyse_live(self.model, header, blocks, EFFORT_ITERATIONS[effort], target, threads)
