"""The notes and strokes of `music`, each a segment with the events that carry it on."""

from __future__ import annotations

import numpy as np

from sparsecodec_formats.presets.layout import NOTE_ABOVE, Layout
from sparsecodec_formats.presets.voices import Voices
from sparsecodec_formats.table import EventTable

from .parts import FLOOR_DB, HEARD_DB, KINDS, LEAST_S, NEAR_S, Bools, Cut, Floats, Parts, Rows, event_levels


def cut_notes(table: EventTable, layout: Layout, voices: Voices) -> Cut:
    """A segment for each note or stroke. Tones, which mend what notes get wrong, go with the note of their stream that
    began last; a note too soft to be heard beside one that begins with it, an overtone as a rule, goes with that."""
    tone, note, level = layout.tones(table.vector), voices.number, event_levels(table)
    faint = _faint_notes(table, level, note, np.flatnonzero(~tone & voices.begins))
    duration_s = np.exp2(layout.dim("duration_log2_s").heard(table.vector))
    for channel in np.unique(table.channel[tone]).tolist():
        tones = np.flatnonzero(tone & (table.channel == channel))
        begin = np.flatnonzero(~tone & voices.begins & (table.channel == channel))
        if len(begin):
            begun = np.searchsorted(table.time[begin], table.time[tones] + duration_s[tones] / 2, side="right") - 1
            note[tones] = note[begin[np.maximum(begun, 0)]]
        else:
            note[tones] = note[tones[0]]
    order = np.argsort(note, kind="stable")
    parts = Parts(order, np.flatnonzero(np.diff(note[order], prepend=-1)))
    of_tones = parts.sums(~tone[order] * 1.0)[parts.part] == 0  # those of a stream that has no note
    counts = (~tone & ~faint)[order] | of_tones
    held_s = np.where(voices.ends, duration_s, voices.next_s)[order]
    time_s = table.time[order]
    start_s = -parts.most(np.where(counts, -time_s, -np.inf))
    end_s = parts.most(np.where(counts, time_s + held_s, 0.0))
    level = np.where(counts, level[order], FLOOR_DB)
    with_pitch = counts & ~of_tones & (layout.physical(table, "kind")[order] > NOTE_ABOVE)
    pitched = parts.sums(with_pitch * 1.0) > 0
    kind = np.where(pitched, KINDS[0], np.where(of_tones[parts.first], KINDS[1], KINDS[2]))
    weight = np.where(with_pitch, np.maximum(held_s, LEAST_S), 0.0)
    return Cut(parts, start_s, end_s, kind, weight, level)


def _faint_notes(table: EventTable, level: Floats, note: Rows, begin: Rows) -> Bools:
    """Events, bool [n], of notes that are HEARD_DB softer than one of their stream that begins within NEAR_S of them;
    in `note`, int64 [n], they get its number. begin: rows of the notes' first events."""
    out = np.zeros(len(table), bool)
    loudest = np.full(int(note.max(initial=-1)) + 1, FLOOR_DB)
    np.maximum.at(loudest, note, level)
    for channel in np.unique(table.channel).tolist():
        rows = begin[table.channel[begin] == channel]
        time_s, numbers = table.time[rows], note[rows]
        first = np.searchsorted(time_s, time_s - NEAR_S)
        stop = np.searchsorted(time_s, time_s + NEAR_S, side="right")
        own = loudest[numbers]
        goes_with = np.arange(len(loudest))
        softer = np.flatnonzero(own < own.max(initial=FLOOR_DB) - HEARD_DB)
        for i in softer[np.argsort(-own[softer], kind="stable")].tolist():  # so that none goes with one that has gone
            strongest = first[i] + int(own[first[i] : stop[i]].argmax())
            if own[strongest] - HEARD_DB > own[i]:
                goes_with[numbers[i]] = goes_with[numbers[strongest]]
        mine = table.channel == channel
        out |= mine & (goes_with[note] != note)
        note[mine] = goes_with[note[mine]]
    return out
