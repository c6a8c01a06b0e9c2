"""The one schema of a segment as a row, for JSON, CSV and tables.

A row is a flat mapping with these keys, all of which stay the same:

    index                 place among the segments, from 0
    start_s, end_s        seconds from the start of the source
    kind                  "pitched", "unvoiced" or "drum"
    f0_hz                 its pitch; None without
    f0_course_semitones   how much higher it ends than it begins; None without
    level_db              of its loudest event, re full scale; None for silence
    repeats               index of the first segment that it sounds like; None where it is the first of its kind
    channel               the stream that its events are in, from 0
    event, n_events       row of its first event, and how many there are
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sparsecodec_formats.segments import Segments

from .rows import DECIMALS

KEYS = (
    "index",
    "start_s",
    "end_s",
    "kind",
    "f0_hz",
    "f0_course_semitones",
    "level_db",
    "repeats",
    "channel",
    "event",
    "n_events",
)


def segment_rows(segments: Segments) -> list[dict[str, Any]]:
    """A row for each segment."""
    columns = [
        range(len(segments)),
        *(_numbers(getattr(segments, name)) for name in ("start_s", "end_s")),
        segments.kind.tolist(),
        *(_numbers(getattr(segments, name)) for name in ("f0_hz", "f0_course_semitones", "level_db")),
        [earlier if earlier >= 0 else None for earlier in segments.repeats.tolist()],
        segments.channel.tolist(),
        np.unique(segments.number, return_index=True)[1].tolist(),
        np.bincount(segments.number, minlength=len(segments)).tolist(),
    ]
    return [dict(zip(KEYS, values, strict=True)) for values in zip(*columns, strict=True)]


def _numbers(values: np.ndarray) -> list[float | None]:
    rounded = np.round(values, DECIMALS) + 0.0  # -0.0 becomes 0.0
    return [value if is_one else None for value, is_one in zip(rounded.tolist(), np.isfinite(values), strict=True)]
