"""Segments: what a listener would name between the event and the recording. Notes, syllables, bursts.

In `music` a note is a segment as it is, with the events that carry it on. In `speech` a voice may go on over a whole
sentence: it is cut where a new sound is heard. That is
- where the level rises after a dip,
- where the pitch steps from one steady pitch to another,
- where a pitch comes or goes for long enough, and loud enough, to be heard.
A cut lies before an event: an event is of one segment only, and the sounds of all segments add up to the whole.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from .errors import SicError
from .presets import layout_of, level_db
from .presets.layout import NOTE_ABOVE, Layout
from .presets.voices import LATEST_S, Voices
from .table import EventTable

KINDS = ("pitched", "unvoiced", "drum")

RISE_DB = 5.0
"""A level that rises by so much from its lowest begins a new sound, if it had fallen as much before;"""
RISEN_IN_S, SLIGHT_DB = 0.03, 3.0
"""where it rises as fast as that, a slighter dip does,"""
SHARP_S = 0.01
"""and a slighter rise too, with an event that comes in as fast as that, and not from the one before it on."""
STEADY_SEMITONES = 0.6
"""A pitch is steady while it stays within so much."""
STEP_SEMITONES, STEADY_S = 0.7, 0.12
"""A new note is at least so far from the pitch before; and both are steady for at least so long,"""
LARGE_STEP_SEMITONES, LARGE_STEADY_S = 1.5, 0.05
"""or so long, if they are so far apart: what goes to and fro within less is vibrato."""
STEPS_IN_S = 0.08
"""From a steady pitch to the next it takes at most so long, else it glides."""
HEARD_S, HEARD_DB = 0.03, 30.0
"""What is with a pitch, or without, between others for so long, and no further below the louder of its neighbours, is
a sound of its own."""
SOUNDING_DB = 20.0
"""A segment is heard from where it comes to so far below its loudest event, and has a pitch while it is above that."""
GONE_DB = 30.0
"""It has ended when it stays so far below."""
NEAR_S = 0.05
"""Cuts in a voice that are nearer to each other are one."""
LEAST_S = 1e-3
"""That an event counts, where its pitch is asked for."""
FLOOR_DB = -300.0
"""Silence, as a number."""

REPEAT_SEMITONES, REPEAT_DB, REPEAT_OCTAVES, REPEAT_SHAPE = 0.5, 6.0, 0.6, 6.0
"""Segments that differ by no more in pitch, level and log2 of their length, and in their mean spectrum (length of the
difference of vectors, in units of the vector), repeat each other."""
MOST_FIRSTS = 32
"""Of those that are much alike but for their spectrum, only the last are remembered: time must not grow as a square."""

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Segments:
    """The m segments of a table of n events, in order of their first events.

    Attributes:
        start_s, end_s: float64 [m], seconds: when it begins to be heard, and when it has died away, the next sound of
            its voice has begun, the key of a note is released, or the recording ends.
        kind: str [m], of KINDS: with a pitch, without, or a stroke of a drum.
        f0_hz: float64 [m], the pitch that it is at or below for half of the time in which it has one; nan without.
        f0_course_semitones: float64 [m], how much higher it ends than it begins, by the line that is nearest to its
            pitch; nan without.
        level_db: float64 [m], of its loudest event, dB re full scale; -inf for silence.
        channel: uint8 [m], the stream that its events are in, as `EventTable.channel`.
        timbre: float64 [m, dims], the mean of its events' spectra as vectors tell them, the louder ones counting more.
        number: int64 [n], the segment of each event.
    """

    start_s: Floats
    end_s: Floats
    kind: NDArray[np.str_]
    f0_hz: Floats
    f0_course_semitones: Floats
    level_db: Floats
    channel: NDArray[np.uint8]
    timbre: Floats
    number: Rows

    @staticmethod
    def of(table: EventTable, voiced: Bools | None = None) -> Segments:
        """The segments of a table of `speech` or `music`; SicError for any other preset, whose vectors tell no links.

        voiced: bool [n], which events of `speech` have a pitch of their own, as the weights tell
        (`Renderer.has_pitch`); None: those whose number is not 0, which is what encoders write before there has been
        any. `music` tells itself.
        """
        layout, voices = layout_of(table.header), Voices.of(table)
        if not voices.linked:
            raise SicError(f"has no segments: vectors of preset {layout.name!r} do not tell what is linked")
        if layout.events_are_notes:
            return _of_notes(table, layout, voices)
        own = table.vector[:, layout.dim("f0_semitones").index] != 0
        return _of_voices(table, layout, voices, own if voiced is None else np.asarray(voiced, bool))

    def __len__(self) -> int:
        return len(self.start_s)

    def rows(self, i: int) -> Rows:
        """int64: which events of the table are segment i, in order of time."""
        return np.flatnonzero(self.number == i)

    @cached_property
    def repeats(self) -> Rows:
        """int64 [m]: index of the first segment that each sounds like; -1 where it is the first of its kind."""
        return _repeats(self)

    @property
    def runs(self) -> list[Rows]:
        """`rows` of every segment."""
        order = np.argsort(self.number, kind="stable")
        stops = np.cumsum(np.bincount(self.number, minlength=len(self))).tolist()
        return [order[start:stop] for start, stop in pairwise([0, *stops])]


@dataclass(frozen=True)
class _Parts:
    """Events part by part, in order of time in each. order: rows [n]; first: where in `order` each part begins."""

    order: Rows
    first: Rows

    @property
    def part(self) -> Rows:
        """[n]: which part each place in `order` is of."""
        return np.repeat(np.arange(len(self.first)), np.diff(self.first, append=len(self.order)))

    @property
    def last(self) -> Rows:
        return np.append(self.first[1:], len(self.order)) - 1

    def most(self, values: Floats) -> Floats:
        return np.maximum.reduceat(values, self.first) if len(self.first) else np.zeros(0)

    def sums(self, values: NDArray[np.floating]) -> Floats:
        return np.add.reduceat(values, self.first) if len(self.first) else np.zeros(0)


def _of_notes(table: EventTable, layout: Layout, voices: Voices) -> Segments:
    """A segment for each note or stroke. Tones, which mend what notes get wrong, go with the note of their stream that
    began last; a note too soft to be heard beside one that begins with it, an overtone as a rule, goes with that."""
    tone, note, level = layout.tones(table.vector), voices.number, _levels(table)
    faint = _faint_notes(table, level, note, np.flatnonzero(~tone & voices.begins))
    duration_s = np.exp2(layout.dim("duration_log2_s").heard(table.vector))
    for channel in np.unique(table.channel[tone]).tolist():
        tones = np.flatnonzero(tone & (table.channel == channel))
        begin = np.flatnonzero(~tone & voices.begins & (table.channel == channel))
        if len(begin):
            begun = np.searchsorted(table.time[begin], table.time[tones] + duration_s[tones] / 2, side="right") - 1
            note[tones] = note[begin[np.maximum(begun, 0)]]
        else:
            note[tones] = note[tones[0]]
    order = np.argsort(note, kind="stable")
    parts = _Parts(order, np.flatnonzero(np.diff(note[order], prepend=-1)))
    of_tones = parts.sums(~tone[order] * 1.0)[parts.part] == 0  # those of a stream that has no note
    counts = (~tone & ~faint)[order] | of_tones
    held_s = np.where(voices.ends, duration_s, voices.next_s)[order]
    time_s = table.time[order]
    start_s = -parts.most(np.where(counts, -time_s, -np.inf))
    end_s = parts.most(np.where(counts, time_s + held_s, 0.0))
    level = np.where(counts, level[order], FLOOR_DB)
    with_pitch = counts & ~of_tones & (layout.physical(table, "kind")[order] > NOTE_ABOVE)
    pitched = parts.sums(with_pitch * 1.0) > 0
    kind = np.where(pitched, KINDS[0], np.where(of_tones[parts.first], KINDS[1], KINDS[2]))
    return _segments(
        table, layout, parts, start_s, end_s, kind, np.where(with_pitch, np.maximum(held_s, LEAST_S), 0.0), level
    )


def _faint_notes(table: EventTable, level: Floats, note: Rows, begin: Rows) -> Bools:
    """Events, bool [n], of notes that are HEARD_DB softer than one of their stream that begins within NEAR_S of them;
    in `note`, int64 [n], they get its number. begin: rows of the notes' first events."""
    out = np.zeros(len(table), bool)
    loudest = np.full(int(note.max(initial=-1)) + 1, FLOOR_DB)
    np.maximum.at(loudest, note, level)
    for channel in np.unique(table.channel).tolist():
        rows = begin[table.channel[begin] == channel]
        time_s, numbers = table.time[rows], note[rows]
        first = np.searchsorted(time_s, time_s - NEAR_S)
        stop = np.searchsorted(time_s, time_s + NEAR_S, side="right")
        own = loudest[numbers]
        goes_with = np.arange(len(loudest))
        softer = np.flatnonzero(own < own.max(initial=FLOOR_DB) - HEARD_DB)
        for i in softer[np.argsort(-own[softer], kind="stable")].tolist():  # so that none goes with one that has gone
            strongest = first[i] + int(own[first[i] : stop[i]].argmax())
            if own[strongest] - HEARD_DB > own[i]:
                goes_with[numbers[i]] = goes_with[numbers[strongest]]
        mine = table.channel == channel
        out |= mine & (goes_with[note] != note)
        note[mine] = goes_with[note[mine]]
    return out


def _of_voices(table: EventTable, layout: Layout, voices: Voices, voiced: Bools) -> Segments:
    """Voices, cut where a new sound is heard."""
    order = voices.order
    run = _Run(
        time_s=table.time[order],
        come_s=(table.time - voices.attack_s)[order],
        level_db=_levels(table)[order],
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
    parts = _Parts(order, np.flatnonzero(begins))
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
    return _segments(table, layout, parts, start_s, end_s, kind, weight, run.level_db)


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


def _levels(table: EventTable) -> Floats:
    """float64 [n]: dB within ± FLOOR_DB, whatever numbers a file holds."""
    return np.clip(level_db(table), FLOOR_DB, -FLOOR_DB)


def _beginnings(run: _Run) -> Bools:
    """Events that begin a voice, but for one that begins with another: both are the same attack."""
    out = run.begins.copy()
    begin = np.flatnonzero(run.begins)
    since_s = np.diff(run.time_s[begin], prepend=-np.inf)
    same = run.channel[begin] == np.roll(run.channel[begin], 1)
    out[begin[same & (since_s < NEAR_S)]] = False
    return out


def _rises(run: _Run) -> Bools:
    """Events with which the level rises after a dip."""
    out = np.zeros(len(run), bool)
    time_s, come_s, level_db, begins = (a.tolist() for a in (run.time_s, run.come_s, run.level_db, run.begins))
    sharp = (run.time_s - run.come_s <= SHARP_S) & (run.come_s > np.append(-np.inf, run.time_s[:-1]) + SHARP_S)
    top = low = -math.inf
    rises = 0  # the event after the lowest
    for i, (level, is_sharp) in enumerate(zip(level_db, sharp.tolist(), strict=True)):
        if begins[i]:
            top = low = level
            rises = i + 1
            continue
        least_rise = SLIGHT_DB if is_sharp else RISE_DB
        least_dip = SLIGHT_DB if time_s[i] - come_s[rises] <= RISEN_IN_S else RISE_DB
        is_new = level - low >= least_rise and top - low >= least_dip
        out[rises] |= is_new
        if is_new or level > top:
            top = low = level
            rises = i + 1
        elif level <= low:
            low, rises = level, i + 1
    return out


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
    stretches = _Parts(np.arange(len(run)), first)
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
    loudest = _Parts(np.arange(len(run)), first).most(run.level_db)
    fresh = run.begins[first]
    goes_on = np.append(~fresh[1:], False)
    before = np.where(fresh, FLOOR_DB, np.insert(loudest[:-1], 0, FLOOR_DB))
    after = np.where(goes_on, np.append(loudest[1:], FLOOR_DB), FLOOR_DB)
    faint = loudest < np.maximum(before, after) - HEARD_DB
    out[first[faint & ~fresh]] = False
    out[first[np.flatnonzero(faint & fresh & goes_on) + 1]] = False
    return out


def _heard(run: _Run, parts: _Parts, loudest: Floats) -> tuple[Floats, Floats]:
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


def _segments(
    table: EventTable,
    layout: Layout,
    parts: _Parts,
    start_s: Floats,
    end_s: Floats,
    kind: NDArray[np.str_],
    weight: Floats,
    level: Floats,
) -> Segments:
    """weight: of each place in the parts' order, how much its pitch counts; level: dB, FLOOR_DB for silence."""
    start_s = np.minimum(start_s, np.maximum(table.duration_s, table.time[parts.order][parts.first]))
    end_s = np.maximum(start_s, np.minimum(end_s, table.duration_s))
    semitones = layout.dim("f0_semitones").heard(table.vector)[parts.order]
    f0_hz = 110 * np.exp2(_medians(parts, semitones, weight) / 12)
    course = _courses(parts, table.time[parts.order], semitones, weight)
    loudest = parts.most(level)
    loudest = np.where(loudest <= FLOOR_DB, -np.inf, loudest)
    by_row = np.argsort(parts.order[parts.first], kind="stable")
    number = np.empty(len(table), np.int64)
    number[parts.order] = np.argsort(by_row)[parts.part]
    columns = [start_s, end_s, kind, f0_hz, course, loudest]
    start_s, end_s, kind, f0_hz, course, loudest = (column[by_row] for column in columns)
    channel = table.channel[parts.order][parts.first][by_row]
    shape = table.vector[:, layout.dim("shape_0").index :].astype(np.float64)
    timbre = _means(shape, number, level, parts)
    return Segments(start_s, end_s, kind, f0_hz, course, loudest, channel, timbre, number)


def _medians(parts: _Parts, values: Floats, weight: Floats) -> Floats:
    """The value that half of a part's weight lies at or below; nan where it has none."""
    by_value = np.lexsort((values, parts.part))
    up_to = np.cumsum(weight[by_value])
    whole = parts.sums(weight)
    begun = up_to[parts.first] - weight[by_value][parts.first] if len(parts.first) else np.zeros(0)
    at = np.searchsorted(up_to, begun + whole / 2)
    return np.where(whole > 0, values[by_value][np.minimum(at, parts.last)], np.nan)


def _courses(parts: _Parts, time_s: Floats, values: Floats, weight: Floats) -> Floats:
    """How much the line nearest to a part's values rises over the time that has weight; nan where none has."""
    whole, part = parts.sums(weight), parts.part
    safe = np.where(whole > 0, whole, 1.0)
    time = time_s - (parts.sums(weight * time_s) / safe)[part]
    value = values - (parts.sums(weight * values) / safe)[part]
    spread = parts.sums(weight * time**2)
    rise = np.where(spread > 1e-12, parts.sums(weight * time * value) / np.maximum(spread, 1e-12), 0.0)
    has = weight > 0
    length = parts.most(np.where(has, time, -np.inf)) + parts.most(np.where(has, -time, -np.inf))
    return np.where(whole > 0, rise * np.where(whole > 0, length, 0.0), np.nan)


def _means(shape: Floats, number: Rows, level: Floats, parts: _Parts) -> Floats:
    """Mean vectors of segments, float64 [m, dims], the louder events counting more."""
    power = np.empty(len(number))
    loudest = parts.most(level)
    power[parts.order] = 10 ** ((level - loudest[parts.part]) / 10)
    m = len(parts.first)
    sums = np.column_stack([np.bincount(number, power * column, m) for column in shape.T])
    return sums / np.bincount(number, power, m)[:, None]


def _repeats(segments: Segments) -> Rows:
    """The first segment that each sounds like, -1 for none, int64 [m]."""
    out = np.full(len(segments), -1)
    shape, f0_hz = segments.timbre, segments.f0_hz
    octaves = np.log2(np.maximum(segments.end_s - segments.start_s, 1e-3))
    pitch = np.where(np.isfinite(f0_hz), 12 * np.log2(np.where(np.isfinite(f0_hz), f0_hz, 1.0)), 0.0)
    loudness = np.maximum(segments.level_db, FLOOR_DB)
    named = np.column_stack([pitch, loudness, octaves]) / (REPEAT_SEMITONES, REPEAT_DB, REPEAT_OCTAVES)
    # what is alike lies in the same cell of two by two by two, or in the nearest one beside it
    cells = np.floor(named / 2).astype(int)
    beside = np.where(named / 2 - cells < 0.5, cells - 1, cells + 1)
    places = zip(segments.kind.tolist(), cells.tolist(), beside.tolist(), strict=True)
    firsts: dict[tuple[str, int, int, int], deque[int]] = {}
    for i, (kind, here, there) in enumerate(places):
        around = product((kind,), *zip(here, there, strict=True))
        near = [j for cell in around if cell in firsts for j in firsts[cell]]
        if near:
            alike = (np.abs(named[near] - named[i]) <= 1).all(1)
            alike &= ((shape[near] - shape[i]) ** 2).sum(1) <= REPEAT_SHAPE**2
            if alike.any():
                out[i] = min(j for j, is_one in zip(near, alike.tolist(), strict=True) if is_one)
                continue
        firsts.setdefault((kind, here[0], here[1], here[2]), deque(maxlen=MOST_FIRSTS)).append(i)
    return out
