"""What becomes of the stereo image at equal bitrate, by what is coded of two channels: the table in docs/results.md.

    python docs/scripts/stereo_image.py [--effort 1] [--only NAME...]

The sounds are made here from the mono recordings of tests/data. Each is coded as four pairs of streams:

    alone      left and right
    mid/side   (left + right) / 2 and (left - right) / 2
    turned     the principal axes of the two channels: what both share most of, and the rest
    shared     one stream, in each channel at the channel's level

and decoded; a star is at what the encoder takes. In windows of 0.1 s and octaves from 125 Hz to 8 kHz, correlation and
level difference of the channels are compared with those of the original; errors are means weighted by the original's
energy. Level differences end at 20 dB. Log-mel distance and ESTOI (of speech) are means over the two channels;
"mel_sum" is that of their sum.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from sparsecodec_cli.metrics import scores
from sparsecodec_cli.metrics.mel_distance import SAMPLE_RATE, mel_distance
from sparsecodec_formats.container import dumps, loads
from sparsecodec_models import ArraySource, load_codec
from sparsecodec_models.codec import Codec
from sparsecodec_models.streams import find_gains

DATA = Path(__file__).resolve().parents[2] / "tests" / "data"
BANDS_HZ = (125, 250, 500, 1000, 2000, 4000, 8000)
WINDOW_S = 0.1
MOST_DB = 20.0
KBPS = {"speech": (2.4, 4.8), "music": (2.0, 4.0)}  # of both channels together
COLUMNS = ("kbps", "corr", "level_db", "mel", "mel_sum", "estoi")

Audio = NDArray[np.float32]
Matrix = NDArray[np.float64]


def recording(name: str, seconds: float = 4.0) -> Audio:
    """A mono file of tests/data, float32 [n] at SAMPLE_RATE, its peak at 0.5, at most so long."""
    samples, rate = soundfile.read(DATA / name, dtype="float32")
    samples = soxr.resample(samples, rate, SAMPLE_RATE, "VHQ")[: round(seconds * SAMPLE_RATE)]
    return (0.5 / np.abs(samples).max() * samples).astype(np.float32)


def together(*parts: Audio) -> Audio:
    """The sum of sounds [n, 2], as long as the shortest."""
    return np.sum([part[: min(map(len, parts))] for part in parts], axis=0, dtype=np.float32)


def panned(samples: Audio, degrees: float) -> Audio:
    """A sound at a place between left (0) and right (90 degrees): [n, 2]."""
    angle = np.deg2rad(degrees)
    return (samples[:, None] * [np.cos(angle), np.sin(angle)]).astype(np.float32)


def spaced(samples: Audio, delay_s: float, level_db: float) -> Audio:
    """A sound that comes to the right later and softer, as to two microphones: [n, 2]."""
    delay = round(delay_s * SAMPLE_RATE)
    late = np.concatenate([np.zeros(delay, np.float32), samples[: len(samples) - delay]])
    return np.stack([samples, late * np.float32(10 ** (level_db / 20))], axis=1)


def in_a_room(dry: Audio, level_db: float) -> Audio:
    """With 0.3 s of diffuse reverberation, another in each channel: [n, 2] -> [n, 2]."""
    draw, n_tail = np.random.default_rng(0), round(0.3 * SAMPLE_RATE)
    tails = draw.standard_normal((n_tail, 2)) * 10.0 ** (-3 * np.arange(n_tail) / n_tail)[:, None]
    source, size = dry.sum(axis=1), len(dry) + n_tail
    wet = np.fft.irfft(np.fft.rfft(source, size)[:, None] * np.fft.rfft(tails, size, axis=0), size, axis=0)[: len(dry)]
    gain = 10 ** (level_db / 20) * np.sqrt(np.square(dry).sum() / np.square(wet).sum())
    return (dry + gain * wet).astype(np.float32)


def sounds() -> Iterator[tuple[str, str, Audio]]:
    """(Name, preset, samples [n, 2])."""
    english, italian, russian = map(
        recording, ("only-person-en.flac", "you-are-next-it.flac", "privacy-prompt-ru.flac")
    )
    flute, reed = recording("melodies/frere-jacques-flute.flac"), recording("melodies/au-clair-de-la-lune-reed.flac")
    plucked, duet = recording("melodies/ode-to-joy-plucked.flac"), recording("music/duet.flac", 6.0)
    yield "talker, two microphones", "speech", spaced(english, 0.0003, -4.0)
    yield "talker at 30 degrees, room", "speech", in_a_room(panned(russian, 30.0), -8.0)
    turns = np.concatenate([panned(italian[: 2 * SAMPLE_RATE], 5.0), panned(english[: 2 * SAMPLE_RATE], 85.0)])
    for level_db in (-15.0, -25.0):
        yield f"talker, room at {level_db:.0f} dB", "speech", in_a_room(panned(english, 45.0), level_db)
    yield "two talkers in turn", "speech", turns
    yield "two talkers at once", "speech", together(panned(english, 20.0), panned(russian, 70.0))
    yield "flute left, reed right", "music", together(panned(flute, 15.0), panned(reed, 75.0))
    yield "flute centre, plucked left", "music", together(panned(flute, 45.0), panned(plucked, 10.0))
    yield "duet, room at -20 dB", "music", in_a_room(panned(duet, 45.0), -20.0)
    yield "duet, two microphones, room", "music", in_a_room(spaced(duet, 0.0004, -3.0), -12.0)


def axes(audio: Audio) -> Matrix:
    """Gains of the principal axes in the channels, [2, 2]; the stronger axis first."""
    _, vectors = np.linalg.eigh(audio.T.astype(np.float64) @ audio)
    return vectors[:, ::-1].copy()


def levels(audio: Audio) -> NDArray[np.float64]:
    """Gains of one stream in the channels, [2], the louder at 1."""
    energy = np.square(audio, dtype=np.float64).sum(axis=0)
    sign = 1.0 if audio[:, 0] @ audio[:, 1] >= 0 else -1.0
    return np.sqrt(energy / energy.max()) * [1.0, sign]


PAIRS: dict[str, Callable[[Audio], Matrix]] = {  # gains of streams [channel, stream]
    "alone": lambda audio: np.eye(2),
    "mid/side": lambda audio: np.array([[1.0, 1.0], [1.0, -1.0]]),
    "turned": axes,
    "shared": lambda audio: levels(audio)[:, None],
}


def coded(codec: Codec, audio: Audio, gains: Matrix, kbps: float, effort: int) -> tuple[Audio, float]:
    """Channels as they come back, [n, 2], and the bitrate that it took."""
    streams = (audio @ np.linalg.pinv(gains).T).astype(np.float32)
    with patch("sparsecodec_models.codec.find_gains", lambda source: ()):  # what is alike is to be coded twice here
        data = dumps(codec.encode(ArraySource(streams, SAMPLE_RATE), bitrate_kbps=kbps, effort=effort))
    decoded = np.concatenate(list(codec.decode(loads(data))))
    return (decoded @ gains.T).astype(np.float32), 8e-3 * len(data) * SAMPLE_RATE / len(audio)


def image(audio: Audio) -> tuple[Matrix, Matrix, Matrix]:
    """Of each window and band: correlation of the channels, level difference in dB, energy; [windows, bands] each."""
    size = round(WINDOW_S * SAMPLE_RATE)
    frames = np.lib.stride_tricks.sliding_window_view(audio, size, axis=0)[:: size // 2]
    spectra = np.fft.rfft(frames * np.hanning(size))  # [windows, 2, bins]
    hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    left, right = spectra[:, 0], spectra[:, 1]
    parts = [np.abs(left) ** 2, np.abs(right) ** 2, (left * right.conj()).real]
    ll, rr, lr = (
        np.stack([part[:, (hz >= f / 2**0.5) & (hz < f * 2**0.5)].sum(axis=1) for f in BANDS_HZ], axis=1)
        for part in parts
    )
    floor = 1e-7 * max(ll.max(), rr.max())
    level_db = 10 * np.log10((ll + floor) / (rr + floor))
    return lr / (np.sqrt(ll * rr) + floor), np.clip(level_db, -MOST_DB, MOST_DB), ll + rr


def measured(audio: Audio, decoded: Audio, preset: str) -> dict[str, float]:
    corr, level_db, energy = image(audio)
    corr_out, level_out_db, _ = image(decoded)
    pairs = [(audio[:, c].copy(), decoded[:, c].copy()) for c in range(2)]
    found = {
        "corr": float(np.average(np.abs(corr_out - corr), weights=energy)),
        "level_db": float(np.average(np.abs(level_out_db - level_db), weights=energy)),
        "mel": float(np.mean([mel_distance(x, y) for x, y in pairs])),
        "mel_sum": mel_distance(audio.mean(axis=1), decoded.mean(axis=1)),
    }
    if preset == "speech":
        narrow = [[soxr.resample(x, SAMPLE_RATE, scores.SAMPLE_RATE) for x in pair] for pair in pairs]
        found["estoi"] = float(np.mean([scores.estoi(x, y) for x, y in narrow]))
    return found


def row(cells: list[str]) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--effort", type=int, default=1)
    parser.add_argument("--only", nargs="*", help="the sounds whose names begin so")
    options = parser.parse_args()
    row(["sound", "ceiling, kbit/s", "coded", *COLUMNS])
    row(["---"] * (3 + len(COLUMNS)))
    means: dict[tuple[str, float, str], list[dict[str, float]]] = {}
    for name, preset, audio in sounds():
        if options.only and not name.startswith(tuple(options.only)):
            continue
        codec = load_codec(preset)
        taken = "shared" if find_gains(ArraySource(audio, SAMPLE_RATE)) else "alone"
        for kbps in KBPS[preset]:
            for pair, gains_of in PAIRS.items():
                decoded, rate = coded(codec, audio, gains_of(audio), kbps, options.effort)
                found = {"kbps": rate, **measured(audio, decoded, preset)}
                means.setdefault((preset, kbps, pair), []).append(found)
                row(
                    [
                        name,
                        f"{kbps}",
                        pair + " *" * (pair == taken),
                        *(f"{found[key]:.3f}" if key in found else "" for key in COLUMNS),
                    ]
                )
    for (preset, kbps, pair), rows in means.items():
        cells = [f"{np.mean([found[key] for found in rows]):.3f}" if key in rows[0] else "" for key in COLUMNS]
        row([f"mean, {preset}", f"{kbps}", pair, *cells])


if __name__ == "__main__":
    sys.exit(main())
