"""What is measured of notes."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]


@dataclass(frozen=True)
class MeasuredNotes:
    """Physical numbers of n notes, as the decoder's controls name them. float64 [n] unless said otherwise.

    onset_s; level_db; attack_s; decay_low_s; decay_high_s; duration_s; release_s; f0_hz; inharmonicity;
    vibrato_semitones; vibrato_hz; noise_db; noise_decay_s; pitched bool [n];
    partial_hz, partial_db, partial_weight  float64 [n, k]: the level of each partial, dB re full scale, and how far it
        could be seen, 0 … 1; of notes with fewer partials the rest has weight 0
    noise_band_db  float64 [n, 8]: power in each noise band, dB re full scale
    """

    onset_s: FloatArray
    level_db: FloatArray
    attack_s: FloatArray
    decay_low_s: FloatArray
    decay_high_s: FloatArray
    duration_s: FloatArray
    release_s: FloatArray
    f0_hz: FloatArray
    inharmonicity: FloatArray
    vibrato_semitones: FloatArray
    vibrato_hz: FloatArray
    noise_db: FloatArray
    noise_decay_s: FloatArray
    pitched: NDArray[np.bool_]
    partial_hz: FloatArray
    partial_db: FloatArray
    partial_weight: FloatArray
    noise_band_db: FloatArray

    def __len__(self) -> int:
        return len(self.onset_s)

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> MeasuredNotes:
        return MeasuredNotes(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})
