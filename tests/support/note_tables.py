"""Tables of preset `music`, written note by note."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from sparsecodec_formats import LAYOUTS, EventTable, Header

MUSIC = LAYOUTS["music"]


@dataclass(frozen=True)
class Event:
    """An event of `music`: a note, or with `begins` False what carries one on. drum: no pitch, and noise_db beside
    the modes, which falls by 60 dB in noise_s. tone: no note at all."""

    time_s: float
    midi: float
    duration_s: float = 0.25
    level_db: float = -20.0
    begins: bool = True
    channel: int = 0
    amplitude: float = 1.0
    drum: bool = False
    tone: bool = False
    noise_db: float = -60.0
    noise_s: float = 0.15
    decay_s: float = 3.0
    release_s: float = 0.15


def music_table(*events: Event, seconds: float = 3.0, channels: int = 1, rate: int = 22_050) -> EventTable:
    """A table of these events, in the order of their times."""
    header = Header(rate, channels, round(seconds * rate), "music", bytes(4), Fraction(64, 22_050), (1.0,) * 32)
    vector = np.zeros((len(events), 32))
    for row, event in zip(vector, events, strict=True):
        for name, value in {
            "level_db": event.level_db,
            "decay_low_log2_s": np.log2(event.decay_s),
            "duration_log2_s": np.log2(event.duration_s),
            "release_log2_s": np.log2(event.release_s),
            "f0_semitones": event.midi - 45,
            "noise_db": event.noise_db,
            "noise_decay_log2_s": np.log2(event.noise_s),
            "kind": -1 if event.tone else not event.drum,
            "begins": event.begins,
        }.items():
            dim = MUSIC.dims[name]
            row[dim.index] = (value - dim.offset) / dim.scale
    columns = ([getattr(event, name) for event in events] for name in ("time_s", "channel", "amplitude"))
    time_s, channel, amplitude = columns
    return EventTable.from_unsorted(header, time_s, vector, channel, amplitude)


BEAT_S = 0.5
MELODY = [60, 62, 64, 65, 67, 69, 71, 72]
CHORDS = [(48, 52, 55), (53, 57, 60), (55, 59, 62), (48, 52, 55)]


def little_song(channels: int = 1) -> EventTable:
    """A scale over four chords, with a vibraphone's bend here and there, and drums: 4 s."""
    events = []
    for i, midi in enumerate(MELODY):
        events.append(Event(BEAT_S * i, midi + 0.1 * (i % 3), 0.45, level_db=-24 + 2 * i))
        drum = dict(drum=True, channel=channels - 1)
        events.append(Event(BEAT_S * i, 33, 0.1, level_db=-12, **drum))  # type: ignore[arg-type]
        events.append(Event(BEAT_S * (i + 0.5), 90, 0.05, level_db=-40, noise_db=12, **drum))  # type: ignore[arg-type]
        if i % 2:
            snare = dict(level_db=-22, noise_db=0, noise_s=0.3)
            events.append(Event(BEAT_S * i, 55, 0.1, **snare, **drum))  # type: ignore[arg-type]
    for i, chord in enumerate(CHORDS):
        events += [Event(2 * BEAT_S * i + 0.01 * k, midi, 0.9, level_db=-30) for k, midi in enumerate(chord)]
    return music_table(*events, seconds=4.0, channels=channels)
