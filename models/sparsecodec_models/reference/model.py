"""The `reference` network as a whole: encoder, decoder, first weights, and its safetensors file."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor, nn

from sparsecodec_formats.errors import SicError

from .config import ReferenceConfig
from .decoder import ReferenceDecoder
from .encoder import ReferenceEncoder, pick_event

INITIAL_WEIGHT = 0.02  # weights are drawn uniform within ± this (seed-system.md, row "training")
MODEL_NAME = "reference"
METADATA_KEY = "sparsecodec"  # of the safetensors file: JSON with "model" and "config"


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

    def to_bytes(self) -> bytes:
        """The weights, rooms and config as a safetensors file."""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}
        # one key only: safetensors writes several in an order that changes from call to call, hence the hash
        metadata = {METADATA_KEY: json.dumps({"model": MODEL_NAME, "config": asdict(self.config)})}
        data: bytes = safetensors.torch.save(tensors, metadata=metadata)
        return data

    @staticmethod
    def made(data: bytes) -> bool:
        """Whether these bytes are a safetensors file that says it is of this preset; never raises."""
        try:
            return bool(_about(data).get("model") == MODEL_NAME)
        except (ValueError, AttributeError, TypeError, RecursionError):
            return False

    @staticmethod
    def from_bytes(data: bytes) -> ReferenceModel:
        """The model of a safetensors file (any float type); SicError when it is not one of this preset."""
        try:
            about = _about(data)
            tensors = safetensors.torch.load(data)
        except (ValueError, SafetensorError, AttributeError, TypeError, RecursionError):
            raise SicError("the weights are not a safetensors file") from None
        if about.get("model") != MODEL_NAME:
            raise SicError(f"the weights are of model {about.get('model')!r}, not of {MODEL_NAME!r}")
        model = ReferenceModel(ReferenceConfig.from_fields(about.get("config", {})))
        try:
            model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
        except RuntimeError:
            raise SicError("the reference weights do not fit their configuration") from None
        return model


def _about(data: bytes) -> dict[str, Any]:
    """What a safetensors file says of itself under METADATA_KEY; raises when it is none."""
    length = int.from_bytes(data[:8], "little")
    about = json.loads(json.loads(data[8 : 8 + length]).get("__metadata__", {}).get(METADATA_KEY, "{}"))
    return about if isinstance(about, dict) else {}
