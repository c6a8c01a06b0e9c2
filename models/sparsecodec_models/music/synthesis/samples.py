"""The `music` decoder, last part: a channel's notes added up, and the room: any span of its sound."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsecodec_models.dsp.room import convolve, room_response

from .controls import MusicDecoder
from .noise import band_power, noise_bands
from .notes import NEPERS, Clock, Partials, falls_silent, notes_of, partials_of, start_cycles
from .sinusoids import Waves, read, sinusoids

BLOCK = 128  # samples of a partial that are made at once
PARTIALS_AT_ONCE = 2**11  # of all events that are rendered together
PARTIALS_HELD = 2**16  # of all events, up to which they are kept from span to span


class NoteSound:
    """The sound of one channel's events, to be heard from anywhere; with gradients, where they are asked for.

    The gradient to `vibrato_semitones` exists where it is above 0.
    """

    def __init__(
        self,
        decoder: MusicDecoder,
        vector: Tensor,
        time: Tensor,
        *,
        runs: Sequence[NDArray[np.int64]] | None = None,
        seed: int,
        channel: int = 0,
        amplitude: Tensor | None = None,
    ) -> None:
        """vector float32 [n, 32]; time int64 [n], samples, ascending; runs: the rows of each note, in order of time
        (`Voices.runs`); None: every event is a note; seed and channel: of the noise; amplitude: float32 [n], None for
        ones."""
        self._config, self._seed, self._channel, self._amplitude = decoder.config, seed, channel, amplitude
        self._controls = controls = decoder.controls(vector)
        self._notes = notes = notes_of(controls, time, runs, self._config)
        self._runs = {int(run[0]): torch.as_tensor(run, device=time.device) for run in runs or () if len(run) > 1}
        self._time, self._first, self._before, self._after = (
            x.cpu().numpy() for x in (notes.time, notes.first, notes.before, notes.after)
        )
        rate = self._config.sample_rate
        self._damped, self._released = (x.detach().cpu().numpy() for x in (notes.damped, notes.released))
        self._full = (notes.time + controls.attack_s * rate)[notes.first].detach().cpu().numpy()
        self._sends = (controls.room_gain.detach() > 0).cpu().numpy()
        self._count = np.minimum(self._config.top_hz / controls.f0_hz.detach().cpu().numpy(), 1e4).astype(np.int64)
        self._clocks: dict[int, Clock] = {}
        self._held: Partials | None = None  # of all events, where they are few
        self._find_spans()

    def spans(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Samples outside of which each event is silent at any amplitude up to 1, its room with it: int64 [n] each."""
        room = int(self._config.room_seconds * self._config.sample_rate)
        return self._start.copy(), self._stop + room * self._sends

    def _find_spans(self) -> None:
        """Sets where each event is heard without the room, and until when its noise is."""
        self._start = np.where(self._before < 0, self._time, self._time[self._before])
        self._stop = np.where(self._after < 0, self._time + 1, self._time[self._after])
        self._noise_stop = self._stop.copy()
        n = len(self._time)
        if n * self._count.max(initial=0) <= PARTIALS_HELD:
            self._held = self._partials(torch.arange(n, device=self._notes.time.device))
        for rows in self._groups(np.arange(n)):
            index = torch.as_tensor(rows, device=self._notes.time.device)
            partials = self._partials(index)
            mine = index[self._notes.after[index] < 0]
            fallen = falls_silent(
                self._controls[mine], self._notes[mine], partials[self._notes.after[index] < 0], self._config
            )
            last, noise = (np.ceil(x.cpu().numpy()).astype(np.int64) for x in fallen)
            some = mine.cpu().numpy()
            self._noise_stop[some] = np.maximum(noise, self._time[some])
            self._stop[some] = np.maximum(self._stop[some], np.maximum(last, noise))

    def _groups(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """The rows in groups of not too many partials; what is alike comes together."""
        rows = rows[np.argsort(self._count[rows], kind="stable")]
        while len(rows):
            some = self._count[rows[:PARTIALS_AT_ONCE]]
            size = max(1, int(np.searchsorted(some * np.arange(1, len(some) + 1), PARTIALS_AT_ONCE)))
            yield rows[:size]
            rows = rows[size:]

    def _partials(self, rows: Tensor) -> Partials:
        if self._held is not None:
            return self._held[rows]
        firsts = self._controls[self._notes.first[rows]]
        power = band_power(self._config).to(rows.device)
        return partials_of(self._controls[rows], firsts, self._notes.bend[rows], power, self._config)

    def samples(self, start: int, length: int, *, heard_from: int | None = None, noise: Tensor | None = None) -> Tensor:
        """Samples from `start` on: float32 [length].

        heard_from: the sample that the room hears from; None: all that it still answers to. noise: the noise bands of
        the span, as `noise_bands` gives them; drawn here if None.
        """
        config, device = self._config, self._controls.level_db.device
        begin = start
        has_room = bool(self._sends.any())
        if has_room:
            response = room_response(config.sample_rate, config.room_seconds)
            begin -= len(response)
            begin = begin if heard_from is None else max(begin, heard_from)
        stop = start + length
        heard = (self._start < stop) & (self._stop > np.maximum(begin, self._start))
        if self._amplitude is not None:
            heard &= (self._amplitude.detach() != 0).cpu().numpy()
        rows = np.flatnonzero(heard)
        notes = set(self._first[rows].tolist())
        self._clocks = {first: clock for first, clock in self._clocks.items() if first in notes}
        if noise is None or begin < start:
            last = int(np.minimum(self._noise_stop[rows], stop).max(initial=begin))
            noise = noise_bands(self._seed, self._channel, begin, last - begin, config, device)
        dry, wet = (torch.zeros(stop - begin, device=device) for _ in range(2))
        for some in self._groups(rows):
            held = self._partials(torch.as_tensor(some, device=device))
            moves = self._notes.moves.cpu().numpy()[some]
            waves = [
                *self._steady(some[~moves], held[torch.from_numpy(~moves).to(device)], begin, stop),
                *self._moving(some[moves], held[torch.from_numpy(moves).to(device)], begin, stop),
            ]
            order = np.concatenate([np.flatnonzero(~moves), np.flatnonzero(moves)]).tolist()
            places = [max(begin, int(self._start[some[k]])) - begin for k in order]
            sounds = [
                self._event(int(some[k]), wave, held.band_gain[k], begin + place, noise[:, place:])
                for k, wave, place in zip(order, waves, places, strict=True)
            ]
            dry = _added(dry, places, sounds)
            if has_room:
                sent = [k for k, row in enumerate(order) if self._sends[some[row]]]
                gains = [self._controls.room_gain[some[order[k]]] for k in sent]
                wet = _added(wet, [places[k] for k in sent], [sounds[k] * g for k, g in zip(sent, gains, strict=True)])
        return (dry + convolve(wet, response) if has_room else dry)[start - begin :]

    def _event(self, row: int, sound: Tensor, band_gain: Tensor, low: int, noise: Tensor) -> Tensor:
        """An event from its partials at full level (float32 [l], from sample `low` on) and the noise bands there."""
        notes, controls, rate = self._notes, self._controls, self._config.sample_rate
        time, high = int(self._time[row]), low + len(sound)
        ends = self._after[row] < 0
        at = torch.arange(low - time, high - time, dtype=torch.float32, device=sound.device)
        until = min(high, int(self._noise_stop[row])) - low
        if until > 0:
            hiss = band_gain @ noise[:, :until]
            if ends:
                since = (at[:until] - (notes.damped[row] - time).float()).clamp_min(0.0)
                hiss = hiss * torch.exp(since * (-NEPERS / rate / controls.noise_decay_s[row]))
            noisy, plain = sound.split([until, len(sound) - until])
            sound = torch.cat([noisy + hiss, plain])
        rising = min(high, math.ceil(self._full[row])) - low
        if rising > 0:
            first = self._first[row]
            attack = (controls.attack_s[first] * rate).float()
            ramp = ((at[:rising] + int(time - self._time[first])) / attack).clamp_max(1.0)
            rise, plain = sound.split([rising, len(sound) - rising])
            sound = torch.cat([rise * ramp, plain])
        level = max(0, math.floor(self._released[row]) - low) if ends else len(sound)
        if level < len(sound):
            since = (at[level:] - (notes.released[row] - time).float()).clamp_min(0.0)
            plain, fall = sound.split([level, len(sound) - level])
            sound = torch.cat([plain, fall * torch.exp(since * (-NEPERS / rate / controls.release_s[row]))])
        if self._before[row] >= 0 and low < time:
            sound = sound * (1.0 + at / (time - int(self._start[row]))).clamp_max(1.0)
        if not ends and high > time:
            sound = sound * (1.0 - at.clamp_min(0.0) / (int(self._stop[row]) - time))
        return sound if self._amplitude is None else sound * self._amplitude[row]

    def _steady(self, rows: NDArray[np.int64], held: Partials, begin: int, stop: int) -> list[Tensor]:
        """The partials of events that are notes, by their samples from begin to stop: float32 [l] each."""
        if not len(rows):
            return []
        device, rate = held.hz.device, self._config.sample_rate
        anchors = np.ceil(self._damped[rows]).astype(np.int64)
        lows, highs = np.maximum(begin, self._start[rows]), np.minimum(stop, self._stop[rows])
        step = held.hz / rate
        since = torch.from_numpy(anchors - self._time[rows]).to(device)
        index = torch.from_numpy(rows).to(device)
        waves = Waves(
            step=step,
            phase=start_cycles(step.shape[1]).to(device) + step * since[:, None],
            amplitude=held.amplitude,
            damping=NEPERS / rate / held.decay_s,
            late=(torch.from_numpy(anchors).to(device) - self._notes.damped[index]).float(),
        )
        first, last = (lows - anchors) // BLOCK, -(-(highs - anchors) // BLOCK)
        grids = sinusoids(waves, first, last, BLOCK, 1)
        skips = (lows - anchors - first * BLOCK).tolist()
        return [g[0, k : k + n] for g, k, n in zip(grids, skips, (highs - lows).tolist(), strict=True)]

    def _moving(self, rows: NDArray[np.int64], held: Partials, begin: int, stop: int) -> list[Tensor]:
        """The partials of events whose note's pitch moves, likewise: made on a grid of its clock, and read there."""
        if not len(rows):
            return []
        notes, device, rate = self._notes, held.hz.device, self._config.sample_rate
        fine = rate / self._controls.f0_hz[torch.from_numpy(rows).to(device)]  # points a cycle
        points, anchors, lates = [], [], []
        for k, row in enumerate(rows.tolist()):
            low, high = max(begin, int(self._start[row])), min(stop, int(self._stop[row]))
            falls = math.ceil(self._damped[row]) if self._after[row] < 0 else 0
            clock = self._clock(int(self._first[row]))
            point = clock.cycles(low, high) * fine[k]
            points.append(point)
            if falls:
                at_falls = clock.cycles(falls, falls + 1)[0] * fine[k]
                at_falls = at_falls - (falls - notes.damped[row])
                anchors.append(math.ceil(float(at_falls.detach())))
                lates.append(anchors[-1] - at_falls)
            else:  # none falls yet
                anchors.append(int(point.max()) + 3)
                lates.append(torch.zeros_like(fine[k]))
        step = held.ratio / fine[:, None]  # cycles a point
        anchor = torch.tensor(anchors, device=device)
        waves = Waves(
            step=step,
            phase=start_cycles(step.shape[1]).to(device) + step * anchor[:, None],
            amplitude=held.amplitude,
            damping=NEPERS / rate / held.decay_s,
            late=torch.stack(lates).float(),
        )
        ends = np.array([[int(point.min()), int(point.max()) + 2] for point in points]) - np.array(anchors)[:, None]
        firsts = ends[:, 0] // BLOCK
        grids = sinusoids(waves, firsts, ends[:, 1] // BLOCK + 1, BLOCK, 4)
        return [
            read(grid, point - (place + int(skip) * BLOCK))
            for grid, point, place, skip in zip(grids, points, anchors, firsts, strict=True)
        ]

    def _clock(self, first: int) -> Clock:
        """Of the note that begins with this event; kept from span to span as long as it sounds."""
        if first not in self._clocks:
            run = self._runs.get(first, torch.tensor([first], device=self._notes.time.device))
            last = int(run[-1])
            stop = max(int(self._stop[last]), math.ceil(self._damped[last]) + 1)
            self._clocks[first] = Clock(self._controls, self._notes.time, run, stop, self._config)
        return self._clocks[first]


def render(
    decoder: MusicDecoder,
    vector: Tensor,
    time: Tensor,
    seed: int,
    length: int,
    *,
    channel: int = 0,
    runs: Sequence[NDArray[np.int64]] | None = None,
    noise: Tensor | None = None,
) -> Tensor:
    """The first `length` samples of a few events of one channel, as if nothing had been before: float32 [length].

    As for `NoteSound`; noise: `noise_bands` from 0 to `length`, to be drawn once for many calls.
    """
    if not len(vector):
        return torch.zeros(length, device=vector.device)
    sound = NoteSound(decoder, vector, time, runs=runs, seed=seed, channel=channel)
    return sound.samples(0, length, heard_from=0, noise=noise)


@torch.no_grad()
def event_spans(
    decoder: MusicDecoder, vector: Tensor, time: Tensor, *, runs: Sequence[NDArray[np.int64]] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Samples outside of which each event is silent, its room with it: first, last (exclusive), int64 [n] each."""
    return NoteSound(decoder, vector, time, runs=runs, seed=0).spans()


class _Sum(torch.autograd.Function):
    """Sounds added at their places: as many slices, and no copy of the whole for each."""

    @staticmethod
    def forward(ctx: Any, whole: Tensor, places: tuple[int, ...], *sounds: Tensor) -> Tensor:
        ctx.spans = [(place, place + len(sound)) for place, sound in zip(places, sounds, strict=True)]
        out = whole.clone()
        for (low, high), sound in zip(ctx.spans, sounds, strict=True):
            out[low:high] += sound
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return gradient, None, *(gradient[low:high] for low, high in ctx.spans)


def _added(whole: Tensor, places: list[int], sounds: list[Tensor]) -> Tensor:
    """whole float32 [n] plus sounds that begin at these places of it."""
    if not sounds:
        return whole
    out: Tensor = _Sum.apply(whole, tuple(places), *sounds)
    return out
