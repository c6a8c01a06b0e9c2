"""What every preset shares to sound events: events → audio at any rate, as a stream. No torch is imported here."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from numbers import Real
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.container.framing import WINDOW_S
from sparsecodec_formats.container.reader import Reader
from sparsecodec_formats.errors import SicError, shown_value
from sparsecodec_formats.header import MAX_U32, NO_WEIGHTS, Header, whole_number
from sparsecodec_formats.shape_maps import ShapeMap
from sparsecodec_formats.table import EventTable

from .audio_source import Progress
from .dsp.resampling import resampled
from .errors import OtherWeights, RateTooHigh
from .streams import channels_of

RESAMPLER_MARGIN = 4096  # model samples on either side of a span, so that soxr's filter sees true neighbours
MAX_BLOCK = 2**16  # samples in a block of decoded audio
MAX_BLOCK_VALUES = 2**21  # samples of all channels in a block that is rendered
MAX_VALUES_A_SECOND = 2**26  # a rate times channels: a resampler's filters take memory in proportion to it
LATEST_S = 2.0**40  # events after that are counted as if they were there, so that samples fit in 64 bits
PART_S = 60.0  # of a table at once: memory does not grow with its length
FOREVER = 2**62  # samples

Spans: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]
"""First and one past the last sample of each of n events, int64 [n] each."""

Sound: TypeAlias = Callable[[int, int], NDArray[np.float32]]
"""Samples start … stop - 1 at the model's rate, of each stream: float32 [stop - start, streams]."""


class ParameterCounts(NamedTuple):
    """Numbers in a model's weights. encoder: all that is not the decoder's."""

    whole: int
    encoder: int
    decoder: int


@dataclass(frozen=True)
class Excerpt:
    """The events that matter to a part of a recording.

    table: they themselves; skipped: int64 [streams], events of each stream that come before them; known_s: float64
    [streams], a time before which no event is missing but those, seconds.
    """

    table: EventTable
    skipped: NDArray[np.int64]
    known_s: NDArray[np.float64]

    @staticmethod
    def none_of(header: Header) -> Excerpt:
        """Before the first event."""
        return Excerpt(EventTable.empty(header), np.zeros(header.streams, np.int64), np.zeros(header.streams))

    def then(self, more: EventTable, skipped: NDArray[np.int64], known_s: NDArray[np.float64]) -> Excerpt:
        """With events that follow; skipped: of streams that have had none, what came before these."""
        had = np.bincount(self.table.channel, minlength=len(skipped)) > 0
        table = EventTable.joined(self.table.header, [self.table, more])
        return Excerpt(table, np.where(had, self.skipped, skipped), np.maximum(self.known_s, known_s))

    def since(self, time_s: float) -> Excerpt:
        """Without what came before a time, seconds."""
        return self.with_rows(self.table.time >= time_s)

    def with_rows(self, rows: NDArray[np.bool_]) -> Excerpt:
        """Without events that no longer matter; rows: of those that do, bool [n]."""
        gone = np.bincount(self.table.channel[~rows], minlength=len(self.skipped))
        return Excerpt(self.table.select(rows), self.skipped + gone, self.known_s)


class Renderer(ABC):
    """A preset's decoder with its weights. What differs from preset to preset is a method here.

    Attributes: name; model_rate, Hz; weights_hash, 4 bytes that files carry; counts, of its whole model; lookback_s:
    what a sample sounds like does not depend on events that are longer ago, seconds.
    """

    name: str
    model_rate: int
    weights_hash: bytes
    counts: ParameterCounts
    lookback_s: float = math.inf

    def parameters(self) -> ParameterCounts:
        return self.counts

    def event_spans(self, table: EventTable) -> Spans:
        """Samples at the model's rate outside of which each event is silent. A preset that cannot tell: none are."""
        return np.zeros(len(table), np.int64), np.full(len(table), FOREVER)

    def has_pitch(self, table: EventTable) -> NDArray[np.bool_]:
        """Events with a pitch of their own, bool [n]. A preset that cannot tell: none."""
        return np.zeros(len(table), bool)

    def phase_cycles(self, table: EventTable) -> NDArray[np.float64]:
        """Phase of each event's fundamental at its time, as it runs through its voice, cycles, float64 [n]; NaN where
        that is not known. A preset that cannot tell: NaN for all."""
        return np.full(len(table), np.nan)

    def shape_map(self) -> ShapeMap:
        """What the coefficients of an event's spectrum stand for; SicError for a preset that has none."""
        raise SicError(f"cannot be done: vectors of preset {self.name!r} do not tell a spectrum")

    def event_samples(self, table: EventTable) -> NDArray[np.int64]:
        """The sample at the model's rate that each event's time is nearest to, int64 [n]."""
        return np.round(np.minimum(table.time, LATEST_S) * self.model_rate).astype(np.int64)

    def _check(self, table: EventTable) -> None:  # noqa: B027 (most presets have nothing to refuse)
        """SicError for a table of this model that would take too much memory to render."""

    @abstractmethod
    def _sound(self, excerpt: Excerpt, seed: int) -> Sound:
        """The events' sum, wherever the excerpt holds all that is heard; SicError as from `_check`. seed: of the
        noise."""

    def _settled(self, excerpt: Excerpt) -> int:
        """The sample at the model's rate up to which no event that is yet to come changes the sound. A preset that
        cannot tell: none."""
        return 0

    def _rest(self, excerpt: Excerpt, sound: Sound, at: int) -> Excerpt:
        """What of an excerpt matters to the sound from sample `at` on, at the model's rate. sound: the excerpt's."""
        return excerpt.since(at / self.model_rate - self.lookback_s)

    def decode(
        self,
        source: EventTable | Reader,
        *,
        start_s: float = 0,
        end_s: float | None = None,
        sample_rate: int | None = None,
        seed: int | None = None,
        progress: Progress | None = None,
    ) -> Iterator[NDArray[np.float32]]:
        """Events → audio, as blocks of float32 [m, channels] at `sample_rate` (Hz; default: the source's).

        source: all events, or a file of them, of which no more is read and kept than is needed: memory does not grow
        with its length, the first blocks of audio come after the first blocks of events, and a part late in it costs
        what an early one costs.

        All blocks together hold exactly the source's samples (or, at another rate, the nearest number), or
        those from start_s to end_s (seconds); of a pipe it may be known with the last alone how many these are.
        seed: of the noise; default, the file's. SicError, at once, for events of another model or other weights, or
        an option out of range; when a file is damaged, as it is met.
        """
        header = source.header
        if header.model != self.name:
            raise SicError(f"the file needs model {header.model!r}, this is {self.name!r}")
        if header.weights_hash not in (self.weights_hash, NO_WEIGHTS):
            raise OtherWeights(
                f"the file needs weights {header.weights_hash.hex()}, these are {self.weights_hash.hex()};"
                " give the weights file it was made with"
            )
        rate = header.sample_rate if sample_rate is None else whole_number("sample_rate", sample_rate, 1, MAX_U32)
        if rate * header.channels > MAX_VALUES_A_SECOND:
            raise RateTooHigh(
                f"{header.channels} channel{'s' * (header.channels != 1)} at {rate} Hz are more than"
                f" {MAX_VALUES_A_SECOND} samples a second, the most that are rendered; give a lower sample rate"
            )
        n_out = length_at(source, rate)
        first = 0 if start_s == 0 else round(_seconds("start", start_s) * rate)
        last = n_out if end_s is None else min(n_out, round(_seconds("end", end_s) * rate))
        if end_s is not None and end_s < start_s:
            raise SicError(f"the end, {end_s} s, is before the start, {start_s} s")
        if isinstance(source, EventTable):
            self._check(source)
        noise_seed = header.seed if seed is None else whole_number("seed", seed, 0, MAX_U32)
        return self._decode_span(source, min(first, n_out), last, rate, noise_seed, progress)

    def _decode_span(
        self, source: EventTable | Reader, first: int, last: int, rate: int, seed: int, progress: Progress | None
    ) -> Iterator[NDArray[np.float32]]:
        """Samples first … last at `rate`.

        What is resampled starts where both rates have a sample, so that a part comes out as in the whole.
        """
        header = source.header
        whole = self.model_rate // math.gcd(self.model_rate, rate)
        start = max(0, (first * self.model_rate // rate - RESAMPLER_MARGIN) // whole * whole)
        stop = -(-last * self.model_rate // rate) + RESAMPLER_MARGIN
        skip = first - start * rate // self.model_rate
        wanted = last - first
        if wanted <= 0:
            return
        to_end = length_at(source, rate) in (last, FOREVER)
        blocks = self._rendered(source, start, stop, seed, to_end)
        mixed = header.streams > header.channels  # resampled is what there are fewer of
        if mixed:
            blocks = ((channels_of(block, header.gains), ends) for block, ends in blocks)
        done = 0
        for out in resampled(self._pieces(blocks, rate), self.model_rate, rate, min(header.streams, header.channels)):
            # it may be known since the last block of events
            wanted = max(done, min(last, length_at(source, rate)) - first)
            out, skip = out[skip:], max(0, skip - len(out))
            out = out[: wanted - done]
            if len(out):
                done += len(out)
                yield out if mixed else channels_of(out, header.gains)
                if progress:
                    progress(done / wanted)
            if done == wanted:
                return

    def _rendered(
        self, source: EventTable | Reader, start: int, stop: int, seed: int, to_end: bool
    ) -> Iterator[tuple[NDArray[np.float32], bool]]:
        """Samples start … stop - 1 at the model's rate in blocks, each as soon as its events are known: float32
        [m, streams], and whether it is the last. to_end: the source is read to its end, which may be damaged, before
        the last."""
        header, at = source.header, start
        excerpt = Excerpt.none_of(header)
        for more in self._excerpts(source, max(0.0, start / self.model_rate - self.lookback_s)):
            excerpt = excerpt.then(more.table, more.skipped, more.known_s)
            is_all = bool(np.isinf(excerpt.known_s).all())
            if is_all:  # now the length is known, if it was not before
                stop = max(at, min(stop, length_at(source, self.model_rate) + RESAMPLER_MARGIN + 1))
            until = stop if is_all else min(stop - to_end, self._settled(excerpt))
            if until <= at:
                continue
            sound, most = self._sound(excerpt, seed), samples_at_once(header.streams)
            while at < until:
                begin, at = at, min(at + most, until)
                yield sound(begin, at), at == stop
            if at == stop:
                return
            excerpt = self._rest(excerpt, sound, at)

    def _excerpts(self, source: EventTable | Reader, from_s: float) -> Iterator[Excerpt]:
        """The events from a time on (seconds) in parts, of which the last says that no more come."""
        streams = source.header.streams
        if isinstance(source, EventTable):
            at = int(np.searchsorted(source.time, from_s))
            skipped = np.bincount(source.channel[:at], minlength=streams)
            while at < len(source) and source.time[-1] >= source.time[at] + PART_S:
                known_s = source.time[at] + PART_S
                stop = int(np.searchsorted(source.time, known_s))
                yield Excerpt(source.select(slice(at, stop)), skipped, np.full(streams, known_s))
                skipped = skipped + np.bincount(source.channel[at:stop], minlength=streams)
                at = stop
            yield Excerpt(source.select(slice(at, None)), skipped, np.full(streams, math.inf))
            return
        stream = np.arange(streams)
        for block in source.blocks(from_s if math.isfinite(from_s) else None):
            # they come in order of their windows, in a window by stream (if not by time), and in a stream by time
            window_s = block.start_s // WINDOW_S * WINDOW_S
            is_done = (stream < block.channel) & (not source.length_at_end)
            known_s = np.where(is_done, window_s + WINDOW_S, window_s)
            known_s[block.channel] = block.table.time[-1]
            yield Excerpt(block.table, np.full(streams, block.first_index), known_s)
        yield Excerpt(EventTable.empty(source.header), np.zeros(streams, np.int64), np.full(streams, math.inf))

    def _pieces(
        self, blocks: Iterator[tuple[NDArray[np.float32], bool]], rate: int
    ) -> Iterator[tuple[NDArray[np.float32], bool]]:
        """The same in blocks small enough that none grows beyond memory, of many channels or at a high output rate."""
        for block, ends in blocks:
            channels = block.shape[1]
            size = max(1, min(MAX_BLOCK, MAX_BLOCK_VALUES // channels) * self.model_rate // rate)
            for i in range(0, len(block), size):
                yield block[i : i + size], ends and i + size >= len(block)


def length_at(source: EventTable | Reader, rate: int) -> int:
    """Samples of the source's sound at a rate, Hz; FOREVER where its length is not known yet."""
    if isinstance(source, Reader) and not source.length_is_known:
        return FOREVER
    return round(Fraction(source.header.n_samples * rate, source.header.sample_rate))


def samples_at_once(streams: int) -> int:
    """How long a block to render, in samples of the model's rate: of many streams, memory stays bounded."""
    return min(MAX_BLOCK, MAX_BLOCK_VALUES // streams)


def _seconds(what: str, value_s: float) -> float:
    if not (is_finite(value_s) and value_s >= 0):
        raise SicError(f"the {what} is {shown_value(value_s)} s; it must be 0 or more")
    return value_s


def is_finite(value: object) -> bool:
    """Of a number; False for what is none."""
    return isinstance(value, Real) and math.isfinite(value)
