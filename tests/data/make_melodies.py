"""Melodies from known notes: writes melodies/NAME.flac and, beside it, the truth, NAME.json. Public-domain tunes.

    python tests/data/make_melodies.py [FOLDER]

Additive synthesis, 16 kHz, the same samples every time. In the JSON a note has onset_s (where its attack begins),
duration_s (until it is let go or the next begins) and f0_hz (equal temperament, A4 = 440 Hz).
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import numpy as np
import soundfile

RATE = 16000
LEAD_S, TAIL_S = 0.2, 0.25  # silence before, and time for the last note to die away in

Note = dict[str, float]


def melody(score: str, beat_s: float) -> list[Note]:
    """Notes of "F#3 G3:2 -:1 …": name, octave, and after a colon how many beats, if not one; - is a rest."""
    notes: list[Note] = []
    time = LEAD_S
    for word in score.split():
        name, _, beats = word.partition(":")
        duration = beat_s * float(beats or 1)
        if name != "-":
            above_c = dict(C=0, D=2, E=4, F=5, G=7, A=9, B=11)[name[0]] + name.count("#") - name.count("b")
            f0 = 440.0 * 2 ** ((12 * int(name[-1]) + above_c - 57) / 12)
            notes.append({"onset_s": round(time, 6), "duration_s": round(duration, 6), "f0_hz": round(f0, 4)})
        time += duration
    return notes


def seconds(notes: list[Note]) -> np.ndarray:
    """The time of every sample of the whole melody."""
    return np.arange(round((notes[-1]["onset_s"] + notes[-1]["duration_s"] + TAIL_S) * RATE)) / RATE


def ramp(t: np.ndarray, begin: float, length: float) -> np.ndarray:
    """From 0 at begin to 1 a length later, as a raised cosine."""
    return 0.5 - 0.5 * np.cos(np.pi * np.clip((t - begin) / length, 0, 1))


def plucked(notes: list[Note]) -> np.ndarray:
    """A string: 3 ms of attack, harmonics that die away the faster the higher, damped as the next is played."""
    t = seconds(notes)
    out = np.zeros_like(t)
    for note in notes:
        since = t - note["onset_s"]
        sound = np.zeros_like(t)
        for k in range(1, int(0.45 * RATE / note["f0_hz"]) + 1):
            height = np.sin(np.pi * k * 0.17) / k**1.5  # plucked at 17 % of its length
            dying = np.exp(-np.maximum(since, 0) * (2 + 1.2 * k))
            sound += height * dying * np.sin(2 * np.pi * k * note["f0_hz"] * since)
        out += sound * ramp(since, 0, 0.003) * (1 - ramp(since, note["duration_s"] - 0.005, 0.03))
    return out


def flute(notes: list[Note]) -> np.ndarray:
    """Few harmonics, 45 ms of attack, steady, a breath between notes."""
    t = seconds(notes)
    out = np.zeros_like(t)
    for note in notes:
        since = t - note["onset_s"]
        level = ramp(since, 0, 0.045) * (1 - ramp(since, note["duration_s"] - 0.05, 0.04))
        for k, height in enumerate((1.0, 0.45, 0.2, 0.08, 0.04, 0.02), 1):
            bright = level ** (1 + 0.5 * (k - 1))  # upper ones come in later
            out += height * bright * np.sin(2 * np.pi * k * note["f0_hz"] * since)
    return out


def reed(notes: list[Note]) -> np.ndarray:
    """Odd harmonics, slurred: from note to note the pitch moves in 12 ms without a gap. A repeated one is tongued: a
    dip of 50 ms to a tenth, that ends 15 ms after the onset."""
    t = seconds(notes)
    first, last = notes[0], notes[-1]
    pitch = np.full_like(t, np.log2(first["f0_hz"]))
    level = ramp(t, first["onset_s"], 0.03) * (1 - ramp(t, last["onset_s"] + last["duration_s"] - 0.04, 0.04))
    for before, note in itertools.pairwise(notes):
        step = np.log2(note["f0_hz"] / before["f0_hz"])
        pitch += step * ramp(t, note["onset_s"] - 0.006, 0.012)
        if step == 0:
            onset = note["onset_s"]
            level *= 1 - 0.9 * ramp(t, onset - 0.035, 0.03) * (1 - ramp(t, onset, 0.015))
    phase = 2 * np.pi * np.cumsum(2**pitch) / RATE
    out = np.zeros_like(t)
    for k, height in {1: 1.0, 2: 0.05, 3: 0.5, 4: 0.05, 5: 0.3, 7: 0.18, 9: 0.1, 11: 0.05}.items():
        out += height * np.sin(k * phase)
    return level * out


MELODIES = {
    # Beethoven 1824
    "ode-to-joy-plucked": (plucked, "F#3 F#3 G3 A3 A3 G3 F#3 E3 D3 D3 E3 F#3 F#3:1.5 E3:0.5 E3", 0.23),
    # traditional, 18th century
    "frere-jacques-flute": (flute, "F4 G4 A4 F4 F4 G4 A4 F4 A4 Bb4 C5:2", 0.28),
    # traditional, 18th century
    "au-clair-de-la-lune-reed": (reed, "G3 G3 G3 A3 B3:2 A3:2 G3 B3 A3 A3 G3:2", 0.24),
}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, (instrument, score, beat_s) in MELODIES.items():
        notes = melody(score, beat_s)
        samples = instrument(notes)
        samples *= 0.4 / np.abs(samples).max()
        soundfile.write(folder / f"{name}.flac", np.round(samples * 2**15).astype(np.int16), RATE)
        lines = ",\n".join("  " + json.dumps(note) for note in notes)
        (folder / f"{name}.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "melodies")
