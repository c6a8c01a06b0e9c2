"""Sound backwards, as far as vectors can tell it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.presets import Layout, layout_of
from sparsecodec_formats.presets.voices import SAID_BY_FIRST, Voices
from sparsecodec_formats.table import EventTable

from .checks import on_grid_above, without_tie
from .rounding import told_finely

_OF_FIRST = ("attack_log2_s", *SAID_BY_FIRST)  # of a note's events, whose number all of it has
_OF_LAST = ("duration_log2_s", "release_log2_s", "decay_low_log2_s", "decay_high_log2_s", "noise_decay_log2_s")


def reverse(table: EventTable) -> EventTable:
    """The last event first. Twice is the table itself; the source grows to hold the events that lie beyond its end.

    In `speech` a voice goes backwards whole: pitch, level and spectrum, and how events pass into each other; its first
    attack becomes its last decay, and the other way round. Its last glide is kept, unheard, and its phases are.
    In `music` a note begins where it ended, with its pitches and levels in the other order; it keeps its attack, decay
    and release, since a vector tells no sound that swells up to an end. Tones go backwards whole.
    SicError for presets whose vectors tell no links (`reference`).
    """
    layout, voices = layout_of(table.header), Voices.of(table)
    layout.dim("begins")
    vector = table.vector.astype(np.float64)
    runs = _Runs(voices)
    unit_s = float(table.header.time_unit)
    of_file = bool((np.abs(table.time / unit_s - np.rint(table.time / unit_s)) < 1e-6).all())
    if layout.events_are_notes:
        held = np.exp2(layout.dim("duration_log2_s").heard(table.vector))
        if of_file:  # whose times are rounded; the phase of a tone is that at its beginning as it will be then
            held = np.where(layout.tones(table.vector), np.rint(held / unit_s) * unit_s, held)
        end_s = table.time + held[runs.last_of]
        _swap_ends(vector, layout, runs)
        _turn_tones(table, vector, layout, held)
    else:
        end_s = table.time
        _turn_fades(vector, layout, runs)
    n_samples, last_s = table.header.n_samples, float(end_s.max(initial=0.0))
    if of_file:  # what rounding has moved beyond the source's end does not make it longer; what does, by whole units
        last_s = 0.0 if last_s - table.duration_s <= unit_s / 2 else math.ceil(last_s / unit_s - 1e-6) * unit_s
    n_samples = max(n_samples, math.ceil(last_s * table.header.sample_rate - 1e-6))
    time = without_tie(table.header, n_samples / table.header.sample_rate) - end_s
    vector[:, layout.dim("begins").index] = _turned_links(table, layout, runs)
    out = EventTable.from_unsorted(
        replace(table.header, n_samples=n_samples),
        np.maximum(time, 0.0)[::-1],
        vector[::-1],
        table.channel[::-1],
        table.amplitude[::-1],
    )
    _check_links(table, voices, out, time)
    if layout.events_are_notes:
        out = told_finely(out, [layout.dim("phase_cycles")], layout.tones(out.vector))
    return out


class _Runs:
    """The voices of a table as rows; int64. first, last: of the voices; linked, before: of all events that carry on
    another, and those others; first_of, last_of: [n], of each event's voice."""

    def __init__(self, voices: Voices) -> None:
        order = voices.order
        begins = voices.begins[order]
        self.first, self.last = order[begins], order[np.roll(begins, -1)]
        places = np.flatnonzero(~begins)
        self.linked, self.before = order[places], order[places - 1]
        number = voices.number
        self.first_of, self.last_of = self.first[number], self.last[number]


def _turned_links(table: EventTable, layout: Layout, runs: _Runs) -> NDArray[np.float64]:
    """`begins` of each event after the turn: what tells of a link goes with the link."""
    dim = layout.dim("begins")
    says = table.vector[:, dim.index].astype(np.float64)
    out = says.copy()
    out[runs.before] = says[runs.linked]
    out[runs.last] = np.maximum(says[runs.first], on_grid_above(table, dim, 0.51))
    return out


def _turn_fades(vector: NDArray[np.float64], layout: Layout, runs: _Runs) -> None:
    """An attack is the time of the fade into an event: it goes with the link, and the outermost become decays."""
    attack, decay = layout.dim("attack_log2_s").index, layout.dim("decay_log2_s").index
    old_attack, old_decay = vector[:, attack].copy(), vector[:, decay].copy()
    vector[runs.before, attack] = old_attack[runs.linked]
    vector[runs.last, attack] = old_decay[runs.last]
    vector[runs.last, decay] = old_decay[runs.first]
    vector[runs.first, decay] = old_attack[runs.first]


def _swap_ends(vector: NDArray[np.float64], layout: Layout, runs: _Runs) -> None:
    """What a note has from its first event, and from its last, it has from them after the turn."""
    for name in (*_OF_FIRST, *_OF_LAST):
        index = layout.dim(name).index
        first, last = vector[runs.first, index].copy(), vector[runs.last, index].copy()
        vector[runs.first, index], vector[runs.last, index] = last, first


def _turn_tones(table: EventTable, vector: NDArray[np.float64], layout: Layout, held_s: NDArray[np.float64]) -> None:
    """A sinusoid backwards begins with the phase that it ended with, the other way round."""
    tone, phase = layout.tones(table.vector), layout.dim("phase_cycles")
    f0_hz = 110 * np.exp2(layout.dim("f0_semitones").heard(table.vector) / 12)
    cycles = -(phase.physical(table.vector) + f0_hz * held_s)
    vector[tone, phase.index] = (cycles[tone] - np.round(cycles[tone])) / phase.scale


def _check_links(table: EventTable, voices: Voices, turned: EventTable, time: NDArray[np.float64]) -> None:
    """SicError where notes would be cut or joined: links of notes go by pitch and end at whole minutes."""
    order = np.argsort(np.maximum(time, 0.0)[::-1], kind="stable")
    was = voices.number[::-1][order]
    now = Voices.of(turned).number
    pairs = len(np.unique(np.stack([was, now], 1), axis=0)) if len(table) else 0
    if pairs != len(np.unique(was)) or pairs != len(np.unique(now)):
        raise SicError("backwards, some notes would carry on others than they do; reverse a shorter part")
