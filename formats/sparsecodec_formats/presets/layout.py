"""What the numbers of an event mean in each preset: all that commands need which do not load a model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.header import N_DIMS, Header
from sparsecodec_formats.table import EventTable


@dataclass(frozen=True)
class Dim:
    """One number of a vector: physical value = offset + scale * vector[index], in `unit`."""

    index: int
    name: str
    unit: str
    scale: float
    offset: float

    def physical(self, vector: NDArray[np.float32]) -> NDArray[np.float64]:
        """float64 [n] in `unit`, from vectors [n, 32]."""
        return self.offset + self.scale * vector[:, self.index].astype(np.float64)


@dataclass(frozen=True)
class Layout:
    """The vector of one preset.

    Attributes:
        name: as in `Header.model`.
        number: of the preset in files, 1..255; it never changes.
        sample_rate: that the model works at, Hz.
        time_unit: finest step of an event's time, s.
        dims: the dims that have a name.
        statistics: number of those that new files are coded with, blocks/statistics; 0: none.
    """

    name: str
    number: int
    sample_rate: int
    time_unit: Fraction
    dims: Mapping[str, Dim]
    statistics: int

    def physical(self, table: EventTable, name: str) -> NDArray[np.float64]:
        """float64 [n]: the named quantity of every event, in its unit; SicError when this preset has none."""
        return self.dim(name).physical(table.vector)

    def dim(self, name: str) -> Dim:
        """The dim of that name; SicError when this preset has none."""
        try:
            return self.dims[name]
        except KeyError:
            raise SicError(f"cannot be done: vectors of preset {self.name!r} do not tell {name}") from None


def _dims(*rows: tuple[str, str, float, float]) -> Mapping[str, Dim]:
    return MappingProxyType({row[0]: Dim(index, *row) for index, row in enumerate(rows)})


# Scales are such that a quantiser step of 1.0 is right at the preset's nominal rate.
_SPEECH = Layout(
    name="speech",
    number=1,
    sample_rate=22_050,
    time_unit=Fraction(64, 22_050),
    dims=_dims(
        ("level_db", "dB", 1.5, -30.0),  # at the event's time, re full scale
        ("attack_log2_s", "log2 s", 0.75, math.log2(0.06)),  # time over which it comes in, before its time
        ("decay_log2_s", "log2 s", 0.75, math.log2(0.06)),  # time over which it dies away, where nothing is linked
        ("f0_semitones", "semitones re 110 Hz", 0.25, 0.0),  # at its time
        ("glide_semitones", "semitones", 0.5, 0.0),  # change of f0 over the decay
        ("phase_cycles", "cycles", 1 / 12, 0.0),  # of the fundamental at its time, where it begins by itself
        ("begins", "above 0.5: by itself", 1.0, 0.0),  # else it carries on the sound of the event before it
        ("room_db", "dB", 6.0, -60.0),  # send to the room
        # Spectrum and voicing: coefficients of a KLT that comes with the model.
        *((f"shape_{i}", "1", 1.0, 0.0) for i in range(N_DIMS - 8)),
    ),
    statistics=1,
)

# Its dims are learned, so none has a name. Times are those of frames; the fine shift within ± one is in the vector.
_REFERENCE = Layout(
    name="reference",
    number=2,
    sample_rate=22_050,
    time_unit=Fraction(256, 22_050),
    dims=_dims(),
    statistics=0,
)

LAYOUTS: Mapping[str, Layout] = MappingProxyType({layout.name: layout for layout in (_SPEECH, _REFERENCE)})


def layout_of(header: Header) -> Layout:
    """The layout of the preset that a header names; SicError when this version does not know it."""
    try:
        return LAYOUTS[header.model]
    except KeyError:
        known = ", ".join(LAYOUTS)
        raise SicError(f"preset {header.model!r} is not known here ({known}); update sic") from None


def level_db(table: EventTable) -> NDArray[np.float64]:
    """float64 [n]: level of every event, dB; -inf for amplitude 0. SicError for a preset that is not known here.

    Re full scale where the preset's vectors tell a level, else up to a constant.
    """
    layout = layout_of(table.header)
    with np.errstate(divide="ignore"):
        amplitude_db = 20 * np.log10(table.amplitude.astype(np.float64))
    return amplitude_db + (layout.physical(table, "level_db") if "level_db" in layout.dims else 0.0)
