"""The `speech` model: encoder, decoder, prior, and their weights as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from sparsecodec_models import weights
from sparsecodec_models.speech.network.decoder import SpeechDecoder
from sparsecodec_models.speech.network.encoder import SpeechEncoder
from sparsecodec_models.speech.network.prior import EventPrior

from .config import PRESET, SpeechConfig


class SpeechModel(nn.Module):
    """Encoder, decoder and prior of one config."""

    def __init__(self, config: SpeechConfig | None = None) -> None:
        super().__init__()
        self.config = config or SpeechConfig()
        self.encoder = SpeechEncoder(self.config)
        self.decoder = SpeechDecoder(self.config)
        self.prior = EventPrior(self.config.vector_dims)

    @property
    def device(self) -> torch.device:
        return self.decoder.shape_mean.device

    @staticmethod
    def of_fields(fields: Mapping[str, Any]) -> SpeechModel:
        """A new model of the config whose `dataclasses.asdict` this is, through JSON or not."""
        return SpeechModel(SpeechConfig.of_fields(fields))

    @staticmethod
    def drawn(seed: int, config: SpeechConfig | None = None) -> SpeechModel:
        """A new model, the same for the same seed."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return SpeechModel(config)

    def to_bytes(self) -> bytes:
        """The weights, in half precision, and the config as a safetensors file."""
        return weights.to_bytes(PRESET, self.config, {k: v.detach().half() for k, v in self.state_dict().items()})

    @staticmethod
    def from_bytes(data: bytes) -> SpeechModel:
        """SicError when the bytes are not weights of this preset."""
        return weights.load_model(data, PRESET, SpeechModel.of_fields)
