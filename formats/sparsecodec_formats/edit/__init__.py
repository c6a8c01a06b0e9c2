"""Edits of sound that are edits of its events: functions from table to table.

An edit that a preset's vectors cannot express is refused with a SicError. Edited numbers lie off the header's
grid until they are written. In `reference` noise is drawn by an event's place in its channel, in `speech` by place in
time and by channel, so where events are dropped or change places (`reference`), or move (`speech`), another draw of
the same noise is heard.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparsecodec_formats.container import dumps
from sparsecodec_formats.errors import SicError
from sparsecodec_formats.presets import LAYOUTS, Dim, layout_of, level_db
from sparsecodec_formats.table import EventTable

from .ranking import comes_whole, drawn_to, removal_order, sounding_s, voices

FLOOR_DB = -300.0
"""Energy given to an event of amplitude 0: below everything that sounds."""
DIP_DB = 15.0
"""How much softer than those on both sides an event is whose loss parts a voice."""


def randomize_times(table: EventTable, seed: int) -> EventTable:
    """Every event at a time drawn uniformly from the source's duration; vectors and channels as they were."""
    time = _rng(seed, "times").uniform(0.0, table.duration_s, len(table))
    return EventTable.from_unsorted(table.header, time, table.vector, table.channel, table.amplitude)


def randomize_vectors(table: EventTable, seed: int) -> EventTable:
    """Every dim drawn uniformly between its smallest and largest value in the table; the rest as it was."""
    if not len(table):
        return table
    vector = table.vector.astype(np.float64)
    drawn = _rng(seed, "vectors").uniform(vector.min(axis=0), vector.max(axis=0), vector.shape)
    return table.replace(vector=drawn)


def stretch(table: EventTable, factor: float) -> EventTable:
    """Times, the source's length, and (where the preset names them) attacks and decays, times `factor`.

    Pitch stays. In presets whose vectors name no fades (`reference`) events move and keep their length.
    The factor is 0.01..100.
    """
    _within("stretch", factor, 0.01, 100)
    layout = layout_of(table.header)
    vector = table.vector.astype(np.float64)
    for name in ("attack_log2_s", "decay_log2_s"):
        if name in layout.dims:
            dim = layout.dims[name]
            vector[:, dim.index] += math.log2(factor) / dim.scale
    n_samples = max(round(table.header.n_samples * factor), min(table.header.n_samples, 1))
    header = replace(table.header, n_samples=n_samples)
    return table.replace(header=header, time=table.time * factor, vector=vector)


def transpose(table: EventTable, semitones: float) -> EventTable:
    """The pitch of every event moved by -120..120 semitones; times stay."""
    return _added(table, "f0_semitones", _within("transpose", semitones, -120, 120))


def gain(table: EventTable, db: float) -> EventTable:
    """Every event's sound louder by -200..200 dB: its amplitude, which files keep in steps of 0.25 dB."""
    return table.replace(amplitude=table.amplitude * 10.0 ** (_within("gain", db, -200, 200) / 20))


def shift(table: EventTable, seconds: float) -> EventTable:
    """Everything later (the source grows) or, below 0, earlier: it shrinks, and loses what falls before 0."""
    _within("shift", seconds)
    header = table.header
    n_samples = max(0, header.n_samples + round(seconds * header.sample_rate))
    kept = only(table, table.time + seconds >= 0)
    return kept.replace(header=replace(header, n_samples=n_samples), time=kept.time + seconds)


def crop(table: EventTable, start_s: float = 0.0, end_s: float | None = None) -> EventTable:
    """The part from start_s to end_s (default: the end), with the events whose times lie in it.

    Events before start_s are dropped even if they still sound then: half an event is not an event.
    SicError unless 0 <= start_s < end_s and at least one sample of the source lies between.
    """
    rate, n_samples = table.header.sample_rate, table.header.n_samples
    end_s = table.duration_s if end_s is None else _within("end", end_s, 0)
    first, stop = round(_within("start", start_s, 0) * rate), min(round(end_s * rate), n_samples)
    if first >= stop:
        raise SicError(f"no sample lies in {start_s:g}..{end_s:g} s; the source has {table.duration_s:g} s")
    kept = only(table, (table.time >= start_s) & (table.time < end_s))
    return kept.replace(header=replace(table.header, n_samples=stop - first), time=kept.time - start_s)


def keep(table: EventTable, n: int) -> EventTable:
    """The n events that are missed most (`worth.py`); where vectors tell no links, those with the most energy.

    Of linked events, those that stay move to where the lines between them come nearest to the whole.
    """
    if n < 0:
        raise SicError(f"{n} events cannot be kept; give 0 or more")
    return _kept(table, _first_to_go(table), n)


def keep_percent(table: EventTable, percent: float) -> EventTable:
    """The given share of the events (0..100, rounded up), those worth most."""
    if not 0 <= percent <= 100:
        raise SicError(f"{percent:g}% of the events cannot be kept; give 0 to 100")
    return keep(table, math.ceil(Fraction(percent) * len(table) / 100))


def keep_bytes(table: EventTable, n_bytes: int) -> EventTable:
    """As many of the events worth most as a file of n_bytes holds; none where not even one fits."""
    if len(dumps(table)) <= n_bytes:
        return table
    first_to_go = _first_to_go(table)

    def size(n: int) -> int:
        return len(dumps(_kept(table, first_to_go, n)))

    return _kept(table, first_to_go, largest_within(n_bytes, size, len(table) - 1, lambda n: 1 / max(n, 1)))


def largest_within(
    limit: float,
    size: Callable[[int], float],
    most: int,
    slope: Callable[[int], float],
    first: int | None = None,
    near: float = 0.995,
) -> int:
    """The largest number 0..most whose size is at most `limit`, or any whose size lies in near * limit..limit.

    size: grows with the number, and takes long to work out; of 0 it is taken to be small enough. slope: about how much
    its logarithm grows at a number. first: where to look first, default `most`.
    """
    low, high = 0, most + 1
    n = most if first is None else min(max(first, 0), most)
    while high - low > 1:
        now = size(n)
        if now <= limit:
            low = n
            if now >= near * limit:
                break
        else:
            high = n
        step = math.log(max(limit, 1.0) / max(now, 1.0)) / slope(n)
        n = min(max(n + round(step), low + 1), high - 1)
    return low


def _first_to_go(table: EventTable) -> NDArray[np.int64]:
    layout = layout_of(table.header)
    if "begins" in layout.dims:
        return removal_order(table, layout)[0]
    return np.argsort(-estimate_energy_db(table), kind="stable")[::-1]  # of equals, the later


def _kept(table: EventTable, first_to_go: NDArray[np.int64], n: int) -> EventTable:
    kept = np.ones(len(table), dtype=bool)
    kept[first_to_go[: max(0, len(table) - n)]] = False
    left = only(table, kept)
    return drawn_to(left, table) if "begins" in layout_of(table.header).dims else left


def estimate_energy_db(table: EventTable) -> NDArray[np.float32]:
    """float32 [n]: energy of each event, dB, up to a constant of the preset.

    Level plus 10 log10(how long it sounds, s) where vectors tell what is linked; never below FLOOR_DB. To either side
    an event sounds for half the gap to the event that it is linked to; else, for the area under its fade: half its
    attack (linear) where it begins by itself, a third of its decay ((1 - x)²) where nothing is linked to it.
    """
    layout = layout_of(table.header)
    energy_db = level_db(table)
    if "begins" in layout.dims:
        with np.errstate(divide="ignore"):  # linked events at the same time
            energy_db = energy_db + 10 * np.log10(sounding_s(table, layout))
    return np.maximum(energy_db, FLOOR_DB).astype(np.float32)


def parted(level_db: NDArray[np.floating], kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """bool [n]: events of a channel, in order of time, that are kept but should not carry on the kept one before.

    So where an event between them that is dropped is softer than both by DIP_DB: there was a pause, or nearly one.
    """
    out = np.zeros(len(kept), bool)
    before, lowest = -np.inf, np.inf  # level of the last that is kept, and lowest since
    for i, level in enumerate(level_db):
        if kept[i]:
            out[i] = lowest < min(before, level) - DIP_DB
            before, lowest = level, np.inf
        else:
            lowest = min(lowest, level)
    return out


def only(table: EventTable, kept: NDArray[np.bool_]) -> EventTable:
    """The rows of a mask, bool [n]. Where a voice loses its beginning, its first event that is kept begins by itself.

    Else it would carry on the voice before. So does the first after a pause whose soft events are
    dropped. What came in all the way from the event before it still does. A preset that is not known here is taken to
    have no voices.
    """
    layout = LAYOUTS.get(table.header.model)
    if layout is None or "begins" not in layout.dims or kept.all():
        return table.select(kept)
    order, begins = voices(table, layout)
    here = kept[order]
    voice = np.cumsum(begins)[here]
    leads = np.diff(voice, prepend=0) != 0
    level = level_db(table)[order]
    for channel in np.unique(table.channel):
        mine = table.channel[order] == channel
        leads |= np.isin(np.flatnonzero(here), np.flatnonzero(mine)[parted(level[mine], here[mine])])
    rows = order[here]
    vector = table.vector.copy()
    # on the grid, so that rounding does not take it away
    vector[rows[leads & ~begins[here]], layout.dims["begins"].index] = _above(table, layout.dims["begins"], 0.51)
    before_s, after_s = np.diff(table.time[order], prepend=0.0)[here], np.diff(table.time[rows], prepend=0.0)
    whole = comes_whole(table, layout, order, begins)[here] & ~leads & (after_s > before_s)
    attack = layout.dims["attack_log2_s"]
    gap_log2_s = np.log2(np.maximum(after_s[whole], 1e-3))
    comes, now = rows[whole], vector[rows[whole], attack.index]
    shorter = attack.physical(vector[comes]) < gap_log2_s
    vector[comes, attack.index] = np.where(shorter, _above(table, attack, gap_log2_s), now)
    return table.replace(vector=vector).select(kept)


def solo(table: EventTable, events: Iterable[int]) -> EventTable:
    """All others at amplitude 0: those at these indices sound as in the whole, and carry on what they carried on there.

    SicError for an index that the table does not have.
    """
    heard = np.zeros(len(table), bool)
    for index in events:
        if not 0 <= index < len(table):
            there = f"it has 0 to {len(table) - 1}, which 'sic inspect --events' lists" if len(table) else "it has none"
            raise SicError(f"there is no event {index}; {there}")
        heard[index] = True
    return table.replace(amplitude=np.where(heard, table.amplitude, 0))


def _above(table: EventTable, dim: Dim, physical: ArrayLike) -> NDArray[np.float64]:
    """The smallest number on the file's grid that says at least this."""
    step = table.header.step[dim.index]
    return np.ceil((np.asarray(physical) - dim.offset) / dim.scale / step - 1e-6) * step


def _added(table: EventTable, name: str, amount: float) -> EventTable:
    """The named physical quantity of every event raised by `amount`, in its unit."""
    dim = layout_of(table.header).dim(name)
    vector = table.vector.astype(np.float64)
    vector[:, dim.index] += amount / dim.scale
    return table.replace(vector=vector)


def _within(what: str, value: float, low: float = -1e9, high: float = 1e9) -> float:
    if not low <= value <= high:
        raise SicError(f"{what} cannot be {value:g}; give a number in {low:g}..{high:g}")
    return value


def _rng(seed: int, what: str) -> np.random.Generator:
    # The name keeps the draws of the two experiments apart when one seed serves both.
    return np.random.default_rng([seed, *what.encode()])
