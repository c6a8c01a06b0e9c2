"""The tables and the picture of docs/scripts/speed.py, from what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from speed_bench import Runs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BASE = "encodec"  # what speeds are told against
CLOCKS = ("cpu_s", "wall_s")
TASKS = {"encode": "encoding", "decode": "decoding"}
COLOURS = ("#c1121f", "#8a4f9e", "#0072b2", "#00795a", "#b37400", "#3a9bdc", "#6e7781", "#1f2328")


def names_in(runs: Runs, mode: str) -> list[str]:
    """Contestants that were measured so, in the order of their first run."""
    return list(dict.fromkeys(run.contestant for run in runs if run.mode == mode))


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))


def two(cpu: float | None, wall: float | None, digits: int = 1, unit: str = "") -> str:
    """A figure by CPU time, with that by the wall's behind it."""
    return "–" if cpu is None or wall is None else f"{cpu:.{digits}f}{unit} ({wall:.{digits}f})"


def ratio(above: float | None, below: float | None) -> float | None:
    return None if above is None or below is None else above / below


def warm_table(runs: Runs) -> str:
    """Speeds in times real time, by CPU time and, in brackets, by the wall's."""
    rows = []
    for name in names_in(runs, "warm"):
        row = [name]
        for task in TASKS:
            mine, base = runs.of(name, task, "warm"), runs.of(BASE, task, "warm")
            speeds = [mine.speed(clock) for clock in CLOCKS]
            bases = [base.speed(clock) for clock in CLOCKS]
            row += [f"{mine[0].sound_s:g}" if mine else "–", two(*speeds), two(*map(ratio, speeds, bases))]
        rows.append(row)
    head = ["warm"]
    for title in TASKS.values():
        head += ["sound, s", f"{title}, × real time", "× Encodec's"]
    return markdown(head, rows)


def whole_table(runs: Runs, clip_s: float, long_s: float) -> str:
    """Seconds for the short clip, times real time for the long one and 10^6 bytes at most: of whole processes."""
    rows = []
    for name in names_in(runs, "whole"):
        row = [name]
        for task in TASKS:
            clip, long = (runs.of(name, task, "whole", seconds) for seconds in (clip_s, long_s))
            peak_mb = (long or clip).median("peak_mb")
            row += [
                two(clip.median("cpu_s"), clip.median("wall_s"), 2),
                two(long.speed("cpu_s"), long.speed("wall_s")),
                "–" if peak_mb is None else f"{peak_mb:.0f}",
            ]
        rows.append(row)
    head = ["whole processes"]
    for title in TASKS.values():
        head += [f"{title} {clip_s:g} s: s", f"{long_s:g} s: × real time", "peak, MB"]
    return markdown(head, rows)


@dataclass(frozen=True)
class Line:
    """Cost over length: cost_s = start_s + slope · length."""

    start_s: float
    slope: float


def fitted_line(length_s: Sequence[float], cost_s: Sequence[float]) -> Line:
    """The line whose relative errors are least, so that short and long ones count alike; two lengths at least."""
    length, cost = np.asarray(length_s, float), np.asarray(cost_s, float)
    terms = np.stack([np.ones_like(length), length], 1)
    (start_s, slope), *_ = np.linalg.lstsq(terms / cost[:, None], np.ones_like(cost), rcond=None)
    return Line(float(start_s), float(slope))


def costs(runs: Runs, name: str, task: str) -> tuple[list[float], list[float]]:
    """Lengths in s, and the CPU time of whole processes on them, s."""
    lengths_s = sorted({run.sound_s for run in runs if (run.contestant, run.task, run.mode) == (name, task, "length")})
    return lengths_s, [runs.of(name, task, "length", length_s).median("cpu_s") or 0.0 for length_s in lengths_s]


def slope_table(runs: Runs) -> str:
    """What a whole process costs before and for each minute of sound, CPU time."""
    rows = []
    for name in names_in(runs, "length"):
        row = [name]
        for task in TASKS:
            lengths_s, costs_s = costs(runs, name, task)
            if len(lengths_s) < 2:
                row += ["–", "–", "–"]
                continue
            line = fitted_line(lengths_s, costs_s)
            peak_mb = runs.of(name, task, "length", lengths_s[-1]).median("peak_mb") or 0.0
            row += [f"{line.start_s:.2f}", f"{60 * line.slope:.3f}", f"{peak_mb:.0f} ({lengths_s[-1]:g} s)"]
        rows.append(row)
    head = ["cost over length"]
    for title in TASKS.values():
        head += [f"{title}: start, CPU s", "a minute, CPU s", "peak of the longest, MB"]
    return markdown(head, rows)


def draw_lengths(runs: Runs) -> Figure:
    """Two panels, encoding and decoding: CPU time over length, both in powers of ten."""
    from matplotlib.ticker import FuncFormatter, NullLocator
    from rate_quality import new_figure

    figure = new_figure(9, 4.6)
    panels = figure.subplots(1, 2, sharey=True)
    for ax, (task, title) in zip(panels, TASKS.items(), strict=True):
        seen: set[float] = set()
        for i, name in enumerate(names_in(runs, "length")):
            lengths_s, costs_s = costs(runs, name, task)
            seen.update(lengths_s)
            ax.plot(
                lengths_s, costs_s, label=name, color=COLOURS[i % len(COLOURS)], marker="osD^vx"[i % 6], markersize=4.5
            )
        ax.set_title(f"{title}, whole processes", loc="left", fontweight="bold")
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_xticks(sorted(seen))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: length_name(seconds)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds:g}"))
        ax.set_xlabel("length of the sound")
    panels[0].set_ylabel("CPU time, s")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure


def length_name(seconds: float) -> str:
    for unit_s, unit in ((3600, "h"), (60, "min")):
        if seconds >= unit_s:
            return f"{seconds / unit_s:g} {unit}"
    return f"{seconds:g} s"
