"""Second look at a stream: the chosen events fitted to the samples, half window by half window.

First those with even numbers are fitted, of all channels, then those with odd ones, each beside events that are fitted
by then. So half windows of a kind do not depend on each other: threads take one each, and a GPU several at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsecodec_formats.table import EventTable
from sparsecodec_models.at_once import AtOnce
from sparsecodec_models.audio_source import Progress
from sparsecodec_models.speech.config import SpeechConfig
from sparsecodec_models.speech.model import SpeechModel
from sparsecodec_models.speech.synthesis.frames import noise_spectrum
from sparsecodec_models.speech.synthesis.samples import few_events, render
from sparsecodec_models.threads import Threads

from .candidates import WINDOW
from .fit import Events, Part, events_of, fit, levelled, settle
from .operating_points import Point
from .proposals import F0, GLIDE, PHASE, phases_at, tidy

MARGIN = 4096  # samples on either side of a half window that its fit hears, too; whole synthesis frames
SHORTEST = WINDOW // 8  # samples of the last half window, where there is more than one
LEVELLED_TIMES = 2  # what a step of an event's level is of the energy is only about known beforehand
CONTEXT = 3  # events on either side of a half window that its fit has in mind: voices go on there
MOST_AT_ONCE = {"cpu": 1}  # half windows, by the kind of device
ELSEWHERE = 32  # as many take 1 to 2 GB
SHARE_OF_FIT = 0.9  # of the work, before levels are set


def half_windows_at_once(device: torch.device, threads: Threads) -> AtOnce:
    """For `fit_table`, as many as are usual on a device."""
    return AtOnce(MOST_AT_ONCE.get(device.type, ELSEWHERE), "half windows", threads)


@dataclass(frozen=True)
class Fitted:
    """A table's events after a fit.

    vector: float32 [n, 32]; missed: of each channel, what is still wrong at each frame of the encoder from
    `first_frame` on, mean |log10| over mel bands (nothing after the last fit, when nothing can be added).
    """

    vector: NDArray[np.float32]
    missed: list[NDArray[np.float64]]
    first_frame: int

    def missed_at(self, table: EventTable, config: SpeechConfig) -> NDArray[np.float64]:
        """What is still wrong with the sound at each event of another table: float64 [n]. Beyond what was fitted, what
        is at its edge."""
        frame = np.round(table.time * config.sample_rate).astype(np.int64) // config.hop - self.first_frame
        out = np.empty(len(table))
        for channel, missed in enumerate(self.missed):
            mine = table.channel == channel
            out[mine] = missed[frame[mine].clip(0, len(missed) - 1)]
        return out


def fit_table(
    model: SpeechModel,
    table: EventTable,
    at: Point,
    samples: Sequence[NDArray[np.float32]],
    span: tuple[int, int],
    iterations: int,
    *,
    last: bool,
    at_once: AtOnce,
    progress: Progress,
) -> Fitted:
    """A table's events in a span of the recording fitted to it, each channel by itself; those before are final, and
    those after may still change.

    samples: of each channel at the model's rate, float32 [n], from MARGIN before the span on (or from the recording's
    start); span: of samples of the recording, from a frame of the encoder on; iterations: 0 or more; last: whether the
    numbers are put on the quantiser's grid; at_once: how many half windows are worked on together.
    """
    channels = [_Channel(model, table, c, at.step, samples[c], span) for c in range(table.header.streams)]

    def fitted(windows: Sequence[_HalfWindow]) -> list[Tensor]:
        return fit(
            model.decoder,
            model.prior,
            [window.part() for window in windows],
            seed=table.header.seed,
            iterations=iterations,
            quantiser_step=channels[0].step,
            bit_weight=at.bit_weight,
        )

    if iterations:
        _in_turn(channels, fitted, at_once, lambda done: progress(SHARE_OF_FIT * done))
    begun = SHARE_OF_FIT if iterations else 0.0
    if last:
        for channel in channels:
            channel.settle()
        _in_turn(channels, _levelled, at_once, lambda done: progress(begun + (1 - begun) * done))
    missed = [np.zeros(0)] * len(channels) if last else _missed(channels, at_once)
    progress(1.0)
    vector = table.vector.copy()
    for number, channel in enumerate(channels):
        vector[table.channel == number] = channel.vector.cpu().numpy()
    return Fitted(vector, missed, span[0] // model.config.hop)


def _borders(begin: int, stop: int) -> list[int]:
    """Where half windows begin, and where the last ends, samples. A short rest goes with the one before it: by itself
    it would cost nearly as much."""
    borders = [*range(begin, stop, WINDOW // 2), stop]
    if len(borders) > 2 and borders[-1] - borders[-2] < SHORTEST:
        del borders[-2]
    return borders


class _Channel:
    """One channel's events and samples.

    Attributes: vector: float32 [n, 32], as far as the events are fitted; step: float32 [32], the quantiser's.
    """

    def __init__(
        self,
        model: SpeechModel,
        table: EventTable,
        number: int,
        step: float,
        samples: NDArray[np.float32],
        span: tuple[int, int],
    ) -> None:
        """As for `fit_table`."""
        self.model, self.number, self.seed = model, number, table.header.seed
        self.step = torch.full((model.config.vector_dims,), step, device=model.device)
        events = events_of(table, number, model.config.sample_rate, model.device)
        self.vector, self.time = tidy(model.decoder, events.vector, events.time), events.time
        self._unsettled = self.vector
        self._samples, self._first = samples, max(0, span[0] - MARGIN)
        stop = min(span[1], self._first + len(samples))
        self._borders = _borders(span[0], stop)
        self._rows: list[int] = np.searchsorted(self.time.cpu().numpy(), self._borders).tolist()

    def half_windows(self, which: slice, *, empty: bool = False) -> list[_HalfWindow]:
        """Those with these numbers, as things are now. empty: also those without events of their own."""
        rows = self._rows
        numbers = [i for i in range(len(rows) - 1)[which] if empty or rows[i + 1] > rows[i]]
        told = Events(self.vector.clone(), self.time)
        for dim in (F0, GLIDE):  # as they will be decoded
            told.vector[:, dim] = torch.round(told.vector[:, dim] / self.step[dim]) * self.step[dim]
        firsts = [max(0, rows[i] - CONTEXT) for i in numbers]
        phases = phases_at(self.model.decoder, told.vector, told.time, firsts) if len(told) else [0.0] * len(firsts)
        now = Events(self.vector.clone(), self.time)
        return [
            _HalfWindow(self, (rows[i], rows[i + 1]), (self._borders[i], self._borders[i + 1]), now, phase)
            for i, phase in zip(numbers, phases, strict=True)
        ]

    def between(self, begin: int, end: int) -> Tensor:
        """Samples of the recording, zeros where there are none: float32 [end - begin]."""
        out = np.zeros(end - begin, np.float32)
        there = self._samples[begin - self._first : end - self._first]
        out[: len(there)] = there
        return torch.from_numpy(out).to(self.vector.device)

    def settle(self) -> None:
        """Put the events of the span on the quantiser's grid; those after stay."""
        self._unsettled = self.vector
        first, stop = self._rows[0], self._rows[-1]
        before, own, after = (Events(self.vector[rows], self.time[rows]) for rows in _groups(first, stop))
        self.vector = self.vector.clone()
        self.vector[first:stop] = settle(self.model.decoder, before, own, after, self.step)

    def unsettled(self, rows: tuple[int, int]) -> Tensor:
        """Vectors as they were fitted."""
        return self._unsettled[slice(*rows)]


@dataclass(frozen=True)
class _HalfWindow:
    """rows: of the channel's events, first and one past the last; span: samples of the recording; now: all of the
    channel's events; phase: of the first event of the context, which may be in the middle of a voice."""

    channel: _Channel
    rows: tuple[int, int]
    span: tuple[int, int]
    now: Events
    phase: float

    @property
    def begin(self) -> int:
        """The first sample of its part."""
        return max(0, self.span[0] - MARGIN)

    def events(self) -> tuple[Events, Events, Events]:
        """Those before it, its own, and those after it; times count from `begin`."""
        before, own, after = (
            Events(self.now.vector[rows].clone(), self.now.time[rows] - self.begin) for rows in _groups(*self.rows)
        )
        before.vector[:1, PHASE] = self.phase
        return before, own, after

    def part(self) -> Part:
        config, begin, end = self.channel.model.config, self.begin, self.span[1] + MARGIN
        target = self.channel.between(begin, end)
        frame, count = begin // config.frame_hop, (end - begin) // config.frame_hop + 2
        with torch.no_grad():
            noise = noise_spectrum(self.channel.seed, self.channel.number, frame, count, config, target)
        return Part(*self.events(), target, noise)


def _groups(first: int, stop: int) -> tuple[slice, slice, slice]:
    """Rows of some events, and on either side of them those that their fit has in mind."""
    return slice(max(0, first - CONTEXT), first), slice(first, stop), slice(stop, stop + CONTEXT)


def _in_turn(
    channels: Sequence[_Channel],
    work: Callable[[Sequence[_HalfWindow]], Sequence[Tensor]],
    at_once: AtOnce,
    progress: Progress,
) -> None:
    """Work on all half windows with events, first those with even numbers. work: new vectors of the events of some,
    whose targets are of one length."""
    for odd in (0, 1):
        alike: dict[int, list[_HalfWindow]] = defaultdict(list)
        for channel in channels:
            for window in channel.half_windows(slice(odd, None, 2)):
                alike[window.span[1] - window.begin].append(window)
        count, done = sum(map(len, alike.values())), 0
        for windows in alike.values():
            for window, vector in at_once.each(windows, work):
                window.channel.vector[slice(*window.rows)] = vector
                done += 1
                progress((odd + done / count) / 2)


@torch.no_grad()
def _levelled(windows: Sequence[_HalfWindow]) -> list[Tensor]:
    """Vectors on the quantiser's grid, of events that are as loud together, as they are decoded, as their targets are
    in the half windows' own spans."""
    out = []
    for window in windows:
        channel, (before, settled, after) = window.channel, window.events()
        decoder, step, length = channel.model.decoder, channel.step, window.span[1] - window.span[0]
        events = Events(channel.unsettled(window.rows), settled.time)
        wanted = float(channel.between(*window.span).double().square().mean())
        tables = decoder.tables.heard()
        for _ in range(LEVELLED_TIMES):
            every = before.then(settled).then(after)
            sound = few_events(tables, every.vector, every.time, channel.seed)
            got = sound.mean_square(window.span[0] - window.begin, length)
            louder = Events(levelled(decoder, events, settled, wanted, got, step), events.time)
            settled = Events(settle(decoder, before, louder, after, step), events.time)
        out.append(settled.vector)
    return out


def _missed(channels: Sequence[_Channel], at_once: AtOnce) -> list[NDArray[np.float64]]:
    """What is wrong with the events' sound at each frame of the encoder, of each channel: float64 [frames]."""
    windows = [window for channel in channels for window in channel.half_windows(slice(None), empty=True)]
    missed: list[list[NDArray[np.float64]]] = [[np.zeros(0)] for _ in channels]
    for window, at_frames in at_once.each(windows, lambda some: [_missed_in(one) for one in some]):
        missed[window.channel.number].append(at_frames)
    return [np.concatenate(of_channel) for of_channel in missed]


@torch.no_grad()
def _missed_in(window: _HalfWindow) -> NDArray[np.float64]:
    """The same in a half window."""
    part, model = window.part(), window.channel.model
    events, features, hop = part.all_events, model.encoder.features, model.config.hop
    sound = render(
        model.decoder.tables, events.vector, events.time, window.channel.seed, len(part.target), noise=part.noise
    )
    wanted, got = (
        torch.log10(features.mel @ features.spectrogram(samples) ** 2 * features.power_scale + 1e-10)
        for samples in (part.target, sound)
    )
    frames = slice((window.span[0] - window.begin) // hop, -(-(window.span[1] - window.begin) // hop))
    return (wanted - got).abs().mean(0)[frames].double().cpu().numpy()
