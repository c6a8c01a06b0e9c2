"""The codec's models: presets, analysis, rendering, training. Torch is imported with the first name that is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .audio_source import ArraySource, AudioSource
    from .choice import choose_preset
    from .codec import Codec
    from .presets import ModelInfo, codec_for, list_models, load_codec

_HOMES = {
    "ArraySource": "audio_source",
    "AudioSource": "audio_source",
    "Codec": "codec",
    "ModelInfo": "presets",
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
    "choose_preset",
    "codec_for",
    "list_models",
    "load_codec",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
