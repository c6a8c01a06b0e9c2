"""The `speech` model: encoder, decoder, prior, and their weights as bytes."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import safetensors
import safetensors.torch
from torch import nn

from sparsecodec_formats.errors import SicError
from sparsecodec_models.speech.network.encoder import SpeechEncoder
from sparsecodec_models.speech.network.prior import EventPrior
from sparsecodec_models.speech.synthesis.controls import SpeechDecoder

from .config import SpeechConfig


class SpeechModel(nn.Module):
    """Encoder, decoder and prior of one config. `weights_hash`: first 4 bytes of the SHA-256 of the weights' file,
    zeros when made here."""

    def __init__(self, config: SpeechConfig | None = None) -> None:
        super().__init__()
        self.config = config or SpeechConfig()
        self.encoder = SpeechEncoder(self.config)
        self.decoder = SpeechDecoder(self.config)
        self.prior = EventPrior(self.config.vector_dims)
        self.weights_hash = bytes(4)

    def to_bytes(self) -> bytes:
        """Weights as fp16 safetensors; the config travels in the metadata, under one key so that the bytes do not
        vary."""
        tensors = {k: v.detach().cpu().half().contiguous() for k, v in self.state_dict().items()}
        text = json.dumps({"model": "speech", "config": json.loads(self.config.to_json())}, sort_keys=True)
        return safetensors.torch.save(tensors, {"sparsecodec": text})

    @staticmethod
    def from_bytes(data: bytes) -> SpeechModel:
        """SicError when the bytes are not weights of this preset."""
        try:
            size = int(np.frombuffer(data[:8], "<u8")[0])
            about = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["sparsecodec"])
            if about["model"] != "speech":
                raise SicError(f"weights of preset {about['model']!r} given where 'speech' is needed")
            model = SpeechModel(SpeechConfig.from_json(json.dumps(about["config"])))
            model.load_state_dict({k: v.float() for k, v in safetensors.torch.load(data).items()})
        except SicError:
            raise
        except Exception as error:  # whatever a wrong file makes safetensors or json raise
            raise SicError(
                f"not weights of the speech preset as it is in this version ({type(error).__name__}):"
                " give a .safetensors file that this version of sic trained"
            ) from error
        model.weights_hash = hashlib.sha256(data).digest()[:4]
        return model.eval()
