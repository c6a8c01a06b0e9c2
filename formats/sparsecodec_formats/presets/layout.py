"""What a preset's vectors mean: the named numbers of an event, with their units, scales and ranges."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.table import N_DIMS, EventTable

__all__ = ["N_DIMS", "Dim", "Layout", "dims"]


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
        sample_rate: that the model works at, Hz.
        time_unit: finest step of an event's time, s.
        dims: the dims that have a name.
    """

    name: str
    sample_rate: int
    time_unit: Fraction
    dims: Mapping[str, Dim]

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
