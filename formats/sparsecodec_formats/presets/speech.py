"""The vector of preset `speech`: the state of a voice at one time (docs/speech.md; its sound: docs/sound.md)."""

from __future__ import annotations

import math
from fractions import Fraction

from .layout import N_DIMS, Layout, dims

# Scales are such that a quantiser step of 1.0 is right at the preset's nominal rate.
SPEECH = Layout(
    name="speech",
    number=1,
    sample_rate=22_050,
    time_unit=Fraction(64, 22_050),
    dims=dims(
        # name, unit, physical units in 1 of the vector, physical value of 0, least and most that the decoder takes
        ("level_db", "dB", 1.5, -30.0, -120.0, 20.0),  # at the event's time, re full scale
        ("attack_log2_s", "log2 s", 0.75, math.log2(0.06), -10.0, 2.0),  # time over which it comes in, before its time
        ("decay_log2_s", "log2 s", 0.75, math.log2(0.06), -10.0, 2.0),  # over which it dies away, if nothing is linked
        ("f0_semitones", "semitones re 110 Hz", 0.25, 0.0, -17.5, 48.0),  # at its time: 40 to 1,760 Hz
        ("glide_semitones", "semitones", 0.5, 0.0, -24.0, 24.0),  # change of f0 over the decay
        ("phase_cycles", "cycles", 1 / 12, 0.0),  # of the fundamental at its time, where it begins by itself
        ("begins", "above 0.5: by itself", 1.0, 0.0),  # else it carries on the sound of the event before it
        ("room_db", "dB", 6.0, -60.0, -math.inf, 0.0),  # send to the room
        # Spectrum and voicing: coefficients of a KLT that comes with the model.
        *((f"shape_{i}", "1", 1.0, 0.0) for i in range(N_DIMS - 8)),
    ),
    statistics=1,
    links="channel",
)
