"""Encode training speech at several operating points, so that statistics of its events can be fitted.

    python formats/statistics/encode_corpus.py /data/corpus/speech /data/statistics

Every folder of recordings gives OUT/<point>/<folder>/*.sic. What is there already stays: delete OUT to begin anew.
"""

from __future__ import annotations

import argparse
import zlib
from pathlib import Path

import soundfile
import torch

from sparsecodec_formats import dumps, nearest_step
from sparsecodec_models import ArraySource, load_codec

# step, octaves re 1; effort; most events a second (None: the model's own number); seconds of each folder
POINTS: tuple[tuple[float, int, float | None, float], ...] = (
    (0.625, 4, None, 90.0),
    (-1.5, 0, None, 150.0),
    (-0.75, 1, 20.0, 100.0),
    (0.0, 2, None, 90.0),
    (0.625, 2, 14.0, 120.0),
    (1.25, 2, None, 90.0),
    (1.625, 1, 18.0, 100.0),
)


def main() -> None:
    """Encode what is missing, point by point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="a folder of folders of recordings")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=1.0, help="times as much sound of each folder")
    args = parser.parse_args()
    torch.set_num_threads(1)
    codec = load_codec("speech")
    for octaves, effort, density, seconds in POINTS:
        step = nearest_step(2.0**octaves)
        codec.step = (step,) * len(codec.step)
        for folder in sorted(path for path in args.corpus.iterdir() if path.is_dir()):
            out = args.out / f"{octaves:+.3f}_{effort}_{density or 'own'}" / folder.name
            out.mkdir(parents=True, exist_ok=True)
            left = seconds * args.seconds
            # in an order that looks like chance, and is the same everywhere
            for path in sorted(folder.glob("*.*"), key=lambda path: zlib.crc32(path.name.encode())):
                if path.suffix not in (".flac", ".wav"):
                    continue
                info = soundfile.info(path)
                left -= info.duration
                if left < 0:
                    break
                target = out / f"{path.stem}.sic"
                if target.exists():
                    continue
                audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
                source = ArraySource(audio[:, :1], rate)
                table = codec.encode(
                    source, effort=effort, events_per_second=density, snr_stop_db=None, seed=0, tags=None
                )
                target.write_bytes(dumps(table))
            print(out, len(list(out.glob("*.sic"))), flush=True)


if __name__ == "__main__":
    main()
