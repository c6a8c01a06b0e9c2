"""From audio to events, stage by stage: notes are found → measured → fitted → brought to the target on the grid; then
what they leave over is told by tones, as far as the target has room.

A recording is worked through in stretches. Each is seen together with what is around it: a note that began before
still sounds, and belongs to the stretch in which it begins.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from sparsecodec_formats.container import dumps
from sparsecodec_formats.edit import keep, keep_bytes, largest_within
from sparsecodec_formats.header import Header
from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_formats.presets.layout import NOTE_ABOVE, TONE_BELOW
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
from sparsecodec_models.music.synthesis.channels import TableSound
from sparsecodec_models.music.synthesis.controls import MusicDecoder
from sparsecodec_models.music.synthesis.samples import NoteSound

from .fit import levelled, refine
from .measure import measure
from .tones import Tones, pursue, remainder, tones_sound
from .vectors import by_time, vectors_of

STRETCH_S = 16.0  # whose notes are looked for at a time
BEFORE_S, AFTER_S = 2.0, 4.0  # what is heard beside it
LAST_STRETCHES = 4  # whose notes may still be heard
BESIDE_TONES_S = 1.0  # likewise, where tones are looked for
EIGHTHS = range(-8, 17)  # log2 of the steps that are used, in eighths: finer numbers gain less than tones
DEFAULT_EIGHTH = -8
LEAST_TONE_BITS, TONE_BITS = 22.0, 28.0  # of a tone, about: more are looked for than there will be room for
LOG_SIZE_PER_EIGHTH = 0.035  # that a file grows from a step to the next finer one, about
NOTES_SHARE = 0.85  # of the work, where tones are looked for after them
BIT_WEIGHT = 0.0004  # price of a bit in the fit, at a step of 1
_BEGINS, _KIND = (LAYOUTS[PRESET].dims[name].index for name in ("begins", "kind"))


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
) -> Iterator[EventTable]:
    """The notes and tones of a recording, as a file will give them back, in one part.

    iterations: of the fit, 0 for none.
    header: of the file; its quantiser step becomes that which suits the target.
    """
    rate = model.decoder.config.sample_rate
    features = NoteFeatures(model.device)
    fit_step = header.step[0]
    notes: list[list[tuple[torch.Tensor, torch.Tensor]]] = [[] for _ in range(header.streams)]
    done = 1.0 if target.bitrate_kbps is None else NOTES_SHARE
    for stretches in cut(audio.blocks(0.0, done), rate, BEFORE_S, AFTER_S):
        for channel, stretch in enumerate(stretches):
            earlier = _still_heard(model.decoder.arrays, notes[channel], stretch) if iterations else None
            notes[channel].append(_notes_of(model, features, stretch, earlier, iterations, fit_step, header.seed))
    table = _table(header, notes, rate)
    if target.events_per_second is not None:
        table = keep(table, int(target.events_per_second * header.duration_s * header.streams))
    n_bytes = target.n_bytes(header)
    if n_bytes is None:
        yield on_grid(table, header.step[0])
        return
    table = keep_bytes(on_grid(table, finest_step(table, n_bytes)), n_bytes)
    if table.header.step[0] > header.step[0]:  # so coarse that a tone would not meet what it mends
        yield table
        return
    most = int(8 * (n_bytes - len(dumps(table))) / LEAST_TONE_BITS)
    yield table if most < 1 else _with_tones(model, table, audio, most, n_bytes)


def cut(blocks: Iterator[NDArray[np.float32]], rate: int, before_s: float, after_s: float) -> Iterator[list[Stretch]]:
    """A recording in stretches, of each channel one. blocks: float32 [m, channels]."""
    stretch, before, after = (round(s * rate) for s in (STRETCH_S, before_s, after_s))
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


def _still_heard(
    decoder: MusicDecoder, notes: list[tuple[torch.Tensor, torch.Tensor]], stretch: Stretch
) -> torch.Tensor | None:
    """What a stretch hears of notes that began before its first sample: float32, as its samples; None: nothing."""
    if not notes:
        return None
    vector, time = (torch.cat(column) for column in zip(*notes[-LAST_STRETCHES:], strict=True))
    before = torch.argsort(time, stable=True)
    before = before[time[before] < stretch.first]
    sound = NoteSound(decoder, vector[before], time[before].cpu().numpy(), seed=0)
    if not (sound.spans()[1] > stretch.first).any():
        return None
    return sound.samples(stretch.first, len(stretch.samples))


def _notes_of(
    model: MusicModel,
    features: NoteFeatures,
    stretch: Stretch,
    earlier: torch.Tensor | None,
    iterations: int,
    step: float,
    seed: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors float32 [n, 32] and times int64 [n], samples of the recording, of the notes that begin in it. earlier:
    what is heard there of notes that began before."""
    decoder = model.decoder.arrays
    found = pick_notes(model.encoder.listen(stretch.samples, features))
    measured = measure(stretch.samples, *_columns(found), decoder)
    vector, time = (column.to(model.device) for column in vectors_of(measured, decoder))
    if iterations:
        target = torch.from_numpy(stretch.samples).to(model.device)
        vector = refine(
            decoder,
            vector,
            time,
            target,
            iterations=iterations,
            quantiser_step=torch.full((vector.shape[1],), step, device=model.device),
            bit_weight=BIT_WEIGHT * step,
            seed=seed,
            beside=earlier,
        )
        vector = levelled(decoder, vector, time, target, seed=seed, beside=earlier)
    # where the network puts it, a note is in one stretch only, wherever it is measured to begin
    place = np.array([round(note.onset_s * decoder.config.sample_rate) for note in found], np.int64) + stretch.first
    own = torch.from_numpy(((place >= stretch.begin) & (place < stretch.end))[by_time(measured, decoder)])
    return vector[own], time[own] + stretch.first


def _with_tones(model: MusicModel, table: EventTable, audio: ModelRateAudio, most: int, n_bytes: int) -> EventTable:
    """A table with the tones that take most of what its notes leave over, as many as n_bytes hold. most: that are
    looked for."""
    decoder, step = model.decoder.arrays, table.header.step[0]
    rate, channels = decoder.config.sample_rate, table.header.streams
    place = np.round(table.time * rate).astype(np.int64)
    like = torch.empty(0, device=model.device)
    sounds = TableSound(decoder, table, place, table.header.seed, like=like).notes
    found: list[list[Tones]] = [[] for _ in range(channels)]
    for stretches in cut(audio.blocks(NOTES_SHARE, 1.0), rate, BESIDE_TONES_S, BESIDE_TONES_S):
        for channel, (stretch, notes) in enumerate(zip(stretches, sounds, strict=True)):
            target, length = torch.from_numpy(stretch.samples).to(model.device), len(stretch.samples)
            left = remainder(target, notes.samples(stretch.first, length))
            if found[channel]:
                taken = tones_sound(decoder, found[channel][-1]).samples(stretch.first, length)
                left = left - torch.from_numpy(taken).to(left.device)
            share = (stretch.end - stretch.begin) / rate / (table.duration_s * channels)
            count = math.ceil(most * share)
            found[channel].append(pursue(left, stretch.first, stretch.begin, stretch.end, count, step, decoder.config))
    parts = [part for of_one in found for part in of_one]
    tones = Tones.joined(parts)
    of_channel = np.repeat(np.arange(channels), [sum(len(part.time) for part in of_one) for of_one in found])
    of_channel = of_channel[Tones.order(parts)]

    def with_best(n: int) -> EventTable:
        best = slice(0, n)
        return on_grid(
            EventTable.from_unsorted(
                table.header,
                np.concatenate([table.time, tones.time[best] / rate]),
                np.concatenate([table.vector, tones.vector[best]]),
                np.concatenate([table.channel, of_channel[best]]),
            ),
            step,
        )

    count = len(tones.time)
    likely = int(most * LEAST_TONE_BITS / TONE_BITS)

    def size(n: int) -> float:
        return len(dumps(with_best(n)))

    return with_best(largest_within(n_bytes, size, count, lambda n: TONE_BITS / 8 / n_bytes, likely))


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
    """To the last bit what a file with this step will give. What begins, and of what kind an event is, is told by the
    code nearest to 0 that says so, which costs least."""
    header = replace(table.header, step=(step,) * len(table.header.step))
    vector = table.vector.copy()
    least = np.ceil(0.51 / step) * step
    vector[:, _BEGINS] = np.where(vector[:, _BEGINS] > BEGINS_ABOVE, least, 0.0)
    vector[:, _KIND] = least * ((vector[:, _KIND] > NOTE_ABOVE) - 1.0 * (vector[:, _KIND] < TONE_BELOW))
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
