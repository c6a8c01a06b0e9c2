"""A mosaic: each segment of a recording by the most similar of another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.header import Header
from sparsecodec_formats.presets import layout_of
from sparsecodec_formats.segments import Segments
from sparsecodec_formats.table import EventTable

from .checks import moved
from .join import check_joinable
from .lanes import Things, arranged, stretches
from .likeness import Heard, nearest, points_of_segments
from .parting import parted_at

Floats = NDArray[np.float64]


def mosaic(
    table: EventTable,
    other: EventTable,
    *,
    keep_pitch: bool = False,
    keep_level: bool = False,
    segments: Segments | None = None,
    other_segments: Segments | None = None,
) -> EventTable:
    """Every segment of a table by the most similar of another: it begins when the one that it stands for began, in the
    channels that that was heard in, and takes the time that it takes.

    keep_pitch, keep_level: what is replaced keeps its pitch, or its level; then these do not count in what is similar.
    segments, other_segments: of the two tables; None: `Segments.of` them.
    SicError when the tables are not of the same model, when the other has no segments, or when a pitch would leave the
    decoder's range.
    """
    check_joinable(table.header, other.header)
    segments = Segments.of(table) if segments is None else segments
    other_segments = Segments.of(other) if other_segments is None else other_segments
    if not len(segments):
        return table
    if not len(other_segments):
        raise SicError("there are no events to take sounds from; give a recording that is not silent")
    kept: dict[Heard, bool] = {"pitch": keep_pitch, "level": keep_level}
    without = [name for name, is_kept in kept.items() if is_kept]
    points, others = points_of_segments(table, segments, without), points_of_segments(other, other_segments, without)
    taken = nearest(points, others)
    header = replace(table.header, step=other.header.step, statistics=other.header.statistics)
    order = np.argsort(other_segments.number, kind="stable")
    sizes = np.bincount(other_segments.number, minlength=len(other_segments))
    firsts = np.cumsum(sizes) - sizes
    other = parted_at(other, order[firsts])
    rows, sizes = order[stretches(firsts[taken], sizes[taken])], sizes[taken]
    number = np.repeat(np.arange(len(taken)), sizes)
    delay_s = np.maximum(segments.start_s - other_segments.start_s[taken], -other.time[order[firsts[taken]]])
    time = other.time[rows] + delay_s[number]
    vector, amplitude = other.vector[rows], other.amplitude[rows]
    if keep_pitch:
        interval = 12 * np.log2(segments.f0_hz / other_segments.f0_hz[taken])
        vector = _raised(header, time, vector, np.nan_to_num(interval)[number])
    if keep_level:
        with np.errstate(invalid="ignore"):  # of silence by silence
            louder_db = segments.level_db - other_segments.level_db[taken]
        amplitude = (
            amplitude * (10 ** (np.where(np.isfinite(louder_db), louder_db, 0.0) / 20)).astype(np.float32)[number]
        )
    columns = list(zip(*header.stream_gains, strict=True))
    streams = segments.channel.tolist()
    gains, noise = [columns[i] for i in streams], [header.noise_numbers[i] for i in streams]
    return arranged(header, Things(time, vector, amplitude, sizes, gains, noise))


def _raised(header: Header, time: Floats, vector: NDArray[np.float32], semitones: Floats) -> NDArray[np.float32]:
    """Vectors, float32 [n, dims], of events in any order, at other pitches."""
    order = np.argsort(time, kind="stable")
    events = EventTable(replace(header, channels=1, gains=(), noise=()), time[order], vector[order])
    pitch = layout_of(header).dim("f0_semitones")
    events = moved(events, pitch, semitones[order], semitones[order] != 0)
    out = np.empty_like(vector)
    out[order] = events.vector
    return out
