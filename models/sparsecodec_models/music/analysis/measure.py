"""Notes measured without gradients: from a recording and a list of notes to the numbers of an event.

First what has a pitch: tuning, onsets, then whose power is whose. These notes' partials are played by the decoder, and
what they do not explain is noise and drums.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sparsecodec_models.music.synthesis.controls import MusicDecoder
from sparsecodec_models.music.synthesis.samples import render

from .bursts import TOGETHER_S, Bands, band_edges_hz, bands_of, burst, low_mode
from .measured import MeasuredNotes
from .onsets import refine_onsets
from .sharing import MOST_PARTIALS, share_power
from .spectrogram import FLOOR_POWER, TOP_HZ, Spectrogram, spectrogram
from .tuning import tune
from .vectors import vectors_of

FloatArray = NDArray[np.floating]

_ALL_BINS_HZ = 43.0  # partials that lie in every bin: the rise of a drum
_DRUM_HZ = 200.0  # of a drum without a clear mode
_LEAST_RE_NOISE_DB = -20.0  # level of a drum's modes that is told at least
_SHORTEST_S = 0.02
_VALLEY_TRUST = 2.0  # times the noise between partials that noise may have
_SPLATTER = 8.0  # times what the partials' own attacks put between them, which is taken off


def measure(
    samples: FloatArray,
    onset_s: FloatArray,
    offset_s: FloatArray,
    midi: FloatArray,
    drum: NDArray[np.bool_],
    decoder: MusicDecoder,
) -> MeasuredNotes:
    """The notes of a recording, or of a part of it, measured.

    samples: float32 [n] at 22,050 Hz; notes float64 [m] each, in any order, seconds from the first sample: onset to a
    few hundredths, when the key is let go, pitch to a semitone (any number for drums); drum: bool [m].
    """
    onset, drum = np.array(onset_s, dtype=np.float64), np.array(drum, dtype=bool)
    offset = np.maximum(np.array(offset_s, dtype=np.float64), onset + _SHORTEST_S)
    measured = _nothing(drum, decoder.config.noise_bands)
    if not len(onset):
        return measured
    sound = spectrogram(samples)
    pitched, drums = np.flatnonzero(~drum), np.flatnonzero(drum)
    _measure_partials(measured, pitched, samples, sound, onset, offset, np.asarray(midi, dtype=np.float64))
    every_bin = np.full(len(drums), _ALL_BINS_HZ)
    measured.onset_s[drums], _ = refine_onsets(samples, onset[drums], offset[drums] + 0.1, every_bin, 0.0 * every_bin)
    _measure_noise(measured, pitched, samples, sound, np.asarray(midi), decoder)
    return measured


def _nothing(drum: NDArray[np.bool_], bands: int) -> MeasuredNotes:
    """Columns to be filled in."""
    count = len(drum)
    columns: dict[str, NDArray[Any]] = {f.name: np.zeros(count) for f in dataclasses.fields(MeasuredNotes)}
    columns["partial_hz"] = np.full((count, MOST_PARTIALS), TOP_HZ)
    columns["partial_db"] = np.full((count, MOST_PARTIALS), -120.0)
    columns["partial_weight"] = np.zeros((count, MOST_PARTIALS))
    columns["noise_band_db"] = np.full((count, bands), -120.0)
    columns["noise_db"] += -90.0
    columns["noise_decay_s"] += 0.05
    columns["pitched"] = ~drum
    return MeasuredNotes(**columns)


def _measure_partials(
    measured: MeasuredNotes,
    rows: NDArray[np.int64],
    samples: FloatArray,
    sound: Spectrogram,
    onset_s: FloatArray,
    offset_s: FloatArray,
    midi: FloatArray,
) -> None:
    """Fills in all but the noise of these rows."""
    tuning = tune(sound, onset_s[rows], offset_s[rows], midi[rows])
    onset, attack = refine_onsets(samples, onset_s[rows], offset_s[rows], tuning.f0_hz, tuning.inharmonicity)
    offset = np.maximum(offset_s[rows], onset + _SHORTEST_S)
    notes = share_power(sound, onset, offset, attack, tuning.f0_hz, tuning.inharmonicity)
    for name, column in dataclasses.asdict(tuning).items():
        getattr(measured, name)[rows] = column
    for i, note in zip(rows, notes, strict=True):
        measured.onset_s[i], measured.attack_s[i] = note.onset_s, note.attack_s
        measured.level_db[i] = 10.0 * np.log10((10.0 ** (note.level_db / 10.0)).sum() + FLOOR_POWER)
        measured.decay_low_s[i], measured.decay_high_s[i] = note.t60_low_s, note.t60_high_s
        measured.duration_s[i], measured.release_s[i] = note.duration_s, note.release_s
        partials = len(note.hz)
        measured.partial_hz[i, :partials], measured.partial_db[i, :partials] = note.hz, note.level_db
        measured.partial_weight[i, :partials] = note.weight / (note.weight.max() + 1e-12)


def _measure_noise(
    measured: MeasuredNotes,
    pitched: NDArray[np.int64],
    samples: FloatArray,
    sound: Spectrogram,
    midi: FloatArray,
    decoder: MusicDecoder,
) -> None:
    """Fills in the noise of all notes, and the modes of drums."""
    vector, time = vectors_of(measured[pitched], decoder)
    with torch.no_grad():
        partials = render(decoder, vector, time, 0, len(samples)).numpy()
    played = spectrogram(partials)
    there, explained = bands_of(samples, sound, decoder.config), bands_of(partials, played, decoder.config)
    rest = Bands(
        np.maximum(there.everything - explained.everything, 0.0),
        np.maximum(there.valleys - _SPLATTER * explained.valleys, 0.0),
    )
    quiet = np.minimum(rest.everything, _VALLEY_TRUST * rest.valleys)
    onset, drum = measured.onset_s, ~measured.pitched
    edges = band_edges_hz(decoder.config)
    order = np.argsort(onset, kind="stable")
    starts = onset[order]
    place = 0
    while place < len(order):
        group = order[place : int(np.searchsorted(starts, starts[place] + TOGETHER_S, side="right"))]
        place += len(group)
        next_s = float(starts[place]) if place < len(order) else np.inf
        drums = group[drum[group]]
        some = drums if len(drums) else group  # where a drum is struck, noise is its
        until_s = min(next_s, float((onset + measured.duration_s)[some].max()) + 0.3)
        attack_s = 0.001 if len(drums) else float(measured.attack_s[some].min())
        first_s = float(onset[some].min())
        power, t60 = burst(
            rest.everything if len(drums) else quiet, first_s, next_s if len(drums) else until_s, attack_s
        )
        if len(drums):
            lowest = drums[np.argmin(midi[drums])]  # the mode is the largest drum's
            mode = low_mode(sound, played.power, float(onset[lowest]), next_s)
            if mode is not None:  # what is the mode's is not the noise's
                band = int(np.clip(np.searchsorted(edges, mode[0]) - 1, 0, len(power) - 1))
                power[band] = max(power[band] - mode[1], 0.1 * power[band])
            for i in drums:
                _write_drum(measured, i, mode if i == lowest else None, power / len(drums) ** 2)
        loud = 10.0 ** (measured.level_db[some] / 10.0)
        part = np.full(len(some), 1.0 / len(some)) if len(drums) else loud / loud.sum()
        # the noise of all events is the same: amplitudes add up
        part = part**2
        shared = np.maximum(part[:, None] * power, FLOOR_POWER)
        measured.noise_band_db[some] = 10.0 * np.log10(shared)
        measured.noise_db[some] = 10.0 * np.log10(shared.sum(1)) - measured.level_db[some]
        measured.noise_decay_s[some] = t60


def _write_drum(
    measured: MeasuredNotes, i: int, mode: tuple[float, float, float] | None, noise_power: FloatArray
) -> None:
    hz, power, t60 = mode or (_DRUM_HZ, 0.0, 0.2)
    noise_db = 10.0 * np.log10(noise_power.sum() + FLOOR_POWER)
    level_db = max(10.0 * np.log10(power + FLOOR_POWER), noise_db + _LEAST_RE_NOISE_DB)
    measured.level_db[i], measured.f0_hz[i] = level_db, hz
    measured.partial_hz[i, 0], measured.partial_db[i, 0], measured.partial_weight[i, 0] = hz, level_db, 1.0
    measured.decay_low_s[i] = measured.decay_high_s[i] = t60
    measured.attack_s[i], measured.vibrato_hz[i] = 0.001, 5.5
    # it rings on until it has died away
    measured.duration_s[i], measured.release_s[i] = 1.5, 0.15
