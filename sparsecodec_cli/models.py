"""Models as users name them: by a preset, a weights file, the hash in a .sic file, or the codec itself."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TypeAlias, cast

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sparsecodec_formats.container import Reader
    from sparsecodec_formats.header import Header
    from sparsecodec_formats.shape_maps import ShapeMap
    from sparsecodec_formats.table import EventTable
    from sparsecodec_models import Codec, Renderer

    Model: TypeAlias = str | os.PathLike[str] | Codec | Renderer

AUTO = "auto"  # in place of a model's name: the preset that fits the recording


def kept_codecs() -> AbstractContextManager[None]:
    """Inside, each model is loaded once, for many recordings."""
    from sparsecodec_models import presets

    return presets.kept_codecs()


def load_codec(model: Model | None = None, *, device: str = "cpu") -> Codec:
    """The codec of a model, to encode with.

    model: a preset's name, the path of a .safetensors file, or a codec, which is returned as it is; None: the default
    preset. Raises SicError when there is no such model, or no such device.
    """
    import sparsecodec_models
    from sparsecodec_formats.errors import SicError

    if model is None:
        return sparsecodec_models.load_codec(device=resolve_device(device))
    name = _name_of(model)
    if name is None and not hasattr(model, "encode"):
        raise SicError("the model is a Renderer, which only decodes; give a codec")
    return cast("Codec", model) if name is None else sparsecodec_models.load_codec(name, resolve_device(device))


def codec_for(table: EventTable | Reader, model: Model | None = None, *, device: str = "cpu") -> Renderer:
    """What decodes a table.

    model: the path of the weights that it was encoded with, where they are not shipped, or a codec or its
    renderer; None: the shipped weights, else a .safetensors file of the same hash in a folder that SIC_MODELS names,
    or, in a command, beside its .sic file (`io.weights_files`). Raises SicError when the model is not there or is
    another one.
    """
    import sparsecodec_models

    if model is None:
        return _codec_that_is_there(table.header, resolve_device(device))
    name = _name_of(model)
    if name is None:
        return cast("Codec", model).renderer if hasattr(model, "renderer") else cast("Renderer", model)
    return sparsecodec_models.codec_for(table.header, resolve_device(device), name)


def has_pitch_for(table: EventTable, model: Model | None = None) -> NDArray[np.bool_]:
    """bool [n]: which events have a pitch of their own, as the weights tell that `codec_for` finds; SicError where they
    are not there."""
    return codec_for(table, model).has_pitch(table)


def phase_cycles_for(table: EventTable) -> NDArray[np.float64]:
    """float64 [n]: as `Renderer.phase_cycles`; SicError where the table's weights are not there."""
    return codec_for(table).phase_cycles(table)


def shape_map_for(header: Header) -> ShapeMap:
    """What the spectra of a header's events stand for, by its weights, which are looked for as in `codec_for`.

    SicError when these are not there, or its preset has no spectra.
    """
    from sparsecodec_formats.table import EventTable

    return codec_for(EventTable.empty(header)).shape_map()


def _name_of(model: Model) -> str | None:
    """A model's name or path; None for a codec. SicError for what is neither."""
    from sparsecodec_formats.errors import SicError, shown_value

    if isinstance(model, str | os.PathLike):
        return os.fspath(model)
    if not hasattr(model, "decode"):
        raise SicError(f"the model is {shown_value(model)}; give a preset's name, the path of weights, or a codec")
    return None


def _codec_that_is_there(header: Header, device: str) -> Renderer:
    import sparsecodec_models
    from sparsecodec_models.errors import OtherWeights

    from .io.weights_files import find_weights, places_looked_in

    try:
        return sparsecodec_models.codec_for(header, device)
    except OtherWeights:
        path = find_weights(header.weights_hash)
    if path is None:
        raise OtherWeights(
            f"needs weights {header.weights_hash.hex()} of {header.model!r}, which sic does not bring along; looked for"
            f" *.safetensors {places_looked_in()}; put the file it was made with there"
        )
    return sparsecodec_models.codec_for(header, device, path)


def resolve_device(device: str) -> str:
    """The torch device for "auto", "cpu" or "cuda"; UnknownDevice when this machine has none such, and for "mps".

    Torch is imported only where there may be a GPU.
    """
    if device == "cpu":
        return device
    from .errors import UnknownDevice

    if device == "mps":
        raise UnknownDevice("mps has no 64-bit floats, which times and phases are counted in; take cpu")
    has_cuda = device in ("auto", "cuda") and _has_cuda()
    if device == "auto":
        return "cuda" if has_cuda else "cpu"
    if not has_cuda:
        raise UnknownDevice(f"there is no {device} device on this machine")
    return device


def _has_cuda() -> bool:
    if sys.platform == "linux" and not _has_driver():
        return False
    import torch

    return torch.cuda.is_available()


def _has_driver() -> bool:
    """Whether Linux has what torch needs of NVIDIA, to be found where torch finds it, or of AMD."""
    import ctypes

    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return os.path.exists("/dev/kfd")
    return True


def least_bitrate_kbps(model: str) -> float:
    """The bitrate below which little of a recording can be told by a preset, kbit/s; 0 where this is not known."""
    from sparsecodec_models.presets import PRESETS

    return PRESETS[model].least_kbps if model in PRESETS else 0.0
