"""From audio to events, stage by stage: candidates → ranking → operating point → choice → fit → table on the grid.

A recording is worked through in stretches, and read once: what could be an event is found as the samples come, and all
later stages look at a stretch, at what was settled before it, and at a little of what follows. A voice goes on from
one stretch to the next, and so does what may be spent. A recording of up to three minutes is one stretch.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.edit import keep_bytes
from sparsecodec_formats.header import Header
from sparsecodec_formats.quantiser import dequantise, quantise
from sparsecodec_formats.table import EventTable
from sparsecodec_models.audio_source import ModelRateAudio
from sparsecodec_models.codec import RateTarget
from sparsecodec_models.parts import Budget, LiveBudget, SharedBudget, WholeBudget, ends_of_parts
from sparsecodec_models.speech.model import SpeechModel
from sparsecodec_models.threads import Threads

from .candidates import WINDOW, CandidateFinder, Candidates, Places
from .operating_points import DEFAULT_EIGHTH, EIGHTHS, Point, RateControl, point, usual_eighth
from .ranking import Ranking
from .snr_stop import SnrStop
from .stream_fit import CONTEXT, MARGIN, Fitted, fit_table, half_windows_at_once

LEAST_ITERATIONS_TWICE = 4  # fits of so many iterations are done in two halves
GROWTH = 1.17  # of a file by the fit, on validation
LOOKED, LOOKED_ALONE = 0.1, 0.9  # share of the work that finding candidates is, before a fit and without one

STRETCH_S = 120  # whole windows of the file: no block lies in two stretches
LIVE_STRETCH_S = 2.5  # a quarter of a window
LOOK_AHEAD = 2**15  # samples after a stretch whose candidates it knows of
LIVE_AHEAD = 2**15  # samples after these that are heard for them
LOUDEST_S = 120.0  # how long what was loud makes what is soft count less
NEAR_USUAL = 6  # eighths: how far from that of most speech the operating point is that a first stretch asks for


def analyse(
    model: SpeechModel, header: Header, audio: ModelRateAudio, iterations: int, target: RateTarget, threads: Threads
) -> Iterator[EventTable]:
    """The events of a recording, as a file will give them back, stretch by stretch. iterations: of the fit, 0 for none.

    header: of the file; its quantiser step becomes that of the operating point.
    """
    ends = list(_ends_of_stretches(audio.n_samples, header.streams, model))
    if len(ends) == 1:
        analysis = _Analysis(model, header, iterations, target, WholeBudget(target, header), EIGHTHS, threads)
    else:
        eighths = _near_usual(target, header, NEAR_USUAL)
        analysis = _Analysis(model, header, iterations, target, SharedBudget(target, header), eighths, threads)

    def told(done: float) -> None:
        if audio.progress:
            audio.progress(min(1.0, done / max(audio.n_samples, 1)))

    yield from analysis.run(audio.blocks(tells=False), iter(ends), None, told)


def analyse_live(
    model: SpeechModel,
    header: Header,
    blocks: Iterator[NDArray[np.float32]],
    iterations: int,
    target: RateTarget,
    threads: Threads,
) -> Iterator[EventTable]:
    """The events of a stream without a known end, a table for every 2.5 s of it, and one for the rest.

    Events are there when 2.5 s + LOOK_AHEAD + LIVE_AHEAD of the stream have come since theirs, 5.5 s, or before.
    blocks: float32 [m, streams] at the model's rate; iterations, header: as for `analyse`, but the operating point is
    that of most speech.
    """
    rate, hop = model.config.sample_rate, model.config.hop

    def ends() -> Iterator[int]:
        return (math.ceil(i * LIVE_STRETCH_S * rate / hop) * hop for i in itertools.count(1))

    behind = WINDOW - LIVE_AHEAD - math.ceil(LIVE_STRETCH_S * rate / hop) * hop
    eighths = _near_usual(target, header, 0)
    analysis = _Analysis(model, header, iterations, target, LiveBudget(target, header), eighths, threads)
    yield from analysis.run(
        blocks, ends(), lambda: Places((end + LOOK_AHEAD for end in ends()), behind, LIVE_AHEAD), lambda done: None
    )


def _near_usual(target: RateTarget, header: Header, reach: int) -> range:
    """The operating points near that of most speech at a bitrate."""
    if target.bitrate_kbps is None:
        return range(DEFAULT_EIGHTH, DEFAULT_EIGHTH + 1)
    usual = usual_eighth(target.bitrate_kbps / header.streams)
    return range(max(EIGHTHS[0], usual - reach), min(EIGHTHS[-1], usual + reach) + 1)


def _ends_of_stretches(n_samples: int, streams: int, model: SpeechModel) -> Iterator[int | None]:
    """As `ends_of_parts`, at frames of the encoder."""
    return ends_of_parts(n_samples, streams, STRETCH_S, model.config.sample_rate, model.config.hop)


class _Stream:
    """One channel's samples and candidates, as far as they are still needed. Attribute end: samples so far."""

    def __init__(self, finder: CandidateFinder, vector_dims: int) -> None:
        self.finder = finder
        self._found = Candidates.joined([], vector_dims)
        self._samples: list[NDArray[np.float32]] = []
        self._dims = vector_dims
        self.end = 0

    def push(self, block: NDArray[np.float32]) -> None:
        self.finder.push(block)
        self._samples.append(block)
        self.end += len(block)

    def candidates(self, until: int) -> Candidates:
        """Those before a sample of the stream."""
        self._found = Candidates.joined([self._found, *self.finder.take()], self._dims)
        return self._found[self._found.time < until]

    def samples(self, begin: int, until: int) -> NDArray[np.float32]:
        """Of the stream; begin: not before what was forgotten."""
        self._samples = [np.concatenate(self._samples)] if self._samples else [np.zeros(0, np.float32)]
        first = self.end - len(self._samples[0])
        return self._samples[0][begin - first : until - first]

    def forget(self, until: int, keep: int) -> None:
        """What comes before is not needed any more, but for as many samples."""
        self._found = self._found[self._found.time >= until]
        self._samples = [self.samples(max(0, until - keep), self.end).copy()]


class _Analysis:
    """A recording on its way from samples to events."""

    def __init__(
        self,
        model: SpeechModel,
        header: Header,
        iterations: int,
        target: RateTarget,
        budget: Budget,
        eighths: range,
        threads: Threads,
    ) -> None:
        """eighths: among which the operating point is."""
        self._model, self._header, self._target, self._budget = model, header, target, budget
        self._eighths, self._threads = eighths, threads
        self._first_half = iterations // 2 if iterations >= LEAST_ITERATIONS_TWICE else 0
        self._iterations = iterations
        self._at: Point | None = None
        self._at_once = half_windows_at_once(model.device, threads)
        self._settled = EventTable.empty(header)  # the last events of each stream
        self._loud: list[tuple[int, float]] = []  # end of a stretch, and the level of its loudest candidate, dB

    def run(
        self,
        blocks: Iterator[NDArray[np.float32]],
        ends: Iterator[int | None],
        places: Callable[[], Places] | None,
        progress: Callable[[float], None],
    ) -> Iterator[EventTable]:
        """Events, stretch by stretch. blocks: float32 [m, streams]; ends: of the stretches, samples, None for the last;
        places: where to look for candidates; progress: takes how far all is done, in samples."""
        dims, begin, has_ended = self._model.config.vector_dims, 0, False
        streams = [_Stream(self._finder(channel, places), dims) for channel in range(self._header.streams)]
        looked = LOOKED if self._iterations else LOOKED_ALONE
        for end in ends:
            while not has_ended and (end is None or streams[0].finder.done < end + LOOK_AHEAD):
                block = next(blocks, None)
                has_ended = block is None
                for channel, stream in enumerate(streams):
                    if block is None:
                        stream.finder.finish()
                    else:
                        stream.push(np.ascontiguousarray(block[:, channel]))
                progress(begin + looked * (streams[0].end - begin))
            is_last = end is None or (has_ended and streams[0].end <= end)
            end = streams[0].end if end is None or is_last else end
            table = self._stretch(streams, begin, end, is_last, progress)
            if table is not None:
                yield table
            if is_last:
                return
            for stream in streams:
                stream.forget(end, MARGIN)
            begin = end

    def _finder(self, channel: int, places: Callable[[], Places] | None) -> CandidateFinder:
        stop = None
        if self._target.snr_stop_db is not None:
            worth = point(DEFAULT_EIGHTH).worth
            stop = SnrStop(self._model, self._header, worth, self._target.snr_stop_db, channel)
        return CandidateFinder(self._model, self._threads, stop, None if places is None else places())

    def _stretch(
        self, streams: list[_Stream], begin: int, end: int, is_last: bool, progress: Callable[[float], None]
    ) -> EventTable | None:
        """The events from sample `begin` to `end`; None as long as nothing has told how fine they should be."""
        model, rate = self._model, self._model.config.sample_rate
        known = end if is_last else min(end + LOOK_AHEAD, streams[0].end)
        end_s = math.inf if is_last else end / rate
        growth = GROWTH if self._iterations else 1.0  # what is still to come

        def fitted(table: EventTable, at: Point, until: int, iterations: int, from_: float, to: float) -> Fitted:
            first = max(0, begin - MARGIN)
            samples = [stream.samples(first, until + MARGIN) for stream in streams]

            def told(done: float) -> None:
                progress(begin + (end - begin) * (from_ + (to - from_) * done))

            last = until == end and to == 1.0
            span = (begin, until)
            return fit_table(
                model, table, at, samples, span, iterations, last=last, at_once=self._at_once, progress=told
            )

        # what could be an event, and in which order it is worth its bits
        found = [stream.candidates(known) for stream in streams]
        ranking = Ranking.of(self._header, found, rate, self._settled, self._loudest_db(begin))
        self._loud.append((end, ranking.loudest_db))

        # how fine the numbers are, and with that how much an event must be worth
        allowed = self._budget.allowance(begin / rate, end / rate)
        rate_control = RateControl(allowed, model, end_s)
        if self._at is None:
            if len(self._eighths) > 1 and not is_last and not ranking.heard.any():
                return None
            self._at = rate_control.operating_point(ranking, growth, self._eighths)
        at = self._at

        # the first half of the fit: vectors, and, when they are known better, the order once more
        looked, n_settled = LOOKED if self._iterations else LOOKED_ALONE, len(self._settled)
        if self._first_half:
            chosen = rate_control.choose(ranking, at, growth)
            half = fitted(ranking.with_settled(chosen), at, known, self._first_half, looked, 0.5)
            missed = half.missed_at(ranking.table, model.config)
            ranking = ranking.refitted(chosen, half.vector[n_settled:], missed)
            looked, growth = 0.5, 1.0

        # the candidates that become events
        table = ranking.with_settled(rate_control.choose(ranking, at, growth))

        # their numbers, on the quantiser's grid
        rest = self._iterations - self._first_half
        table = table.replace(vector=fitted(table, at, end, rest, looked, 1.0).vector)
        table = table.select(slice(n_settled, None))
        table = table.select(table.time < end_s)
        header = replace(self._header, step=(at.step,) * model.config.vector_dims)
        table = dequantise(header, quantise(table.replace(header=header)))  # to the last bit what a file will give
        if allowed.n_bytes is not None:
            table = keep_bytes(table, int(allowed.n_bytes))
        self._budget.spend(table)
        self._settled = _last_of_each(EventTable.joined(header, [self._settled, table]), CONTEXT)
        return table

    def _loudest_db(self, begin: int) -> float:
        """Of the stretches before."""
        oldest = begin - LOUDEST_S * self._model.config.sample_rate
        self._loud = [(end, loudest_db) for end, loudest_db in self._loud if end > oldest]
        return max((loudest_db for _, loudest_db in self._loud), default=-math.inf)


def _last_of_each(table: EventTable, n: int) -> EventTable:
    """The last n events of each stream."""
    last = [np.flatnonzero(table.channel == channel)[-n:] for channel in range(table.header.streams)]
    return table.select(np.concatenate(last))
