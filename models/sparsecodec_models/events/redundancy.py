"""How sparse a table of events is: how much events repeat each other, where they are beside the sound, and, for
melodies, how far they are from the notes.

Nothing here reads or writes files. Times are seconds, unless said to be samples at the model's rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.presets import layout_of
from sparsecodec_formats.presets.voices import Voices
from sparsecodec_formats.table import EventTable
from sparsecodec_models.renderer import Renderer

from .sounds import EventSound, event_sounds, event_spans

INAUDIBLE_DB = -60.0  # what of a sound lies so far below its own peak counts as silence
THRESHOLD = 0.5  # of the correlation, above which a pair is redundant
SOUND_DB = -45.0  # re the loudest window, above which there is sound
SOUND_WINDOW_S = 0.02


@dataclass(frozen=True)
class Redundancy:
    """Pairs of events that repeat each other.

    n_events; n_overlapping: pairs of one channel that overlap in time; pairs int64 [p, 2]: rows of the table, the
    redundant ones among those; correlation float64 [p], -1 … 1, of each.
    """

    n_events: int
    n_overlapping: int
    pairs: NDArray[np.int64]
    correlation: NDArray[np.float64]

    @property
    def share(self) -> float:
        """Redundant pairs per event; 0 where there is no event."""
        return self.above(0.0)

    def above(self, threshold: float) -> float:
        """Pairs per event whose correlation is above another threshold, not below the one they were found with."""
        return float((np.abs(self.correlation) > threshold).sum()) / max(1, self.n_events)


def redundancy(codec: Renderer, table: EventTable, threshold: float = THRESHOLD) -> Redundancy:
    """How much events repeat each other.

    The sound of an event is what it adds to the decoded recording, at the model's rate, from the first to the last
    sample that is above -60 dB re its own peak. Two events of a channel *overlap* if there is a sample at which both
    are above that. A pair is *redundant* if it overlaps and |⟨a, b⟩| / (‖a‖ ‖b‖) > threshold, over all samples of both
    (0 where one is not there). The figure is the number of redundant pairs, over the number of events (`share`).

    Neighbours in a voice hardly reach 0.5, even if they sound the same: the fades of events at equal gaps correlate by
    0.25, and at any gaps by less than 0.5. Events of different voices may.
    """
    first, _ = event_spans(codec, table)
    channels = np.unique(table.channel).tolist()
    # the earliest sample of this event and all after it, by channel: what ends before that is done with
    coming: dict[int, dict[int, int]] = {}
    for channel in channels:
        rows = np.flatnonzero(table.channel == channel)
        earliest = np.minimum.accumulate(first[rows][::-1])[::-1]
        coming[channel] = dict(zip(rows.tolist(), earliest.tolist(), strict=True))
    sounding: dict[int, list[_Audible]] = {channel: [] for channel in channels}
    n_overlapping = 0
    pairs, correlation = [], []
    for sound in event_sounds(codec, table):
        here = sounding[sound.channel]
        here[:] = [other for other in here if other.end > coming[sound.channel][sound.row]]
        mine = _audible(sound)
        if mine is None:
            continue
        for other in here:
            overlap, likeness = _compare(other, mine)
            n_overlapping += overlap
            if overlap and abs(likeness) > threshold:
                pairs.append((other.row, mine.row))
                correlation.append(likeness)
        here.append(mine)
    return Redundancy(
        len(table), n_overlapping, np.array(pairs, np.int64).reshape(-1, 2), np.array(correlation, np.float64)
    )


@dataclass(frozen=True)
class _Audible:
    """A sound of unit energy, float32 [m], where it is above -60 dB; `heard`: at which of its samples, bool [m]."""

    row: int
    start: int
    samples: NDArray[np.float32]
    heard: NDArray[np.bool_]

    @property
    def end(self) -> int:
        return self.start + len(self.samples)


def _audible(sound: EventSound) -> _Audible | None:
    """None for silence."""
    size = np.abs(sound.samples)
    peak = float(size.max(initial=0.0))
    if peak < 1e-12:
        return None
    heard = size > peak * 10 ** (INAUDIBLE_DB / 20)
    begin, end = int(heard.argmax()), len(heard) - int(heard[::-1].argmax())
    samples = sound.samples[begin:end] / peak
    samples /= np.sqrt(np.square(samples, dtype=np.float64).sum())
    return _Audible(sound.row, sound.start + begin, samples, heard[begin:end])


def _compare(a: _Audible, b: _Audible) -> tuple[bool, float]:
    """Whether two sounds overlap, and their correlation."""
    begin, end = max(a.start, b.start), min(a.end, b.end)
    if end <= begin:
        return False, 0.0
    in_a, in_b = slice(begin - a.start, end - a.start), slice(begin - b.start, end - b.start)
    overlap = bool((a.heard[in_a] & b.heard[in_b]).any())
    return overlap, float(np.dot(a.samples[in_a], b.samples[in_b]))


def where_sound_is(audio: NDArray[np.float32], sample_rate: int, floor_db: float = SOUND_DB) -> NDArray[np.bool_]:
    """Windows of 20 ms, side by side, whose level is above floor_db re the loudest one: bool [seconds / 0.02].

    audio: float32 [n] or [n, channels] (their energies are added); sample_rate: Hz, 100 or more.
    """
    if not len(audio):
        return np.zeros(0, bool)
    power = np.square(audio, dtype=np.float64).reshape(len(audio), -1).sum(1)
    n_windows = int(np.ceil(len(power) / (SOUND_WINDOW_S * sample_rate)))
    starts = np.unique(np.round(np.arange(n_windows) * SOUND_WINDOW_S * sample_rate).astype(np.int64))
    starts = starts[starts < len(power)]
    mean = np.add.reduceat(power, starts) / np.diff(np.append(starts, len(power)))
    return (mean > mean.max() * 10 ** (floor_db / 10)) & (mean > 0)


def in_silence(table: EventTable, sound: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Events whose time is in a window without sound, and in no neighbour of one with sound: bool [n]."""
    near = sound.copy()
    near[1:] |= sound[:-1]
    near[:-1] |= sound[1:]
    window = np.minimum(table.time / SOUND_WINDOW_S, 2.0**40).astype(np.int64)
    out = np.ones(len(table), bool)
    inside = window < len(near)
    out[inside] = ~near[window[inside]]
    return out


@dataclass(frozen=True)
class Note:
    """A note of a melody: when its attack begins and how long it is, seconds; its fundamental, Hz."""

    onset_s: float
    duration_s: float
    f0_hz: float


@dataclass(frozen=True)
class MelodyErrors:
    """Events against notes. NaN where there is nothing to measure.

    events_per_note float64 [notes]: events whose time is within the note
    time_error_s    float64 [notes]: time of the nearest event, less the note's onset
    fade_error_s    float64 [notes]: the same of the middle of the nearest attack (`event_onsets`)
    pitch_error_cents float64 [m]: pitch less that of the note, of each event within a note that has one
    """

    events_per_note: NDArray[np.float64]
    time_error_s: NDArray[np.float64]
    fade_error_s: NDArray[np.float64]
    pitch_error_cents: NDArray[np.float64]

    @property
    def onset_median_s(self) -> float:
        """Of the size of time_error_s."""
        return _median(np.abs(self.time_error_s))

    @property
    def onset_worst_s(self) -> float:
        """Of the size of time_error_s."""
        return float(np.abs(self.time_error_s).max()) if len(self.time_error_s) else float("nan")

    @property
    def pitch_median_cents(self) -> float:
        """Of the size of pitch_error_cents."""
        return _median(np.abs(self.pitch_error_cents))

    @property
    def pitch_within_50_cents(self) -> float:
        """Share of the events that have a pitch."""
        return float((np.abs(self.pitch_error_cents) <= 50).mean()) if len(self.pitch_error_cents) else float("nan")


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def event_onsets(table: EventTable) -> NDArray[np.float64]:
    """When each event comes in, seconds, float64 [n]: the middle of its attack, which is before its time and, where it
    is linked, begins no earlier than the event before it in its channel. A preset that does not tell: its time."""
    voices = Voices.of(table)
    return table.time - 0.5 * voices.attack_s if voices.linked else table.time.copy()


def melody_errors(table: EventTable, notes: Sequence[Note], pitched: NDArray[np.bool_] | None = None) -> MelodyErrors:
    """How many events notes take, and how far their onsets and pitches are from the truth.

    pitched: bool [n], which events have a pitch (`Codec.has_pitch`); by default those where it is not exactly 0 in the
    file, which is what encoders write for none. Any event may be the nearest to an onset, so that many events make
    small errors by chance, a quarter of the gap between them: compare with a grid of as many.
    """
    layout = layout_of(table.header)
    semitones = np.zeros(len(table))
    if "f0_semitones" not in layout.dims:
        pitched = np.zeros(len(table), bool)
    else:
        semitones = layout.physical(table, "f0_semitones")
        if pitched is None:
            pitched = table.vector[:, layout.dim("f0_semitones").index] != 0
    middles = event_onsets(table)
    counts, time_errors, fade_errors, pitch_errors = [], [], [], [np.zeros(0)]
    for note in notes:
        since = table.time - note.onset_s + 1e-9  # sums of decimals
        within = (since >= 0) & (since < note.duration_s)
        counts.append(float(within.sum()))
        time_errors.append(_nearest(table.time - note.onset_s))
        fade_errors.append(_nearest(middles - note.onset_s))
        pitch_errors.append(100 * (semitones[within & pitched] - 12 * np.log2(note.f0_hz / 110.0)))
    return MelodyErrors(
        np.array(counts, np.float64),
        np.array(time_errors, np.float64),
        np.array(fade_errors, np.float64),
        np.concatenate(pitch_errors),
    )


def _nearest(away: NDArray[np.float64]) -> float:
    return float(away[np.abs(away).argmin()]) if len(away) else float("nan")
