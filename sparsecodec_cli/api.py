"""What `sic` does, as functions of arrays, event tables and file objects.

Each command reads its arguments, opens its files and calls one of these functions; the defaults here are the commands'
defaults. Heavy packages are imported within the functions, so that `sic --help` can read the signatures quickly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, cast

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from sparsecodec_formats.table import EventTable
    from sparsecodec_models import AudioSource, Codec, ModelInfo

    from .inspect.inspection import Inspection
    from .io.progress import Progress
    from .io.sounds import InputSound
    from .report.write import PageFacts
    from .stems import Stem


def encode(
    audio: ArrayLike | AudioSource,
    sample_rate: int | None = None,
    *,
    model: str | Codec | None = None,
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
        model: as for `load_codec`.
        effort: 0 (the network alone) to 9 (longest search); None: the model's default.
        bitrate_kbps: upper limit for the whole file, kbit/s.
        events_per_second: upper limit for each channel.
        snr_stop_db: add no more events where the residual is this far below the audio, dB. At most one of these three
            may be given; without any the model decides how much the sound needs.
        seed: of the decoder's noise, 0 to 2**32 - 1.
        tags: texts to store in the file.
        device: "auto", "cpu", "cuda" or "mps".
        progress: is called with the fraction done, 0 to 1.

    Raises SicError when the audio, the model or an option cannot be used.
    """
    from sparsecodec_formats.errors import SicError
    from sparsecodec_models import ArraySource

    if hasattr(audio, "rewind"):
        source = cast("AudioSource", audio)
        if sample_rate not in (None, source.sample_rate):
            raise SicError(f"the source has {source.sample_rate} Hz, not {sample_rate}; leave out sample_rate")
    elif sample_rate is None:
        raise SicError("an array of samples needs its sample_rate")
    else:
        source = ArraySource(audio, sample_rate)
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


def render_stems(
    table: EventTable,
    *,
    top: int | None = None,
    seed: int | None = None,
    model: str | Codec | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Iterator[Stem]:
    """Render each event by itself, in the table's order, at the source's rate; all stems together are the recording.

    top: only so many events, those with most energy; None: all. The other options: as for `decode`.
    Raises SicError as `decode` does. An event that is nowhere louder than 1e-6 has no stem.
    """
    from .stems import stems

    return stems(codec_for(table, model, device=device), table, top=top, seed=seed, progress=progress)


def read(file: BinaryIO) -> EventTable:
    """All events of a .sic file; FormatError when any of it is damaged or missing, or something follows it."""
    from sparsecodec_formats import container

    return container.read(file)


def write(table: EventTable, file: BinaryIO) -> None:
    """Write a .sic file. The numbers are rounded to the steps in the table's header."""
    from sparsecodec_formats import container

    container.write(table, file)


def inspect(file: BinaryIO) -> Inspection:
    """The events of a seekable .sic file, and what its bytes are spent on; FormatError when it is damaged."""
    from .inspect.inspection import Inspection

    return Inspection.of_file(file)


def verify(file: BinaryIO, *, decode: bool = False, device: str = "cpu") -> list[str]:
    """Every problem of a seekable .sic file, one line each; an empty list when it is sound.

    decode: render it too, which needs its model; then SicError when that is not there.
    """
    from sparsecodec_formats import container

    problems = container.verify(file)
    if problems or not decode:
        return problems
    file.seek(0)
    return _rendering_problems(container.read(file), device)


def _rendering_problems(table: EventTable, device: str) -> list[str]:
    import numpy as np

    n_samples = 0
    for block in decode_blocks(table, device=device):
        if not np.isfinite(block).all():
            return ["decodes to NaN or infinite samples"]
        n_samples += len(block)
    if n_samples != table.header.n_samples:
        return [f"decodes to {n_samples} samples, not {table.header.n_samples}"]
    return []


EDITS = ("stretch", "transpose", "gain", "shift", "crop", "keep", "keep_percent")


def transform(table: EventTable, edits: Iterable[tuple[str, Sequence[Any]]]) -> EventTable:
    """Apply edits one after the other.

    edits: of each its name, one of EDITS, and its arguments, such as ("crop", (0.5, 2.0)); see the functions of these
    names in `sparsecodec_formats.edit`. Raises SicError when an edit does not suit the table.
    """
    from sparsecodec_formats import edit

    for name, arguments in edits:
        if name not in EDITS:
            raise ValueError(f"there is no edit {name!r}; there are {', '.join(EDITS)}")
        table = getattr(edit, name)(table, *arguments)
    return table


def randomize(table: EventTable, *, times: bool = False, vectors: bool = False, seed: int = 0) -> EventTable:
    """Draw the times of all events anew, their vectors, or both; the same seed gives the same result.

    Times are uniform over the recording, and each number of a vector is uniform between its smallest and largest value
    in the table.
    """
    from sparsecodec_formats import edit

    if times:
        table = edit.randomize_times(table, seed)
    if vectors:
        table = edit.randomize_vectors(table, seed)
    return table


def compare(
    reference: NDArray[np.floating],
    sample_rate: int,
    other: NDArray[np.floating],
    other_rate: int | None = None,
    *,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure how near `other` is to `reference`.

    Args:
        reference: [n] or [n, channels], full scale 1; channels are mixed.
        sample_rate: Hz.
        other: [m] or [m, channels], of any length; it is shifted by up to half a second to where it fits best, then
            cut or filled up with silence to the length of `reference`. Its level stays.
        other_rate: Hz; None: `sample_rate`.
        progress: as for `encode`.

    The result has `lag_ms` (above 0: `other` is late), `mel`, `estoi`, `pesq_wb`, `pesq_nb`, `visqol` and
    `distillmos`, which `metrics.mel_distance` and `metrics.scores` define. A score that cannot be computed is None,
    and `left_out` holds the reason under its name.
    Raises SicError when one of the two has no samples, or has NaN.
    """
    from .metrics.measure import measure

    return measure(reference, sample_rate, other, other_rate or sample_rate, progress=progress)


def render_report(
    file: BinaryIO,
    sounds: Sequence[InputSound],
    *,
    examples: int | None = None,
    max_seconds: float = 30.0,
    effort: int | None = None,
    bitrate_kbps: float | None = None,
    seed: int = 0,
    model: str | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> PageFacts:
    """Write an HTML page on which the events of sounds are seen and heard.

    Args:
        file: takes the page, UTF-8.
        sounds: recordings, which are encoded first, and tables of events; all of one model.
        examples: how many parts to show in detail, of all sounds together; None: one of each.
        max_seconds: length of such a part, at most; a longer sound is also shown as a whole.
        effort, bitrate_kbps: of encoding the recordings, as for `encode`.
        seed: of the times and vectors that are drawn anew, and of the map of events.
        model: to encode the recordings with, as for `encode`; for tables, as for `decode`.
        device, progress: as for `encode`.

    Raises SicError when a sound cannot be used, or a package of the extra `report` is missing.
    """
    from .report.inputs import ReportOptions
    from .report.write import write_page

    options = ReportOptions(effort, bitrate_kbps, max_seconds, seed, model, device)
    return write_page(file, sounds, len(sounds) if examples is None else examples, options, progress)


def list_models() -> list[ModelInfo]:
    """Every model of this version."""
    from sparsecodec_models import list_models

    return list_models()


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


def codec_for(table: EventTable, model: str | Codec | None = None, *, device: str = "cpu") -> Codec:
    """The codec that decodes a table.

    model: the path of the weights that it was encoded with, where they are not shipped, or a codec, which is returned
    as it is; None: the shipped weights. Raises SicError when the model is not there or is another one.
    """
    import sparsecodec_models

    if model is None or isinstance(model, str):
        return sparsecodec_models.codec_for(table.header, resolve_device(device), model)
    return model


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
