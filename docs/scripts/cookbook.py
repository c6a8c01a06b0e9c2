"""Runs the recipes of docs/cookbook.md and draws what they do: docs/cookbook/NAME.png.

    python docs/scripts/cookbook.py [NAME...]

Each recipe runs as it is printed, in a new folder with the recordings of tests/data. NAME is that of its picture. Needs
the extra [report]. tests/cli/test_cookbook.py runs recipes by `cook`, too, and measures what comes out.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import shlex
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import soundfile
from click.testing import CliRunner
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from PIL import Image

import sparsecodec_cli as sic
from sparsecodec_cli.main import cli
from sparsecodec_formats.interchange.midi_notes import read_midi

matplotlib.use("Agg")
ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "cookbook.md"
PICTURES = ROOT / "docs" / "cookbook"
RECORDINGS = [*ROOT.glob("tests/data/*.flac"), *ROOT.glob("tests/data/*/*.flac")]
MOST_BYTES = 60_000  # of a picture
COLOURS = 20
RANGE_DB = 45.0  # of a spectrogram
NEAR_HIGHEST, PERIODIC, AUDIBLE = 0.9, 0.6, 1e-4

Floats = np.ndarray


@dataclass(frozen=True)
class Recipe:
    """name: of its picture; blocks: (language, code), as printed."""

    title: str
    name: str
    blocks: list[tuple[str, str]]


def recipes(page: Path = PAGE) -> list[Recipe]:
    """All of the page, in order."""
    found = []
    for title, text in re.findall(
        r"^## \d+\. (.+?)\n(.*?)(?=^## |\Z)", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
    ):
        blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        (name,) = re.findall(r"\(cookbook/([\w-]+)\.png\)", text)
        found.append(Recipe(title, name, blocks))
    return found


def cook(recipe: Recipe, folder: Path) -> dict[str, Any]:
    """Run a recipe's blocks in a folder, in order; gives Python's names after it. RuntimeError for a command that
    fails."""
    for recording in RECORDINGS:
        shutil.copy(recording, folder)
    names: dict[str, Any] = {}
    with contextlib.chdir(folder):
        for language, code in recipe.blocks:
            if language == "python":
                exec(compile(code, f"{recipe.name} of the cookbook", "exec"), names)
            else:
                for line in code.replace("\\\n", " ").splitlines():
                    _command(shlex.split(line, comments=True))
    return names


def _command(words: list[str]) -> None:
    if not words:
        return
    if words[0] != "sic":
        raise RuntimeError(f"a recipe has no command but sic: {words}")
    result = CliRunner().invoke(cli, words[1:], prog_name="sic")
    if result.exit_code != 0:
        raise RuntimeError(f"{shlex.join(words)}: {result.output}")


def heard(path: Path) -> tuple[Floats, int]:
    """A recording, or a .sic file decoded: float64 [n, channels], Hz."""
    sound, rate = sic.decode(path) if path.suffix == ".sic" else soundfile.read(path, always_2d=True)
    return np.asarray(sound, np.float64), rate


def pitch_track(
    sound: Floats, rate: int, lowest_hz: float = 60.0, highest_hz: float = 500.0, *, window_s: float = 0.05
) -> tuple[Floats, Floats]:
    """The pitch every 10 ms by autocorrelation: float64 [m] each, seconds and Hz, nan where there is none.

    sound: [n], longer than the window and a period of lowest_hz. The autocorrelation of each window is normalised, so
    that a level which changes does no harm; the shortest lag whose peak is nearly the highest is the period.
    """
    n, longest, shortest = round(window_s * rate), round(rate / lowest_hz), int(rate / highest_hz)
    frames = np.lib.stride_tricks.sliding_window_view(sound, n + longest)[:: round(0.01 * rate)]
    size = 2 ** int(np.ceil(np.log2(2 * n + longest)))
    head = np.conj(np.fft.rfft(frames[:, :n], size))
    product = np.fft.irfft(np.fft.rfft(frames, size) * head, size)[:, : longest + 1]
    power = np.concatenate([np.zeros((len(frames), 1)), np.cumsum(frames**2, 1)], 1)
    power = power[:, n : n + longest + 1] - power[:, : longest + 1]
    like = product / np.sqrt(np.maximum(power * power[:, :1], 1e-20))
    inner = like[:, shortest:-1]
    high = inner >= NEAR_HIGHEST * inner.max(1, keepdims=True)
    peaks = high & (inner >= like[:, shortest - 1 : -2]) & (inner >= like[:, shortest + 1 :])
    rows, lag = np.arange(len(frames)), shortest + peaks.argmax(1)
    before, at, after = (like[rows, lag + step] for step in (-1, 0, 1))
    curve = before - 2 * at + after
    fine = lag + 0.5 * (before - after) / np.where(curve == 0, 1, curve)
    has_pitch = peaks.any(1) & (at > PERIODIC) & (power[:, 0] > AUDIBLE * power[:, 0].max())
    return (0.01 * rows * rate + (n + lag) / 2) / rate, np.where(has_pitch, rate / fine, np.nan)


def draw_spectrogram(ax: Axes, sound: Floats, rate: int, highest_hz: float, title: str) -> None:
    """Levels over time, from the loudest to 45 dB below."""
    hop, n = round(0.008 * rate), round(0.04 * rate)
    padded = np.pad(sound, n // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n)[::hop] * np.hanning(n)
    level = 20 * np.log10(np.abs(np.fft.rfft(frames, 4 * n)) + 1e-12).T
    level = level[: int(highest_hz / rate * 4 * n)]
    extent = (0, len(level[0]) * hop / rate, 0, highest_hz / 1000)
    ax.imshow(level, aspect="auto", origin="lower", extent=extent, cmap="magma", vmin=level.max() - RANGE_DB)
    ax.set_title(title, loc="left", fontsize=9)
    ax.set_ylabel("kHz")


def two_spectrograms(
    folder: Path, before: str, after: str, titles: tuple[str, str], highest_hz: float, until_s: float = np.inf
) -> None:
    """Before above after, on one axis of time."""
    _, axes = plt.subplots(2, 1, figsize=(7.2, 3.6), sharex=True, layout="constrained")
    ends = []
    for ax, file, title in zip(axes, (before, after), titles, strict=True):
        sound, rate = heard(folder / file)
        sound = sound[: int(min(until_s, 1e6) * rate)]
        draw_spectrogram(ax, sound.mean(1), rate, highest_hz, title)
        ends.append(len(sound) / rate)
    axes[1].set_xlim(0, max(ends))
    axes[1].set_xlabel("s")


def slow(folder: Path) -> None:
    two_spectrograms(folder, "talk.sic", "slow.wav", ("talk.sic", "slow.wav: 1.6 times as long"), 2000)


def monotone(folder: Path) -> None:
    two_spectrograms(folder, "talk.sic", "monotone.wav", ("talk.sic", "monotone.wav: harmonics lie level"), 2000)


def whisper(folder: Path) -> None:
    two_spectrograms(folder, "talk.sic", "whisper.wav", ("talk.sic", "whisper.wav: no harmonics"), 4000)


def drums(folder: Path) -> None:
    sound, rate = heard(folder / "beat.wav")
    _, ax = plt.subplots(figsize=(7.2, 2.8), layout="constrained")
    draw_spectrogram(ax, sound[: 4 * rate, 0], rate, 8000, "beat.wav, the first two bars")
    ax.set_xticks(0.02 + 0.5 * np.arange(8), [f"{bar}.{beat}" for bar in (1, 2) for beat in (1, 2, 3, 4)])
    ax.set_xlabel("bar.beat")


def draw_pitch(ax: Axes, sound: Floats, rate: int, highest_hz: float) -> None:
    """As MIDI keys over time."""
    time, hz = pitch_track(sound, rate, highest_hz=highest_hz)
    ax.plot(time, midi_of(hz), ".", ms=2.5, color="C1")


def midi_of(hz: Floats) -> Floats:
    return 69 + 12 * np.log2(hz / 440)


def draw_notes(ax: Axes, file: Path) -> None:
    """The notes of a MIDI file, as bars over time."""
    with open(file, "rb") as opened:
        notes, _ = read_midi(opened)
    for note in notes:
        ax.barh(note.midi, note.offset_s - note.onset_s, 0.8, note.onset_s, color="C0", alpha=0.35)
    ax.set(xlabel="s", ylabel="MIDI key")


def sung(folder: Path) -> None:
    sound, rate = heard(folder / "sung.wav")
    _, ax = plt.subplots(figsize=(7.2, 2.8), layout="constrained")
    draw_notes(ax, folder / "tune.mid")
    draw_pitch(ax, sound[:, 0], rate, 500)
    ax.set_ylim(55, 66)
    ax.set_title("notes of tune.mid, and the pitch of sung.wav", loc="left", fontsize=9)


def mosaic(folder: Path) -> None:
    two_spectrograms(folder, "english.sic", "mosaic.wav", ("english.sic", "mosaic.wav: out of Russian syllables"), 2000)


def choir(folder: Path) -> None:
    with contextlib.chdir(folder):
        one = sic.import_(
            "chords.mid", instrument=sic.encode("only-person-en.flac", effort=0, bitrate_kbps=6), contour=0.1
        )
        sic.write(one, "one.sic")
    two_spectrograms(folder, "one.sic", "choir.wav", ("one singer", "choir.wav"), 1000, until_s=2.5)


def tight(folder: Path) -> None:
    _, axes = plt.subplots(2, 1, figsize=(7.2, 3), sharex=True, layout="constrained")
    for ax, file in zip(axes, ("talk.sic", "tight.wav"), strict=True):
        sound, rate = heard(folder / file)
        ax.plot(np.arange(len(sound)) / rate, sound[:, 0], lw=0.4)
        ax.set_title(f"{file}: {len(sound) / rate:.1f} s", loc="left", fontsize=9)
        ax.set_yticks([])
    axes[1].set_xlabel("s")


def mean_spectrum_db(sound: Floats, rate: int) -> tuple[Floats, Floats]:
    """Hz, dB: the mean level of windows of 64 ms that are within 17 dB of the loudest."""
    n = round(0.064 * rate)
    frames = np.lib.stride_tricks.sliding_window_view(sound, n)[:: n // 4] * np.hanning(n)
    power = np.sum(frames**2, 1)
    spectra = np.abs(np.fft.rfft(frames[power > 0.02 * power.max()])) ** 2
    return np.fft.rfftfreq(n, 1 / rate), 10 * np.log10(spectra + 1e-9).mean(0)


def formants_moved_semitones(before: Floats, after: Floats, rate: int) -> float:
    """By how much the spectrum of one sound lies higher than that of another: where both fit best, without their tilt
    and their harmonics."""
    semitones = np.arange(0, 54, 0.25)  # above 300 Hz
    steps = []
    for sound in (before, after):
        hz, level_db = mean_spectrum_db(sound, rate)
        cepstrum = np.fft.irfft(level_db)
        cepstrum[30:-30] = 0
        steps.append(np.diff(np.interp(300 * 2 ** (semitones / 12), hz, np.fft.rfft(cepstrum).real)))
    likeness = []
    for shift in range(-40, 41):
        n = len(steps[0]) - abs(shift)
        first, second = (step[max(at, 0) :][:n] for step, at in zip(steps, (-shift, shift), strict=True))
        likeness.append(np.corrcoef(first, second)[0, 1])
    return (int(np.argmax(likeness)) - 40) / 4


def anonymous(folder: Path) -> None:
    _, ax = plt.subplots(figsize=(7.2, 3), layout="constrained")
    for file in ("talk.sic", "anonymous.wav"):
        sound, rate = heard(folder / file)
        hz, level_db = mean_spectrum_db(sound[:, 0], rate)
        ax.plot(hz / 1000, level_db, lw=1, label=file)
    ax.set(xlabel="kHz", ylabel="dB", xlim=(0, 4), ylim=(-30, 25))
    ax.legend(frameon=False)


def score(folder: Path) -> None:
    sound, rate = heard(folder / "whistle.wav")
    _, ax = plt.subplots(figsize=(7.2, 2.8), layout="constrained")
    draw_notes(ax, folder / "tune.mid")
    draw_pitch(ax, sound[:, 0], rate, 3000)
    ax.set_title("the pitch that was whistled, and the notes of tune.mid", loc="left", fontsize=9)


def samples(folder: Path) -> None:
    """Where the samples were cut out."""
    sound, rate = heard(folder / "talk.sic")
    _, ax = plt.subplots(figsize=(8, 3), layout="constrained")
    time = np.arange(len(sound)) / rate
    ax.plot(time, sound[:, 0], color="0.8", lw=0.5)
    for number, path in enumerate(sorted((folder / "samples").glob("*.wav"))):
        start_s = float(path.stem.partition("-")[2].rstrip("s"))
        sample, _ = heard(path)
        ax.plot(start_s + np.arange(len(sample)) / rate, sample[:, 0], lw=0.5, color=f"C{number}")
        ax.text(start_s, 1.32, path.stem.partition("-")[0].lstrip("0") or "0", color=f"C{number}", fontsize=8)
    ax.set(xlabel="s", xlim=(0, time[-1]), ylim=(-1.2, 1.5))
    ax.set_title("samples/, each where it was; numbers are those of the segments", loc="left", fontsize=9)


DRAWN: dict[str, Callable[[Path], None]] = {
    function.__name__: function
    for function in (slow, monotone, whisper, drums, sung, mosaic, choir, samples, tight, anonymous, score)
}
"""Of each recipe, by the name of its picture; one that is not here draws its picture itself, as NAME.png."""


def save(path: Path, folder: Path) -> None:
    """The picture that is being drawn, or that the recipe has drawn, in few colours."""
    drawn = folder / path.name
    file: io.BytesIO | Path = drawn
    if not drawn.exists():
        file = io.BytesIO()
        plt.savefig(file, dpi=100, format="png")
    plt.close("all")
    picture = Image.open(file).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)
    if path.stat().st_size > MOST_BYTES:
        raise RuntimeError(f"{path} has {path.stat().st_size} bytes, more than {MOST_BYTES}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of recipes; all without one")
    names = parser.parse_args().names
    PICTURES.mkdir(exist_ok=True)
    for recipe in recipes():
        if names and recipe.name not in names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            cook(recipe, Path(folder))
            if recipe.name in DRAWN:
                DRAWN[recipe.name](Path(folder))
            save(PICTURES / f"{recipe.name}.png", Path(folder))
        print(recipe.name, (PICTURES / f"{recipe.name}.png").stat().st_size)


if __name__ == "__main__":
    main()
