"""Encoding and decoding arrays: what `sic encode` and `sic decode` do, for Python programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.table import EventTable


def encode(
    audio: NDArray[np.floating],
    sample_rate: int,
    *,
    model: str = "speech",
    effort: int | None = None,
    bitrate_kbps: float | None = None,
    events_per_second: float | None = None,
    snr_stop_db: float | None = None,
    seed: int = 0,
    tags: dict[str, str] | None = None,
    device: str = "cpu",
    progress: Callable[[float], None] | None = None,
) -> EventTable:
    """Code audio as events.

    Args:
        audio: [n] or [n, channels], full scale 1.
        sample_rate: Hz.
        model: a preset's name, or the path of its weights.
        effort: 0 (the network alone) to 9 (longest search); None: the model's default.
        bitrate_kbps: most thousand bits a second of the whole file.
        events_per_second: most events a second in each channel.
        snr_stop_db: stop when what is left of the audio is this far below it, dB. At most one of these three; None of
            them: as the sound needs it.
        seed: of the noise that the decoder draws, 0 to 2**32 - 1.
        tags: texts to keep in the file.
        device: "auto", "cpu", "cuda" or "mps".
        progress: is called with the fraction done.

    Raises SicError when the audio, the model or an option cannot be used.
    """
    from sparsecodec_models import ArraySource, load_codec

    samples = np.asarray(audio, dtype=np.float32)
    if not np.isfinite(samples).all():
        raise SicError("audio has NaN or infinite samples")
    codec = load_codec(model, resolve_device(device))
    return codec.encode(
        ArraySource(samples, sample_rate),
        effort=codec.default_effort if effort is None else effort,
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
    model: str | None = None,
    device: str = "cpu",
    progress: Callable[[float], None] | None = None,
) -> tuple[NDArray[np.float32], int]:
    """Render events: (audio float32 [n, channels], sample rate in Hz).

    Args:
        table: the events.
        events: indices of those to be heard, as in the whole and in their place; None: all.
        start_s, end_s: the part to render, seconds of the source; None: to the end.
        sample_rate: of the result, Hz; None: the source's.
        seed: of the noise; None: the one in the table's header.
        model: path of other weights for the table's preset; None: the ones that it was coded with.
        device, progress: as for `encode`.

    Of a whole file the result has the source's exact length, or that times `sample_rate` over the source's,
    rounded.
    Raises SicError when the model is not there, or an event.
    """
    from sparsecodec_formats import edit
    from sparsecodec_models import codec_for

    if events is not None:
        table = edit.solo(table, events)
    codec = codec_for(table.header, resolve_device(device), model)
    blocks = codec.decode(table, start_s=start_s, end_s=end_s, sample_rate=sample_rate, seed=seed, progress=progress)
    silence = np.zeros((0, table.header.channels), np.float32)
    return np.concatenate([silence, *blocks]), sample_rate or table.header.sample_rate


def resolve_device(device: str) -> str:
    """The torch device for "auto", "cpu", "cuda" or "mps"; SicError when this machine has none such."""
    if device == "cpu":
        return device
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next((name for name, is_there in there.items() if is_there), "cpu")
    if not there.get(device, False):
        raise SicError(f"there is no {device} device here; use --device cpu")
    return device
