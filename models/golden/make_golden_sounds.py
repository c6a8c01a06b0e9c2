"""Writes the golden sounds beside this script: NAME.sic, and NAME.flac with what it must sound like (docs/sound.md).

    python models/golden/make_golden_sounds.py

Run it when the format of files changes; then only the .sic may change. Each is of the weights that were shipped when it
was made, and stays of those. When the decoder changes, so do the sounds, and every other decoder must follow.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from sparsecodec_formats import LAYOUTS, EventTable, Header, dumps, loads, nearest_gain, nearest_step
from sparsecodec_models import codec_for

HERE = Path(__file__).parent
FIRST_WEIGHTS, CONTRAST_WEIGHTS = bytes.fromhex("9264c4e1"), bytes.fromhex("fe905b40")
RATE = 22_050  # the model's, so that no resampler takes part
UNIT = Fraction(64, RATE)
SHAPE = 8  # first dim of the shape
VOICED = {3: -3.0, 5: -3.0}
UNVOICED = {3: 6.0, 5: 5.0}
THRESHOLD = 4.56  # of shape 3 where all others are 0: mean voicing is 0.08, and less above
SHORT: Any = {"attack_log2_s": -6, "decay_log2_s": -5}
SAME = 1e-6  # sounds so near are one: machines differ by less


def tables() -> dict[str, EventTable]:
    """The table of each golden sound, by the file's name."""
    statistics = LAYOUTS["speech"].statistics
    plain = Header(RATE, 1, 8000, "speech", FIRST_WEIGHTS, UNIT, (nearest_step(2**-10),) * 32, statistics=statistics)
    return {
        "example": _example(_with(plain, n_samples=2000, step=(nearest_step(2**-2),) * 32)),
        "voiced": _table(plain, (0.1, event())),
        "unvoiced": _table(plain, (0.1, event(UNVOICED))),
        "linked": _linked(plain),
        "voices": _voices(_with(plain, n_samples=11_000)),
        "pause": _pause(_with(plain, channels=2, n_samples=round(10.5 * RATE), time_unit=Fraction(1, RATE))),
        "lasting": _lasting(_with(plain, n_samples=round(12.4 * RATE))),
        "stereo": _stereo(_with(plain, channels=2, seed=2**32 - 5)),
        "shared": _stereo(_with(plain, channels=3, seed=7, gains=_shared_gains())),
        "streams": _streams(_with(plain, seed=5, gains=[[1.0, nearest_gain(0.5), -1.0]], noise=[3, 2**32 - 1, 3])),
        "room": _room(_with(plain, n_samples=11_000, seed=77)),
        "amplitude": _amplitude(_with(plain, n_samples=11_000)),
        "fades": _fades(_with(plain, n_samples=11_000)),
        "edges": _edges(_with(plain, n_samples=22_050)),
        "long": _long(_with(plain, channels=2, n_samples=5000)),
        "extreme": _extreme(_with(plain, n_samples=11_000, step=(1.0,) * 32)),
        "voicing": _voicing(_with(plain, n_samples=11_000)),
        "same-time": _same_time(plain),
        "ends": _ends(_with(plain, n_samples=5000)),
        "halves": _halves(_with(plain, n_samples=5000, time_unit=Fraction(1, 2 * RATE))),
        "empty": EventTable.empty(_with(plain, channels=2, n_samples=300)),
        "spoken": _spoken(_with(plain, n_samples=RATE, seed=1)),
        "contrast": _spoken(_with(plain, n_samples=RATE // 3, weights_hash=CONTRAST_WEIGHTS)),
    }


def event(shape: dict[int, float] | None = None, **physical: float) -> NDArray[np.float64]:
    """One vector [32], in units of the layout; what is not given is a voiced sound that begins by itself."""
    values = {
        "level_db": -24.0,
        "attack_log2_s": -4.0,
        "decay_log2_s": -3.0,
        "f0_semitones": 5.0,
        "phase_cycles": 0.0,
        "begins": 1.0,
        "room_db": -60.0,
        **physical,
    }
    vector = np.zeros(32)
    for name, value in values.items():
        dim = LAYOUTS["speech"].dims[name]
        vector[dim.index] = (value - dim.offset) / dim.scale
    for index, value in (VOICED if shape is None else shape).items():
        vector[SHAPE + index] = value
    return vector


def linked(shape: dict[int, float] | None = None, **physical: float) -> NDArray[np.float64]:
    """A vector that carries on from the event before it, coming in over the whole gap."""
    return event(shape, **{"begins": 0.0, "attack_log2_s": 2.0, **physical})


def _with(header: Header, **changes: Any) -> Header:
    return Header(**{**vars(header), **changes})


def _table(header: Header, *events: tuple[float, NDArray[np.float64]], **columns: Any) -> EventTable:
    """Of (time in s, vector)."""
    return EventTable(header, [time for time, _ in events], [vector for _, vector in events], **columns)


def _example(header: Header) -> EventTable:
    """Two linked events at samples 512 and 1024, for docs/sound.md."""
    first = np.zeros(32)
    first[[0, 1, 2, 3, 5, 6, 11, 13]] = [5, -3, -3, 20, 3, 1, -3, -3]
    second = np.zeros(32)
    second[[0, 1, 2, 3, 4, 11, 13]] = [3, 4, -3, 28, 4, -2, -3]
    return EventTable(header, [512 / RATE, 1024 / RATE], [first, second])


def _linked(header: Header) -> EventTable:
    """Pitch that goes up, over an unvoiced stretch, and down; a glide at the end; unvoiced at the beginning."""
    return _table(
        header,
        (0.04, event(UNVOICED, level_db=-32, f0_semitones=-10)),
        (0.08, linked(f0_semitones=3)),
        (0.13, linked({3: -3.0, 4: 1.0}, f0_semitones=9.5, level_db=-20)),
        (0.17, linked(UNVOICED, f0_semitones=30, level_db=-34, attack_log2_s=-6)),
        (0.21, linked(VOICED, f0_semitones=14, attack_log2_s=-7)),
        (0.25, linked({3: -3.0, 1: -3.0}, f0_semitones=1, decay_log2_s=-3.5, glide_semitones=7)),
    )


def _voices(header: Header) -> EventTable:
    """Voices in one channel that follow each other with a pause, and that overlap."""
    return _table(
        header,
        (0.06, event(f0_semitones=0, decay_log2_s=-5)),
        (0.10, linked(f0_semitones=4, decay_log2_s=-5)),
        (0.25, event(f0_semitones=12, phase_cycles=0.3, decay_log2_s=-2)),
        (0.31, event(f0_semitones=19, attack_log2_s=-3, phase_cycles=0.6)),
        (0.37, linked(f0_semitones=17)),
    )


def _pause(header: Header) -> EventTable:
    """Linked over 10 s and a sample, which begins by itself (channel 0); over just 10 s, which is a voice (channel 1).

    Its pitch is 128 Hz, whose logarithm all machines have exactly: after 10 s the phase would tell.
    """
    pitch = 12 * np.log2(128 / 110)
    samples = np.array([2048, 2048, 2112, 222_548, 222_613])
    vectors = [
        event(decay_log2_s=-5),
        event(f0_semitones=pitch),
        linked(decay_log2_s=-5),
        linked(f0_semitones=pitch, attack_log2_s=-5, phase_cycles=0.5),
        linked(attack_log2_s=-5, phase_cycles=0.25),
    ]
    return EventTable(header, samples / RATE, vectors, [0, 1, 0, 1, 0], [1, 0, 1, 1, 1])


def _lasting(header: Header) -> EventTable:
    """A voice of 12 s whose phase passes two marks, and where events without a pitch find one within 2 s, on one side
    or on none; another that is too young at the first mark."""
    steady: Any = {"level_db": -30.0}
    return _table(
        header,
        (0.10, event(f0_semitones=7, phase_cycles=0.25, **steady)),
        (1.10, linked(f0_semitones=9, **steady)),
        (2.00, linked(UNVOICED, level_db=-44, f0_semitones=30)),
        (2.90, linked(f0_semitones=2, **steady)),
        (3.50, linked(UNVOICED, level_db=-44, f0_semitones=-5)),
        (3.60, event(f0_semitones=16, phase_cycles=0.5, decay_log2_s=-4, **steady)),
        (5.80, linked(UNVOICED, level_db=-44, f0_semitones=20)),
        (7.90, linked(f0_semitones=13, **steady)),
        (7.95, linked(f0_semitones=12, **steady)),
        (12.0, linked(f0_semitones=14, attack_log2_s=-3, **steady)),
    )


def _shared_gains() -> list[list[float]]:
    return [[1.0, 0.0], [nearest_gain(0.7), nearest_gain(-0.4)], [0.0, -1.0]]


def _stereo(header: Header) -> EventTable:
    """A voice in each channel, at times both."""
    return _table(
        header,
        (0.05, event(f0_semitones=-5)),
        (0.05, event(UNVOICED)),
        (0.10, linked(f0_semitones=-3, level_db=-18)),
        (0.15, linked(UNVOICED, level_db=-18)),
        (0.20, linked(f0_semitones=-7)),
        (0.20, linked(f0_semitones=22)),
        channel=[0, 1, 0, 1, 0, 1],
    )


def _streams(header: Header) -> EventTable:
    """In one channel: noise; a voice beside it, whose events come in turn with it; the first noise again, inverted,
    which takes half of it away where both sound."""
    return _table(
        header,
        (0.05, event(UNVOICED)),
        (0.06, event(f0_semitones=-5)),
        (0.10, linked(UNVOICED, level_db=-18)),
        (0.12, linked(f0_semitones=4)),
        (0.15, event(UNVOICED, level_db=-24)),
        (0.20, linked(UNVOICED)),
        (0.21, linked({3: -3.0, 4: 1.0}, f0_semitones=9)),
        channel=[0, 1, 0, 1, 2, 0, 1],
    )


def _room(header: Header) -> EventTable:
    """Sends of 0 dB and beyond, between, and at -54 dB and below, which is none; from before the start, too."""
    return _table(
        header,
        (0.0, event(room_db=-6, level_db=-18)),
        (0.1, event(room_db=12, decay_log2_s=-6)),
        (0.14, linked(UNVOICED, room_db=-12, decay_log2_s=-6)),
        (0.2, event(room_db=-48, level_db=-14, decay_log2_s=-6)),
        (0.25, event(room_db=-54, level_db=-14, decay_log2_s=-6)),
        (0.3, event(UNVOICED, room_db=-80, decay_log2_s=-6)),
    )


def _amplitude(header: Header) -> EventTable:
    """A voice whose events are louder and softer, and not there."""
    events = [(0.05 + 0.06 * i, (event if i == 0 else linked)(f0_semitones=5.0 + i)) for i in range(6)]
    return _table(header, *events, amplitude=[0.5, 1.0, 0.0, 2.0, 0.1, 1.5])


def _fades(header: Header) -> EventTable:
    """Attacks and decays shorter than a frame, and attacks longer than a gap."""
    return _table(
        header,
        (0.050, event(attack_log2_s=-9.5, decay_log2_s=-9.5, glide_semitones=12)),
        (0.100, event(attack_log2_s=-8, decay_log2_s=-1)),
        (0.104, linked(f0_semitones=6, attack_log2_s=0)),  # a gap shorter than a frame
        (0.150, linked(f0_semitones=8, attack_log2_s=-9)),
        (0.200, linked(UNVOICED, attack_log2_s=-6)),
        (0.260, linked(f0_semitones=2, attack_log2_s=1, decay_log2_s=-9)),
        (0.350, event(UNVOICED, attack_log2_s=-9, decay_log2_s=-4)),
        (0.420, event(attack_log2_s=-1.5, decay_log2_s=-7.5)),  # begins among those before
    )


def _edges(header: Header) -> EventTable:
    """Every control at and beyond the ends of its range."""
    return _table(
        header,
        (0.05, event(level_db=20, **SHORT)),
        (0.12, event(level_db=35, f0_semitones=17, **SHORT)),
        (0.19, event(level_db=-120, **SHORT)),
        (0.26, event(UNVOICED, level_db=-150, **SHORT)),
        (0.33, event(attack_log2_s=-10, decay_log2_s=-10)),
        (0.40, event(attack_log2_s=-14, decay_log2_s=-14, f0_semitones=10)),
        (0.46, event(f0_semitones=48, **SHORT)),
        (0.52, event(f0_semitones=70, **SHORT)),
        (0.60, event(f0_semitones=-17.5, attack_log2_s=-6, decay_log2_s=-4)),
        (0.68, event(f0_semitones=-40, attack_log2_s=-6, decay_log2_s=-4)),
        (0.74, event(f0_semitones=-3, glide_semitones=40, decay_log2_s=-4, attack_log2_s=-6)),
        (0.80, event(f0_semitones=20, glide_semitones=-24, decay_log2_s=-4, attack_log2_s=-6)),
        (0.86, event(f0_semitones=2, phase_cycles=2.75, **SHORT)),
        (0.92, event(f0_semitones=2, phase_cycles=-1.4, **SHORT)),
        amplitude=[0.01, 0.01, 1e5, 1e5, *[1.0] * 10],
    )


def _long(header: Header) -> EventTable:
    """The longest attack, from long before the start, and the longest decay, beyond the end; ranges end at 4 s."""
    return _table(
        header,
        (0.05, event(attack_log2_s=-5, decay_log2_s=3)),
        (0.2, event(attack_log2_s=2)),
        (0.22, event(UNVOICED, attack_log2_s=4)),
        channel=[0, 1, 0],
    )


def _extreme(header: Header) -> EventTable:
    """Numbers that no encoder would write."""
    i, dim = np.arange(8)[:, None], np.arange(32)
    vector = 1e4 * np.where((i * (dim + 3) + dim * dim + dim // 3) % 7 < 4, 1.0, -1.0)
    vector[:, 0] = 1e4  # a level that is heard
    vector[:, 1:3] = np.array([[-6, -2], [-3, 1e4], [-1e4, -4], [-7, -3]] * 2)
    vector[1::2, SHAPE:] /= 1e3
    return EventTable(header, 0.02 + 0.06 * np.arange(8), vector, amplitude=np.full(8, 10**-2.75))


def _voicing(header: Header) -> EventTable:
    """On either side of a mean voicing of 0.08, where pitch ends."""
    return _table(
        header,
        (0.05, event({3: THRESHOLD + 0.02}, f0_semitones=8, **SHORT)),
        (0.13, event({3: THRESHOLD - 0.02}, f0_semitones=8, **SHORT)),
        (0.20, event(f0_semitones=3, **SHORT)),
        (0.26, linked({3: THRESHOLD + 0.02}, f0_semitones=27)),  # no pitch of its own
        (0.32, linked(f0_semitones=7)),
        (0.38, linked({3: THRESHOLD - 0.02}, f0_semitones=18)),
        (0.44, linked(f0_semitones=9, **SHORT)),
    )


def _same_time(header: Header) -> EventTable:
    """Linked events at one time, and voices that begin at one time."""
    return _table(
        header,
        (0.08, event(level_db=-14)),
        (0.08, linked(f0_semitones=15, level_db=-28)),
        (0.14, linked(f0_semitones=10)),
        (0.14, linked(UNVOICED, f0_semitones=3, level_db=-20)),
        (0.14, linked(f0_semitones=1, attack_log2_s=-6)),
        (0.20, event(f0_semitones=1)),
        (0.20, event(f0_semitones=8, phase_cycles=0.5)),
        (0.20, linked(f0_semitones=13, level_db=-26)),
    )


def _ends(header: Header) -> EventTable:
    """At the first sample, before a frame, over the end and after it."""
    return _table(
        header,
        (0.0, event(phase_cycles=0.25)),
        (0.0, event(UNVOICED, decay_log2_s=-5)),
        (64 / RATE, event(f0_semitones=16, attack_log2_s=-3)),
        (0.2, event(f0_semitones=12)),
        (0.25, linked(f0_semitones=19)),
        (0.26, event(f0_semitones=24, attack_log2_s=-3)),
        (1e6, event(f0_semitones=24)),
    )


def _halves(header: Header) -> EventTable:
    """Times between two samples, which go to the even one; a seed."""
    samples = np.array([1000.5, 1001.5, 1500.5, 2222.0, 3003.5])
    vectors = [event(f0_semitones=20 + 3 * i, decay_log2_s=-6, attack_log2_s=-7) for i in range(5)]
    return EventTable(_with(header, seed=1234), samples / RATE, vectors)


def _spoken(header: Header) -> EventTable:
    """At most a second of tests/data/only-person-en.flac as it was encoded once: it stays whatever encoders do."""
    held = json.loads((HERE / "spoken.json").read_text(encoding="utf-8"))
    step = nearest_step(held["step"])
    vector = np.array(held["codes"]) * step
    table = EventTable(_with(header, step=(step,) * 32), np.array(held["samples"]) / RATE, vector)
    return table.select(table.time < header.n_samples / RATE)


def main() -> None:
    """Write all of them; a .flac that still holds the same sound is left as it is."""
    for name, table in tables().items():
        data = dumps(table)
        (HERE / f"{name}.sic").write_bytes(data)
        sound = np.concatenate(list(codec_for(table.header).decode(loads(data))))
        if np.abs(sound).max() >= 1:
            raise SystemExit(f"{name} is beyond full scale, which FLAC cannot hold")
        path = HERE / f"{name}.flac"
        if not path.exists() or not _same(sound, soundfile.read(path, always_2d=True)[0]):
            soundfile.write(path, sound, RATE, subtype="PCM_24")


def _same(sound: NDArray[np.float32], held: NDArray[np.float64]) -> bool:
    return sound.shape == held.shape and bool((np.abs(sound - held) < SAME).all())


if __name__ == "__main__":
    main()
