"""The `speech` decoder, first half: event vectors → controls, named physical quantities with units."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor, nn

from sparsecodec_formats.presets import LAYOUTS

from .bands import band_centres_hz, interpolation_matrix, minimum_phase_matrix
from .config import SpeechConfig

F0_REFERENCE_HZ = 110.0
SHAPE_LOW_HZ, SHAPE_HIGH_HZ = 100.0, 10500.0
VOICE_LOW_HZ, VOICE_HIGH_HZ = 300.0, 7000.0
NAMED = tuple(LAYOUTS["speech"].dims)[:8]


@dataclass(frozen=True)
class SpeechControls:
    """What a person can read in n events. Every field is float32, first axis n; P instants within the event.

    level_db       [n]        mean level of the source over the event, dB re full scale (before attack and decay)
    duration_s     [n]        from onset to the end of the sound, seconds, 0.005 … 2
    attack_s       [n]        fade-in from the onset, seconds (sin² shape)
    decay_s        [n]        fade-out before the end, seconds (sin² shape)
    f0_hz          [n]        fundamental at the middle of the event, 40 … 1760 Hz
    glide_semitones [n]       change of f0 from onset to end, semitones (linear in pitch)
    phase_cycles   [n]        phase of the fundamental at the middle of the event, cycles
    room_gain      [n]        linear gain of the send to the room
    shape_db       [n, P, B]  spectral level per band and instant, dB, relative (its mean power is normalised away)
    voicing        [n, P, V]  share of power that is harmonic, 0 … 1, the rest is noise
    """

    level_db: Tensor
    duration_s: Tensor
    attack_s: Tensor
    decay_s: Tensor
    f0_hz: Tensor
    glide_semitones: Tensor
    phase_cycles: Tensor
    room_gain: Tensor
    shape_db: Tensor
    voicing: Tensor

    def __getitem__(self, index: Tensor | slice) -> SpeechControls:
        return SpeechControls(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


class SpeechDecoder(nn.Module):
    """Maps vectors to controls and holds the tables that the synthesis needs (see `synthesis.py` for the signal).

    The first eight dims are affine images of the physical controls (`sparsecodec_formats.presets`, so that commands
    without torch can edit them); the rest are coefficients of `shape_basis`, a linear map to band levels and voicing.
    """

    band_to_bin: Tensor
    voice_to_bin: Tensor
    band_to_phase: Tensor
    scale: Tensor
    offset: Tensor

    def __init__(self, config: SpeechConfig) -> None:
        super().__init__()
        self.config = config
        outputs = config.points * (config.bands + config.voice_bands)
        coefficients = config.vector_dims - config.named_dims
        generator = torch.Generator().manual_seed(0)
        self.shape_mean = nn.Parameter(torch.zeros(outputs))
        self.shape_basis = nn.Parameter(torch.randn(coefficients, outputs, generator=generator))
        self.phase_curve_rad = nn.Parameter(torch.zeros(config.bands))  # phase beside the minimum phase, per band
        bins = config.frame_size // 2 + 1
        bin_hz = np.arange(bins) * config.sample_rate / config.frame_size
        shape_hz = band_centres_hz(config.bands, SHAPE_LOW_HZ, SHAPE_HIGH_HZ)
        voice_hz = band_centres_hz(config.voice_bands, VOICE_LOW_HZ, VOICE_HIGH_HZ)
        to_bins = interpolation_matrix(shape_hz, bin_hz)
        # fixed tables: not in the weights, they follow from the config
        self.register_buffer("band_to_bin", torch.tensor(to_bins.T, dtype=torch.float32), persistent=False)
        self.register_buffer(
            "voice_to_bin",
            torch.tensor(interpolation_matrix(voice_hz, bin_hz).T, dtype=torch.float32),
            persistent=False,
        )
        phase = (minimum_phase_matrix(bins) @ to_bins) * np.log(10) / 20  # dB per band → rad per bin
        self.register_buffer("band_to_phase", torch.tensor(phase.T, dtype=torch.float32), persistent=False)
        scale = [LAYOUTS["speech"].dims[name].scale for name in NAMED]
        offset = [LAYOUTS["speech"].dims[name].offset for name in NAMED]
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32), persistent=False)
        self.register_buffer("offset", torch.tensor(offset, dtype=torch.float32), persistent=False)

    def controls(self, vector: Tensor) -> SpeechControls:
        """Event vectors float32 [n, 32] → controls. Values outside the physical range are clamped, so any vector
        sounds."""
        c = self.config
        named = vector[:, : c.named_dims] * self.scale + self.offset
        level, duration, attack, decay, f0, glide, phase, room = named.unbind(1)
        both = vector[:, c.named_dims :] @ self.shape_basis + self.shape_mean
        both = both.view(-1, c.points, c.bands + c.voice_bands)
        return SpeechControls(
            level_db=level.clamp(-120.0, 20.0),
            duration_s=torch.exp2(duration.clamp(-7.6, 1.0)),
            attack_s=torch.exp2(attack.clamp(-10.0, 0.0)),
            decay_s=torch.exp2(decay.clamp(-10.0, 0.0)),
            f0_hz=F0_REFERENCE_HZ * torch.exp2(f0.clamp(-17.5, 48.0) / 12.0),
            glide_semitones=glide.clamp(-24.0, 24.0),
            phase_cycles=phase,
            room_gain=torch.pow(10.0, room.clamp(-60.0, 0.0) / 20.0) - 1e-3,
            shape_db=both[..., : c.bands].clamp(-120.0, 60.0),
            voicing=torch.sigmoid(both[..., c.bands :]),
        )
