"""Windows of recordings with the events that `speech` gives them at many bitrates, for tune_encoder.py to train on.

    python fit_windows.py OUT --data FOLDER [FOLDER ...] [--name t] [--count 1000] [--effort 4] [--vary]

Writes OUT/NAME00000.npz …: x int16 [132300], 6 s at 22,050 Hz; vector float32 [n, 32]; time int64 [n], samples; kbps;
effort. Those that are there are passed over, so it may be broken off; `--part 0 2` and `--part 1 2` share the work
between two processes.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import torch

from sparsecodec_models import presets
from sparsecodec_models.audio_source import ArraySource
from sparsecodec_models.training.data import Windows, find_recordings

WINDOW_S = 6
KBPS = (0.8, 1.1, 1.4, 2.0, 2.4, 2.4, 3.0, 4.0, 5.0, 6.0)
SEEDS = {"t": 17, "v": 18}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--name", choices=("t", "v"), default="t", help="to train or to validate on")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--effort", type=int, default=4)
    parser.add_argument("--vary", action="store_true", help="other speeds, microphones and lines, as for `sic train`")
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), metavar=("N", "OF"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    codec = presets.load_codec("speech")
    rate = codec.model_rate
    windows = Windows(find_recordings(args.data), WINDOW_S * rate, rate, SEEDS[args.name], vary=args.vary)
    first, of = args.part
    for number in range(first, args.count, of):
        path = args.out / f"{args.name}{number:05d}.npz"
        if path.exists():
            continue
        samples = windows.batch(number, 1)[0]
        kbps = float(np.random.default_rng(number).choice(KBPS))
        table = codec.encode(ArraySource(samples, rate), effort=args.effort, bitrate_kbps=kbps, threads=1)
        part = path.with_suffix(".part")
        with open(part, "wb") as file:
            np.savez(
                file,
                x=np.round(samples * 32767).astype(np.int16),
                vector=table.vector.astype(np.float32),
                time=codec.event_samples(table),
                kbps=kbps,
                effort=args.effort,
            )
        os.replace(part, path)


if __name__ == "__main__":
    main()
