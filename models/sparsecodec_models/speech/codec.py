"""The `speech` preset as a codec: audio → event table → audio, both as streams."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray

from sparsecodec_formats.events import EventTable, Header
from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_formats.quantiser import dequantise, quantise
from sparsecodec_formats.steps import nearest_step

from ..codec import Codec
from .analysis import SpeechAnalyser
from .model import SpeechModel
from .synthesis import convolve, overlap_add, plan_frames, render_frames, room_response

BLOCK = 2**16  # samples rendered at once
QUANTISER_STEP = 2**0.375  # of the layout's units: about 2.3 kbit/s, see docs/experiments.md


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
                events_per_second=events_per_second,
                snr_stop_db=snr_stop_db,
            )
            for _ in range(header.channels)
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

    @torch.inference_mode()
    def _synthesise(
        self, table: EventTable, start: int, stop: int, seed: int
    ) -> Iterator[tuple[NDArray[np.float32], bool]]:
        config, decoder = self.model.config, self.model.decoder
        onset = np.round(np.minimum(table.time, 2.0**40) * self.model_rate).astype(np.int64)
        rank = table.rank_in_channel()
        controls = decoder.controls(torch.tensor(table.vector, device=self.device))
        amplitude = torch.tensor(table.amplitude, device=self.device)
        response = room_response(config).to(self.device)
        # frames overlap the end by less than one frame; then the room rings on
        length = np.ceil(controls.duration_s.cpu().numpy() * self.model_rate).astype(np.int64) + config.frame_size
        length += np.where(controls.room_gain.cpu().numpy() > 0, len(response), 0)
        for at in range(start, stop, BLOCK):
            size = min(BLOCK, stop - at)
            out = torch.zeros(size, table.header.channels, device=self.device)
            for channel in range(table.header.channels):
                mine = np.flatnonzero((table.channel == channel) & (onset < at + size) & (onset + length > at))
                if not len(mine):
                    continue
                rows = torch.from_numpy(mine).to(self.device)
                these = controls[rows]
                plan = plan_frames(these.duration_s, torch.from_numpy(rank[mine]).to(self.device), seed, config)
                frames = render_frames(decoder, these, plan)
                # from before the block, so that the room hears what began there
                lead = len(response)
                place = torch.from_numpy(onset[mine] - at + lead).to(self.device)
                height = amplitude[rows]
                sound = overlap_add(frames, place, lead + size, height)
                send = height * these.room_gain
                if bool((send > 0).any()):
                    sound = sound + convolve(overlap_add(frames, place, lead + size, send), response)
                out[:, channel] = sound[lead:]
            yield out.cpu().numpy(), at + size >= stop
