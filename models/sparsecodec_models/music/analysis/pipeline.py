"""From audio to events, stage by stage: notes are found → measured → fitted → brought to the target on the grid; then
what they leave over is told by tones, as far as the target has room.

A recording is read once. Notes are found in stretches of 16 s. Each is seen together with what is around it: a note
that began before still sounds, and belongs to the stretch in which it begins. What bits are spent on is settled in
sections of two minutes, each knowing what was settled before it. A recording of up to three minutes is one section. Of
a stream without a known end, stretches and sections are the same 5 s.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
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
from sparsecodec_models.music.network.finder import OUTPUT_HOP_SAMPLES
from sparsecodec_models.music.network.picking import CUT_S, Note, carried_on, pick_notes
from sparsecodec_models.music.synthesis.channels import TableSound
from sparsecodec_models.music.synthesis.controls import MusicDecoder
from sparsecodec_models.music.synthesis.samples import NoteSound
from sparsecodec_models.parts import Budget, LiveBudget, SharedBudget, WholeBudget, ends_of_parts
from sparsecodec_models.threads import Threads

from .fit import levelled, refine
from .measure import measure
from .tones import TIME_UNIT, Tones, pursue, remainder, tones_sound
from .vectors import by_time, vectors_of

STRETCH_S = 16.0  # whose notes are looked for at a time
BEFORE_S, AFTER_S = 2.0, 4.0  # what is heard beside it
LIVE_STRETCH_S, LIVE_AFTER_S = 5.0, 1.6  # of a stream; half a window of the file
LONGEST_S = 64.0  # after which notes are no longer heard
BESIDE_TONES_S = 1.0  # likewise, where tones are looked for
EIGHTHS = range(-8, 17)  # log2 of the steps that are used, in eighths: finer numbers gain less than tones
DEFAULT_EIGHTH = -8
LEAST_TONE_BITS, TONE_BITS = 22.0, 28.0  # of a tone, about: more are looked for than there will be room for
LOG_SIZE_PER_EIGHTH = 0.035  # that a file grows from a step to the next finer one, about
USUAL_EIGHTH, EIGHTHS_AN_OCTAVE = -8, 12  # at 1 kbit/s a stream, and more for every octave less
NOTES_SHARE = 0.85  # of the work, where tones are looked for after them
BIT_WEIGHT = 0.0004  # price of a bit in the fit, at a step of 1
SECTION_S = 120  # whole windows of the file: no block lies in two sections
_BEGINS, _KIND = (LAYOUTS[PRESET].dims[name].index for name in ("begins", "kind"))

Notes = tuple[torch.Tensor, torch.Tensor]  # vectors float32 [n, 32], and times int64 [n], samples of the recording


@dataclass(frozen=True)
class Stretch:
    """Part of a channel. samples float32, from sample `first` of the recording on; notes that begin in begin … end - 1
    (samples of the recording) are its own."""

    samples: NDArray[np.float32]
    first: int
    begin: int
    end: int


def analyse(
    model: MusicModel, header: Header, audio: ModelRateAudio, iterations: int, target: RateTarget, threads: Threads
) -> Iterator[EventTable]:
    """The notes and tones of a recording, as a file will give them back, section by section.

    iterations: of the fit, 0 for none; threads: work on a channel each.
    header: of the file; its quantiser step becomes that which suits the target.
    """
    rate = model.decoder.config.sample_rate
    ends = list(ends_of_parts(audio.n_samples, header.streams, SECTION_S, rate, TIME_UNIT))
    budget = WholeBudget(target, header) if len(ends) == 1 else SharedBudget(target, header)

    def told(done: float) -> None:
        if audio.progress:
            audio.progress(min(1.0, done / max(audio.n_samples, 1)))

    analysis = _Analysis(model, header, audio.blocks(tells=False), iterations, target, budget, threads, told)
    yield from analysis.run(iter(ends), _ends(STRETCH_S, rate), AFTER_S, BESIDE_TONES_S)


def analyse_live(
    model: MusicModel,
    header: Header,
    blocks: Iterator[NDArray[np.float32]],
    iterations: int,
    target: RateTarget,
    threads: Threads,
) -> Iterator[EventTable]:
    """The notes and tones of a stream without a known end, a table for every 5 s of it, and one for the rest.

    Events are there when LIVE_STRETCH_S + LIVE_AFTER_S of the stream have come since theirs, 6.6 s, or before.
    blocks: float32 [m, streams] at the model's rate; iterations, header: as for `analyse`, but the quantiser's step is
    that of most music at this bitrate.
    """
    rate = model.decoder.config.sample_rate
    budget = LiveBudget(target, header)
    analysis = _Analysis(
        model, header, blocks, iterations, target, budget, threads, lambda done: None, usual_step(target, header)
    )
    yield from analysis.run(_ends(LIVE_STRETCH_S, rate), _ends(LIVE_STRETCH_S, rate), LIVE_AFTER_S, 0.0)


def _ends(every_s: float, rate: int) -> Iterator[int]:
    """Samples at which stretches of a recording end; rounded up, as those of its windows."""
    return (math.ceil(i * every_s * rate / TIME_UNIT) * TIME_UNIT for i in itertools.count(1))


def usual_step(target: RateTarget, header: Header) -> float:
    """The quantiser's step that suits most music at a bitrate."""
    if target.bitrate_kbps is None:
        return header.step[0]
    eighth = USUAL_EIGHTH - EIGHTHS_AN_OCTAVE * math.log2(target.bitrate_kbps / header.streams)
    return nearest_step(2.0 ** (min(max(round(eighth), EIGHTHS[0]), EIGHTHS[-1]) / 8))


class _Samples:
    """A recording at the model's rate, as far as it is still needed. Attributes: end, samples so far; is_whole: whether
    no more are to come."""

    def __init__(self, blocks: Iterator[NDArray[np.float32]], channels: int) -> None:
        """blocks: float32 [m, channels]."""
        self._blocks, self._held = blocks, [np.zeros((0, channels), np.float32)]
        self._first = self.end = 0
        self.is_whole = False

    def read(self, until: int) -> None:
        """Up to a sample of the recording, or to its end."""
        while self.end < until and not self.is_whole:
            block = next(self._blocks, None)
            if block is None:
                self.is_whole = True
            else:
                self._held.append(block)
                self.end += len(block)

    def forget(self, until: int) -> None:
        """What comes before a sample of the recording."""
        held = np.concatenate(self._held)[max(0, until - self._first) :]
        self._held, self._first = [held.copy()], self.end - len(held)

    def stretches(self, begin: int, end: int, before: int, after: int) -> list[Stretch]:
        """Of each channel the one from begin to end, with as many samples beside it as given, where there are."""
        self._held = [np.concatenate(self._held)]
        first = max(0, begin - before)
        samples = self._held[0][first - self._first : end + after - self._first]
        return [Stretch(np.ascontiguousarray(channel), first, begin, end) for channel in samples.T]


class _Analysis:
    """A recording on its way from samples to events."""

    def __init__(
        self,
        model: MusicModel,
        header: Header,
        blocks: Iterator[NDArray[np.float32]],
        iterations: int,
        target: RateTarget,
        budget: Budget,
        threads: Threads,
        progress: Callable[[float], None],
        step: float | None = None,
    ) -> None:
        """blocks: float32 [m, streams]; progress: takes how far all is done, in samples; step: of the quantiser, None:
        the first section with events tells how fine the numbers should be."""
        self._model, self._header, self._iterations = model, header, iterations
        self._budget, self._progress, self._step = budget, progress, step
        self._threads = threads
        self._rate = model.decoder.config.sample_rate
        self._features = NoteFeatures(model.device)
        self._samples = _Samples(blocks, header.streams)
        self._notes_share = NOTES_SHARE if target.bitrate_kbps is not None else 1.0
        self._heard = 0  # samples whose notes are found
        nothing = (
            torch.zeros((0, len(header.step)), device=model.device),
            torch.zeros(0, dtype=torch.int64, device=model.device),
        )
        self._latest: list[Notes] = [nothing for _ in range(header.streams)]  # of each channel, that may still be heard
        self._cut: list[list[Note]] = [[] for _ in range(header.streams)]  # likewise, that may sound on; seconds from 0
        self._waiting = EventTable.empty(header)  # notes that are found, but not settled
        self._ahead = EventTable.empty(header)  # notes after these, as far as they were heard; they are found again
        self._settled = EventTable.empty(header)  # events that are, and still sound

    def run(
        self, ends: Iterator[int | None], stretch_ends: Iterator[int], after_s: float, known_s: float
    ) -> Iterator[EventTable]:
        """Events, section by section.

        ends: samples, None for the last; stretch_ends: of the stretches whose notes are looked for at a time; after_s:
        what is heard after each; known_s: notes after a section that are found before its tones are.
        """
        begin, beside, known = 0, round(BESIDE_TONES_S * self._rate), round(known_s * self._rate)
        for end in ends:
            self._find_notes(begin, None if end is None else end + known, stretch_ends, round(after_s * self._rate))
            if end is not None and self._samples.is_whole and self._samples.end <= end:
                end = None
            table = self._section(begin, end)
            if table is not None:
                yield table
            if end is None:
                return
            self._samples.forget(min(end - beside, self._first_heard()))
            begin = end

    def _find_notes(self, begin: int, until: int | None, stretch_ends: Iterator[int], after: int) -> None:
        """All that begin before a sample of the recording, and those that are found together with them."""
        found = [self._waiting]
        while until is None or self._heard < until:
            end = next(stretch_ends)
            self._samples.read(end + after)
            is_last = self._samples.end < end + after
            end = self._samples.end if is_last else end
            if end > self._heard:
                stretches = self._samples.stretches(self._heard, end, self._heard - self._first_heard(), after)
                both = [notes for _, notes in self._threads.each(enumerate(stretches), self._notes_of)]
                found += [own for own, _ in both]
                self._ahead = EventTable.joined(self._header, [ahead for _, ahead in both])
                self._heard = end
                self._progress(begin + self._notes_share * (min(end, until or end) - begin))
            if is_last:
                break
        self._waiting = EventTable.joined(self._header, found)

    def _first_heard(self) -> int:
        """The first sample that the next stretch hears: in all stretches, frames of the network are the same, so that a
        note near a border is found on the same side of it from both."""
        return max(0, self._heard - round(BEFORE_S * self._rate)) // OUTPUT_HOP_SAMPLES * OUTPUT_HOP_SAMPLES

    def _notes_of(self, place: tuple[int, Stretch]) -> tuple[EventTable, EventTable]:
        """A stretch's own notes, and those after it. place: a channel, and a stretch of it."""
        channel, stretch = place
        model = self._model
        vector, time = self._latest[channel]
        recent = time >= stretch.begin - round(LONGEST_S * self._rate)
        latest = vector[recent], time[recent]
        earlier = _still_heard(model.decoder.arrays, latest, stretch) if self._iterations else None
        found = _found(model, self._features, stretch, self._cut[channel])
        step, seed = self._header.step[0], self._header.seed
        own, ahead = _notes_of(model, found, stretch, earlier, self._iterations, step, seed)
        self._cut[channel] = found.cut
        self._latest[channel] = torch.cat([latest[0], own[0]]), torch.cat([latest[1], own[1]])
        return self._table(channel, own), self._table(channel, ahead)

    def _table(self, channel: int, notes: Notes) -> EventTable:
        vector, time_s = notes[0].cpu().numpy(), notes[1].cpu().numpy() / self._rate
        return EventTable.from_unsorted(self._header, time_s, vector, np.full(len(time_s), channel, np.uint8))

    def _section(self, begin: int, end: int | None) -> EventTable | None:
        """The events from sample `begin` to `end`; None as long as nothing has told how fine they should be."""
        header = self._header
        begin_s, end_s = begin / self._rate, self._end_s() if end is None else end / self._rate
        table = self._notes_within(begin_s, None if end is None else end_s)
        allowed = self._budget.allowance(begin_s, end_s)
        if allowed.events is not None:
            table = _with_most(table, allowed.events)
        if allowed.n_bytes is None:
            table = on_grid(table, header.step[0])
        else:
            most_bytes = max(0, int(allowed.n_bytes))
            step = finest_step(table, most_bytes) if self._step is None else self._step
            table = keep_bytes(on_grid(table, step), most_bytes)
            most = int(8 * (most_bytes - len(dumps(table))) / LEAST_TONE_BITS)
            if step <= header.step[0] and most > 0:  # with a coarser one, a tone would not meet what it mends
                table = self._with_tones(table, begin, end_s - begin_s, end, most, most_bytes)
            if self._step is None and not len(table) and end is not None:
                return None
            self._step = step
        self._budget.spend(table)
        if end is not None:
            self._settled = self._sounding_at(EventTable.joined(table.header, [self._settled, table]), end)
        return table

    def _end_s(self) -> float:
        """Of the recording; of a stream, the header does not tell it."""
        return self._header.duration_s or self._samples.end / self._rate

    def _notes_within(self, begin_s: float, end_s: float | None) -> EventTable:
        """Those that begin in a section, as the file's grid has it: they wait no longer."""
        waiting = self._waiting.replace(time=np.maximum(self._waiting.time, begin_s))
        if end_s is None:
            self._waiting = EventTable.empty(self._header)
            return waiting
        own = waiting.time < end_s - 0.6 * TIME_UNIT / self._rate  # nor at it, on the file's grid
        self._waiting = waiting.select(~own)
        return waiting.select(own)

    def _sounds(self, table: EventTable) -> TableSound:
        place = np.round(table.time * self._rate).astype(np.int64)
        like = torch.empty(0, device=self._model.device)
        return TableSound(self._model.decoder.arrays, table, place, table.header.seed, like=like)

    def _sounding_at(self, table: EventTable, place: int) -> EventTable:
        """The events that are heard where tones after a sample are looked for."""
        return table.select(self._sounds(table).spans()[1] > place - round(BESIDE_TONES_S * self._rate))

    def _with_tones(
        self, table: EventTable, begin: int, length_s: float, end: int | None, most: int, n_bytes: int
    ) -> EventTable:
        """A section's notes with the tones that take most of what they leave over, as many as n_bytes hold. most: that
        are looked for."""
        decoder, step = self._model.decoder.arrays, table.header.step[0]
        rate, channels = self._rate, table.header.streams
        ahead = self._ahead.select(self._ahead.time < (begin / rate + length_s) + BESIDE_TONES_S)
        after = EventTable.joined(self._header, [self._waiting, ahead])
        heard = EventTable.joined(table.header, [self._settled, table, on_grid(after, step)])
        sounds = self._sounds(heard)
        found: list[list[Tones]] = [[] for _ in range(channels)]

        def tones_of(place: tuple[int, Stretch]) -> Tones:
            """Of a channel, in a stretch of it."""
            channel, stretch = place
            target, length = torch.from_numpy(stretch.samples).to(self._model.device), len(stretch.samples)
            left = remainder(target, sounds.notes[channel].samples(stretch.first, length))
            earlier = [sounds.tones[channel], *(tones_sound(decoder, tones) for tones in found[channel][-1:])]
            for sound in earlier:
                left = left - torch.as_tensor(sound.samples(stretch.first, length), device=left.device)
            share = (stretch.end - stretch.begin) / rate / (length_s * channels)
            count = math.ceil(most * share)
            return pursue(left, stretch.first, stretch.begin, stretch.end, count, step, decoder.config)

        for stretches in self._stretches_of_tones(begin, self._samples.end if end is None else end):
            for (channel, _), tones in self._threads.each(enumerate(stretches), tones_of):
                found[channel].append(tones)
            until = stretches[0].end
            done = (until - begin) / rate / length_s
            self._progress(begin + (until - begin) * (NOTES_SHARE + (1 - NOTES_SHARE) * done))
        return _with_best(table, found, most, n_bytes, rate)

    def _stretches_of_tones(self, begin: int, end: int) -> Iterator[list[Stretch]]:
        """Of a section, of each channel one; the last is longer rather than short."""
        stretch, beside = round(STRETCH_S * self._rate), round(BESIDE_TONES_S * self._rate)
        while begin < end:
            until = begin + stretch if end >= begin + stretch + beside else end
            yield self._samples.stretches(begin, until, beside, beside)
            begin = until


def _still_heard(decoder: MusicDecoder, notes: Notes, stretch: Stretch) -> torch.Tensor | None:
    """What a stretch hears of notes that began before its first sample: float32, as its samples; None: nothing."""
    vector, time = notes
    before = torch.argsort(time, stable=True)
    before = before[time[before] < stretch.first]
    sound = NoteSound(decoder, vector[before], time[before].cpu().numpy(), seed=0)
    if not (sound.spans()[1] > stretch.first).any():
        return None
    return sound.samples(stretch.first, len(stretch.samples))


@dataclass(frozen=True)
class _Found:
    """Notes that the network hears in a stretch. notes: times in seconds of it; place: where it puts them, int64 [n],
    samples of the recording; cut: own notes that may sound on after what is heard, seconds of the recording."""

    notes: list[Note]
    place: NDArray[np.int64]
    cut: list[Note]


def _found(model: MusicModel, features: NoteFeatures, stretch: Stretch, cut: list[Note]) -> _Found:
    """cut: of the stretch before."""
    rate = model.decoder.config.sample_rate
    first_s, end_s = stretch.first / rate, (stretch.first + len(stretch.samples)) / rate
    heads = model.encoder.listen(stretch.samples, features)
    notes = pick_notes(heads)
    notes += carried_on(heads, notes, [_moved(note, -first_s) for note in cut])
    # where the network puts it, a note is in one stretch only, wherever it is measured to begin
    place = np.array([round(note.onset_s * rate) for note in notes], np.int64) + stretch.first
    own = [_moved(note, first_s) for note, is_own in zip(notes, _own(place, stretch), strict=True) if is_own]
    return _Found(notes, place, [note for note in own if not note.drum and note.offset_s > end_s - CUT_S])


def _own(place: NDArray[np.int64], stretch: Stretch) -> NDArray[np.bool_]:
    return (place >= stretch.begin) & (place < stretch.end)


def _moved(note: Note, by_s: float) -> Note:
    return replace(note, onset_s=note.onset_s + by_s, offset_s=note.offset_s + by_s)


def _notes_of(
    model: MusicModel,
    found: _Found,
    stretch: Stretch,
    earlier: torch.Tensor | None,
    iterations: int,
    step: float,
    seed: int,
) -> tuple[Notes, Notes]:
    """The notes that begin in a stretch, and those that begin after it, as far as they are heard. earlier: what
    is heard there of notes that began before."""
    decoder = model.decoder.arrays
    measured = measure(stretch.samples, *_columns(found.notes), decoder)
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
    place = found.place[by_time(measured, decoder)]
    own, after = (torch.from_numpy(rows) for rows in (_own(place, stretch), place >= stretch.end))
    time = time + stretch.first
    return (vector[own], time[own]), (vector[after], time[after])


def _with_most(table: EventTable, counts: Sequence[int]) -> EventTable:
    """Of each channel as many events as are allowed, those that are missed most."""
    channels = (table.select(table.channel == channel) for channel in range(table.header.streams))
    return EventTable.joined(table.header, [keep(of, max(0, n)) for of, n in zip(channels, counts, strict=True)])


def _with_best(table: EventTable, found: list[list[Tones]], most: int, n_bytes: int, rate: int) -> EventTable:
    """Notes, and of the tones that were found in each channel those that take most, as many as n_bytes hold. most: that
    were looked for."""
    step, channels = table.header.step[0], len(found)
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
