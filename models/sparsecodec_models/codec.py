"""What every preset shares: audio at any rate → events → audio at any rate, both ways as streams."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from numbers import Real
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError, shown_value
from sparsecodec_formats.header import MAX_U32, Header, whole_number
from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_formats.table import EventTable

from . import weights
from .audio_source import AudioSource, ModelRateAudio, Progress
from .dsp.resampling import resampled
from .errors import OtherWeights, RateTooHigh
from .live_audio import LiveAudio
from .streams import StreamSource, channels_of, find_gains

RESAMPLER_MARGIN = 4096  # model samples on either side of a span, so that soxr's filter sees true neighbours
MAX_BLOCK = 2**16  # samples in a block of decoded audio
MAX_BLOCK_VALUES = 2**21  # samples of all channels in a block that is rendered
MAX_VALUES_A_SECOND = 2**26  # a rate times channels: a resampler's filters take memory in proportion to it
LATEST_S = 2.0**40  # events after that are counted as if they were there, so that samples fit in 64 bits


@dataclass(frozen=True)
class RateTarget:
    """How much an encoder may spend; at most one of these is given, none asks for the preset's own measure.

    Attributes: bitrate_kbps, of the whole file; events_per_second, in each stream; snr_stop_db: look no further in a
    half window whose residual spectrogram is so far below the original.

    Raises SicError for what is not a number above 0, or more than one of them.
    """

    bitrate_kbps: float | None = None
    events_per_second: float | None = None
    snr_stop_db: float | None = None

    def __post_init__(self) -> None:
        targets = (
            ("bitrate", self.bitrate_kbps),
            ("events per second", self.events_per_second),
            ("SNR to stop at", self.snr_stop_db),
        )
        given = [(name, value) for name, value in targets if value is not None]
        for name, value in given:
            if not (_is_finite(value) and value > 0):
                raise SicError(f"the {name} is {shown_value(value)}; it must be above 0")
        if len(given) > 1:
            raise SicError(f"give the {' or the '.join(name for name, _ in given)}, not both")

    def n_bytes(self, header: Header) -> int | None:
        """Bytes of a whole file at this bitrate; None where none is asked for."""
        return None if self.bitrate_kbps is None else int(125 * self.bitrate_kbps * header.duration_s)


Spans = tuple[NDArray[np.int64], NDArray[np.int64]]
"""First and one past the last sample of each of n events, int64 [n] each."""
FOREVER = 2**62  # samples


class ParameterCounts(NamedTuple):
    """Numbers in a model's weights. encoder: all that is not the decoder's."""

    whole: int
    encoder: int
    decoder: int


class Codec(ABC):
    """A preset with its weights. What differs from preset to preset is a method here.

    Attributes: name; model, with an `encoder` and a `decoder`; default_effort, 0 … 9; model_rate, Hz; weights_hash,
    4 bytes that files carry; device; time_unit, s, and step, of the 32 dims, as in `Header`; codes_live: whether it has
    `encode_live`.
    """

    name: str
    model: torch.nn.Module
    default_effort: int
    model_rate: int
    weights_hash: bytes
    device: torch.device
    time_unit: Fraction
    step: tuple[float, ...]
    codes_live: bool = False

    @classmethod
    @abstractmethod
    def from_bytes(cls, data: bytes, *, device: str = "cpu") -> Self:
        """The codec of a weights file's bytes; SicError when they are not this preset's."""

    @classmethod
    @abstractmethod
    def untrained(cls, seed: int = 0, *, device: str = "cpu") -> Self:
        """Weights drawn from a seed."""

    def parameters(self) -> ParameterCounts:
        whole = sum(p.numel() for p in self.model.parameters())
        decoder = sum(p.numel() for p in self.model.get_submodule("decoder").parameters())
        return ParameterCounts(whole, whole - decoder, decoder)

    def event_spans(self, table: EventTable) -> Spans:
        """Samples at the model's rate outside of which each event is silent. A preset that cannot tell: none are."""
        return np.zeros(len(table), np.int64), np.full(len(table), FOREVER)

    def has_pitch(self, table: EventTable) -> NDArray[np.bool_]:
        """Events with a pitch of their own, bool [n]. A preset that cannot tell: none."""
        return np.zeros(len(table), bool)

    def event_samples(self, table: EventTable) -> NDArray[np.int64]:
        """The sample at the model's rate that each event's time is nearest to, int64 [n]."""
        return np.round(np.minimum(table.time, LATEST_S) * self.model_rate).astype(np.int64)

    def header_for(
        self, source: AudioSource | LiveAudio, seed: int = 0, tags: Mapping[str, str] | None = None
    ) -> Header:
        """The header of a file that codes each channel of `source` by itself."""
        return Header(
            sample_rate=source.sample_rate,
            channels=source.channels,
            n_samples=source.n_samples,
            model=self.name,
            weights_hash=self.weights_hash,
            time_unit=self.time_unit,
            step=self.step,
            seed=seed,
            statistics=LAYOUTS[self.name].statistics,
            tags=dict(tags or {}),
        )

    def encode(
        self,
        audio: AudioSource,
        *,
        effort: int | None = None,
        bitrate_kbps: float | None = None,
        events_per_second: float | None = None,
        snr_stop_db: float | None = None,
        seed: int = 0,
        tags: Mapping[str, str] | None = None,
        progress: Progress | None = None,
    ) -> EventTable:
        """Audio → events: all that `encode_parts` gives, as one table."""
        target = RateTarget(bitrate_kbps, events_per_second, snr_stop_db)
        parts = list(self._parts(audio, effort, target, seed, tags, progress))
        return EventTable.joined(parts[-1].header, parts)

    def encode_parts(
        self,
        audio: AudioSource,
        *,
        effort: int | None = None,
        bitrate_kbps: float | None = None,
        events_per_second: float | None = None,
        snr_stop_db: float | None = None,
        seed: int = 0,
        tags: Mapping[str, str] | None = None,
        progress: Progress | None = None,
    ) -> Iterator[EventTable]:
        """Audio → events, part by part in order of time, so that memory does not grow with the recording (where the
        preset can work so: `speech`). There is a part at least; all have the same header, and no event of a part is
        before one of the part before.

        The source is read from its start, several times if need be. Channels that are alike are coded as one stream
        (`find_gains`), each other one on its own.

        effort: 0 (the network alone) … 9; None: default_effort. bitrate_kbps, events_per_second, snr_stop_db: see
        `RateTarget`. progress is called with the share done, 0 … 1.

        The events may lie off the grid that their header tells until they are written. SicError for an option out of
        range, at once, and for audio that is not finite or not as long as it says.
        """
        target = RateTarget(bitrate_kbps, events_per_second, snr_stop_db)
        return self._parts(audio, effort, target, seed, tags, progress)

    def encode_live(
        self,
        audio: LiveAudio,
        *,
        effort: int | None = None,
        bitrate_kbps: float | None = None,
        events_per_second: float | None = None,
        snr_stop_db: float | None = None,
        seed: int = 0,
        tags: Mapping[str, str] | None = None,
    ) -> Iterator[EventTable]:
        """As `encode_parts`, of a stream whose end is not known: events come when they are known, with a bounded look
        ahead, and memory does not grow. Each channel is a stream of its own.

        The parts' headers differ in n_samples, which counts what has come so far: that of the last is the length. What
        may be spent is spent within seconds of when it is meant to be. SicError, at once, for a preset that cannot code
        live (`codes_live`), and for an option out of range.
        """
        target = RateTarget(bitrate_kbps, events_per_second, snr_stop_db)
        effort = self._checked_effort(effort)
        if not self.codes_live:
            raise SicError(f"model {self.name!r} codes whole recordings only; take 'speech' to encode live")
        header = replace(self.header_for(audio, seed, tags), n_samples=0)
        parts = self._analyse_live(header, audio.at_rate(self.model_rate), effort, target)
        return (part.replace(header=replace(part.header, n_samples=audio.n_samples)) for part in parts)

    def _parts(
        self,
        audio: AudioSource,
        effort: int | None,
        target: RateTarget,
        seed: int,
        tags: Mapping[str, str] | None,
        progress: Progress | None,
    ) -> Iterator[EventTable]:
        effort = self._checked_effort(effort)
        gains = find_gains(audio)
        streams = StreamSource(audio, gains) if gains else audio
        header = replace(self.header_for(audio, seed, tags), gains=gains)
        parts = self._analyse(header, ModelRateAudio(streams, self.model_rate, progress), effort, target)
        return parts if progress is None else _telling_of_the_end(parts, progress)

    def _checked_effort(self, effort: int | None) -> int:
        effort = self.default_effort if effort is None else effort
        if effort not in range(10):
            raise SicError(f"effort is {effort}; it must be 0 to 9")
        return effort

    def _check(self, table: EventTable) -> None:  # noqa: B027 (most presets have nothing to refuse)
        """SicError for a table of this model that would take too much memory to render."""

    @abstractmethod
    def _analyse(self, header: Header, audio: ModelRateAudio, effort: int, target: RateTarget) -> Iterator[EventTable]:
        """Events as `encode_parts` gives them, in steps that suit the target: their header may differ from `header` in
        these. audio: the streams."""

    def _analyse_live(
        self, header: Header, blocks: Iterator[NDArray[np.float32]], effort: int, target: RateTarget
    ) -> Iterator[EventTable]:
        """Likewise of a stream: float32 [m, streams] at the model's rate. Of presets that code live."""
        raise NotImplementedError

    @abstractmethod
    def _synthesise(
        self, table: EventTable, start: int, stop: int, seed: int
    ) -> Iterator[tuple[NDArray[np.float32], bool]]:
        """The events' sum from sample start to stop at the model's rate, in blocks: float32 [m, streams],
        and whether it is the last."""

    def decode(
        self,
        table: EventTable,
        *,
        start_s: float = 0,
        end_s: float | None = None,
        sample_rate: int | None = None,
        seed: int | None = None,
        progress: Progress | None = None,
    ) -> Iterator[NDArray[np.float32]]:
        """Events → audio, as blocks of float32 [m, channels] at `sample_rate` (Hz; default: the source's).

        All blocks together hold exactly the source's samples (or, at another rate, the nearest number), or
        those from start_s to end_s (seconds). seed: of the noise; default, the file's. SicError, at once, for
        a table of another model or other weights, or an option out of range.
        """
        header = table.header
        if header.model != self.name:
            raise SicError(f"the file needs model {header.model!r}, this is {self.name!r}")
        if not weights.are_those_of(self.weights_hash, header.weights_hash):
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
        n_out = round(Fraction(header.n_samples * rate, header.sample_rate))
        first = 0 if start_s == 0 else round(_seconds("start", start_s) * rate)
        last = n_out if end_s is None else min(n_out, round(_seconds("end", end_s) * rate))
        if end_s is not None and end_s < start_s:
            raise SicError(f"the end, {end_s} s, is before the start, {start_s} s")
        self._check(table)
        noise_seed = header.seed if seed is None else whole_number("seed", seed, 0, MAX_U32)
        return self._decode_span(table, min(first, n_out), last, rate, noise_seed, progress)

    def _decode_span(
        self, table: EventTable, first: int, last: int, rate: int, seed: int, progress: Progress | None
    ) -> Iterator[NDArray[np.float32]]:
        """Samples first … last at `rate`.

        What is resampled starts where both rates have a sample, so that a part comes out as in the whole.
        """
        whole = self.model_rate // math.gcd(self.model_rate, rate)
        start = max(0, (first * self.model_rate // rate - RESAMPLER_MARGIN) // whole * whole)
        stop = -(-last * self.model_rate // rate) + RESAMPLER_MARGIN
        skip = first - start * rate // self.model_rate
        wanted = last - first
        if wanted <= 0:
            return
        pieces = self._pieces(self._synthesise(table, start, stop, seed), rate)
        done = 0
        for out in resampled(pieces, self.model_rate, rate, table.header.streams):
            out, skip = out[skip:], max(0, skip - len(out))
            out = out[: wanted - done]
            if len(out):
                done += len(out)
                yield channels_of(out, table.header.gains)
                if progress:
                    progress(done / wanted)
            if done == wanted:
                return

    def _pieces(
        self, blocks: Iterator[tuple[NDArray[np.float32], bool]], rate: int
    ) -> Iterator[tuple[NDArray[np.float32], bool]]:
        """The same in blocks small enough that none grows beyond memory, of many channels or at a high output rate."""
        for block, ends in blocks:
            channels = block.shape[1]
            size = max(1, min(MAX_BLOCK, MAX_BLOCK_VALUES // channels) * self.model_rate // rate)
            for i in range(0, len(block), size):
                yield block[i : i + size], ends and i + size >= len(block)


def _telling_of_the_end(parts: Iterator[EventTable], progress: Progress) -> Iterator[EventTable]:
    yield from parts
    progress(1.0)


def samples_at_once(channels: int) -> int:
    """How long a block to render, in samples of the model's rate: of many channels, memory stays bounded."""
    return min(MAX_BLOCK, MAX_BLOCK_VALUES // channels)


def _seconds(what: str, value_s: float) -> float:
    if not (_is_finite(value_s) and value_s >= 0):
        raise SicError(f"the {what} is {shown_value(value_s)} s; it must be 0 or more")
    return value_s


def _is_finite(value: object) -> bool:
    """Of a number; False for what is none."""
    return isinstance(value, Real) and math.isfinite(value)
