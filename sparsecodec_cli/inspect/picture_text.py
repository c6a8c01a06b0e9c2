"""The pictures of `picture.py` and `piano_roll.py` as lines of text: axes, and colours for pitch or velocity."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsecodec_cli.io.screen import Line, Run

from .cells import BLANK, time_ticks
from .colour_ramp import ramp

if TYPE_CHECKING:
    from .piano_roll import Roll
    from .picture import Panel, Picture, Scale

LABEL_WIDTH = 10
NEEDED = BLANK + "⣿┤│└─┬"  # characters without which the picture is drawn in ASCII
AXES, AXES_ASCII = "┤│└─┬", "+|+-+"
PITCH_HZ = 110.0  # of 0 semitones
N_COLOURS = 16
NO_PITCH = "#8c8c8c"
MOST_PITCHES = 2.0, 98.0  # percentiles, so that one wrong octave does not take the colours of all others
LEAST_SPAN = 4.0  # semitones
LEAST_VELOCITY_SPAN = 16.0


def picture_lines(picture: Picture, *, ascii_only: bool, coloured: bool) -> Iterator[Line]:
    """Panels with their axes, and what the colours say.

    coloured: whether they will be seen; where not, words tell the range of what they would say.
    """
    colours = Colours.of_range(np.concatenate([panel.pitch.ravel() for panel in picture.panels]), LEAST_SPAN)
    axes = AXES_ASCII if ascii_only else AXES
    for panel in picture.panels:
        yield from _panel(panel.channel, panel.rows, panel.pitch, _levels(panel, picture.scale), colours, axes)
    yield from _time_axis(picture.scale.duration_s, picture.scale.width, axes)
    if colours is not None:
        low, high = (f"{PITCH_HZ * 2 ** (pitch / 12):.0f}" for pitch in (colours.low, colours.high))
        sample = "#" if ascii_only else "⣿"
        none = [("   ", ""), (sample, NO_PITCH), (" none", "")] if coloured else []
        yield [*_legend("pitch", low, high, " Hz", sample, coloured), *none]


def roll_lines(roll: Roll, *, ascii_only: bool, coloured: bool) -> Iterator[Line]:
    """A piano roll with its axes; colours say velocities. coloured: as for `picture_lines`."""
    colours = Colours.of_range(np.concatenate([panel.velocity.ravel() for panel in roll.panels]), LEAST_VELOCITY_SPAN)
    axes = AXES_ASCII if ascii_only else AXES
    for panel in roll.panels:
        yield from _panel(panel.channel, panel.rows, panel.velocity, roll.labels, colours, axes)
    yield from _time_axis(roll.duration_s, roll.width, axes)
    if colours is not None:
        low, high = f"{max(colours.low, 1):.0f}", f"{min(colours.high, 127):.0f}"
        yield _legend("velocity", low, high, "", "#" if ascii_only else "⣿", coloured)


class Colours(NamedTuple):
    """Colours of numbers from low to high; nan: none."""

    low: float
    high: float

    @classmethod
    def of_range(cls, values: NDArray[np.float64], least_span: float) -> Colours | None:
        """For most of these numbers, float64 of any shape; None where all are nan."""
        known = values[np.isfinite(values)]
        if not len(known):
            return None
        ordered = np.sort(known)  # np.percentile would do, but takes 10 ms to import numpy.ma
        low, high = np.interp(np.array(MOST_PITCHES) / 100 * (len(ordered) - 1), np.arange(len(ordered)), ordered)
        wider = max(0.0, least_span - (high - low)) / 2
        return cls(float(low - wider), float(high + wider))

    def of(self, values: NDArray[np.float64]) -> list[str]:
        """Colours, "#rrggbb"."""
        share = (values - self.low) / (self.high - self.low)
        index = np.where(np.isfinite(values), np.clip(share, 0, 1) * (N_COLOURS - 1), -1).round().astype(int)
        names = ramp(N_COLOURS)
        return [NO_PITCH if i < 0 else names[i] for i in index.tolist()]


def _legend(what: str, low: str, high: str, unit: str, sample: str, coloured: bool) -> list[Run]:
    begin = [(" " * LABEL_WIDTH, ""), (f"{what} ", "cyan")]
    if not coloured:
        return [*begin, (f"{low} to {high}{unit}", "")]
    return [*begin, (f"{low} ", ""), *((sample, colour) for colour in ramp(N_COLOURS)), (f" {high}{unit}", "")]


def _levels(panel: Panel, scale: Scale) -> list[str]:
    """What stands beside the rows: round levels."""
    levels = [scale.labelled_db(i) for i in range(len(panel.rows))]
    return ["" if level is None else f"{level:>5.0f} dB" for level in levels]


def _panel(
    channel: int | None,
    rows: list[str],
    values: NDArray[np.float64],
    labels: list[str],
    colours: Colours | None,
    axes: str,
) -> Iterator[Line]:
    """values: float64 [rows, characters], what the colours say; labels: of the rows, "" for none."""
    if channel is not None:
        yield [(f"  channel {channel}", "cyan")]
    for cells, of_row, label in zip(rows, values, labels, strict=True):
        yield [
            (f"{label:>{LABEL_WIDTH - 2}} {axes[0]}" if label else " " * (LABEL_WIDTH - 1) + axes[1], ""),
            *_row(cells, of_row, colours),
        ]


def _row(cells: str, values: NDArray[np.float64], colours: Colours | None) -> Iterator[Run]:
    drawn = cells.rstrip(" " + BLANK)
    if colours is None:
        yield drawn, ""
        return
    named = zip(drawn, colours.of(values[: len(drawn)]), strict=True)
    for colour, run in groupby(named, key=lambda cell: "" if cell[0] in (" ", BLANK) else cell[1]):
        yield "".join(character for character, _ in run), colour


def _time_axis(duration_s: float, width: int, axes: str) -> Iterator[Line]:
    columns, labels = time_ticks(duration_s, width)
    line = [axes[3]] * width
    for column in columns:
        line[column] = axes[4]
    yield [(" " * (LABEL_WIDTH - 1) + axes[2] + "".join(line), "")]
    yield [(" " * LABEL_WIDTH + labels, "")]
