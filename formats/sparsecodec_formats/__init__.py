"""The event table and the .sic file: all that needs no model. Names are imported when they are first used."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # as typing has it, which takes time to import
if TYPE_CHECKING:
    from typing import Any

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
    from .segments import Segments
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
    "Segments",
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

_HOMES = {
    "LAYOUTS": "presets",
    "MAX_EVENTS": "container",
    "N_DIMS": "header",
    "Block": "container",
    "DamagedBlocks": "errors",
    "Dim": "presets",
    "EventTable": "table",
    "FormatError": "errors",
    "Header": "header",
    "Layout": "presets",
    "Missing": "container",
    "NewerVersion": "errors",
    "QuantisedEvents": "quantiser",
    "Reader": "container",
    "Salvage": "container",
    "Segments": "segments",
    "SicError": "errors",
    "Spending": "container",
    "TooManyEvents": "errors",
    "Voices": "presets.voices",
    "Writer": "container",
    "dequantise": "quantiser",
    "dumps": "container",
    "layout_of": "presets",
    "loads": "container",
    "nearest_gain": "gains",
    "nearest_step": "steps",
    "quantise": "quantiser",
    "read": "container",
    "retag": "container",
    "salvage": "container",
    "sizes": "container",
    "spending": "container",
    "verify": "container",
    "write": "container",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
