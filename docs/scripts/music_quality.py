"""Draws the figures of the music bench by group of clips over bitrate, ours beside the peers', and prints our table.

    python docs/scripts/music_quality.py PEERS.tsv OUT.svg RESULT.json...

Each RESULT.json is what `music_bench.py --json` wrote of one setting, with the setting's `--bitrate` as the number in
its name (music-3.json).
"""

from __future__ import annotations

import argparse
import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator
from rate_quality import OURS, new_figure, save

FIGURES = {
    "f1": "F1 of notes",
    "mel60": "mel60: less is better",
    "cqt": "cqt: less is better",
    "sc": "sc: less is better",
    "chroma": "chroma",
    "visqol": "ViSQOL",
}
TABLE = ("kbps", "f1", "per_note", "mel60", "cqt", "sc", "chroma", "visqol")
GROUPS = {
    "mono": "#0072b2",
    "piano": "#00795a",
    "guitar": "#b37400",
    "ensemble": "#8a4f9e",
    "drums": "#3a9bdc",
    "real": "#6e7781",
}
OPUS = ("opus 8", "opus 12 cbr --music", "opus 16")
KBPS_RANGE, KBPS_TICKS = (0.25, 24.0), (0.25, 0.5, 1, 2, 4, 8, 16)

Row = dict[str, float]


def means(rows: Sequence[dict]) -> Row:
    """As the bench takes them: rates weighted by the length of clips, what a clip has no figure of left out."""
    out = {}
    for key in TABLE:
        have = [row for row in rows if np.isfinite(row.get(key, np.nan))]
        weights = [row["seconds"] for row in have] if key == "kbps" else None
        out[key] = float(np.average([row[key] for row in have], weights=weights)) if have else float("nan")
    return out


def read_result(path: Path) -> dict[str, Row]:
    """Means by group, and of all."""
    rows = json.loads(path.read_text())
    if failed := [row["clip"] for row in rows if "error" in row]:
        raise SystemExit(f"{path}: the bench failed on {', '.join(failed)}")
    return {group: means([row for row in rows if group in ("all", row["group"])]) for group in ("all", *GROUPS)}


def read_opus(path: Path) -> list[Row]:
    """Means over all clips of Opus at its settings, by rising rate."""
    with path.open() as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["group"] == "all"]
    found = [{key: float(row[key]) for key in TABLE} for row in rows if row["codec"] in OPUS]
    return sorted(found, key=lambda row: row["kbps"])


def draw(ours: Sequence[dict[str, Row]], opus: Sequence[Row]) -> Figure:
    """Six panels: a figure over kbit/s, a line for each group, one for all, and Opus."""
    figure = new_figure(10, 7)
    axes = figure.subplots(2, 3, sharex=True)
    for ax, (key, title) in zip(axes.flat, FIGURES.items(), strict=True):
        lines = [
            (group, [of[group] for of in ours], dict(color=colour, marker=".", linewidth=1.1))
            for group, colour in GROUPS.items()
        ]
        lines += [("Opus, all clips", opus, dict(color="#1f2328", marker="D", linewidth=1.1, markersize=4))]
        lines += [("sic, all clips", [of["all"] for of in ours], OURS)]
        for label, points, style in lines:
            if np.isfinite([point[key] for point in points]).any():
                ax.plot([p["kbps"] for p in points], [p[key] for p in points], label=label, **style)
        ax.set_title(title, loc="left", fontweight="bold")
        ax.set_xscale("log")
        ax.set_xlim(*KBPS_RANGE)
        ax.set_xticks(KBPS_TICKS)
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    for ax in axes[1]:
        ax.set_xlabel("kbit/s, whole files")
    handles, labels = axes[1, 0].get_legend_handles_labels()
    order = [len(labels) - 1, len(labels) - 2, *range(len(labels) - 2)]
    figure.legend(
        [handles[i] for i in order], [labels[i] for i in order], loc="outside lower center", ncols=4, frameon=False
    )
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("results", type=Path, nargs="+")
    args = parser.parse_args()
    names = {path: re.search(r"(\d+(?:\.\d+)?)$", path.stem) for path in args.results}
    if nameless := [str(path) for path, name in names.items() if name is None]:
        raise SystemExit(f"{nameless[0]}: its name does not end in a bitrate, such as music-3.json")
    ours = {float(name[1]): read_result(path) for path, name in names.items() if name}
    rates = sorted(ours)
    save(draw([ours[rate] for rate in rates], read_opus(args.peers)), args.out)
    print("| `--bitrate` | group | " + " | ".join(TABLE) + " |")
    print("|---" * (len(TABLE) + 2) + "|")
    for rate in rates:
        for group, row in ours[rate].items():
            cells = ["–" if np.isnan(row[key]) else f"{row[key]:.{2 if key == 'kbps' else 3}f}" for key in TABLE]
            print(f"| {rate:g} | {group} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
