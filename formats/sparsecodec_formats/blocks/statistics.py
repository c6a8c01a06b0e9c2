"""What is known beforehand of the numbers of a preset's events: the statistics that codec 1 codes them with.

They are fitted by formats/statistics/fit_statistics.py. A file's codec number names them: others would be another
codec.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from sparsecodec_formats.presets import LAYOUTS

from .range_coder import Table, table_of

KINDS = 5
"""Kinds of events: one that begins by itself, and four of linked ones, by the gap to the event before."""
SINGLE = ("start", "coarser")

MODELS = ("speech",)
"""Presets that have statistics."""


@dataclass(frozen=True)
class DimStatistics:
    """Of one number of a vector. Values are in units of 2**-8 of the layout's, weights in 2**-8.

    Attributes:
        start: what comes before the first event.
        mean, last, before, average: [KINDS]: the number is expected at mean + last · that of the event before +
            before · that of the one before it + average · the running mean.
        change: (dim, weight) of numbers of the same event that are coded earlier: weight · what they changed by.
        scale: [KINDS], of the logistic distribution about it, eighths of an octave re 1 of the layout's unit.
        coarser: what is added to the scale, in 2**-8, for each eighth of an octave that the step is above 1: who takes
            coarser steps takes fewer events, and they differ more.
        spike: logits, in quarters, of the number that costs least being there, by context; none: there is no such.
        telling: (dim, weight) of numbers of the same event that are added to the spike's logit.
    """

    start: int
    mean: tuple[int, ...]
    last: tuple[int, ...]
    before: tuple[int, ...]
    average: tuple[int, ...]
    change: tuple[tuple[int, int], ...]
    scale: tuple[int, ...]
    coarser: int
    spike: tuple[int, ...]
    telling: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Statistics:
    """Of one preset.

    Attributes:
        order: dims as they are coded, `begins` left out.
        begins: by the event before (linked, begins, there is none): not, begins, another number.
        gaps: [classes][context], in units of four: how often; the last is an escape.
        gap_limits: largest gaps of the kinds of linked events but the last, time units.
        dims: by index, all but `begins`.
        amplitude: (scale, logit of being that of the event before).
    """

    order: tuple[int, ...]
    begins: tuple[Table, ...]
    gaps: tuple[tuple[Table, ...], ...]
    gap_limits: tuple[int, ...]
    dims: dict[int, DimStatistics]
    amplitude: tuple[int, int]


@cache
def statistics_of(model: str) -> Statistics:
    """The statistics of a preset of MODELS."""
    path = resources.files(__package__) / "data" / f"{model}.json"
    return parse(model, json.loads(path.read_text(encoding="utf-8")))


def parse(model: str, found: dict[str, Any]) -> Statistics:
    """Statistics as a JSON file holds them, dims by name."""
    index = {name: dim.index for name, dim in LAYOUTS[model].dims.items()}
    dims: dict[int, DimStatistics] = {}
    for name, of in found["dims"].items():
        fields: dict[str, Any] = {
            key: of[key] if key in SINGLE else tuple(of.get(key, ())) for key in DimStatistics.__dataclass_fields__
        }
        for key in ("change", "telling"):
            fields[key] = tuple((index[other], weight) for other, weight in of.get(key, {}).items())
        dims[index[name]] = DimStatistics(**fields)
    return Statistics(
        order=tuple(index[name] for name in found["order"]),
        begins=tuple(table_of(weights) for weights in found["begins"]),
        gaps=tuple(tuple(table_of(weights) for weights in contexts) for contexts in found["gaps"]),
        gap_limits=tuple(found["gap_limits"]),
        dims=dims,
        amplitude=tuple(found["amplitude"]),
    )
