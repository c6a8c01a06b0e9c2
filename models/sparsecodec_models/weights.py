"""Weights as safetensors bytes: a model's tensors, and under one key of the metadata what they are of.

The same for every preset: what is read here is checked, and whatever a wrong file holds becomes one SicError.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from io import BufferedReader
from typing import Any, TypeVar

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.header import NO_WEIGHTS, WEIGHTS_HASH_BYTES

METADATA_KEY = "sparsecodec"  # its value is JSON with "model", the preset's name, and "config", its sizes

MOST_TIMES = 4
"""A size in a file is at most so many times the usual one: so little is set aside before all are checked."""

Model = TypeVar("Model", bound=nn.Module)
Config = TypeVar("Config")


def hash_of(data: bytes) -> bytes:
    """What files carry of the weights they were made with: the first bytes of the SHA-256 of the weights' file."""
    return hashlib.sha256(data).digest()[:WEIGHTS_HASH_BYTES]


def are_those_of(weights_hash: bytes, named: bytes) -> bool:
    """Whether weights are those that a header names, which may name none: then any of its preset are."""
    return named in (weights_hash, NO_WEIGHTS)


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


def config_of(
    config_class: Callable[..., Config], fields: Mapping[str, Any], free: Collection[str] | None = None
) -> Config:
    """The config whose `dataclasses.asdict` this is, through JSON or not: lists become the tuples that they were.

    free: names of the fields that may differ from the defaults; None: all may. These are whole numbers, or tuples of
    them, of at least 1 and at most MOST_TIMES the default. ValueError for anything else.
    """
    usual = asdict(config_class())  # type: ignore[call-overload]  # a dataclass, as all configs are
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    for name, value in given.items():
        if name not in usual:
            raise ValueError(f"there is no {name!r}")
        if type(value) is not type(usual[name]):
            raise ValueError(f"{name!r} is of another kind")
        if value != usual[name] and not (free is None or name in free):
            raise ValueError(f"{name!r} is {value!r}; this version of sic knows {usual[name]!r} only")
        if not _is_believable(value, usual[name]):
            raise ValueError(f"{name!r} is out of range")
    return config_class(**given)


def _is_believable(value: Any, usual: Any) -> bool:
    if isinstance(usual, tuple):
        most = MOST_TIMES * max(usual)
        return 1 <= len(value) <= MOST_TIMES * len(usual) and all(type(v) is int and 1 <= v <= most for v in value)
    return bool(value == usual or 1 <= value <= MOST_TIMES * usual)


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
        with torch.device("meta"):  # no memory is taken for tensors of any size before the file is seen to hold them
            shapes = {name: tensor.shape for name, tensor in make(about["config"]).state_dict().items()}
        if shapes != {name: tensor.shape for name, tensor in tensors.items()}:
            raise SicError(f"the {preset} weights do not fit their configuration")
        model = make(about["config"])
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RuntimeError, MemoryError) as error:
        raise SicError(f"the configuration of the {preset} weights is damaged: {error!r}") from None
    if not all(bool(tensor.float().isfinite().all()) for tensor in tensors.values()):
        raise SicError(f"the {preset} weights hold NaN or infinite numbers: train them anew, or take an earlier file")
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    return model.eval()


def _about(data: bytes) -> dict[str, Any]:
    """What a safetensors file says of itself under METADATA_KEY; raises when it is none."""
    length = int.from_bytes(data[:8], "little")
    about = json.loads(json.loads(data[8 : 8 + length]).get("__metadata__", {}).get(METADATA_KEY, "{}"))
    return about if isinstance(about, dict) else {}
