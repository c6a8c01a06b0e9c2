"""The `reference` preset as a codec: how it finds events; the way back is its renderer's.

Analysis as in `removal.py` with the encoder's arg-max (Vinyard 2025, arXiv 2505.05654); no weights are
shipped, so without a file the weights are drawn from a seed and the sound is noise shaped by chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from typing import Self

import numpy as np
import torch
from torch import Tensor

from sparsecodec_formats.edit import keep_bytes
from sparsecodec_formats.header import Header
from sparsecodec_formats.steps import nearest_step
from sparsecodec_formats.table import EventTable
from sparsecodec_models import weights
from sparsecodec_models.audio_source import ModelRateAudio
from sparsecodec_models.codec import Codec, RateTarget
from sparsecodec_models.removal import Proposal, RemovedEvent, StreamingRemoval
from sparsecodec_models.threads import Threads

from .config import PRESET, ReferenceConfig
from .decoder import draw_noise
from .encoder import magnitudes
from .model import ReferenceModel
from .renderer import ReferenceRenderer

NOMINAL_STEP = 0.02  # the range that weights are drawn from; training has yet to find steps of its own


class ReferenceCodec(Codec):
    """The reference system behind the interface of every preset.

    `encode`: every effort is the same, for the author's analysis has one depth; events_per_second defaults to
    the author's 10.77. The time unit is one frame (256 / 22,050 s).
    """

    name = PRESET
    model: ReferenceModel
    renderer: ReferenceRenderer
    default_effort = 0

    def __init__(
        self,
        model: ReferenceModel | None = None,
        *,
        weights_hash: bytes | None = None,
        device: str = "cpu",
    ) -> None:
        """model: is taken over (frozen, moved). Default: the published sizes, drawn from seed 0,
        whose hash is zeros, for any copy of this program can draw them again.

        weights_hash: 8 bytes that files carry and `decode` checks; default, those of `model.to_bytes()`.
        """
        if weights_hash is None:
            weights_hash = weights.hash_of(model.to_bytes()) if model else weights.NO_WEIGHTS
        self.model = (model or ReferenceModel().draw_weights(0)).to(device).eval().requires_grad_(False)
        self.config: ReferenceConfig = self.model.config
        self.weights_hash = weights_hash
        self.device = torch.device(device)
        self.renderer = ReferenceRenderer(
            self.model.decoder, self.parameters(), weights_hash=weights_hash, device=self.device
        )
        self.model_rate = self.config.sample_rate
        self.time_unit = Fraction(self.config.hop, self.config.sample_rate)
        self.step = (nearest_step(NOMINAL_STEP),) * self.config.vector_dims

    @classmethod
    def untrained(cls, seed: int = 0, *, config: ReferenceConfig | None = None, device: str = "cpu") -> Self:
        """Weights drawn from a seed."""
        if seed == 0 and config in (None, ReferenceConfig()):
            return cls(device=device)
        return cls(ReferenceModel(config).draw_weights(seed), device=device)

    @classmethod
    def from_bytes(cls, data: bytes, *, device: str = "cpu") -> Self:
        """The codec of a safetensors file's bytes; SicError when they are not this preset's weights."""
        return cls(ReferenceModel.from_bytes(data), weights_hash=weights.hash_of(data), device=device)

    def removal(self, events_per_half: float, snr_stop_db: float | None = None, seed: int = 0) -> StreamingRemoval:
        """The analysis of one mono stream at the model's rate, to be watched event by event."""
        config = self.config

        @torch.inference_mode()
        def propose(residual: Tensor, n_open: int) -> Proposal | None:
            vector, frame, amplitude = self.model.propose(residual[None], n_open)
            return Proposal(vector[0], int(frame), float(amplitude))

        @torch.inference_mode()
        def render(proposal: Proposal, rank: int) -> Tensor:
            samples = self.renderer.sounds(proposal.vector[None], draw_noise(seed, [rank], config.envelope_samples))
            return proposal.amplitude * self.model.decoder.spectrograms(samples)[0]

        return StreamingRemoval(
            propose,
            render,
            lambda samples, n_frames: magnitudes(samples, n_frames, config),
            window=config.window,
            hop=config.hop,
            n_fft=config.n_fft,
            events_per_half=events_per_half,
            snr_stop_db=snr_stop_db,
            device=self.device,
        )

    def _analyse(
        self, header: Header, audio: ModelRateAudio, effort: int, target: RateTarget, threads: Threads
    ) -> Iterator[EventTable]:
        yield self._analysed(header, audio, target, threads)

    def _analysed(self, header: Header, audio: ModelRateAudio, target: RateTarget, threads: Threads) -> EventTable:
        """The noise of an event is drawn from its rank in order of removal here, and from its rank in time by
        `decode`: the table's order is not known yet."""
        rate = self.config.events_per_second if target.events_per_second is None else target.events_per_second
        per_half = rate * self.config.window / 2 / self.config.sample_rate
        analysers = [self.removal(per_half, target.snr_stop_db, header.seed) for _ in range(header.streams)]
        found: list[list[RemovedEvent]] = [[] for _ in analysers]
        for block in audio.blocks():
            pushes = [partial(a.push, np.ascontiguousarray(of)) for a, of in zip(analysers, block.T, strict=True)]
            for channel, (_, events) in enumerate(threads.each(pushes, lambda push: list(push()))):
                found[channel] += events
        for channel, (_, events) in enumerate(threads.each(analysers, lambda analyser: list(analyser.finish()))):
            found[channel] += events
        every = [(channel, event) for channel, of_channel in enumerate(found) for event in of_channel]
        if not every:
            return EventTable.empty(header)
        frame = np.array([event.frame for _, event in every])
        table = EventTable.from_unsorted(
            header,
            time=frame * self.config.hop / self.config.sample_rate,
            vector=np.stack([event.vector for _, event in every]),
            channel=np.array([channel for channel, _ in every], dtype=np.uint8),
            amplitude=np.array([event.amplitude for _, event in every], dtype=np.float32),
        )
        n_bytes = target.n_bytes(header)
        return table if n_bytes is None else keep_bytes(table, n_bytes)
