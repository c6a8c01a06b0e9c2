"""Audio to events and back, as functions of arrays, tables and codecs: the part of the API that its other parts use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from sparsecodec_formats.header import Header
    from sparsecodec_formats.table import EventTable
    from sparsecodec_models import AudioSource, Codec

    from .io.progress import Progress

AUTO = "auto"  # in place of a model's name: the preset that fits the recording


def encode(
    audio: ArrayLike | AudioSource,
    sample_rate: int | None = None,
    *,
    model: str | Codec = AUTO,
    effort: int | None = None,
    bitrate_kbps: float | None = None,
    events_per_second: float | None = None,
    snr_stop_db: float | None = None,
    seed: int = 0,
    tags: Mapping[str, str] | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> EventTable:
    """Encode audio as events.

    Args:
        audio: samples [n] or [n, channels], full scale 1; or an `AudioSource`, which is read in blocks.
        sample_rate: of an array, Hz; a source has its own.
        model: as for `load_codec`, or "auto": the preset `music` if notes are heard in some seconds of the audio, else
            `speech`; `header.model` of the result names it.
        effort: 0 (the network alone) to 9 (longest search); None: the model's default.
        bitrate_kbps: upper limit for the whole file, kbit/s.
        events_per_second: upper limit for each channel.
        snr_stop_db: add no more events where the residual is this far below the audio, dB; `music` has no such limit,
            so "auto" is then `speech`. At most one of these three may be given; without any the model decides how much
            the sound needs.
        seed: of the decoder's noise, 0 to 2**32 - 1.
        tags: texts to store in the file.
        device: "auto", "cpu", "cuda" or "mps".
        progress: is called with the fraction done, 0 to 1.

    Raises SicError when the audio, the model or an option cannot be used.
    """
    from sparsecodec_formats.errors import SicError
    from sparsecodec_models import ArraySource, choose_preset
    from sparsecodec_models.presets import DEFAULT_PRESET

    if hasattr(audio, "rewind"):
        source = cast("AudioSource", audio)
        if sample_rate not in (None, source.sample_rate):
            raise SicError(f"the source has {source.sample_rate} Hz, not {sample_rate}; leave out sample_rate")
    elif sample_rate is None:
        raise SicError("an array of samples needs its sample_rate")
    else:
        source = ArraySource(audio, sample_rate)
    if model == AUTO:
        model = DEFAULT_PRESET if snr_stop_db is not None else choose_preset(source, resolve_device(device))
    return load_codec(model, device=device).encode(
        source,
        effort=effort,
        bitrate_kbps=bitrate_kbps,
        events_per_second=events_per_second,
        snr_stop_db=snr_stop_db,
        seed=seed,
        tags=tags,
        progress=progress,
    )


def decode(
    table: EventTable,
    *,
    events: Iterable[int] | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
    sample_rate: int | None = None,
    seed: int | None = None,
    model: str | Codec | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> tuple[NDArray[np.float32], int]:
    """Render events: (audio float32 [n, channels], sample rate in Hz).

    Args:
        table: the events.
        events: indices of the events to render, each as it sounds among all others; None: all.
        start_s, end_s: the part to render, seconds of the source; None: to the end.
        sample_rate: of the result, Hz; None: the source's.
        seed: of the noise; None: the seed in the table's header.
        model: as for `codec_for`.
        device, progress: as for `encode`.

    A whole table gives exactly as many samples as its source has; at another `sample_rate`, the nearest number.
    Raises SicError when the model or an event does not exist, or an option is out of range.
    """
    import numpy as np

    blocks = decode_blocks(
        table,
        events=events,
        start_s=start_s,
        end_s=end_s,
        sample_rate=sample_rate,
        seed=seed,
        model=model,
        device=device,
        progress=progress,
    )
    silence = np.zeros((0, table.header.channels), np.float32)
    return np.concatenate([silence, *blocks]), sample_rate or table.header.sample_rate


def decode_blocks(
    table: EventTable,
    *,
    events: Iterable[int] | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
    sample_rate: int | None = None,
    seed: int | None = None,
    model: str | Codec | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Iterator[NDArray[np.float32]]:
    """As `decode`, in blocks of float32 [m, channels], so that memory does not grow with the sound.

    Raises its errors at once, before the first block.
    """
    from sparsecodec_formats import edit

    if events is not None:
        table = edit.solo(table, events)
    codec = codec_for(table, model, device=device)
    return codec.decode(table, start_s=start_s, end_s=end_s, sample_rate=sample_rate, seed=seed, progress=progress)


def load_codec(model: str | Codec | None = None, *, device: str = "cpu") -> Codec:
    """The codec of a model, to encode with.

    model: a preset's name, the path of a .safetensors file, or a codec, which is returned as it is; None: the default
    preset. Raises SicError when there is no such model, or no such device.
    """
    import sparsecodec_models

    if model is None:
        return sparsecodec_models.load_codec(device=resolve_device(device))
    if isinstance(model, str):
        return sparsecodec_models.load_codec(model, resolve_device(device))
    return model


def codec_for(
    table: EventTable, model: str | Codec | None = None, *, device: str = "cpu", weights_beside: str | None = None
) -> Codec:
    """The codec that decodes a table.

    model: the path of the weights that it was encoded with, where they are not shipped, or a codec, which is returned
    as it is; None: the shipped weights, else a .safetensors file of the same hash in a folder that SIC_MODELS names,
    or in the folder `weights_beside`. Raises SicError when the model is not there or is another one.
    """
    import sparsecodec_models

    if model is None:
        return _codec_that_is_there(table.header, resolve_device(device), weights_beside)
    if isinstance(model, str):
        return sparsecodec_models.codec_for(table.header, resolve_device(device), model)
    return model


def _codec_that_is_there(header: Header, device: str, weights_beside: str | None) -> Codec:
    import sparsecodec_models
    from sparsecodec_models.errors import OtherWeights

    from .io.weights_files import find_weights, places_looked_in

    try:
        return sparsecodec_models.codec_for(header, device)
    except OtherWeights:
        path = find_weights(header.weights_hash, weights_beside)
    if path is None:
        raise OtherWeights(
            f"needs weights {header.weights_hash.hex()} of {header.model!r}, which sic does not bring along; looked for"
            f" *.safetensors {places_looked_in(weights_beside)}; put the file it was made with there, or give it"
        )
    return sparsecodec_models.codec_for(header, device, path)


def resolve_device(device: str) -> str:
    """The torch device for "auto", "cpu", "cuda" or "mps"; UnknownDevice when this machine has none such."""
    if device == "cpu":
        return device
    import torch

    from .errors import UnknownDevice

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next((name for name, is_there in there.items() if is_there), "cpu")
    if not there.get(device, False):
        raise UnknownDevice(f"there is no {device} device on this machine")
    return device
