"""What is told of each part: when it is heard, its pitch, level, spectrum."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparsecodec_formats.presets.layout import Layout
from sparsecodec_formats.table import EventTable

from .parts import FLOOR_DB, Cut, Floats, Parts, Rows


def description(table: EventTable, layout: Layout, cut: Cut) -> dict[str, Any]:
    """What `Segments` holds of the parts, by the names of its attributes; in order of the parts' first events."""
    parts, time_s = cut.parts, table.time[cut.parts.order]
    start_s = np.minimum(cut.start_s, np.maximum(table.duration_s, time_s[parts.first]))
    semitones = layout.dim("f0_semitones").heard(table.vector)[parts.order]
    loudest = parts.most(cut.level_db)
    of_parts = {
        "start_s": start_s,
        "end_s": np.maximum(start_s, np.minimum(cut.end_s, table.duration_s)),
        "kind": cut.kind,
        "f0_hz": 110 * np.exp2(_medians(parts, semitones, cut.weight) / 12),
        "f0_course_semitones": _courses(parts, time_s, semitones, cut.weight),
        "level_db": np.where(loudest <= FLOOR_DB, -np.inf, loudest),
        "channel": table.channel[parts.order[parts.first]],
    }
    by_row = np.argsort(parts.order[parts.first], kind="stable")
    number = np.empty(len(table), np.int64)
    number[parts.order] = np.argsort(by_row)[parts.part]
    shape = table.vector[:, layout.dim("shape_0").index :].astype(np.float64)
    return {
        **{name: column[by_row] for name, column in of_parts.items()},
        "timbre": _means(shape, number, cut.level_db, parts),
        "number": number,
    }


def _medians(parts: Parts, values: Floats, weight: Floats) -> Floats:
    """The value that half of a part's weight lies at or below; nan where it has none."""
    by_value = np.lexsort((values, parts.part))
    up_to = np.cumsum(weight[by_value])
    whole = parts.sums(weight)
    begun = up_to[parts.first] - weight[by_value][parts.first] if len(parts.first) else np.zeros(0)
    at = np.searchsorted(up_to, begun + whole / 2)
    return np.where(whole > 0, values[by_value][np.minimum(at, parts.last)], np.nan)


def _courses(parts: Parts, time_s: Floats, values: Floats, weight: Floats) -> Floats:
    """How much the line nearest to a part's values rises over the time that has weight; nan where none has."""
    whole, part = parts.sums(weight), parts.part
    safe = np.where(whole > 0, whole, 1.0)
    time = time_s - (parts.sums(weight * time_s) / safe)[part]
    value = values - (parts.sums(weight * values) / safe)[part]
    spread = parts.sums(weight * time**2)
    rise = np.where(spread > 1e-12, parts.sums(weight * time * value) / np.maximum(spread, 1e-12), 0.0)
    has = weight > 0
    length = parts.most(np.where(has, time, -np.inf)) + parts.most(np.where(has, -time, -np.inf))
    return np.where(whole > 0, rise * np.where(whole > 0, length, 0.0), np.nan)


def _means(shape: Floats, number: Rows, level: Floats, parts: Parts) -> Floats:
    """Mean vectors of segments, float64 [m, dims], the louder events counting more."""
    power = np.empty(len(number))
    loudest = parts.most(level)
    power[parts.order] = 10 ** ((level - loudest[parts.part]) / 10)
    m = len(parts.first)
    sums = np.column_stack([np.bincount(number, power * column, m) for column in shape.T])
    return sums / np.bincount(number, power, m)[:, None]
