"""The `speech` preset as a codec: audio → event table → audio, both as streams."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsecodec_formats.events import EventTable, Header
from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_formats.quantiser import dequantise, quantise
from sparsecodec_formats.steps import nearest_step

from ..codec import Codec
from .analysis import SpeechAnalyser
from .decoder import SpeechControls
from .model import SpeechModel
from .synthesis import (
    FramePlan,
    Tracks,
    convolve,
    follow,
    noise_spectrum,
    overlap_add,
    plan_frames,
    render_frames,
    room_response,
    spectra,
)

BLOCK = 2**16  # samples rendered at once
FRAMES_AT_ONCE = 2**12  # however many voices sound together, memory is bounded
QUANTISER_STEP = 2**0.625  # of the layout's units: about 2.3 kbit/s, see docs/experiments.md


class SpeechCodec(Codec):
    """The default preset."""

    name = "speech"
    default_effort = 4
    time_unit: Fraction = LAYOUTS["speech"].time_unit

    def __init__(self, model: SpeechModel, *, device: str = "cpu") -> None:
        """model is taken over: frozen and moved."""
        self.device = torch.device(device)
        self.model = model.to(self.device).eval().requires_grad_(False)
        self.weights_hash = model.weights_hash
        self.model_rate = model.config.sample_rate
        self.step = (nearest_step(QUANTISER_STEP),) * model.config.vector_dims

    @staticmethod
    def from_bytes(data: bytes, *, device: str = "cpu") -> SpeechCodec:
        """The codec of a weights file's bytes; SicError when they are not this preset's."""
        return SpeechCodec(SpeechModel.from_bytes(data), device=device)

    def _analyse(
        self,
        header: Header,
        blocks: Iterator[NDArray[np.float32]],
        effort: int,
        events_per_second: float | None,
        snr_stop_db: float | None,
    ) -> EventTable:
        step = torch.tensor(header.step, dtype=torch.float32, device=self.device)
        analysers = [
            SpeechAnalyser(
                self.model,
                effort=effort,
                seed=header.seed,
                quantiser_step=step,
                channel=channel,
                events_per_second=events_per_second,
                snr_stop_db=snr_stop_db,
            )
            for channel in range(header.channels)
        ]
        found = [[(np.zeros(0, np.int64), np.zeros((0, self.model.config.vector_dims), np.float32))] for _ in analysers]
        for block in blocks:
            for channel, analyser in enumerate(analysers):
                found[channel] += analyser.push(np.ascontiguousarray(block[:, channel]))
        for channel, analyser in enumerate(analysers):
            found[channel] += analyser.finish()
        onset = [np.concatenate([onset for onset, _ in parts]) for parts in found]
        table = EventTable.from_unsorted(
            header,
            time=np.concatenate(onset) / self.model_rate,
            vector=np.concatenate([vector for parts in found for _, vector in parts]),
            channel=np.concatenate([np.full(len(o), channel, np.uint8) for channel, o in enumerate(onset)]),
        )
        return dequantise(header, quantise(table))  # to the last bit what a file will give

    @torch.no_grad()  # not inference_mode: what is cached here is used in fits, too
    def _synthesise(
        self, table: EventTable, start: int, stop: int, seed: int
    ) -> Iterator[tuple[NDArray[np.float32], bool]]:
        voices = [_Channel(self, table, channel, seed) for channel in range(table.header.channels)]
        for at in range(start, stop, BLOCK):
            size = min(BLOCK, stop - at)
            out = torch.stack([voice.samples(at, size) for voice in voices], 1)
            yield out.cpu().numpy(), at + size >= stop


class _Channel:
    """The voices of one channel of a table, to be heard from anywhere."""

    def __init__(self, codec: SpeechCodec, table: EventTable, channel: int, seed: int) -> None:
        self._decoder, self._device = codec.model.decoder, codec.device
        self._channel, self._seed = channel, seed
        config = codec.model.config
        mine = table.select(table.channel == channel)
        time = np.round(np.minimum(mine.time, 2.0**40) * config.sample_rate).astype(np.int64)
        self._amplitude = torch.tensor(mine.amplitude, device=self._device)
        self._controls = self._decoder.controls(torch.tensor(mine.vector, device=self._device))
        place = torch.from_numpy(time).to(self._device)
        self._plan = plan_frames(self._controls, place, config)
        self._tracks = follow(self._controls, place, self._plan, config)
        self._room = bool((self._controls.room_gain > 0).any())

    def samples(self, start: int, size: int) -> Tensor:
        """Samples from `start` on: float32 [size]."""
        config = self._decoder.config
        response = room_response(config) if self._room else torch.zeros(0)
        begin, length = start - len(response), size + len(response)  # the room hears what began before
        hop = config.frame_hop
        first, last = max(0, (begin - hop) // hop), (begin + length + hop) // hop + 1
        rows = self._plan.between(first, last)
        dry = torch.zeros(length, device=self._device)
        wet = torch.zeros_like(dry)
        if not len(rows):
            return dry[:size]
        noise = noise_spectrum(self._seed, self._channel, first, last - first, config, str(self._device))
        for part in rows.split(FRAMES_AT_ONCE):
            plan, tracks, controls, gain = self._part(part)
            table = spectra(self._decoder, controls, gain)
            frames = render_frames(self._decoder, table, plan, tracks, noise, first)
            dry += overlap_add(frames, plan.frame, begin, length, config)
            if self._room:
                table = spectra(self._decoder, controls, gain * controls.room_gain)
                frames = render_frames(self._decoder, table, plan, tracks, noise, first)
                wet += overlap_add(frames, plan.frame, begin, length, config)
        return (dry + convolve(wet, response) if self._room else dry)[len(response) :]

    def _part(self, rows: Tensor) -> tuple[FramePlan, Tracks, SpeechControls, Tensor]:
        """Some rows of the plan, with the controls and amplitudes of only those events that sound in them."""
        before, after = self._plan.before[rows], self._plan.after[rows]
        events = torch.unique(torch.cat([before, after]).clamp_min(0))

        def renumbered(event: Tensor) -> Tensor:
            return torch.where(event >= 0, torch.searchsorted(events, event.clamp_min(0)), event)

        plan = FramePlan(self._plan.frame[rows], renumbered(before), renumbered(after), self._plan.first[rows])
        return plan, self._tracks[rows], self._controls[events], self._amplitude[events]
