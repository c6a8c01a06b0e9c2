"""What transposing does to speech: the table in docs/results.md.

    python docs/scripts/transposing.py [--effort N] [--timbre fixed|follows] [RECORDING...]

Needs `pip install pyworld distillmos`. Of each recording (default: the sentences of tests/data) and each move: error of
the pitch re what was asked, in cents, on frames that are voiced before and after (Harvest, and the Love train of D4C,
both of WORLD); change of the level, dB; and change of DistillMOS. What is compared is the recording as coded, and that
file transposed, written and decoded.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyworld
import soundfile
import soxr
from numpy.typing import NDArray

import sparsecodec_cli as sic
from sparsecodec_cli.metrics.scores import SAMPLE_RATE, distillmos
from sparsecodec_formats import EventTable, SicError, dumps, edit, loads

DATA = Path(__file__).resolve().parents[2] / "tests" / "data"
MOVES = (-12, -7, -3, 3, 7, 12)
LOWEST_HZ, HIGHEST_HZ = 40.0, 1000.0  # that the tracker looks for
HEADS = ("cents median", "90 %", "level dB", "DistillMOS")

Sound = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--effort", type=int)
    parser.add_argument("--timbre", choices=["fixed", "follows"])
    parser.add_argument("recordings", nargs="*", type=Path)
    options = parser.parse_args()
    print(f"{'recording':<34} {'move':>4} " + " ".join(f"{head:>12}" for head in HEADS))
    rows: dict[int, list[tuple[float, ...]]] = {move: [] for move in MOVES}
    for path in options.recordings or sorted(DATA.glob("*.flac")):
        audio, rate = soundfile.read(path, dtype="float32")
        table = sic.encode(audio, rate, model="speech", effort=options.effort)
        before = heard(table)
        for move in MOVES:
            try:
                after = heard(edit.transpose(table, move, timbre=options.timbre))
            except SicError as error:
                print(f"{path.stem[:34]:<34} {move:>4} {error}", flush=True)
                continue
            cents = pitch_errors_cents(before, after, move)
            row = (
                float(np.median(cents)),
                float(np.quantile(cents, 0.9)),
                level_db(after) - level_db(before),
                distillmos(before, after.astype(np.float32)) - distillmos(before, before.astype(np.float32)),
            )
            rows[move].append(row)
            print(told(path.stem[:34], move, row), flush=True)
    for move, found in rows.items():
        if found:
            print(told(f"mean of {len(found)}", move, np.mean(found, axis=0)))
            worst = [max(row[0] for row in found), max(row[1] for row in found)]
            worst += [max((row[2] for row in found), key=abs), min(row[3] for row in found)]
            print(told("worst", move, worst))


def told(name: str, move: int, row: Iterable[float]) -> str:
    return f"{name:<34} {move:>4} " + " ".join(f"{number:>12.2f}" for number in row)


def heard(table: EventTable) -> Sound:
    """What comes out of a file of the table, at the rate that DistillMOS is made for."""
    sound, rate = sic.decode(loads(dumps(table)))
    resampled: Sound = soxr.resample(sound.mean(1).astype(np.float64), rate, SAMPLE_RATE, quality="VHQ")
    return resampled


def pitch_errors_cents(before: Sound, after: Sound, semitones: float) -> NDArray[np.float64]:
    """Absolute, of each frame of 5 ms that is voiced in both."""
    first, second = (pitch_hz(sound) for sound in (before, after))
    both = (first > 0) & (second > 0)
    errors: NDArray[np.float64] = np.abs(1200 * np.log2(second[both] / first[both]) - 100 * semitones)
    return errors


def pitch_hz(sound: Sound) -> NDArray[np.float64]:
    """Of frames of 5 ms; 0 where there is none. Harvest alone finds a pitch in much that has none."""
    f0_hz, time_s = pyworld.harvest(sound, SAMPLE_RATE, LOWEST_HZ, HIGHEST_HZ)
    aperiodic = pyworld.d4c(sound, f0_hz, time_s, SAMPLE_RATE, threshold=0.85)
    voiced: NDArray[np.float64] = np.where(aperiodic[:, 0] < 0.5, f0_hz, 0.0)
    return voiced


def level_db(sound: Sound) -> float:
    return float(10 * np.log10(np.mean(np.square(sound))))


if __name__ == "__main__":
    main()
