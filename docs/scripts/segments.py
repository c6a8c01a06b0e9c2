"""How well segments are the notes that were played: the table in docs/results.md.

    python docs/scripts/segments.py [--held-out] [--effort N] [--only NAME]

Melodies of tests/data, and scores played here by additive synthesis, encoded with `speech` and `music`. For each:
segments a note; F1 of onsets, those within 50 ms of each other in pairs; the share of notes whose pitch is within 50
cents of that of the segment which sounds longest with it. Segments 40 dB below the loudest are not counted.

How voices are cut was tuned on these. --held-out: judged instead on what it was not, of `held_out_sounds.py`. That is
melodies; ensembles (`music` only), where an onset counts if its segment has the note's pitch, too; and sentences
(`speech` only), where a syllable is found if a segment begins within 50 ms of its first sound or of its vowel. Beside
that stands the F1 of as many beginnings put anywhere by chance.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import soundfile
from held_out_sounds import Spoken, ensembles, melodies, module, sentences
from scipy.optimize import linear_sum_assignment

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
    parser.add_argument("--held-out", action="store_true", help="on sounds that cuts were never tuned on")
    options = parser.parse_args()
    if options.held_out:
        _print_notes(((one.name, one.samples, one.sample_rate, one.notes) for one in melodies()), options)
        print()
        _print_ensembles(options)
        print()
        _print_sentences(options)
        return
    _print_notes([*_kept(), *_played(module(DATA / "make_melodies.py"))], options)


def _print_notes(sounds: Iterable[Sound], options: argparse.Namespace) -> None:
    print(f"{'':<30} {'preset':<7} {'notes':>5} {'segments a note':>16} {'onset F1':>9} {'pitch':>6}")
    figures: dict[str, list[tuple[float, float, float]]] = {}
    for name, samples, rate, notes in sounds:
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


def _print_ensembles(options: argparse.Namespace) -> None:
    print(f"{'':<30} {'preset':<7} {'notes':>5} {'segments a note':>16} {'onset F1':>9} {'with pitch':>11}")
    for one in ensembles(4):
        if options.only in one.name:
            segments = sic.segments_of(sic.encode(one.samples, one.sample_rate, model="music", effort=options.effort))
            row = judged_together(segments, one.notes)
            words = f"{len(one.notes):>5} {row[0]:>16.2f} {row[1]:>9.3f} {row[2]:>11.3f}"
            print(f"{one.name:<30} music   {words}", flush=True)


def _print_sentences(options: argparse.Namespace) -> None:
    print(f"{'':<30} {'preset':<7} {'syllables':>9} {'segments each':>14} {'found':>6} {'F1':>6} {'by chance':>10}")
    rows = []
    for one in sentences():
        if options.only in one.name:
            table = sic.encode(one.samples, one.sample_rate, model="speech", effort=options.effort)
            rows.append(row := judged_syllables(sic.segments_of(table), one, table.duration_s))
            words = f"{row[0]:>14.2f} {row[1]:>6.2f} {row[2]:>6.2f} {row[3]:>10.2f}"
            print(f"{one.name:<30} speech  {len(one.syllable_s):>9} {words}", flush=True)
    if rows:
        mean = np.mean(rows, axis=0)
        print(f"{'mean':<30} speech  {'':>9} {mean[0]:>14.2f} {mean[1]:>6.2f} {mean[2]:>6.2f} {mean[3]:>10.2f}")


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


def judged_together(segments: Segments, notes: list[dict[str, float]]) -> tuple[float, float, float]:
    """Segments a note; F1 of onsets; F1 of onsets whose segment has the note's pitch."""
    heard = segments.level_db > segments.level_db.max() - AUDIBLE_DB
    start, f0 = segments.start_s[heard][:, None], segments.f0_hz[heard][:, None]
    near = np.abs(start - [note["onset_s"] for note in notes]) <= ONSET_S
    same = np.abs(1200 * np.log2(f0 / [note["f0_hz"] for note in notes])) <= CENTS
    return len(start) / len(notes), _f1(near), _f1(near & same)


def judged_syllables(segments: Segments, spoken: Spoken, duration_s: float) -> tuple[float, float, float, float]:
    """Segments a syllable; share of syllables found; F1; F1 of as many times drawn evenly, mean of 100 draws."""
    start = segments.start_s[segments.level_db > segments.level_db.max() - AUDIBLE_DB]

    def near(times: np.ndarray) -> np.ndarray:
        begins = np.abs(times[:, None] - spoken.syllable_s) <= ONSET_S
        return begins | (np.abs(times[:, None] - spoken.vowel_s) <= ONSET_S)

    dice = np.random.default_rng(0)
    by_chance = np.mean([_f1(near(dice.uniform(0, duration_s, len(start)))) for _ in range(100)])
    n = len(spoken.syllable_s)
    return len(start) / n, _pairs(near(start)) / n, _f1(near(start)), float(by_chance)


def _pairs(near: np.ndarray) -> int:
    """How many can be paired at most, one with one: bool [n, m]."""
    return int(near[linear_sum_assignment(~near)].sum())


def _f1(near: np.ndarray) -> float:
    return 2 * _pairs(near) / sum(near.shape)


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


if __name__ == "__main__":
    main()
