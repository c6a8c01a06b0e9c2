"""From the encoder's frame-by-frame answers to events, and the fine pitch measured on the samples."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from sparsecodec_models.dsp.pitch_path import best_path
from sparsecodec_models.speech.network.decoder import SpeechDecoder
from sparsecodec_models.speech.network.encoder import Proposals, pitch_semitones
from sparsecodec_models.speech.synthesis.controls import F0_REFERENCE_HZ, NAMED
from sparsecodec_models.speech.synthesis.voices import follow, plan_frames, voice_begins

SWITCH_THRESHOLD = -0.7  # logit; chosen on validation, see docs/experiments.md
LEVEL, ATTACK, DECAY, F0, GLIDE, PHASE, BEGINS, ROOM = range(len(NAMED))
LONGEST_GAP_S = 0.4  # events further apart are not linked
PITCH_MOVE = 0.3  # nats that a candidate's step from frame to frame costs
PITCH_LEAP = 14.0  # nats that any leap costs at most
PITCH_NEAR = 2  # candidates about the path that stay


def pick_frames(switch: Tensor, threshold: float = SWITCH_THRESHOLD, gap: int = 2) -> Tensor:
    """Frames where the switch [t] has a local maximum above the threshold, `gap` frames apart or more: int64 [n],
    ascending."""
    padded = torch.nn.functional.pad(switch[None, None], (gap - 1, gap - 1), value=-torch.inf)
    highest = torch.nn.functional.max_pool1d(padded, 2 * gap - 1, 1)[0, 0]
    return torch.nonzero((switch >= highest) & (switch > threshold))[:, 0]


@torch.no_grad()
def track_pitch(proposals: Proposals) -> Proposals:
    """The same, with the pitch of all frames on one path: no other candidate is left at a frame. So where a voice is
    hoarse or its fundamental missing, the frames about it say which octave it is in (Viterbi; after Boersma 1993)."""
    logits = torch.log_softmax(proposals.pitch_logits, 1).cpu().numpy()
    candidate = np.arange(logits.shape[1])
    move = -np.minimum(PITCH_MOVE * np.abs(candidate[:, None] - candidate), PITCH_LEAP).astype(np.float32)
    path = np.stack([best_path(score.T, move) for score in logits])
    place = torch.from_numpy(path[:, None]).to(proposals.pitch_logits.device)
    apart = (torch.arange(logits.shape[1], device=place.device)[None, :, None] - place).abs() > PITCH_NEAR
    return replace(proposals, pitch_logits=proposals.pitch_logits.masked_fill(apart, -torch.inf))


def vectors_at(proposals: Proposals, batch: Tensor, frame: Tensor, begins: Tensor, decoder: SpeechDecoder) -> Tensor:
    """What the encoder says at frames of rows, int64 [n] both: vectors float32 [n, 32], phase 0. begins: bool [n]."""
    named = [*proposals.named[batch, :, frame].unbind(1)]
    named[BEGINS] = begins.to(named[LEVEL].dtype)
    semitones = pitch_semitones(proposals.pitch_logits[batch, :, frame], decoder.config)
    named[F0] = (semitones - decoder.offset[F0]) / decoder.scale[F0]
    named[PHASE] = torch.zeros_like(named[PHASE])
    return torch.cat([torch.stack(named, 1), proposals.shape[batch, :, frame]], 1)


def assemble(
    proposals: Proposals, batch: Tensor, frame: Tensor, decoder: SpeechDecoder, begins: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Proposals at given frames → (vectors float32 [n, 32], times int64 [n] in samples from the row's start).

    batch, frame: int64 [n], ascending within a batch row; begins: bool [n], what begins by itself, if not as proposed.
    So do the first event of a row, and one that follows a long gap. What is not heard (see `tidy`) is 0.
    """
    config = decoder.config
    if begins is None:
        begins = proposals.named[batch, BEGINS, frame].detach() > 0.5
    row_starts = torch.ones_like(frame, dtype=torch.bool)
    row_starts[1:] = batch[1:] != batch[:-1]
    gap = frame - torch.cat([frame[:1], frame[:-1]])
    begins = begins | row_starts | (gap * config.hop > LONGEST_GAP_S * config.sample_rate)
    vector = vectors_at(proposals, batch, frame, begins, decoder)
    time = frame * config.hop
    return tidy(decoder, vector, time + batch * 2**40), time


def unheard(decoder: SpeechDecoder, vector: Tensor, time: Tensor) -> Tensor:
    """Numbers that change nothing in the sound, bool [n, 32], of one channel's events: the attack of a linked event
    that comes in all the way from the one before, the decay and glide of one that another is linked to, the phase of a
    linked one, the pitch of an unvoiced one."""
    controls = decoder.controls(vector.detach())
    begins = voice_begins(controls, time, decoder.config)
    goes_on = torch.cat([~begins[1:], begins.new_zeros(1)])
    mask = torch.zeros_like(vector, dtype=torch.bool)
    mask[:, ATTACK] = ~begins & (controls.attack_s > 0.9 * _gap_s(decoder, time))
    mask[:, DECAY] = goes_on
    mask[:, GLIDE] = goes_on | ~controls.voiced
    mask[:, PHASE] = ~begins
    mask[:, F0] = ~controls.voiced
    return mask


def _gap_s(decoder: SpeechDecoder, time: Tensor) -> Tensor:
    """Time since the event before, float32 [n], seconds."""
    return (time - torch.cat([time[:1], time[:-1]])).float() / decoder.config.sample_rate


def tidy(decoder: SpeechDecoder, vector: Tensor, time: Tensor, step: Tensor | None = None) -> Tensor:
    """Vectors with the cheapest number where it is not heard: 0, for an attack what is at least the gap, for a pitch
    the one before.

    step: float32 [32], the quantiser's, on whose grid an attack is put.
    """
    if not len(vector):
        return vector
    gap_s = _gap_s(decoder, time).clamp_min(1e-3)
    whole = ((torch.log2(gap_s) - decoder.offset[ATTACK]) / decoder.scale[ATTACK]).clamp_min(0.0)
    if step is not None:
        whole = torch.ceil(whole / step[ATTACK] - 1e-3) * step[ATTACK]
    cheapest = torch.zeros_like(vector)
    cheapest[:, ATTACK] = whole
    silent = unheard(decoder, vector, time)
    last = torch.where(silent[:, F0], -1, torch.arange(len(vector), device=vector.device)).cummax(0).values
    cheapest[:, F0] = torch.where(last >= 0, vector[last.clamp_min(0), F0], 0.0)
    return torch.where(silent, cheapest, vector)


@torch.no_grad()
def on_the_path(decoder: SpeechDecoder, vector: Tensor, time: Tensor) -> Tensor:
    """Vectors with the pitch of unvoiced events on the line between the voiced ones about them in their voice, where
    the decoder has it, so that it stays there should they become voiced. As for `tidy`."""
    controls = decoder.controls(vector)
    voiced = controls.voiced
    rows = torch.arange(len(vector), device=vector.device)
    voice = torch.cumsum(voice_begins(controls, time, decoder.config), 0)
    last = torch.where(voiced, rows, -1).cummax(0).values
    coming = torch.where(voiced, rows, len(vector)).flip(0).cummin(0).values.flip(0)
    has_last = (last >= 0) & (voice[last.clamp_min(0)] == voice)
    has_next = (coming < len(vector)) & (voice[coming.clamp_max(len(vector) - 1)] == voice)
    low = torch.where(has_last, last, torch.where(has_next, coming, rows))
    high = torch.where(has_next, coming, low)
    share = ((time - time[low]).double() / (time[high] - time[low]).clamp_min(1)).clamp(0.0, 1.0).float()
    out = vector.clone()
    out[:, F0] = vector[low, F0] + share * (vector[high, F0] - vector[low, F0])
    return out


@torch.no_grad()
def phases_at(decoder: SpeechDecoder, vector: Tensor, time: Tensor, rows: Sequence[int]) -> list[float]:
    """Phase of the fundamental at the times of some events, in vector units; as for `tidy`."""
    config, controls = decoder.config, decoder.controls(vector)
    plan = plan_frames(controls, time, config)
    tracks = follow(controls, time, plan, config)
    row = torch.tensor(rows, dtype=torch.int64, device=time.device)
    is_own = plan.before == row[:, None]
    own = is_own.int().argmax(1)  # an event's first frame; some have none
    late_s = (plan.frame[own] * config.frame_hop - time[row]) / config.sample_rate
    cycles = torch.remainder(tracks.cycles[own] - tracks.f0_hz[own] * late_s, 1.0)
    cycles = torch.where(is_own.any(1), cycles, 0.0).double()
    phases: list[float] = ((cycles - decoder.offset[PHASE]) / decoder.scale[PHASE]).tolist()
    return phases


DECIMATION = 3  # the samples of a pitch measurement: nothing above 3 kHz is looked at
HIGHEST_HZ = 3000.0
SPECTRUM = 2048  # of a pitch measurement, padded with zeros: 3.6 Hz from bin to bin
HALF = 1001 // DECIMATION + 1  # decimated samples on either side of an event
TRIALS = 9
NEAR_SHARE, NEAR_LOSS = 0.04, 0.04  # how far trials reach; share that one at the end must have more to be taken


@functools.lru_cache(maxsize=4)
def _lowpass(device: str) -> Tensor:
    """Keeps what lies below HIGHEST_HZ of 22,050 Hz and nothing that decimation would fold there: float32 [taps]."""
    taps = 63
    n = np.arange(taps) - taps // 2
    cut = 0.5 / DECIMATION
    return torch.tensor(2 * cut * np.sinc(2 * cut * n) * np.hamming(taps), dtype=torch.float32, device=device)


@torch.no_grad()
def measure_pitch(decoder: SpeechDecoder, vector: Tensor, time: Tensor, samples: Tensor, harmonics: int = 12) -> Tensor:
    """Vectors with f0 set to what matches the samples best, within ±4 % (float32 [n, 32], same shape back): the energy
    of the low harmonics in two to four periods about the event's time, read off one spectrum for all trials."""
    controls = decoder.controls(vector)
    voiced = controls.voiced
    if not bool(voiced.any()):
        return vector
    rate = decoder.config.sample_rate
    f0, place = controls.f0_hz[voiced], time[voiced]
    half_event = (2.0 * rate / f0).clamp(160.0, 1000.0)
    filter_ = _lowpass(str(samples.device))
    padded = torch.nn.functional.pad(samples, (HALF * DECIMATION + len(filter_) // 2,) * 2)
    low = torch.nn.functional.conv1d(padded[None, None], filter_[None, None], stride=DECIMATION)[0, 0]
    n = torch.arange(2 * HALF + 1, device=samples.device)
    near = torch.div(place + DECIMATION // 2, DECIMATION, rounding_mode="floor")
    segment = low[(near[:, None] + n).clamp(0, len(low) - 1)]
    offset = (near[:, None] + n - HALF) * DECIMATION - place[:, None]
    window = torch.cos(0.5 * torch.pi * (offset / half_event[:, None]).clamp(-1.0, 1.0)) ** 2
    spectrum = torch.fft.rfft(segment * window, SPECTRUM)
    power = spectrum.real**2 + spectrum.imag**2

    steps = torch.linspace(-1.0, 1.0, TRIALS, device=f0.device)
    number = torch.arange(1, harmonics + 1, device=f0.device)
    hz = (f0[:, None] * (NEAR_SHARE * steps).exp())[..., None] * number
    bins = (hz * (SPECTRUM * DECIMATION / rate)).clamp_max(SPECTRUM // 2 - 1)
    below = bins.floor()
    index, share = below.long().flatten(1), (bins - below).flatten(1)
    energy = power.gather(1, index) * (1 - share) + power.gather(1, index + 1) * share
    is_heard = f0[:, None, None] * number < HIGHEST_HZ  # the same harmonics for all trials
    found = (energy.view_as(hz) * is_heard).sum(2)
    # stay near the proposal unless the samples clearly say otherwise
    best = (found * (1.0 - NEAR_LOSS * steps.abs())).argmax(1)
    # the top of a parabola through the best and those beside it
    beside = (best.clamp(1, TRIALS - 2)[:, None] + torch.arange(-1, 2, device=f0.device)).long()
    low, middle, high = found.gather(1, beside).unbind(1)
    shift = 0.5 * (low - high) / (low - 2 * middle + high).clamp_max(-1e-20)
    step = 2 * NEAR_SHARE / (TRIALS - 1)
    best = f0 * ((beside[:, 1] - TRIALS // 2 + shift.clamp(-1.0, 1.0)) * step).exp()
    out = vector.clone()
    out[voiced, F0] = (12 * torch.log2(best / F0_REFERENCE_HZ) - decoder.offset[F0]) / decoder.scale[F0]
    return out
