"""Edits of how things begin and die away."""

from __future__ import annotations

import math

import numpy as np

from sparsecodec_formats.presets import layout_of
from sparsecodec_formats.presets.voices import SAID_BY_FIRST, Voices
from sparsecodec_formats.table import EventTable

from .checks import Where, chosen, moved, on_grid_above, within
from .rounding import told_finely


def attack(table: EventTable, factor: float, *, where: Where = None) -> EventTable:
    """What begins by itself comes in over 0.001..1000 times as long. How linked events pass into each other stays.

    In `speech` an attack ends at the event's time, and so begins earlier if it is longer; in `music` it begins there.
    SicError where it leaves the decoder's range, or vectors tell no attack (`reference`).
    """
    octaves = math.log2(within("attack", factor, 0.001, 1000))
    dim, voices = layout_of(table.header).dim("attack_log2_s"), Voices.of(table)
    return moved(table, dim, octaves, chosen(table, where) & voices.begins)


def decay(table: EventTable, factor: float, *, where: Where = None) -> EventTable:
    """Things die away over 0.001..1000 times as long.

    In `speech` that is the decay of the event that ends a voice; in `music` partials, noise and the release of a note
    fall by 60 dB in a time that is longer by this factor. Tones, which have no decay, stay, and so does what is longer
    already than vectors can tell: a note that is held. SicError as for `attack`.
    """
    octaves = math.log2(within("decay", factor, 0.001, 1000))
    layout, mask = layout_of(table.header), chosen(table, where)
    if layout.events_are_notes:
        mask &= ~layout.tones(table.vector)
        for name in ("decay_low", "decay_high", "noise_decay", "release"):
            dim = layout.dim(f"{name}_log2_s")
            longest = dim.high - dim.scale * table.header.step[dim.index] / 2  # of a file
            held = (octaves > 0) & (dim.physical(table.vector) >= longest)
            table = moved(table, dim, octaves, mask & ~held)
        return table
    return moved(table, layout.dim("decay_log2_s"), octaves, mask & Voices.of(table).ends)


def unlink(table: EventTable, *, where: Where = None) -> EventTable:
    """Every event a thing by itself: it begins anew in place of carrying on what was before it.

    An event that was linked comes in over the time that it took for that; the one before it dies away until then (in
    `speech`: over twice that time, since a decay falls faster than it; in `music` its key is released there).
    SicError where vectors tell no links (`reference`).
    """
    layout, mask, voices = layout_of(table.header), chosen(table, where), Voices.of(table)
    begins, attack_dim = layout.dim("begins"), layout.dim("attack_log2_s")
    loose = mask & ~voices.begins
    left = np.zeros(len(table), bool)  # events that another was linked to
    left[voices.order[:-1]] = loose[voices.order[1:]]
    vector = table.vector.copy()
    vector[loose, begins.index] = on_grid_above(table, begins, 0.51)
    attack_log2_s = np.log2(np.maximum(voices.attack_s[loose], 2.0**attack_dim.low))
    vector[loose, attack_dim.index] = (attack_log2_s - attack_dim.offset) / attack_dim.scale
    if layout.events_are_notes:  # what their note's first event said, and that they do not decay, was not theirs to say
        for name in SAID_BY_FIRST:
            vector[loose, layout.dim(name).index] = table.vector[voices.first[loose], layout.dim(name).index]
        for name in ("decay_low_log2_s", "decay_high_log2_s", "noise_decay_log2_s"):
            held = layout.dim(name)
            vector[left, held.index] = (held.high - held.offset) / held.scale
    fade, factor = ("duration_log2_s", 1.0) if layout.events_are_notes else ("decay_log2_s", 2.0)
    dim = layout.dim(fade)
    fade_log2_s = np.clip(np.log2(np.maximum(factor * voices.next_s[left], 2.0**dim.low)), dim.low, dim.high)
    vector[left, dim.index] = (fade_log2_s - dim.offset) / dim.scale
    out = told_finely(table.replace(vector=vector), [attack_dim], loose)
    return told_finely(out, [dim], left)
