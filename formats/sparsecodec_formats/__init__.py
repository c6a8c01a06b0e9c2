"""The event table and the .sic file: all that needs no model."""

from __future__ import annotations

from .container import Block, Reader, Spending, Writer, dumps, loads, read, sizes, spending, verify, write
from .errors import FormatError, NewerVersion, SicError
from .header import N_DIMS, Header
from .presets import LAYOUTS, Dim, Layout, layout_of
from .presets.voices import Voices
from .quantiser import QuantisedEvents, dequantise, quantise
from .steps import nearest_step
from .table import EventTable

__all__ = [
    "LAYOUTS",
    "N_DIMS",
    "Block",
    "Dim",
    "EventTable",
    "FormatError",
    "Header",
    "Layout",
    "NewerVersion",
    "QuantisedEvents",
    "Reader",
    "SicError",
    "Spending",
    "Voices",
    "Writer",
    "dequantise",
    "dumps",
    "layout_of",
    "loads",
    "nearest_step",
    "quantise",
    "read",
    "sizes",
    "spending",
    "verify",
    "write",
]
