"""What a selection may ask of events: each field's values, as the preset's vectors tell them.

time      s, of the event
end       s, when it has died away, or the one that carries it on has come; of a note, when its key is released
duration  s, from when it begins to come in until its end
attack    s, over which it comes in
level     dB re full scale, with its amplitude; in `reference` of the amplitude alone
pitch     Hz; an event without a pitch has none, and compares with nothing
voiced    whether it has a pitch
channel   the stream that it is in, from 0
index     place in the table, from 0
segment   number of its segment (`segments/`), from 0
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.header import Header
from sparsecodec_formats.presets import layout_of, level_db
from sparsecodec_formats.presets.layout import NOTE_ABOVE, TONE_BELOW, Layout
from sparsecodec_formats.presets.voices import Voices, pitched_by_numbers
from sparsecodec_formats.segments import Segments
from sparsecodec_formats.table import EventTable

NUMBERS = ("time", "end", "level", "pitch", "duration", "attack", "channel", "index", "segment")
FLAGS = ("voiced",)
FIELDS = (*NUMBERS, *FLAGS)

_OF_VOICES = {"end": "an end", "duration": "a duration", "attack": "an attack", "pitch": "a pitch",
              "voiced": "a pitch", "segment": "segments"}  # fmt: skip

Values = NDArray[np.float64] | NDArray[np.bool_]


def needs_voiced(header: Header, fields: Iterable[str]) -> bool:
    """Whether weights tell better than vectors what these fields are: which events of `speech` have a pitch."""
    return _pitch_is_in_weights(layout_of(header)) and not {"voiced", "pitch", "segment"}.isdisjoint(fields)


def values_of(table: EventTable, fields: Iterable[str], voiced: NDArray[np.bool_] | None) -> dict[str, Values]:
    """Of each of these fields its value of each event, [n]. voiced: as for `selected`.

    SicError for a field that the preset's vectors do not tell.
    """
    facts = _Facts(table, voiced)
    return {field: facts.values(field) for field in fields}


def _pitch_is_in_weights(layout: Layout) -> bool:
    return "f0_semitones" in layout.dims and "kind" not in layout.dims


class _Facts:
    """What a table tells of its events, worked out where it is asked for."""

    def __init__(self, table: EventTable, voiced: NDArray[np.bool_] | None) -> None:
        self._table, self._voiced = table, voiced
        self._layout, self._voices = layout_of(table.header), Voices.of(table)

    def values(self, field: str) -> Values:
        table, voices = self._table, self._voices
        if field in _OF_VOICES and not voices.linked:
            raise SicError(
                f"cannot select by {field}: vectors of preset {self._layout.name!r} do not tell {_OF_VOICES[field]}"
            )
        found: dict[str, Callable[[], Values]] = {
            "time": lambda: table.time,
            "end": lambda: voices.start_s + self._duration_s(),
            "duration": self._duration_s,
            "attack": lambda: voices.attack_s,
            "level": lambda: level_db(table),
            "pitch": lambda: np.where(self._has_pitch(), voices.f0_hz, np.nan),
            "voiced": self._has_pitch,
            "channel": lambda: table.channel.astype(np.float64),
            "index": lambda: np.arange(len(table), dtype=np.float64),
            "segment": lambda: Segments.of(table, self._voiced).number.astype(np.float64),
        }
        return found[field]()

    def _duration_s(self) -> NDArray[np.float64]:
        voices = self._voices
        if not self._layout.events_are_notes:
            return voices.end_s - voices.start_s
        held_s = np.exp2(self._layout.dim("duration_log2_s").heard(self._table.vector))
        return np.where(voices.ends, held_s, voices.next_s)

    def _has_pitch(self) -> NDArray[np.bool_]:
        if _pitch_is_in_weights(self._layout):
            if self._voiced is not None:
                return self._voiced
            return pitched_by_numbers(self._table)
        kind = self._layout.physical(self._table, "kind")[self._voices.first]
        return (kind > NOTE_ABOVE) | (kind < TONE_BELOW)
