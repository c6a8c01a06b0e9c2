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
Sound = np.ndarray


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
        assert f"test_{name}" in globals()


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


def band_power(sound: Sound, rate: int, low_hz: float, high_hz: float) -> Sound:
    """Of what lies between two frequencies, every 10 ms: [m]."""
    n = rate // 100
    spectrum = np.fft.rfft(sound)
    hz = np.fft.rfftfreq(len(sound), 1 / rate)
    part = np.fft.irfft(np.where((hz >= low_hz) & (hz < high_hz), spectrum, 0), len(sound))
    return np.mean(part[: len(part) // n * n].reshape(-1, n) ** 2, 1)


def test_drums(cook: Cook) -> None:
    folder = cook("drums")
    beat, rate = sound_of(folder / "beat.wav")
    assert len(beat) == 8 * rate
    eighth = np.arange(len(beat) // (rate // 100)) // 25  # which one each 10 ms are in
    for low_hz, high_hz, struck in (
        (40, 250, [0, 5]),
        (2000, 4500, [2, 6]),
        (5500, 8000, range(8)),
    ):
        power = band_power(beat, rate, low_hz, high_hz)
        expected = np.isin(np.arange(32) % 8, struck)
        of_eighth = np.bincount(eighth, power)
        assert of_eighth[expected].min() > (10 * of_eighth[~expected].max() if len(struck) < 8 else 0)
        for at in np.flatnonzero(expected):  # it begins on the beat, 20 ms late, and is gone before the next
            here = power[25 * at : 25 * at + 25]
            first = np.argmax(here > 0.1 * here.max())
            assert 0 <= first <= 3 and here[-2:].max() < 0.1 * here.max()
    bass = sic.segments_of(sic.read(folder / "bass.sic"))
    assert len(bass) == 1 and 55 < bass.f0_hz[0] < 105 and bass.f0_course_semitones[0] < -4


def test_sung(cook: Cook) -> None:
    folder = cook("sung")
    sound, rate = sound_of(folder / "sung.wav")
    with open(folder / "tune.mid", "rb") as file:
        notes, _ = book.read_midi(file)
    assert len(notes) == 11 and len(sound) / rate == pytest.approx(notes[-1].offset_s, abs=0.3)
    time, hz = book.pitch_track(sound, rate)
    for note in notes:
        inside = hz[(time > note.onset_s + 0.08) & (time < note.offset_s - 0.06)]
        off = cents(inside, 440 * 2 ** ((note.midi - 69) / 12))
        assert abs(np.nanmedian(off)) < 6 and np.nanpercentile(np.abs(off), 90) < 35 and np.isfinite(off).mean() > 0.9


def test_mosaic(cook: Cook) -> None:
    folder = cook("mosaic")
    english, russian, mosaic = (sic.read(folder / f"{name}.sic") for name in ("english", "russian", "mosaic"))
    asked, made = sic.segments_of(english), sic.segments_of(mosaic)
    assert abs(len(made) - len(asked)) <= 1 and mosaic.duration_s == english.duration_s
    nearest = np.abs(made.start_s[:, None] - asked.start_s).argmin(0)
    met = np.abs(made.start_s[nearest] - asked.start_s) < 0.04
    met &= made.kind[nearest] == asked.kind
    assert met.mean() > 0.9
    pitched = asked.kind == "pitched"
    off = np.abs(cents(made.f0_hz[nearest], asked.f0_hz))[pitched & met]
    assert np.median(off) < 10 and off.max() < 60  # two steps of the file: segments may be cut otherwise by an event
    shapes = {row.tobytes() for row in russian.vector[:, 8:]}  # as spectra are in `speech`
    assert all(row.tobytes() in shapes for row in mosaic.vector[:, 8:])
    (before, rate), (after, _) = sound_of(folder / "english.sic"), sound_of(folder / "mosaic.wav")
    times = np.rint(100 * np.stack([asked.start_s, asked.end_s], 1)[pitched]).astype(int)
    loudest = [[band_power(sound, rate, 0, rate)[slice(*at)].max() for at in times] for sound in (before, after)]
    louder_db = 10 * np.log10(np.divide(*loudest))
    assert np.median(np.abs(louder_db)) < 1.5 and np.abs(louder_db).max() < 5
    (_, f0), (_, mosaic_f0) = book.pitch_track(before, rate), book.pitch_track(after, rate)
    assert np.nanmedian(np.abs(cents(f0, mosaic_f0))) < 200  # of 1400 that it moves in


def test_choir(tmp_path: Path) -> None:
    names = book.cook(RECIPES["choir"], tmp_path)
    heard, _ = soundfile.read(tmp_path / "choir.wav")
    assert heard.ndim == 2 and np.corrcoef(heard.T)[0, 1] < 0.7
    choir, rate = sic.decode(sic.read(tmp_path / "choir.sic").room(-60))
    singers = [sic.decode(singer)[0][:, 0] for singer in names["singers"]]

    def thirds(sound: Sound) -> Sound:
        """Power in bands of a third of an octave from 100 Hz."""
        power = np.abs(np.fft.rfft(sound, 2**18)) ** 2
        band = np.floor(3 * np.log2(np.maximum(np.fft.rfftfreq(2**18, 1 / rate), 1) / 100)).astype(int)
        return np.bincount(band[band >= 0], power[band >= 0])[:18]

    together, apart = thirds(choir[:, 0]) + thirds(choir[:, 1]), 2 * sum(thirds(singer) for singer in singers)
    assert np.abs(10 * np.log10(together / apart)).max() < 2  # powers add up; in a comb filter some bands are gone


def test_tight(cook: Cook) -> None:
    folder = cook("tight")
    (talk, rate), (tight, _) = sound_of(folder / "talk.sic"), sound_of(folder / "tight.wav")

    def longest_silence_s(sound: Sound) -> float:
        loud = np.flatnonzero(np.concatenate([[1.0], band_power(sound, rate, 0, rate), [1.0]]) > 1e-5)
        return float(np.diff(loud).max() - 1) / 100

    assert longest_silence_s(talk) > 1.5 and longest_silence_s(tight) < 0.3
    gone = len(talk) - len(tight)
    assert 1.3 < gone / rate < 1.8
    for part, moved in ((slice(0, int(2.9 * rate)), 0), (slice(int(4.7 * rate), len(talk)), gone)):
        levels = (band_power(sound, rate, 0, rate) for sound in (talk[part], tight[part.start - moved :]))
        before, after = (np.convolve(level, np.ones(5) / 5) for level in levels)
        assert np.corrcoef(before, after[: len(before)])[0, 1] > 0.97


def test_anonymous(cook: Cook) -> None:
    folder = cook("anonymous")
    (talk, rate), (other, _) = sound_of(folder / "talk.sic"), sound_of(folder / "anonymous.wav")
    before, after = (book.pitch_track(sound, rate)[1] for sound in (talk, other))
    assert cents(np.nanmedian(after), np.nanmedian(before)) == pytest.approx(-500, abs=100)
    assert np.nanstd(np.log2(after)) < 0.9 * np.nanstd(np.log2(before))
    assert book.formants_moved_semitones(talk, other, rate) == pytest.approx(-3, abs=1)
    assert book.formants_moved_semitones(talk, talk, rate) == 0
    assert len(other) == len(talk)


def test_score(cook: Cook) -> None:
    folder = cook("score")
    with open(folder / "tune.mid", "rb") as file:
        notes, n_drums = book.read_midi(file)
    tune = [(91, 1), (88, 1), (91, 1), (88, 1), (89, 1), (91, 1), (93, 2), (91, 1), (88, 1), (84, 2)]
    assert str(tune) in dict(RECIPES["score"].blocks)["python"]  # what was whistled
    assert n_drums == 0 and [round(note.midi, 1) for note in notes] == pytest.approx([key for key, _ in tune], abs=0.2)
    beats = np.array([beats for _, beats in tune])
    assert [note.onset_s for note in notes] == pytest.approx(0.3 * (1 + np.cumsum(beats) - beats), abs=3e-3)
    assert [note.offset_s - note.onset_s for note in notes] == pytest.approx(0.3 * beats, abs=0.15)


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
