"""Weights as safetensors bytes: a model's tensors, and under one key of the metadata what they are of.

The same for every preset: what is read here is checked, and whatever a wrong file holds becomes one SicError. Torch is
imported for what models do, not for what a decoder on the CPU reads.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from io import BufferedReader
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import safetensors
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.header import NO_WEIGHTS, WEIGHTS_HASH_BYTES

if TYPE_CHECKING:
    from torch import Tensor, nn

METADATA_KEY = "sparsecodec"  # its value is JSON with "model", the preset's name, and "config", its sizes

MOST_TIMES = 4
"""A size in a file is at most so many times the usual one: so little is set aside before all are checked."""

Model = TypeVar("Model", bound="nn.Module")
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
    import safetensors.torch

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


def count_parameters(data: bytes) -> tuple[int, int]:
    """Numbers in a weights file that are learned: all, and those of the decoder. The statistics of batch norms are not.

    data: of a sound file.
    """
    whole = decoder = 0
    for name, about in _header(data).items():
        if name != "__metadata__" and not name.endswith(("running_mean", "running_var", "num_batches_tracked")):
            whole += (size := math.prod(about["shape"]))
            decoder += size * name.startswith("decoder.")
    return whole, decoder


_KINDS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


def read_decoder(
    data: bytes,
    preset: str,
    config_of_fields: Callable[[Mapping[str, Any]], Config],
    shapes_of: Callable[[Config], Mapping[str, tuple[int, ...]]],
) -> tuple[Config, dict[str, NDArray[np.float32]]]:
    """The config of a weights file of this preset, and its decoder's tensors, of any float type, as float32 by their
    names after "decoder.".

    config_of_fields: as `config_of`; shapes_of: the decoder's tensors of a config. SicError as from `load_model`.
    """
    about = _about_of(data, preset)
    try:
        config = config_of_fields(about["config"])
        shapes = shapes_of(config)
    except _DAMAGE as error:
        raise _damaged_config(preset, error) from None
    tensors: dict[str, NDArray[np.float32]] = {}
    for name, tensor in _deserialised(data, preset):
        if name.startswith("decoder."):
            numbers = np.frombuffer(tensor["data"], _KINDS.get(tensor["dtype"], "<f4")).reshape(tensor["shape"])
            if tensor["dtype"] == "BF16":  # the upper half of a float32
                numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
            tensors[name.removeprefix("decoder.")] = numbers.astype(np.float32)
    if dict(shapes) != {name: tensor.shape for name, tensor in tensors.items()}:
        raise SicError(f"the {preset} weights do not fit their configuration")
    if not all(bool(np.isfinite(tensor).all()) for tensor in tensors.values()):
        raise _not_finite(preset)
    return config, tensors


def load_model(data: bytes, preset: str, make: Callable[[Mapping[str, Any]], Model]) -> Model:
    """The model of a weights file of this preset, of any float type, in float32.

    make: the fields of a config → a model of these sizes. SicError when the bytes are no weights of this preset.
    """
    import safetensors.torch
    import torch

    about = _about_of(data, preset)
    try:
        tensors = safetensors.torch.load(data)
    except _NO_WEIGHTS as error:
        raise _no_weights(preset, error) from None
    try:
        with torch.device("meta"):  # no memory is taken for tensors of any size before the file is seen to hold them
            shapes = {name: tensor.shape for name, tensor in make(about["config"]).state_dict().items()}
        if shapes != {name: tensor.shape for name, tensor in tensors.items()}:
            raise SicError(f"the {preset} weights do not fit their configuration")
        model = make(about["config"])
    except _DAMAGE as error:
        raise _damaged_config(preset, error) from None
    if not all(bool(tensor.float().isfinite().all()) for tensor in tensors.values()):
        raise _not_finite(preset)
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    return model.eval()


_NO_WEIGHTS = (ValueError, safetensors.SafetensorError, AttributeError, TypeError, RecursionError)
_DAMAGE = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RuntimeError, MemoryError)


def _no_weights(preset: str, error: Exception) -> SicError:
    return SicError(
        f"these are not weights of the {preset} preset ({type(error).__name__}): give a .safetensors file that this"
        " version of sic trained"
    )


def _damaged_config(preset: str, error: Exception) -> SicError:
    return SicError(f"the configuration of the {preset} weights is damaged: {error!r}")


def _not_finite(preset: str) -> SicError:
    return SicError(f"the {preset} weights hold NaN or infinite numbers: train them anew, or take an earlier file")


def _about_of(data: bytes, preset: str) -> dict[str, Any]:
    """What a file says of itself, which must be that it is of this preset; SicError otherwise."""
    try:
        about = _about(data)
    except _NO_WEIGHTS as error:
        raise _no_weights(preset, error) from None
    if about.get("model") != preset:
        raise SicError(f"these weights are of model {about.get('model')!r}; weights of {preset!r} are needed")
    if "config" not in about:
        raise _damaged_config(preset, KeyError("config"))
    return about


def _deserialised(data: bytes, preset: str) -> list[tuple[str, dict[str, Any]]]:
    """All tensors of a file as their bytes, by name."""
    try:
        tensors: list[tuple[str, dict[str, Any]]] = safetensors.deserialize(data)
    except _NO_WEIGHTS as error:
        raise _no_weights(preset, error) from None
    return tensors


def _about(data: bytes) -> dict[str, Any]:
    """What a safetensors file says of itself under METADATA_KEY; raises when it is none."""
    about = json.loads(_header(data).get("__metadata__", {}).get(METADATA_KEY, "{}"))
    return about if isinstance(about, dict) else {}


def _header(data: bytes) -> dict[str, Any]:
    """Of a safetensors file: what and where its tensors are; raises, or is no dict, when it is none."""
    header: dict[str, Any] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return header
