"""The `speech` decoder, second part: controls → voices, which are frames in time, with their fades, pitch and phase.

Events that are linked form a voice: a sound that moves from each event to the next, its pitch along a line from one to
the other, its phase running on as the integral of the pitch. Every `frame_hop` samples a voice has a frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.presets.voices import begins_by_itself
from sparsecodec_models.speech.config import SpeechConfig

from .controls import SpeechControls

WINDOW_S = 10
MOST_VOICES = 256
"""That sound at once in a channel, as a mean over the events of 10 s; speech has one."""
MOST_HOURS = 48
"""That all voices of a channel sound together. A plan takes some 120 MB an hour."""

_TURN = 2.0**32  # phases are counted in 2^-32 cycles, so that their sums are exact on every machine


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

    def __getitem__(self, rows: Tensor) -> FramePlan:
        return FramePlan(self.frame[rows], self.before[rows], self.after[rows], self.first[rows])

    def renumbered(self, events: Tensor) -> FramePlan:
        """The same of a table that has only these rows left, int64 [k], ascending."""

        def place(event: Tensor) -> Tensor:
            return torch.where(event >= 0, torch.searchsorted(events, event.clamp_min(0)), event)

        return FramePlan(self.frame, place(self.before), place(self.after), self.first)

    def between(self, start: int, stop: int) -> Tensor:
        """Rows of frames start … stop - 1, int64."""
        return torch.nonzero((self.frame >= start) & (self.frame < stop))[:, 0]


def voice_begins(controls: SpeechControls, time: Tensor, config: SpeechConfig) -> Tensor:
    """Which events (time int64 [n], samples) begin a voice, bool [n]: the first, and those of `begins_by_itself`."""
    begins = torch.ones_like(controls.begins)
    begins[1:] = begins_by_itself(controls.begins[1:], (time[1:] - time[:-1]) / config.sample_rate)
    return begins


def plan_frames(controls: SpeechControls, time: Tensor, config: SpeechConfig, margin: float = 1.0) -> FramePlan:
    """Frames of events at these times (int64 [n], samples, ascending). It depends on the times, on what is linked, and
    on the fades at a voice's ends (times `margin`), so a fit may keep it from step to step."""
    count, device = len(time), time.device
    begins, own, start, stop = _frame_ranges(controls, time, config, margin)
    ends = torch.cat([begins[1:], begins.new_ones(1)])
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


def check_crowds(controls: SpeechControls, time: Tensor, config: SpeechConfig) -> None:
    """SicError for events (as for `plan_frames`, at least one) of which so many sound at once, or so long, that a plan
    of their frames would fill the memory: a file of a hundred bytes may hold 65,536 of them."""
    _, _, start, stop = _frame_ranges(controls, time, config, 1.0)
    lengths = stop - start
    _, window = torch.unique_consecutive(time // (WINDOW_S * config.sample_rate), return_inverse=True)
    crowd = torch.zeros_like(lengths).index_add(0, window, lengths)  # in each window that has events
    voice_frames = WINDOW_S * config.sample_rate / config.frame_hop
    if int(crowd.max()) > MOST_VOICES * voice_frames:
        place_s = float(time[window == crowd.argmax()][0]) / config.sample_rate
        raise SicError(f"more than {MOST_VOICES} voices sound at once from {place_s:.3f} s on; no more can be rendered")
    if int(lengths.sum()) > MOST_HOURS * 360 * voice_frames:
        raise SicError(f"its voices sound for more than {MOST_HOURS} hours together; no more can be rendered")


def _frame_ranges(
    controls: SpeechControls, time: Tensor, config: SpeechConfig, margin: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of n events: whether each begins a voice, bool [n]; its own frame, the first frame and one past the last one that
    it has in a plan, int64 [n] each."""
    hop, rate = config.frame_hop, config.sample_rate
    begins = voice_begins(controls, time, config)
    ends = torch.cat([begins[1:], begins.new_ones(1)])
    attack = controls.attack_s.detach() * rate * margin
    decay = controls.decay_s.detach() * rate * margin
    # each event owns the frames from its time on; one that begins a voice, also those of its attack
    own = torch.div(time + hop - 1, hop, rounding_mode="floor")
    following = torch.cat([own[1:], own[-1:]])
    stop = torch.where(ends, torch.floor((time + decay) / hop).long() + 1, following)
    stop = torch.maximum(stop, torch.where(ends, own + 1, own))
    start = torch.where(begins, torch.ceil((time - attack) / hop).long(), own)
    start = torch.minimum(start, torch.where(begins, own - 1, own))
    return begins, own, start, stop


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


def fades(controls: SpeechControls, time: Tensor, plan: FramePlan, config: SpeechConfig) -> tuple[Tensor, Tensor]:
    """Shares of the events before and after in the sound of each frame, float32 [m] both. Differentiable in fades."""
    rate = config.sample_rate
    has_before, has_after = plan.before >= 0, plan.after >= 0
    before, after = plan.before.clamp_min(0), plan.after.clamp_min(0)
    at = plan.frame * config.frame_hop
    since_s, until_s = (at - time[before]) / rate, (time[after] - at) / rate
    # a linked event comes in over its attack, at most the gap, while the one before it goes
    fade_s = controls.attack_s[after].float()
    fade_s = torch.where(has_before, torch.minimum(fade_s, since_s + until_s), fade_s)
    shortest_s = config.frame_hop / rate  # a shorter fade could fall between two frames
    fade_s = fade_s.clamp_min(shortest_s)
    come = (1.0 - until_s / fade_s).clamp(0.0, 1.0)
    gone = (1.0 - since_s / controls.decay_s[before].float().clamp_min(shortest_s)).clamp(0.0, 1.0) ** 2
    weight_after = torch.where(has_after, come, torch.zeros_like(come))
    weight_before = torch.where(has_after, 1.0 - come, gone)
    return torch.where(has_before, weight_before, torch.zeros_like(come)), weight_after


def follow(controls: SpeechControls, time: Tensor, plan: FramePlan, config: SpeechConfig) -> Tracks:
    """The course of fades, pitch and phase. Differentiable in fades and pitches."""
    rate, at = config.sample_rate, plan.frame * config.frame_hop
    weight_before, weight_after = fades(controls, time, plan, config)
    f0_hz = torch.exp2(_octaves(controls, time, plan, at, config))
    step = f0_hz * (config.frame_hop / rate)
    # the integral by trapezoids, in halves of a step, so that it stays exact
    counted = torch.round(step.detach() * (0.5 * _TURN)).long()
    counted = 2 * torch.cumsum(counted, 0) - counted
    # phase at the first event's time is as told: it lies in the voice's first frames
    starts = torch.unique(plan.first)
    event = torch.where(plan.before[starts] >= 0, plan.before[starts], plan.after[starts])
    lead = (time[event] - at[starts]).double() / rate * f0_hz[starts].detach()
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
    return Tracks(weight_before, weight_after, f0_hz.float(), cycles)


def _octaves(controls: SpeechControls, time: Tensor, plan: FramePlan, at: Tensor, config: SpeechConfig) -> Tensor:
    """log2 of f0 (Hz) at each frame, float64: on a line between the voice's voiced events, level before and after
    them. In double precision, so that the phase, its integral, is the same on every machine as far as is heard."""
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
    gap = (time[high] - time[low]).clamp_min(1)
    share = ((at - time[low]).double() / gap).clamp(0.0, 1.0)
    since_s = (at - time[some]).double() / config.sample_rate
    glide = controls.glide_semitones[some] / 12.0 * (since_s / controls.decay_s[some]).clamp(0.0, 1.0)
    glide = torch.where(has_before & ~has_after, glide, torch.zeros_like(glide))
    octave = controls.octave
    return octave[low] + (octave[high] - octave[low]) * share + glide
