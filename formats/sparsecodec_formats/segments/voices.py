"""The voices of `speech`, cut where a new sound is heard."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.presets.layout import Layout
from sparsecodec_formats.presets.voices import LATEST_S, Voices
from sparsecodec_formats.table import EventTable

from .parts import FLOOR_DB, HEARD_DB, KINDS, LEAST_S, NEAR_S, Bools, Cut, Floats, Parts, event_levels

RISE_DB = 5.0
"""A level that rises by so much from its lowest begins a new sound, if it had fallen as much before;"""
RISEN_IN_S, SLIGHT_DB = 0.03, 3.0
"""where it rises as fast as that, a slighter dip does,"""
SHARP_S = 0.01
"""and a slighter rise too, with an event that comes in as fast as that, and not from the one before it on. Slight
ones do also where the pitch steps in the dip, from one steady pitch to another that lasts for HEARD_S."""
STEADY_SEMITONES = 0.6
"""A pitch is steady while it stays within so much."""
STEP_SEMITONES, STEADY_S = 0.7, 0.12
"""A new note is at least so far from the pitch before; and both are steady for at least so long,"""
LARGE_STEP_SEMITONES, LARGE_STEADY_S = 1.5, 0.05
"""or so long, if they are so far apart: what goes to and fro within less is vibrato."""
STEPS_IN_S = 0.08
"""From a steady pitch to the next it takes at most so long, else it glides."""
HEARD_S = 0.03
"""What is with a pitch, or without, between others for so long, and no further than HEARD_DB below the louder of its
neighbours, is a sound of its own."""
SOUNDING_DB = 20.0
"""A segment is heard from where it comes to so far below its loudest event, and has a pitch while it is above that."""
GONE_DB = 30.0
"""It has ended when it stays so far below."""


def cut_voices(table: EventTable, layout: Layout, voices: Voices, voiced: Bools) -> Cut:
    """Voices, cut where a new sound is heard."""
    order = voices.order
    run = _Run(
        time_s=table.time[order],
        come_s=(table.time - voices.attack_s)[order],
        level_db=event_levels(table)[order],
        semitones=layout.dim("f0_semitones").heard(table.vector)[order],
        voiced=voiced[order],
        begins=voices.begins[order],
        decay_s=voices.decay_s[order],
        channel=table.channel[order],
    )
    begins = _beginnings(run) | _rises(run)
    begins |= _apart(run, _voicing_changes(run), begins)
    steps, step_s = _pitch_steps(run)
    steps = _apart(run, steps, begins)
    begins = _without_faint(run, begins | steps)
    parts = Parts(order, np.flatnonzero(begins))
    loudest = parts.most(run.level_db)
    start_s, end_s = _heard(run, parts, loudest)
    start_s = np.where(steps[parts.first], step_s[parts.first], start_s)
    goes_on = np.append(~run.begins[parts.first[1:]], np.zeros(min(1, len(start_s)), bool))
    end_s = np.where(goes_on, np.minimum(end_s, np.roll(start_s, -1)), end_s)
    sounding_s = np.maximum(voices.sounding_s[order], LEAST_S)
    weight = np.where(run.level_db >= loudest[parts.part] - SOUNDING_DB, sounding_s, 0.0)
    pitched = parts.sums(weight * run.voiced) >= 0.5 * parts.sums(weight)
    kind = np.where(pitched, KINDS[0], KINDS[1])
    weight = np.where(run.voiced & pitched[parts.part], weight, 0.0)
    return Cut(parts, start_s, end_s, kind, weight, run.level_db)


@dataclass(frozen=True)
class _Run:
    """Events voice by voice; `come_s` is when each begins to come in. begins: whether it begins a voice."""

    time_s: Floats
    come_s: Floats
    level_db: Floats
    semitones: Floats
    voiced: Bools
    begins: Bools
    decay_s: Floats
    channel: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.time_s)


def _beginnings(run: _Run) -> Bools:
    """Events that begin a voice, but for one that begins with another: both are the same attack."""
    out = run.begins.copy()
    begin = np.flatnonzero(run.begins)
    since_s = np.diff(run.time_s[begin], prepend=-np.inf)
    same = run.channel[begin] == np.roll(run.channel[begin], 1)
    out[begin[same & (since_s < NEAR_S)]] = False
    return out


def _rises(run: _Run) -> Bools:
    """Events with which the level rises after a dip. If the pitch steps in the dip, and the lowest event has the new
    one, the new sound begins with that."""
    out = np.zeros(len(run), bool)
    columns = (run.time_s, run.come_s, run.level_db, run.semitones, run.voiced, run.begins)
    time_s, come_s, level_db, semitones, voiced, begins = (a.tolist() for a in columns)
    sharp = (run.time_s - run.come_s <= SHARP_S) & (run.come_s > np.append(-np.inf, run.time_s[:-1]) + SHARP_S)
    top = low = -math.inf
    rises = 0  # the event after the lowest
    before, after = _PitchRange(), _PitchRange()  # from the loudest to the lowest, and from there on
    for i, (level, is_sharp) in enumerate(zip(level_db, sharp.tolist(), strict=True)):
        is_new = steps = False  # whether the pitch steps in the dip
        if not begins[i]:
            if voiced[i] and level > low:
                after.add(semitones[i])
            steps = before.steps_to(after)
            is_heard = steps and time_s[i] - time_s[rises] >= HEARD_S
            least_rise = SLIGHT_DB if is_sharp or is_heard else RISE_DB
            least_dip = SLIGHT_DB if is_heard or time_s[i] - come_s[rises] <= RISEN_IN_S else RISE_DB
            is_new = level - low >= least_rise and top - low >= least_dip
        if is_new:
            lowest = rises - 1
            out[lowest if steps and voiced[lowest] and after.is_nearer(semitones[lowest], before) else rises] = True
        if begins[i] or is_new or level > top:
            top = low = level
            rises = i + 1
            before, after = _PitchRange(), _PitchRange()
            if voiced[i]:
                before.add(semitones[i])
        elif level <= low:
            if voiced[rises - 1]:
                before.add(semitones[rises - 1])
            before.join(after)
            low, rises = level, i + 1
            after = _PitchRange()
    return out


class _PitchRange:
    """From the lowest to the highest of some pitches, in semitones."""

    __slots__ = ("high", "low")

    def __init__(self) -> None:
        self.low, self.high = math.inf, -math.inf

    def add(self, semitones: float) -> None:
        self.low, self.high = min(self.low, semitones), max(self.high, semitones)

    def join(self, other: _PitchRange) -> None:
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)

    def steps_to(self, other: _PitchRange) -> bool:
        """Whether both are steady, and far enough from each other to be two notes."""
        if self.low > self.high or other.low > other.high:
            return False
        widest = max(self.high - self.low, other.high - other.low)
        return widest <= STEADY_SEMITONES and 0.5 * abs(self.low + self.high - other.low - other.high) >= STEP_SEMITONES

    def is_nearer(self, semitones: float, other: _PitchRange) -> bool:
        """Whether a pitch is nearer to the middle of this than to that of the other."""
        return abs(2 * semitones - self.low - self.high) < abs(2 * semitones - other.low - other.high)


def _pitch_steps(run: _Run) -> tuple[Bools, Floats]:
    """Events with which the pitch steps from one steady pitch to another, and when that is, seconds [n]."""
    out, step_s = np.zeros(len(run), bool), np.full(len(run), np.nan)
    time_s, semitones = run.time_s.tolist(), run.semitones.tolist()
    voice = np.cumsum(run.begins).tolist()
    steady: list[tuple[int, int, float]] = []  # first and last event, pitch
    first = last = -1
    low = high = 0.0
    held: list[float] = []  # pitches of the stretch that goes on, from low to high
    for i in [*np.flatnonzero(run.voiced).tolist(), -1]:
        goes_on = i >= 0 and first >= 0 and voice[i] == voice[first]
        if goes_on and max(high, semitones[i]) - min(low, semitones[i]) <= STEADY_SEMITONES:
            last, low, high = i, min(low, semitones[i]), max(high, semitones[i])
            held.append(semitones[i])
            continue
        if first >= 0 and time_s[last] - time_s[first] >= LARGE_STEADY_S:
            steady.append((first, last, sorted(held)[len(held) // 2]))
        if i >= 0:
            first = last = i
            low = high = semitones[i]
            held = [low]
    for (a_first, a_last, a), (b_first, b_last, b) in pairwise(steady):
        shortest_s = min(time_s[a_last] - time_s[a_first], time_s[b_last] - time_s[b_first])
        enough = abs(b - a) >= (STEP_SEMITONES if shortest_s >= STEADY_S else LARGE_STEP_SEMITONES)
        if voice[a_first] != voice[b_first] or not enough or time_s[b_first] - time_s[a_last] > STEPS_IN_S:
            continue
        before = a_last
        for i in range(a_last + 1, b_first + 1):
            if not run.voiced[i]:
                continue
            if abs(semitones[i] - b) < abs(semitones[i] - a):
                share = ((a + b) / 2 - semitones[before]) / (semitones[i] - semitones[before])
                out[i] = True
                step_s[i] = time_s[before] + min(max(share, 0.0), 1.0) * (time_s[i] - time_s[before])
                break
            before = i
    return out, step_s


def _voicing_changes(run: _Run) -> Bools:
    """Events with which a pitch comes or goes, where what comes and what goes are heard."""
    out = np.zeros(len(run), bool)
    changes = run.begins.copy()
    changes[1:] |= run.voiced[1:] != run.voiced[:-1]
    first = np.flatnonzero(changes)
    if not len(first):
        return out
    stretches = Parts(np.arange(len(run)), first)
    loudest = stretches.most(run.level_db)
    fresh = run.begins[first]  # each that begins a voice
    after = np.where(np.append(fresh[1:], True), FLOOR_DB, np.append(loudest[1:], FLOOR_DB))
    before = np.where(fresh, FLOOR_DB, np.insert(loudest[:-1], 0, FLOOR_DB))
    last = stretches.last
    gone_s = np.append(run.time_s[1:], np.inf)[last]
    gone_s = np.where(np.append(fresh[1:], True), run.time_s[last] + run.decay_s[last] / 3, gone_s)
    heard = (gone_s - run.time_s[first] >= HEARD_S) & (loudest >= np.maximum(before, after) - HEARD_DB)
    known = -1  # the stretch that was heard last
    for i in np.flatnonzero(heard | fresh).tolist():
        if fresh[i]:
            known = i if heard[i] else -1
        elif known >= 0 and run.voiced[first[known]] != run.voiced[first[i]]:
            out[first[i]] = True
            known = i
        elif known < 0:
            known = i
    return out


def _apart(run: _Run, cuts: Bools, begins: Bools) -> Bools:
    """Those of some cuts that are in no voice within NEAR_S of one that is made for a better reason."""
    voice_s = run.time_s + 4 * LATEST_S * np.cumsum(run.begins)
    made, wanted = voice_s[begins], np.flatnonzero(cuts & ~begins)
    after = np.searchsorted(made, voice_s[wanted])
    near = np.zeros(len(wanted), bool)
    for beside in (after - 1, after):
        there = made[np.clip(beside, 0, max(0, len(made) - 1))] if len(made) else np.full(len(wanted), np.inf)
        near |= np.abs(there - voice_s[wanted]) < NEAR_S
    out = np.zeros(len(run), bool)
    out[wanted[~near]] = True
    return out


def _without_faint(run: _Run, begins: Bools) -> Bools:
    """Cuts, without those before what is too soft to be heard beside its neighbours: it goes with the one before it in
    its voice, or the one after it."""
    out = begins.copy()
    first = np.flatnonzero(begins)
    if not len(first):
        return out
    loudest = Parts(np.arange(len(run)), first).most(run.level_db)
    fresh = run.begins[first]
    goes_on = np.append(~fresh[1:], False)
    before = np.where(fresh, FLOOR_DB, np.insert(loudest[:-1], 0, FLOOR_DB))
    after = np.where(goes_on, np.append(loudest[1:], FLOOR_DB), FLOOR_DB)
    faint = loudest < np.maximum(before, after) - HEARD_DB
    out[first[faint & ~fresh]] = False
    out[first[np.flatnonzero(faint & fresh & goes_on) + 1]] = False
    return out


def _heard(run: _Run, parts: Parts, loudest: Floats) -> tuple[Floats, Floats]:
    """When each part comes to SOUNDING_DB below its loudest event, and when it stays GONE_DB below: seconds [m]."""
    place, part = np.arange(len(run)), parts.part
    m = len(parts.first)
    is_on = run.level_db >= loudest[part] - SOUNDING_DB
    is_there = run.level_db >= loudest[part] - GONE_DB
    come = np.full(m, len(run))
    np.minimum.at(come, part[is_on], place[is_on])
    gone = np.full(m, -1)
    np.maximum.at(gone, part[is_there], place[is_there])
    amplitude = 10 ** (run.level_db / 20)
    # amplitudes move on lines, while an event comes in
    on = 10 ** ((loudest - SOUNDING_DB) / 20)
    before = np.where(run.begins[come], 0.0, amplitude[come - 1])
    rise = np.maximum(amplitude[come] - before, 1e-30)
    share = np.clip((on - before) / rise, 0.0, 1.0)
    start_s = run.come_s[come] + share * (run.time_s[come] - run.come_s[come])
    off = 10 ** ((loudest - GONE_DB) / 20)
    after = np.minimum(gone + 1, len(run) - 1)
    ends = (gone == len(run) - 1) | run.begins[after]
    fall = np.maximum(amplitude[gone] - amplitude[after], 1e-30)
    share = np.clip((amplitude[gone] - off) / fall, 0.0, 1.0)
    moved_s = run.come_s[after] + share * (run.time_s[after] - run.come_s[after])
    faded_s = run.time_s[gone] + run.decay_s[gone] * (1 - np.sqrt(np.clip(off / amplitude[gone], 0.0, 1.0)))
    return np.maximum(start_s, 0.0), np.where(ends, faded_s, moved_s)
