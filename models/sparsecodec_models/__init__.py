"""The codec's models: presets, analysis, rendering, training. Modules are imported with the first of their
names that is used, torch only where something is analysed or trained, or sounds on a GPU."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .audio_source import ArraySource, AudioSource
    from .choice import choose_preset
    from .codec import Codec
    from .presets import ModelInfo, codec_for, list_models, load_codec
    from .renderer import Renderer

_HOMES = {
    "ArraySource": "audio_source",
    "AudioSource": "audio_source",
    "Codec": "codec",
    "ModelInfo": "presets",
    "Renderer": "renderer",
    "choose_preset": "choice",
    "codec_for": "presets",
    "list_models": "presets",
    "load_codec": "presets",
}
__all__ = [
    "ArraySource",
    "AudioSource",
    "Codec",
    "ModelInfo",
    "Renderer",
    "choose_preset",
    "codec_for",
    "list_models",
    "load_codec",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
