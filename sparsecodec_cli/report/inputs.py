"""From sounds to what the page shows of them: encoded where they are recordings, measured part by part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sparsecodec_cli import decoding, encoding, models
from sparsecodec_cli.errors import about
from sparsecodec_cli.io.files import spooled
from sparsecodec_cli.io.progress import Progress
from sparsecodec_cli.io.sounds import InputSound
from sparsecodec_cli.io.warned import telling_of_memory
from sparsecodec_cli.io.weights_files import weights_beside
from sparsecodec_formats import container
from sparsecodec_formats.table import EventTable

from .examples import Example, columns_of, example_of
from .media import OpusWriter, data_uri, peaks, waveform_path
from .parts import Audio, Span, measure, spans

if TYPE_CHECKING:
    from sparsecodec_models import AudioSource, Renderer

READ_SAMPLES = 1 << 16
ENCODING_SHARE = 0.8  # of the work on a recording
OVERVIEW_POINTS = 8000
SMALLEST_PIECE = 256  # samples for one point of an overview's waveform, at least


@dataclass(frozen=True)
class ReportOptions:
    """How recordings are encoded, and how much of each is shown; see `api.render_report`."""

    effort: int | None
    bitrate_kbps: float | None
    max_seconds: float
    seed: int
    model: str
    device: str


@dataclass(frozen=True)
class Overview:
    """A whole recording: its decoded sound as Opus, its waveform (SVG path, `n_points` wide), its events."""

    audio: str
    waveform: str
    n_points: int
    columns: dict[str, list[Any]]


@dataclass(frozen=True)
class MeasuredSound:
    """One input of a page. n_bytes: of its .sic file. parameters: of its model (all, the encoder's, the decoder's).
    overview: where it is longer than an example may be."""

    name: str
    table: EventTable
    n_bytes: int
    parameters: tuple[int, int, int]
    examples: list[Example]
    overview: Overview | None


def examples_of_each(n_examples: int, n_inputs: int) -> list[int]:
    """How many of n examples each input gives: as even as can be, the first ones more."""
    return [n_examples // n_inputs + (i < n_examples % n_inputs) for i in range(n_inputs)]


def measure_sound(
    sound: InputSound, model: str, options: ReportOptions, n_examples: int, progress: Progress | None
) -> MeasuredSound:
    """Encode a sound if it is a recording, with `model`, and measure its events; CliError when that fails."""
    tell = progress or (lambda share: None)
    with about(sound.path), weights_beside(sound.path):
        if isinstance(sound.sound, EventTable):
            weights = None if options.model == models.AUTO else options.model
            codec = models.codec_for(sound.sound, weights, device=options.device)
            return _measured(sound.name, codec, sound.sound, sound.n_bytes, None, options, n_examples, tell)
        with telling_of_memory(sound.path):
            table, n_bytes = _encoded(sound.sound, model, options, lambda share: tell(ENCODING_SHARE * share))
        name = table.header.model if model == models.AUTO else model
        codec = models.load_codec(name, device=options.device).renderer

        def tell_rest(share: float) -> None:
            tell(ENCODING_SHARE + (1 - ENCODING_SHARE) * share)

        return _measured(sound.name, codec, table, n_bytes, sound.sound, options, n_examples, tell_rest)


def _encoded(source: AudioSource, model: str, options: ReportOptions, progress: Progress) -> tuple[EventTable, int]:
    """The events as their .sic file gives them back, and its bytes."""
    table = encoding.encode(
        source,
        model=model,
        effort=options.effort,
        bitrate_kbps=options.bitrate_kbps,
        device=options.device,
        progress=progress,
    )
    data = container.dumps(table)
    return container.loads(data), len(data)


def _measured(
    name: str,
    codec: Renderer,
    table: EventTable,
    n_bytes: int,
    source: AudioSource | None,
    options: ReportOptions,
    n_examples: int,
    tell: Progress,
) -> MeasuredSound:
    header, pitched = table.header, codec.has_pitch(table)
    parts = spans(header.n_samples, header.sample_rate, n_examples, options.max_seconds)
    is_long = header.duration_s > options.max_seconds
    originals = [None] * len(parts) if source is None else _samples_of(source, parts)
    examples = []
    for i, (span, original) in enumerate(zip(parts, originals, strict=True)):
        part = measure(codec, table, span, original, options.seed)
        examples.append(example_of(part, table, pitched, options.seed))
        tell((i + 1) / (len(parts) + is_long))
    overview = None
    if is_long:
        begun = len(parts) / (len(parts) + 1)
        overview = _overview(codec, table, pitched, lambda share: tell(begun + (1 - begun) * share))
    return MeasuredSound(name, table, n_bytes, codec.parameters(), examples, overview)


def _samples_of(source: AudioSource, parts: list[Span]) -> list[Audio | None]:
    """The samples of ascending spans: float32 [span, channels] each."""
    source.rewind()
    pieces: list[list[Audio]] = [[] for _ in parts]
    last = max((part.stop for part in parts), default=0)
    at = 0
    while at < last:
        block = source.read(min(READ_SAMPLES, last - at))
        for part, piece in zip(parts, pieces, strict=True):
            if part.start < at + len(block) and at < part.stop:
                piece.append(block[max(0, part.start - at) : part.stop - at].copy())
        at += len(block)
    return [np.concatenate(piece) for piece in pieces]


def _overview(codec: Renderer, table: EventTable, pitched: NDArray[np.bool_], tell: Progress) -> Overview:
    """Block by block, so that memory does not grow with the sound."""
    header, rate = table.header, codec.model_rate
    n_samples = round(header.duration_s * rate)
    size = max(SMALLEST_PIECE, -(-n_samples // OVERVIEW_POINTS))
    extremes: list[NDArray[np.float32]] = []
    rest = np.zeros((0, header.channels), np.float32)
    with spooled() as file:
        with OpusWriter(file, rate, header.channels) as writer:
            for block in decoding.decode_blocks(table, sample_rate=rate, model=codec, progress=tell):
                writer.write(block)
                rest = np.concatenate([rest, block])
                whole = len(rest) // size
                if whole:
                    extremes.append(peaks(rest[: whole * size], whole))
                    rest = rest[whole * size :]
        file.seek(0)
        uri = data_uri("audio/ogg", file.read())
    if len(rest):
        extremes.append(peaks(rest, 1))
    waveform = np.concatenate(extremes)
    columns = columns_of(table, np.arange(len(table)), pitched)
    return Overview(uri, waveform_path(waveform), len(waveform), columns)
