"""The `speech` preset as a codec: audio → event table → audio, both as streams."""

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
from sparsecodec_models.codec import FOREVER, Codec, RateTarget, Spans, samples_at_once
from sparsecodec_models.speech.analysis.operating_points import DEFAULT_EIGHTH, point
from sparsecodec_models.speech.analysis.pipeline import analyse, analyse_live
from sparsecodec_models.speech.synthesis.samples import ChannelSound
from sparsecodec_models.speech.synthesis.voices import check_crowds, plan_frames

from .config import PRESET
from .model import SpeechModel

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
        self.model_rate = model.config.sample_rate
        self.step = (point(DEFAULT_EIGHTH).step,) * model.config.vector_dims

    @classmethod
    def from_bytes(cls, data: bytes, *, device: str = "cpu") -> Self:
        return cls(SpeechModel.from_bytes(data), weights_hash=weights.hash_of(data), device=device)

    @classmethod
    def untrained(cls, seed: int = 0, *, device: str = "cpu") -> Self:
        return cls(SpeechModel.drawn(seed), device=device)

    @torch.no_grad()
    def event_spans(self, table: EventTable) -> Spans:
        """From the frames that an event's voice has between the event before and the one after."""
        config, time = self.model.config, self.event_samples(table)
        first, last = np.full(len(table), FOREVER), np.zeros(len(table), np.int64)
        for channel in np.unique(table.channel):
            rows = np.flatnonzero(table.channel == channel)
            controls = self.model.decoder.controls(torch.tensor(table.vector[rows], device=self.device))
            plan = plan_frames(controls, torch.from_numpy(time[rows]).to(self.device), config)
            middle = plan.frame.cpu().numpy() * config.frame_hop
            for which in (plan.before.cpu().numpy(), plan.after.cpu().numpy()):
                some = which >= 0
                np.minimum.at(first, rows[which[some]], middle[some] - config.frame_size // 4)
                np.maximum.at(last, rows[which[some]], middle[some] + config.frame_size // 4)
            room = int(config.room_seconds * config.sample_rate) * (controls.room_gain > 0).long()
            last[rows] += np.where(last[rows] > 0, room.cpu().numpy(), 0)
        return np.minimum(first, last), last

    @torch.no_grad()
    def has_pitch(self, table: EventTable) -> NDArray[np.bool_]:
        controls = self.model.decoder.controls(torch.tensor(table.vector, device=self.device))
        voiced: NDArray[np.bool_] = controls.voiced.cpu().numpy()
        return voiced

    @torch.no_grad()
    def _check(self, table: EventTable) -> None:
        time = self.event_samples(table)
        for channel in np.unique(table.channel):
            mine = table.channel == channel
            controls = self.model.decoder.controls(torch.tensor(table.vector[mine], device=self.device))
            check_crowds(controls, torch.from_numpy(time[mine]).to(self.device), self.model.config)

    def _analyse(self, header: Header, audio: ModelRateAudio, effort: int, target: RateTarget) -> Iterator[EventTable]:
        return analyse(self.model, header, audio, EFFORT_ITERATIONS[effort], target)

    def _analyse_live(
        self, header: Header, blocks: Iterator[NDArray[np.float32]], effort: int, target: RateTarget
    ) -> Iterator[EventTable]:
        return analyse_live(self.model, header, blocks, EFFORT_ITERATIONS[effort], target)

    @torch.no_grad()  # not inference_mode: what is cached here is used in fits, too
    def _synthesise(
        self, table: EventTable, start: int, stop: int, seed: int
    ) -> Iterator[tuple[NDArray[np.float32], bool]]:
        time, sounds = self.event_samples(table), []
        for channel in range(table.header.streams):
            mine = table.channel == channel
            vector, place, amplitude = (
                torch.tensor(column[mine], device=self.device) for column in (table.vector, time, table.amplitude)
            )
            sounds.append(
                ChannelSound(self.model.decoder.tables, vector, place, seed=seed, channel=channel, amplitude=amplitude)
            )
        most = samples_at_once(table.header.channels)
        for at in range(start, stop, most):
            size = min(most, stop - at)
            out = torch.stack([sound.samples(at, size) for sound in sounds], 1)
            yield out.cpu().numpy(), at + size >= stop
