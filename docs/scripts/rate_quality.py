"""Draws quality over bitrate, ours beside the bench's peers, and what effort buys; prints our rows as a table.

    python docs/scripts/rate_quality.py PEERS.tsv OUT_DIR RESULT.json... [--effort RESULT.json...]
        [--ask NAME:kbps=2.4,estoi=0.80]...

Each RESULT.json is what `bench.py --json` wrote of one setting; a name that ends in a number ("effort-3.json") tells
the effort. docs/scripts/measure_rates.py makes both kinds. Writes OUT_DIR/rate-quality.svg, and with --effort
OUT_DIR/effort.svg: text stays text, and the same figures give the same bytes. --ask says what the row NAME (the file's
name without .json) was to reach: at most so many kbps, at least so much of all else.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

QUALITIES = {"estoi": "ESTOI", "pesq_wb": "PESQ-WB", "visqol": "ViSQOL", "distill": "DistillMOS"}
TIMES = ("kbps", "rtf_enc", "rtf_dec")  # weighted by the length of clips, as the bench does
KBPS_RANGE, KBPS_TICKS = (0.5, 16.0), (0.5, 1, 2, 4, 8, 16)
INK, FAINT, PAPER = "#1f2328", "#d0d7de", "#ffffff"  # paper too, so that a dark page shows it as it is
OURS = dict(color="#c1121f", marker="o", linewidth=2.4, markersize=6, zorder=5)

# Colours tell makers apart, also to the colour-blind (Okabe & Ito), and fillings tell narrow from wide band.
STYLES: dict[str, dict[str, str]] = {
    "Codec2": dict(color="#0072b2", marker="o"),
    "Speex NB": dict(color="#b37400", marker="s", markerfacecolor=PAPER),
    "Speex WB": dict(color="#b37400", marker="s"),
    "AMR-NB": dict(color="#00795a", marker="^", markerfacecolor=PAPER),
    "AMR-WB": dict(color="#00795a", marker="^"),
    "Opus": dict(color="#8a4f9e", marker="D", markerfacecolor=PAPER),
    "Opus WB": dict(color="#8a4f9e", marker="D"),
    "Opus 1.5 LACE, WB": dict(color="#3a9bdc", marker="v", markerfacecolor=PAPER),
    "Opus 1.5 NoLACE, WB": dict(color="#3a9bdc", marker="v"),
    "MP3": dict(color="#6e7781", marker="x"),
}
CODECS = {
    "codec2": "Codec2",
    "speex-nb": "Speex NB",
    "speex-wb": "Speex WB",
    "amr-nb": "AMR-NB",
    "amr-wb": "AMR-WB",
    "opus": "Opus",
    "opus1.5-lace": "Opus 1.5 LACE,",
    "opus1.5-nolace": "Opus 1.5 NoLACE,",
    "mp3-lame": "MP3",
}
NOT_CODECS = {"pcm"}


@dataclass(frozen=True)
class Point:
    """A codec at one setting: means over clips by the bench's names, and how many clips."""

    name: str
    means: Mapping[str, float]
    n_clips: int = 0


@dataclass(frozen=True)
class Ask:
    """What the row `name` was to reach."""

    name: str
    values: Mapping[str, float] = field(default_factory=dict)


def read_result(path: Path) -> Point:
    rows = json.loads(path.read_text())
    seconds = [row["seconds"] for row in rows]
    means = {}
    for key in (*QUALITIES, *TIMES):
        means[key] = float(np.average([row[key] for row in rows], weights=seconds if key in TIMES else None))
    return Point(path.stem, means, len(rows))


def read_peers(path: Path) -> dict[str, list[Point]]:
    """Families of codecs in the order of `STYLES`, unknown ones last; each by rising rate without the container."""
    families: dict[str, list[Point]] = {family: [] for family in STYLES}
    with path.open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["codec"] in NOT_CODECS:
                continue
            setting, _, band = row["setting"].partition(" ")
            family = CODECS.get(row["codec"], row["codec"]) + (" WB" if band == "WB" else "")
            means = {key: float(row[key]) for key in ("kbps", "payload_kbps", *QUALITIES)}
            families.setdefault(family, []).append(Point(setting, means))
    return {
        family: sorted(points, key=lambda point: point.means["payload_kbps"])
        for family, points in families.items()
        if points
    }


def draw_rates(ours: Sequence[Point], peers: Mapping[str, Sequence[Point]]) -> Figure:
    """Four panels: a quality over kbps, a line for each family that is within the range."""
    figure = new_figure(9, 7.6)
    axes = figure.subplots(2, 2, sharex=True)
    within = {family: points for family, points in peers.items() if any(map(is_drawn, points))}
    for ax, (key, title) in zip(axes.flat, QUALITIES.items(), strict=True):
        for family, points in within.items():
            style = dict(color="#6e7781", marker="+") | STYLES.get(family, {})
            draw_line(ax, points, key, label=family, linewidth=1.1, markersize=4.5, **style)
        draw_line(ax, sorted(ours, key=lambda point: point.means["kbps"]), key, label="sic", **OURS)
        ax.set_title(title, loc="left", fontweight="bold")
        ax.set_xscale("log")
        ax.set_xlim(*KBPS_RANGE)
        ax.set_xticks(KBPS_TICKS)
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        seen = [point.means[key] for points in (*within.values(), ours) for point in points if is_drawn(point)]
        room = 0.05 * (max(seen) - min(seen))
        ax.set_ylim(min(seen) - room, max(seen) + room)
    for ax in axes[1]:
        ax.set_xlabel("kbit/s, whole files")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    order = [len(labels) - 1, *range(len(labels) - 1)]  # ours first
    figure.legend(
        [handles[i] for i in order], [labels[i] for i in order], loc="outside lower center", ncols=4, frameon=False
    )
    return figure


def is_drawn(point: Point) -> bool:
    return KBPS_RANGE[0] <= point.means["kbps"] <= KBPS_RANGE[1]


def draw_line(ax: Axes, points: Sequence[Point], key: str, **style: object) -> None:
    ax.plot([point.means["kbps"] for point in points], [point.means[key] for point in points], **style)  # type: ignore[arg-type]


def draw_efforts(points: Sequence[Point]) -> Figure:
    """Three panels over effort: ESTOI, the qualities that are told on the scale of opinions, and encoding time."""
    figure = new_figure(9, 3.4)
    understood, opinions, time = figure.subplots(1, 3)
    by_effort = sorted(points, key=effort_of)
    efforts = [effort_of(point) for point in by_effort]
    understood.plot(efforts, [point.means["estoi"] for point in by_effort], **OURS)
    understood.set_title("ESTOI", loc="left", fontweight="bold")
    for key, colour, marker in zip(list(QUALITIES)[1:], ("#c1121f", "#0072b2", "#00795a"), "osD", strict=True):
        values = [point.means[key] for point in by_effort]
        opinions.plot(efforts, values, color=colour, marker=marker, label=QUALITIES[key], linewidth=1.6, markersize=4.5)
    opinions.set_title("Quality, 1 to 5", loc="left", fontweight="bold")
    opinions.margins(y=0.35)
    opinions.legend(frameon=False, loc="upper left", ncols=2, fontsize="small", columnspacing=1)
    time.plot(efforts, [point.means["rtf_enc"] for point in by_effort], **OURS)
    time.set_title("Encoding, s for a second", loc="left", fontweight="bold")
    time.set_yscale("log")
    time.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    time.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else ""))
    for ax in (understood, opinions, time):
        ax.set_xlabel("--effort")
        ax.set_xticks(efforts)
    return figure


def effort_of(point: Point) -> int:
    number = re.search(r"(\d+)$", point.name)
    if number is None:
        raise SystemExit(f"{point.name}.json: its name does not end in an effort, such as effort-3.json")
    return int(number[1])


def new_figure(width: float, height: float) -> Figure:
    matplotlib.rcParams.update(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "sic",
            "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
            "font.size": 10,
            "text.color": INK,
            "axes.labelcolor": INK,
            "axes.edgecolor": FAINT,
            "axes.titlesize": 11,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "grid.color": FAINT,
            "grid.linewidth": 0.6,
            "xtick.color": INK,
            "ytick.color": INK,
        }
    )
    figure = Figure(figsize=(width, height), layout="constrained", facecolor=PAPER)
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None, "Creator": None} if path.suffix == ".svg" else None)


def as_table(points: Sequence[Point], asks: Sequence[Ask]) -> str:
    """Markdown; beside each figure that was asked for what was, in bold where it was missed."""
    asked = {ask.name: ask.values for ask in asks}
    if unknown := set(asked) - {point.name for point in points}:
        raise SystemExit(f"--ask {', '.join(sorted(unknown))}: there is no such row")
    titles = {"kbps": "kbit/s"} | QUALITIES | {"rtf_enc": "encoding, s/s", "rtf_dec": "decoding, s/s"}
    lines = [f"| | {' | '.join(titles.values())} |", "|---" * (len(titles) + 1) + "|"]
    for point in points:
        cells = [cell(key, point.means[key], asked.get(point.name, {}).get(key)) for key in titles]
        lines.append(f"| {point.name} ({point.n_clips} clips) | {' | '.join(cells)} |")
    return "\n".join(lines)


def cell(key: str, value: float, asked: float | None) -> str:
    if asked is None:
        return f"{value:.3f}"
    is_most = key in TIMES
    is_reached = value <= asked if is_most else value >= asked
    text = f"{value:.3f} ({'≤' if is_most else '≥'} {asked:g})"
    return text if is_reached else f"**{text}**"


def parse_ask(text: str) -> Ask:
    name, _, pairs = text.partition(":")
    values = {}
    for pair in pairs.split(","):
        key, _, value = pair.partition("=")
        if key not in (*QUALITIES, *TIMES):
            raise argparse.ArgumentTypeError(f"{key!r} is none of {', '.join((*QUALITIES, *TIMES))}")
        values[key] = float(value)
    return Ask(name, values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("--effort", type=Path, nargs="+", default=[], dest="efforts")
    parser.add_argument("--ask", type=parse_ask, action="append", default=[])
    parser.add_argument("--format", default="svg", help="another one to look at, such as png")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    ours = sorted(map(read_result, args.results), key=lambda point: point.means["kbps"])
    efforts = sorted(map(read_result, args.efforts), key=effort_of)
    save(draw_rates(ours, read_peers(args.peers)), args.out / f"rate-quality.{args.format}")
    if efforts:
        save(draw_efforts(efforts), args.out / f"effort.{args.format}")
    print(as_table([*ours, *efforts], args.ask))


if __name__ == "__main__":
    main()
