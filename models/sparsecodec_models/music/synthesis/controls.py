"""The `music` decoder, first part: event vectors → controls, named physical quantities with units."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_formats.presets.layout import NOTE_ABOVE, TONE_BELOW
from sparsecodec_formats.presets.voices import BEGINS_ABOVE
from sparsecodec_models.dsp.arrays import Array, library_of
from sparsecodec_models.dsp.room import room_gain
from sparsecodec_models.music.config import PRESET, MusicConfig

F0_REFERENCE_HZ = 110.0
NAMED = tuple(LAYOUTS[PRESET].dims)[:16]
LEAST_DB, MOST_DB = -120.0, 60.0  # of the spectra's points
_RANGES = tuple(
    np.array([getattr(LAYOUTS[PRESET].dims[name], field) for name in NAMED])
    for field in ("scale", "offset", "low", "high")
)


@dataclass(frozen=True)
class MusicControls:
    """What a person can read in n events. First axis n; float64 where time or pitch depends on it, else float32.

    level_db           float32 [n]      RMS level of the partials together when the attack is over, dB re full scale
    attack_s           float64 [n]      from the event's time to full level, seconds
    decay_low_s        float32 [n]      T60 of a partial at 100 Hz, seconds
    decay_high_s       float32 [n]      T60 of a partial at 5 kHz, seconds
    duration_s         float64 [n]      from the event's time to the release, seconds
    release_s          float32 [n]      T60 that is added after it, seconds
    f0_semitones       float64 [n]      pitch, semitones re 110 Hz: -24 … 63.5
    inharmonicity      float64 [n]      B: partial k is at k f0 sqrt(1 + B k²)
    vibrato_semitones  float64 [n]      depth of the vibrato, either way
    vibrato_hz         float64 [n]      its rate
    noise_db           float32 [n]      level of the noise, dB re `level_db`
    noise_decay_s      float32 [n]      its T60, seconds
    pitched            bool    [n]      a note or a tone; else a drum: the partials are those of a membrane
    tone               bool    [n]      one sinusoid under a window; level, pitch, duration, phase, room tell all of it
    begins             bool    [n]      it begins by itself; else it carries on a note
    room_gain          float32 [n]      linear gain of the send to the room
    phase_cycles       float64 [n]      of a tone at its onset, cycles
    partial_db         float32 [n, P]   level of partials at P frequencies, dB, relative (power is normalised away)
    noise_band_db      float32 [n, B]   level of noise per band, dB, likewise
    """

    level_db: Array
    attack_s: Array
    decay_low_s: Array
    decay_high_s: Array
    duration_s: Array
    release_s: Array
    f0_semitones: Array
    inharmonicity: Array
    vibrato_semitones: Array
    vibrato_hz: Array
    noise_db: Array
    noise_decay_s: Array
    pitched: Array
    tone: Array
    begins: Array
    room_gain: Array
    phase_cycles: Array
    partial_db: Array
    noise_band_db: Array

    def __getitem__(self, index: Array | slice) -> MusicControls:
        return MusicControls(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def __len__(self) -> int:
        return len(self.level_db)

    @property
    def f0_hz(self) -> Array:
        """float64 [n]."""
        return F0_REFERENCE_HZ * library_of(self.f0_semitones).exp2(self.f0_semitones / 12.0)


@dataclass(frozen=True)
class MusicDecoder:
    """Maps vectors to controls. The first 16 dims are affine images of the physical controls
    (`sparsecodec_formats.presets`); the rest are coefficients of `shape_basis`, a linear map to the levels of partials
    and of noise bands, dB.

    shape_mean: float32 [P + B]; shape_basis: float32 [16, P + B].
    """

    config: MusicConfig
    shape_mean: NDArray[np.float32]
    shape_basis: NDArray[np.float32]

    @staticmethod
    def plain(config: MusicConfig | None = None) -> MusicDecoder:
        """Without weights: the coefficients are those of two cosine transforms, 11 of the partials' curve, 5 of the
        bands'."""
        config = config or MusicConfig()
        mean, basis = _plain_shapes(config)
        return MusicDecoder(config, mean.astype(np.float32), basis.astype(np.float32))

    def controls(self, vector: Array) -> MusicControls:
        """Event vectors float32 [n, 32] → controls. Values outside the physical range are clamped, so any vector
        sounds."""
        c, xp = self.config, library_of(vector)
        scale, offset, low, high = (xp.asarray(values, vector) for values in _RANGES)
        named = xp.clip(xp.astype(vector[:, : c.named_dims], "float64") * scale + offset, low, high)
        of = dict(zip(NAMED, named.T, strict=True))
        mean, basis = xp.asarray(self.shape_mean, vector), xp.asarray(self.shape_basis, vector)
        shape = xp.clip(vector[:, c.named_dims :] @ basis + mean, LEAST_DB, MOST_DB)
        kind = xp.detach(of["kind"])
        return MusicControls(
            level_db=xp.astype(of["level_db"], "float32"),
            attack_s=xp.exp2(of["attack_log2_s"]),
            decay_low_s=xp.astype(xp.exp2(of["decay_low_log2_s"]), "float32"),
            decay_high_s=xp.astype(xp.exp2(of["decay_high_log2_s"]), "float32"),
            duration_s=xp.exp2(of["duration_log2_s"]),
            release_s=xp.astype(xp.exp2(of["release_log2_s"]), "float32"),
            f0_semitones=of["f0_semitones"],
            inharmonicity=xp.exp2(of["inharmonicity_log2"]),
            vibrato_semitones=of["vibrato_semitones"],
            vibrato_hz=of["vibrato_hz"],
            noise_db=xp.astype(of["noise_db"], "float32"),
            noise_decay_s=xp.astype(xp.exp2(of["noise_decay_log2_s"]), "float32"),
            pitched=(kind > NOTE_ABOVE) | (kind < TONE_BELOW),
            tone=kind < TONE_BELOW,
            begins=xp.detach(of["begins"]) > BEGINS_ABOVE,
            room_gain=room_gain(of["room_db"]),
            phase_cycles=of["phase_cycles"],
            partial_db=shape[:, : c.partial_points],
            noise_band_db=shape[:, c.partial_points :],
        )


def partial_points_hz(config: MusicConfig) -> np.ndarray:
    """Frequencies of the points of the partials' curve, float64 [P]."""
    return np.geomspace(config.partial_low_hz, config.partial_high_hz, config.partial_points)


def noise_centres_hz(config: MusicConfig) -> np.ndarray:
    """Centres of the noise bands, float64 [B]."""
    return np.geomspace(config.noise_low_hz, config.noise_high_hz, config.noise_bands)


def _plain_shapes(config: MusicConfig) -> tuple[np.ndarray, np.ndarray]:
    """Mean [P + B] and basis [coefficients, P + B], dB: partials that fall by 9 dB an octave and flat noise, and
    cosines of 4 dB, without the constant ones (levels are normalised)."""
    points, bands = config.partial_points, config.noise_bands
    mean = np.zeros(points + bands)
    mean[:points] = -9.0 * np.log2(partial_points_hz(config) / config.partial_low_hz)
    basis = np.zeros((config.vector_dims - config.named_dims, points + bands))
    of_noise = 5
    of_partials = len(basis) - of_noise
    for rows, columns in ((slice(0, of_partials), slice(0, points)), (slice(of_partials, None), slice(points, None))):
        part = basis[rows, columns]
        order, place = np.arange(1, part.shape[0] + 1)[:, None], (np.arange(part.shape[1]) + 0.5) / part.shape[1]
        part[:] = 4.0 * np.cos(np.pi * order * place)
    return mean, basis
