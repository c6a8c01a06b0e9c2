"""What a preset's vectors mean: the named numbers of an event, with their units, scales and ranges."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.header import N_DIMS
from sparsecodec_formats.table import EventTable

__all__ = ["NOTE_ABOVE", "N_DIMS", "TONE_BELOW", "Dim", "Layout", "dims"]

NOTE_ABOVE, TONE_BELOW = 0.5, -0.5
"""Values of the dim `kind`: a note is above the first, a tone below the second, a drum neither."""


@dataclass(frozen=True)
class Dim:
    """One number of a vector: physical value = offset + scale * vector[index], in `unit`.

    low, high: the range that the decoder takes, in `unit`; a value beyond it sounds as the nearer end does.
    """

    index: int
    name: str
    unit: str
    scale: float
    offset: float
    low: float = -math.inf
    high: float = math.inf

    @property
    def label(self) -> str:
        """The name without its unit, as people read it: level, decay low."""
        return re.sub(r"_(log2|log2_s|db|semitones|cycles)$", "", self.name).replace("_", " ").replace(" hz", " Hz")

    def physical(self, vector: NDArray[np.float32]) -> NDArray[np.float64]:
        """float64 [n] in `unit`, from vectors [n, 32]."""
        return self.offset + self.scale * vector[:, self.index].astype(np.float64)

    def heard(self, vector: NDArray[np.float32]) -> NDArray[np.float64]:
        """As `physical`, within low … high: what the decoder makes of it."""
        return np.clip(self.physical(vector), self.low, self.high)


@dataclass(frozen=True)
class Layout:
    """The vector of one preset.

    Attributes:
        name: as in `Header.model`.
        number: of the preset in files, 1..255; it never changes.
        sample_rate: that the model works at, Hz.
        time_unit: finest step of an event's time, s.
        dims: the dims that have a name.
        statistics: number of those that new files are coded with (blocks/statistics); 0: none.
        links: which event one carries on that does not begin by itself (`voices.py`): "channel", the one before it in
            its channel; "pitch", of the notes that its channel has begun, the one whose pitch is nearest; None: vectors
            tell no links.
    """

    name: str
    number: int
    sample_rate: int
    time_unit: Fraction
    dims: Mapping[str, Dim]
    statistics: int = 0
    links: Literal["channel", "pitch"] | None = None

    @property
    def events_are_notes(self) -> bool:
        """Whether an event is a note, with an onset, a pitch and an end, or carries one on."""
        return self.links == "pitch"

    def tones(self, vector: NDArray[np.float32]) -> NDArray[np.bool_]:
        """bool [n]: which vectors [n, 32] are tones, what notes leave over: no notes themselves."""
        if "kind" not in self.dims:
            return np.zeros(len(vector), bool)
        return self.dims["kind"].physical(vector) < TONE_BELOW

    def physical(self, table: EventTable, name: str) -> NDArray[np.float64]:
        """float64 [n]: the named quantity of every event, in its unit; SicError when this preset has none."""
        return self.dim(name).physical(table.vector)

    def dim(self, name: str) -> Dim:
        """The dim of that name; SicError when this preset has none."""
        try:
            return self.dims[name]
        except KeyError:
            raise SicError(f"cannot be done: vectors of preset {self.name!r} do not tell {name}") from None


def dims(*rows: tuple[str, str, float, float] | tuple[str, str, float, float, float, float]) -> Mapping[str, Dim]:
    """Dims by name, from the fields of `Dim` after the index, in the order of the vector."""
    return MappingProxyType({row[0]: Dim(index, *row) for index, row in enumerate(rows)})
