"""Edits of time: stretch, shift, crop."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.presets import LAYOUTS, Dim, layout_of
from sparsecodec_formats.presets.voices import LONGEST_LINK_S, Voices
from sparsecodec_formats.table import EventTable

from .checks import Where, chosen, on_grid_above, within, without_tie
from .moves import copied
from .rounding import told_finely
from .select import only
from .take import drop


def stretch(table: EventTable, factor: float, *, events: bool = True) -> EventTable:
    """Times and the source's length times a factor of 0.01..100; pitch stays.

    events: the events themselves become longer, too: attacks, durations, decays and releases, where the preset names
    them. If not, only their times move: what is between them is longer, and how they come and go keeps its speed.
    """
    within("stretch", factor, 0.01, 100)
    n_samples = max(round(table.header.n_samples * factor), min(table.header.n_samples, 1))
    out = table.replace(header=replace(table.header, n_samples=n_samples), time=table.time * factor)
    return _lasting(table, out, factor) if events else out


def _lasting(table: EventTable, stretched: EventTable, factor: float) -> EventTable:
    """`stretched`, whose events last longer, too, by the factor by which their times were stretched."""
    layout, voices = layout_of(table.header), Voices.of(table)
    dims = [dim for name, dim in layout.dims.items() if name.endswith("_log2_s")]
    heard = {dim.name: np.ones(len(table), bool) for dim in dims}
    vector = stretched.vector.astype(np.float64)
    fills = np.zeros(len(table), bool)
    if layout.links == "channel":
        attack = layout.dim("attack_log2_s")
        fills = ~voices.begins & (vector[:, attack.index] >= _filling(table, attack) - 1e-6)
        heard |= {"attack_log2_s": ~fills, "decay_log2_s": voices.ends}
    for dim in dims:
        vector[heard[dim.name], dim.index] += math.log2(factor) / dim.scale
    out = stretched.replace(vector=vector)
    for dim in dims:
        out = told_finely(out, [dim], heard[dim.name])
    if fills.any():  # an attack that fills the gap to the event before goes on to do so, by as many steps too long
        more = vector[fills, attack.index] - _filling(table, attack)[fills]
        vector[fills, attack.index] = _filling(out, attack)[fills] + more
        out = out.replace(vector=vector)
    return out


def _filling(table: EventTable, attack: Dim) -> NDArray[np.float64]:
    """[n]: the number that files take to say that an attack fills the gap to the event before (docs/format.md)."""
    unit_s = float(table.header.time_unit)
    gap_s = Voices.of(table.replace(time=np.rint(table.time / unit_s) * unit_s)).gap_s
    return np.maximum(on_grid_above(table, attack, np.log2(np.clip(gap_s, 1e-3, LONGEST_LINK_S))), 0.0)


def shift(table: EventTable, seconds: float, *, where: Where = None) -> EventTable:
    """Everything later (the source grows) or, below 0, earlier: it shrinks, and loses what falls before 0.

    Of some events: these alone, as with `move_to`. They lose what falls before 0; the source grows to hold them, and
    does not shrink.
    """
    within("shift", seconds)
    header, mask = table.header, chosen(table, where)
    later_s = without_tie(header, seconds)
    early = mask & (table.time + later_s <= -float(header.time_unit) / 2)  # what a file rounds to 0 is not before it
    if not mask.all():
        return copied(drop(table, early), mask[~early], [later_s], [0.0])
    n_samples = max(0, header.n_samples + round(seconds * header.sample_rate))
    kept = only(table, ~early)
    return kept.replace(header=replace(header, n_samples=n_samples), time=np.maximum(kept.time + later_s, 0.0))


def crop(table: EventTable, start_s: float = 0.0, end_s: float | None = None) -> EventTable:
    """The part from start_s to end_s (default: the end), with the events whose times lie in it; without end_s also
    those, if any, that lie after the end.

    Events before start_s are dropped even if they still sound then: half an event is not an event. A voice that is cut
    goes on with the first of its events that is left, which still says that it carries one on (`cat`).
    SicError unless 0 <= start_s < end_s and at least one sample of the source lies between.
    """
    rate, n_samples = table.header.sample_rate, table.header.n_samples
    until_s = math.inf if end_s is None else end_s
    end_s = table.duration_s if end_s is None else within("end", end_s, 0)
    first, stop = round(within("start", start_s, 0) * rate), min(round(end_s * rate), n_samples)
    if first >= stop:
        raise SicError(f"no sample lies in {start_s:g}..{end_s:g} s; the source has {table.duration_s:g} s")
    within_it = (table.time >= start_s) & (table.time < until_s)
    kept = _with_beginnings_of(table.select(within_it), only(table, within_it))
    return kept.replace(
        header=replace(table.header, n_samples=stop - first),
        time=np.maximum(kept.time + without_tie(table.header, -start_s), 0.0),
    )


def _with_beginnings_of(part: EventTable, kept: EventTable) -> EventTable:
    """What was taken out of the middle of a voice says so, where nothing is before it to be carried on: `cat` can."""
    layout = LAYOUTS.get(part.header.model)
    if layout is None or "begins" not in layout.dims:
        return kept
    begins, dim = Voices.of(part).begins, layout.dims["begins"].index
    vector = kept.vector.copy()
    vector[begins, dim] = part.vector[begins, dim]
    return kept.replace(vector=vector)
