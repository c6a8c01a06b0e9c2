"""The `speech` decoder, second half: controls → samples.

Events that are linked form a voice: a sound that moves from each event to the next, its pitch along a line from one to
the other, its phase running on as the integral of the pitch. Every `frame_hop` samples a voice has a frame, whose
spectrum holds harmonics (each a spectral lobe of the Blackman-Harris window) and filtered noise; one batched inverse
FFT makes the samples (Rodet & Depalle, "Spectral envelopes and inverse FFT synthesis", AES 1992). The frame's middle
half, under a triangular window, overlaps its neighbours' by half, so that amplitudes move linearly between frames.

All is linear in the events' amplitudes: the sounds of a voice's single events (all others at amplitude 0) add up to
the voice.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sparsecodec_models.dsp.noise import white_noise
from sparsecodec_models.speech.config import SpeechConfig

from .controls import SpeechControls, SpeechDecoder

_HARRIS = (0.35875, 0.48829, 0.14128, 0.01168)  # Harris 1978, 4-term Blackman-Harris, -92 dB side lobes
_REACH = 4  # half width of its main lobe, bins
_STEPS = 512  # table entries per bin
LONGEST_LINK_S = 10.0  # a file that says otherwise must not fill the memory
_TURN = 2.0**32  # phases are counted in 2^-32 cycles, so that their sums are exact on every machine


@functools.lru_cache(maxsize=4)
def _lobe_table(size: int) -> Tensor:
    """Transform of the centred window at offsets -4 … 4 bins, linear interpolation points: float32 [8·512 + 2]."""
    delta = np.arange(-_REACH * _STEPS, _REACH * _STEPS + 2) / _STEPS
    lobe = np.zeros_like(delta)
    for m, a in enumerate(_HARRIS):
        terms = (0,) if m == 0 else (m, -m)
        lobe += sum(a / len(terms) * np.sinc(delta - k) for k in terms)
    return torch.tensor(lobe * size, dtype=torch.float32)


def _harris(n: np.ndarray, size: int) -> np.ndarray:
    """The window at offsets n from its centre."""
    return np.sum([a * np.cos(2 * np.pi * m * n / size) for m, a in enumerate(_HARRIS)], axis=0)


@functools.lru_cache(maxsize=4)
def _frame_window(size: int) -> Tensor:
    """Undoes the Blackman-Harris window over the middle half and applies a triangle that overlap-adds to 1: [size //
    2]."""
    n = np.arange(-size // 4, size // 4)
    return torch.tensor((1 - np.abs(n) / (size // 4)) / _harris(n, size), dtype=torch.float32)


@functools.lru_cache(maxsize=4)
def _noise_window(size: int) -> Tensor:
    return torch.tensor(_harris(np.arange(-size // 2, size // 2), size), dtype=torch.float32)


@dataclass(frozen=True)
class FramePlan:
    """The frames of n events' voices, m of them, voice by voice, ascending within each.

    frame  int64 [m]  frame i is centred on sample i · frame_hop
    before int64 [m]  row of the event whose time has come last, -1 where the voice has only begun to come in
    after  int64 [m]  row of the event that comes next in the voice, -1 where none does
    first  int64 [m]  row of the plan where this voice begins
    """

    frame: Tensor
    before: Tensor
    after: Tensor
    first: Tensor

    def between(self, start: int, stop: int) -> Tensor:
        """Rows of frames start … stop - 1, int64."""
        return torch.nonzero((self.frame >= start) & (self.frame < stop))[:, 0]


def voice_begins(controls: SpeechControls, time: Tensor, config: SpeechConfig) -> Tensor:
    """Which events (time int64 [n], samples) begin a voice, bool [n]: the first does, those that say so, and those that
    come too late to be linked."""
    late = torch.ones_like(controls.begins)
    late[1:] = time[1:] - time[:-1] > LONGEST_LINK_S * config.sample_rate
    return controls.begins | late


def plan_frames(controls: SpeechControls, time: Tensor, config: SpeechConfig, margin: float = 1.0) -> FramePlan:
    """Frames of events at these times (int64 [n], samples, ascending). It depends on the times, on what is linked, and
    on the fades at a voice's ends (times `margin`), so a fit may keep it from step to step."""
    count, hop, rate = len(time), config.frame_hop, config.sample_rate
    device = time.device
    begins = voice_begins(controls, time, config)
    ends = torch.cat([begins[1:], begins.new_ones(1)])
    attack = controls.attack_s.detach().double() * rate * margin
    decay = controls.decay_s.detach().double() * rate * margin
    # each event owns the frames from its time on; one that begins a voice, also those of its attack
    own = torch.div(time + hop - 1, hop, rounding_mode="floor")
    following = torch.cat([own[1:], own[-1:]])
    stop = torch.where(ends, torch.floor((time + decay) / hop).long() + 1, following)
    stop = torch.maximum(stop, torch.where(ends, own + 1, own))
    start = torch.where(begins, torch.ceil((time - attack) / hop).long(), own)
    start = torch.minimum(start, torch.where(begins, own - 1, own))
    lengths = stop - start
    row = torch.repeat_interleave(torch.arange(count, device=device), lengths)
    skipped = torch.cumsum(lengths, 0) - lengths
    frame = start[row] + torch.arange(len(row), device=device) - skipped[row]
    come = frame >= own[row]
    before = torch.where(come, row, torch.full_like(row, -1))
    next_row = torch.where(ends, torch.full_like(own, -1), torch.arange(1, count + 1, device=device))
    after = torch.where(come, next_row[row], row)
    voice_start = torch.cummax(torch.where(begins, skipped, torch.zeros_like(skipped)), 0).values
    return FramePlan(frame, before, after, voice_start[row])


@dataclass(frozen=True)
class Tracks:
    """What a plan's voices do at each of its m frames.

    weight_before, weight_after float32 [m]: shares of the events in the sound; f0_hz float32 [m]; cycles float32 [m]:
    phase of the fundamental, modulo 1.
    """

    weight_before: Tensor
    weight_after: Tensor
    f0_hz: Tensor
    cycles: Tensor

    def __getitem__(self, rows: Tensor) -> Tracks:
        return Tracks(self.weight_before[rows], self.weight_after[rows], self.f0_hz[rows], self.cycles[rows])


def follow(controls: SpeechControls, time: Tensor, plan: FramePlan, config: SpeechConfig) -> Tracks:
    """The course of fades, pitch and phase. Differentiable in fades and pitches."""
    rate = config.sample_rate
    has_before, has_after = plan.before >= 0, plan.after >= 0
    before, after = plan.before.clamp_min(0), plan.after.clamp_min(0)
    at = plan.frame * config.frame_hop
    since_s, until_s = (at - time[before]) / rate, (time[after] - at) / rate

    # a linked event comes in over its attack, at most the gap, while the one before it goes
    fade_s = controls.attack_s[after]
    fade_s = torch.where(has_before, torch.minimum(fade_s, since_s + until_s), fade_s)
    shortest_s = config.frame_hop / rate  # a shorter fade could fall between two frames
    fade_s = fade_s.clamp_min(shortest_s)
    come = (1.0 - until_s / fade_s).clamp(0.0, 1.0)
    gone = (1.0 - since_s / controls.decay_s[before].clamp_min(shortest_s)).clamp(0.0, 1.0) ** 2
    weight_after = torch.where(has_after, come, torch.zeros_like(come))
    weight_before = torch.where(has_after, 1.0 - come, gone)
    weight_before = torch.where(has_before, weight_before, torch.zeros_like(come))

    log_f0 = _pitch(controls, time, plan, at, since_s, config)
    f0_hz = torch.exp2(log_f0)
    step = (f0_hz * (config.frame_hop / rate)).double()
    # the integral by trapezoids, in halves of a step, so that it stays exact
    counted = torch.round(step.detach() * (0.5 * _TURN)).long()
    counted = 2 * torch.cumsum(counted, 0) - counted
    # phase at the first event's time is as told: it lies in the voice's first frames
    starts = torch.unique(plan.first)
    event = torch.where(plan.before[starts] >= 0, plan.before[starts], plan.after[starts])
    lead = ((time[event] - at[starts]) / rate).double() * f0_hz[starts].detach().double()
    anchor = torch.round((controls.phase_cycles[event].detach().double() - lead) * _TURN).long() - counted[starts]
    voice = torch.searchsorted(starts, plan.first)
    turned = (counted + anchor[voice]) % int(_TURN)
    cycles = (turned.double() / _TURN).float()
    if f0_hz.requires_grad:  # zero, but with the gradient of the integral
        change = step - step.detach()
        change = torch.cumsum(change, 0) - 0.5 * change
        cycles = cycles + (change - change[plan.first]).float()
        told = controls.phase_cycles[event]
        cycles = cycles + (told - told.detach())[voice]
    return Tracks(weight_before, weight_after, f0_hz, cycles)


def _pitch(
    controls: SpeechControls, time: Tensor, plan: FramePlan, at: Tensor, since_s: Tensor, config: SpeechConfig
) -> Tensor:
    """log2 of f0 (Hz) at each frame: on a line between the voice's voiced events, level before and after them."""
    count = len(time)
    rows = torch.arange(count, device=time.device)
    voice = torch.cumsum(voice_begins(controls, time, config), 0)
    voiced = controls.voiced
    # rows of the last voiced event up to each, and of the next from each; none in its voice: -1
    last = torch.cummax(torch.where(voiced, rows, torch.full_like(rows, -1)), 0).values
    last = torch.where((last >= 0) & (voice[last.clamp_min(0)] == voice), last, torch.full_like(rows, -1))
    coming = torch.where(voiced, rows, torch.full_like(rows, count)).flip(0).cummin(0).values.flip(0)
    inside = coming.clamp_max(count - 1)
    coming = torch.where((coming < count) & (voice[inside] == voice), inside, torch.full_like(rows, -1))

    has_before, has_after = plan.before >= 0, plan.after >= 0
    some = torch.where(has_before, plan.before, plan.after)
    low = torch.where(has_before, last[plan.before.clamp_min(0)], torch.full_like(some, -1))
    high = torch.where(has_after, coming[plan.after.clamp_min(0)], torch.full_like(some, -1))
    low, high = torch.where(low >= 0, low, high), torch.where(high >= 0, high, low)
    low, high = torch.where(low >= 0, low, some), torch.where(high >= 0, high, some)
    log_f0 = torch.log2(controls.f0_hz)
    gap = (time[high] - time[low]).clamp_min(1)
    share = ((at - time[low]) / gap).clamp(0.0, 1.0)
    glide = controls.glide_semitones[some] / 12.0 * (since_s / controls.decay_s[some]).clamp(0.0, 1.0)
    glide = torch.where(has_before & ~has_after, glide, torch.zeros_like(glide))
    return log_f0[low] + (log_f0[high] - log_f0[low]) * share + glide


@dataclass(frozen=True)
class Spectra:
    """Amplitude per bin of each event at full weight, float32 [n, bins]: of its harmonic part and of its noise."""

    harmonic: Tensor
    noise: Tensor


def spectra(decoder: SpeechDecoder, controls: SpeechControls, gain: Tensor | None = None) -> Spectra:
    """gain: float32 [n], a factor per event, None for 1."""
    level_db = controls.shape_db @ decoder.band_to_bin
    power = torch.pow(10.0, level_db / 10.0)
    power = power * (torch.pow(10.0, controls.level_db / 10.0) / (power.sum(-1) + 1e-20))[:, None]
    voicing = controls.voicing @ decoder.voice_to_bin
    voicing = torch.where(controls.voiced[:, None], voicing, torch.zeros_like(voicing))
    harmonic, noise = torch.sqrt(power * voicing + 1e-20), torch.sqrt(power * (1.0 - voicing) + 1e-20)
    return Spectra(harmonic, noise) if gain is None else Spectra(harmonic * gain[:, None], noise * gain[:, None])


def noise_spectrum(seed: int, channel: int, first: int, count: int, config: SpeechConfig, device: str) -> Tensor:
    """Spectra of the noise under the window of frames first … first + count - 1: complex64 [count, bins]."""
    size, hop = config.frame_size, config.frame_hop
    noise = white_noise(seed, channel, first * hop - size // 2, (count - 1) * hop + size, device)
    frames = noise.unfold(0, size, hop) * _noise_window(size).to(device)
    return torch.fft.rfft(torch.fft.ifftshift(frames, dim=1)) * (size / 2) ** 0.5


def render_frames(
    decoder: SpeechDecoder, table: Spectra, plan: FramePlan, tracks: Tracks, noise: Tensor, first: int
) -> Tensor:
    """Samples of the plan's frames, windowed: float32 [m, frame_size/2].

    noise: of frames first … (`noise_spectrum`).
    """
    size = decoder.config.frame_size
    if not len(plan.frame):  # some FFTs refuse an empty batch
        return noise.real.new_zeros(0, size // 2)
    before, after = plan.before.clamp_min(0), plan.after.clamp_min(0)
    weight_before, weight_after = tracks.weight_before[:, None], tracks.weight_after[:, None]

    def mixed(amplitude: Tensor) -> Tensor:
        return amplitude[before] * weight_before + amplitude[after] * weight_after

    spectrum = noise[plan.frame - first] * mixed(table.noise)
    spectrum = spectrum + _harmonics(decoder.config, tracks, mixed(table.harmonic))
    block = torch.fft.irfft(spectrum, n=size)
    window = _frame_window(size).to(block.device)
    return torch.cat([block[:, -size // 4 :], block[:, : size // 4]], dim=1) * window


def _harmonics(config: SpeechConfig, tracks: Tracks, amplitude: Tensor) -> Tensor:
    """Spectrum of the harmonic part, complex64 [m, bins], for amplitudes per bin float32 [m, bins]."""
    size, rate = config.frame_size, config.sample_rate
    bins, bin_hz = size // 2 + 1, rate / size
    f0 = tracks.f0_hz
    top_hz = 0.5 * rate - _REACH * bin_hz
    heard = amplitude.detach().amax(1) > 1e-7
    lowest = float(f0.detach()[heard].min()) if bool(heard.any()) else top_hz
    order = torch.arange(1, max(1, int(top_hz / lowest)) + 1, device=f0.device)
    hz = f0[:, None] * order  # [m, K]
    frame, harmonic = torch.nonzero((hz < top_hz) & heard[:, None], as_tuple=True)
    place = hz[frame, harmonic] / bin_hz
    near = place.detach().floor().long()
    share = place - near
    height = amplitude[frame, near] * (1 - share) + amplitude[frame, near + 1] * share
    height = height * torch.sqrt(2.0 * f0[frame] / bin_hz)
    angle = 2 * torch.pi * torch.remainder(tracks.cycles[frame] * order[harmonic], 1.0)
    real, imaginary = 0.5 * height * torch.cos(angle), 0.5 * height * torch.sin(angle)

    reach = torch.arange(-_REACH + 1, _REACH + 1, device=f0.device)
    target = near[:, None] + reach  # bins under the lobe, may be negative
    offset = (target - place[:, None] + _REACH) * _STEPS
    index = offset.detach().floor().long().clamp(0, 2 * _REACH * _STEPS)
    table = _lobe_table(size).to(f0.device)
    lobe = table[index] + (offset - index) * (table[index + 1] - table[index])
    width = bins + 2 * _REACH
    flat = (frame[:, None] * width + target + _REACH).reshape(-1)

    def scatter(value: Tensor) -> Tensor:
        out = torch.zeros(len(f0) * width, device=f0.device, dtype=value.dtype)
        return out.index_add(0, flat, (value[:, None] * lobe).reshape(-1)).view(-1, width)

    padded = torch.complex(scatter(real), scatter(imaginary))
    spectrum = padded[:, _REACH : _REACH + bins]
    # the conjugate half reaches over 0 Hz
    mirrored = torch.conj(padded[:, : _REACH + 1].flip(1))
    return torch.cat([spectrum[:, : _REACH + 1] + mirrored, spectrum[:, _REACH + 1 :]], dim=1)


def overlap_add(frames: Tensor, frame: Tensor, start: int, length: int, config: SpeechConfig) -> Tensor:
    """Frames float32 [m, frame_size/2] with these numbers (int64 [m]) as samples start … start + length - 1: float32
    [length]; what falls outside is cut."""
    width = frames.shape[1]
    place = frame * config.frame_hop - width // 2 - start
    inside = (place > -width) & (place < length)
    index = (place[inside, None] + width + torch.arange(width, device=frame.device)).reshape(-1)
    out = torch.zeros(length + 2 * width, device=frames.device, dtype=frames.dtype)
    return out.index_add(0, index, frames[inside].reshape(-1))[width : width + length]


@functools.lru_cache(maxsize=4)
def room_response(config: SpeechConfig) -> Tensor:
    """The room: noise under an exponential decay of 60 dB in `room_seconds`, unit energy, float32 [r]."""
    length = int(config.room_seconds * config.sample_rate)
    response = white_noise(0x726F6F6D, 0, 0, length) * torch.pow(10.0, -3.0 * torch.arange(length) / length)
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
    time: Tensor,
    seed: int,
    length: int,
    *,
    channel: int = 0,
    plan: FramePlan | None = None,
    noise: Tensor | None = None,
    noise_start: int = 0,
) -> Tensor:
    """Events of one channel → its first `length` samples at the model's rate: float32 [length].

    vector float32 [n, 32]; time int64 [n], samples, ascending; noise: from `noise_spectrum`, frames 0 …, drawn here if
    None; noise_start: frame of the recording that frame 0 is, for the noise.
    """
    config = decoder.config
    if not len(vector):
        return torch.zeros(length, device=vector.device)
    controls = decoder.controls(vector)
    if plan is None:
        plan = plan_frames(controls, time, config)
    tracks = follow(controls, time, plan, config)
    count = length // config.frame_hop + 2
    rows = plan.between(0, count)
    if noise is None:
        noise = noise_spectrum(seed, channel, noise_start, count, config, str(vector.device))
    part = FramePlan(plan.frame[rows], plan.before[rows], plan.after[rows], plan.first[rows])

    def sound(gain: Tensor | None) -> Tensor:
        frames = render_frames(decoder, spectra(decoder, controls, gain), part, tracks[rows], noise, 0)
        return overlap_add(frames, part.frame, 0, length, config)

    if not bool((controls.room_gain.detach() > 0).any()):
        return sound(None)
    return sound(None) + convolve(sound(controls.room_gain), room_response(config))
