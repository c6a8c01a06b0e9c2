"""Audio to events, as functions of arrays, recordings and codecs: the part of the API that its other parts use."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, TypeAlias, cast

from .models import AUTO, least_bitrate_kbps, load_codec, resolve_device

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import ArrayLike, NDArray

    from sparsecodec_formats.table import EventTable
    from sparsecodec_models import AudioSource

    from .io.progress import Progress
    from .io.python_files import AnyFile
    from .models import Model

    Sound: TypeAlias = ArrayLike | torch.Tensor | AudioSource | AnyFile

FEW_EVENTS_BYTES = 40  # of what a file should have room for, about


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
    threads: int | None = None,
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
        threads: how many parts of the sound are worked on beside each other on the CPU, 1 to 256; None: 2, or 1
            where there is one processor. The events do not depend on it.
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
            threads=threads,
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
    threads: int | None = None,
    progress: Progress | None = None,
) -> Iterator[EventTable]:
    """As `encode`, in parts of about two minutes, so that memory does not grow with the audio (`reference`
    gives one part). All parts have the same header, and follow each other in time; there is one at least.

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
            threads=threads,
            progress=progress,
        )
        n_events, header = 0, None
        for part in parts:
            n_events, header = n_events + len(part), part.header
            yield part
        if bitrate_kbps is None or n_events or header is None:
            return
        if any(len(part) for part in codec.encode_parts(source, effort=0, threads=threads)):
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
    threads: int | None = None,
) -> Iterator[EventTable]:
    """Encode audio while it comes: a part with the events of each 2.5 s (`speech`) or 5 s (`music`), at most 8 s after
    their sound has come.

    Args:
        blocks: samples [m] or [m, channels], of any m, as arrays or what else `encode` takes; each is asked for when
            it is needed. The stream ends where they do.
        sample_rate: of the samples, Hz.
        model: as for `encode`, but one that codes live: `speech` or `music`. "auto" looks at the first 4 s.
        bitrate_kbps, events_per_second: hold from the start on, and over any time but for what 3 s are meant for.
        effort, snr_stop_db, seed, tags, device, threads: as for `encode`. The effort must leave the encoder faster
            than the stream.

    Each channel is coded on its own. The headers of parts differ in n_samples, which counts the samples so far; that of
    the last is the length. `write_parts` writes them. Raises as `encode_parts` does.
    """
    from sparsecodec_models import choose_preset
    from sparsecodec_models.live_audio import LiveAudio
    from sparsecodec_models.presets import DEFAULT_PRESET

    audio = LiveAudio(blocks, sample_rate)
    if isinstance(model, str) and model == AUTO:
        model = DEFAULT_PRESET if snr_stop_db is not None else choose_preset(audio.first, resolve_device(device))
    yield from load_codec(model, device=device).encode_live(
        audio,
        effort=effort,
        bitrate_kbps=bitrate_kbps,
        events_per_second=events_per_second,
        snr_stop_db=snr_stop_db,
        seed=seed,
        tags=tags,
        threads=threads,
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
