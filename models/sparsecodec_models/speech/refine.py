"""Analysis by synthesis: events of a stretch of sound fitted to it by gradient through the decoder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..losses import SoundDistance
from .decoder import SpeechDecoder
from .proposals import F0, GLIDE, PHASE, measure_pitch_and_phase
from .synthesis import plan_frames, render

LEARNING_RATE = 0.3  # quantiser steps a step of Adam
RATE_WEIGHT = 1.0  # of the mean over events and dims of log2(1 + |q|), about the bits that a number takes
ENVELOPE_WEIGHT = 2.0  # of the correlation of envelopes in the distance, beside spectra
VOICED = 0.08  # mean voicing below which pitch and phase are not heard, and not sent


@dataclass(frozen=True)
class Events:
    """n events of one channel: vector float32 [n, 32]; onset int64 [n], samples; rank int64 [n] in the channel."""

    vector: Tensor
    onset: Tensor
    rank: Tensor

    def __len__(self) -> int:
        return len(self.onset)


def fit(
    decoder: SpeechDecoder,
    events: Events,
    target: Tensor,
    background: Tensor,
    seed: int,
    steps: int,
    quantiser_step: Tensor,
) -> Tensor:
    """Vectors of `events` on the quantiser's grid, fitted so that background + rendered events sound like the target.

    target, background: float32 [n], onsets count from their first sample; background: what other events sound like
    here. quantiser_step float32 [32]. The fit sees rounding as uniform noise of the same width (Ballé et al. 2017), so
    that it settles where rounding hurts least; then everything is rounded, and the phases, which depend on rounded
    pitches and durations, are measured again. steps = 0 only rounds.
    """
    vector = events.vector.clone()
    if steps and len(events):
        distance = SoundDistance(target[None], decoder.config.sample_rate, envelope_weight=ENVELOPE_WEIGHT)
        generator = torch.Generator().manual_seed(seed + 1)
        with torch.enable_grad():
            vector.requires_grad_(True)
            optimizer = torch.optim.Adam([vector], lr=LEARNING_RATE, betas=(0.9, 0.97))
            plan = None
            for i in range(steps):
                for group in optimizer.param_groups:
                    group["lr"] = LEARNING_RATE * (1.0 - 0.9 * i / steps)
                noise = torch.rand(vector.shape, generator=generator).to(vector.device) - 0.5
                rounded = vector + noise * quantiser_step
                if i % 10 == 0:  # durations move slowly
                    plan = plan_frames(
                        decoder.controls(rounded.detach()).duration_s * 1.02,
                        events.rank,
                        seed,
                        decoder.config,
                    )
                sound = background + render(decoder, rounded, events.onset, events.rank, seed, len(target), plan)
                bits = torch.log2(1.0 + (vector / quantiser_step).abs()).sum(1).mean()
                loss = distance(sound[None]) + RATE_WEIGHT * bits / vector.shape[1]
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return settle(decoder, Events(vector.detach(), events.onset, events.rank), target, quantiser_step)


@torch.no_grad()
def settle(decoder: SpeechDecoder, events: Events, target: Tensor, quantiser_step: Tensor) -> Tensor:
    """Vectors rounded to the grid; phases measured again for what rounding made of pitch and duration."""
    vector = torch.round(events.vector / quantiser_step) * quantiser_step
    if not len(events):
        return vector
    vector = measure_pitch_and_phase(decoder, vector, events.onset, target, search=False)
    unheard = decoder.controls(vector).voicing.mean((1, 2)) < VOICED
    for dim in (F0, GLIDE, PHASE):
        vector[unheard, dim] = 0.0
    return torch.round(vector / quantiser_step) * quantiser_step
