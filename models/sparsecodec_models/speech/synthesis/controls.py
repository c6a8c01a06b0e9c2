"""The `speech` decoder, first part: event vectors → controls, named physical quantities with units."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor, nn

from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_formats.presets.voices import BEGINS_ABOVE
from sparsecodec_models.dsp.mel import band_centres_hz, interpolation_matrix
from sparsecodec_models.dsp.room import room_gain
from sparsecodec_models.speech.config import PRESET, SpeechConfig

F0_REFERENCE_HZ = 110.0
SHAPE_LOW_HZ, SHAPE_HIGH_HZ = 100.0, 10500.0
VOICE_LOW_HZ, VOICE_HIGH_HZ = 300.0, 7000.0
NAMED = tuple(LAYOUTS[PRESET].dims)[:8]


UNVOICED = 0.08  # mean voicing below which an event has no pitch of its own


@dataclass(frozen=True)
class SpeechControls:
    """What a person can read in n events. Fields are float32, first axis n; `begins` is bool; times and pitch
    (attack_s, decay_s, octave) is float64.

    level_db        [n]     level of the source at the event's time, dB re full scale
    attack_s        [n]     time over which it comes in before its time, seconds; at most the gap where it is linked
    decay_s         [n]     time over which it dies away, seconds, where no event is linked to it
    octave          [n]     log2 of the fundamental at its time, Hz: 40 … 1760 Hz
    glide_semitones [n]     change of f0 over the decay, semitones
    phase_cycles    [n]     phase of the fundamental at its time, cycles, 0 … 1, where the event begins by itself
    begins          [n]     it begins by itself; else it is linked: it carries on the sound of the event before it
    room_gain       [n]     linear gain of the send to the room
    shape_db        [n, B]  spectral level per band, dB, relative (its power is normalised away)
    voicing         [n, V]  share of power that is harmonic, 0 … 1, the rest is noise
    """

    level_db: Tensor
    attack_s: Tensor
    decay_s: Tensor
    octave: Tensor
    glide_semitones: Tensor
    phase_cycles: Tensor
    begins: Tensor
    room_gain: Tensor
    shape_db: Tensor
    voicing: Tensor

    def __getitem__(self, index: Tensor | slice) -> SpeechControls:
        return SpeechControls(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    @property
    def f0_hz(self) -> Tensor:
        """float32 [n]."""
        return torch.exp2(self.octave).float()

    @property
    def voiced(self) -> Tensor:
        """Events with a pitch of their own, bool [n]."""
        return self.voicing.detach().mean(1) >= UNVOICED


class SpeechDecoder(nn.Module):
    """Maps vectors to controls and holds the tables that the rest of the synthesis needs.

    The first eight dims are affine images of the physical controls (`sparsecodec_formats.presets`, so that commands
    without torch can edit them); the rest are coefficients of `shape_basis`, a linear map to band levels and voicing.
    """

    band_to_bin: Tensor
    voice_to_bin: Tensor
    scale: Tensor
    offset: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, config: SpeechConfig) -> None:
        super().__init__()
        self.config = config
        outputs = config.bands + config.voice_bands
        coefficients = config.vector_dims - config.named_dims
        generator = torch.Generator().manual_seed(0)
        self.shape_mean = nn.Parameter(torch.zeros(outputs))
        self.shape_basis = nn.Parameter(torch.randn(coefficients, outputs, generator=generator))
        bins = config.frame_size // 2 + 1
        bin_hz = np.arange(bins) * config.sample_rate / config.frame_size
        shape_hz = band_centres_hz(config.bands, SHAPE_LOW_HZ, SHAPE_HIGH_HZ)
        voice_hz = band_centres_hz(config.voice_bands, VOICE_LOW_HZ, VOICE_HIGH_HZ)
        # fixed tables: not in the weights, they follow from the config
        self.register_buffer("band_to_bin", _table(interpolation_matrix(shape_hz, bin_hz).T), persistent=False)
        self.register_buffer("voice_to_bin", _table(interpolation_matrix(voice_hz, bin_hz).T), persistent=False)
        dims = [LAYOUTS[PRESET].dims[name] for name in NAMED]
        for name in ("scale", "offset", "low", "high"):
            of_dims = torch.tensor([getattr(dim, name) for dim in dims], dtype=torch.float64)
            self.register_buffer(name, of_dims, persistent=False)

    def controls(self, vector: Tensor) -> SpeechControls:
        """Event vectors float32 [n, 32] → controls. Values outside the physical range are clamped, so any vector
        sounds."""
        c = self.config
        # in double precision, rounded at the end: where single powers differ between processors, pitch would drift
        named = (vector[:, : c.named_dims].double() * self.scale + self.offset).clamp(self.low, self.high)
        level, attack, decay, f0, glide, phase, begins, room = named.unbind(1)
        both = vector[:, c.named_dims :] @ self.shape_basis + self.shape_mean
        return SpeechControls(
            level_db=level.float(),
            attack_s=torch.exp2(attack),
            decay_s=torch.exp2(decay),
            octave=math.log2(F0_REFERENCE_HZ) + f0 / 12.0,
            glide_semitones=glide.float(),
            phase_cycles=torch.remainder(phase, 1.0).float(),
            begins=begins.detach() > BEGINS_ABOVE,
            room_gain=room_gain(room),
            shape_db=both[:, : c.bands].clamp(-120.0, 60.0),
            voicing=torch.sigmoid(both[:, c.bands :]),
        )


def _table(values: np.ndarray) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)
