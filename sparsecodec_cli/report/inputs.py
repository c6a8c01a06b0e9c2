"""From files to what the page shows of them: encoded where they are recordings, measured part by part."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sparsecodec_cli.errors import CliError, about, shown
from sparsecodec_cli.io.audio import SoundFileSource
from sparsecodec_cli.io.files import SPOOL_BYTES, open_seekable_input
from sparsecodec_formats import container
from sparsecodec_formats.container.header_bytes import MAGIC
from sparsecodec_formats.table import EventTable

from .examples import Example, columns_of, example_of
from .excerpts import Audio, Span, measure, spans
from .media import OpusWriter, data_uri, peaks, waveform_path

if TYPE_CHECKING:
    from sparsecodec_models import Codec

Progress = Callable[[float], None]

READ_SAMPLES = 1 << 16
ENCODING_SHARE = 0.8  # of the work on a recording
OVERVIEW_POINTS = 8000
SMALLEST_PIECE = 256  # samples for one point of an overview's waveform, at least


@dataclass(frozen=True)
class Asked:
    """What is asked for: how recordings are coded, and how much of each is shown.

    effort, bitrate_kbps, model, device: as for `encode`. max_seconds: of an example. seed: of what is drawn anew.
    """

    effort: int | None
    bitrate_kbps: float | None
    max_seconds: float
    seed: int
    model: str | None
    device: str


@dataclass(frozen=True)
class Overview:
    """A whole recording: its decoded sound as Opus, its waveform (SVG path, `n_points` wide), its events."""

    audio: str
    waveform: str
    n_points: int
    columns: dict[str, list[Any]]


@dataclass(frozen=True)
class Recording:
    """One input. parameters: of its model (all, the encoder's, the decoder's). overview: where it is longer than an
    example may be."""

    name: str
    table: EventTable
    n_bytes: int
    parameters: tuple[int, int, int]
    examples: list[Example]
    overview: Overview | None


def examples_of_each(n_examples: int, n_inputs: int) -> list[int]:
    """How many of n examples each input gives: as even as can be, the first ones more."""
    return [n_examples // n_inputs + (i < n_examples % n_inputs) for i in range(n_inputs)]


def read_recording(path: str, asked: Asked, n_examples: int, progress: Progress | None) -> Recording:
    """The input at `path` ('-': stdin), a recording or a .sic file; CliError when it is neither."""
    tell = progress or (lambda share: None)
    with open_seekable_input(path) as file:
        is_sic = file.read(len(MAGIC)) == MAGIC or path.lower().endswith(".sic")
        file.seek(0)
        if is_sic:
            _refuse_coding(path, asked)
            table = container.read(file)
            n_bytes = file.seek(0, os.SEEK_END)
            with about(path):
                codec = _codec_for(table, asked)
                return _measured(path, codec, table, n_bytes, None, asked, n_examples, tell)
        source = SoundFileSource(file, path)
        codec, table, n_bytes = _encoded(source, path, asked, lambda share: tell(ENCODING_SHARE * share))
        with about(path):
            return _measured(
                path,
                codec,
                table,
                n_bytes,
                source,
                asked,
                n_examples,
                lambda share: tell(ENCODING_SHARE + (1 - ENCODING_SHARE) * share),
            )


def _refuse_coding(path: str, asked: Asked) -> None:
    """CliError where options are given that would do nothing."""
    for option, value in (("--effort", asked.effort), ("--bitrate", asked.bitrate_kbps)):
        if value is not None:
            raise CliError(f"{shown(path)}: is coded already; leave out {option}, which is for recordings")


def _codec_for(table: EventTable, asked: Asked) -> Codec:
    from sparsecodec_cli.api import resolve_device
    from sparsecodec_models import codec_for

    return codec_for(table.header, resolve_device(asked.device), asked.model)


def _encoded(source: SoundFileSource, path: str, asked: Asked, tell: Progress) -> tuple[Codec, EventTable, int]:
    """The codec, the events as a file gives them back, and its bytes."""
    from sparsecodec_cli.api import resolve_device
    from sparsecodec_models import load_codec

    codec = load_codec(asked.model or "speech", resolve_device(asked.device))
    with about(path):
        table = codec.encode(
            source,
            effort=codec.default_effort if asked.effort is None else asked.effort,
            bitrate_kbps=asked.bitrate_kbps,
            progress=tell,
        )
    data = container.dumps(table)
    return codec, container.loads(data), len(data)


def _measured(
    path: str,
    codec: Codec,
    table: EventTable,
    n_bytes: int,
    source: SoundFileSource | None,
    asked: Asked,
    n_examples: int,
    tell: Progress,
) -> Recording:
    header, pitched = table.header, codec.has_pitch(table)
    parts = spans(header.n_samples, header.sample_rate, n_examples, asked.max_seconds)
    is_long = header.duration_s > asked.max_seconds
    originals = [None] * len(parts) if source is None else _excerpts_of(source, parts)
    examples = []
    for i, (part, original) in enumerate(zip(parts, originals, strict=True)):
        examples.append(example_of(measure(codec, table, part, original, asked.seed), table, pitched, asked.seed))
        tell((i + 1) / (len(parts) + is_long))
    overview = None
    if is_long:
        begun = len(parts) / (len(parts) + 1)
        overview = _overview(codec, table, pitched, lambda share: tell(begun + (1 - begun) * share))
    name = "stdin" if path == "-" else shown(os.path.basename(path))
    return Recording(name, table, n_bytes, codec.parameters(), examples, overview)


def _excerpts_of(source: SoundFileSource, parts: list[Span]) -> list[Audio | None]:
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


def _overview(codec: Codec, table: EventTable, pitched: NDArray[np.bool_], tell: Progress) -> Overview:
    """Block by block, so that memory does not grow with the sound."""
    header, rate = table.header, codec.model_rate
    n_samples = round(header.duration_s * rate)
    size = max(SMALLEST_PIECE, -(-n_samples // OVERVIEW_POINTS))
    extremes: list[NDArray[np.float32]] = []
    rest = np.zeros((0, header.channels), np.float32)
    with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as file:
        with OpusWriter(file, rate, header.channels) as writer:
            for block in codec.decode(table, sample_rate=rate, progress=tell):
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
