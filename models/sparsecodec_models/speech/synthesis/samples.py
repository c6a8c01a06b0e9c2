"""The `speech` decoder, last part: the frames of a channel's voices added up, and the room: any span of its sound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sparsecodec_models.dsp.arrays import Array, library_of
from sparsecodec_models.dsp.room import convolve, room_response
from sparsecodec_models.speech.config import SpeechConfig

from .controls import SpeechControls, SpeechTables
from .frames import frame_powers, noise_spectrum, render_frames, spectra
from .voices import FramePlan, Tracks, follow, plan_frames

FRAMES_AT_ONCE = 2**12  # however many voices sound together, memory is bounded


class ChannelSound:
    """The sound of one channel's events, to be heard from anywhere; with gradients, where they are asked for."""

    def __init__(
        self,
        tables: SpeechTables,
        vector: Array,
        time: Array,
        *,
        seed: int,
        channel: int = 0,
        amplitude: Array | None = None,
        plan: FramePlan | None = None,
        frames_at_once: int | None = FRAMES_AT_ONCE,
        marked: bool = True,
    ) -> None:
        """vector float32 [n, 32]; time int64 [n], samples, ascending; seed and channel: of the noise; amplitude:
        float32 [n], None for ones; plan: where it is known already. frames_at_once: None for a few events, which are
        best rendered all together; marked: as for `follow`."""
        self._tables, self._seed, self._channel, self._amplitude = tables, seed, channel, amplitude
        self._frames_at_once = frames_at_once
        self._controls = tables.controls(vector)
        self._plan = plan_frames(self._controls, time, tables.config) if plan is None else plan
        self._tracks = follow(self._controls, time, self._plan, tables.config, marked=marked)
        self._has_room = bool((library_of(time).detach(self._controls.room_gain) > 0).any())

    def samples(self, start: int, length: int, *, heard_from: int | None = None, noise: Array | None = None) -> Array:
        """Samples from `start` on: float32 [length].

        heard_from: the sample that the room hears from; None: all that it still answers to. noise: of the span's
        frames, as `noise_spectrum` gives them; drawn here if None.
        """
        config, like = self._tables.config, self._controls.level_db
        xp = library_of(like)
        begin = start
        if self._has_room:
            response = room_response(config.sample_rate, config.room_seconds)
            begin -= len(response)  # the room hears what began before
            begin = begin if heard_from is None else max(begin, heard_from)
        length += start - begin
        hop = config.frame_hop
        first, last = max(0, (begin - hop) // hop), (begin + length + hop) // hop + 1
        rows = self._plan.between(first, last)
        if not len(rows):
            return xp.zeros(length, "float32", like)[start - begin :]
        dry = xp.zeros(length, "float32", like)
        wet = xp.zeros(length, "float32", like)  # what goes to the room
        for part in self._parts(rows):
            here, from_frame = noise, first
            if here is None:
                from_frame, until = int(part.plan.frame.min()), int(part.plan.frame.max()) + 1
                here = noise_spectrum(self._seed, self._channel, from_frame, until - from_frame, config, like)
            frames = part.render(self._tables, part.amplitude, here, from_frame)
            dry = dry + overlap_add(frames, part.plan.frame, begin, length, config)
            if self._has_room:
                frames = part.render(self._tables, part.room_gain, here, from_frame)
                wet = wet + overlap_add(frames, part.plan.frame, begin, length, config)
        whole = dry + convolve(wet, response) if self._has_room else dry
        return whole[start - begin :]

    def mean_square(self, start: int, length: int) -> float:
        """Of `samples`; where no room is heard, at a fraction of their price, and within a few hundredths of a decibel
        over a second."""
        if self._has_room:  # what it answers hangs together with what it hears
            return float(library_of(self._tracks.cycles).square(self.samples(start, length)).sum()) / length
        hop = self._tables.config.frame_hop
        rows = self._plan.between(-(-start // hop), -(-(start + length) // hop))
        return sum(part.power(self._tables) for part in self._parts(rows)) * hop / length

    def _parts(self, rows: Array) -> Iterator[_Part]:
        """Rows of the plan, a limited number at once, with only those events that sound in them."""
        if self._frames_at_once is None:
            yield _Part(self._plan[rows], self._tracks[rows], self._controls, self._amplitude)
            return
        xp = library_of(rows)
        for at in range(0, len(rows), self._frames_at_once):
            some = rows[at : at + self._frames_at_once]
            plan = self._plan[some]
            events = xp.unique(xp.clip(xp.concatenate([plan.before, plan.after]), 0, None))
            amplitude = None if self._amplitude is None else self._amplitude[events]
            yield _Part(plan.renumbered(events), self._tracks[some], self._controls[events], amplitude)


@dataclass(frozen=True)
class _Part:
    """Some frames, and the events that sound in them."""

    plan: FramePlan
    tracks: Tracks
    controls: SpeechControls
    amplitude: Array | None

    @property
    def room_gain(self) -> Array:
        """What of each event goes to the room: float32 [n]."""
        gain = self.controls.room_gain
        return gain if self.amplitude is None else self.amplitude * gain

    def render(self, tables: SpeechTables, gain: Array | None, noise: Array, first: int) -> Array:
        """As `render_frames`; gain: float32 [n], None for 1."""
        table = spectra(tables, self.controls, gain)
        return render_frames(tables.config, table, self.plan, self.tracks, noise, first)

    def power(self, tables: SpeechTables) -> float:
        """Mean square of the sound from frame to frame, summed; amplitudes move on a line from one to the next."""
        xp = library_of(self.tracks.cycles)
        table = spectra(tables, self.controls, self.amplitude)
        power = frame_powers(tables.config, table, self.plan, self.tracks)
        size = xp.sqrt(power)
        goes_on = self.plan.first[1:] == self.plan.first[:-1]
        return float(2 * power.sum() + (size[1:] * size[:-1] * goes_on).sum()) / 3


def render(
    tables: SpeechTables,
    vector: Array,
    time: Array,
    seed: int,
    length: int,
    *,
    channel: int = 0,
    plan: FramePlan | None = None,
    noise: Array | None = None,
) -> Array:
    """The first `length` samples of a few events of one channel, as if nothing had been before: float32 [length].

    As for `ChannelSound`.
    """
    if not len(vector):
        return library_of(vector).zeros(length, "float32", vector)
    sound = few_events(tables, vector, time, seed, channel=channel, plan=plan)
    return sound.samples(0, length, heard_from=0, noise=noise)


def few_events(
    tables: SpeechTables, vector: Array, time: Array, seed: int, *, channel: int = 0, plan: FramePlan | None = None
) -> ChannelSound:
    """The sound of a few events of one channel, at least one, as if nothing had been before; as for `ChannelSound`."""
    return ChannelSound(tables, vector, time, seed=seed, channel=channel, plan=plan, frames_at_once=None, marked=False)


def overlap_add(frames: Array, frame: Array, start: int, length: int, config: SpeechConfig) -> Array:
    """Frames float32 [m, frame_size/2] with these numbers (int64 [m]) as samples start … start + length - 1: float32
    [length]; what falls outside is cut."""
    xp, hop = library_of(frames), config.frame_hop
    halves = frames.reshape(-1, 2, hop)  # each between two centres
    first = start // hop
    count = (start + length - 1) // hop + 1 - first
    out = xp.zeros((count, hop), "float32", frames)
    for half, place in ((0, frame - 1 - first), (1, frame - first)):
        inside = xp.nonzero((place >= 0) & (place < count))[0]
        out = out + xp.rows_added_at(place[inside], halves[inside, half], count)
    return out.reshape(-1)[start - first * hop :][:length]
