"""The `music` model: the network that finds notes, the decoder, and their weights as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from sparsecodec_models import weights
from sparsecodec_models.music.network.finder import FinderConfig, NoteFinder
from sparsecodec_models.music.synthesis.controls import MusicDecoder

from .config import PRESET, MusicConfig


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of both halves."""

    finder: FinderConfig = field(default_factory=FinderConfig)
    decoder: MusicConfig = field(default_factory=MusicConfig)


class DecoderWeights(nn.Module):
    """The numbers of a `MusicDecoder` as parameters, by the names that they have in weights files."""

    def __init__(self, config: MusicConfig) -> None:
        super().__init__()
        self.config = config
        plain = MusicDecoder.plain(config)
        self.shape_mean = nn.Parameter(torch.tensor(plain.shape_mean))
        self.shape_basis = nn.Parameter(torch.tensor(plain.shape_basis))

    @property
    def arrays(self) -> MusicDecoder:
        mean, basis = (x.detach().cpu().numpy() for x in (self.shape_mean, self.shape_basis))
        return MusicDecoder(self.config, mean, basis)


class MusicModel(nn.Module):
    """Note finder and decoder of one config."""

    def __init__(self, config: ModelConfig | None = None) -> None:
        super().__init__()
        self.config = config or ModelConfig()
        self.encoder = NoteFinder(self.config.finder)
        self.decoder = DecoderWeights(self.config.decoder)

    @property
    def device(self) -> torch.device:
        return self.decoder.shape_mean.device

    @staticmethod
    def of_fields(fields: Mapping[str, Any]) -> MusicModel:
        """A new model of the config whose `dataclasses.asdict` this is, through JSON or not."""
        finder, decoder = fields["finder"], fields["decoder"]
        return MusicModel(
            ModelConfig(weights.config_of(FinderConfig, finder), weights.config_of(MusicConfig, decoder, free=()))
        )

    @staticmethod
    def drawn(seed: int, config: ModelConfig | None = None) -> MusicModel:
        """A new model, the same for the same seed."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return MusicModel(config)

    def to_bytes(self) -> bytes:
        """The weights, in half precision, and the config as a safetensors file."""
        return weights.to_bytes(PRESET, self.config, {k: _halved(v) for k, v in self.state_dict().items()})

    @staticmethod
    def from_bytes(data: bytes) -> MusicModel:
        """SicError when the bytes are not weights of this preset."""
        return weights.load_model(data, PRESET, MusicModel.of_fields)


def _halved(tensor: Tensor) -> Tensor:
    """Half precision; counts of training steps, which batch norms keep, as 0."""
    return tensor.detach().half() if tensor.is_floating_point() else torch.zeros_like(tensor)
