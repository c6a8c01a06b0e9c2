"""Events taken out of their voices: each run of them becomes a thing that begins and ends by itself."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats import weights_source
from sparsecodec_formats.errors import SicError, WeightsNotThere
from sparsecodec_formats.presets import Layout, layout_of
from sparsecodec_formats.presets.voices import SAID_BY_FIRST, Voices, links_by_pitch
from sparsecodec_formats.table import EventTable

from .checks import chosen, on_grid_above
from .lanes import Things, arranged
from .rounding import told_finely
from .select import only

Gap = Literal["keep", "close"]
GAPS: tuple[Gap, ...] = ("keep", "close")

PHASE_ERROR_CYCLES = 0.002
"""As much as a file may round the phase of a fundamental; that of its tenth harmonic by ten times as much."""

Floats = NDArray[np.float64]


def take(table: EventTable, where: NDArray[np.bool_] | str, gap: Gap = "keep") -> EventTable:
    """Some events alone, at their times. where: bool [n], or an expression that selects them.

    gap: "keep": where a voice loses events, there is silence. What is left of it on either side is a thing by itself,
    which comes in and goes as it did in the whole. What is voiced goes on in its phase where weights are at hand
    (`weights_source.find_phase_cycles`); else it begins anew.
    "close": the voice goes on from the last event that is left before the gap to the first one after it.

    In `speech` the first event of a thing begins with the attack that it had, and the last one decays as nearly as can
    be as it faded into the event after it, with a glide towards its pitch. A note of `music` comes and goes on lines
    that no numbers of its own can tell: there the neighbours of what is taken stay, at amplitude 0. Where what is left
    of one note would go on in another, notes get streams of their own.
    SicError for what is no such mask, or no such gap, or where more than 255 streams are needed.
    """
    mask = chosen(table, where)
    if gap not in GAPS:
        raise SicError(f"gap is {gap!r}; it must be one of {', '.join(GAPS)}")
    if gap == "close" or mask.all():
        return only(table, mask)
    layout, voices = layout_of(table.header), Voices.of(table)
    if not voices.linked:
        return table.select(mask)
    return _notes(table, layout, voices, mask) if layout.events_are_notes else _things(table, layout, voices, mask)


def drop(table: EventTable, where: NDArray[np.bool_] | str, gap: Gap = "keep") -> EventTable:
    """All events but those; otherwise as `take`."""
    return take(table, ~chosen(table, where), gap)


def _things(table: EventTable, layout: Layout, voices: Voices, kept: NDArray[np.bool_]) -> EventTable:
    order = voices.order
    # of each event in `order`, the one that it carries on, and the one that carries it on
    linked = ~voices.begins[order[1:]]
    before, after = order[:-1][linked], order[1:][linked]
    first = after[kept[after] & ~kept[before]]
    cut = kept[before] & ~kept[after]
    last, following = before[cut], after[cut]

    vector = table.vector.astype(np.float64)

    def put(name: str, rows: NDArray[np.int64], physical: Floats) -> None:
        dim = layout.dim(name)
        vector[rows, dim.index] = (np.clip(physical, dim.low, dim.high) - dim.offset) / dim.scale

    dim = layout.dim("begins")
    vector[first, dim.index] = on_grid_above(table, dim, 0.51)  # on the grid, so that rounding does not take it away
    with np.errstate(divide="ignore"):  # of linked events at one time
        put("attack_log2_s", first, np.log2(voices.attack_s[first]))
        gap_s, falls_s = voices.gap_s[following], voices.attack_s[following]
        decay_s = _decay_like(gap_s - falls_s, falls_s)
        put("decay_log2_s", last, np.log2(decay_s))
    semitones = layout.dim("f0_semitones").heard(table.vector)
    decay_s = np.maximum(decay_s, 2.0 ** layout.dim("decay_log2_s").low)
    glide = (semitones[following] - semitones[last]) * decay_s / np.maximum(gap_s, decay_s / 100)
    put("glide_semitones", last, glide)
    _go_on_in_phase(table, layout, vector, first)
    out = table.replace(vector=vector)
    begun, ended = (np.isin(np.arange(len(table)), rows) for rows in (first, last))
    out = told_finely(out, [layout.dim("attack_log2_s")], begun)
    out = told_finely(out, [layout.dim("phase_cycles")], begun, PHASE_ERROR_CYCLES)
    out = told_finely(out, [layout.dim("decay_log2_s"), layout.dim("glide_semitones")], ended)
    return out.select(kept)


def _go_on_in_phase(table: EventTable, layout: Layout, vector: Floats, first: NDArray[np.int64]) -> None:
    """These rows of vectors begin with the phase that they had in the voice, where weights that tell it are at hand."""
    if weights_source.find_phase_cycles is None or not len(first):
        return
    try:
        cycles = weights_source.find_phase_cycles(table)[first]
    except WeightsNotThere:  # then phases begin anew
        return
    dim = layout.dim("phase_cycles")
    vector[first, dim.index] = np.where(np.isnan(cycles), 0.0, (cycles - np.round(cycles)) / dim.scale)


def _decay_like(holds_s: Floats, falls_s: Floats) -> Floats:
    """The time D of a decay (1 - t / D)² that comes nearest, in least squares, to an amplitude that holds and then
    falls on a line to 0: the largest root of D³ = 20 (m₁ D - m₂), with the moments ∫ t and ∫ t² of that amplitude."""
    first = holds_s**2 / 2 + falls_s * (holds_s / 2 + falls_s / 6)
    second = holds_s**3 / 3 + falls_s * (holds_s**2 / 2 + falls_s * holds_s / 3 + falls_s**2 / 12)
    decay_s = 3.0 * (holds_s + falls_s)
    for _ in range(8):  # Newton's method, from above
        slope = 3 * decay_s**2 - 20 * first
        decay_s = decay_s - (decay_s**3 - 20 * (first * decay_s - second)) / np.where(slope > 0, slope, 1.0)
    return decay_s


def _notes(table: EventTable, layout: Layout, voices: Voices, kept: NDArray[np.bool_]) -> EventTable:
    order = voices.order
    linked = ~voices.begins[order[1:]]
    before, after = order[:-1][linked], order[1:][linked]
    beside = np.zeros(len(table), bool)
    beside[before[kept[after]]] = True
    beside[after[kept[before]]] = True
    stays = kept | beside
    # a neighbour that begins a thing says what the note's first event said of all of it
    leads = np.flatnonzero(stays & ~voices.begins)
    leads = np.setdiff1d(leads, after[stays[before]])
    vector = table.vector.copy()
    for name in SAID_BY_FIRST:
        vector[leads, layout.dim(name).index] = table.vector[voices.first[leads], layout.dim(name).index]
    attack = layout.dim("attack_log2_s")
    vector[leads, attack.index] = on_grid_above(table, attack, attack.low)  # it has come in long ago
    out = only(table.replace(vector=vector, amplitude=np.where(kept, table.amplitude, 0)), stays)
    goes_on = np.zeros(len(table), bool)
    goes_on[after[stays[before]]] = True
    order = order[stays[order]]
    place = np.cumsum(stays) - 1
    return _each_as_before(out, layout, voices.number[stays], place[order], ~goes_on[order])


def _each_as_before(
    out: EventTable, layout: Layout, note: NDArray[np.int64], rows: NDArray[np.int64], begins: NDArray[np.bool_]
) -> EventTable:
    """Notes of which events are gone, on streams of their own if an event of one would carry on another.

    Links go to the nearest pitch, and what had used it up may be gone. note: int64 [n], whose each event is; rows:
    int64 [n], what is left of notes, part after part; begins: bool [n], which of these rows are a part's first.
    """
    part = np.empty(len(out), np.int64)
    part[rows] = np.cumsum(begins) - 1
    by_itself = links_by_pitch(layout, out.time, out.vector, part)
    found = links_by_pitch(layout, out.time, out.vector, out.channel)
    astray = np.where(by_itself < 0, (found >= 0) & (note[found] != note), found != by_itself)
    return arranged(out.header, Things.of_rows(out, rows, begins)) if astray.any() else out
