"""Pitch errors of `speech`, of the pitch course that its events have, against two trackers from outside.

    python docs/scripts/pitch_errors.py CLIPS [CLIPS ...] [--weights FILE ...] [--efforts 0 4] [--kbps 2.4] [--limit N]

CLIPS are folders of recordings, looked through to the bottom. Needs PyPI's `pyworld` (harvest) and `swift-f0`, a
neural tracker, beside sic. Every 10 ms where a tracker and sic both hear a voice, a pitch that is more than 20 % off is
a gross error. Where both trackers agree that there is a voice (and on its pitch, within 5 %), or that there is none,
sic's opposite is a voicing error. Prints a row for each weights file and effort: gross errors in percent against
harvest, against swift-f0, and where both agree; of the last, an octave low and high; voices missed and voices that are
none.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyworld
import soundfile
import swift_f0
from numpy.typing import NDArray

import sparsecodec_cli as sic
from sparsecodec_models import Codec, load_codec
from sparsecodec_models.speech.synthesis.voices import follow, plan_frames

EVERY_S = 0.01
FROM_HZ, TO_HZ = 45.0, 1000.0  # that trackers look for
GROSS = 0.2
AGREE = 0.05
MOSTLY_VOICED = 0.5  # share of power in the lowest bands that is harmonic
LOW_BANDS = 2  # of voicing: 300 and 800 Hz, about
QUIET_DB = 40.0  # below the loudest frame nobody is asked


def of_harvest(samples: NDArray[np.float32], rate: int, at_s: NDArray[np.float64]) -> NDArray[np.float64]:
    wave = samples.astype(np.float64)
    f0_hz, time_s = pyworld.harvest(wave, rate, f0_floor=FROM_HZ, f0_ceil=TO_HZ, frame_period=1000 * EVERY_S)
    return nearest(pyworld.stonemask(wave, f0_hz, time_s, rate), time_s, at_s)


def of_swift(samples: NDArray[np.float32], rate: int, at_s: NDArray[np.float64]) -> NDArray[np.float64]:
    found = swift_f0.SwiftF0(threads=1, spin=False).detect(samples, rate, fmin=FROM_HZ, fmax=TO_HZ)
    return nearest(np.where(found.confidence >= 0.5, found.pitch_hz, 0.0), found.timestamps, at_s)


def of_events(codec: Codec, table: sic.EventTable, at_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """The pitch that is decoded, of the voice that sounds last where several do."""
    tables = codec.model.decoder.tables.in_numpy()
    config, time = codec.model.config, codec.event_samples(table)
    controls = tables.controls(table.vector)
    plan = plan_frames(controls, time, config)
    tracks = follow(controls, time, plan, config)
    voicing = np.stack(
        [np.asarray(controls.voicing)[np.maximum(row, 0), :LOW_BANDS].mean(1) for row in (plan.before, plan.after)]
    )
    voicing = np.where(plan.before < 0, voicing[1], np.where(plan.after < 0, voicing[0], voicing.mean(0)))
    heard = np.flatnonzero(plan.frame >= 0)
    f0_hz = np.zeros(int(plan.frame.max(initial=0)) + 1)
    f0_hz[plan.frame[heard]] = np.where(voicing >= MOSTLY_VOICED, tracks.f0_hz, 0.0)[heard]
    return nearest(f0_hz, np.arange(len(f0_hz)) * config.frame_hop / config.sample_rate, at_s)


def nearest(values: NDArray[np.float64], time_s: NDArray[np.float64], at_s: NDArray[np.float64]) -> NDArray[np.float64]:
    place = np.searchsorted(time_s, at_s - 0.5 * (time_s[1] - time_s[0]))
    return np.where(place < len(values), np.asarray(values)[np.minimum(place, len(values) - 1)], 0.0)


def share(of: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
    return 100.0 * float((of & among).sum()) / max(1, int(among.sum()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--weights", nargs="+", default=["speech"], help="names or files of models")
    parser.add_argument("--efforts", type=int, nargs="+", default=[0, 4])
    parser.add_argument("--kbps", type=float, default=2.4)
    parser.add_argument("--limit", type=int, help="clips of each folder that holds some")
    args = parser.parse_args()
    paths: list[Path] = []
    for folder in sorted(
        {p.parent for clips in args.clips for kind in ("flac", "wav") for p in clips.rglob(f"*.{kind}")}
    ):
        paths += sorted([*folder.glob("*.flac"), *folder.glob("*.wav")])[: args.limit]
    heard = []
    for path in paths:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        samples = np.ascontiguousarray(samples.mean(1))
        at_s = np.arange(0.0, len(samples) / rate - EVERY_S, EVERY_S)
        power = np.convolve(samples**2, np.ones(rate // 50), "same")
        level_db = 10 * np.log10(power[(at_s * rate).astype(int)] + 1e-12)
        loud = level_db > level_db.max() - QUIET_DB
        trackers = of_harvest(samples, rate, at_s) * loud, of_swift(samples, rate, at_s) * loud
        heard.append((samples, rate, at_s, *trackers))
    harvest, swift = (np.concatenate([one[i] for one in heard]) for i in (3, 4))
    both = (harvest > 0) & (swift > 0)
    agree = both & (np.abs(np.log(np.maximum(harvest, 1) / np.maximum(swift, 1))) < AGREE)
    none = (harvest == 0) & (swift == 0)
    print(
        f"{len(paths)} clips, {len(harvest) * EVERY_S:.0f} s; trackers hear a voice {100 * (harvest > 0).mean():.0f}"
        f" and {100 * (swift > 0).mean():.0f} % of the time; where both do, they are {share(~agree, both):.2f} % apart"
    )
    print("weights effort  harvest  swift  both  an octave low  high  missed  none there")
    for weights in args.weights:
        codec = load_codec(weights)
        for effort in args.efforts:
            found = []
            for samples, rate, at_s, *_ in heard:
                table = sic.encode(samples, rate, model=codec, effort=effort, bitrate_kbps=args.kbps, threads=1)
                found.append(of_events(codec, table, at_s))
            f0_hz = np.concatenate(found)
            voiced = f0_hz > 0
            off = [np.log2(np.maximum(f0_hz, 1) / np.maximum(truth, 1)) for truth in (harvest, swift)]
            gross = [np.abs(o) > np.log2(1 + GROSS) for o in off]
            figures = [
                share(gross[0], voiced & (harvest > 0)),
                share(gross[1], voiced & (swift > 0)),
                share(gross[0], voiced & agree),
                share(np.abs(off[0] + 1) < 0.2, voiced & agree),
                share(np.abs(off[0] - 1) < 0.2, voiced & agree),
                share(~voiced, agree),
                share(voiced, none),
            ]
            print(Path(weights).stem, effort, *(f"{figure:.2f}" for figure in figures), flush=True)


if __name__ == "__main__":
    main()
