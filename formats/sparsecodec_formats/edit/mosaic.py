"""A mosaic: each segment of a recording by the most similar of another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.presets import layout_of
from sparsecodec_formats.segments import Segments
from sparsecodec_formats.table import EventTable

from .checks import moved
from .join import check_joinable
from .lanes import Thing, arranged
from .likeness import Heard, nearest, points_of_segments
from .parting import parted_at


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
    taken = nearest(
        points_of_segments(table, segments, without), points_of_segments(other, other_segments, without)
    ).tolist()
    header = replace(table.header, step=other.header.step, statistics=other.header.statistics)
    runs, pitch = other_segments.runs, layout_of(header).dim("f0_semitones")
    other = parted_at(other, runs)
    things = []
    for i, j in enumerate(taken):
        events = other.select(runs[j])
        delay_s = max(segments.start_s[i] - other_segments.start_s[j], -events.time[0])
        if keep_pitch and np.isfinite(interval := 12 * np.log2(segments.f0_hz[i] / other_segments.f0_hz[j])):
            events = moved(events, pitch, interval, np.ones(len(events), bool))
        if keep_level and np.isfinite(louder_db := segments.level_db[i] - other_segments.level_db[j]):
            events = events.replace(amplitude=events.amplitude * np.float32(10 ** (louder_db / 20)))
        stream = segments.channel[i]
        gains = tuple(row[stream] for row in header.stream_gains)
        things.append(Thing(events.replace(time=events.time + delay_s), gains, header.noise_numbers[stream]))
    return arranged(header, things)
