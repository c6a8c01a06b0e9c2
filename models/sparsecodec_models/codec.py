"""What every preset shares: audio at any rate → events → audio at any rate, both ways as streams."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from sparsecodec_formats.container.reader import Reader
from sparsecodec_formats.errors import SicError, shown_value
from sparsecodec_formats.header import Header
from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_formats.shape_maps import ShapeMap
from sparsecodec_formats.table import EventTable

from .audio_source import AudioSource, ModelRateAudio, Progress
from .live_audio import LiveAudio
from .renderer import ParameterCounts, Renderer, Spans, is_finite
from .streams import StreamSource, find_gains
from .threads import Threads, one_torch_thread


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
            if not (is_finite(value) and value > 0):
                raise SicError(f"the {name} is {shown_value(value)}; it must be above 0")
        if len(given) > 1:
            raise SicError(f"give the {' or the '.join(name for name, _ in given)}, not both")

    def n_bytes(self, header: Header) -> int | None:
        """Bytes of a whole file at this bitrate; None where none is asked for."""
        return None if self.bitrate_kbps is None else int(125 * self.bitrate_kbps * header.duration_s)


class Codec(ABC):
    """A preset with its weights, both ways. What differs from preset to preset is a method here.

    Attributes: name; model, with an `encoder` and a `decoder`; renderer, its decoder; default_effort, 0 … 9;
    model_rate, Hz; weights_hash, 4 bytes that files carry; device; time_unit, s, and step, of the 32 dims, as in
    `Header`; codes_live: whether it has `encode_live`.
    """

    name: str
    model: torch.nn.Module
    renderer: Renderer
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
        """As `Renderer.event_spans`."""
        return self.renderer.event_spans(table)

    def has_pitch(self, table: EventTable) -> NDArray[np.bool_]:
        """As `Renderer.has_pitch`."""
        return self.renderer.has_pitch(table)

    def phase_cycles(self, table: EventTable) -> NDArray[np.float64]:
        """As `Renderer.phase_cycles`."""
        return self.renderer.phase_cycles(table)

    def shape_map(self) -> ShapeMap:
        """As `Renderer.shape_map`."""
        return self.renderer.shape_map()

    def event_samples(self, table: EventTable) -> NDArray[np.int64]:
        """As `Renderer.event_samples`."""
        return self.renderer.event_samples(table)

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
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> EventTable:
        """Audio → events: all that `encode_parts` gives, as one table."""
        target = RateTarget(bitrate_kbps, events_per_second, snr_stop_db)
        parts = list(self._parts(audio, effort, target, seed, tags, threads, progress))
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
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> Iterator[EventTable]:
        """Audio → events, part by part in order of time, so that memory does not grow with the recording (`reference`
        apart). There is a part at least; all have the same header, and no event of a part is before one of the part
        before.

        The source is read from its start, several times if need be. Channels that are alike are coded as one stream
        (`find_gains`), each other one on its own.

        effort: 0 (the network alone) … 9; None: default_effort. bitrate_kbps, events_per_second, snr_stop_db: see
        `RateTarget`. threads: how many work beside each other on the CPU, 1 to 256; None: 2, or 1 where there is
        one processor. The events do not depend on it. progress is called with the share done, 0 … 1.

        The events may lie off the grid that their header tells until they are written. SicError for an option out of
        range, at once, and for audio that is not finite or not as long as it says.
        """
        target = RateTarget(bitrate_kbps, events_per_second, snr_stop_db)
        return self._parts(audio, effort, target, seed, tags, threads, progress)

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
        threads: int | None = None,
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
            raise SicError(f"model {self.name!r} codes whole recordings only; take 'speech' or 'music' to encode live")
        header = replace(self.header_for(audio, seed, tags), n_samples=0)
        blocks = audio.at_rate(self.model_rate)
        parts = self._by_threads(threads, lambda own: self._analyse_live(header, blocks, effort, target, own))
        return (part.replace(header=replace(part.header, n_samples=audio.n_samples)) for part in parts)

    def _parts(
        self,
        audio: AudioSource,
        effort: int | None,
        target: RateTarget,
        seed: int,
        tags: Mapping[str, str] | None,
        threads: int | None,
        progress: Progress | None,
    ) -> Iterator[EventTable]:
        effort = self._checked_effort(effort)
        gains = find_gains(audio)
        streams = StreamSource(audio, gains) if gains else audio
        header = replace(self.header_for(audio, seed, tags), gains=gains)
        at_rate = ModelRateAudio(streams, self.model_rate, progress)
        parts = self._by_threads(threads, lambda own: self._analyse(header, at_rate, effort, target, own))
        return parts if progress is None else _telling_of_the_end(parts, progress)

    def _by_threads(
        self, count: int | None, analyse: Callable[[Threads], Iterator[EventTable]]
    ) -> Iterator[EventTable]:
        """What an analysis gives, by so many threads; SicError at once for a count that cannot be. On other devices
        than the CPU it is one: there operations are parallel by themselves."""
        threads = Threads(count)
        threads = threads if self.device.type == "cpu" else Threads(1)
        return _worked_on(analyse(threads), threads)

    def _checked_effort(self, effort: int | None) -> int:
        effort = self.default_effort if effort is None else effort
        if effort not in range(10):
            raise SicError(f"effort is {effort}; it must be 0 to 9")
        return effort

    @abstractmethod
    def _analyse(
        self, header: Header, audio: ModelRateAudio, effort: int, target: RateTarget, threads: Threads
    ) -> Iterator[EventTable]:
        """Events as `encode_parts` gives them, in steps that suit the target: their header may differ from `header` in
        these. audio: the streams."""

    def _analyse_live(
        self, header: Header, blocks: Iterator[NDArray[np.float32]], effort: int, target: RateTarget, threads: Threads
    ) -> Iterator[EventTable]:
        """Likewise of a stream: float32 [m, streams] at the model's rate. Of presets that code live."""
        raise NotImplementedError

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
        """As `Renderer.decode`."""
        return self.renderer.decode(
            source, start_s=start_s, end_s=end_s, sample_rate=sample_rate, seed=seed, progress=progress
        )


def _worked_on(parts: Iterator[EventTable], threads: Threads) -> Iterator[EventTable]:
    """The same parts, by threads that end with them. What the caller does between two may use torch as it likes."""
    with threads:
        while True:
            with one_torch_thread():
                part = next(parts, None)
            if part is None:
                return
            yield part


def _telling_of_the_end(parts: Iterator[EventTable], progress: Progress) -> Iterator[EventTable]:
    yield from parts
    progress(1.0)
