"""A mosaic: each segment of a recording by the most similar of another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.presets import layout_of, level_db
from sparsecodec_formats.segments import Segments
from sparsecodec_formats.shape_maps import Shapes, shape_map_of
from sparsecodec_formats.table import EventTable

from .join import check_joinable
from .lanes import Things, arranged, stretches
from .likeness import Heard, nearest, points_of_segments
from .parting import parted_at
from .pitch import at_other_pitches, level_held
from .spectrum import loudness_db
from .told import segments_of

Floats = NDArray[np.float64]


def mosaic(
    table: EventTable,
    other: EventTable,
    *,
    keep_pitch: bool = False,
    keep_level: bool = False,
    segments: Segments | None = None,
    other_segments: Segments | None = None,
    shape_map: Shapes = None,
) -> EventTable:
    """Every segment of a table by the most similar of another: it begins when the one that it stands for began, in the
    channels that that was heard in, and takes the time that it takes.

    keep_pitch, keep_level: what is replaced keeps its pitch, or its level; then these do not count in what is similar.
    What comes at another pitch is as loud as it was, as with `transpose`. segments, other_segments: of the two tables;
    None: as `told.segments_of` has them. shape_map: as for `transpose`; `speech` needs it for what is kept.
    SicError when the tables are not of the same model, when the other has no segments, or when a pitch would leave the
    decoder's range.
    """
    check_joinable(table.header, other.header)
    segments = segments_of(table) if segments is None else segments
    other_segments = segments_of(other) if other_segments is None else other_segments
    if not len(segments):
        return table
    if not len(other_segments):
        raise SicError("there are no events to take sounds from; give a recording that is not silent")
    kept: dict[Heard, bool] = {"pitch": keep_pitch, "level": keep_level}
    without = [name for name, is_kept in kept.items() if is_kept]
    points, others = points_of_segments(table, segments, without), points_of_segments(other, other_segments, without)
    taken = nearest(points, others)
    header = replace(
        table.header,
        step=other.header.step,
        statistics=other.header.statistics,
        weights_hash=max(table.header.weights_hash, other.header.weights_hash),  # zeros where none are named
    )
    order = np.argsort(other_segments.number, kind="stable")
    sizes = np.bincount(other_segments.number, minlength=len(other_segments))
    firsts = np.cumsum(sizes) - sizes
    other = parted_at(other, order[firsts])
    rows, sizes = order[stretches(firsts[taken], sizes[taken])], sizes[taken]
    number = np.repeat(np.arange(len(taken)), sizes)
    delay_s = np.maximum(segments.start_s - other_segments.start_s[taken], -other.time[order[firsts[taken]]])
    time = other.time[rows] + delay_s[number]
    in_time = np.argsort(time, kind="stable")
    events = EventTable(
        replace(header, channels=1, gains=(), noise=()),
        time[in_time],
        other.vector[rows][in_time],
        None,
        other.amplitude[rows][in_time],
    )
    if keep_pitch:
        interval = np.nan_to_num(12 * np.log2(segments.f0_hz / other_segments.f0_hz[taken]))[number][in_time]
        there, raised = events, interval != 0
        events = level_held(there, at_other_pitches(there, interval, raised), raised, shape_map)
    if keep_level:
        levels = _loudest(_heard_db(table, shape_map), segments.number)
        with np.errstate(invalid="ignore"):  # of silence by silence
            louder_db = levels - _loudest(_heard_db(events, shape_map), number[in_time])
        factor = 10 ** (np.where(np.isfinite(louder_db), louder_db, 0.0) / 20)
        events = events.replace(amplitude=events.amplitude * factor[number][in_time])
    header = replace(header, step=events.header.step)
    back = np.argsort(in_time)
    vector, amplitude = events.vector[back], events.amplitude[back]
    columns = list(zip(*header.stream_gains, strict=True))
    streams = segments.channel.tolist()
    gains, noise = [columns[i] for i in streams], [header.noise_numbers[i] for i in streams]
    return arranged(header, Things(time, vector, amplitude, sizes, gains, noise))


def _heard_db(table: EventTable, shape_map: Shapes) -> Floats:
    """float64 [n]: how loud events are heard; in `speech` that depends on where harmonics lie under the spectrum."""
    level = level_db(table)
    if layout_of(table.header).events_are_notes or not len(table):
        return level
    return level + loudness_db(table, shape_map_of(table.header, shape_map), np.ones(len(table), bool))


def _loudest(level: Floats, number: NDArray[np.int64]) -> Floats:
    """float64 [m]: of each number the highest of its levels, float64 [n]."""
    out = np.full(int(number.max(initial=-1)) + 1, -np.inf)
    np.maximum.at(out, number, level)
    return out
