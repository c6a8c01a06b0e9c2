"""The segments of a file as one picture: their pitch over time, and their levels; needs matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from sparsecodec_formats.interchange.notes import Note, segment_notes
from sparsecodec_formats.segments import KINDS

from .colour_ramp import ramp
from .keys import Keys
from .segment_courses import Course, courses

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .inspection import Inspection

Style = Literal["solid", "dashed", "dotted"]
UNVOICED = "unvoiced"
DEPTH_DB = 60.0  # below the loudest segment, what is drawn softest
LEAST_LENGTH = 0.002  # of the recording: the shortest line
MOST_NUMBERED = 80  # segments that have their numbers beside them
MOST_DRAWN = 3000  # as shapes in SVG and PDF; more are one picture of pixels, lest the file be slow to open
MOST_MARKED = 300  # whose beginnings are marked
STYLES: tuple[Style, ...] = ("solid", "dashed", "dotted")  # of channels; with more of them all are the same
COLOURS = dict(zip(KINDS, ("#2a78b8", "#d9822b", "#7a4fa3"), strict=True))


def draw_segments(figure: Figure, inspection: Inspection) -> None:
    """Two halves with one axis of time: pitch upwards, coloured by level; below, levels coloured by kind."""
    upper, lower = figure.subplots(2, 1, height_ratios=(1.6, 1.0), sharex=True)
    drawn = list(courses(inspection.table, inspection.segments, inspection.pitched))
    end_s = inspection.table.duration_s or 1.0
    upper.set_xlim(-0.01 * end_s, 1.01 * end_s)
    upper.tick_params(labelbottom=True)
    _draw_pitches(upper, inspection, drawn, LEAST_LENGTH * end_s)
    _draw_levels(lower, inspection, drawn, LEAST_LENGTH * end_s)
    for axes in (upper, lower):
        axes.set_xlabel("time (s)")
        if not drawn:
            axes.text(0.5, 0.5, "no segments", transform=axes.transAxes, ha="center", va="center", color="0.4")


def _draw_pitches(axes: Axes, inspection: Inspection, drawn: list[Course], least_s: float) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.colors import ListedColormap

    axes.set_title("segments: pitch upwards, linked events joined, coloured by level (dB)", loc="left")
    segments = inspection.segments
    drums = {note.event: note for note in segment_notes(inspection.table, segments) if note.drum is not None}
    names = [_row_name(inspection, course, drums) for course in drawn]
    pitches = np.concatenate([np.zeros(0), *(course.midi[np.isfinite(course.midi)] for course in drawn)])
    shown = [drum for drum in dict.fromkeys(Keys.of(list(drums.values())).drums) if drum in names]
    rows = [name for name in (UNVOICED, "drum") if name in names] + shown
    keys = Keys(float(pitches.min()), float(pitches.max()), rows) if len(pitches) else Keys(None, None, rows)
    axes.set_yticks(*keys.ticks, fontsize=8)
    axes.set_ylim(keys.bottom, max(keys.top, keys.bottom + 1))
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)
    if not drawn:
        return
    lines = []
    for course, name in zip(drawn, names, strict=True):
        up = course.midi if name is None else np.full(len(course.midi), keys.row(name))
        lines.append(np.column_stack([_long_enough(course.time_s, least_s), up]))
    level = np.array([segments.level_db[course.segment] for course in drawn])
    finite = level[np.isfinite(level)]
    top = float(finite.max()) if len(finite) else 0.0
    bottom = max(top - DEPTH_DB, float(finite.min())) if len(finite) else top - DEPTH_DB
    collection = LineCollection(
        lines,
        array=np.clip(level, bottom, top),
        cmap=ListedColormap(ramp(64)),
        linewidths=3.0,
        capstyle="butt",
        linestyles=_styles(inspection, drawn),
        rasterized=len(lines) > MOST_DRAWN,
    )
    collection.set_clim(min(bottom, top - 6.0), top)
    axes.add_collection(collection)
    axes.figure.colorbar(collection, ax=axes, pad=0.01, fraction=0.02).ax.tick_params(labelsize=8)
    if len(lines) <= MOST_MARKED:
        at = np.array([line[0] for line in lines])
        axes.scatter(at[:, 0], at[:, 1], s=14.0, marker="|", linewidths=1.2, color="0.2", zorder=3)
    if len(lines) <= MOST_NUMBERED:
        for course, line in zip(drawn, lines, strict=True):
            axes.annotate(
                str(course.segment),
                (float(line[0, 0]), float(line[0, 1])),
                xytext=(2, 3),
                textcoords="offset points",
                fontsize=7,
                color="0.35",
            )


def _draw_levels(axes: Axes, inspection: Inspection, drawn: list[Course], least_s: float) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.lines import Line2D

    axes.set_title("level of their events (dB re full scale), coloured by kind", loc="left")
    if not drawn:
        axes.set_yticks([])
        return
    segments = inspection.segments
    levels = np.concatenate([course.level_db for course in drawn])
    levels = levels[np.isfinite(levels)]
    top = float(levels.max()) if len(levels) else 0.0
    bottom = max(top - DEPTH_DB, float(levels.min())) if len(levels) else top - DEPTH_DB
    axes.set_ylim(bottom - 3.0, top + 3.0)
    lines = [
        np.column_stack([_long_enough(course.time_s, least_s), np.maximum(course.level_db, bottom)]) for course in drawn
    ]
    kinds = [str(segments.kind[course.segment]) for course in drawn]
    axes.add_collection(
        LineCollection(
            lines,
            colors=[COLOURS[kind] for kind in kinds],
            linewidths=1.8,
            linestyles=_styles(inspection, drawn),
            rasterized=len(lines) > MOST_DRAWN,
        )
    )
    if len(lines) <= MOST_MARKED:
        axes.vlines([line[0, 0] for line in lines], *axes.get_ylim(), colors="0.85", linewidths=0.8, zorder=0)
    named = [Line2D([], [], color=COLOURS[kind], label=kind) for kind in KINDS if kind in kinds]
    if _several(inspection):
        what = "stream" if inspection.table.header.gains else "channel"
        channels = range(inspection.table.header.streams)
        named += [Line2D([], [], color="0.4", linestyle=STYLES[i], label=f"{what} {i}") for i in channels]
    axes.legend(handles=named, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(named), frameon=False)


def _row_name(inspection: Inspection, course: Course, drums: dict[int, Note]) -> str | None:
    """Of the row at the bottom that a segment is in; None: it has a pitch."""
    segments = inspection.segments
    if np.isfinite(course.midi).all():
        return None
    if segments.kind[course.segment] != "drum":
        return UNVOICED
    note = drums.get(int(segments.rows(course.segment)[0]))
    return note.drum.name if note is not None and note.drum is not None else "drum"


def _long_enough(time_s: np.ndarray, least_s: float) -> np.ndarray:
    """So that the shortest are seen."""
    return np.append(time_s[:-1], max(time_s[-1], time_s[0] + least_s))


def _several(inspection: Inspection) -> bool:
    return 1 < inspection.table.header.streams <= len(STYLES)


def _styles(inspection: Inspection, drawn: list[Course]) -> list[Style]:
    segments = inspection.segments
    return [STYLES[segments.channel[course.segment]] if _several(inspection) else STYLES[0] for course in drawn]
