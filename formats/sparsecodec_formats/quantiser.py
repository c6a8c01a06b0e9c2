"""Event table <-> the whole numbers that a file holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import SicError
from .header import Header
from .table import EventTable
from .varint import MAX_INT

MAX_VECTOR_CODE = 2**20
"""Vector codes lie within plus and minus this; larger ones are clipped. Four bytes as a zigzag varint."""

LEVELS_PER_DECADE = 80
"""Amplitudes are kept in steps of 0.25 dB, half of the smallest change of level an ear notices."""

MAX_LEVEL_CODE = 1023
SILENT_LEVEL_CODE = -1024
"""The code of amplitude 0, which no level in decibels reaches."""


@dataclass(frozen=True)
class QuantisedEvents:
    """Columns of n rows, ordered by time, then channel.

    Attributes:
        time_index: int64 [n], time in units of header.time_unit.
        vector: int32 [n, 32], in units of header.step.
        amplitude: int32 [n], 20 log10(amplitude) in units of 0.25 dB, so 0 is an amplitude of 1; -1024 is
            silence.
        channel: uint8 [n].
    """

    time_index: NDArray[np.int64]
    vector: NDArray[np.int32]
    amplitude: NDArray[np.int32]
    channel: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.time_index)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64] | slice) -> QuantisedEvents:
        """The rows of a mask, of indices or of a slice."""
        return QuantisedEvents(self.time_index[rows], self.vector[rows], self.amplitude[rows], self.channel[rows])

    @staticmethod
    def concatenate(parts: Sequence[QuantisedEvents]) -> QuantisedEvents:
        """All rows by time, then channel; rows equal in both keep their order. `parts` is not empty."""
        time_index = np.concatenate([part.time_index for part in parts])
        channel = np.concatenate([part.channel for part in parts])
        order = np.lexsort((channel, time_index))
        return QuantisedEvents(
            time_index[order],
            np.concatenate([part.vector for part in parts])[order],
            np.concatenate([part.amplitude for part in parts])[order],
            channel[order],
        )


def quantise(table: EventTable) -> QuantisedEvents:
    """Round every number of a table to the header's grid, halves to even.

    Vectors are clipped to 2**20 steps, amplitudes to +-255.75 dB. SicError for a time too late for a file.
    """
    header = table.header
    with np.errstate(over="ignore"):
        time_index = np.rint(table.time * header.time_unit.denominator / header.time_unit.numerator)
    if len(table) and not time_index[-1] * header.time_unit.numerator <= MAX_INT:
        raise SicError(f"an event at {table.time[-1]:g} s is too late for a file with this time unit")
    vector = np.rint(table.vector.astype(np.float64) / np.array(header.step))
    audible = table.amplitude > 0
    level = np.rint(LEVELS_PER_DECADE * np.log10(np.where(audible, table.amplitude, 1.0), dtype=np.float64))
    level = np.where(audible, np.clip(level, -MAX_LEVEL_CODE, MAX_LEVEL_CODE), SILENT_LEVEL_CODE)
    events = QuantisedEvents(
        time_index.astype(np.int64),
        np.clip(vector, -MAX_VECTOR_CODE, MAX_VECTOR_CODE).astype(np.int32),
        level.astype(np.int32),
        table.channel,
    )
    return QuantisedEvents.concatenate([events])


def dequantise(header: Header, events: QuantisedEvents) -> EventTable:
    """The table that the numbers stand for; quantising it again gives the same numbers."""
    unit = header.time_unit
    amplitude = 10.0 ** (events.amplitude / LEVELS_PER_DECADE)
    return EventTable(
        header,
        events.time_index * unit.numerator / unit.denominator,  # exact product, so rounded once
        events.vector * np.array(header.step),
        events.channel,
        np.where(events.amplitude == SILENT_LEVEL_CODE, 0.0, amplitude),
    )
