"""Which drum of a drum kit an event without pitch is most like."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Drum:
    """name: one word of at most 8 characters; key: in General MIDI's drum kit, on MIDI channel 10."""

    name: str
    key: int


BASS, SNARE = Drum("bass", 36), Drum("snare", 38)
LOW_TOM, MID_TOM, HIGH_TOM = Drum("low-tom", 45), Drum("mid-tom", 47), Drum("high-tom", 50)
CLOSED_HAT, OPEN_HAT, CRASH = Drum("hi-hat", 42), Drum("open-hat", 46), Drum("crash", 49)

DRUMS = (BASS, LOW_TOM, MID_TOM, HIGH_TOM, SNARE, CLOSED_HAT, OPEN_HAT, CRASH)
"""From the lowest to the brightest."""


def drum_of(f0_hz: float, noise_db: float, noise_t60_s: float) -> Drum:
    """A guess, from the frequency of the lowest mode, the noise beside the modes (dB re these), and how long the noise
    takes to fall by 60 dB. The spectrum would tell more, but it takes the model to know it.

    A membrane is louder than its noise: a bass drum below 100 Hz, above that toms. A snare's noise is about as loud as
    its membrane, which lies below 400 Hz. All else is a cymbal, named by how long it rings.
    """
    if f0_hz < 100 and noise_db <= 0:
        return BASS
    if noise_db <= -6:
        return LOW_TOM if f0_hz < 130 else MID_TOM if f0_hz < 180 else HIGH_TOM
    if f0_hz < 400:
        return SNARE
    return CLOSED_HAT if noise_t60_s < 0.25 else OPEN_HAT if noise_t60_s < 1 else CRASH
