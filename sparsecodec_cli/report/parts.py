"""Parts of a recording, measured: their sounds, those of their events, and how much energy each event removes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import soxr
from numpy.typing import NDArray

from sparsecodec_cli import decoding
from sparsecodec_formats import edit
from sparsecodec_formats.table import EventTable

if TYPE_CHECKING:
    from sparsecodec_models import Renderer
    from sparsecodec_models.events.decomposition import Removal, Stft
    from sparsecodec_models.events.sounds import EventSound

Audio = NDArray[np.float32]


@dataclass(frozen=True)
class Span:
    """From a sample of the source to another, exclusive."""

    start: int
    stop: int


@dataclass(frozen=True)
class MeasuredPart:
    """A part of a recording and of its events.

    span: at the source's rate. sample_rate: the model's, Hz, which all sounds but the original have.
    original: float32 [n, channels] at the source's rate; None where there is only a .sic file.
    decoded: float32 [m, channels]; other_vectors and other_times: with the events drawn anew (`edit.randomize_…`).
    rows: of the table, int64 [events]; sounds: one for each, starts counted from the span.
    before: magnitudes before the first event is removed, float32 [frames, bins]; removals: of the events, in order.
    redundancy: redundant pairs over events.
    """

    span: Span
    sample_rate: int
    original: Audio | None
    decoded: Audio
    other_vectors: Audio
    other_times: Audio
    rows: NDArray[np.int64]
    sounds: list[EventSound]
    stft: Stft
    before: NDArray[np.float32]
    removals: list[Removal]
    redundancy: float

    @property
    def energy_removed(self) -> NDArray[np.float64]:
        """Of each row, as a share of the energy that there was: float64 [events]."""
        share = {removal.row: removal.energy_removed for removal in self.removals}
        return np.array([share[row] for row in self.rows.tolist()], np.float64)


def spans(n_samples: int, sample_rate: int, n: int, max_seconds: float) -> list[Span]:
    """At most n parts of a recording, evenly spread, none longer than max_seconds, none upon another."""
    size = min(n_samples, max(1, round(max_seconds * sample_rate)))
    n = min(n, -(-n_samples // size)) if n_samples else 0
    if n <= 1:
        return [Span(0, size)] * n
    starts = [round(i * (n_samples - size) / (n - 1)) for i in range(n)]
    ends = [*starts[1:], n_samples]
    return [Span(start, min(start + size, end)) for start, end in zip(starts, ends, strict=True)]


def measure(codec: Renderer, table: EventTable, span: Span, original: Audio | None, seed: int) -> MeasuredPart:
    """The events of a table whose times lie in a span of its source; seed: of what is drawn anew.

    original: float32 [span, channels] at the source's rate.
    """
    from sparsecodec_models.events.decomposition import Stft, decompose, magnitudes
    from sparsecodec_models.events.redundancy import redundancy
    from sparsecodec_models.streams import streams_of

    header, rate = table.header, codec.model_rate
    start_s, end_s = span.start / header.sample_rate, span.stop / header.sample_rate
    decoded = _decoded(codec, table, start_s, end_s)
    if original is None:
        streams = _decoded(codec, table.replace(header=header.of_streams()), start_s, end_s)
    else:
        channels = np.asarray(soxr.resample(original, header.sample_rate, rate), np.float32)
        streams = streams_of(channels.reshape(-1, header.channels), header.gains)
    within = (table.time >= start_s) & (table.time < end_s)
    sounds = _sounds(codec, table, within, round(start_s * rate), len(decoded))
    part = edit.crop(table, start_s, end_s)
    stft = Stft(rate)
    return MeasuredPart(
        span=span,
        sample_rate=rate,
        original=original,
        decoded=decoded,
        other_vectors=_decoded(codec, edit.randomize_vectors(part, seed)),
        other_times=_decoded(codec, edit.randomize_times(part, seed)),
        rows=np.flatnonzero(within),
        sounds=sounds,
        stft=stft,
        before=magnitudes(stft, streams),
        removals=list(decompose(stft, streams, sounds)),
        redundancy=redundancy(codec, part).share,
    )


def _decoded(codec: Renderer, table: EventTable, start_s: float = 0.0, end_s: float | None = None) -> Audio:
    audio, _ = decoding.decode(table, start_s=start_s, end_s=end_s, sample_rate=codec.model_rate, model=codec)
    return audio


def _sounds(
    codec: Renderer, table: EventTable, within: NDArray[np.bool_], start: int, n_samples: int
) -> list[EventSound]:
    """Of the events within, cut to n samples from `start` on, from which their own starts count."""
    from sparsecodec_models.events.sounds import EventSound, event_sounds

    only_these = table.replace(amplitude=np.where(within, table.amplitude, 0))
    out = []
    for sound in event_sounds(codec, only_these):
        if not within[sound.row]:
            continue
        begin = sound.start - start
        samples = sound.samples[max(0, -begin) : max(0, n_samples - begin)]
        out.append(EventSound(sound.row, sound.channel, max(0, begin), samples))
    return out
