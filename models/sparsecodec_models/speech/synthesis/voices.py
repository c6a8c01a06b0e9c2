"""The `speech` decoder, second part: controls → voices, which are frames in time, with their fades, pitch and phase.

Events that are linked form a voice: a sound that moves from each event to the next, its pitch along a line from one to
the other, its phase running on as the integral of the pitch. Every `frame_hop` samples a voice has a frame.

What a frame is like depends on the events of a bounded time around it, however long its voice has been going on: an
event without a pitch takes it from others that are near, and at frames that lie `MARK_FRAMES` apart the phase of every
voice is 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_formats.presets.voices import LONGEST_LINK_S, begins_by_itself
from sparsecodec_models.dsp.arrays import Array, library_of
from sparsecodec_models.speech.config import PRESET, SpeechConfig

from .controls import SpeechControls

WINDOW_S = 10
MOST_VOICES = 256
"""That sound at once in a channel, as a mean over the events of 10 s; speech has one."""
MARK_FRAMES = 1024
"""From mark to mark: at frames that are multiples of it a voice's phase is 0. What is missing there, half a cycle at
most, is spread over the frames since the mark before: less than 0.1 Hz."""
LEAST_AGE_FRAMES = 512
"""Since a voice's first frame at a mark; a younger voice passes it by, as its pitch would be moved by more."""
REACH_S = 2
"""How far events without a pitch of their own look for one."""

_TURN = 2.0**32  # phases are counted in 2^-32 cycles, so that their sums are exact on every machine


@dataclass(frozen=True)
class FramePlan:
    """The frames of n events' voices, m of them, voice by voice, ascending within each.

    frame  int64 [m]  frame i is centred on sample i · frame_hop
    before int64 [m]  row of the event whose time has come last, -1 where the voice has only begun to come in
    after  int64 [m]  row of the event that comes next in the voice, -1 where none does
    first  int64 [m]  row of the plan where this voice begins
    """

    frame: Array
    before: Array
    after: Array
    first: Array

    def __getitem__(self, rows: Array) -> FramePlan:
        return FramePlan(self.frame[rows], self.before[rows], self.after[rows], self.first[rows])

    def renumbered(self, events: Array) -> FramePlan:
        """The same of a table that has only these rows left, int64 [k], ascending."""

        xp = library_of(events)

        def place(event: Array) -> Array:
            return xp.where(event >= 0, xp.searchsorted(events, xp.clip(event, 0, None)), event)

        return FramePlan(self.frame, place(self.before), place(self.after), self.first)

    def between(self, start: int, stop: int) -> Array:
        """Rows of frames start … stop - 1, int64."""
        return library_of(self.frame).nonzero((self.frame >= start) & (self.frame < stop))[0]


def voice_begins(controls: SpeechControls, time: Array, config: SpeechConfig) -> Array:
    """Which events (time int64 [n], samples) begin a voice, bool [n]: the first, and those of `begins_by_itself`."""
    begins = library_of(time).ones_like(controls.begins)
    begins[1:] = begins_by_itself(controls.begins[1:], (time[1:] - time[:-1]) / config.sample_rate)
    return begins


def plan_frames(controls: SpeechControls, time: Array, config: SpeechConfig, margin: float = 1.0) -> FramePlan:
    """Frames of events at these times (int64 [n], samples, ascending). It depends on the times, on what is linked, and
    on the fades at a voice's ends (times `margin`), so a fit may keep it from step to step."""
    xp = library_of(time)
    begins, own, start, stop = _frame_ranges(controls, time, config, margin)
    ends = _ends(begins)
    lengths = stop - start
    rows = xp.arange(0, len(time), time)
    skipped = xp.cumsum(lengths, 0) - lengths
    row = xp.repeat(rows, lengths)
    frame = xp.arange(0, len(row), time) + xp.repeat(start - skipped, lengths)
    come = frame >= own[row]
    before = xp.where(come, row, -1)
    after = xp.where(come, xp.where(ends, -1, rows + 1)[row], row)
    voice_start = xp.cummax(xp.where(begins, skipped, 0))
    return FramePlan(frame, before, after, voice_start[row])


def check_crowds(controls: SpeechControls, time: Array, config: SpeechConfig) -> None:
    """SicError for events (as for `plan_frames`, at least one) of which so many sound at once that a plan of their
    frames would fill the memory: a file of a hundred bytes may hold 65,536 of them."""
    xp = library_of(time)
    _, _, start, stop = _frame_ranges(controls, time, config, 1.0)
    lengths, place = xp.numpy(stop - start), xp.numpy(time)
    begun = np.diff(place // (WINDOW_S * config.sample_rate), prepend=-1) != 0
    window = np.cumsum(begun) - 1  # counted without those that have no events
    crowd = np.bincount(window, lengths)
    voice_frames = WINDOW_S * config.sample_rate / config.frame_hop
    if crowd.max() > MOST_VOICES * voice_frames:
        place_s = float(place[window == crowd.argmax()][0]) / config.sample_rate
        raise SicError(f"more than {MOST_VOICES} voices sound at once from {place_s:.3f} s on; no more can be rendered")


def heard_frames(controls: SpeechControls, time: Array, config: SpeechConfig) -> tuple[Array, Array]:
    """The frames in which each of n events has a share: the first and one past the last, int64 [n] each; none where
    these are equal. Events as for `plan_frames`."""
    xp = library_of(time)
    begins, own, start, stop = _frame_ranges(controls, time, config, 1.0)
    come_in = xp.where(begins, start, xp.concatenate([own[:1], own[:-1]]))
    return come_in, stop


def _ends(begins: Array) -> Array:
    """Of n events, at least one, whether each ends a voice, bool [n]; begins: whether it begins one."""
    return library_of(begins).concatenate([begins[1:], begins[:1] | True])


def _frame_ranges(
    controls: SpeechControls, time: Array, config: SpeechConfig, margin: float
) -> tuple[Array, Array, Array, Array]:
    """Of n events: whether each begins a voice, bool [n]; its own frame, the first frame and one past the last one that
    it has in a plan, int64 [n] each."""
    xp, hop, rate = library_of(time), config.frame_hop, config.sample_rate
    begins = voice_begins(controls, time, config)
    ends = _ends(begins)
    attack, decay = (xp.detach(x) * rate * margin for x in (controls.attack_s, controls.decay_s))
    # each event owns the frames from its time on; one that begins a voice, also those of its attack
    own = (time + hop - 1) // hop
    following = xp.concatenate([own[1:], own[-1:]])
    stop = xp.where(ends, xp.astype(xp.floor((time + decay) / hop), "int64") + 1, following)
    stop = xp.maximum(stop, xp.where(ends, own + 1, own))
    start = xp.where(begins, xp.astype(xp.ceil((time - attack) / hop), "int64"), own)
    start = xp.minimum(start, xp.where(begins, own - 1, own))
    return begins, own, start, stop


@dataclass(frozen=True)
class Tracks:
    """What a plan's voices do at each of its m frames.

    weight_before, weight_after float32 [m]: shares of the events in the sound; f0_hz float32 [m]; cycles float32 [m]:
    phase of the fundamental, modulo 1.
    """

    weight_before: Array
    weight_after: Array
    f0_hz: Array
    cycles: Array

    def __getitem__(self, rows: Array) -> Tracks:
        return Tracks(self.weight_before[rows], self.weight_after[rows], self.f0_hz[rows], self.cycles[rows])


def fades(controls: SpeechControls, time: Array, plan: FramePlan, config: SpeechConfig) -> tuple[Array, Array]:
    """Shares of the events before and after in the sound of each frame, float32 [m] both. Differentiable in fades."""
    xp, rate = library_of(time), config.sample_rate
    has_before, has_after = plan.before >= 0, plan.after >= 0
    before, after = xp.clip(plan.before, 0, None), xp.clip(plan.after, 0, None)
    at = plan.frame * config.frame_hop
    since_s, until_s = (at - time[before]) / rate, (time[after] - at) / rate
    # a linked event comes in over its attack, at most the gap, while the one before it goes
    fade_s = controls.attack_s[after]
    fade_s = xp.where(has_before, xp.minimum(fade_s, since_s + until_s), fade_s)
    shortest_s = config.frame_hop / rate  # a shorter fade could fall between two frames
    come = xp.clip(1.0 - until_s / xp.clip(fade_s, shortest_s, None), 0.0, 1.0)
    gone = xp.square(xp.clip(1.0 - since_s / xp.clip(controls.decay_s[before], shortest_s, None), 0.0, 1.0))
    weight_before = xp.where(has_before, xp.where(has_after, 1.0 - come, gone), 0.0)
    weight_after = xp.where(has_after, come, 0.0)
    return xp.astype(weight_before, "float32"), xp.astype(weight_after, "float32")


def follow(
    controls: SpeechControls, time: Array, plan: FramePlan, config: SpeechConfig, *, marked: bool = False
) -> Tracks:
    """The course of fades, pitch and phase. Differentiable in fades and pitches.

    marked: whether phases go through their marks, as in decoding; a fit, which hears a few seconds at a time, does
    without.
    """
    xp, rate, at = library_of(time), config.sample_rate, plan.frame * config.frame_hop
    weight_before, weight_after = fades(controls, time, plan, config)
    f0_hz = xp.exp2(_octaves(controls, time, plan, at, config))
    step = f0_hz * (config.frame_hop / rate)
    # the integral by trapezoids, in halves of a step, so that it stays exact
    counted = xp.astype(xp.round(xp.detach(step) * (0.5 * _TURN)), "int64")
    counted = 2 * xp.cumsum(counted, 0) - counted
    # phase at the first event's time is as told: it lies in the voice's first frames
    starts = xp.unique(plan.first)
    event = xp.where(plan.before[starts] >= 0, plan.before[starts], plan.after[starts])
    told = xp.astype(controls.phase_cycles[event], "float64")
    lead = xp.astype(time[event] - at[starts], "float64") / rate * xp.detach(f0_hz[starts])
    anchor = xp.astype(xp.round((xp.detach(told) - lead) * _TURN), "int64") - counted[starts]
    voice = xp.searchsorted(starts, plan.first)
    turned = counted + anchor[voice]
    if marked:
        turned = _through_marks(turned, plan)
    cycles = xp.astype(turned % int(_TURN), "float64") / _TURN
    if getattr(f0_hz, "requires_grad", False):  # zero, but with the gradient of the integral
        change = step - xp.detach(step)
        change = xp.cumsum(change, 0) - 0.5 * change
        cycles = cycles + (change - change[plan.first]) + (told - xp.detach(told))[voice]
    return Tracks(weight_before, weight_after, xp.astype(f0_hz, "float32"), xp.astype(cycles, "float32"))


def phases_at_events(controls: SpeechControls, time: Array, config: SpeechConfig) -> Array:
    """Phase of the fundamental at each of n events' times, cycles modulo 1, float64 [n]; NaN for one that has no frame
    of its own, as others of its voice are at almost its time. Events as for `plan_frames`."""
    xp = library_of(time)
    plan = plan_frames(controls, time, config)
    tracks = follow(controls, time, plan, config, marked=True)
    change = xp.concatenate([plan.before[:1] | True, plan.before[1:] != plan.before[:-1]])
    rows = xp.nonzero(change & (plan.before >= 0))[0]
    event = plan.before[rows]
    late_s = xp.astype(plan.frame[rows] * config.frame_hop - time[event], "float64") / config.sample_rate
    out = xp.astype(time, "float64") * float("nan")
    out[event] = (xp.astype(tracks.cycles[rows], "float64") - late_s * tracks.f0_hz[rows]) % 1.0
    return out


def _through_marks(turned: Array, plan: FramePlan) -> Array:
    """Phases, int64 [m] in 2^-32 cycles, so moved that they are 0 at each mark that a voice is old enough for."""
    xp, turn = library_of(turned), int(_TURN)
    rows = xp.arange(0, len(turned), turned)
    marks = xp.nonzero((plan.frame % MARK_FRAMES == 0) & (rows - plan.first >= LEAST_AGE_FRAMES))[0]
    if not len(marks):
        return turned
    following = xp.searchsorted(marks, rows)  # the first mark from each row on
    before, after = marks[xp.clip(following - 1, 0, None)], marks[xp.clip(following, None, len(marks) - 1)]
    has_before = (following > 0) & (plan.first[before] == plan.first)
    has_after = (following < len(marks)) & (plan.first[after] == plan.first)
    start = xp.where(has_before, before, plan.first)
    turned_before = xp.where(has_before, turned[before], 0)
    missing = (turned[after] - turned_before + turn // 2) % turn - turn // 2
    share = missing * (rows - start) // xp.clip(after - start, 1, None)
    return turned - turned_before - xp.where(has_after, share, 0)


def lookback_s(config: SpeechConfig) -> float:
    """Events that are longer ago than so many seconds change nothing."""
    frames = MARK_FRAMES + LEAST_AGE_FRAMES + 4  # since the mark that a phase counts from, and overlaps
    return frames * config.frame_hop / config.sample_rate + LONGEST_LINK_S + REACH_S + config.room_seconds


def settled_frame(controls: SpeechControls, time: Array, known: int, config: SpeechConfig) -> int:
    """The frame up to which events that are yet to come, at sample `known` or later, change nothing. controls, time:
    of the events so far, as for `plan_frames`."""
    hop, rate = config.frame_hop, config.sample_rate
    longest_attack = int(2.0 ** LAYOUTS[PRESET].dims["attack_log2_s"].high * rate)
    settled = (known - longest_attack) // hop - 2
    if not len(time) or known - int(time[-1]) > LONGEST_LINK_S * rate + 1:
        return settled
    xp = library_of(time)
    begins, _, start, _ = map(xp.numpy, _frame_ranges(controls, time, config, 1.0))
    # of the events up to `last` the pitch is known, and so the phase up to the mark before the last one
    last = int((time < known - REACH_S * rate).sum()) - 1
    later = start[last + 1 :][begins[last + 1 :]]  # voices that begin after it
    if last >= 0:
        mark = (int(time[last]) - 1) // hop // MARK_FRAMES * MARK_FRAMES
        first = int(start[np.flatnonzero(begins[: last + 1])[-1]])  # frame of its voice
        settled = min(settled, mark if mark - first >= LEAST_AGE_FRAMES else first - 1)
    return min(settled, int(later.min(initial=settled + 1)) - 1)


def _octaves(controls: SpeechControls, time: Array, plan: FramePlan, at: Array, config: SpeechConfig) -> Array:
    """log2 of f0 (Hz) at each frame, float64: on a line between voiced events of the voice that are near, level before
    and after them. In double precision, so that the phase, its integral, is the same on every machine as far as is
    heard."""
    xp, count = library_of(time), len(time)
    rows = xp.arange(0, count, time)
    voice = xp.cumsum(voice_begins(controls, time, config), 0)
    voiced = controls.voiced
    # rows of the last voiced event up to each, and of the next from each; none near in its voice: -1
    last = xp.cummax(xp.where(voiced, rows, -1))
    near = REACH_S * config.sample_rate
    at_last = xp.clip(last, 0, None)
    last = xp.where((last >= 0) & (voice[at_last] == voice) & (time - time[at_last] <= near), last, -1)
    coming = xp.flip(xp.cummin(xp.flip(xp.where(voiced, rows, count))))
    inside = xp.clip(coming, None, count - 1)
    coming = xp.where((coming < count) & (voice[inside] == voice) & (time[inside] - time <= near), inside, -1)

    has_before, has_after = plan.before >= 0, plan.after >= 0
    some = xp.where(has_before, plan.before, plan.after)
    low = xp.where(has_before, last[xp.clip(plan.before, 0, None)], -1)
    high = xp.where(has_after, coming[xp.clip(plan.after, 0, None)], -1)
    low, high = xp.where(low >= 0, low, high), xp.where(high >= 0, high, low)
    low, high = xp.where(low >= 0, low, some), xp.where(high >= 0, high, some)
    gap = xp.clip(time[high] - time[low], 1, None)
    share = xp.clip(xp.astype(at - time[low], "float64") / gap, 0.0, 1.0)
    since_s = xp.astype(at - time[some], "float64") / config.sample_rate
    glide = controls.glide_semitones[some] / 12.0 * xp.clip(since_s / controls.decay_s[some], 0.0, 1.0)
    octave = controls.octave
    return octave[low] + (octave[high] - octave[low]) * share + xp.where(has_before & ~has_after, glide, 0.0)
