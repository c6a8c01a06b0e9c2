"""Second look at a stream: the chosen events fitted to the samples, half window by half window.

On the CPU one half window follows the other, and each knows what came of those before. On other devices all
half windows with even numbers are fitted together, then those with odd ones, each beside events that are fitted by
then; of all channels, but no more at once than memory holds.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsecodec_formats.table import EventTable
from sparsecodec_models.at_once import AtOnce
from sparsecodec_models.audio_source import Progress
from sparsecodec_models.dsp.sample_buffer import SampleBuffer
from sparsecodec_models.speech.config import SpeechConfig
from sparsecodec_models.speech.model import SpeechModel
from sparsecodec_models.speech.synthesis.frames import noise_spectrum
from sparsecodec_models.speech.synthesis.samples import few_events, render

from .candidates import WINDOW
from .fit import Events, Part, events_of, fit, levelled, settle
from .operating_points import Point
from .proposals import F0, GLIDE, PHASE, phases_at, tidy

MARGIN = 4096  # samples on either side of a half window that its fit hears, too; whole synthesis frames
LEVELLED_TIMES = 2  # what a step of an event's level is of the energy is only about known beforehand
CONTEXT = 3  # events on either side of a half window that its fit has in mind: voices go on there
MOST_AT_ONCE = {"cpu": 1}  # half windows, by the kind of device
ELSEWHERE = 32  # as many take 1 to 2 GB
SHARE_TOGETHER = 0.9  # of the work, where half windows are fitted together


def half_windows_at_once(device: torch.device) -> AtOnce:
    """For `fit_table`, as many as are usual on a device."""
    return AtOnce(MOST_AT_ONCE.get(device.type, ELSEWHERE), "half windows")


def next_border(done: int, stop: int, config: SpeechConfig) -> int:
    """Where the next half window ends, so that all up to `stop` are about equally long: a short one costs nearly as
    much as a long one. Samples, from frames of the encoder on."""
    count = max(1, round((stop - done) / (WINDOW // 2)))
    return min(stop, done + math.ceil((stop - done) / (count * config.hop)) * config.hop)


@dataclass(frozen=True)
class Fitted:
    """A table's events after a fit.

    vector: float32 [n, 32]; missed: of each channel, what is still wrong at each frame of the encoder (see
    `StreamFitter`), from `first_frame` on.
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
    start); span: of samples of the recording; last: whether the numbers are put on the quantiser's grid; at_once: how
    many half windows are fitted together, and if it is more than one, not in their order.
    """
    vector, missed = table.vector.copy(), []
    every = [events_of(table, c, model.config.sample_rate, model.device) for c in range(table.header.streams)]
    every = [Events(tidy(model.decoder, events.vector, events.time), events.time) for events in every]
    step = torch.full((model.config.vector_dims,), at.step, device=model.device)
    seed, begun = table.header.seed, 0.0
    if at_once.most > 1 and iterations:
        channels = [
            _Channel(model, events, samples[channel], span, seed=seed, channel=channel, quantiser_step=step)
            for channel, events in enumerate(every)
        ]

        def work(windows: Sequence[_HalfWindow]) -> list[Tensor]:
            return fit(
                model.decoder,
                model.prior,
                [window.part for window in windows],
                seed=seed,
                iterations=iterations,
                quantiser_step=step,
                bit_weight=at.bit_weight,
            )

        _fit_together(channels, work, at_once, lambda done: progress(SHARE_TOGETHER * done))
        every = [replace(events, vector=of.vector) for events, of in zip(every, channels, strict=True)]
        iterations, begun = 0, SHARE_TOGETHER  # what is left to do is to settle them, in their order
    for channel, events in enumerate(every):
        fitter = StreamFitter(
            model,
            events,
            iterations=iterations,
            quantiser_step=step,
            seed=seed,
            channel=channel,
            last=last,
            bit_weight=at.bit_weight,
            span=span,
        )
        for begin in range(0, len(samples[channel]), WINDOW // 2):
            fitter.push(samples[channel][begin : begin + WINDOW // 2])
            done = (channel + min(1.0, (begin + WINDOW // 2) / len(samples[channel]))) / table.header.streams
            progress(begun + (1 - begun) * done)
        fitter.finish()
        vector[table.channel == channel] = fitter.vector.cpu().numpy()
        missed.append(np.array(fitter.missed))
    return Fitted(vector, missed, span[0] // model.config.hop)


class StreamFitter:
    """Fits one channel's events while its samples go by. Memory does not grow with the stream, and the result does not
    depend on how it is cut in blocks.

    Attributes, of as much of the stream as has been fitted; all of it after `finish`: vector: float32 [n, 32]; missed:
    what is still wrong at each frame of the encoder, mean |log10| over mel bands (not after the last fit, when nothing
    can be added).
    """

    def __init__(
        self,
        model: SpeechModel,
        events: Events,
        *,
        iterations: int,
        quantiser_step: Tensor,
        seed: int,
        channel: int = 0,
        last: bool = True,
        bit_weight: float,
        span: tuple[int, int | None] = (0, None),
    ) -> None:
        """span: samples of the stream whose events are fitted, from a frame of the encoder on; the first that is pushed
        is MARGIN before.

        events: all of the channel's, or those about the span; iterations: 0 or more; quantiser_step: float32 [32]; seed
        and channel: of the file's noise; last: whether the numbers are put on the quantiser's grid; bit_weight: price
        of a bit.
        """
        self._model, self._events, self._iterations, self._last = model, events, iterations, last
        self._quantiser_step, self._seed, self._channel = quantiser_step, seed, channel
        self._bit_weight = bit_weight
        self.vector = events.vector.clone()
        self._time = events.time.cpu().numpy()
        self.missed: list[float] = []
        self._phase = 0.0  # of the first event of the context, vector units: it may be in the middle of a voice
        self._done, self._stop = span  # samples whose events are fitted, and are to be
        self._stream = SampleBuffer(events.vector.device, max(0, self._done - MARGIN))

    def push(self, block: NDArray[np.float32]) -> None:
        """Take float32 [n]."""
        for _ in self._stream.append(block, WINDOW // 2):
            while (until := self._until()) > self._done and self._stream.end >= until + MARGIN:
                self._advance(until)

    def finish(self) -> None:
        """The stream has ended, or as much of it as the span needs is there."""
        while (until := min(self._until(), self._stream.end)) > self._done:
            self._advance(until)

    def _until(self) -> int:
        """Where the next half window ends."""
        return (
            self._done + WINDOW // 2 if self._stop is None else next_border(self._done, self._stop, self._model.config)
        )

    def _advance(self, until: int) -> None:
        """Fit the events from the last half window's end to `until`, between those before, which are final, and those
        after, which may still change."""
        first, stop = np.searchsorted(self._time, [self._done, until]).tolist()
        begin = max(0, self._done - MARGIN)
        if stop > first or not self._last:
            events = Events(self.vector, self._events.time)
            part = _part(
                self._model, events, (first, stop), self._stream, (begin, until + MARGIN), self._seed, self._channel
            )
            part.before.vector[:1, PHASE] = self._phase
            (vector,) = fit(
                self._model.decoder,
                self._model.prior,
                [part],
                seed=self._seed,
                iterations=self._iterations,
                quantiser_step=self._quantiser_step,
                bit_weight=self._bit_weight,
            )
            part = replace(part, events=Events(vector, part.events.time))
            if self._last:
                part = self._settled(part, slice(self._done - begin, until - begin))
            self.vector[first:stop] = part.events.vector
            known = part.before.then(part.events)
            if len(known) > CONTEXT:
                (self._phase,) = phases_at(self._model.decoder, known.vector, known.time, [len(known) - CONTEXT])
            if not self._last:
                hop = self._model.config.hop
                frames = slice((self._done - begin) // hop, -(-(until - begin) // hop))
                self.missed += self._missed(part)[frames].tolist()
        self._done = until
        self._stream.forget(until - MARGIN)

    @torch.no_grad()
    def _settled(self, part: Part, own: slice) -> Part:
        """Events on the quantiser's grid, as loud together as the target is in `own`, samples."""
        decoder, step = self._model.decoder, self._quantiser_step
        events, target = part.events, part.target
        settled = Events(settle(decoder, part.before, events, part.after, step), events.time)
        wanted = float(target[own].double().square().mean()) if len(target[own]) else 0.0
        for _ in range(LEVELLED_TIMES):
            every = part.before.then(settled).then(part.after)
            sound = few_events(decoder.tables, every.vector, every.time, self._seed)
            got = sound.mean_square(own.start, own.stop - own.start)
            louder = Events(levelled(decoder, events, settled, wanted, got, step), events.time)
            settled = Events(settle(decoder, part.before, louder, part.after, step), events.time)
        return replace(part, events=settled)

    @torch.no_grad()
    def _missed(self, part: Part) -> Tensor:
        """What is wrong with the events' sound at each frame: float32 [frames]."""
        decoder, events, target = self._model.decoder, part.all_events, part.target
        sound = render(decoder.tables, events.vector, events.time, self._seed, len(target), noise=part.noise)
        features = self._model.encoder.features
        wanted, got = (
            torch.log10(features.mel @ features.spectrogram(samples) ** 2 * features.power_scale + 1e-10)
            for samples in (target, sound)
        )
        return (wanted - got).abs().mean(0)


def _part(
    model: SpeechModel,
    events: Events,
    rows: tuple[int, int],
    stream: SampleBuffer,
    span: tuple[int, int],
    seed: int,
    channel: int,
) -> Part:
    """A part of a stream to fit events to: `rows` of a channel's, first and one past the last. span: of samples."""
    (first, stop), (begin, end), config = rows, span, model.config
    groups = slice(max(0, first - CONTEXT), first), slice(first, stop), slice(stop, stop + CONTEXT)
    before, mine, after = (Events(events.vector[r].clone(), events.time[r] - begin) for r in groups)
    target = stream.between(begin, end)
    with torch.no_grad():
        frame, count = begin // config.frame_hop, (end - begin) // config.frame_hop + 2
        noise = noise_spectrum(seed, channel, frame, count, config, events.vector)
    return Part(before, mine, after, target, noise)


class _Channel:
    """One channel's events and samples, to be fitted in any order. Attribute vector: float32 [n, 32], as far as they
    are fitted."""

    def __init__(
        self,
        model: SpeechModel,
        events: Events,
        samples: NDArray[np.float32],
        span: tuple[int, int],
        *,
        seed: int,
        channel: int,
        quantiser_step: Tensor,
    ) -> None:
        """As for `StreamFitter`; samples: from MARGIN before the span on."""
        self._model, self._time, self._seed, self._channel = model, events.time, seed, channel
        self._step, self.vector = quantiser_step, events.vector.clone()
        begin, stop = span
        self._stream = SampleBuffer(events.vector.device, max(0, begin - MARGIN))
        for _ in self._stream.append(samples, max(1, len(samples))):
            pass
        self._borders, stop = [begin], min(stop, self._stream.end)
        while self._borders[-1] < stop:
            self._borders.append(next_border(self._borders[-1], stop, model.config))

    def half_windows(self, from_: int) -> list[_HalfWindow]:
        """Every second one from this number on, but those without events of their own."""
        rows = np.searchsorted(self._time.cpu().numpy(), self._borders).tolist()
        numbers = [i for i in range(from_, len(rows) - 1, 2) if rows[i + 1] > rows[i]]
        if not numbers:
            return []
        told = Events(self.vector.clone(), self._time)
        for dim in (F0, GLIDE):  # as they will be decoded
            told.vector[:, dim] = torch.round(told.vector[:, dim] / self._step[dim]) * self._step[dim]
        phases = phases_at(self._model.decoder, told.vector, told.time, [max(0, rows[i] - CONTEXT) for i in numbers])
        windows = []
        for i, phase in zip(numbers, phases, strict=True):
            span = max(0, self._borders[i] - MARGIN), self._borders[i + 1] + MARGIN
            events = Events(self.vector, self._time)
            part = _part(self._model, events, (rows[i], rows[i + 1]), self._stream, span, self._seed, self._channel)
            part.before.vector[:1, PHASE] = phase
            windows.append(_HalfWindow(self, slice(rows[i], rows[i + 1]), part))
        return windows


@dataclass(frozen=True)
class _HalfWindow:
    """rows: of the channel's events, those that are fitted in this part."""

    channel: _Channel
    rows: slice
    part: Part


def _fit_together(
    channels: Sequence[_Channel],
    work: Callable[[Sequence[_HalfWindow]], Sequence[Tensor]],
    at_once: AtOnce,
    progress: Progress,
) -> None:
    """Fit all half windows. work: the vectors that a fit makes of those of some, whose targets are of one length."""
    for odd in (0, 1):
        alike: dict[int, list[_HalfWindow]] = defaultdict(list)
        for channel in channels:
            for window in channel.half_windows(odd):
                alike[len(window.part.target)].append(window)
        count, done = sum(map(len, alike.values())), 0
        for windows in alike.values():
            for window, vector in at_once.each(windows, work):
                window.channel.vector[window.rows] = vector
                done += 1
                progress((odd + done / count) / 2)
