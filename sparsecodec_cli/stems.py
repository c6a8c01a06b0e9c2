"""Every event or segment as a sound of its own: files that add up to the recording, and a table that tells where each
goes."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sparsecodec_cli.io.audio import Audio
from sparsecodec_cli.io.audio_writing import write_float_wav
from sparsecodec_cli.io.output_folder import OutputFolder
from sparsecodec_cli.io.progress import Progress
from sparsecodec_formats import edit
from sparsecodec_formats.interchange.edit_lists import TITLE, Clip, write_cmx3600, write_samplitude
from sparsecodec_formats.interchange.rows import PLACE, event_rows, quantities
from sparsecodec_formats.interchange.segment_rows import KEYS, segment_rows
from sparsecodec_formats.segments import Segments
from sparsecodec_formats.table import EventTable
from sparsecodec_models.events.sounds import EventSound, event_sounds
from sparsecodec_models.renderer import Renderer

from .errors import CliError, shown

TABLE = "stems.csv"
EDIT_LIST = "stems.edl"
FILE = ("file", "start_sample", "n_samples")
FIRST = (*FILE, *PLACE)  # columns of TABLE, before those of the preset
OF_SEGMENTS = (*FILE, *KEYS)
Edl = Literal["samples", "24", "25", "30"]
NAME = re.compile(r"[0-9]{4,}-[0-9]+\.[0-9]{3}s\.wav")
SILENCE = 1e-6  # softer samples at the ends of a stem are cut: a hundred of them add up to no more than 1e-4


@dataclass(frozen=True)
class Stem:
    """The sound of one event, or of all events of a segment. row: in the table, of its first event. start: which sample
    of the recording audio[0] is; audio: float32 [n, channels], n > 0, silent in all channels that its stream is not in.
    segment: which one; None for an event."""

    row: int
    start: int
    audio: Audio
    segment: int | None = None


def earlier_stems(folder: Path, with_edl: bool = False) -> set[str]:
    """Names of the files that `write_stems` has written to a folder, its table and its edit list included, as that
    tells.

    CliError when there is a table of this name which is something else; or an edit list, if one is to be written.
    """
    edl = _earlier_edl(folder, with_edl)
    path = folder / TABLE
    if not path.exists():
        return edl
    rows = csv.reader(io.StringIO(path.read_text("utf-8", errors="replace"))) if path.is_file() else iter(())
    try:
        names = tuple(next(rows, ()))
        if names[: len(FIRST)] != FIRST and names != OF_SEGMENTS:
            raise csv.Error
        return {TABLE} | edl | {row[0] for row in rows if row and NAME.fullmatch(row[0])}
    except csv.Error:
        raise CliError(
            f"{shown(str(path))}: is not a table of 'sic stems'; move it away, or name another folder"
        ) from None


def _earlier_edl(folder: Path, wanted: bool) -> set[str]:
    path = folder / EDIT_LIST
    if not path.exists():
        return set()
    if path.is_file():
        with open(path, "rb") as file:
            if TITLE.encode() in file.read(100):
                return {EDIT_LIST}
    if wanted:
        raise CliError(f"{shown(str(path))}: is not an edit list of 'sic stems'; move it away, or name another folder")
    return set()


def write_stems(
    folder: OutputFolder,
    table: EventTable,
    stems: Iterable[Stem],
    segments: Segments | None = None,
    *,
    edl: Edl | None = None,
) -> int:
    """Write the stems of a table as Broadcast Wave, 32-bit float, and TABLE; how many stems there are.

    segments: those that the stems are of; None: they are of events. edl: write EDIT_LIST too, which counts in samples
    (Samplitude's), or in so many frames a second (CMX 3600). SicError when that cannot hold the stems.
    """
    header = table.header
    places = _Places(table) if segments is None else _SegmentPlaces(segments)
    n_stems = 0
    for stem in stems:
        what = f"event {stem.row}" if stem.segment is None else f"segment {stem.segment}"
        with folder.open(places.add(stem)) as file:
            write_float_wav(
                file, folder.path, stem.audio, header.sample_rate, start_sample=stem.start, description=what
            )
        n_stems += 1
    with folder.open(TABLE) as file:
        file.write(places.as_csv())
    if edl is not None:
        with folder.open(EDIT_LIST) as file:
            if edl == "samples":
                write_samplitude(places.clips, header.sample_rate, header.channels, file)
            else:
                write_cmx3600(places.clips, header.sample_rate, int(edl), file)
    return n_stems


def stems(
    codec: Renderer,
    table: EventTable,
    *,
    segments: Segments | None = None,
    top: int | None = None,
    seed: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Stem]:
    """Stems of all events that sound, or of the `top` with most energy: at the source's rate, in the table's order.

    segments: of the table; then a stem is the sound of all events of a segment, and comes when its last event has.
    seed: of the noise; None: the table's. All stems, added at their starts, are the decoded recording, within 1e-4
    (full scale 1). What has no sample above SILENCE has none.
    """
    n_stems = len(table) if segments is None else len(segments)
    number = np.arange(len(table)) if segments is None else segments.number
    picks = top is not None and top < n_stems
    if top is not None and picks:
        energy = np.zeros(n_stems)
        for i, sound in _together(_sounds(codec, table, seed, progress, 0.0, 0.8), number):
            energy[i] = np.square(sound.samples, dtype=np.float64).sum()
        chosen = np.isin(number, np.argsort(-energy, kind="stable")[:top])
        table = edit.solo(table, np.flatnonzero(chosen).tolist())
    for i, sound in _together(_sounds(codec, table, seed, progress, 0.8 if picks else 0.0, 1.0), number):
        stem = _cut(sound, table.header.stream_gains, None if segments is None else i)
        if stem is not None:
            yield stem


def _together(sounds: Iterable[EventSound], number: NDArray[np.int64]) -> Iterator[tuple[int, EventSound]]:
    """Sums of the sounds with the same number, each as soon as it is whole; row: of the first. number: of all rows."""
    left = np.bincount(number).tolist()
    begun: dict[int, list[EventSound]] = {}
    for sound in sounds:
        i = int(number[sound.row])
        parts = begun.setdefault(i, [])
        parts.append(sound)
        left[i] -= 1
        if not left[i]:
            del begun[i]
            yield i, _sum_of(parts)


def _sum_of(parts: list[EventSound]) -> EventSound:
    """One sound of some of a stream."""
    heard = [part for part in parts if len(part.samples)]
    if len(parts) == 1 or not heard:
        return parts[0]
    start = min(part.start for part in heard)
    samples = np.zeros(max(part.start + len(part.samples) for part in heard) - start, np.float32)
    for part in heard:
        samples[part.start - start :][: len(part.samples)] += part.samples
    return EventSound(parts[0].row, parts[0].channel, start, samples)


def _sounds(
    codec: Renderer, table: EventTable, seed: int | None, progress: Progress | None, begins: float, ends: float
) -> Iterator[EventSound]:
    for sound in event_sounds(codec, table, sample_rate=table.header.sample_rate, seed=seed):
        yield sound
        if progress:
            progress(begins + (ends - begins) * (sound.row + 1) / len(table))


def _cut(sound: EventSound, gains: tuple[tuple[float, ...], ...], segment: int | None) -> Stem | None:
    """The part from the first to the last sample that is heard."""
    heard = np.flatnonzero(np.abs(sound.samples) > SILENCE)
    if not len(heard):
        return None
    samples = sound.samples[heard[0] : heard[-1] + 1]
    in_channels = np.array(gains, np.float32)[:, sound.channel]
    audio = samples[:, None] * in_channels
    return Stem(sound.row, sound.start + int(heard[0]), audio, segment)


class _Places:
    """What the stem of each event is called and where it goes, as rows of TABLE."""

    def __init__(self, table: EventTable) -> None:
        keys = [*PLACE, *(quantity.key for quantity in quantities(table))]
        self._start(event_rows(table), keys, "time_s")

    def _start(self, things: list[dict[str, Any]], keys: Sequence[str], time_key: str) -> None:
        self._things, self._keys, self._time_key = things, keys, time_key
        self._digits = max(4, len(str(len(things) - 1)))
        self._rows: dict[int, list[Any]] = {}

    def add(self, stem: Stem) -> str:
        """The name of a stem's file."""
        i = stem.row if stem.segment is None else stem.segment
        name = f"{i:0{self._digits}}-{self._things[i][self._time_key]:.3f}s.wav"
        self._rows[i] = [name, stem.start, len(stem.audio), *(self._things[i][key] for key in self._keys)]
        return name

    @property
    def clips(self) -> list[Clip]:
        """In the order of the numbers."""
        return [Clip(*self._rows[i][: len(FILE)]) for i in sorted(self._rows)]

    def as_csv(self) -> bytes:
        """In the order of the numbers."""
        text = io.StringIO(newline="")
        rows = (self._rows[i] for i in sorted(self._rows))
        csv.writer(text, lineterminator="\n").writerows([[*FILE, *self._keys], *rows])
        return text.getvalue().encode()


class _SegmentPlaces(_Places):
    """The same of segments."""

    def __init__(self, segments: Segments) -> None:
        self._start(segment_rows(segments), KEYS, "start_s")
