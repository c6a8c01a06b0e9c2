"""The `speech` encoder: per frame, how likely an event is there (the switch) and what it would be."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_models.speech.config import PRESET, SpeechConfig
from sparsecodec_models.speech.synthesis.controls import F0_REFERENCE_HZ

from .features import SpeechFeatures

TYPICAL_LEVEL_DB = -12.0  # of an event, re the loudest frame


@dataclass(frozen=True)
class Proposals:
    """What the encoder says of each of t frames, batch first.

    switch [b, t]: logit that an event is at this frame;
    named [b, 8, t]: in vector units, the decoder's named dims (level absolute; the pitch is in its own logits);
    pitch_logits [b, pitch_bins, t]; shape [b, 24, t] coefficients.
    """

    switch: Tensor
    named: Tensor
    pitch_logits: Tensor
    shape: Tensor


class _Block(nn.Module):
    """Gated dilated convolution with a residual (after the reference encoder's, but it sees both sides)."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)  # of one frame, not over time: streamed and whole input must agree
        self.conv = nn.Conv1d(channels, 2 * channels, 3, padding=dilation, dilation=dilation)
        self.out = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.conv(self.norm(x.transpose(1, 2)).transpose(1, 2)).chunk(2, 1)
        return x + self.out(torch.sigmoid(gate) * nn.functional.silu(value))


class SpeechEncoder(nn.Module):
    """Features → proposals. A frame's answer depends on 2·sum(dilations) frames around it and on nothing else."""

    def __init__(self, config: SpeechConfig) -> None:
        super().__init__()
        self.config = config
        self.features = SpeechFeatures(config)
        inputs = config.mels + 1 + config.pitch_bins
        self.enter = nn.Conv1d(inputs, config.channels, 3, padding=1)
        self.blocks = nn.ModuleList(_Block(config.channels, d) for d in config.dilations)
        coefficients = config.vector_dims - config.named_dims
        self.sizes = (1, config.named_dims, config.pitch_bins, coefficients)
        self.leave = nn.Conv1d(config.channels, sum(self.sizes), 1)
        nn.init.uniform_(self.leave.weight, -0.017, 0.017)  # not normal_: see `SpeechFeatures`
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]  # it has a bias
        # pitch is nearly read off the salience: the network has only to choose among its maxima
        self.salience_gain = nn.Parameter(torch.tensor(12.0))

    @property
    def reach_frames(self) -> int:
        """Frames to either side that a frame's answer depends on."""
        return sum(self.config.dilations) + 1

    def forward(self, magnitude: Tensor) -> Proposals:
        """Magnitudes float32 [b, bins, t] (`SpeechFeatures.spectrogram`) → proposals for every frame."""
        features, reference_db = self.features(magnitude)
        x = self.enter(features)
        for block in self.blocks:
            x = block(x)
        switch, named, pitch_logits, shape = self.leave(x).split(self.sizes, dim=1)
        pitch_logits = 10.0 * pitch_logits + self.salience_gain * features[:, -self.config.pitch_bins :]
        # units of a few quantiser steps, so that the head's outputs are of order one
        named, shape = named * 4.0, shape * 4.0
        level = LAYOUTS[PRESET].dims["level_db"]
        typical = (reference_db[:, None, None] + TYPICAL_LEVEL_DB - level.offset) / level.scale
        named = torch.cat([named[:, :1] + typical, named[:, 1:]], 1)
        return Proposals(switch[:, 0], named, pitch_logits, shape)


def pitch_semitones(logits: Tensor, config: SpeechConfig) -> Tensor:
    """Pitch re 110 Hz from candidates' logits [..., pitch_bins]: the mean over the five bins about the best, [...]."""
    best = logits.detach().argmax(-1, keepdim=True)
    near = (best + torch.arange(-2, 3, device=logits.device)).clamp(0, config.pitch_bins - 1)
    share = torch.softmax(logits.gather(-1, near), -1)
    octaves = (share * near).sum(-1) / config.pitch_bins_per_octave
    return 12.0 * (octaves + torch.log2(torch.tensor(config.pitch_min_hz / F0_REFERENCE_HZ)))
