"""Sizes of the `speech` preset: one frozen dataclass that travels with the weights (safetensors metadata)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sparsecodec_models.weights import config_of

PRESET = "speech"


@dataclass(frozen=True)
class SpeechConfig:
    """Sizes and fixed constants of the `speech` preset; everything a reader needs to rebuild it beside the weights."""

    sample_rate: int = 22050
    vector_dims: int = 32
    named_dims: int = 8  # level, attack, decay, f0, glide, phase, begins, room
    # decoder: spectral levels in `bands`, voicing in `voice_bands`
    bands: int = 32
    voice_bands: int = 6
    frame_hop: int = 128  # samples between synthesis frames
    frame_size: int = 512  # samples of an inverse FFT; its middle half is used (Rodet & Depalle 1992)
    room_seconds: float = 0.25
    contrast: float = 0.13  # share by which, where sound is decoded, levels of bands stand out from those about them
    # encoder
    hop: int = 256  # samples between frames of analysis
    window: int = 1024  # samples of a frame of analysis
    mels: int = 80
    pitch_bins: int = 145  # candidates of f0
    pitch_min_hz: float = 60.0 * 2.0 ** (-14 / 32)  # 44.3 Hz: 60 Hz, where it used to begin, stays a candidate
    pitch_bins_per_octave: int = 32
    channels: int = 192
    dilations: tuple[int, ...] = (1, 2, 4, 8, 1, 2, 4, 8)

    @staticmethod
    def of_fields(fields: Mapping[str, Any]) -> SpeechConfig:
        """Of `dataclasses.asdict` of a config, through JSON or not; ValueError where it is none."""
        sizes = dict(fields)
        contrast = sizes.pop("contrast", 0.0)  # the first weights had none, nor any word of it
        config = config_of(SpeechConfig, sizes, free=("channels", "dilations", "pitch_bins", "pitch_min_hz"))
        if type(contrast) is not float or not 0 <= contrast <= 1:
            raise ValueError(f"'contrast' is {contrast!r}; it is a number from 0.0 to 1.0")
        config = replace(config, contrast=contrast)
        if (
            config.sample_rate / config.pitch_min_hz > 0.75 * config.window
            or config.pitch_max_hz > 0.1 * config.sample_rate
        ):
            raise ValueError(f"pitches from {config.pitch_min_hz:g} to {config.pitch_max_hz:g} Hz cannot be told")
        return config

    @property
    def coefficients(self) -> int:
        """Dims of a vector that are not named."""
        return self.vector_dims - self.named_dims

    @property
    def outputs(self) -> int:
        """What the decoder's first map gives: levels and voicing."""
        return self.bands + self.voice_bands

    @property
    def pitch_max_hz(self) -> float:
        """The highest candidate of f0."""
        return self.pitch_min_hz * 2.0 ** ((self.pitch_bins - 1) / self.pitch_bins_per_octave)
