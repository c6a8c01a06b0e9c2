"""The `speech` decoder, first part: event vectors → controls, named physical quantities with units."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_formats.presets.voices import BEGINS_ABOVE
from sparsecodec_models.dsp.arrays import Array, library_of
from sparsecodec_models.dsp.mel import band_centres_hz, interpolation_matrix
from sparsecodec_models.dsp.room import room_gain
from sparsecodec_models.speech.config import PRESET, SpeechConfig

F0_REFERENCE_HZ = 110.0
SHAPE_LOW_HZ, SHAPE_HIGH_HZ = 100.0, 10500.0
VOICE_LOW_HZ, VOICE_HIGH_HZ = 300.0, 7000.0
NAMED = tuple(LAYOUTS[PRESET].dims)[:8]
CONTRAST_BANDS = 2.5
"""Standard deviation of the weights with which bands count as those about a band (`SpeechConfig.contrast`)."""
UNVOICED = 0.08  # mean voicing below which an event has no pitch of its own


@dataclass(frozen=True)
class SpeechControls:
    """What a person can read in n events. Fields are float32 arrays of either library, first axis n; `begins` is bool;
    times and pitch (attack_s, decay_s, octave) is float64.

    level_db        [n]     level of the source at the event's time, dB re full scale
    attack_s        [n]     time over which it comes in before its time, seconds; at most the gap where it is linked
    decay_s         [n]     time over which it dies away, seconds, where no event is linked to it
    octave          [n]     log2 of the fundamental at its time, Hz: 40 … 1760 Hz
    glide_semitones [n]     change of f0 over the decay, semitones
    phase_cycles    [n]     phase of the fundamental at its time, cycles, 0 … 1, where the event begins by itself
    begins          [n]     it begins by itself; else it is linked: it carries on the sound of the event before it
    room_gain       [n]     linear gain of the send to the room
    shape_db        [n, B]  spectral level per band, dB, relative (its power is normalised away)
    voicing         [n, V]  share of power that is harmonic, 0 … 1, the rest is noise
    """

    level_db: Array
    attack_s: Array
    decay_s: Array
    octave: Array
    glide_semitones: Array
    phase_cycles: Array
    begins: Array
    room_gain: Array
    shape_db: Array
    voicing: Array

    def __getitem__(self, index: Array | slice) -> SpeechControls:
        return SpeechControls(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    @property
    def f0_hz(self) -> Array:
        """float32 [n]."""
        xp = library_of(self.octave)
        return xp.astype(xp.exp2(self.octave), "float32")

    @property
    def voiced(self) -> Array:
        """Events with a pitch of their own, bool [n]."""
        return library_of(self.voicing).detach(self.voicing).mean(1) >= UNVOICED


@dataclass(frozen=True)
class SpeechTables:
    """What the synthesis needs beside the events, as arrays of one library: numpy, or torch, on any device and with
    gradients where they are asked for.

    shape_mean     float32 [B + V]      levels (dB) and voicing (logits) where all coefficients are 0
    shape_basis    float32 [24, B + V]  what each coefficient adds
    band_to_bin    float32 [B, bins]    levels of bands → of the bins of a frame
    voice_to_bin   float32 [V, bins]    the same of voicing
    scale, offset  float64 [8]          of the named dims: control = offset + scale · number
    low, high      float64 [8]          their ranges

    The first eight dims of a vector are affine images of the physical controls (`sparsecodec_formats.presets`, so that
    commands without weights can edit them); the rest are coefficients of a linear map to band levels and voicing.
    """

    config: SpeechConfig
    shape_mean: Array
    shape_basis: Array
    band_to_bin: Array
    voice_to_bin: Array
    scale: Array
    offset: Array
    low: Array
    high: Array

    def in_numpy(self) -> SpeechTables:
        """The same as numpy arrays, without gradients."""
        xp = library_of(self.shape_mean)
        arrays = {f.name: xp.numpy(getattr(self, f.name)) for f in fields(self) if f.name != "config"}
        return SpeechTables(self.config, **arrays)

    def heard(self) -> SpeechTables:
        """The same for decoding. What is rounded, and moves on lines from event to event, is flatter than speech is, so
        levels of bands stand out a little more. An analysis does without: a fit would take it back."""
        contrast = library_of(self.band_to_bin).asarray(_contrast(self.config), self.band_to_bin)
        return replace(self, band_to_bin=contrast @ self.band_to_bin)

    def controls(self, vector: Array) -> SpeechControls:
        """Event vectors float32 [n, 32] → controls. Values outside the physical range are clamped, so any vector
        sounds."""
        xp, c = library_of(vector), self.config
        # in double precision, rounded at the end: where single powers differ between processors, pitch would drift
        named = xp.astype(vector[:, : c.named_dims], "float64") * self.scale + self.offset
        level, attack, decay, f0, glide, phase, begins, room = xp.clip(named, self.low, self.high).T
        both = vector[:, c.named_dims :] @ self.shape_basis + self.shape_mean
        return SpeechControls(
            level_db=xp.astype(level, "float32"),
            attack_s=xp.exp2(attack),
            decay_s=xp.exp2(decay),
            octave=math.log2(F0_REFERENCE_HZ) + f0 / 12.0,
            glide_semitones=xp.astype(glide, "float32"),
            phase_cycles=xp.astype(xp.remainder(phase, 1.0), "float32"),
            begins=xp.detach(begins) > BEGINS_ABOVE,
            room_gain=room_gain(room),
            shape_db=xp.clip(both[:, : c.bands], -120.0, 60.0),
            voicing=xp.sigmoid(both[:, c.bands :]),
        )


def _contrast(config: SpeechConfig) -> NDArray[np.float32]:
    """Levels of bands → the same with more contrast, float32 [bands, bands]."""
    away = np.arange(config.bands)[:, None] - np.arange(config.bands)
    weight = np.exp(-0.5 * (away / CONTRAST_BANDS) ** 2)
    mean = weight / weight.sum(0)
    return ((1.0 + config.contrast) * np.eye(config.bands) - config.contrast * mean).astype(np.float32)


def fixed_tables(config: SpeechConfig) -> dict[str, NDArray[np.floating]]:
    """The fields of `SpeechTables` that are not in weights, as they follow from the config."""
    bin_hz = np.arange(config.frame_size // 2 + 1) * config.sample_rate / config.frame_size
    shape_hz = band_centres_hz(config.bands, SHAPE_LOW_HZ, SHAPE_HIGH_HZ)
    voice_hz = band_centres_hz(config.voice_bands, VOICE_LOW_HZ, VOICE_HIGH_HZ)
    dims = [LAYOUTS[PRESET].dims[name] for name in NAMED]
    return {
        "band_to_bin": interpolation_matrix(shape_hz, bin_hz).T.astype(np.float32),
        "voice_to_bin": interpolation_matrix(voice_hz, bin_hz).T.astype(np.float32),
        **{name: np.array([getattr(dim, name) for dim in dims]) for name in ("scale", "offset", "low", "high")},
    }
