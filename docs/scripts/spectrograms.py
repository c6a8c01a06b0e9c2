"""Draws recordings beside what is decoded of them with two weights files: docs/voice.png.

    python docs/scripts/spectrograms.py OUT.png RECORDING [...] --before OLD.safetensors [--after speech] [--kbps 2.4]

A row a recording: as it is, before, after. Spectrograms of 1,024 samples at 22,050 Hz, of up to --seconds, 60 dB deep.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import soundfile
import soxr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

import sparsecodec_cli as sic
from sparsecodec_formats import dumps, loads
from sparsecodec_models import Codec, load_codec

RATE, SIZE, HOP = 22_050, 1024, 128
DEPTH_DB = 60.0
TOP_HZ = 8000
COLOURS = 64  # of the picture, for a small file

Sound = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("recordings", nargs="+", type=Path)
    parser.add_argument("--before", required=True)
    parser.add_argument("--after", default="speech")
    parser.add_argument("--kbps", type=float, default=2.4)
    parser.add_argument("--seconds", type=float, default=2.5)
    args = parser.parse_args()
    codecs = {"before": load_codec(args.before), "after": load_codec(args.after)}
    figure = Figure(figsize=(11, 2 * len(args.recordings)), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(args.recordings), 1 + len(codecs), squeeze=False, sharex="row", sharey=True)
    for row, path in zip(axes, args.recordings, strict=True):
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
        sound: Sound = soxr.resample(audio.mean(1), rate, RATE, quality="VHQ")
        sounds = {"the recording": sound} | {name: coded(sound, codec, args.kbps) for name, codec in codecs.items()}
        top = levels_db(sound).max()
        for place, (name, each) in zip(row, sounds.items(), strict=True):
            levels = levels_db(each[: int(args.seconds * RATE)])
            extent = (0, levels.shape[1] * HOP / RATE, 0, TOP_HZ / 1000)
            shown = {"origin": "lower", "aspect": "auto", "cmap": "magma"}
            place.imshow(levels, extent=extent, vmin=top - DEPTH_DB, vmax=top, **shown)
            place.set_title(f"{path.stem}: {name}", fontsize=9)
        row[0].set_ylabel("kHz")
    for place in axes[-1]:
        place.set_xlabel("s")
    whole = io.BytesIO()
    figure.savefig(whole, format="png")
    Image.open(whole).convert("RGB").quantize(COLOURS).save(args.out, optimize=True)


def coded(sound: Sound, codec: Codec, kbps: float) -> Sound:
    """What comes out of a file; mono at RATE."""
    table = sic.encode(sound, RATE, model=codec, bitrate_kbps=kbps)
    heard, _ = sic.decode(loads(dumps(table)), model=codec, sample_rate=RATE)
    mono: Sound = heard[:, 0]
    return mono


def levels_db(sound: Sound) -> NDArray[np.float64]:
    """Of bins up to TOP_HZ, at every hop: [bins, frames]."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(sound, SIZE // 2), SIZE)[::HOP] * np.hanning(SIZE)
    power = np.abs(np.fft.rfft(frames)[:, : TOP_HZ * SIZE // RATE]) ** 2
    levels: NDArray[np.float64] = 10 * np.log10(power.T + 1e-9)
    return levels


if __name__ == "__main__":
    main()
