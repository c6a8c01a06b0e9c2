"""The `reference` network as a whole: encoder, decoder, first weights, and its safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparsecodec_models import weights

from .config import PRESET, ReferenceConfig
from .decoder import ReferenceDecoder
from .encoder import ReferenceEncoder, pick_event

INITIAL_WEIGHT = 0.02  # weights are drawn uniform within ± this (Vinyard 2025)


class ReferenceModel(nn.Module):
    """`encoder` and `decoder` of one ReferenceConfig; 14,219,025 parameters at the published sizes.

    The original counts 14,227,729: 8,192 more in batch norms and 512 in a table, none of which it uses.
    """

    def __init__(self, config: ReferenceConfig | None = None, rooms: NDArray[np.float32] | None = None) -> None:
        """rooms: float32 [n_rooms, room_samples]; without, those of `rooms.make_rooms`."""
        super().__init__()
        self.config = config or ReferenceConfig()
        self.encoder = ReferenceEncoder(self.config)
        self.decoder = ReferenceDecoder(self.config, rooms)

    def draw_weights(self, seed: int) -> ReferenceModel:
        """Draw every weight, bias and table uniform within ± 0.02, the same for the same seed; returns self.

        For a weight-normalised convolution it is the resulting weight that is drawn, not its norm and
        direction.
        """
        generator = torch.Generator().manual_seed(seed)

        def drawn(like: Tensor) -> Tensor:
            return torch.empty(like.shape).uniform_(-INITIAL_WEIGHT, INITIAL_WEIGHT, generator=generator)

        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, nn.Conv1d | nn.Linear):
                    assert module.bias is not None
                    module.weight = self._like(module.weight, drawn(module.weight))
                    module.bias.copy_(drawn(module.bias))
            for table in self.decoder.tables.values():
                table.copy_(drawn(table))
        return self

    def propose(self, residual: Tensor, n_open: int) -> tuple[Tensor, Tensor, Tensor]:
        """The encoder's next event for each residual: float32 [batch, frames, bins] → as `pick_event`."""
        vectors, switch = self.encoder(residual, n_open)
        return pick_event(vectors, switch, n_open)

    @staticmethod
    def _like(old: Tensor, new: Tensor) -> Tensor | nn.Parameter:
        """A plain weight needs a Parameter; a parametrised one takes a tensor and finds its norm."""
        new = new.to(old.device)
        return nn.Parameter(new) if isinstance(old, nn.Parameter) else new

    @staticmethod
    def of_fields(fields: Mapping[str, Any]) -> ReferenceModel:
        """A new model of the config whose `dataclasses.asdict` this is, through JSON or not."""
        return ReferenceModel(weights.config_of(ReferenceConfig, fields))

    def to_bytes(self) -> bytes:
        """The weights, rooms and config as a safetensors file."""
        return weights.to_bytes(PRESET, self.config, {k: v.detach() for k, v in self.state_dict().items()})

    @staticmethod
    def from_bytes(data: bytes) -> ReferenceModel:
        """SicError when the bytes are not weights of this preset."""
        return weights.load_model(data, PRESET, ReferenceModel.of_fields)
