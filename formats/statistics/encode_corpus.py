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
from events_of_files import for_corpus

from sparsecodec_formats import SicError, dumps
from sparsecodec_models import ArraySource, load_codec

# kbit/s (None: the model's own point), effort, seconds of each folder
POINTS: tuple[tuple[float | None, int, float], ...] = (
    (None, 1, 60.0),
    (1.5, 1, 60.0),
    (2.5, 1, 60.0),
    (1.0, 1, 60.0),
    (4.0, 1, 60.0),
    (None, 4, 30.0),
    (2.0, 2, 60.0),
    (0.7, 1, 60.0),
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
    for bitrate_kbps, effort, seconds in POINTS:
        for folder in sorted(path for path in args.corpus.iterdir() if path.is_dir()):
            out = args.out / f"{bitrate_kbps or 'own'}_{effort}" / folder.name
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
                try:
                    table = codec.encode(source, effort=effort, bitrate_kbps=bitrate_kbps)
                    target.write_bytes(dumps(for_corpus(table)))
                except SicError as error:  # a word may be too short for so few bits
                    print(f"{path}: {error}")
            print(out, len(list(out.glob("*.sic"))), flush=True)


if __name__ == "__main__":
    main()
