"""Encode training material at several operating points, so that statistics of its events can be fitted.

    python formats/statistics/encode_corpus.py --preset speech /data/corpus/speech /data/statistics

Every folder of recordings gives OUT/<point>/<folder>/*.sic. plans.py has the points of each preset. What is there
already stays: delete OUT to begin anew.
"""

from __future__ import annotations

import argparse
import math
import zlib
from pathlib import Path

import soundfile
import torch
from events_of_files import for_corpus
from plans import PLANS

from sparsecodec_formats import EventTable, SicError, dumps, nearest_step
from sparsecodec_formats.edit import keep
from sparsecodec_models import ArraySource, load_codec
from sparsecodec_models.music.analysis.pipeline import on_grid


def main() -> None:
    """Encode what is missing, point by point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=list(PLANS), required=True)
    parser.add_argument("--weights", metavar="FILE", help="other weights than those that are shipped")
    parser.add_argument("corpus", type=Path, help="a folder of folders of recordings")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=1.0, help="times as much sound of each folder")
    args = parser.parse_args()
    torch.set_num_threads(1)
    codec = load_codec(args.weights or args.preset)
    plan = PLANS[args.preset]
    for at in plan.points:
        for folder in sorted(path for path in args.corpus.iterdir() if path.is_dir()):
            point = f"{at.bitrate_kbps or 'own'}_{at.effort}"
            places = [args.out / f"{point}_{eighth}_{share}" for eighth, share in at.steps] or [args.out / point]
            for place in places:
                (place / folder.name).mkdir(parents=True, exist_ok=True)
            left = at.seconds * args.seconds
            # in an order that looks like chance, and is the same everywhere
            for path in sorted(folder.glob("*.*"), key=lambda path: zlib.crc32(path.name.encode())):
                if path.suffix not in (".flac", ".wav"):
                    continue
                info = soundfile.info(path)
                left -= min(info.duration, plan.longest_s)
                if left < 0:
                    break
                targets = [place / folder.name / f"{path.stem}.sic" for place in places]
                if targets[-1].exists():
                    continue
                audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
                source = ArraySource(audio[: int(min(info.duration, plan.longest_s) * rate), :1], rate)
                try:
                    table = codec.encode(source, effort=at.effort, bitrate_kbps=at.bitrate_kbps)
                    for target, of in zip(targets, at_steps(table, at.steps), strict=True):
                        target.write_bytes(dumps(for_corpus(of)))
                except SicError as error:  # a word may be too short for so few bits
                    print(f"{path}: {error}")
            print(folder, point, len(list((places[-1] / folder.name).glob("*.sic"))), flush=True)


def at_steps(table: EventTable, steps: tuple[tuple[int, float], ...]) -> list[EventTable]:
    """The table with each of `Point.steps`; as it is where there are none."""
    if not steps:
        return [table]
    return [on_grid(keep(table, math.ceil(share * len(table))), nearest_step(2 ** (e / 8))) for e, share in steps]


if __name__ == "__main__":
    main()
