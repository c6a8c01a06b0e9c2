"""What each event of a table sounds like by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.table import EventTable
from sparsecodec_models.renderer import Renderer, Spans

from .lanes import pack_lanes

BATCH_SAMPLES = 2**22  # of single sounds held at once
GAP_SAMPLES = 2**18  # of silence, above which two decodings cost less than one
RINGING = 256  # samples of the lower rate: what a resampler adds around a sound is below 1e-6 of it from 100 on


@dataclass(frozen=True)
class EventSound:
    """The sound of one event of a table: its row and channel (the stream); start, the sample of the recording that
    samples[0] is; samples float32 [m], what decoding adds to the stream for it, m = 0 where nothing is heard."""

    row: int
    channel: int
    start: int
    samples: NDArray[np.float32]


def event_sounds(
    codec: Renderer, table: EventTable, *, sample_rate: int | None = None, seed: int | None = None
) -> Iterator[EventSound]:
    """The sound of every event, in the table's order, cut to the length of the recording.

    sample_rate: of the sounds and their starts, Hz; default, the model's. seed: of the noise; default, the file's.
    SicError as from `Renderer.decode`.

    Decoding is linear in the amplitudes, so an event's sound is what is decoded when all others have amplitude 0 (they
    keep their place, so that a linked event goes on from where the one before it was). Events that do not sound at the
    same time are decoded together and cut apart: a table costs as many decodings as events sound at once, and events of
    amplitude 0 next to nothing. Memory for sounds does not grow with the table, if the codec tells where events are
    silent (`Renderer.event_spans`); if not, each event is decoded over the whole recording.
    """
    rate = codec.model_rate if sample_rate is None else sample_rate
    first, last = event_spans(codec, table, rate)
    lengths = last - first
    begin = 0
    while begin < len(table):
        total = np.cumsum(lengths[begin:])
        end = begin + max(1, int(np.searchsorted(total, BATCH_SAMPLES, side="right")))
        rows = np.arange(begin, end)
        sounds: dict[int, NDArray[np.float32]] = {}
        for lane in _lanes(rows[lengths[rows] > 0], table, first, last):
            for run in _runs(lane, first, last):
                sounds.update(_apart(codec, table, run, first, last, rate, seed))
        for row in rows.tolist():
            samples = sounds.pop(row, np.zeros(0, np.float32))
            yield EventSound(row, int(table.channel[row]), int(first[row]), samples)
        begin = end


def event_spans(codec: Renderer, table: EventTable, sample_rate: int | None = None) -> Spans:
    """Samples at a rate (Hz; default, the model's) outside of which an event is silent; within the recording.

    Empty for an event of amplitude 0.
    """
    rate = codec.model_rate if sample_rate is None else sample_rate
    n_samples = round(Fraction(table.header.n_samples * rate, table.header.sample_rate))
    first, last = codec.event_spans(table)
    margin = 0.0 if rate == codec.model_rate else RINGING * max(1.0, rate / codec.model_rate)
    # cut to the recording only now: what rings into its end may come from a sound after it
    begin = np.floor(first * (rate / codec.model_rate) - margin).clip(0, n_samples).astype(np.int64)
    end = np.ceil(last * (rate / codec.model_rate) + margin).clip(0, n_samples).astype(np.int64)
    unheard = (table.amplitude == 0) | (last <= first)
    return begin, np.where(unheard, begin, np.maximum(begin, end))


def _lanes(
    rows: NDArray[np.int64], table: EventTable, first: NDArray[np.int64], last: NDArray[np.int64]
) -> list[list[int]]:
    """The rows in few groups, in order of their first samples, in each of which no two events of a channel sound at the
    same time."""
    rows = rows[np.argsort(first[rows], kind="stable")]
    lane = pack_lanes(first[rows], last[rows], table.channel[rows])
    return [rows[np.array(lane) == k].tolist() for k in range(max(lane, default=-1) + 1)]


def _runs(lane: list[int], first: NDArray[np.int64], last: NDArray[np.int64]) -> Iterator[list[int]]:
    """A lane's rows, parted where it is silent for long."""
    run: list[int] = []
    until = 0
    for row in lane:
        if run and first[row] - until > GAP_SAMPLES:
            yield run
            run = []
        run.append(row)
        until = max(until, int(last[row]))
    yield run


def _apart(
    codec: Renderer,
    table: EventTable,
    rows: list[int],
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    rate: int,
    seed: int | None,
) -> dict[int, NDArray[np.float32]]:
    """The sounds of events of which no two of a channel sound at the same time, by row."""
    amplitude = np.zeros_like(table.amplitude)
    amplitude[rows] = table.amplitude[rows]
    at, end = int(first[rows].min()), int(last[rows].max())
    sounds = {row: np.zeros(last[row] - first[row], np.float32) for row in rows}
    alone = table.replace(header=table.header.of_streams(), amplitude=amplitude)
    for block in codec.decode(alone, start_s=at / rate, end_s=end / rate, sample_rate=rate, seed=seed):
        stop = at + len(block)
        for row in (r for r in rows if first[r] < stop and last[r] > at):
            low, high = max(at, int(first[row])), min(stop, int(last[row]))
            sounds[row][low - first[row] : high - first[row]] = block[low - at : high - at, table.channel[row]]
        at = stop
    return sounds
