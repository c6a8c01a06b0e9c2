"""Voices made by formula, whose pitch is known at every moment: pulses of a glottis through the formants of a vowel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LOWEST_HZ, HIGHEST_HZ = 45.0, 1000.0
FORMANTS_HZ = ((250.0, 950.0), (750.0, 2400.0), (2300.0, 3200.0), (3200.0, 4200.0))  # each from … to
CREAK_BELOW_HZ = 90.0
FADE_S = 0.02


def made_voice(
    rng: np.random.Generator, n_samples: int, sample_rate: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Notes and glides with rests between them: (samples float32 [n], peak 1; fundamental at each of them, float64 [n],
    Hz, 0 where nothing is sung). Pitches are of the whole range, some with vibrato; low ones may creak."""
    audio, f0_hz = np.zeros(n_samples), np.zeros(n_samples)
    at, register = 0, rng.uniform(np.log2(LOWEST_HZ), np.log2(HIGHEST_HZ))
    while at < n_samples:
        count = min(int(rng.uniform(0.15, 1.2) * sample_rate), n_samples - at)
        if rng.random() < 0.2:  # another singer
            register = rng.uniform(np.log2(LOWEST_HZ), np.log2(HIGHEST_HZ))
        octave = _course(rng, register, count, sample_rate)
        note = _sung(rng, octave, sample_rate)
        audio[at : at + count] = note * 10 ** (rng.uniform(-18.0, 0.0) / 20)
        f0_hz[at : at + count] = 2.0**octave
        at += count + int(rng.choice([0.0, rng.uniform(0.0, 0.3)]) * sample_rate)
    return (audio / np.abs(audio).max()).astype(np.float32), f0_hz


def _course(rng: np.random.Generator, register: float, count: int, sample_rate: int) -> NDArray[np.float64]:
    """log2 of the fundamental, Hz: float64 [count]."""
    t = np.arange(count) / sample_rate
    ends = register + rng.normal(0.0, 0.25, 2)
    if rng.random() < 0.6:  # a held note
        ends[1] = ends[0] + rng.normal(0.0, 0.02)
    octave = np.linspace(ends[0], ends[1], count)
    if rng.random() < 0.5:
        rate_hz, depth = rng.uniform(4.0, 7.0), rng.uniform(0.0, 0.05)
        octave += depth * np.sin(2 * np.pi * (rate_hz * t + rng.random()))
    return np.clip(octave, np.log2(LOWEST_HZ), np.log2(HIGHEST_HZ))


def _sung(rng: np.random.Generator, octave: NDArray[np.float64], sample_rate: int) -> NDArray[np.float64]:
    """A vowel at these pitches, float64 of the same shape, peak 1."""
    from scipy.signal import lfilter

    count = len(octave)
    cycles = np.cumsum(2.0**octave) / sample_rate
    number = np.arange(1, int(cycles[-1]) + 1)
    jitter = rng.uniform(0.0, 0.01)
    if octave.mean() < np.log2(CREAK_BELOW_HZ) and rng.random() < 0.4:
        jitter = rng.uniform(0.02, 0.08)
    place = np.interp(number + jitter * rng.normal(size=len(number)), cycles, np.arange(count)).clip(0, count - 1.001)
    height = 1.0 + rng.uniform(0.0, 0.15) * rng.normal(size=len(number))
    low = place.astype(int)
    pulses = np.bincount(low, height * (1 - place + low), count) + np.bincount(low + 1, height * (place - low), count)
    for _ in range(2):  # the glottis is softer than pulses
        pulses = lfilter([1.0], [1.0, -rng.uniform(0.5, 0.95)], pulses)
    pulses = pulses / (np.sqrt(np.mean(pulses**2)) + 1e-9)
    sound = pulses + 10 ** (rng.uniform(-60.0, -25.0) / 20) * rng.normal(size=count)
    stretch = rng.uniform(0.9, 1.35)  # of the throat: men … children
    for lowest, highest in FORMANTS_HZ:
        radius = np.exp(-np.pi * rng.uniform(50.0, 200.0) / sample_rate)
        hz = max(stretch * rng.uniform(lowest, highest), 0.9 * 2.0 ** octave.mean())  # singers open the mouth for it
        angle = 2 * np.pi * hz / sample_rate
        sound = lfilter([1.0], [1.0, -2 * radius * np.cos(angle), radius**2], sound)
    fade = np.minimum(1.0, np.minimum(np.arange(1, count + 1), np.arange(count, 0, -1)) / (FADE_S * sample_rate))
    sound = sound * fade
    return sound / (np.abs(sound).max() + 1e-12)
