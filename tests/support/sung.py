"""Voices by formula, whose pitch is known: vowels as sums of harmonics, glides, and creak."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats import EventTable
from sparsecodec_models.renderer import Renderer
from sparsecodec_models.speech.synthesis.voices import follow, plan_frames

RATE = 22_050
VOWELS_HZ = {
    "a": (750.0, 1200.0, 2600.0, 3500.0),
    "e": (450.0, 1900.0, 2600.0, 3500.0),
    "o": (450.0, 800.0, 2500.0, 3400.0),
}
BANDWIDTHS_HZ = (80.0, 100.0, 140.0, 200.0)
HIGHEST_HZ = 9000.0


def formant_gain(hz: NDArray[np.float64], vowel: str) -> NDArray[np.float64]:
    """Of the throat at some frequencies."""
    gain = np.ones_like(hz)
    for centre, bandwidth in zip(VOWELS_HZ[vowel], BANDWIDTHS_HZ, strict=True):
        pole = complex(-np.pi * bandwidth, 2 * np.pi * centre)
        s = 2j * np.pi * hz
        gain = gain * np.abs(abs(pole) ** 2 / ((s - pole) * (s - pole.conjugate())))
    return gain


def sung(f0_hz: NDArray[np.float64], vowel: str = "a") -> NDArray[np.float32]:
    """A vowel with this fundamental at each sample, peak 0.5: float32 [n]. Before the throat harmonics fall by 6 dB an
    octave."""
    cycles = np.cumsum(f0_hz) / RATE
    sound = np.zeros(len(f0_hz))
    for number in range(1, int(HIGHEST_HZ / f0_hz.min()) + 1):
        hz = number * f0_hz
        weight = formant_gain(hz, vowel) / number * (hz < HIGHEST_HZ)
        sound += weight * np.cos(2 * np.pi * number * cycles + number**2)
    fade = np.minimum(1.0, np.minimum(np.arange(len(sound)), np.arange(len(sound))[::-1]) / (0.03 * RATE))
    return (0.5 * fade * sound / np.abs(sound).max()).astype(np.float32)


def with_vibrato(f0_hz: float, seconds: float, cents: float = 30.0) -> NDArray[np.float64]:
    """The fundamental of a held note, Hz: float64 [n]."""
    t = np.arange(int(seconds * RATE)) / RATE
    return f0_hz * 2 ** (cents / 1200 * np.sin(2 * np.pi * 5.5 * t))


def creaked(
    f0_hz: float, seconds: float, jitter: float, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Pulses of a vowel that come irregularly, intervals differing by `jitter` of their mean: (float32 [n], peak 0.5;
    how many come a second about each sample, float64 [n])."""
    rng = np.random.default_rng(seed)
    size = 2 ** int(np.ceil(np.log2(seconds * RATE)))
    hz = np.fft.rfftfreq(size, 1 / RATE)
    interval_s = (1 + jitter * rng.uniform(-np.sqrt(3), np.sqrt(3), int(seconds * f0_hz))) / f0_hz
    place_s = np.cumsum(interval_s)
    pulses = np.exp(-2j * np.pi * np.outer(hz, place_s[place_s < seconds - 0.05])).sum(1)
    spectrum = pulses * formant_gain(hz, "a") / np.maximum(hz, 100.0) * ((hz > 20.0) & (hz < HIGHEST_HZ))
    sound = np.fft.irfft(spectrum, size)[: int(seconds * RATE)]
    mean_s = np.convolve(interval_s, np.ones(4) / 4, "valid")  # of four, as many as a pitch is heard from
    truth_hz = np.interp(np.arange(len(sound)) / RATE, place_s[1:-2], 1 / mean_s)
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32), truth_hz


def pitch_course(
    renderer: Renderer, table: EventTable, voicing_from: float = 0.3
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What the decoder sings: places of its frames, samples, and their fundamental, Hz, 0 where the mean voicing of the
    events about them is less than `voicing_from`: float64 [m] both."""
    tables = renderer._tables.in_numpy()  # type: ignore[attr-defined]
    config = tables.config
    time, controls = renderer.event_samples(table), tables.controls(table.vector)
    plan = plan_frames(controls, time, config)
    tracks = follow(controls, time, plan, config)
    own = np.asarray(controls.voicing).mean(1)
    before, after = (own[np.maximum(rows, 0)] for rows in (plan.before, plan.after))
    voicing = np.where(plan.before < 0, after, np.where(plan.after < 0, before, np.maximum(before, after)))
    place = np.asarray(plan.frame) * config.frame_hop
    return place, np.where(voicing >= voicing_from, tracks.f0_hz, 0.0)


def cents_off(
    place: NDArray[np.float64], heard_hz: NDArray[np.float64], truth_hz: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Cents, of frames in the middle of a sound whose truth is known at each sample; infinite where nothing is sung."""
    margin = int(0.15 * RATE)
    inside = (place >= margin) & (place < len(truth_hz) - margin)
    truth = truth_hz[place[inside].astype(int)]
    return np.where(heard_hz[inside] > 0, 1200 * np.abs(np.log2(np.maximum(heard_hz[inside], 1.0) / truth)), np.inf)


def harmonic_levels_db(samples: NDArray[np.floating], f0_hz: float, up_to_hz: float = 4500.0) -> NDArray[np.float64]:
    """Level of each harmonic in the middle of a steady sound: float64 [harmonics], dB."""
    size = 8192
    start = (len(samples) - size) // 2
    power = np.abs(np.fft.rfft(samples[start : start + size] * np.hanning(size))) ** 2
    hz = np.fft.rfftfreq(size, 1 / RATE)
    numbers = np.arange(1, int(up_to_hz / f0_hz) + 1)
    near = [np.abs(hz - number * f0_hz) < max(12.0, 0.04 * number * f0_hz) for number in numbers]
    return np.array([10 * np.log10(power[bins].sum() + 1e-9) for bins in near])
