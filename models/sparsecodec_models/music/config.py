"""Sizes of the `music` preset: one frozen dataclass that travels with the weights (safetensors metadata)."""

from __future__ import annotations

from dataclasses import dataclass

PRESET = "music"


@dataclass(frozen=True)
class MusicConfig:
    """Sizes and fixed constants of the `music` preset; everything a reader needs to rebuild it beside the weights."""

    sample_rate: int = 22050
    vector_dims: int = 32
    named_dims: int = 16  # those of the layout before the shape
    partial_points: int = 24  # of the curve of the partials' levels over log frequency
    partial_low_hz: float = 60.0
    partial_high_hz: float = 10500.0
    top_hz: float = 10800.0  # partials are below it
    noise_bands: int = 8
    noise_low_hz: float = 100.0  # centre of the lowest band
    noise_high_hz: float = 10500.0  # and of the highest
    noise_taps: int = 1024  # of a band's filter
    decay_low_hz: float = 100.0  # where a partial's T60 is `decay_low`
    decay_high_hz: float = 5000.0
    room_seconds: float = 0.25
