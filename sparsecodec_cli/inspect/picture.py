"""A picture of events in characters: the voices as lines of level over time, a character for 2 × 4 dots."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.edit.ranking import AUDIBLE_DB
from sparsecodec_formats.presets import Layout, level_db
from sparsecodec_formats.presets.voices import Voices
from sparsecodec_formats.table import EventTable

from .cells import DOTS_X, DOTS_Y, braille, by_cell

ROWS, ROWS_OF_TWO = 14, 8  # at most, of one picture, and of each where there are two
ROW_DB = (1, 2, 2.5, 5, 10, 20)
TICK_DB = {1: 5, 2: 10, 2.5: 10, 5: 10, 10: 20, 20: 40}
LEAST_SPAN_DB = 24.0
MOST_DB, MOST_SEMITONES = 300.0, 120.0
DENSE = 4  # lines for each column of dots; where there are more, ranges are drawn instead of them
MIDDLE, NEARLY_ALL = (0.25, 0.75), (0.02, 0.9)  # shares of a column's time, from its loudest on
LEAST_S = 1e-3  # that a line counts, so that dots count too
CHUNK = 1 << 14  # lines drawn at once, so that memory stays bounded


@dataclass(frozen=True)
class Points:
    """Points of lines: float64 [n] seconds, dB (-inf: silence), semitones (nan: no pitch); uint8 [n] channel."""

    time_s: NDArray[np.float64]
    level_db: NDArray[np.float64]
    pitch: NDArray[np.float64]
    channel: NDArray[np.uint8]

    def select(self, rows: NDArray[Any] | slice) -> Points:
        return Points(self.time_s[rows], self.level_db[rows], self.pitch[rows], self.channel[rows])

    def silent(self) -> Points:
        return replace(self, level_db=np.full(len(self.time_s), -np.inf))


@dataclass(frozen=True)
class Lines:
    """Straight lines of level over time; a dot is a line that ends where it begins."""

    start: Points
    end: Points

    def __len__(self) -> int:
        return len(self.start.time_s)

    def select(self, rows: NDArray[Any] | slice) -> Lines:
        return Lines(self.start.select(rows), self.end.select(rows))


class Scale(NamedTuple):
    """Where levels and times lie in a picture of n_rows × width characters.

    The middle of the first row is top_db, of each below row_db less; the first character begins at 0 s, the last ends
    at duration_s.
    """

    top_db: float
    row_db: float
    n_rows: int
    duration_s: float
    width: int

    @property
    def bottom_db(self) -> float:
        """Lower edge of the last row."""
        return self.top_db - (self.n_rows - 0.5) * self.row_db

    def labelled_db(self, row: int) -> float | None:
        """The level at the middle of a row if it is a round one."""
        level = self.top_db - row * self.row_db
        return None if level % TICK_DB[self.row_db] else level

    def dots(self, points: Points) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """How many dots to the right and how many down; levels beyond the picture lie on its edge."""
        right = points.time_s / self.duration_s * self.width * DOTS_X
        down = (self.top_db + self.row_db / 2 - np.maximum(points.level_db, self.bottom_db)) / self.row_db * DOTS_Y
        return right, np.clip(down, 0, self.n_rows * DOTS_Y - 0.5)


class Panel(NamedTuple):
    """A picture of one channel, or of all where `channel` is None: n_rows lines of `width` characters.

    pitch: float64 [n_rows, width], semitones, of what each character shows; nan: none.
    """

    channel: int | None
    rows: list[str]
    pitch: NDArray[np.float64]


class Picture(NamedTuple):
    """Panels, one below the other, on one scale."""

    scale: Scale
    panels: list[Panel]


def picture(table: EventTable, layout: Layout, width: int, *, ascii_only: bool = False) -> Picture | None:
    """The events of a table, `width` characters wide; None when nothing sounds within the duration.

    Where vectors tell what is linked, a voice is a line through its events, which rises from the bottom over its
    attack and falls over its decay; elsewhere each event is a dot. Where lines lie too dense to be told apart, each
    column of dots shows the range of levels instead: filled, that of half of the time, dotted, of nearly all. Two
    channels get a panel each, more share one, and so do all streams of one.
    """
    level = levels_of(table)
    sounds = np.isfinite(level) & (table.time < table.duration_s)
    if not sounds.any():
        return None
    both = table.header.streams == 2 <= table.header.channels
    scale = scale_of(level[sounds], table.duration_s, width, ROWS_OF_TWO if both else ROWS)
    lines = _within(lines_of(table, layout), scale)
    if not both:
        return Picture(scale, [_panel(lines, scale, None, ascii_only)])
    return Picture(scale, [_panel(lines.select(lines.start.channel == c), scale, c, ascii_only) for c in range(2)])


def lines_of(table: EventTable, layout: Layout) -> Lines:
    """The voices of a table as lines, or its events as dots where the preset tells no links."""
    events = Points(table.time, levels_of(table), pitch_of(table, layout), table.channel)
    voices = Voices.of(table)
    if not voices.linked:
        return Lines(events, events)
    order = voices.order
    events, begins, ends = events.select(order), voices.begins[order], voices.ends[order]
    attack_s, decay_s = voices.attack_s[order], voices.decay_s[order]
    begin, last = events.select(begins), events.select(ends)
    linked, before = events.select(~begins), events.select(np.flatnonzero(~begins) - 1)
    changes = replace(before, time_s=np.maximum(linked.time_s - attack_s[~begins], before.time_s))
    holds = changes.time_s > before.time_s
    return _joined(
        [
            Lines(replace(begin, time_s=begin.time_s - attack_s[begins]).silent(), begin),
            Lines(before.select(holds), changes.select(holds)),
            Lines(changes, linked),
            Lines(last, replace(last, time_s=last.time_s + decay_s[ends]).silent()),
        ]
    )


def levels_of(table: EventTable) -> NDArray[np.float64]:
    """float64 [n]: levels within ± MOST_DB, dB, whatever numbers a file holds; -inf for amplitude 0."""
    level = level_db(table)
    return np.where(np.isfinite(level), np.clip(level, -MOST_DB, MOST_DB), -np.inf)


def pitch_of(table: EventTable, layout: Layout) -> NDArray[np.float64]:
    """float64 [n]: semitones within ± MOST_SEMITONES; nan where the number in the file is 0: no pitch yet."""
    dim = layout.dims.get("f0_semitones")
    if dim is None:
        return np.full(len(table), np.nan)
    pitch = np.clip(dim.physical(table.vector), -MOST_SEMITONES, MOST_SEMITONES)
    return np.where(table.vector[:, dim.index] == 0, np.nan, pitch)


def scale_of(level_db: NDArray[np.float64], duration_s: float, width: int, most_rows: int) -> Scale:
    """A scale for finite levels [n], n > 0: down to the lowest, but no further than what is audible."""
    high = float(level_db.max())
    low = min(max(float(level_db.min()), high - AUDIBLE_DB), high - LEAST_SPAN_DB)
    for row_db in ROW_DB:
        top, bottom = math.ceil(high / row_db - 0.5), math.floor(low / row_db + 0.5)
        if top - bottom < most_rows:
            break
    return Scale(top * row_db, row_db, top - bottom + 1, duration_s, width)


def _joined(parts: list[Lines]) -> Lines:
    def points(of: list[Points]) -> Points:
        columns = ([getattr(part, field.name) for part in of] for field in fields(Points))
        return Points(*(np.concatenate(column) for column in columns))

    return Lines(points([part.start for part in parts]), points([part.end for part in parts]))


def _within(lines: Lines, scale: Scale) -> Lines:
    """Those that sound within the duration: what lies in silence all along is not drawn."""
    here = (lines.end.time_s >= 0) & (lines.start.time_s < scale.duration_s)
    return lines.select(here & (np.maximum(lines.start.level_db, lines.end.level_db) >= scale.bottom_db))


def _panel(lines: Lines, scale: Scale, channel: int | None, ascii_only: bool) -> Panel:
    seconds, pitched, pitch = _drawn(lines, scale)
    dots = seconds > 0
    if len(lines) > DENSE * scale.width * DOTS_X:
        dots = _ranges(seconds)
    cells = by_cell(dots)
    rows = _ascii(cells) if ascii_only else braille(cells)
    of_cell, pitched_of_cell, pitch_of_cell = (by_cell(a).sum(axis=(2, 3)) for a in (seconds, pitched, pitch))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(2 * pitched_of_cell >= of_cell, pitch_of_cell / pitched_of_cell, np.nan)
    return Panel(channel, rows, np.where(cells.any(axis=(2, 3)), mean, np.nan))


def _drawn(lines: Lines, scale: Scale) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Of each dot, [down, to the right]: seconds of lines there, seconds of those with a pitch, and these × pitch."""
    shape = scale.n_rows * DOTS_Y, scale.width * DOTS_X
    sums = np.zeros((3, shape[0] * shape[1]))
    for right, down, weight, height in _points(lines, scale):
        seen = (right >= 0) & (right < shape[1])
        place = (down * shape[1] + right)[seen]
        has_pitch = np.isfinite(height)
        for total, values in zip(
            sums, (weight, weight * has_pitch, np.where(has_pitch, weight * height, 0.0)), strict=True
        ):
            total += np.bincount(place, values[seen], len(total))
    seconds, pitched, pitch = sums.reshape(3, *shape)
    return seconds, pitched, pitch


def _points(
    lines: Lines, scale: Scale
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]]:
    """Dots (to the right, down) so close on the lines that none is missed, the seconds that each stands for, and its
    pitch, which is that of the nearer end."""
    for i in range(0, len(lines), CHUNK):
        some = lines.select(slice(i, i + CHUNK))
        (x, y), (end_x, end_y) = scale.dots(some.start), scale.dots(some.end)
        dx, dy = end_x - x, end_y - y
        # only what lies in the picture: a decay may be much longer than the recording
        long = np.where(dx > 0, dx, 1.0)
        first = np.where(dx > 0, np.clip(-x / long, 0, 1), 0.0)
        part = np.where(dx > 0, np.clip((scale.width * DOTS_X - x) / long, 0, 1), 1.0) - first
        n = np.ceil(np.maximum(dx, np.abs(dy)) * part).astype(int) + 1
        line = np.repeat(np.arange(len(n)), n)
        nth = np.arange(len(line)) - np.repeat(np.cumsum(n) - n, n)
        share = first[line] + part[line] * nth / np.maximum(n - 1, 1)[line]
        right, down = (np.floor(at[line] + share * by[line]).astype(int) for at, by in ((x, dx), (y, dy)))
        seconds = np.maximum((some.end.time_s - some.start.time_s) * part, LEAST_S) / n
        yield right, down, seconds[line], np.where(share < 0.5, some.start.pitch[line], some.end.pitch[line])


def _ranges(seconds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Dots of the levels at which each column is for most of its time."""
    whole = seconds.sum(axis=0)
    with np.errstate(invalid="ignore"):
        softest = np.cumsum(seconds, axis=0) / whole
        loudest = softest - seconds / whole
    every_other = np.indices(seconds.shape).sum(axis=0) % 2 == 0
    middle, nearly_all = ((softest > low) & (loudest < high) for low, high in (MIDDLE, NEARLY_ALL))
    return middle | (nearly_all & every_other)


def _ascii(cells: NDArray[np.bool_]) -> list[str]:
    return ["".join(_ascii_of(cell) for cell in row) for row in cells]


def _ascii_of(cell: NDArray[np.bool_]) -> str:
    """A character that looks about like dots [4, 2]."""
    down = np.flatnonzero(cell.any(axis=1))
    if not len(down):
        return " "
    left, right = np.flatnonzero(cell[:, 0]), np.flatnonzero(cell[:, 1])
    if len(left) and len(right) and abs(left.mean() - right.mean()) >= 1.5:
        return "/" if left.mean() > right.mean() else "\\"
    if down[-1] - down[0] >= 2:
        return "|"
    return "'--."[round(down.mean())]
