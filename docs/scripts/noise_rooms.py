"""What noise, other voices, a hall and a piano do to coded speech: a table in docs/results.md.

    python docs/scripts/noise_rooms.py --piano PIANO RECORDING RECORDING [...] [--weights FILE ...] [--kbps 2.4]

Needs `sic compare`'s packages (`pip install 'sparsecodec[metrics]'`). Each recording is disturbed in four ways at 10 dB
below its speech: pink noise; babble, which is all the other recordings and their reversals at once; a hall of 1.2 s;
the piano of a recording. What is coded is compared with what went in. Prints a row for each weights file and
disturbance: the means of ESTOI, PESQ-WB, ViSQOL and DistillMOS, and DistillMOS of what went in.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

import sparsecodec_cli as sic
from sparsecodec_cli.metrics.scores import SAMPLE_RATE as RATE
from sparsecodec_cli.metrics.scores import distillmos
from sparsecodec_formats import dumps, loads
from sparsecodec_models import Codec, load_codec

SNR_DB = 10.0
RT60_S = 1.2  # of the hall
SCORES = ("estoi", "pesq_wb", "visqol", "distillmos")

Sound = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", nargs="+", type=Path)
    parser.add_argument("--piano", type=Path, required=True)
    parser.add_argument("--weights", nargs="+", default=["speech"], help="names or files of models")
    parser.add_argument("--kbps", type=float, default=2.4)
    parser.add_argument("--effort", type=int)
    args = parser.parse_args()
    if len(args.recordings) < 2:
        parser.error("babble takes two recordings at least")
    voices = [read(path) for path in args.recordings]
    piano = read(args.piano)
    disturbed: dict[str, Callable[[int], Sound]] = {
        "nothing": lambda i: voices[i],
        "pink noise": lambda i: beside(voices[i], pink(len(voices[i]), i)),
        "babble": lambda i: beside(voices[i], babble(voices[:i] + voices[i + 1 :], len(voices[i]))),
        "a hall": lambda i: in_hall(voices[i]),
        "a piano": lambda i: beside(voices[i], np.resize(piano, len(voices[i]))),
    }
    print(f"{'weights':<24} {'disturbed by':<12} " + " ".join(f"{name:>10}" for name in (*SCORES, "went in")))
    for weights in args.weights:
        codec = load_codec(weights)
        for name, disturb in disturbed.items():
            rows = [scores(codec, disturb(i), args.kbps, args.effort) for i in range(len(voices))]
            means = np.mean(rows, axis=0)
            print(f"{Path(weights).stem[:24]:<24} {name:<12} " + " ".join(f"{m:>10.3f}" for m in means), flush=True)


def scores(codec: Codec, sound: Sound, kbps: float, effort: int | None) -> list[float]:
    """Of what is decoded, re what went in; and DistillMOS of what went in."""
    given = (sound * min(1.0, 0.95 / np.abs(sound).max())).astype(np.float32)
    table = sic.encode(given, RATE, model=codec, bitrate_kbps=kbps, effort=effort)
    heard, rate = sic.decode(loads(dumps(table)), model=codec)
    found = sic.compare(given, RATE, heard, rate)
    return [*(found[name] for name in SCORES), distillmos(given, given)]


def read(path: Path) -> Sound:
    sound, rate = soundfile.read(path, always_2d=True)
    mono: Sound = soxr.resample(sound.mean(1), rate, RATE, quality="VHQ")
    return mono


def beside(voice: Sound, other: Sound) -> Sound:
    """Both, the other at SNR_DB below the voice, whose pauses do not count."""
    return voice + other * 10 ** (-SNR_DB / 20) * rms_of_speech(voice) / np.sqrt(np.mean(other**2))


def rms_of_speech(voice: Sound) -> float:
    power = np.convolve(voice**2, np.ones(RATE // 50) * 50 / RATE, "same")
    return float(np.sqrt(power[power > 1e-3 * power.max()].mean()))


def pink(length: int, seed: int) -> Sound:
    """Noise whose power falls by 3 dB an octave above 20 Hz."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=length))
    sound: Sound = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.fft.rfftfreq(length, 1 / RATE), 20.0)), length)
    return sound


def babble(voices: list[Sound], length: int) -> Sound:
    talkers = [talker / rms_of_speech(talker) for voice in voices for talker in (voice, voice[::-1])]
    return np.sum([np.resize(np.roll(t, 977 * i), length) for i, t in enumerate(talkers)], axis=0)


def in_hall(voice: Sound) -> Sound:
    """Through noise that dies away by 60 dB in RT60_S, SNR_DB below the direct sound."""
    n = int(RT60_S * RATE)
    tail = np.random.default_rng(0).normal(size=n) * 10 ** (-3 * np.arange(n) / n)
    tail[: RATE // 100] = 0  # nothing within 10 ms
    wet = np.fft.irfft(np.fft.rfft(voice, 2 * len(voice) + n) * np.fft.rfft(tail, 2 * len(voice) + n))[: len(voice)]
    return beside(voice, wet)


if __name__ == "__main__":
    main()
