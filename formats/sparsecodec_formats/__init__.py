"""The event table and the .sic file: all that needs no model."""

from __future__ import annotations

from .container import (
    MAX_EVENTS,
    Block,
    Missing,
    Reader,
    Salvage,
    Spending,
    Writer,
    dumps,
    loads,
    read,
    retag,
    salvage,
    sizes,
    spending,
    verify,
    write,
)
from .errors import DamagedBlocks, FormatError, NewerVersion, SicError, TooManyEvents
from .gains import nearest_gain
from .header import N_DIMS, Header
from .presets import LAYOUTS, Dim, Layout, layout_of
from .presets.voices import Voices
from .quantiser import QuantisedEvents, dequantise, quantise
from .steps import nearest_step
from .table import EventTable

__all__ = [
    "LAYOUTS",
    "MAX_EVENTS",
    "N_DIMS",
    "Block",
    "DamagedBlocks",
    "Dim",
    "EventTable",
    "FormatError",
    "Header",
    "Layout",
    "Missing",
    "NewerVersion",
    "QuantisedEvents",
    "Reader",
    "Salvage",
    "SicError",
    "Spending",
    "TooManyEvents",
    "Voices",
    "Writer",
    "dequantise",
    "dumps",
    "layout_of",
    "loads",
    "nearest_gain",
    "nearest_step",
    "quantise",
    "read",
    "retag",
    "salvage",
    "sizes",
    "spending",
    "verify",
    "write",
]
