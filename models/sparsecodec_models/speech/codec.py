"""The `speech` preset as a codec: audio → event table → audio, both as streams."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from sparsecodec_formats.edit import keep_bytes, only
from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_formats.quantiser import dequantise, quantise
from sparsecodec_formats.table import EventTable, Header
from sparsecodec_models import weights
from sparsecodec_models.audio_source import ModelRateAudio
from sparsecodec_models.codec import FOREVER, Codec, RateTarget, Spans
from sparsecodec_models.speech.analysis.candidates import CandidateFinder, Candidates
from sparsecodec_models.speech.analysis.fit import Events
from sparsecodec_models.speech.analysis.operating_points import DEFAULT_EIGHTH, Budget, Point, point, rounded
from sparsecodec_models.speech.analysis.proposals import tidy
from sparsecodec_models.speech.analysis.ranking import Choice, events_of
from sparsecodec_models.speech.analysis.snr_stop import SnrStop
from sparsecodec_models.speech.analysis.stream_fit import StreamFitter
from sparsecodec_models.speech.synthesis.samples import ChannelSound
from sparsecodec_models.speech.synthesis.voices import plan_frames

from .config import PRESET
from .model import SpeechModel

BLOCK = 2**16  # samples rendered at once
EFFORT_STEPS = (0, 4, 8, 16, 26, 36, 50, 70, 100, 140)  # of the fit
LEAST_STEPS_TWICE = 4  # fits of so many steps are done in two halves
GROWTH = 1.17  # of a file by the fit, on validation


class SpeechCodec(Codec):
    """The default preset."""

    name = PRESET
    model: SpeechModel
    default_effort = 4
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

    def _analyse(self, header: Header, audio: ModelRateAudio, effort: int, target: RateTarget) -> EventTable:
        steps, n_bytes = EFFORT_STEPS[effort], target.n_bytes(header)
        looked = 0.1 if steps else 0.9  # share of the work that finding candidates is
        choice = Choice.of(
            header, self._candidates(header, audio.blocks(0.0, looked), target.snr_stop_db), self.model_rate
        )
        budget = None if n_bytes is None else Budget(n_bytes, self.model.decoder, self.model_rate)
        at = point(DEFAULT_EIGHTH) if budget is None else budget.point(choice, GROWTH if steps else 1.0)
        most = None if target.events_per_second is None else int(target.events_per_second * header.duration_s)

        def best(growth: float) -> NDArray[np.bool_]:
            """The candidates that are worth their bits."""
            if budget is not None:
                return choice.best(budget.count(choice, at, growth))
            if target.snr_stop_db is not None:
                return choice.heard
            return choice.best(choice.count_above(at.worth), most)

        first = steps // 2 if steps >= LEAST_STEPS_TWICE else 0
        if first:
            # vectors first; then, when they are known better, once more which events are worth their bits
            kept = best(GROWTH)
            table = only(choice.table, kept)
            fitters = self._fitters(table, at, audio.blocks(looked, 0.5), first, last=False)
            choice = choice.refitted(kept, _joined(table, fitters), self._missed(choice.table, fitters))
        table = only(choice.table, best(1.0 if first or not steps else GROWTH))
        if steps:
            fitters = self._fitters(table, at, audio.blocks(0.5 if first else looked, 1.0), steps - first, last=True)
            table = table.replace(vector=_joined(table, fitters))
        else:
            table = rounded(table, at.step, self.model.decoder, self.model_rate)
        header = replace(header, step=(at.step,) * self.model.config.vector_dims)
        table = table.replace(header=header)
        table = dequantise(header, quantise(table))  # to the last bit what a file will give
        return table if n_bytes is None else keep_bytes(table, n_bytes)

    def _candidates(
        self, header: Header, blocks: Iterator[NDArray[np.float32]], snr_stop_db: float | None
    ) -> list[Candidates]:
        """Of each channel."""
        worth = point(DEFAULT_EIGHTH).worth
        stops = [
            None if snr_stop_db is None else SnrStop(self.model, header, worth, snr_stop_db, channel)
            for channel in range(header.channels)
        ]
        finders = [CandidateFinder(self.model, self.device, stop) for stop in stops]
        found: list[list[Candidates]] = [[] for _ in finders]
        for block in blocks:
            for channel, finder in enumerate(finders):
                found[channel] += finder.push(np.ascontiguousarray(block[:, channel]))
        for channel, finder in enumerate(finders):
            found[channel] += finder.finish()
        return [Candidates.joined(parts, self.model.config.vector_dims) for parts in found]

    def _fitters(
        self, table: EventTable, at: Point, blocks: Iterator[NDArray[np.float32]], steps: int, *, last: bool
    ) -> list[StreamFitter]:
        """A table's events, fitted to the samples, channel by channel."""
        grid = torch.full((self.model.config.vector_dims,), at.step, device=self.device)
        fitters = []
        for channel in range(table.header.channels):
            events = events_of(table, channel, self.model_rate, self.device)
            events = Events(tidy(self.model.decoder, events.vector, events.time), events.time)
            fitters.append(
                StreamFitter(
                    self.model,
                    events,
                    steps=steps,
                    quantiser_step=grid,
                    seed=table.header.seed,
                    channel=channel,
                    last=last,
                    bit_weight=at.bit_weight,
                )
            )
        for block in blocks:
            for channel, fitter in enumerate(fitters):
                fitter.push(np.ascontiguousarray(block[:, channel]))
        for fitter in fitters:
            fitter.finish()
        return fitters

    def _missed(self, candidates: EventTable, fitters: list[StreamFitter]) -> NDArray[np.float64]:
        """What is still wrong with the fitted sound at each of the candidates: float64 [n]."""
        frame = np.round(candidates.time * self.model_rate).astype(np.int64) // self.model.config.hop
        out = np.empty(len(candidates))
        for channel, fitter in enumerate(fitters):
            mine = candidates.channel == channel
            out[mine] = np.array(fitter.missed)[frame[mine]]
        return out

    @torch.no_grad()  # not inference_mode: what is cached here is used in fits, too
    def _synthesise(
        self, table: EventTable, start: int, stop: int, seed: int
    ) -> Iterator[tuple[NDArray[np.float32], bool]]:
        time, sounds = self.event_samples(table), []
        for channel in range(table.header.channels):
            mine = table.channel == channel
            vector, place, amplitude = (
                torch.tensor(column[mine], device=self.device) for column in (table.vector, time, table.amplitude)
            )
            sounds.append(
                ChannelSound(self.model.decoder, vector, place, seed=seed, channel=channel, amplitude=amplitude)
            )
        for at in range(start, stop, BLOCK):
            size = min(BLOCK, stop - at)
            out = torch.stack([sound.samples(at, size) for sound in sounds], 1)
            yield out.cpu().numpy(), at + size >= stop


def _joined(table: EventTable, fitters: list[StreamFitter]) -> NDArray[np.float32]:
    """The fitted vectors of a table's events: float32 [n, 32]."""
    vector = table.vector.copy()
    for channel, fitter in enumerate(fitters):
        vector[table.channel == channel] = fitter.vector.cpu().numpy()
    return vector
