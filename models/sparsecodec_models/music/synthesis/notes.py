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
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsecodec_models.music.config import MusicConfig

from .controls import F0_REFERENCE_HZ, MusicControls, partial_points_hz

# ratios of the modes of an ideal membrane to its lowest: zeros of the Bessel functions (Rossing & Fletcher 1995)
MEMBRANE = (
    *(1.0, 1.593, 2.136, 2.295, 2.653, 2.917, 3.155, 3.5, 3.598, 3.647, 4.059, 4.132, 4.23, 4.601, 4.61, 4.832),
    *(4.903, 5.084, 5.131, 5.412, 5.54, 5.553, 5.651, 5.977, 6.019, 6.153, 6.163, 6.209, 6.483, 6.529, 6.669, 6.746),
)
GOLDEN = 0.6180339887498949
SILENT = 1e-5  # amplitude of partials that are left out, and to which sounds fall before they end
NEPERS = math.log(1000.0)  # of 60 dB
NODE = 64  # samples from node to node of a note's clock


@dataclass(frozen=True)
class Notes:
    """n events as parts of their notes. Tensors [n]; samples are of the model's rate.

    time      int64    sample of the event
    first     int64    row of the note's first event
    before    int64    row of the event that this carries on, -1: none
    after     int64    row of the event that carries this on, -1: none
    damped    float64  sample from which decays act, inf where another event follows
    released  float64  sample from which the release acts, inf likewise
    bend      float64  largest ratio of the note's pitch, where the event sounds, to the event's own
    moves     bool     the note's pitch moves
    """

    time: Tensor
    first: Tensor
    before: Tensor
    after: Tensor
    damped: Tensor
    released: Tensor
    bend: Tensor
    moves: Tensor

    def __getitem__(self, rows: Tensor) -> Notes:
        return Notes(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def notes_of(
    controls: MusicControls, time: Tensor, runs: Sequence[NDArray[np.int64]] | None, config: MusicConfig
) -> Notes:
    """time: int64 [n], samples; runs: rows of each note in order of time; None: every event is a note."""
    n, device, rate = len(time), time.device, config.sample_rate
    rows = torch.arange(n, device=device)
    first, none = rows.clone(), torch.full_like(rows, -1)
    before, after = none.clone(), none.clone()
    for run in runs or ():
        if len(run) > 1:
            note = torch.as_tensor(run, device=device)
            first[note] = note[0]
            before[note[1:]], after[note[:-1]] = note[:-1], note[1:]
    ends, infinity = after < 0, torch.tensor(math.inf, dtype=torch.float64, device=device)
    full = time[first] + controls.attack_s[first] * rate
    damped = torch.where(ends, torch.maximum(time.double(), full), infinity)
    released = torch.where(ends, time + controls.duration_s * rate, infinity)
    pitch, depth = controls.f0_semitones.detach(), controls.vibrato_semitones.detach()
    around = [rows, torch.where(before < 0, rows, before), torch.where(ends, rows, after)]
    highest = torch.stack([pitch[r] for r in around]).amax(0) + torch.stack([depth[r] for r in around]).amax(0)
    linked = (before >= 0) | (after >= 0)
    vibrating = torch.zeros(n, dtype=torch.bool, device=device)
    vibrating[first[depth > 0]] = True
    moves = linked | vibrating[first]
    return Notes(time, first, before, after, damped, released, torch.exp2((highest - pitch) / 12.0), moves)


@dataclass(frozen=True)
class Partials:
    """Of n events, K each.

    hz         float64 [n, K]  at the event's own pitch
    ratio      float64 [n, K]  to the fundamental
    amplitude  float32 [n, K]  at full level; 0 where there is no such partial, or it is not heard
    decay_s    float32 [n, K]  T60, seconds
    band_gain  float32 [n, B]  amplitude of each noise band at full level
    """

    hz: Tensor
    ratio: Tensor
    amplitude: Tensor
    decay_s: Tensor
    band_gain: Tensor

    def __getitem__(self, rows: Tensor) -> Partials:
        return Partials(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def partials_of(
    controls: MusicControls, firsts: MusicControls, bend: Tensor, band_power: Tensor, config: MusicConfig
) -> Partials:
    """firsts: controls of the first events of their notes, which give the ratios of all; band_power: float32 [B, B],
    of sums of noise bands (`noise.band_power`)."""
    f0, device = controls.f0_hz, controls.level_db.device
    count = max(1, int(config.top_hz / float(f0.detach().min()))) if len(f0) else 1
    if not bool(firsts.pitched.all()):
        count = max(count, len(MEMBRANE))
    order = torch.arange(1, count + 1, dtype=torch.float64, device=device)
    ratio = order * torch.sqrt(1.0 + firsts.inharmonicity[:, None] * order * order)
    if not bool(firsts.pitched.all()):
        membrane = torch.full((count,), math.inf, dtype=torch.float64, device=device)
        modes = torch.tensor(MEMBRANE, dtype=torch.float64, device=device)
        membrane[: len(modes)] = modes
        ratio = torch.where(firsts.pitched[:, None], ratio, membrane)
    there = ratio.detach() * (f0 * bend).detach()[:, None] < config.top_hz
    there[:, 0] = True  # a fundamental always: f0 is far below
    ratio = torch.where(there, ratio, torch.ones_like(ratio))
    hz = f0[:, None] * ratio

    octaves = torch.log2(hz).float()
    points = np.log2(partial_points_hz(config))
    place = ((octaves - points[0]) / float(points[1] - points[0])).clamp(0.0, config.partial_points - 1.0)
    near = place.detach().long().clamp_max(config.partial_points - 2)
    share = place - near
    level = controls.partial_db.gather(1, near) * (1.0 - share) + controls.partial_db.gather(1, near + 1) * share
    power = torch.where(there, torch.pow(10.0, level / 10.0), torch.zeros_like(level))
    scale = 2.0 * torch.pow(10.0, controls.level_db / 10.0) / power.sum(1)
    amplitude = torch.sqrt(power * scale[:, None] + 1e-30)
    amplitude = torch.where(there & (amplitude > SILENT), amplitude, 0.0)

    low, high = math.log2(config.decay_low_hz), math.log2(config.decay_high_hz)
    share = ((octaves - low) / (high - low)).clamp(0.0, 1.0)
    decay_low, decay_high = torch.log2(controls.decay_low_s)[:, None], torch.log2(controls.decay_high_s)[:, None]
    decay_s = torch.exp2(decay_low + (decay_high - decay_low) * share)

    band = torch.pow(10.0, controls.noise_band_db / 20.0)
    gain = torch.pow(10.0, (controls.level_db + controls.noise_db) / 20.0)
    band_gain = band * (gain / torch.sqrt(torch.einsum("nb,bc,nc->n", band, band_power, band)))[:, None]
    return Partials(hz, ratio, amplitude, decay_s, band_gain)


@functools.lru_cache(maxsize=4)
def start_cycles(count: int) -> Tensor:
    """Phases at the onset of partials 1 … count, cycles, float64: of a golden chirp, which keeps peaks low whatever
    the number of partials."""
    order = torch.arange(1, count + 1, dtype=torch.float64)
    return torch.remainder(GOLDEN * order * order, 1.0)


def falls_silent(
    controls: MusicControls, notes: Notes, partials: Partials, config: MusicConfig
) -> tuple[Tensor, Tensor]:
    """Samples at which the partials and the noise of events that end notes have fallen to `SILENT`, float64 [n]
    each; 0 for what is never louder."""
    damped, released = notes.damped.detach()[:, None], notes.released.detach()[:, None]
    releases = 60.0 / (controls.release_s.detach().double() * config.sample_rate)[:, None]  # dB a sample

    def falls(amplitude: Tensor, decay_s: Tensor) -> Tensor:
        above = 20.0 * torch.log10(amplitude.detach().double() + 1e-20) - 20.0 * math.log10(SILENT)
        decays = 60.0 / (decay_s.detach().double() * config.sample_rate)
        early = torch.where(damped < released, decays, releases)
        begin, both = torch.minimum(damped, released), torch.maximum(damped, released)
        alone = begin + above / early
        together = both + (above - (both - begin) * early) / (decays + releases)
        return torch.where(above > 0, torch.where(alone <= both, alone, together), 0.0).amax(1)

    noise = 2.0 * partials.band_gain.detach().amax(1, keepdim=True)
    return falls(partials.amplitude, partials.decay_s), falls(noise, controls.noise_decay_s[:, None])


class Clock:
    """The cycles of a note's fundamental since its onset: the integral of its pitch, float64.

    The pitch is on a line, in semitones, from event to event, and stays after the last; the vibrato's depth likewise;
    its rate is the first event's, and its phase 0 at the onset.
    """

    def __init__(self, controls: MusicControls, time: Tensor, run: Tensor, stop: int, config: MusicConfig) -> None:
        """run: int64 [m], rows of the note's events; stop: after the last sample that is asked for."""
        rate, at = config.sample_rate, time[run]
        self._onset = int(at[0])
        # steps of NODE samples begin anew with each event, where the lines have their corners
        gaps = torch.cat([at[1:], at[-1:].clamp_min(stop - 1) + 1]) - at
        steps = torch.div(gaps + NODE - 1, NODE, rounding_mode="floor")
        of = torch.repeat_interleave(torch.arange(len(run), device=time.device), steps)
        since = (torch.arange(len(of), device=time.device) - (torch.cumsum(steps, 0) - steps)[of]) * NODE
        self._begin = at[of] - self._onset + since
        self._size = (gaps[of] - since).clamp_max(NODE)
        size = self._size[:, None].double()
        # of a step that an event cuts short, too: beyond it the pitch may run anywhere
        places = size * torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64, device=time.device)
        there = since[:, None] + places  # [steps, 3]

        def line(values: Tensor) -> Tensor:
            rise = torch.cat([values[1:] - values[:-1], torch.zeros_like(values[:1])]) / gaps.clamp_min(1)
            return values[of, None] + rise[of, None] * there

        swing = torch.sin(2.0 * math.pi * controls.vibrato_hz[run[0]] / rate * (self._begin[:, None] + places))
        semitones = line(controls.f0_semitones[run]) + line(controls.vibrato_semitones[run]) * swing
        cycles = F0_REFERENCE_HZ * torch.exp2(semitones / 12.0) * size / rate  # in a step, at this pitch
        whole = (cycles[:, 0] + 4.0 * cycles[:, 1] + cycles[:, 2]) / 6.0  # Simpson
        self._steps = torch.stack([whole, cycles[:, 0], cycles[:, 2]], 1)
        self._value = torch.cumsum(whole, 0) - whole

    def cycles(self, low: int, high: int) -> Tensor:
        """At samples low … high - 1, none before the onset: float64 [high - low]. In a step by cubics (Hermite)."""
        ends = torch.tensor([low - self._onset, high - 1 - self._onset], device=self._begin.device)
        first, last = torch.searchsorted(self._begin, ends, right=True).tolist()
        inside = torch.arange(NODE, device=self._begin.device)
        value, steps, size = (x[first - 1 : last] for x in (self._value, self._steps, self._size))
        values = value[:, None] + steps @ _cubics(inside / NODE).T
        short = torch.nonzero(size < NODE)[:, 0]
        if len(short):
            shares = _cubics(inside.double() / size[short, None])  # [short steps, NODE, 3]
            values = values.index_copy(0, short, value[short, None] + (steps[short, None] * shares).sum(-1))
        there = inside < size[:, None]
        values = values.reshape(-1) if bool(there.all()) else values[there]
        skip = low - self._onset - int(self._begin[first - 1])
        return values[skip : skip + high - low]


def _cubics(share: Tensor) -> Tensor:
    """Weights, at a share of a step, of its rise and of the slopes at both ends: float64 [..., 3]."""
    x = share.double()
    return torch.stack([x * x * (3 - 2 * x), x * (1 - x) ** 2, x * x * (x - 1)], -1)
