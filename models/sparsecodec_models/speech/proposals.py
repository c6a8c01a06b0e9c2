"""From the encoder's frame-by-frame answers to events, and what magnitudes cannot tell (fine pitch, phase) measured
on the samples."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .config import SpeechConfig
from .decoder import F0_REFERENCE_HZ, NAMED, SpeechDecoder
from .encoder import Proposals, pitch_semitones

SWITCH_THRESHOLD = -0.7  # logit; chosen on validation for about 16 events a second of speech, see docs/experiments.md
LEVEL, DURATION, ATTACK, DECAY, F0, GLIDE, PHASE, ROOM = range(len(NAMED))


def pick_frames(switch: Tensor, threshold: float = SWITCH_THRESHOLD, gap: int = 2) -> Tensor:
    """Frames where the switch [t] has a local maximum above the threshold, `gap` frames apart or more: int64 [n],
    ascending."""
    padded = torch.nn.functional.pad(switch[None, None], (gap - 1, gap - 1), value=-torch.inf)
    highest = torch.nn.functional.max_pool1d(padded, 2 * gap - 1, 1)[0, 0]
    return torch.nonzero((switch >= highest) & (switch > threshold))[:, 0]


def assemble(proposals: Proposals, batch: Tensor, frame: Tensor, decoder: SpeechDecoder) -> tuple[Tensor, Tensor]:
    """Proposals at given frames → (vectors float32 [n, 32], onsets float32 [n] in samples).

    batch, frame: int64 [n], ascending within a batch row. An event whose end falls near the next one's border is
    stretched or cut to end there and fades out as the next fades in, so that speech runs on without holes.
    """
    config = decoder.config
    named = proposals.named[batch, :, frame]
    physical = [*(named * decoder.scale + decoder.offset).unbind(1)]
    hop_s = config.hop / config.sample_rate
    border_s = (frame - 0.5) * hop_s
    attack_s = torch.exp2(physical[ATTACK].clamp(-9.0, -4.0))
    decay_s = torch.exp2(physical[DECAY].clamp(-9.0, -4.0))
    length_s = torch.exp2(physical[DURATION].clamp(-7.0, 0.0)) - 0.5 * (attack_s + decay_s)  # from border to border
    if len(frame) > 1:
        ahead = torch.cat([border_s[1:] - border_s[:-1], border_s.new_full((1,), torch.inf)])
        follows = torch.cat([batch[1:] == batch[:-1], batch.new_zeros(1, dtype=torch.bool)])
        joined = follows & (length_s.detach() > ahead - 2.5 * hop_s)
        length_s = torch.where(joined, ahead, length_s)
        decay_s = torch.where(joined, torch.cat([attack_s[1:], decay_s[-1:]]), decay_s)
    length_s = length_s.clamp_min(hop_s)
    physical[ATTACK], physical[DECAY] = torch.log2(attack_s), torch.log2(decay_s)
    physical[DURATION] = torch.log2(length_s + 0.5 * (attack_s + decay_s))
    physical[F0] = pitch_semitones(proposals.pitch_logits[batch, :, frame], config)
    named = (torch.stack(physical, 1) - decoder.offset) / decoder.scale
    return torch.cat([named, proposals.shape[batch, :, frame]], 1), onset_samples(frame, attack_s, config)


def onset_samples(frame: Tensor, attack_s: Tensor, config: SpeechConfig) -> Tensor:
    """Onsets, float32 [n], of events whose border lies half a hop before these frames: the attack is centred on it."""
    return ((frame - 0.5) * config.hop - 0.5 * attack_s * config.sample_rate).clamp_min(0.0)


@torch.no_grad()
def measure_pitch_and_phase(
    decoder: SpeechDecoder,
    vector: Tensor,
    onset: Tensor,
    samples: Tensor,
    harmonics: int = 12,
    search: bool = True,
) -> Tensor:
    """Vectors with f0 and phase set to what matches the samples best (float32 [n, 32], same shape back).

    f0 within ±4 % (where `search`) by the energy of the low harmonics along the event's glide, then the phase by their
    correlation with what the decoder would render: a matched filter, in closed form over 96 phases.
    """
    if not len(vector):
        return vector
    config = decoder.config
    rate, bin_hz = config.sample_rate, config.sample_rate / config.frame_size
    controls = decoder.controls(vector)
    half_event = (controls.duration_s * rate / 2).clamp(160.0, 1024.0)
    half = int(half_event.max()) + 1
    middle = (onset + controls.duration_s * rate / 2).round().long()
    padded = torch.nn.functional.pad(samples, (half, half))
    n = torch.arange(2 * half + 1, device=samples.device)
    segment = padded[(middle[:, None] + n).clamp(0, len(padded) - 1)]
    offset = n - half
    window = torch.cos(0.5 * torch.pi * (offset / half_event[:, None]).clamp(-1.0, 1.0)) ** 2
    segment = segment * window
    time_s = offset / rate
    growth = 0.5 * controls.glide_semitones / 12.0 / controls.duration_s * np.log(2.0)
    unit_cycles = time_s + growth[:, None] * time_s**2  # cycles of a fundamental of 1 Hz at the middle

    f0 = controls.f0_hz
    order = torch.arange(1, harmonics + 1, device=samples.device)
    shape_db = controls.shape_db[:, config.points // 2]
    spectrum_db = shape_db @ decoder.band_to_bin
    phase_rad = shape_db @ decoder.band_to_phase + decoder.phase_curve_rad @ decoder.band_to_bin

    def projections(hz: Tensor) -> Tensor:
        """Σ segment · exp(-2πi·k·cycles): complex64 [n, harmonics] by powers of the fundamental's phasor."""
        one = torch.polar(torch.ones_like(segment), -2 * torch.pi * torch.remainder(hz[:, None] * unit_cycles, 1.0))
        power, out = segment.to(one.dtype), []
        for _ in range(harmonics):
            power = power * one
            out.append(power.sum(1))
        return torch.stack(out, 1)

    def bins(hz: Tensor) -> Tensor:
        return (hz[:, None] * order / bin_hz).round().long().clamp(0, config.frame_size // 2)

    if search:
        trials = f0 * torch.linspace(-0.04, 0.04, 9, device=f0.device).exp()[:, None]
        energy = torch.stack([(projections(hz).abs() ** 2 * (hz[:, None] * order < 3000.0)).sum(1) for hz in trials])
        # stay near the proposal unless the samples clearly say otherwise
        energy = energy * (1.0 - 0.02 * torch.linspace(-2, 2, 9, device=f0.device).abs()[:, None])
        f0 = trials.gather(0, energy.argmax(0)[None])[0]
    found = projections(f0)
    at = bins(f0)
    amplitude = torch.pow(10.0, spectrum_db.gather(1, at) / 20.0) * (f0[:, None] * order < 4000.0)
    expected = torch.polar(amplitude, -phase_rad.gather(1, at))
    trial = torch.arange(96, device=f0.device) / 96.0
    turn = torch.polar(
        torch.ones(96, harmonics, device=f0.device),
        -2 * torch.pi * torch.remainder(trial[:, None] * order, 1.0),
    )
    score = ((found * expected) @ turn.T).real
    phase = trial[score.argmax(1)]
    phase = torch.where(phase > 0.5, phase - 1.0, phase)
    out = vector.clone()
    out[:, F0] = (12 * torch.log2(f0 / F0_REFERENCE_HZ) - decoder.offset[F0]) / decoder.scale[F0]
    out[:, PHASE] = (phase - decoder.offset[PHASE]) / decoder.scale[PHASE]
    return out
