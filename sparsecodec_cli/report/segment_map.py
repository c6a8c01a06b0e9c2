"""The segments of a part of a recording as lines on a page: time to the right, pitch upwards, linked events joined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsecodec_cli.inspect.keys import Keys
from sparsecodec_cli.inspect.segment_courses import courses
from sparsecodec_formats.interchange.notes import MIDI_OF_110_HZ, note_name_and_cents
from sparsecodec_formats.segments import Segments
from sparsecodec_formats.table import EventTable

WIDTH, HEIGHT = 1000.0, 200.0
NOISE_HEIGHT = 8.0  # of the row at the bottom for what has no pitch


@dataclass(frozen=True)
class SegmentLine:
    """One segment: path in a box of WIDTH × HEIGHT, what it is, and whether it has a pitch."""

    path: str
    title: str
    pitched: bool


@dataclass(frozen=True)
class SegmentMap:
    """ticks: (name, share of the height from below) of the upward axis."""

    ticks: list[tuple[str, float]]
    lines: list[SegmentLine]


def segment_map(
    table: EventTable, segments: Segments, pitched: NDArray[np.bool_], start_s: float, duration_s: float
) -> SegmentMap:
    """Of the segments that are heard within a time. pitched: which events of the table have a pitch, bool [n]."""
    drawn = list(courses(table, segments, pitched))
    shown = np.concatenate([np.zeros(0), *(course.midi[np.isfinite(course.midi)] for course in drawn)])
    keys = Keys(float(shown.min()), float(shown.max()), []) if len(shown) else Keys(None, None, [])
    low, high = keys.bottom, max(keys.top, keys.bottom + 1)

    def up(key: float) -> float:
        return round((HEIGHT - NOISE_HEIGHT) * (1 - (key - low) / (high - low)), 1)

    def along(time_s: float) -> float:
        return round(WIDTH * (time_s - start_s) / max(duration_s, 1e-9), 2)

    lines = []
    for i in np.flatnonzero((segments.end_s > start_s) & (segments.start_s < start_s + duration_s)).tolist():
        begin_s, end_s = float(segments.start_s[i]), float(segments.end_s[i])
        what = f"{i}: {begin_s:.2f} to {end_s:.2f} s, {segments.level_db[i]:.0f} dB"
        if segments.kind[i] != "pitched":
            path = f"M{along(begin_s)} {HEIGHT - NOISE_HEIGHT / 2}H{along(end_s)}"
            lines.append(SegmentLine(path, f"{what}, {segments.kind[i]}", False))
            continue
        points = zip(drawn[i].time_s.tolist(), drawn[i].midi.tolist(), strict=True)
        path = "M" + " ".join(f"{along(time_s)} {up(at)}" for time_s, at in points)
        name = note_name_and_cents(MIDI_OF_110_HZ + 12 * float(np.log2(segments.f0_hz[i] / 110)))
        lines.append(SegmentLine(path, f"{what}, {segments.f0_hz[i]:.0f} Hz ({name})", True))
    ticks = [(name, 1 - up(at) / HEIGHT) for at, name in zip(*keys.ticks, strict=True)]
    return SegmentMap(ticks, lines)
