"""Second look at a stream: the chosen events fitted to the samples, half window by half window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsecodec_formats.table import EventTable
from sparsecodec_models.audio_source import Progress
from sparsecodec_models.dsp.sample_buffer import SampleBuffer
from sparsecodec_models.speech.config import SpeechConfig
from sparsecodec_models.speech.model import SpeechModel
from sparsecodec_models.speech.synthesis.frames import noise_spectrum
from sparsecodec_models.speech.synthesis.samples import render

from .candidates import WINDOW
from .fit import Events, events_of, fit, levelled, settle
from .operating_points import Point
from .proposals import PHASE, phase_at, tidy

MARGIN = 4096  # samples on either side of a half window that its fit hears, too; whole synthesis frames
LEVELLED_TIMES = 2  # what a step of an event's level is of the energy is only about known beforehand
CONTEXT = 3  # events on either side of a half window that its fit has in mind: voices go on there


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
    progress: Progress,
) -> Fitted:
    """A table's events in a span of the recording fitted to it, each channel by itself; those before are final, and
    those after may still change.

    samples: of each channel at the model's rate, float32 [n], from MARGIN before the span on (or from the recording's
    start); span: of samples of the recording; last: whether the numbers are put on the quantiser's grid.
    """
    vector, missed = table.vector.copy(), []
    for channel in range(table.header.streams):
        events = events_of(table, channel, model.config.sample_rate, model.device)
        fitter = StreamFitter(
            model,
            Events(tidy(model.decoder, events.vector, events.time), events.time),
            iterations=iterations,
            quantiser_step=torch.full((model.config.vector_dims,), at.step, device=model.device),
            seed=table.header.seed,
            channel=channel,
            last=last,
            bit_weight=at.bit_weight,
            span=span,
        )
        for begin in range(0, len(samples[channel]), WINDOW // 2):
            fitter.push(samples[channel][begin : begin + WINDOW // 2])
            progress((channel + min(1.0, (begin + WINDOW // 2) / len(samples[channel]))) / table.header.streams)
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
        until = self._done + WINDOW // 2
        return until if self._stop is None else min(until, self._stop)

    def _advance(self, until: int) -> None:
        """Fit the events from the last half window's end to `until`, between those before, which are final, and those
        after, which may still change."""
        first, stop = np.searchsorted(self._time, [self._done, until]).tolist()
        begin = max(0, self._done - MARGIN)
        length = until + MARGIN - begin
        if stop > first or not self._last:
            rows = slice(max(0, first - CONTEXT), first), slice(first, stop), slice(stop, stop + CONTEXT)
            before, mine, after = (Events(self.vector[r].clone(), self._events.time[r] - begin) for r in rows)
            before.vector[:1, PHASE] = self._phase
            config = self._model.config
            target = self._stream.between(begin, begin + length)
            with torch.no_grad():
                frame, count = begin // config.frame_hop, length // config.frame_hop + 2
                noise = noise_spectrum(self._seed, self._channel, frame, count, config, self.vector)
            vector = fit(
                self._model.decoder,
                self._model.prior,
                before,
                mine,
                after,
                target,
                noise,
                seed=self._seed,
                iterations=self._iterations,
                quantiser_step=self._quantiser_step,
                bit_weight=self._bit_weight,
                last=False,
            )
            mine = Events(vector, mine.time)
            if self._last:
                own = slice(self._done - begin, until - begin)
                mine = self._settled(before, mine, after, target, noise, own)
            self.vector[first:stop] = mine.vector
            known = before.then(mine)
            if len(known) > CONTEXT:
                self._phase = phase_at(self._model.decoder, known.vector, known.time, len(known) - CONTEXT)
            if not self._last:
                every = before.then(mine).then(after)
                missed = self._missed(every, target, noise)
                frames = slice((self._done - begin) // config.hop, -(-(until - begin) // config.hop))
                self.missed += missed[frames].tolist()
        self._done = until
        self._stream.forget(until - MARGIN)

    @torch.no_grad()
    def _settled(
        self, before: Events, events: Events, after: Events, target: Tensor, noise: Tensor, own: slice
    ) -> Events:
        """Events on the quantiser's grid, as loud together as the target is in `own`, samples."""
        decoder, step = self._model.decoder, self._quantiser_step
        settled = Events(settle(decoder, before, events, after, step), events.time)
        for _ in range(LEVELLED_TIMES):
            every = before.then(settled).then(after)
            sound = render(decoder.tables, every.vector, every.time, self._seed, len(target), noise=noise)
            vector = levelled(decoder, events, settled, target[own], sound[own], step)
            settled = Events(settle(decoder, before, Events(vector, events.time), after, step), events.time)
        return settled

    @torch.no_grad()
    def _missed(self, events: Events, target: Tensor, noise: Tensor) -> Tensor:
        """What is wrong with the events' sound at each frame: float32 [frames]."""
        sound = render(self._model.decoder.tables, events.vector, events.time, self._seed, len(target), noise=noise)
        features = self._model.encoder.features
        wanted, got = (
            torch.log10(features.mel @ features.spectrogram(samples) ** 2 * features.power_scale + 1e-10)
            for samples in (target, sound)
        )
        return (wanted - got).abs().mean(0)
