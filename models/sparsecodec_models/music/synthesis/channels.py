"""The `music` decoder from a table: of each channel its notes and its tones, as sounds to be heard from anywhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_formats.presets.voices import Voices
from sparsecodec_formats.table import EventTable
from sparsecodec_models.dsp.arrays import Array, library_of
from sparsecodec_models.music.config import PRESET

from .controls import MusicDecoder
from .notes import Rows
from .samples import NoteSound
from .tones import ToneSound

_CPU = np.zeros(0, np.float32)


class TableSound:
    """The sound of a table's events, to be heard from anywhere.

    Attributes: chains, the rows of each note of several events; notes and tones, of each channel.
    """

    def __init__(
        self,
        decoder: MusicDecoder,
        table: EventTable,
        time: Rows,
        seed: int,
        amplitude: NDArray[np.float32] | None = None,
        like: Array = _CPU,
    ) -> None:
        """time: int64 [n], samples of the events; seed: of the noise; amplitude: float32 [n], None for ones; like: an
        array of the library, and on the device, that makes the sound."""
        self.chains, self._time, self._xp = Voices.of(table).chains, time, library_of(like)
        self.notes: list[NoteSound] = []
        self.tones: list[ToneSound] = []
        self._rows: list[Rows] = []  # of the notes of each channel, then of its tones
        tone = LAYOUTS[PRESET].tones(table.vector)

        def columns(rows: Rows) -> tuple[Array, Rows, NDArray[np.float32] | None]:
            vector = self._xp.asarray(table.vector[rows], like)
            return vector, time[rows], None if amplitude is None else amplitude[rows]

        for stream, number in enumerate(table.header.noise_numbers):
            here = table.channel == stream
            rows, of_tones = np.flatnonzero(here & ~tone), np.flatnonzero(here & tone)
            place = np.full(len(table), -1)
            place[rows] = np.arange(len(rows))
            runs = [place[chain] for chain in self.chains if place[chain[0]] >= 0]
            vector, at, gain = columns(rows)
            self.notes.append(NoteSound(decoder, vector, at, runs=runs, seed=seed, channel=number, amplitude=gain))
            self.tones.append(ToneSound(decoder, *columns(of_tones)))
            self._rows += [rows, of_tones]

    def spans(self) -> tuple[Rows, Rows]:
        """Samples outside of which each event is silent, its room with it: first, last (exclusive), int64 [n] each."""
        first, last = np.zeros_like(self._time), np.zeros_like(self._time)
        sounds = (sound for both in zip(self.notes, self.tones, strict=True) for sound in both)
        for rows, sound in zip(self._rows, sounds, strict=True):
            first[rows], last[rows] = sound.spans()
        return first, last

    def __call__(self, start: int, stop: int) -> NDArray[np.float32]:
        """Samples start … stop - 1 of each channel: float32 [stop - start, channels]."""
        both = zip(self.notes, self.tones, strict=True)
        sounds = [notes.samples(start, stop - start) + tones.samples(start, stop - start) for notes, tones in both]
        return np.stack([self._xp.numpy(sound) for sound in sounds], 1)
