"""The vector of preset `music`: a note, a stroke of a drum, or a tone (docs/music.md; its sound: docs/sound.md)."""

from __future__ import annotations

import math
from fractions import Fraction

from .layout import N_DIMS, Layout, dims

MUSIC = Layout(
    name="music",
    number=3,
    sample_rate=22_050,
    time_unit=Fraction(64, 22_050),
    statistics=2,
    links="pitch",
    dims=dims(
        # name, unit, physical units in 1 of the vector, physical value of 0, least and most that the decoder takes
        ("level_db", "dB", 1.5, -30.0, -120.0, 20.0),  # of the partials together when the attack is over, re full scale
        (
            "attack_log2_s",
            "log2 s",
            0.75,
            math.log2(0.01),
            -11.0,
            2.0,
        ),  # from the event's time, the onset, to full level
        ("decay_low_log2_s", "log2 s", 0.75, math.log2(3.0), -6.0, 6.0),  # T60 of a partial at 100 Hz
        ("decay_high_log2_s", "log2 s", 0.75, 0.0, -7.0, 6.0),  # T60 of a partial at 5 kHz
        ("duration_log2_s", "log2 s", 0.5, math.log2(0.3), -8.0, 6.0),  # from the event's time to the key's release
        ("release_log2_s", "log2 s", 0.75, math.log2(0.15), -8.0, 4.0),  # T60 after that
        ("f0_semitones", "semitones re 110 Hz", 0.1, 0.0, -24.0, 78.0),  # 27.5 to 9,956 Hz, in steps of 10 cents
        ("inharmonicity_log2", "log2", 1.0, -13.0, -20.0, -6.0),  # B: partial k is at k f0 sqrt(1 + B k²)
        ("vibrato_semitones", "semitones", 0.15, 0.0, 0.0, 3.0),  # either way
        ("vibrato_hz", "Hz", 0.5, 5.5, 2.0, 10.0),
        ("noise_db", "dB re level", 3.0, -30.0, -90.0, 20.0),  # of the hammer, the breath, the drum
        ("noise_decay_log2_s", "log2 s", 0.75, math.log2(0.15), -9.0, 5.0),  # T60 of the noise
        ("kind", "note above 0.5, tone below -0.5", 1.0, 0.0),  # between: a drum, with the partials of a membrane
        ("begins", "above 0.5: a note begins", 1.0, 0.0),  # else it carries on a note of nearly this pitch
        ("room_db", "dB", 6.0, -60.0, -math.inf, 0.0),  # send to the room
        ("phase_cycles", "cycles", 0.2, 0.0),  # of a tone at its onset
        # Spectra of partials and of noise: coefficients of a KLT that comes with the model.
        *((f"shape_{i}", "1", 1.0, 0.0) for i in range(N_DIMS - 16)),
    ),
)
