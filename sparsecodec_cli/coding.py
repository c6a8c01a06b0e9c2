"""Audio to events and back, as functions of arrays, tables and codecs: the part of the API that its other parts use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, NoReturn, TypeAlias, cast

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import ArrayLike, NDArray

    from sparsecodec_formats.container import Reader
    from sparsecodec_formats.header import Header
    from sparsecodec_formats.table import EventTable
    from sparsecodec_models import AudioSource, Codec, Renderer

    from .io.progress import Progress
    from .io.python_files import AnyFile
    from .io.soft_limit import SoftLimited

    Sound: TypeAlias = ArrayLike | torch.Tensor | AudioSource | AnyFile
    Model: TypeAlias = str | os.PathLike[str] | Codec | Renderer
    Events: TypeAlias = EventTable | Reader | AnyFile

FEW_EVENTS_BYTES = 40  # of what a file should have room for, about
AUTO = "auto"  # in place of a model's name: the preset that fits the recording


def encode(
    audio: Sound,
    sample_rate: int | None = None,
    *,
    model: Model = AUTO,
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
        audio: samples [n] or [n, channels], n > 0, as an array, a tensor or nested lists: floats of full scale 1, or
            int16, int32, int8 or uint8, which are scaled. Or a recording: a path, or a file object of bytes. Or an
            `AudioSource`, which is read in blocks, as a recording is.
        sample_rate: of samples, Hz; a recording and a source have their own.
        model: as for `load_codec`, or "auto": the preset `music` if notes are heard in some seconds of the audio, else
            `speech`; `header.model` of the result names it.
        effort: 0 (the network alone) to 9 (longest search); None: the model's default.
        bitrate_kbps: upper limit for the whole file, kbit/s.
        events_per_second: upper limit for each channel that is coded; those that are alike are coded once.
        snr_stop_db: add no more events where the residual is this far below the audio, dB; `music` has no such limit,
            so "auto" is then `speech`. At most one of these three may be given; without any the model decides how much
            the sound needs.
        seed: of the decoder's noise, 0 to 2**32 - 1.
        tags: texts to store in the file.
        device: "auto", "cpu" or "cuda".
        progress: is called with the fraction done, 0 to 1.

    Raises SicError when the audio, the model or an option cannot be used, and when at this bitrate not one event fits.
    """
    from sparsecodec_formats.table import EventTable

    parts = list(
        encode_parts(
            audio,
            sample_rate,
            model=model,
            effort=effort,
            bitrate_kbps=bitrate_kbps,
            events_per_second=events_per_second,
            snr_stop_db=snr_stop_db,
            seed=seed,
            tags=tags,
            device=device,
            progress=progress,
        )
    )
    return EventTable.joined(parts[-1].header, parts)


def encode_parts(
    audio: Sound,
    sample_rate: int | None = None,
    *,
    model: Model = AUTO,
    effort: int | None = None,
    bitrate_kbps: float | None = None,
    events_per_second: float | None = None,
    snr_stop_db: float | None = None,
    seed: int = 0,
    tags: Mapping[str, str] | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Iterator[EventTable]:
    """As `encode`, in parts of about two minutes, so that memory does not grow with the audio (of `speech`; other
    presets give one part). All parts have the same header, and follow each other in time; there is one at least.

    Raises its errors when the first part is asked for, and what is met on the way.
    """
    from sparsecodec_formats.errors import SicError
    from sparsecodec_formats.table import EventTable
    from sparsecodec_models import choose_preset
    from sparsecodec_models.presets import DEFAULT_PRESET

    with as_source(audio, sample_rate) as source:
        if not source.n_samples:
            raise SicError("the audio has no samples; give some")
        if isinstance(model, str) and model == AUTO:
            model = DEFAULT_PRESET if snr_stop_db is not None else choose_preset(source, resolve_device(device))
        codec = load_codec(model, device=device)
        parts = codec.encode_parts(
            source,
            effort=effort,
            bitrate_kbps=bitrate_kbps,
            events_per_second=events_per_second,
            snr_stop_db=snr_stop_db,
            seed=seed,
            tags=tags,
            progress=progress,
        )
        n_events, header = 0, None
        for part in parts:
            n_events, header = n_events + len(part), part.header
            yield part
        if bitrate_kbps is None or n_events or header is None:
            return
        if any(len(part) for part in codec.encode_parts(source, effort=0)):
            _refuse_silence(EventTable.empty(header), bitrate_kbps)


def encode_live(
    blocks: Iterable[ArrayLike],
    sample_rate: int,
    *,
    model: Model = AUTO,
    effort: int | None = None,
    bitrate_kbps: float | None = None,
    events_per_second: float | None = None,
    snr_stop_db: float | None = None,
    seed: int = 0,
    tags: Mapping[str, str] | None = None,
    device: str = "cpu",
) -> Iterator[EventTable]:
    """Encode audio while it comes: a part with the events of each 2.5 s, at most 8 s after their sound has come.

    Args:
        blocks: samples [m] or [m, channels], of any m, as arrays or what else `encode` takes; each is asked for when
            it is needed. The stream ends where they do.
        sample_rate: of the samples, Hz.
        model: as for `encode`, but one that codes live: `speech`. "auto" looks at the first 4 s.
        bitrate_kbps, events_per_second: hold from the start on, and over any time but for what 3 s are meant for.
        effort, snr_stop_db, seed, tags, device: as for `encode`. The effort must leave the encoder faster than the
            stream.

    Each channel is coded on its own. The headers of parts differ in n_samples, which counts the samples so far; that of
    the last is the length. `write_parts` writes them. Raises as `encode_parts` does.
    """
    from sparsecodec_models import choose_preset
    from sparsecodec_models.live_audio import LiveAudio
    from sparsecodec_models.presets import DEFAULT_PRESET

    audio = LiveAudio(blocks, sample_rate)
    if isinstance(model, str) and model == AUTO:
        model = DEFAULT_PRESET if snr_stop_db is not None else choose_preset(audio.first, resolve_device(device))
        if not load_codec(model, device=device).codes_live:
            model = DEFAULT_PRESET
    yield from load_codec(model, device=device).encode_live(
        audio,
        effort=effort,
        bitrate_kbps=bitrate_kbps,
        events_per_second=events_per_second,
        snr_stop_db=snr_stop_db,
        seed=seed,
        tags=tags,
    )


def _refuse_silence(table: EventTable, bitrate_kbps: float) -> NoReturn:
    """table: without events, as none fits."""
    from sparsecodec_formats.container import dumps

    from .errors import TooFewBits

    duration_s, n_bytes = table.duration_s, len(dumps(table))
    limit_bytes = int(125 * bitrate_kbps * duration_s)
    least_kbps = max(least_bitrate_kbps(table.header.model), 8e-3 * (n_bytes + FEW_EVENTS_BYTES) / duration_s)
    raise TooFewBits(
        f"no event fits: {bitrate_kbps:g} kbit/s are {limit_bytes} bytes for {duration_s:.2f} s, and without events the"
        f" file takes {n_bytes}; give at least {math.ceil(10 * least_kbps) / 10:g}"
    )


def least_bitrate_kbps(model: str) -> float:
    """The bitrate below which little of a recording can be told by a preset, kbit/s; 0 where this is not known."""
    from sparsecodec_models.presets import PRESETS

    return PRESETS[model].least_kbps if model in PRESETS else 0.0


@contextmanager
def as_source(audio: Sound, sample_rate: int | None) -> Iterator[AudioSource]:
    """Whatever `encode` takes, as an `AudioSource`; SicError when it is none of that."""
    from sparsecodec_formats.errors import SicError, shown_value
    from sparsecodec_models import ArraySource

    from .io import python_files

    if all(hasattr(audio, name) for name in ("sample_rate", "channels", "n_samples", "read", "rewind")):
        source = cast("AudioSource", audio)
        if sample_rate not in (None, source.sample_rate):
            raise SicError(
                f"the audio has {source.sample_rate} Hz, not {shown_value(sample_rate)}; leave out sample_rate"
            )
        yield source
    elif python_files.is_file(audio):
        with python_files.open_audio(cast("AnyFile", audio)) as recording, as_source(recording, sample_rate) as source:
            yield source
    elif sample_rate is None:
        raise SicError("an array of samples needs its sample_rate")
    else:
        yield ArraySource(cast("ArrayLike", audio), sample_rate)


def samples_of(audio: Sound, sample_rate: int | None) -> tuple[NDArray[np.float32], int]:
    """Whatever `encode` takes, as float32 [n, channels], full scale 1, and its sample rate in Hz."""
    with as_source(audio, sample_rate) as source:
        source.rewind()
        return source.read(source.n_samples), source.sample_rate


def decode(
    table: Events,
    *,
    events: Iterable[int] | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
    sample_rate: int | None = None,
    seed: int | None = None,
    model: Model | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> tuple[NDArray[np.float32], int]:
    """Render events: (audio float32 [n, channels], sample rate in Hz).

    Args:
        table: the events, or a .sic file: a path, a file object of bytes, or a `Reader`, of which no more is read and
            kept than is needed.
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

    from .io.python_files import open_events

    with open_events(table) as source:
        blocks = decode_blocks(
            source,
            events=events,
            start_s=start_s,
            end_s=end_s,
            sample_rate=sample_rate,
            seed=seed,
            model=model,
            device=device,
            progress=progress,
        )
        silence = np.zeros((0, source.header.channels), np.float32)
        return np.concatenate([silence, *blocks]), sample_rate or source.header.sample_rate


def decode_blocks(
    table: Events,
    *,
    events: Iterable[int] | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
    sample_rate: int | None = None,
    seed: int | None = None,
    model: Model | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Iterator[NDArray[np.float32]]:
    """As `decode`, in blocks of float32 [m, channels], so that memory does not grow with the sound; of a file the first
    come before all of it is read.

    Raises its errors at once, before the first block; but damage of a file where it is met.
    """
    from sparsecodec_formats import edit

    from .io.python_files import open_events, table_of

    with ExitStack() as files:
        source = files.enter_context(open_events(table))
        if events is not None:
            source = edit.solo(table_of(source), events)
        renderer = codec_for(source, model, device=device)
        blocks = renderer.decode(
            source, start_s=start_s, end_s=end_s, sample_rate=sample_rate, seed=seed, progress=progress
        )
        return _closing(blocks, files.pop_all())


def _closing(blocks: Iterator[NDArray[np.float32]], files: ExitStack) -> Iterator[NDArray[np.float32]]:
    """The same blocks, from files that are closed after the last."""
    with files:
        yield from blocks


def decode_within_full_scale(
    table: EventTable | Reader,
    *,
    events: Iterable[int] | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
    sample_rate: int | None = None,
    seed: int | None = None,
    model: Model | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> SoftLimited:
    """As `decode_blocks`, for formats of whole numbers: softer where the sound passes full scale (`io.soft_limit`).

    Raises its errors at once, before the first block.
    """
    from sparsecodec_models.renderer import length_at

    from .io.soft_limit import SoftLimited, margin

    rate = sample_rate or table.header.sample_rate
    n_samples = length_at(table, rate)
    start = min(round(start_s * rate), n_samples)
    stop = n_samples if end_s is None else min(round(end_s * rate), n_samples)
    first, last = max(0, start - margin(rate)), stop + margin(rate)
    blocks = decode_blocks(
        table,
        events=events,
        start_s=first / rate,
        end_s=None if last >= n_samples else last / rate,
        sample_rate=sample_rate,
        seed=seed,
        model=model,
        device=device,
        progress=progress,
    )
    return SoftLimited(blocks, rate, first, start, stop)


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


def codec_for(
    table: EventTable | Reader, model: Model | None = None, *, device: str = "cpu", weights_beside: str | None = None
) -> Renderer:
    """What decodes a table.

    model: the path of the weights that it was encoded with, where they are not shipped, or a codec or its
    renderer; None: the shipped weights, else a .safetensors file of the same hash in a folder that SIC_MODELS names,
    or in the folder `weights_beside`. Raises SicError when the model is not there or is another one.
    """
    import sparsecodec_models

    if model is None:
        return _codec_that_is_there(table.header, resolve_device(device), weights_beside)
    name = _name_of(model)
    if name is None:
        return cast("Codec", model).renderer if hasattr(model, "renderer") else cast("Renderer", model)
    return sparsecodec_models.codec_for(table.header, resolve_device(device), name)


def _name_of(model: Model) -> str | None:
    """A model's name or path; None for a codec. SicError for what is neither."""
    from sparsecodec_formats.errors import SicError, shown_value

    if isinstance(model, str | os.PathLike):
        return os.fspath(model)
    if not hasattr(model, "decode"):
        raise SicError(f"the model is {shown_value(model)}; give a preset's name, the path of weights, or a codec")
    return None


def _codec_that_is_there(header: Header, device: str, weights_beside: str | None) -> Renderer:
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
    """The torch device for "auto", "cpu" or "cuda"; UnknownDevice when this machine has none such, and for "mps"."""
    if device == "cpu":
        return device
    import torch

    from .errors import UnknownDevice

    if device == "mps":
        raise UnknownDevice("mps has no 64-bit floats, which times and phases are counted in; take cpu")
    has_cuda = torch.cuda.is_available()
    if device == "auto":
        return "cuda" if has_cuda else "cpu"
    if device != "cuda" or not has_cuda:
        raise UnknownDevice(f"there is no {device} device on this machine")
    return device
