"""Writes the golden sounds of preset `music` beside this script: NAME.sic, and NAME.flac with what it must sound like.

    python models/golden/music/make_golden_sounds.py

When weights or the decoder change, so do the sounds, and every other decoder must follow (docs/sound.md).
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from sparsecodec_formats import LAYOUTS, EventTable, Header, dumps, loads, nearest_step
from sparsecodec_models import load_codec

HERE = Path(__file__).parent
RATE = 22_050  # the model's, so that no resampler takes part
LAYOUT = LAYOUTS["music"]
SHAPE = LAYOUT.dims["shape_0"].index


def tables(weights_hash: bytes) -> dict[str, EventTable]:
    """The table of each golden sound, by the file's name."""

    def header(n_samples: int, **changes: Any) -> Header:
        step = (nearest_step(2**-6),) * 32
        plain = Header(RATE, 1, n_samples, "music", weights_hash, Fraction(64, RATE), step)
        return Header(**{**vars(plain), "statistics": LAYOUT.statistics, **changes})

    return {
        "notes": _table(
            header(13_000),
            (0.02, note(f0_semitones=-20, inharmonicity_log2=-12)),
            (0.05, note({0: 2.0, 3: -2.0}, f0_semitones=14.37, attack_log2_s=-4, release_log2_s=-5)),
            (0.05, note(f0_semitones=60, decay_high_log2_s=-3)),
            (0.30, note({1: -3.0}, level_db=-40, noise_db=12, noise_decay_log2_s=-4)),
        ),
        "drums": _table(
            header(9000),
            (0.02, note(kind=0, f0_semitones=-12, decay_low_log2_s=-2, noise_db=5)),
            (0.20, note(kind=0, f0_semitones=10, level_db=-44, noise_db=18, noise_decay_log2_s=-2)),
        ),
        "moving": _table(
            header(16_000),
            (0.02, note(f0_semitones=19, vibrato_semitones=0.6, vibrato_hz=6, duration_log2_s=-1)),
            (0.10, note({0: -2.0}, f0_semitones=7)),
            (0.25, note({0: 3.0}, begins=0, f0_semitones=8.2, level_db=-18)),
            (0.45, note(begins=0, f0_semitones=7.5, level_db=-30, duration_log2_s=-3)),
        ),
        "tones": _table(
            header(12_000),
            (0.00, note(kind=-1, f0_semitones=78, duration_log2_s=-5, phase_cycles=0.3)),
            (0.10, note(f0_semitones=12)),
            (0.12, note({2: 9.0}, kind=-1, f0_semitones=12, begins=0, noise_db=20, phase_cycles=-7.1)),
            (0.15, note(kind=-1, f0_semitones=-24, duration_log2_s=2, room_db=-6, level_db=-20)),
            (0.30, note(kind=-1, f0_semitones=31, duration_log2_s=-8, level_db=-10, phase_cycles=0.25)),
            amplitude=[1.0, 0.5, 2.0, 1.0, 1.0],
        ),
        "stereo": _table(
            header(9000, channels=2, seed=2**32 - 5),
            (0.02, note(room_db=-12, f0_semitones=5)),
            (0.12, note(noise_db=6, f0_semitones=24)),
            channel=[0, 1],
            amplitude=[1.0, 0.25],
        ),
        "extreme": _table(
            header(9000, step=(1.0,) * 32),
            *((0.05 + 0.1 * i, _far_out(i)) for i in range(3)),
        ),
        "empty": EventTable(header(300, channels=2), [], []),
    }


def note(shape: dict[int, float] | None = None, **physical: float) -> NDArray[np.float64]:
    """One vector [32], in units of the layout; what is not given is a note that begins."""
    values = {"level_db": -24.0, "duration_log2_s": -2.0, "kind": 1.0, "begins": 1.0, "room_db": -60.0, **physical}
    vector = np.zeros(32)
    for name, value in values.items():
        dim = LAYOUT.dims[name]
        vector[dim.index] = (value - dim.offset) / dim.scale
    for index, value in (shape or {}).items():
        vector[SHAPE + index] = value
    return vector


def _far_out(i: int) -> NDArray[np.float64]:
    """A vector whose numbers are out of the decoder's range, but for the levels: full scale is 1 in a FLAC."""
    vector = np.where(np.arange(32) % (i + 2) == 0, 300.0, -300.0)
    for name, value in (("level_db", -30.0), ("noise_db", -6.0), ("room_db", -20.0)):
        dim = LAYOUT.dims[name]
        vector[dim.index] = (value - dim.offset) / dim.scale
    return vector


def _table(header: Header, *events: tuple[float, NDArray[np.float64]], **columns: Any) -> EventTable:
    """Of (time in s, vector)."""
    return EventTable(header, [time for time, _ in events], [vector for _, vector in events], **columns)


def main() -> None:
    codec = load_codec("music")
    for name, table in tables(codec.weights_hash).items():
        (HERE / f"{name}.sic").write_bytes(data := dumps(table))
        sound = np.concatenate(list(codec.decode(loads(data))))
        soundfile.write(HERE / f"{name}.flac", sound, RATE, subtype="PCM_24")
        print(f"{name}: peak {np.abs(sound).max(initial=0.0):.3f}, {len(data)} bytes")


if __name__ == "__main__":
    main()
