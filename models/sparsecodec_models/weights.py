"""Weights as safetensors bytes: a model's tensors, and under one key of the metadata what they are of.

The same for every preset: what is read here is checked, and whatever a wrong file holds becomes one SicError.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from io import BufferedReader
from typing import Any, TypeVar

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor, nn

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.header import WEIGHTS_HASH_BYTES

METADATA_KEY = "sparsecodec"  # its value is JSON with "model", the preset's name, and "config", its sizes
NO_WEIGHTS = bytes(WEIGHTS_HASH_BYTES)  # the hash of weights that are in no file

Model = TypeVar("Model", bound=nn.Module)
Config = TypeVar("Config")


def hash_of(data: bytes) -> bytes:
    """What files carry of the weights they were made with: the first bytes of the SHA-256 of the weights' file."""
    return hashlib.sha256(data).digest()[:WEIGHTS_HASH_BYTES]


def hash_of_file(file: BufferedReader) -> bytes:
    """`hash_of` all that is in a file, which may be larger than memory."""
    return hashlib.file_digest(file, "sha256").digest()[:WEIGHTS_HASH_BYTES]


def to_bytes(preset: str, config: Any, tensors: Mapping[str, Tensor]) -> bytes:
    """A safetensors file of tensors by name, at the float type they have; config: a dataclass of the preset's sizes."""
    # one key only: safetensors writes several in an order that changes from call to call, hence the hash
    about = json.dumps({"model": preset, "config": asdict(config)}, sort_keys=True)
    data: bytes = safetensors.torch.save({k: v.cpu().contiguous() for k, v in tensors.items()}, {METADATA_KEY: about})
    return data


def preset_of(data: bytes) -> str | None:
    """The preset that a weights file says it is of; None where the bytes are no such file. Never raises."""
    try:
        name = _about(data).get("model")
    except (ValueError, AttributeError, TypeError, RecursionError):
        return None
    return name if isinstance(name, str) else None


def config_of(config_class: Callable[..., Config], fields: Mapping[str, Any]) -> Config:
    """The config whose `dataclasses.asdict` this is, through JSON or not: lists become the tuples that they were."""
    return config_class(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})


def load_model(data: bytes, preset: str, make: Callable[[Mapping[str, Any]], Model]) -> Model:
    """The model of a weights file of this preset, of any float type, in float32.

    make: the fields of a config → a model of these sizes. SicError when the bytes are no weights of this preset.
    """
    try:
        about = _about(data)
        tensors = safetensors.torch.load(data)
    except (ValueError, SafetensorError, AttributeError, TypeError, RecursionError) as error:
        raise SicError(
            f"these are not weights of the {preset} preset ({type(error).__name__}): give a .safetensors file that this"
            " version of sic trained"
        ) from None
    if about.get("model") != preset:
        raise SicError(f"these weights are of model {about.get('model')!r}; weights of {preset!r} are needed")
    try:
        if "config" not in about:
            raise KeyError("config")
        model = make(about["config"])
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise SicError(f"the configuration of the {preset} weights is damaged: {error!r}") from None
    try:
        model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    except RuntimeError:
        raise SicError(f"the {preset} weights do not fit their configuration") from None
    return model.eval()


def _about(data: bytes) -> dict[str, Any]:
    """What a safetensors file says of itself under METADATA_KEY; raises when it is none."""
    length = int.from_bytes(data[:8], "little")
    about = json.loads(json.loads(data[8 : 8 + length]).get("__metadata__", {}).get(METADATA_KEY, "{}"))
    return about if isinstance(about, dict) else {}
