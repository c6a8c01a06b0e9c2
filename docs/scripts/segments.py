"""How well segments are the notes that were played: the table in docs/results.md.

    python docs/scripts/segments.py [--effort N] [--only NAME]

Melodies of tests/data, and scores played here by additive synthesis, encoded with `speech` and `music`. For each:
segments a note; F1 of onsets, those within 50 ms of each other in pairs; the share of notes whose pitch is within 50
cents of that of the segment which sounds longest with it. Segments 40 dB below the loudest are not counted.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import soundfile

import sparsecodec_cli as sic
from sparsecodec_formats.segments import Segments

DATA = Path(__file__).resolve().parents[2] / "tests" / "data"
ONSET_S, CENTS, AUDIBLE_DB = 0.05, 50.0, 40.0
# traditional tunes and exercises
SCORES = {
    "twinkle": ("C4 C4 G4 G4 A4 A4 G4:2 F4 F4 E4 E4 D4 D4 C4:2", 0.3),
    "scale": ("A3 B3 C#4 D4 E4 F#4 G#4 A4 G#4 F#4 E4 D4 C#4 B3 A3:2", 0.18),
    "chromatic": ("E3 F3 F#3 G3 G#3 A3 Bb3 B3 Bb3 A3 G#3 G3 F#3 F3 E3:2", 0.25),
    "rests": ("D4 -:1 D4 F4 -:2 A4 A4 -:0.5 G4 F4 E4:0.5 D4:0.5 D4:2", 0.22),
    "leaps": ("G3 D4 G3 Bb3 D4 G3 A3 D4 F#3 G3:2", 0.26),
    "repeated": ("E4:0.5 E4:0.5 E4 F4:0.5 F4:0.5 F4 G4:0.5 G4:0.5 E4 C4:2", 0.3),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--effort", type=int)
    parser.add_argument("--only", default="", help="of the names, those that hold this")
    options = parser.parse_args()
    melodies = _module(DATA / "make_melodies.py")
    print(f"{'':<30} {'preset':<7} {'notes':>5} {'segments a note':>16} {'onset F1':>9} {'pitch':>6}")
    figures: dict[str, list[tuple[float, float, float]]] = {}
    for name, samples, rate, notes in [*_kept(), *_played(melodies)]:
        if options.only not in name:
            continue
        for preset in ("speech", "music"):
            table = sic.encode(samples, rate, model=preset, effort=options.effort)
            row = judged(sic.segments_of(table), notes)
            figures.setdefault(preset, []).append(row)
            print(f"{name:<30} {preset:<7} {len(notes):>5} {row[0]:>16.2f} {row[1]:>9.3f} {row[2]:>6.2f}", flush=True)
    for preset, rows in figures.items():
        mean = np.mean(rows, axis=0)
        print(f"{'mean':<30} {preset:<7} {'':>5} {mean[0]:>16.2f} {mean[1]:>9.3f} {mean[2]:>6.2f}")


def judged(segments: Segments, notes: list[dict[str, float]]) -> tuple[float, float, float]:
    """Segments a note, F1 of onsets, share of notes with the right pitch."""
    heard = segments.level_db > segments.level_db.max() - AUDIBLE_DB
    start, end, f0 = segments.start_s[heard], segments.end_s[heard], segments.f0_hz[heard]
    onset = np.array([note["onset_s"] for note in notes])
    left, found = list(np.argsort(start)), 0
    for time in onset:  # both ascend: the first that is near is the one to take
        near = next((i for i in left if abs(start[i] - time) <= ONSET_S), None)
        if near is not None:
            left.remove(near)
            found += 1
    right = 0
    for note in notes:
        over = np.minimum(end, note["onset_s"] + note["duration_s"]) - np.maximum(start, note["onset_s"])
        right += abs(1200 * np.log2(f0[over.argmax()] / note["f0_hz"])) <= CENTS
    return len(start) / len(notes), 2 * found / (len(start) + len(notes)), right / len(notes)


Sound = tuple[str, np.ndarray, int, list[dict[str, float]]]


def _kept() -> Iterator[Sound]:
    for path in sorted((DATA / "melodies").glob("*.flac")):
        samples, rate = soundfile.read(path, dtype="float32")
        yield path.stem, samples, rate, json.loads(path.with_suffix(".json").read_text())


def _played(melodies: ModuleType) -> Iterator[Sound]:
    instruments = {"plucked": melodies.plucked, "flute": melodies.flute, "reed": melodies.reed}
    for name, (score, beat_s) in SCORES.items():
        notes = melodies.melody(score, beat_s)
        for instrument, play in instruments.items():
            if instrument == "reed" and name == "rests":
                continue  # its breath does not stop
            samples = play(notes)
            yield f"{name}-{instrument}", (0.4 / np.abs(samples).max() * samples).astype("f4"), melodies.RATE, notes
        yield f"{name}-bowed", bowed(melodies, notes), melodies.RATE, notes


def bowed(melodies: ModuleType, notes: list[dict[str, float]]) -> np.ndarray:
    """A string with all harmonics, 40 ms of attack, and vibrato: 25 cents either way, 5.5 times a second."""
    t = melodies.seconds(notes)
    out = np.zeros_like(t)
    for note in notes:
        since = t - note["onset_s"]
        level = melodies.ramp(since, 0, 0.04) * (1 - melodies.ramp(since, note["duration_s"] - 0.04, 0.06))
        f0 = note["f0_hz"] * 2 ** (0.25 / 12 * np.sin(2 * np.pi * 5.5 * since))
        phase = 2 * np.pi * np.cumsum(f0) / melodies.RATE
        for k in range(1, int(0.45 * melodies.RATE / note["f0_hz"]) + 1):
            out += level * np.sin(k * phase) / k**1.2
    return (0.4 / np.abs(out).max() * out).astype("f4")


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
