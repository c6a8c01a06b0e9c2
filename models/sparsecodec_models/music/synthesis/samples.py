"""The `music` decoder, last part: a channel's notes added up, and the room: any span of its sound."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsecodec_models.dsp.arrays import Array, library_of
from sparsecodec_models.dsp.room import convolve, room_response

from .controls import MusicDecoder
from .noise import NoiseBlocks, band_power
from .notes import NEPERS, Clock, Partials, Rows, band_gains, falls_silent, notes_of, partials_of, start_cycles
from .sinusoids import BLOCK, Waves, read, sinusoids

PARTIALS_AT_ONCE = 2**11  # of all events that are rendered together, so that they stay in a processor's cache
PARTIALS_HELD = 2**16  # of all events, up to which they are kept from span to span


_Line = tuple[Array, Array]
"""What it grows by from sample to sample, and its value at the first: float32, or Python numbers."""


@dataclass(frozen=True)
class _Fades:
    """Of one event: its attack, from its first sample that is heard on; the sample from which its release acts; and the
    exponents of the fall of its noise, from the first sample on, and of its release, from where it acts."""

    attack: _Line
    level: int
    noise: _Line
    release: _Line


class NoteSound:
    """The sound of one channel's events, to be heard from anywhere; with gradients, where they are asked for.

    The gradient to `vibrato_semitones` exists where it is above 0.
    """

    def __init__(
        self,
        decoder: MusicDecoder,
        vector: Array,
        time: Rows,
        *,
        runs: Sequence[Rows] | None = None,
        seed: int,
        channel: int = 0,
        amplitude: NDArray[np.float32] | None = None,
    ) -> None:
        """vector float32 [n, 32]; time int64 [n], samples, ascending; runs: the rows of each note of several events,
        in order of time (`Voices.chains`); None: there is none; seed and channel: of the noise; amplitude: float32 [n],
        None for ones."""
        self._config, self._seed, self._channel = decoder.config, seed, channel
        self._controls = controls = decoder.controls(vector)
        self._xp = xp = library_of(vector)
        self._time, self._amplitude = time, amplitude
        self._notes = notes = notes_of(controls, time, runs, self._config)
        self._runs = {int(run[0]): run for run in runs or () if len(run) > 1}
        self._damped, self._released = xp.numpy(notes.damped), xp.numpy(notes.released)
        self._full = (time + xp.numpy(controls.attack_s) * self._config.sample_rate)[notes.first]
        self._sends = xp.numpy(controls.room_gain) > 0
        f0_hz = xp.numpy(controls.f0_hz)
        self._most = np.maximum(32, np.minimum(self._config.top_hz / f0_hz, 1e4).astype(np.int64))
        self._band_gain = band_gains(controls, xp.asarray(band_power(self._config), vector))
        self._clocks: dict[int, Clock] = {}
        self._ramp = xp.zeros(0, "float32", vector)  # 0, 1, 2 … as far as a span needs it
        self._held: Partials | None = None  # of all events, where they are few
        self._find_spans()

    def spans(self) -> tuple[Rows, Rows]:
        """Samples outside of which each event is silent at any amplitude up to 1, its room with it: int64 [n] each."""
        room = int(self._config.room_seconds * self._config.sample_rate)
        return self._start.copy(), self._stop + room * self._sends

    def _find_spans(self) -> None:
        """Sets where each event is heard without the room, and until when its noise is."""
        xp, before, after = self._xp, self._notes.before, self._notes.after
        self._start = np.where(before < 0, self._time, self._time[before])
        self._stop = np.where(after < 0, self._time + 1, self._time[after])
        self._noise_stop = self._stop.copy()
        gain = 2.0 * xp.numpy(self._band_gain).max(1, initial=0.0)
        damped, released = self._damped, self._released
        release_s = xp.numpy(self._controls.release_s).astype(np.float64)
        noise_decay_s = xp.numpy(self._controls.noise_decay_s)
        rows = np.flatnonzero(after < 0)
        fades = (damped[rows], released[rows], release_s[rows])
        noise = falls_silent(gain[rows], noise_decay_s[rows], *fades, self._config)
        self._noise_stop[rows] = np.maximum(np.ceil(noise).astype(np.int64), self._time[rows])
        self._stop[rows] = np.maximum(self._stop[rows], self._noise_stop[rows])
        if self._most.sum() <= PARTIALS_HELD:
            self._held = self._partials(np.arange(len(self._time)))
        for some in self._groups(rows):
            partials = self._partials(some)
            of = some[partials.event]
            amplitude, decay_s = xp.numpy(partials.amplitude), xp.numpy(partials.decay_s)
            last = falls_silent(amplitude, decay_s, damped[of], released[of], release_s[of], self._config)
            np.maximum.at(self._stop, of, np.ceil(last).astype(np.int64))

    def _groups(self, rows: Rows) -> Iterator[Rows]:
        """The rows in groups of not too many partials."""
        group = np.cumsum(self._most[rows]) // PARTIALS_AT_ONCE
        return (part for part in np.split(rows, np.flatnonzero(np.diff(group)) + 1) if len(part))

    def _partials(self, rows: Rows) -> Partials:
        if self._held is not None:
            return self._held.of_events(rows)
        firsts = self._controls[self._notes.first[rows]]
        return partials_of(self._controls[rows], firsts, self._notes.bend[rows], self._config)

    def samples(
        self, start: int, length: int, *, heard_from: int | None = None, noise: NoiseBlocks | None = None
    ) -> Array:
        """Samples from `start` on: float32 [length].

        heard_from: the sample that the room hears from; None: all that it still answers to. noise: of the span,
        drawn here if None.
        """
        config, xp, like = self._config, self._xp, self._controls.level_db
        begin = start
        has_room = bool(self._sends.any())
        if has_room:
            response = room_response(config.sample_rate, config.room_seconds)
            begin -= len(response)
            begin = begin if heard_from is None else max(begin, heard_from)
        stop = start + length
        heard = (self._start < stop) & (self._stop > np.maximum(begin, self._start))
        if self._amplitude is not None:
            heard &= self._amplitude != 0
        rows = np.flatnonzero(heard)
        notes = set(self._notes.first[rows].tolist())
        self._clocks = {first: clock for first, clock in self._clocks.items() if first in notes}
        dry, wet = (xp.zeros(stop - begin, "float32", like) for _ in range(2))
        lows, highs = np.maximum(begin, self._start), np.minimum(stop, self._stop)
        hissing = np.minimum(highs, self._noise_stop)
        if noise is None or begin < start:
            noisy = rows[hissing[rows] > lows[rows]]
            first, last = int(lows[noisy].min(initial=stop)), int(hissing[noisy].max(initial=begin))
            noise = NoiseBlocks.drawn(self._seed, self._channel, first, last, config, like)
        rows = rows[np.argsort((highs - lows)[rows], kind="stable")]  # blocks of what is made together are as many
        longest = int((highs - lows)[rows].max(initial=0))
        self._ramp = xp.astype(xp.arange(0, longest, like), "float32")
        for some in self._groups(rows):
            held, moves = self._partials(some), self._notes.moves[some]
            of_moving = moves[held.event]
            waves: dict[int, Array] = {}
            for kind, render in ((False, self._steady), (True, self._moving)):
                mine = some[moves == kind]
                if len(mine):
                    part = held if len(mine) == len(some) else held.where(of_moving == kind, moves == kind)
                    waves |= zip(mine.tolist(), render(mine, part, lows[mine], highs[mine]), strict=True)
            at = {row: int(lows[row]) - begin for row in waves}
            noisy = some[hissing[some] > lows[some]]
            gains = xp.taken(self._band_gain, xp.asarray(noisy, like))
            hiss = dict(zip(noisy.tolist(), noise.filtered(gains, lows[noisy], hissing[noisy]), strict=True))
            fades = dict(zip(some.tolist(), self._fades(some, lows[some], highs[some]), strict=True))
            sounds = [self._event(row, wave, begin + at[row], hiss.get(row), fades[row]) for row, wave in waves.items()]
            dry = xp.with_parts(dry, list(at.values()), sounds)
            if has_room:
                sends, room = self._sends, self._controls.room_gain
                sent = [(at[row], sound * room[row]) for row, sound in zip(waves, sounds, strict=True) if sends[row]]
                wet = xp.with_parts(wet, [place for place, _ in sent], [sound for _, sound in sent])
        return (dry + convolve(wet, response) if has_room else dry)[start - begin :]

    def _fades(self, rows: Rows, lows: Rows, highs: Rows) -> list[_Fades]:
        """Of events that are heard from lows to highs."""
        notes, xp, like, rate = self._notes, self._xp, self._controls.level_db, self._config.sample_rate
        ends = notes.after[rows] < 0
        levels = np.where(ends, np.maximum(lows, np.floor(np.where(ends, self._released[rows], 0.0))), highs)
        index, first = xp.asarray(rows, like), xp.asarray(notes.first[rows], like)

        def lines(begin: NDArray[np.generic], origin: Array, slope: Array) -> list[_Line]:
            """From the samples `begin` on slope times the samples after an origin; flat where no fade is."""
            begins = xp.asarray(begin.astype(np.float64), like)
            slope = xp.astype(slope, "float64")
            start = slope * (begins - xp.where(xp.asarray(ends, like), origin, begins))
            return list(zip(xp.astype(slope, "float32"), xp.astype(start, "float32"), strict=True))

        falls = (
            lines(begin, xp.taken(origin, index), (-NEPERS / rate) / xp.taken(t60_s, index))
            for begin, origin, t60_s in (
                (lows, notes.damped, self._controls.noise_decay_s),
                (levels, notes.released, self._controls.release_s),
            )
        )
        grows = xp.astype(1.0 / (xp.taken(self._controls.attack_s, first) * rate), "float32")
        since = xp.asarray((lows - self._time[notes.first[rows]]).astype(np.float32), like)
        attack = list(zip(grows, grows * since, strict=True))
        return list(map(_Fades, attack, levels.astype(np.int64).tolist(), *falls))

    def _event(self, row: int, sound: Array, low: int, hiss: Array | None, fades: _Fades) -> Array:
        """An event from its partials and its noise at full level: float32 [l], from sample `low` on; the noise as far
        as it is heard."""
        notes, xp = self._notes, self._xp
        time, high = int(self._time[row]), low + len(sound)
        ends = notes.after[row] < 0

        def line(count: int, of: _Line) -> Array:
            return self._ramp[:count] * of[0] + of[1]

        if hiss is not None:
            if ends:
                hiss = hiss * xp.exp(xp.clip(line(len(hiss), fades.noise), None, 0.0))
            sound = xp.added(sound, 0, hiss)
        rising = min(high, math.ceil(self._full[row])) - low
        if rising > 0:
            sound = xp.scaled(sound, 0, xp.clip(line(rising, fades.attack), None, 1.0))
        if fades.level < high:
            falling = line(high - fades.level, fades.release)
            sound = xp.scaled(sound, fades.level - low, xp.exp(xp.clip(falling, None, 0.0)))
        if notes.before[row] >= 0 and low < time:
            gap = time - int(self._start[row])
            sound = xp.scaled(sound, 0, line(min(high, time) - low, (1.0 / gap, 1.0 - (time - low) / gap)))
        if not ends and high > time:
            begin, gap = max(low, time), int(self._stop[row]) - time
            sound = xp.scaled(sound, begin - low, line(high - begin, (-1.0 / gap, 1.0 - (begin - time) / gap)))
        amplitude = 1.0 if self._amplitude is None else float(self._amplitude[row])
        return sound if amplitude == 1.0 else sound * amplitude

    def _steady(self, rows: Rows, held: Partials, lows: Rows, highs: Rows) -> list[Array]:
        """The partials of events that are notes, from their samples lows to highs: float32 [l] each."""
        xp, like, rate = self._xp, held.hz, self._config.sample_rate
        anchors = np.ceil(self._damped[rows]).astype(np.int64)
        step = held.hz / rate
        since = xp.asarray((anchors - self._time[rows]).astype(np.float64)[held.event], like)
        late = xp.asarray(anchors.astype(np.float64), like) - xp.taken(self._notes.damped, xp.asarray(rows, like))
        waves = Waves(
            counts=held.counts,
            step=step,
            phase=self._start_cycles(held) + step * since,
            amplitude=held.amplitude,
            damping=NEPERS / rate / held.decay_s,
            late=xp.astype(late, "float32"),
        )
        first, last = (lows - anchors) // BLOCK, -(-(highs - anchors) // BLOCK)
        grids = sinusoids(waves, first, last, 1)
        skips = (lows - anchors - first * BLOCK).tolist()
        return [g[0, k : k + n] for g, k, n in zip(grids, skips, (highs - lows).tolist(), strict=True)]

    def _moving(self, rows: Rows, held: Partials, lows: Rows, highs: Rows) -> list[Array]:
        """The partials of events whose note's pitch moves, likewise: made on a grid of its clock, and read there."""
        notes, xp, like, rate = self._notes, self._xp, held.hz, self._config.sample_rate
        fine = rate / xp.taken(self._controls.f0_hz, xp.asarray(rows, like))  # points a cycle
        points, anchors, lates = [], [], []
        for k, (row, low, high) in enumerate(zip(rows.tolist(), lows.tolist(), highs.tolist(), strict=True)):
            clock = self._clock(int(notes.first[row]))
            point = clock.cycles(low, high) * fine[k]
            points.append(point)
            ends = notes.after[row] < 0  # else none falls yet
            falls = math.ceil(self._damped[row]) if ends else int(self._stop[row])
            at_falls = clock.cycles(falls, falls + 1)[0] * fine[k]
            at_falls = at_falls - (falls - notes.damped[row]) if ends else xp.detach(at_falls) + 3.0
            anchors.append(math.ceil(float(xp.numpy(at_falls))))
            lates.append(anchors[-1] - at_falls)
        step = held.ratio / xp.taken(fine, xp.asarray(held.event, like))  # cycles a point
        anchor = np.array(anchors, np.int64)
        waves = Waves(
            counts=held.counts,
            step=step,
            phase=self._start_cycles(held) + step * xp.asarray(anchor.astype(np.float64)[held.event], like),
            amplitude=held.amplitude,
            damping=NEPERS / rate / held.decay_s,
            late=xp.astype(xp.stack(lates), "float32"),
        )
        ends = np.array([[int(p.min()), int(p.max()) + 2] for p in map(xp.numpy, points)]) - anchor[:, None]
        first = ends[:, 0] // BLOCK
        grids = sinusoids(waves, first, ends[:, 1] // BLOCK + 1, 4)
        places = (anchor + first * BLOCK).tolist()
        return [read(grid, point - place) for grid, point, place in zip(grids, points, places, strict=True)]

    def _start_cycles(self, held: Partials) -> Array:
        """Phases of partials at their notes' onsets, cycles, float64 [P]."""
        return self._xp.asarray(start_cycles(int(held.number.max(initial=1)))[held.number - 1], held.hz)

    def _clock(self, first: int) -> Clock:
        """Of the note that begins with this event; kept from span to span as long as it sounds."""
        if first not in self._clocks:
            run = self._runs.get(first, np.array([first]))
            last = int(run[-1])
            stop = max(int(self._stop[last]), math.ceil(self._damped[last]) + 1)
            self._clocks[first] = Clock(self._controls, self._time, run, stop, self._config)
        return self._clocks[first]


def render(
    decoder: MusicDecoder,
    vector: Array,
    time: Array,
    seed: int,
    length: int,
    *,
    channel: int = 0,
    runs: Sequence[Rows] | None = None,
    noise: NoiseBlocks | None = None,
) -> Array:
    """The first `length` samples of a few events of one channel, as if nothing had been before: float32 [length].

    As for `NoteSound`, but time may be of the library of `vector`; noise: from 0 to `length`, to be drawn once for many
    calls.
    """
    xp = library_of(vector)
    if not len(vector):
        return xp.zeros(length, "float32", vector)
    sound = NoteSound(decoder, vector, xp.numpy(time), runs=runs, seed=seed, channel=channel)
    return sound.samples(0, length, heard_from=0, noise=noise)


def event_spans(
    decoder: MusicDecoder, vector: Array, time: Array, *, runs: Sequence[Rows] | None = None
) -> tuple[Rows, Rows]:
    """Samples outside of which each event is silent, its room with it: first, last (exclusive), int64 [n] each."""
    return NoteSound(decoder, vector, library_of(vector).numpy(time), runs=runs, seed=0).spans()
