"""The `speech` decoder, second half: controls → samples.

Each event is a row of overlapping frames. A frame's spectrum holds the harmonics (each a spectral lobe of the
Blackman-Harris window) and the noise; one batched inverse FFT makes the samples (Rodet & Depalle, "Spectral envelopes
and inverse FFT synthesis", AES 1992). The frame's middle half, under a triangular window, overlaps its neighbours' by
half; attack and decay are then applied sample by sample, so that an onset falls on its sample.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .config import SpeechConfig
from .decoder import SpeechControls, SpeechDecoder
from .noise import random_phase

_HARRIS = (0.35875, 0.48829, 0.14128, 0.01168)  # Harris 1978, 4-term Blackman-Harris, -92 dB side lobes
_REACH = 4  # half width of its main lobe, bins
_STEPS = 512  # table entries per bin


@functools.lru_cache(maxsize=4)
def _lobe_table(size: int) -> Tensor:
    """Transform of the centred window at offsets -4 … 4 bins, linear interpolation points: float32 [8·512 + 2]."""
    delta = np.arange(-_REACH * _STEPS, _REACH * _STEPS + 2) / _STEPS
    lobe = np.zeros_like(delta)
    for m, a in enumerate(_HARRIS):
        terms = (0,) if m == 0 else (m, -m)
        lobe += sum(a / len(terms) * np.sinc(delta - k) for k in terms)
    return torch.tensor(lobe * size, dtype=torch.float32)


@functools.lru_cache(maxsize=4)
def _frame_window(size: int) -> Tensor:
    """Undoes the Blackman-Harris window over the middle half and applies a triangle that overlap-adds to 1: [size //
    2]."""
    n = np.arange(-size // 4, size // 4)
    harris = sum(a * np.cos(2 * np.pi * m * n / size) for m, a in enumerate(_HARRIS))
    return torch.tensor((1 - np.abs(n) / (size // 4)) / harris, dtype=torch.float32)


@dataclass(frozen=True)
class Frames:
    """Rendered frames of some events. samples float32 [m, frame_size/2]; event int64 [m] (row of the events given);
    start int64 [m]: the frame's first sample, relative to its event's onset (may be negative: those samples are 0)."""

    samples: Tensor
    event: Tensor
    start: Tensor


@dataclass(frozen=True)
class FramePlan:
    """Which frames the events have; it depends on the durations alone, so a fit may keep it from step to step."""

    event: Tensor  # int64 [m]
    frame: Tensor  # int64 [m]
    noise_phase: Tensor  # float32 [m, bins]


def plan_frames(duration_s: Tensor, rank: Tensor, seed: int, config: SpeechConfig) -> FramePlan:
    """Frames of events with these durations (float32 [n]) and ranks in their channel (int64 [n], what noise is drawn
    by)."""
    counts = torch.ceil(duration_s.detach() * config.sample_rate / config.frame_hop).long() + 1
    event = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    first = torch.cumsum(counts, 0) - counts
    frame = torch.arange(len(event), device=counts.device) - first[event]
    bins = config.frame_size // 2 + 1
    return FramePlan(event, frame, random_phase(seed, rank.to(counts.device)[event], frame, bins))


def render_frames(decoder: SpeechDecoder, controls: SpeechControls, plan: FramePlan) -> Frames:
    """Controls of n events → their frames. Differentiable in every control."""
    config = decoder.config
    size, hop, rate = config.frame_size, config.frame_hop, config.sample_rate
    event = plan.event
    time_s = plan.frame * (hop / rate)
    duration_s = controls.duration_s[event]

    # spectral levels at each frame: linear in dB between the event's instants
    position = (time_s / duration_s).clamp(0.0, 1.0) * (config.points - 1)
    instants = torch.arange(config.points, device=event.device)
    weight = (1.0 - (position[:, None] - instants).abs()).clamp_min(0.0)  # [m, P]
    shape_db = torch.einsum("mp,mpb->mb", weight, controls.shape_db[event])
    voicing = torch.einsum("mp,mpv->mv", weight, controls.voicing[event]) @ decoder.voice_to_bin
    power_at_points = torch.pow(10.0, controls.shape_db @ decoder.band_to_bin / 10.0).sum(-1).mean(-1)  # [n]
    gain_db = (controls.level_db - 10.0 * torch.log10(power_at_points + 1e-20))[event]
    bin_power = torch.pow(10.0, (shape_db @ decoder.band_to_bin + gain_db[:, None]) / 10.0)  # [m, bins]

    noise = size * torch.sqrt(bin_power * (1.0 - voicing) / 2.0 + 1e-20)
    spectrum = torch.polar(noise, plan.noise_phase)
    spectrum = spectrum + _harmonics(decoder, controls, event, time_s, shape_db, bin_power * voicing)
    block = torch.fft.irfft(spectrum, n=size)
    middle = torch.cat([block[:, -size // 4 :], block[:, : size // 4]], dim=1) * _frame_window(size).to(event.device)

    start = (plan.frame - 1) * hop
    sample_s = (start[:, None] + torch.arange(size // 2, device=event.device)) / rate
    rise = (sample_s / controls.attack_s[event, None]).clamp(0.0, 1.0)
    fall = ((duration_s[:, None] - sample_s) / controls.decay_s[event, None]).clamp(0.0, 1.0)
    envelope = (torch.sin(0.5 * torch.pi * rise) * torch.sin(0.5 * torch.pi * fall)) ** 2
    return Frames(middle * envelope, event, start)


def _harmonics(
    decoder: SpeechDecoder,
    controls: SpeechControls,
    event: Tensor,
    time_s: Tensor,
    shape_db: Tensor,
    bin_power: Tensor,
) -> Tensor:
    """Spectrum of the harmonic part, complex64 [m, bins]."""
    config = decoder.config
    size, rate = config.frame_size, config.sample_rate
    bins, bin_hz = size // 2 + 1, rate / size
    # pitch moves linearly in semitones from onset to end; the phase is its integral, counted from the middle
    octaves_per_s = controls.glide_semitones / 12.0 / controls.duration_s
    from_middle_s = time_s - 0.5 * controls.duration_s[event]
    exponent = np.log(2.0) * octaves_per_s[event] * from_middle_s
    f0 = controls.f0_hz[event] * torch.exp(exponent)
    safe = torch.where(exponent.abs() < 1e-4, torch.full_like(exponent, 1e-4), exponent)
    growth = torch.where(exponent.abs() < 1e-4, 1.0 + 0.5 * exponent, torch.expm1(safe) / safe)
    cycles = controls.phase_cycles[event] + controls.f0_hz[event] * from_middle_s * growth

    top_hz = 0.5 * rate - _REACH * bin_hz
    lowest = float(f0.detach().min()) if len(f0) else top_hz
    order = torch.arange(1, max(1, int(top_hz / lowest)) + 1, device=event.device)
    hz = f0[:, None] * order  # [m, K]
    frame, harmonic = torch.nonzero((hz < top_hz) & (bin_power.detach().amax(1) > 1e-14)[:, None], as_tuple=True)
    place = hz[frame, harmonic] / bin_hz
    near = place.detach().floor().long()
    share = place - near

    phase_rad = shape_db @ decoder.band_to_phase + decoder.phase_curve_rad @ decoder.band_to_bin

    def at(table: Tensor) -> Tensor:
        return table[frame, near] * (1 - share) + table[frame, near + 1] * share

    amplitude = torch.sqrt(2.0 * at(bin_power) * f0[frame] / bin_hz + 1e-20)
    angle = 2 * torch.pi * torch.remainder(cycles[frame] * order[harmonic], 1.0) + at(phase_rad)
    real, imaginary = 0.5 * amplitude * torch.cos(angle), 0.5 * amplitude * torch.sin(angle)

    reach = torch.arange(-_REACH + 1, _REACH + 1, device=event.device)
    target = near[:, None] + reach  # bins under the lobe, may be negative
    offset = (target - place[:, None] + _REACH) * _STEPS
    index = offset.detach().floor().long().clamp(0, 2 * _REACH * _STEPS)
    table = _lobe_table(size).to(event.device)
    lobe = table[index] + (offset - index) * (table[index + 1] - table[index])
    width = bins + 2 * _REACH
    flat = (frame[:, None] * width + target + _REACH).reshape(-1)

    def scatter(value: Tensor) -> Tensor:
        out = torch.zeros(len(event) * width, device=event.device, dtype=value.dtype)
        return out.index_add(0, flat, (value[:, None] * lobe).reshape(-1)).view(-1, width)

    padded = torch.complex(scatter(real), scatter(imaginary))
    spectrum = padded[:, _REACH : _REACH + bins]
    # the conjugate half reaches over 0 Hz
    mirrored = torch.conj(padded[:, : _REACH + 1].flip(1))
    return torch.cat([spectrum[:, : _REACH + 1] + mirrored, spectrum[:, _REACH + 1 :]], dim=1)


def overlap_add(frames: Frames, onset: Tensor, length: int, gain: Tensor | None = None) -> Tensor:
    """Frames placed at their events' onsets (int64 [n], samples) in `length` samples: float32 [length]; what falls
    outside is cut.

    gain: float32 [n], a factor per event, None for 1.
    """
    samples = frames.samples if gain is None else frames.samples * gain[frames.event, None]
    width = samples.shape[1]
    start = onset[frames.event] + frames.start
    inside = (start > -width) & (start < length)
    index = (start[inside, None] + width + torch.arange(width, device=start.device)).reshape(-1)
    out = torch.zeros(length + 2 * width, device=samples.device, dtype=samples.dtype)
    return out.index_add(0, index, samples[inside].reshape(-1))[width : width + length]


@functools.lru_cache(maxsize=4)
def room_response(config: SpeechConfig) -> Tensor:
    """The room: noise under an exponential decay of 60 dB in `room_seconds`, unit energy, float32 [r]."""
    length = int(config.room_seconds * config.sample_rate)
    counter = torch.arange(-(-length // 256), dtype=torch.int64)
    phase = random_phase(0x726F6F6D, torch.zeros_like(counter), counter, 256).reshape(-1)[:length]
    decay = torch.pow(10.0, -3.0 * torch.arange(length) / length)
    response = torch.cos(phase) * decay
    response[: int(0.003 * config.sample_rate)] = 0.0  # the direct sound is already there
    return response / response.norm()


def convolve(signal: Tensor, response: Tensor) -> Tensor:
    """Linear convolution, cut to the signal's length: float32 [n]."""
    size = 1 << (len(signal) + len(response) - 1).bit_length()
    product = torch.fft.rfft(signal, size) * torch.fft.rfft(response.to(signal.device), size)
    return torch.fft.irfft(product, size)[: len(signal)]


def render(
    decoder: SpeechDecoder,
    vector: Tensor,
    onset: Tensor,
    rank: Tensor,
    seed: int,
    length: int,
    plan: FramePlan | None = None,
) -> Tensor:
    """Events → samples at the model's rate: float32 [length].

    vector float32 [n, 32]; onset int64 [n], samples, may be negative; rank int64 [n], index within the channel.
    """
    if not len(vector):
        return torch.zeros(length, device=vector.device)
    controls = decoder.controls(vector)
    frames = render_frames(decoder, controls, plan or plan_frames(controls.duration_s, rank, seed, decoder.config))
    dry = overlap_add(frames, onset, length)
    if not bool((controls.room_gain.detach() > 0).any()):
        return dry
    return dry + convolve(overlap_add(frames, onset, length, controls.room_gain), room_response(decoder.config))
