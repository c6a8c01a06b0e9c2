"""The recipes of docs/cookbook.md run as they are printed, and make what they promise: the sound is measured."""

from __future__ import annotations

import csv
import importlib.util
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
from cli_support import ROOT

import sparsecodec_cli as sic

pytest.importorskip("matplotlib")


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cookbook", ROOT / "docs" / "scripts" / "cookbook.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


book = _script()
RECIPES = {recipe.name: recipe for recipe in book.recipes()}
Cook = Callable[[str], Path]


@pytest.fixture
def cook(tmp_path: Path) -> Cook:
    """Runs the recipe of a picture's name; gives the folder."""

    def cooked(name: str) -> Path:
        book.cook(RECIPES[name], tmp_path)
        return tmp_path

    return cooked


def sound_of(path: Path) -> tuple[np.ndarray, int]:
    """[n], the mean of the channels, and Hz."""
    sound, rate = book.heard(path)
    return sound.mean(1), rate


def cents(hz: np.ndarray, other_hz: np.ndarray | float) -> np.ndarray:
    return 1200 * np.log2(hz / other_hz)


def test_recipes_are_numbered_and_have_small_pictures_and_tests() -> None:
    text = book.PAGE.read_text("utf-8")
    numbers = [int(number) for number in re.findall(r"^## (\d+)\. ", text, re.MULTILINE)]
    assert numbers == list(range(1, len(RECIPES) + 1))
    assert {path.stem for path in book.PICTURES.iterdir()} == set(RECIPES)
    for name in RECIPES:
        assert 1000 < (book.PICTURES / f"{name}.png").stat().st_size <= book.MOST_BYTES
        assert f'cook("{name}")' in Path(__file__).read_text("utf-8")


def test_a_command_that_fails_is_not_passed_over(tmp_path: Path) -> None:
    for line, error in (("sic decode nothing.sic", "nothing.sic"), ("rm talk.sic", "no command but sic")):
        with pytest.raises(RuntimeError, match=error):
            book.cook(book.Recipe("A failure", "failure", [("sh", line)]), tmp_path)


def test_slow(cook: Cook) -> None:
    folder = cook("slow")
    (talk, rate), (slow, _) = sound_of(folder / "talk.sic"), sound_of(folder / "slow.wav")
    assert len(slow) == pytest.approx(1.6 * len(talk), abs=1)
    (time, before), (slow_time, after) = book.pitch_track(talk, rate), book.pitch_track(slow, rate)
    apart = np.abs(cents(before, np.interp(1.6 * time, slow_time, after)))  # nan where one has no pitch
    assert np.nanmedian(apart) < 20 and np.isfinite(apart).sum() > 0.6 * np.isfinite(before).sum()


def test_monotone(cook: Cook) -> None:
    folder = cook("monotone")
    (talk, rate), (flat, _) = sound_of(folder / "talk.sic"), sound_of(folder / "monotone.wav")
    (_, before), (_, after) = book.pitch_track(talk, rate), book.pitch_track(flat, rate)
    assert np.nanpercentile(np.abs(cents(before, np.nanmedian(before))), 90) > 400
    assert np.nanpercentile(np.abs(cents(after, np.nanmedian(after))), 90) < 10
    assert np.isfinite(after).sum() > 200  # in 3.1 s, a hundred a second
    story, _ = sound_of(folder / "storyteller.sic")
    spread = [np.nanstd(np.log2(f0)) for f0 in (before, book.pitch_track(story, rate)[1])]
    assert 1.6 < spread[1] / spread[0] < 2.2


def test_whisper(cook: Cook) -> None:
    folder = cook("whisper")
    (talk, rate), (whisper, _) = sound_of(folder / "talk.sic"), sound_of(folder / "whisper.wav")
    (_, before), (_, after) = book.pitch_track(talk, rate), book.pitch_track(whisper, rate)
    assert np.isfinite(before).mean() > 0.7
    assert np.mean(np.abs(cents(before, after)) < 100) < 0.02  # the pitch that was there is not there any more
    assert np.isfinite(after).mean() < 0.1
    level_db = [10 * np.log10(np.mean(sound**2)) for sound in (talk, whisper)]
    assert 1 < level_db[0] - level_db[1] < 4


def test_samples(cook: Cook) -> None:
    samples = cook("samples") / "samples"
    with open(samples / "stems.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(list(samples.glob("*.wav"))) == 10
    table = sic.read(samples.parent / "talk.sic")
    energy = sorted((float(np.sum(stem.audio**2)) for stem in sic.render_stems(table, by="segment")), reverse=True)
    heard = {row["file"]: soundfile.read(samples / row["file"]) for row in rows}
    assert sorted((np.sum(sound**2) for sound, _ in heard.values()), reverse=True) == pytest.approx(energy[:10])
    for sound, _ in heard.values():
        assert np.abs(sound[[0, -1]]).max() < 0.02 * np.abs(sound).max()  # no click: 34 dB softer
    keys: set[int] = set()
    apart = []
    regions = (samples / "syllables.sfz").read_text().split("<region> ")[1:]
    for region in regions:
        said = dict(word.split("=") for word in region.split())
        of = set(range(int(said["lokey"]), int(said["hikey"]) + 1))
        assert not keys & of
        keys |= of
        row = next(row for row in rows if row["file"] == said["sample"])
        f0_hz = float(row["f0_hz"])
        in_tune = 440 * 2 ** ((int(said["pitch_keycenter"]) - int(said["tune"]) / 100 - 69) / 12)
        assert cents(f0_hz, in_tune) == pytest.approx(0, abs=1)
        sound, rate = heard[row["file"]]
        time, pitch = book.pitch_track(sound, rate)
        time += int(row["start_sample"]) / rate
        inside = (time > float(row["start_s"])) & (time < float(row["end_s"]))
        apart.append(abs(float(cents(np.nanmedian(pitch[inside]), f0_hz))))
    assert keys == set(range(128)) and len(regions) >= 6
    assert np.median(apart) < 30 and max(apart) < 150  # where a pitch falls fast


def test_durations(cook: Cook) -> None:
    folder = cook("durations")
    with open(folder / "durations.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    segments = sic.segments_of(sic.read(folder / "talk.sic"))
    assert [row["kind"] for row in rows] == segments.kind.tolist()
    assert [float(row["duration_s"]) for row in rows] == pytest.approx(segments.end_s - segments.start_s, abs=6e-4)
    assert {"pitched", "unvoiced"} == set(segments.kind) and len(rows) >= 8
    assert [row["f0_hz"] == "" for row in rows] == (segments.kind == "unvoiced").tolist()
    assert (folder / "durations.png").stat().st_size > 5000
