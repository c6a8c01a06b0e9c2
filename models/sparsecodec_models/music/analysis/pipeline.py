"""From audio to notes, stage by stage: found → measured → fitted → steps and number by the target → on the grid.

A recording is worked through in stretches. Each is seen together with what is around it: a note that began before
still sounds, and belongs to the stretch in which it begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from sparsecodec_formats.container import dumps
from sparsecodec_formats.edit import keep, keep_bytes, largest_within
from sparsecodec_formats.header import Header
from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_formats.presets.voices import BEGINS_ABOVE
from sparsecodec_formats.quantiser import dequantise, quantise
from sparsecodec_formats.steps import nearest_step
from sparsecodec_formats.table import EventTable
from sparsecodec_models.audio_source import ModelRateAudio
from sparsecodec_models.codec import RateTarget
from sparsecodec_models.music.config import PRESET
from sparsecodec_models.music.model import MusicModel
from sparsecodec_models.music.network.features import NoteFeatures
from sparsecodec_models.music.network.picking import Note, pick_notes

from .fit import refine
from .measure import measure
from .vectors import by_time, vectors_of

STRETCH_S = 16.0  # whose notes are looked for at a time
BEFORE_S, AFTER_S = 2.0, 4.0  # what is heard beside it
EIGHTHS = range(-20, 17)  # log2 of the steps that are used, in eighths
DEFAULT_EIGHTH = -8
LOG_SIZE_PER_EIGHTH = 0.035  # that a file grows from a step to the next finer one, about
BIT_WEIGHT = 0.0004  # price of a bit in the fit, at a step of 1
_BEGINS = LAYOUTS[PRESET].dims["begins"].index


@dataclass(frozen=True)
class Stretch:
    """Part of a channel. samples float32, from sample `first` of the recording on; notes that begin in begin … end - 1
    (samples of the recording) are its own."""

    samples: NDArray[np.float32]
    first: int
    begin: int
    end: int


def analyse(
    model: MusicModel, header: Header, audio: ModelRateAudio, iterations: int, target: RateTarget
) -> EventTable:
    """The notes of a recording, as a file will give them back. iterations: of the fit, 0 for none.

    header: of the file; its quantiser step becomes that which suits the target.
    """
    rate = model.decoder.config.sample_rate
    features = NoteFeatures(model.device)
    fit_step = header.step[0]
    notes: list[list[tuple[torch.Tensor, torch.Tensor]]] = [[] for _ in range(header.channels)]
    for stretches in cut(audio.blocks(), rate):
        for channel, stretch in enumerate(stretches):
            notes[channel].append(_notes_of(model, features, stretch, iterations, fit_step, header.seed))
    table = _table(header, notes, rate)
    if target.events_per_second is not None:
        table = keep(table, int(target.events_per_second * header.duration_s * header.channels))
    n_bytes = target.n_bytes(header)
    if n_bytes is None:
        return on_grid(table, header.step[0])
    return keep_bytes(on_grid(table, finest_step(table, n_bytes)), n_bytes)


def cut(blocks: Iterator[NDArray[np.float32]], rate: int) -> Iterator[list[Stretch]]:
    """A recording in stretches, of each channel one. blocks: float32 [m, channels]."""
    stretch, before, after = (round(s * rate) for s in (STRETCH_S, BEFORE_S, AFTER_S))
    held: NDArray[np.float32] | None = None
    first = begin = 0
    for block in blocks:
        held = block if held is None else np.concatenate([held, block])
        while first + len(held) >= begin + stretch + after:
            yield _stretches(held[: begin + stretch + after - first], first, begin, begin + stretch)
            begin += stretch
            if begin - before > first:
                held, first = held[begin - before - first :], begin - before
    if held is not None and first + len(held) > begin:
        yield _stretches(held, first, begin, first + len(held))


def _stretches(samples: NDArray[np.float32], first: int, begin: int, end: int) -> list[Stretch]:
    return [Stretch(np.ascontiguousarray(channel), first, begin, end) for channel in samples.T]


def _notes_of(
    model: MusicModel,
    features: NoteFeatures,
    stretch: Stretch,
    iterations: int,
    step: float,
    seed: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors float32 [n, 32] and times int64 [n], samples of the recording, of the notes that begin in it."""
    decoder = model.decoder
    found = pick_notes(model.encoder.listen(stretch.samples, features))
    measured = measure(stretch.samples, *_columns(found), decoder)
    vector, time = vectors_of(measured, decoder)
    if iterations:
        vector = refine(
            decoder,
            vector,
            time,
            torch.from_numpy(stretch.samples).to(model.device),
            iterations=iterations,
            quantiser_step=torch.full((vector.shape[1],), step, device=model.device),
            bit_weight=BIT_WEIGHT * step,
            seed=seed,
        )
    # where the network puts it, a note is in one stretch only, wherever it is measured to begin
    place = np.array([round(note.onset_s * decoder.config.sample_rate) for note in found], np.int64) + stretch.first
    own = torch.from_numpy(((place >= stretch.begin) & (place < stretch.end))[by_time(measured, decoder)])
    return vector[own], time[own] + stretch.first


Columns = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]


def _columns(notes: list[Note]) -> Columns:
    """Onsets and offsets in seconds, pitches, and which are drums: [n] each."""
    rows = np.array([(note.onset_s, note.offset_s, note.midi) for note in notes], np.float64).reshape(-1, 3)
    return rows[:, 0], rows[:, 1], rows[:, 2], np.array([note.drum for note in notes], bool)


def _table(header: Header, notes: list[list[tuple[torch.Tensor, torch.Tensor]]], rate: int) -> EventTable:
    """All channels' events, in order of time."""
    vectors: list[NDArray[np.float32]] = []
    times: list[NDArray[np.float64]] = []
    channels: list[NDArray[np.uint8]] = []
    for channel, parts in enumerate(notes):
        for vector, place in parts:
            vectors.append(vector.cpu().numpy())
            times.append(place.cpu().numpy() / rate)
            channels.append(np.full(len(place), channel, np.uint8))
    if not vectors:
        return EventTable(header, [], [])
    time, of_channel = np.concatenate(times), np.concatenate(channels)
    order = np.lexsort((of_channel, time))
    return EventTable(header, time[order], np.concatenate(vectors)[order], of_channel[order])


def on_grid(table: EventTable, step: float) -> EventTable:
    """To the last bit what a file with this step will give. What begins is told by the least code above 1/2, which
    costs least."""
    header = replace(table.header, step=(step,) * len(table.header.step))
    vector = table.vector.copy()
    vector[:, _BEGINS] = np.where(vector[:, _BEGINS] > BEGINS_ABOVE, np.ceil(0.51 / step) * step, 0.0)
    return dequantise(header, quantise(table.replace(header=header, vector=vector)))


def finest_step(table: EventTable, n_bytes: int) -> float:
    """The finest step with which all notes fit into so many bytes; the coarsest where none does."""
    coarsest = EIGHTHS[-1]

    def step(finer: int) -> float:
        return nearest_step(2.0 ** ((coarsest - finer) / 8))

    def size(finer: int) -> float:
        return len(dumps(on_grid(table, step(finer))))

    most, typical = len(EIGHTHS) - 1, coarsest - DEFAULT_EIGHTH
    return step(largest_within(n_bytes, size, most, lambda finer: LOG_SIZE_PER_EIGHTH, typical, 0.97))
