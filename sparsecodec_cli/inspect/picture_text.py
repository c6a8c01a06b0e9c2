"""The picture of `picture.py` on a terminal: axes, and colours for pitch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from .picture import BLANK, Panel, Picture, Scale, time_ticks

LABEL_WIDTH = 10
NEEDED = BLANK + "⣿┤│└─┬"  # characters without which the picture is drawn in ASCII
AXES, AXES_ASCII = "┤│└─┬", "+|+-+"
PITCH_HZ = 110.0  # of 0 semitones
N_COLOURS = 16
NO_PITCH = "#8c8c8c"
MOST_PITCHES = 2.0, 98.0  # percentiles, so that one wrong octave does not take the colours of all others
LEAST_SPAN = 4.0  # semitones
HUES = 265.0, 25.0  # from low (blue) by way of green and yellow to high (red), degrees
LIGHTNESS, CHROMA = (0.64, 0.76), 0.14  # shows on dark and light


def print_picture(console: Console, picture: Picture, *, ascii_only: bool) -> None:
    """Print panels with their axes, and what the colours say."""
    colours = Colours(np.concatenate([panel.pitch.ravel() for panel in picture.panels]))
    coloured = console.color_system is not None and not console.no_color
    axes = AXES_ASCII if ascii_only else AXES
    for panel in picture.panels:
        if panel.channel is not None:
            console.print(Text(f"  channel {panel.channel}", style="cyan"))
        for line in _panel_lines(panel, picture.scale, colours, axes):
            console.print(line)
    for axis in _time_axis(picture.scale, axes):
        console.print(Text(axis))
    if colours.any:
        console.print(colours.legend(coloured, "#" if ascii_only else "⣿"))


class Colours:
    """Colours of pitches: float64 of any number, semitones; nan: none."""

    def __init__(self, pitch: NDArray[np.float64]) -> None:
        known = pitch[np.isfinite(pitch)]
        self.any = bool(len(known))
        low, high = np.percentile(known, MOST_PITCHES) if self.any else (0.0, 0.0)
        wider = max(0.0, LEAST_SPAN - (high - low)) / 2
        self.low, self.high = float(low - wider), float(high + wider)
        self._ramp = ramp(N_COLOURS)

    def of(self, pitch: NDArray[np.float64]) -> list[str]:
        """Names of colours for rich."""
        share = (pitch - self.low) / (self.high - self.low)
        index = np.where(np.isfinite(pitch), np.clip(share, 0, 1) * (N_COLOURS - 1), -1).round().astype(int)
        return [NO_PITCH if i < 0 else self._ramp[i] for i in index.tolist()]

    def legend(self, coloured: bool, sample: str) -> Text:
        low, high = (f"{PITCH_HZ * 2 ** (pitch / 12):.0f}" for pitch in (self.low, self.high))
        text = Text(" " * LABEL_WIDTH)
        text.append("pitch ", style="cyan")
        if not coloured:
            return text.append(f"{low} to {high} Hz")
        text.append(f"{low} ")
        for colour in self._ramp:
            text.append(sample, style=colour)
        return text.append(f" {high} Hz   ").append(sample, style=NO_PITCH).append(" none")


def ramp(n: int) -> list[str]:
    """n colours, "#rrggbb", as far from each other as their numbers: OKLCH (Ottosson 2020), chroma the same."""
    shares = np.linspace(0.0, 1.0, n)
    hue = np.radians(HUES[0] + shares * (HUES[1] - HUES[0]))
    lightness = LIGHTNESS[0] + shares * (LIGHTNESS[1] - LIGHTNESS[0])
    lab = np.stack([lightness, CHROMA * np.cos(hue), CHROMA * np.sin(hue)])
    to_lms = [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
    to_rgb = [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
    linear = np.clip(np.array(to_rgb) @ (np.array(to_lms) @ lab) ** 3, 0, 1)
    rgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in np.round(255 * rgb).astype(int).T.tolist()]


def _panel_lines(panel: Panel, scale: Scale, colours: Colours, axes: str) -> Iterator[Text]:
    for i, cells in enumerate(panel.rows):
        level = scale.labelled_db(i)
        label = " " * (LABEL_WIDTH - 1) + axes[1] if level is None else f"{level:>5.0f} dB " + axes[0]
        text = Text(label)
        drawn = cells.rstrip(" " + BLANK)
        if not colours.any:
            yield text.append(drawn)
            continue
        named = zip(drawn, colours.of(panel.pitch[i, : len(drawn)]), strict=True)
        for colour, run in groupby(named, key=lambda cell: "" if cell[0] in (" ", BLANK) else cell[1]):
            text.append("".join(character for character, _ in run), style=colour)
        yield text


def _time_axis(scale: Scale, axes: str) -> Iterator[str]:
    columns, labels = time_ticks(scale.duration_s, scale.width)
    line = [axes[3]] * scale.width
    for column in columns:
        line[column] = axes[4]
    yield " " * (LABEL_WIDTH - 1) + axes[2] + "".join(line)
    yield " " * LABEL_WIDTH + labels
