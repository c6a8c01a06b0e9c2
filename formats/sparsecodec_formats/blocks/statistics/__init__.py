"""How the numbers of events are spread: the statistics that codec 1 codes blocks with, as numbered data files.

formats/statistics/fit_statistics.py fits them to events of training material. A file's header says by number which of
them its blocks were coded with, so a number never changes its meaning: new statistics get the next number.
docs/format.md has the fields of the JSON files.
"""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.blocks.range_coder import TOTAL, Table, table_of
from sparsecodec_formats.errors import FormatError


class GapRule(NamedTuple):
    """A time of `seconds` · 2 ** (`octaves` · value), which fills the gap to the event before."""

    seconds: Fraction
    octaves: Fraction


class Spike(NamedTuple):
    """One code of a dim that is likelier than its neighbours, because the number does not affect the sound there.

    Attributes:
        code: which code: zero; that of the event before; or the smallest one whose time fills the gap.
        context: what the logits are indexed by: whether the event begins; whether the sound ends with it, as the next
            event begins or there is none; its kind.
        logits: [2][contexts], in quarters, of the number being at the spike; row 1 where that of the event before was.
        telling: (dim, weight in 2**-16) of numbers of the same event that are added to the logit.
    """

    code: Literal["zero", "before"] | GapRule
    context: Literal["begins", "ends", "kind"]
    logits: tuple[tuple[int, ...], ...]
    telling: tuple[tuple[int, int], ...]


GROUPS = 3
"""Of events that are alike."""


class Nearest(NamedTuple):
    """Dims that are coded after both of these are told from the event that is nearest, not from the one before.

    Attributes:
        alike: a dim; two events are alike if both are above 1/2 there, or both below -1/2, or both neither.
        near: a dim; of the latest events that are alike, the nearest is that whose value there is closest.
        limits: of the distance in `near`, values in units of 2**-8, ascending. `block.Past` tells kinds by it.
    """

    alike: int
    near: int
    limits: tuple[int, int]


class DimStatistics(NamedTuple):
    """Of one number of a vector. Values are in units of 2**-8, as are weights.

    Attributes:
        start: what comes before the first event.
        kinds: [2][kinds]: where in the five lists below an event of a kind finds its numbers; row 1 where the event
            before was at its spike.
        mean, last, before, average: the number is expected at mean + last · that of the event before + before · that
            of the one before it + average · the running mean. Where the nearest event tells, `last` is of that one,
            `before` of the latest that is alike, and the running mean is of those that are alike.
        scale: of the logistic distribution about it, eighths of an octave re 1.
        change: (dim, weight) of numbers of the same event that are coded earlier: weight · what they changed by.
        coarser: what is added to the scale, in 2**-8, for each eighth of an octave that the step is above 1: with
            coarser steps there are fewer events, and they differ more.
        spike: None where no code stands out.
    """

    start: int
    kinds: tuple[tuple[int, ...], ...]
    mean: tuple[int, ...]
    last: tuple[int, ...]
    before: tuple[int, ...]
    average: tuple[int, ...]
    scale: tuple[int, ...]
    change: tuple[tuple[int, int], ...]
    coarser: int
    spike: Spike | None


@dataclass(frozen=True)
class Statistics:
    """Of the events of one preset.

    Attributes:
        names: of the dims, by index.
        order: dims as they are coded, without `begins_dim`.
        begins_dim: the dim that is above 1/2 where an event begins by itself.
        begins: tables of it, by the event before (0 is linked, 1 begins, 2 there is none): no, yes, another number.
        gap_limits: largest gaps of the kinds of linked events but the last, time units. Kind 0 is an event that begins.
        gaps: [classes][context], tables of a gap in units of four; the last symbol is an escape.
        dims: by index, all but `begins_dim`.
        amplitude: (scale, logit of being that of the event before).
        nearest: None where the event before tells all dims.
    """

    names: tuple[str, ...]
    order: tuple[int, ...]
    begins_dim: int
    begins: tuple[Table, ...]
    gap_limits: tuple[int, ...]
    gaps: tuple[tuple[Table, ...], ...]
    dims: dict[int, DimStatistics]
    amplitude: tuple[int, int]
    nearest: Nearest | None = None

    @cached_property
    def gap_bits(self) -> NDArray[np.float64]:
        """What each symbol of `gaps` takes ideally, [classes, contexts, symbols]."""
        return -np.log2([[table.frequency / TOTAL for table in contexts] for contexts in self.gaps])

    @property
    def told_by_nearest(self) -> frozenset[int]:
        """The dims that the nearest event tells."""
        if self.nearest is None:
            return frozenset()
        known = max(self.order.index(dim) for dim in (self.nearest.alike, self.nearest.near))
        return frozenset(self.order[known + 1 :])

    def n_kinds(self, dim: int) -> int:
        """How many kinds of events there are for a dim."""
        if self.nearest is not None and dim in self.told_by_nearest:
            return GROUPS * (len(self.nearest.limits) + 2)
        return len(self.gap_limits) + 2


def numbers() -> list[int]:
    """The numbers of all statistics that this version of the library has."""
    from importlib import resources  # 5 ms, which the usual numbers do without

    files = (file.name.partition(".") for file in resources.files(__package__).iterdir())
    return sorted(int(stem) for stem, _, ending in files if ending == "json")


@cache
def load(number: int) -> Statistics:
    """The statistics of that number; FormatError where this version of the library has none."""
    try:
        data = pkgutil.get_data(__package__, f"{number}.json") or b""
    except FileNotFoundError:
        known = ", ".join(map(str, numbers()))
        raise FormatError(
            f"statistics number {number} are not known; this version of the library has {known}, a newer one is needed"
        ) from None
    return parse(json.loads(data))


def parse(found: dict[str, Any]) -> Statistics:
    """Statistics as a JSON file holds them, with dims by name."""
    index = {name: i for i, name in enumerate(found["names"])}

    def weights(of: dict[str, Any], key: str) -> tuple[tuple[int, int], ...]:
        return tuple((index[name], weight) for name, weight in of.get(key, {}).items())

    def dim(of: dict[str, Any]) -> DimStatistics:
        lists = {key: tuple(of[key]) for key in ("mean", "last", "before", "average", "scale")}
        return DimStatistics(
            start=of["start"],
            kinds=_rows(of.get("kinds", [range(len(of["mean"]))] * 2)),
            change=weights(of, "change"),
            coarser=of["coarser"],
            spike=spike(of["spike"]) if "spike" in of else None,
            **lists,
        )

    def spike(of: dict[str, Any]) -> Spike:
        code = of["code"]
        if code == "gap":
            code = GapRule(Fraction(*of["seconds"]), Fraction(*of["octaves"]))
        return Spike(code, of["context"], _rows(of["logits"]), weights(of, "telling"))

    nearest = None
    if "nearest" in found:
        of = found["nearest"]
        nearest = Nearest(index[of["alike"]], index[of["near"]], tuple(of["limits"]))
    return Statistics(
        names=tuple(found["names"]),
        order=tuple(index[name] for name in found["order"]),
        begins_dim=index[found["begins"]["dim"]],
        begins=tuple(table_of(shares) for shares in found["begins"]["shares"]),
        gap_limits=tuple(found["gap_limits"]),
        gaps=tuple(tuple(table_of(shares) for shares in contexts) for contexts in found["gaps"]),
        dims={index[name]: dim(of) for name, of in found["dims"].items()},
        amplitude=tuple(found["amplitude"]),
        nearest=nearest,
    )


def _rows(lists: list[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in lists)
