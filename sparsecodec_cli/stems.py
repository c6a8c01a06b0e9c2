"""Every event as a sound of its own: files that add up to the recording, and a table that tells where each goes."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sparsecodec_cli.io.audio import Audio
from sparsecodec_cli.io.audio_writing import write_float_wav
from sparsecodec_cli.io.output_folder import OutputFolder
from sparsecodec_cli.io.progress import Progress
from sparsecodec_formats import edit
from sparsecodec_formats.interchange.rows import PLACE, event_rows, quantities
from sparsecodec_formats.table import EventTable
from sparsecodec_models.events.sounds import EventSound, event_sounds
from sparsecodec_models.renderer import Renderer

from .errors import CliError, shown

TABLE = "stems.csv"
FIRST = ("file", "start_sample", "n_samples", *PLACE)  # columns of TABLE, before those of the preset
NAME = re.compile(r"[0-9]{4,}-[0-9]+\.[0-9]{3}s\.wav")
SILENCE = 1e-6  # softer samples at the ends of a stem are cut: a hundred of them add up to no more than 1e-4


@dataclass(frozen=True)
class Stem:
    """The sound of one event. row: in the table. start: which sample of the recording audio[0] is; audio: float32
    [n, channels], n > 0, silent in all channels that the event's stream is not in."""

    row: int
    start: int
    audio: Audio


def earlier_stems(folder: Path) -> set[str]:
    """Names of the files that `write_stems` has written to a folder, its table included, as that tells.

    CliError when there is a table of this name which is something else.
    """
    path = folder / TABLE
    if not path.exists():
        return set()
    rows = csv.reader(io.StringIO(path.read_text("utf-8", errors="replace"))) if path.is_file() else iter(())
    try:
        if tuple(next(rows, ()))[: len(FIRST)] != FIRST:
            raise csv.Error
        return {TABLE} | {row[0] for row in rows if row and NAME.fullmatch(row[0])}
    except csv.Error:
        raise CliError(
            f"{shown(str(path))}: is not a table of 'sic stems'; move it away, or name another folder"
        ) from None


def write_stems(folder: OutputFolder, table: EventTable, stems: Iterable[Stem]) -> int:
    """Write the stems of a table as WAV, 32-bit float, and TABLE; how many stems there are."""
    header = table.header
    places = _Places(table)
    n_stems = 0
    for stem in stems:
        with folder.open(places.add(stem)) as file:
            write_float_wav(file, folder.path, stem.audio, header.sample_rate)
        n_stems += 1
    with folder.open(TABLE) as file:
        file.write(places.as_csv())
    return n_stems


def stems(
    codec: Renderer,
    table: EventTable,
    *,
    top: int | None = None,
    seed: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Stem]:
    """Stems of all events that sound, or of the `top` with most energy: at the source's rate, in the table's order.

    seed: of the noise; None: the table's. All stems, added at their starts, are the decoded recording, within 1e-4
    (full scale 1). An event of which no sample is above SILENCE has none.
    """
    picks = top is not None and top < len(table)
    if top is not None and picks:
        energy = np.zeros(len(table))
        for sound in _sounds(codec, table, seed, progress, 0.0, 0.8):
            energy[sound.row] = np.square(sound.samples, dtype=np.float64).sum()
        table = edit.solo(table, np.argsort(-energy, kind="stable")[:top].tolist())
    for sound in _sounds(codec, table, seed, progress, 0.8 if picks else 0.0, 1.0):
        stem = _cut(sound, table.header.stream_gains)
        if stem is not None:
            yield stem


def _sounds(
    codec: Renderer, table: EventTable, seed: int | None, progress: Progress | None, begins: float, ends: float
) -> Iterator[EventSound]:
    for sound in event_sounds(codec, table, sample_rate=table.header.sample_rate, seed=seed):
        yield sound
        if progress:
            progress(begins + (ends - begins) * (sound.row + 1) / len(table))


def _cut(sound: EventSound, gains: tuple[tuple[float, ...], ...]) -> Stem | None:
    """The part from the first to the last sample that is heard."""
    heard = np.flatnonzero(np.abs(sound.samples) > SILENCE)
    if not len(heard):
        return None
    samples = sound.samples[heard[0] : heard[-1] + 1]
    in_channels = np.array(gains, np.float32)[:, sound.channel]
    audio = samples[:, None] * in_channels
    return Stem(sound.row, sound.start + int(heard[0]), audio)


class _Places:
    """What each stem is called and where it goes, as rows of TABLE."""

    def __init__(self, table: EventTable) -> None:
        self._digits = max(4, len(str(len(table) - 1)))
        self._events = event_rows(table)
        self._keys = [*PLACE, *(quantity.key for quantity in quantities(table))]
        self._rows: list[list[object]] = [[*FIRST[: -len(PLACE)], *self._keys]]

    def add(self, stem: Stem) -> str:
        """The name of a stem's file."""
        event = self._events[stem.row]
        name = f"{stem.row:0{self._digits}}-{event['time_s']:.3f}s.wav"
        self._rows.append([name, stem.start, len(stem.audio), *(event[key] for key in self._keys)])
        return name

    def as_csv(self) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(self._rows)
        return text.getvalue().encode()
