"""The `music` preset as a codec: audio → notes, as a stream; the way back is its renderer's."""

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
from sparsecodec_models.codec import Codec, RateTarget
from sparsecodec_models.dsp.arrays import Array
from sparsecodec_models.music.analysis.pipeline import DEFAULT_EIGHTH, analyse, analyse_live
from sparsecodec_models.threads import Threads

from .config import PRESET
from .model import MusicModel
from .renderer import MusicRenderer

EFFORT_ITERATIONS = (0, 3, 6, 11, 22, 31, 44, 60, 80, 110)  # of the fit


class MusicCodec(Codec):
    """Every note an event."""

    name = PRESET
    model: MusicModel
    default_effort = 4
    codes_live = True
    time_unit: Fraction = LAYOUTS[PRESET].time_unit

    def __init__(self, model: MusicModel, *, weights_hash: bytes = weights.NO_WEIGHTS, device: str = "cpu") -> None:
        """model is taken over: frozen and moved. weights_hash: of its file, if it has one."""
        self.device = torch.device(device)
        self.model = model.to(self.device).eval().requires_grad_(False)
        self.weights_hash = weights_hash
        like: Array = np.zeros(0) if self.device.type == "cpu" else torch.empty(0, device=self.device)
        self.renderer = MusicRenderer(
            self.model.decoder.arrays, self.parameters(), weights_hash=weights_hash, like=like
        )
        self.model_rate = model.config.decoder.sample_rate
        self.step = (nearest_step(2.0 ** (DEFAULT_EIGHTH / 8)),) * model.config.decoder.vector_dims

    @classmethod
    def from_bytes(cls, data: bytes, *, device: str = "cpu") -> Self:
        return cls(MusicModel.from_bytes(data), weights_hash=weights.hash_of(data), device=device)

    @classmethod
    def untrained(cls, seed: int = 0, *, device: str = "cpu") -> Self:
        return cls(MusicModel.drawn(seed), device=device)

    def _analyse(
        self, header: Header, audio: ModelRateAudio, effort: int, target: RateTarget, threads: Threads
    ) -> Iterator[EventTable]:
        _check(target)
        return analyse(self.model, header, audio, EFFORT_ITERATIONS[effort], target, threads)

    def _analyse_live(
        self, header: Header, blocks: Iterator[NDArray[np.float32]], effort: int, target: RateTarget, threads: Threads
    ) -> Iterator[EventTable]:
        _check(target)
        return analyse_live(self.model, header, blocks, EFFORT_ITERATIONS[effort], target, threads)


def _check(target: RateTarget) -> None:
    if target.snr_stop_db is not None:
        raise SicError("an SNR to stop at is not a measure of preset 'music'; give a bitrate or events per second")
