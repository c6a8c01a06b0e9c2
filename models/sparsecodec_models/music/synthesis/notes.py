"""The `music` decoder, second part: controls → notes: which events carry on which, their partials, and when they sound.

A note is a run of linked events. Each of its events is a sound of its own, weighted: the weights of two events that
follow each other go on lines from 1 to 0 and from 0 to 1. All partials of a note share one clock, the cycles of its
fundamental, so its events' partials move together.

All is linear in the events' amplitudes: the sounds of single events add up to the note.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsecodec_models.dsp.arrays import Array, library_of
from sparsecodec_models.music.config import MusicConfig

from .controls import F0_REFERENCE_HZ, MusicControls, partial_points_hz
from .sinusoids import ranges

Rows = NDArray[np.int64]

# ratios of the modes of an ideal membrane to its lowest: zeros of the Bessel functions (Rossing & Fletcher 1995)
MEMBRANE = (
    *(1.0, 1.593, 2.136, 2.295, 2.653, 2.917, 3.155, 3.5, 3.598, 3.647, 4.059, 4.132, 4.23, 4.601, 4.61, 4.832),
    *(4.903, 5.084, 5.131, 5.412, 5.54, 5.553, 5.651, 5.977, 6.019, 6.153, 6.163, 6.209, 6.483, 6.529, 6.669, 6.746),
)
GOLDEN = 0.6180339887498949
SILENT = 1e-5  # amplitude of partials that are left out, and to which sounds fall before they end
NEPERS = math.log(1000.0)  # of 60 dB in amplitude, or 30 dB in power
_MEMBRANE = np.array([math.inf, *MEMBRANE])
NODE = 64  # samples from node to node of a note's clock


@dataclass(frozen=True)
class Notes:
    """n events as parts of their notes; [n] each. Samples are of the model's rate.

    time      int64    sample of the event
    first     int64    row of the note's first event
    before    int64    row of the event that this carries on, -1: none
    after     int64    row of the event that carries this on, -1: none
    bend      float64  largest ratio of the note's pitch, where the event sounds, to the event's own
    moves     bool     the note's pitch moves
    damped    float64  sample from which decays act, inf where another event follows; with gradients
    released  float64  sample from which the release acts, likewise
    """

    time: Rows
    first: Rows
    before: Rows
    after: Rows
    bend: NDArray[np.float64]
    moves: NDArray[np.bool_]
    damped: Array
    released: Array


def notes_of(controls: MusicControls, time: Rows, runs: Sequence[Rows] | None, config: MusicConfig) -> Notes:
    """time: int64 [n], samples; runs: rows of each note of several events, in order of time; None: there is none."""
    like, rate = controls.attack_s, config.sample_rate
    xp, rows = library_of(like), np.arange(len(time))
    first, before, after = rows.copy(), np.full_like(rows, -1), np.full_like(rows, -1)
    for run in runs or ():
        if len(run) > 1:
            first[run] = run[0]
            before[run[1:]], after[run[:-1]] = run[:-1], run[1:]
    at, ends = xp.asarray(time.astype(np.float64), like), xp.asarray(after < 0, like)
    attack_s = controls.attack_s if not (before >= 0).any() else xp.taken(controls.attack_s, first)
    full = xp.asarray(time[first].astype(np.float64), like) + attack_s * rate
    damped = xp.where(ends, xp.maximum(at, full), math.inf)
    released = xp.where(ends, at + controls.duration_s * rate, math.inf)
    pitch, depth = xp.numpy(controls.f0_semitones), xp.numpy(controls.vibrato_semitones)
    around = np.stack([rows, np.where(before < 0, rows, before), np.where(after < 0, rows, after)])
    highest = pitch[around].max(0) + depth[around].max(0)
    linked = (before >= 0) | (after >= 0)
    vibrating = np.zeros(len(time), bool)
    vibrating[first[depth > 0]] = True
    bend = np.exp2((highest - pitch) / 12.0)
    return Notes(time, first, before, after, bend, linked | vibrating[first], damped, released)


@dataclass(frozen=True)
class Partials:
    """The partials of n events that are heard, P together, those of an event next to each other.

    counts     int64   [n]  how many each event has
    event      int64   [P]  which event each belongs to
    number     int64   [P]  k, from 1
    ratio      float64 [P]  to the fundamental
    hz         float64 [P]  at the event's own pitch
    amplitude  float32 [P]  at full level
    decay_s    float32 [P]  T60, seconds
    """

    counts: Rows
    event: Rows
    number: Rows
    ratio: Array
    hz: Array
    amplitude: Array
    decay_s: Array

    def where(self, kept: NDArray[np.bool_], events: NDArray[np.bool_]) -> Partials:
        """Some of the partials, bool [P], which are all of some events, bool [n]."""
        xp, places = library_of(self.hz), np.flatnonzero(kept)
        rows = xp.asarray(places, self.hz)
        columns = (xp.taken(x, rows) for x in (self.ratio, self.hz, self.amplitude, self.decay_s))
        event = (np.cumsum(events) - 1)[self.event[places]]
        return Partials(self.counts[events], event, self.number[places], *columns)

    def of_events(self, rows: Rows) -> Partials:
        """Those of some events, int64 [m], each once at most."""
        xp, counts = library_of(self.hz), self.counts[rows]
        places = ranges((np.cumsum(self.counts) - self.counts)[rows], counts)
        at = xp.asarray(places, self.hz)
        columns = (xp.taken(x, at) for x in (self.ratio, self.hz, self.amplitude, self.decay_s))
        return Partials(counts, np.repeat(np.arange(len(rows)), counts), self.number[places], *columns)


def partials_of(
    controls: MusicControls, firsts: MusicControls, bend: NDArray[np.float64], config: MusicConfig
) -> Partials:
    """firsts: controls of the first events of their notes, which give the ratios of all."""
    like = controls.level_db
    xp, n = library_of(like), len(controls)
    f0_hz, pitched = controls.f0_hz, xp.numpy(firsts.pitched)
    highest = xp.numpy(f0_hz) * bend
    most = np.maximum(1, (config.top_hz / highest).astype(np.int64))
    most = np.where(pitched, most, len(MEMBRANE))
    event = np.repeat(np.arange(n), most)
    number = np.arange(1, len(event) + 1) - np.repeat(np.cumsum(most) - most, most)
    stiffness = xp.numpy(firsts.inharmonicity)[event]
    of_string, of_drum = number * np.sqrt(1.0 + stiffness * number * number), _MEMBRANE[np.minimum(number, 32)]
    ratios = np.where(pitched[event], of_string, of_drum)
    # a fundamental always: f0 is far below
    there = np.flatnonzero((ratios * highest[event] < config.top_hz) | (number == 1))
    event, number = event[there], number[there]

    of, k = xp.asarray(event, like), xp.asarray(number.astype(np.float64), like)
    of_pitch = k * xp.sqrt(1.0 + xp.taken(firsts.inharmonicity, of) * k * k)
    ratio = xp.where(xp.asarray(pitched[event], like), of_pitch, xp.asarray(ratios[there], like))
    hz = xp.taken(f0_hz, of) * ratio
    octaves = xp.log2(xp.astype(hz, "float32"))
    points = np.log2(partial_points_hz(config))
    place = xp.clip((octaves - float(points[0])) / float(points[1] - points[0]), 0.0, config.partial_points - 1.0)
    near = xp.clip(xp.astype(xp.detach(place), "int64"), None, config.partial_points - 2)
    share = place - xp.astype(near, "float32")
    curve = controls.partial_db.reshape(-1)
    below = of * config.partial_points + near
    level = xp.taken(curve, below) * (1.0 - share) + xp.taken(curve, below + 1) * share
    power = xp.exp(level * (NEPERS / 30.0))
    scale = 2.0 * xp.exp(controls.level_db * (NEPERS / 30.0)) / xp.added_at(of, power, n)
    amplitude = xp.sqrt(power * xp.taken(scale, of) + 1e-30)

    loud = np.flatnonzero(xp.numpy(amplitude) > SILENT)
    if len(loud) < len(event):
        event, number, keep = event[loud], number[loud], xp.asarray(loud, like)
        ratio, hz, octaves, amplitude = (xp.taken(x, keep) for x in (ratio, hz, octaves, amplitude))
        of = xp.taken(of, keep)
    low, high = math.log2(config.decay_low_hz), math.log2(config.decay_high_hz)
    share = xp.clip((octaves - low) / (high - low), 0.0, 1.0)
    decay_low, decay_high = (xp.taken(xp.log2(s), of) for s in (controls.decay_low_s, controls.decay_high_s))
    decay_s = xp.exp2(decay_low + (decay_high - decay_low) * share)
    return Partials(np.bincount(event, minlength=n), event, number, ratio, hz, amplitude, decay_s)


def band_gains(controls: MusicControls, band_power: Array) -> Array:
    """Amplitude of each noise band at full level, float32 [n, B]. band_power: float32 [B, B], of sums of noise bands
    (`noise.band_power`)."""
    xp = library_of(controls.level_db)
    band = xp.exp(controls.noise_band_db * (NEPERS / 60.0))
    gain = xp.exp((controls.level_db + controls.noise_db) * (NEPERS / 60.0))
    return band * (gain / xp.sqrt(((band @ band_power) * band).sum(1)))[:, None]


@functools.lru_cache(maxsize=4)
def start_cycles(count: int) -> NDArray[np.float64]:
    """Phases at the onset of partials 1 … count, cycles, float64: of a golden chirp, which keeps peaks low whatever
    the number of partials."""
    order = np.arange(1, count + 1, dtype=np.float64)
    cycles: NDArray[np.float64] = np.remainder(GOLDEN * order * order, 1.0)
    return cycles


def falls_silent(
    amplitude: NDArray[np.float32],
    decay_s: NDArray[np.float32],
    damped: NDArray[np.float64],
    released: NDArray[np.float64],
    release_s: NDArray[np.float64],
    config: MusicConfig,
    silent: float = SILENT,
) -> NDArray[np.float64]:
    """Samples at which sounds of these amplitudes and T60s have fallen to the amplitude `silent`, whose decays act from
    the sample `damped` on and releases from `released` on: float64 [m]; 0 for what is never louder."""
    above = 20.0 * np.log10(amplitude.astype(np.float64) + 1e-20) - 20.0 * math.log10(silent)
    decays, releases = (60.0 / (t60_s * config.sample_rate) for t60_s in (decay_s.astype(np.float64), release_s))
    early = np.where(damped < released, decays, releases)  # dB a sample
    begin, both = np.minimum(damped, released), np.maximum(damped, released)
    alone = begin + above / early
    together = both + (above - (both - begin) * early) / (decays + releases)
    return np.where(above > 0, np.where(alone <= both, alone, together), 0.0)


class Clock:
    """The cycles of a note's fundamental since its onset: the integral of its pitch, float64.

    The pitch is on a line, in semitones, from event to event, and stays after the last; the vibrato's depth likewise;
    its rate is the first event's, and its phase 0 at the onset.
    """

    def __init__(self, controls: MusicControls, time: Rows, run: Rows, stop: int, config: MusicConfig) -> None:
        """run: int64 [m], rows of the note's events; stop: after the last sample that is asked for."""
        rate, at, like = config.sample_rate, time[run], controls.f0_semitones
        xp = library_of(like)
        self._onset = int(at[0])
        # steps of NODE samples begin anew with each event, where the lines have their corners
        gaps = np.append(at[1:], max(int(at[-1]), stop - 1) + 1) - at
        steps = -(-gaps // NODE)
        of = np.repeat(np.arange(len(run)), steps)
        since = (np.arange(len(of)) - (np.cumsum(steps) - steps)[of]) * NODE
        self._begin = at[of] - self._onset + since
        self._size = np.minimum(gaps[of] - since, NODE)
        # of a step that an event cuts short, too: beyond it the pitch may run anywhere
        places = self._size[:, None] * np.array([0.0, 0.5, 1.0])
        share = xp.asarray((since[:, None] + places) / np.maximum(gaps, 1)[of, None], like)  # [steps, 3]

        def line(values: Array) -> Array:
            begin, end = (xp.taken(values, run[rows])[:, None] for rows in (of, np.minimum(of + 1, len(run) - 1)))
            return begin + (end - begin) * share

        turned = xp.asarray((2.0 * math.pi / rate) * (self._begin[:, None] + places), like)
        swing = xp.sin(controls.vibrato_hz[int(run[0])] * turned)
        semitones = line(controls.f0_semitones) + line(controls.vibrato_semitones) * swing
        size = xp.asarray(self._size[:, None] / rate, like)
        cycles = F0_REFERENCE_HZ * xp.exp2(semitones / 12.0) * size  # in a step, at this pitch
        whole = (cycles[:, 0] + 4.0 * cycles[:, 1] + cycles[:, 2]) / 6.0  # Simpson
        self._steps = xp.stack([whole, cycles[:, 0], cycles[:, 2]], 1)
        self._value = xp.cumsum(whole, 0) - whole

    def cycles(self, low: int, high: int) -> Array:
        """At samples low … high - 1, none before the onset: float64 [high - low]. In a step by cubics (Hermite)."""
        xp = library_of(self._value)
        begin, end = np.searchsorted(self._begin, (low - self._onset, high - 1 - self._onset), side="right").tolist()
        value, steps, size = (x[begin - 1 : end] for x in (self._value, self._steps, self._size))
        inside = np.arange(NODE)
        values = value[:, None] + steps @ xp.asarray(_cubics(inside / NODE).T, value)
        short = np.flatnonzero(size < NODE)
        if len(short):
            shares = xp.asarray(_cubics(inside / size[short, None]), value)  # [short steps, NODE, 3]
            there = xp.asarray(short, value)
            cut = xp.taken(value, there)[:, None] + (xp.taken(steps, there)[:, None] * shares).sum(-1)
            values = xp.replaced(values, there, cut)
            values = values[xp.asarray(inside < size[:, None], value)]
        skip = low - self._onset - int(self._begin[begin - 1])
        return values.reshape(-1)[skip : skip + high - low]


def _cubics(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights, at a share of a step, of its rise and of the slopes at both ends: float64 [..., 3]."""
    x = share
    return np.stack([x * x * (3 - 2 * x), x * (1 - x) ** 2, x * x * (x - 1)], -1)
