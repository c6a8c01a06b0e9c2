"""Which presets there are, and where their weights come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.table import Header
from sparsecodec_models.reference.codec import ReferenceCodec
from sparsecodec_models.reference.model import ReferenceModel
from sparsecodec_models.speech.codec import SpeechCodec

from .codec import Codec
from .weights import preset_of

WEIGHTS = Path(__file__).parent / "weights"
SHIPPED = {"speech": WEIGHTS / "speech.safetensors"}


@dataclass(frozen=True)
class ModelInfo:
    """One row of `sic models`. weights_hash: 16 hex digits, or None where no weights are shipped."""

    name: str
    description: str
    sample_rate: int
    parameters: int
    encoder_parameters: int
    decoder_parameters: int
    weights_hash: str | None
    licence: str
    shipped: bool


def load_codec(name_or_path: str = "speech", device: str = "cpu") -> Codec:
    """The codec of a preset's name, or of a .safetensors file that training wrote.

    SicError when there is no such preset, or the file cannot be read or is not such weights.
    """
    if name_or_path == "reference":
        return ReferenceCodec(device=device)
    path = SHIPPED.get(name_or_path, Path(name_or_path))
    if name_or_path not in SHIPPED and not path.suffix:
        raise SicError(f"there is no model {name_or_path!r}; 'sic models' lists them, or give a .safetensors file")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SicError(f"{path}: weights cannot be read ({error.strerror}); 'sic models' lists the presets") from error
    try:
        if preset_of(data) == ReferenceCodec.name:
            return ReferenceCodec.from_bytes(data, device=device)
        return SpeechCodec.from_bytes(data, device=device)
    except SicError as error:
        raise SicError(f"{path}: {error}") from error


def codec_for(header: Header, device: str = "cpu", model: str | None = None) -> Codec:
    """The codec that a file needs; `model`, a path, where its weights are not the shipped ones.

    SicError when it is not there.
    """
    if model is None and header.model not in ("reference", *SHIPPED):
        raise SicError(f"needs model {header.model!r}, which is not one of 'sic models'; update sic")
    codec = load_codec(model or header.model, device)
    if codec.name != header.model or codec.weights_hash != header.weights_hash:
        raise SicError(
            f"needs {header.model!r} with weights {header.weights_hash.hex()}, not {codec.name!r} with"
            f" {codec.weights_hash.hex()}; give the weights file it was made with (--model)"
        )
    return codec


def list_models() -> list[ModelInfo]:
    """Every preset of this version."""
    speech = SpeechCodec.from_bytes(SHIPPED["speech"].read_bytes())
    with torch.device("meta"):
        reference = ReferenceModel()
    return [
        ModelInfo(
            "speech",
            "linked events of harmonics, noise and room, phase running on; trained on speech; the default",
            speech.model_rate,
            *_counts(speech.model),
            speech.weights_hash.hex(),
            "MIT (trained on GPL and BSD recordings: see the model card)",
            True,
        ),
        ModelInfo(
            "reference",
            "Vinyard 2025 as published; to be trained",
            22050,
            *_counts(reference),
            None,
            "MIT",
            False,
        ),
    ]


def n_parameters(codec: Codec) -> tuple[int, int, int]:
    """Numbers in a codec's weights: all, the encoder's and the decoder's."""
    return _counts(codec.model)


def _counts(model: torch.nn.Module) -> tuple[int, int, int]:
    whole = sum(p.numel() for p in model.parameters())
    decoder = sum(p.numel() for p in model.get_submodule("decoder").parameters())
    return whole, whole - decoder, decoder
