"""A file's events as one picture: their vectors, and where they lie; needs matplotlib and scikit-learn."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from sparsecodec_cli.errors import counted
from sparsecodec_formats import edit
from sparsecodec_formats.header import N_DIMS
from sparsecodec_formats.interchange.notes import Note
from sparsecodec_formats.presets import Layout
from sparsecodec_formats.table import EventTable

from .colour_ramp import ramp
from .event_map import event_map, normalised
from .keys import Keys

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .inspection import Inspection

FORMATS = ("png", "svg", "pdf")
SIZE_INCHES, DPI = (12.0, 9.5), 120
MOST_COLUMNS = 1000  # of the image of vectors; of more events neighbours are averaged, number by number
MOST_DRAWN = 3000  # dots as shapes in SVG and PDF; more are one picture of pixels, lest the file be slow to open
DEPTH_DB = 60.0  # below the strongest event, what is drawn smallest
LEAST_AREA, MOST_AREA = 2.0, 110.0  # of a dot, square points
CROWD = 300  # events among which the largest dots have MOST_AREA; among more they are smaller
BAR_HEIGHT = 0.8  # of a note, semitones
LEAST_BAR = 0.002  # of the recording: the shortest note
LEAST_VELOCITY_SPAN = 16.0
EDGES = ("white", "black", "0.5")  # of the notes of channels; with more of them all are the same
MARKERS = "o^s"  # of channels; with more of them all are round
LONGEST_NAME = 70  # of which the widest fit
CLEAN = {"svg.fonttype": "none", "svg.hashsalt": "sic", "font.size": 10.0}
NO_DATE: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


def draw(file: BinaryIO, inspection: Inspection, name: str, file_format: str, *, with_segments: bool = False) -> None:
    """Write the picture of `figure_of` in one of FORMATS; the same file gives the same bytes."""
    from matplotlib import style

    with style.context(["default", CLEAN]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a name in a script that the font does not have
        figure = figure_of(inspection, name, with_segments=with_segments)
        figure.savefig(file, format=file_format, metadata=NO_DATE.get(file_format))


def figure_of(inspection: Inspection, name: str, *, with_segments: bool = False) -> Figure:
    """The vectors above, below them the events over time, notes as a piano roll; `name` goes to the title.

    with_segments: instead segments, their pitches above, their levels below; SicError for a preset that tells no links.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_INCHES, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    # names may hold $, which is no formula
    about = facts(inspection, with_segments=with_segments)
    figure.suptitle(f"{shortened(name)}\n{about}", parse_math=False, fontsize=12)
    if with_segments:
        from .segments_plot import draw_segments

        draw_segments(figure, inspection)
        return figure
    upper, lower = figure.subplots(2, 1, height_ratios=(1.15, 1.0))
    draw_vectors(upper, inspection.table, inspection.layout)
    if inspection.layout is not None and inspection.layout.events_are_notes:
        draw_roll(lower, inspection.notes, inspection.table)
    else:
        draw_map(lower, inspection.table, inspection.layout)
    return figure


def facts(inspection: Inspection, *, with_segments: bool = False) -> str:
    """What the title says below the name."""
    parts = [f"{inspection.table.duration_s:.2f} s", counted(len(inspection.table), "event")]
    if with_segments:
        parts.append(counted(len(inspection.segments), "segment"))
    rate, kbps = inspection.events_per_second, inspection.bitrate_kbps(inspection.n_bytes)
    if rate is not None and kbps is not None:
        parts += [f"{rate:.1f} events a second", f"{kbps:.2f} kbit/s"]
    return " · ".join(parts)


def shortened(name: str) -> str:
    """`name`, or its beginning and end where it is longer than the picture is wide."""
    half = (LONGEST_NAME - 1) // 2
    return name if len(name) <= LONGEST_NAME else f"{name[:half]}…{name[-half:]}"


def rows_of(layout: Layout | None) -> list[tuple[float, str]]:
    """(Row, label) of the numbers of a vector: what each is, and one label for all that make a spectrum."""
    if layout is None or not layout.dims:
        return [(row, str(row)) for row in (*range(0, N_DIMS, 8), N_DIMS - 1)]
    named = [(float(d.index), d.label) for d in layout.dims.values() if not d.name.startswith("shape_")]
    shape = [d.index for d in layout.dims.values() if d.name.startswith("shape_")]
    return named + ([((shape[0] + shape[-1]) / 2, "shape")] if shape else [])


def columns_of(vector: NDArray[np.float32]) -> NDArray[np.float64]:
    """[32, n] of vectors [n, 32], each number as 0 … 1; above MOST_COLUMNS events, so many means of neighbours."""
    values = normalised(vector)
    if len(values) > MOST_COLUMNS:
        first = np.linspace(0, len(values), MOST_COLUMNS, endpoint=False).astype(int)
        values = np.add.reduceat(values, first) / np.diff(first, append=len(values))[:, None]
    return values.T


def areas(energy_db: NDArray[np.floating]) -> NDArray[np.float64]:
    """Areas of dots, square points, for energies [n]: the largest for the strongest, the smallest DEPTH_DB below."""
    share = np.clip(1 + (energy_db - energy_db.max(initial=edit.FLOOR_DB)) / DEPTH_DB, 0, 1)
    most = max(4 * LEAST_AREA, MOST_AREA * min(1.0, CROWD / max(len(energy_db), 1)))
    return LEAST_AREA + (most - LEAST_AREA) * share**2


def draw_vectors(axes: Axes, table: EventTable, layout: Layout | None) -> None:
    """The vectors as an image: a column for each event, a row for each number, from its smallest to its largest."""
    axes.set_title("vectors: each number from its smallest to its largest in this file", loc="left")
    axes.set_xlabel("event")
    axes.set_ylabel("number of the vector" if layout is None or not layout.dims else "")
    rows = rows_of(layout)
    axes.set_yticks([row for row, _ in rows], [label for _, label in rows], fontsize=8)
    if not len(table):
        _say_empty(axes)
        axes.set_xticks([])
        axes.set_ylim(N_DIMS - 0.5, -0.5)
        return
    from matplotlib.ticker import MaxNLocator

    image = axes.imshow(
        columns_of(table.vector),
        aspect="auto",
        cmap="viridis",
        vmin=0,
        vmax=1,
        interpolation="nearest",  # else rows run into each other where columns are many
        extent=(-0.5, len(table) - 0.5, N_DIMS - 0.5, -0.5),
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    bar = axes.figure.colorbar(image, ax=axes, pad=0.01, fraction=0.02, ticks=[0, 1])
    bar.ax.set_yticklabels(["smallest", "largest"], fontsize=8)


def draw_map(axes: Axes, table: EventTable, layout: Layout | None) -> None:
    """The events over time, like vectors near each other and in like colours; larger where there is more energy."""
    known = layout is not None
    sizes = "; larger: more energy" if known else ""
    axes.set_title(f"events: like sounds lie near each other and have like colours{sizes}", loc="left")
    axes.set_xlabel("time (s)")
    axes.set_yticks([])
    end_s = max(table.duration_s, float(table.time.max(initial=0.0))) or 1.0
    axes.set_xlim(-0.01 * end_s, 1.01 * end_s)
    axes.set_ylim(-0.06, 1.06)
    if not len(table):
        _say_empty(axes)
        return
    places = event_map(table.vector)
    area = areas(edit.estimate_energy_db(table) if known else np.zeros(len(table)))
    markers = MARKERS if table.header.streams <= len(MARKERS) else MARKERS[0]
    several = 1 < table.header.streams <= len(MARKERS)
    for i, marker in enumerate(markers[: table.header.streams]):
        mine = np.flatnonzero((table.channel == i) | (len(markers) == 1))
        mine = mine[np.argsort(-area[mine], kind="stable")]  # small ones before large ones
        axes.scatter(
            table.time[mine],
            places.place[mine],
            s=area[mine],
            c=places.rgb[mine] / 255,
            marker=marker,
            linewidths=0.3 if len(table) <= MOST_COLUMNS else 0.0,
            edgecolors="white",
            rasterized=len(table) > MOST_DRAWN,
            label=f"{'stream' if table.header.gains else 'channel'} {i}",
        )
    if several:
        legend = axes.legend(
            loc="lower right",  # above the axes, beside the title
            bbox_to_anchor=(1.0, 1.0),
            ncols=table.header.streams,
            borderaxespad=0.0,
            handletextpad=0.1,
            columnspacing=1.0,
            frameon=False,
        )
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set(sizes=[40.0], facecolor="0.4")


def draw_roll(axes: Axes, notes: Sequence[Note], table: EventTable) -> None:
    """Notes as bars over time, coloured by velocity, and below them a row for each drum."""
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    axes.set_title("notes: pitch upwards, coloured by velocity", loc="left")
    axes.set_xlabel("time (s)")
    end_s = table.duration_s or 1.0
    axes.set_xlim(-0.01 * end_s, 1.01 * end_s)
    if not notes:
        _say_empty(axes, "no notes")
        axes.set_yticks([])
        return
    keys = Keys.of(notes)
    axes.set_yticks(*keys.ticks, fontsize=8)
    axes.set_ylim(keys.bottom, keys.top)
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)
    velocity = np.array([127 * note.velocity for note in notes])
    several = 1 < table.header.streams <= len(EDGES)
    collection = PolyCollection(
        [_bar(note, keys.place(note), LEAST_BAR * end_s) for note in notes],
        array=velocity,
        cmap=ListedColormap(ramp(64)),
        edgecolors=[EDGES[note.channel] if several else EDGES[0] for note in notes],
        linewidths=0.5 if len(notes) <= MOST_COLUMNS else 0.0,
        rasterized=len(notes) > MOST_DRAWN,
    )
    low, high = float(velocity.min()), float(velocity.max())
    wider = max(0.0, LEAST_VELOCITY_SPAN - (high - low)) / 2
    collection.set_clim(low - wider, high + wider)
    axes.add_collection(collection)
    axes.figure.colorbar(collection, ax=axes, pad=0.01, fraction=0.02).ax.tick_params(labelsize=8)
    if several:
        name = "stream" if table.header.gains else "channel"
        patches = [Patch(facecolor="0.6", edgecolor=EDGES[c], label=f"{name} {c}") for c in range(table.header.streams)]
        axes.legend(handles=patches, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(patches), frameon=False)


def _bar(note: Note, place: float, least_s: float) -> list[tuple[float, float]]:
    """Corners; a bar is at least so long that it is seen."""
    begin, end = note.onset_s, max(note.offset_s, note.onset_s + least_s)
    low, high = place - BAR_HEIGHT / 2, place + BAR_HEIGHT / 2
    return [(begin, low), (begin, high), (end, high), (end, low)]


def _say_empty(axes: Axes, what: str = "no events") -> None:
    axes.text(0.5, 0.5, what, transform=axes.transAxes, ha="center", va="center", color="0.4")
