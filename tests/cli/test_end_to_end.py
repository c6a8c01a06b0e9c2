"""The commands with the real codec on a real recording, from the file to the sound and through the edits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from cli_support import assert_refused, ok, sic, sic_process

CLIP = Path(__file__).parents[1] / "data" / "only-person-en.flac"


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("coded") / "talk.sic"
    ok("encode", CLIP, out, "--effort", "0")
    return out


def decoded(path: Path, tmp_path: Path) -> tuple[np.ndarray, int]:
    out = tmp_path / f"{path.stem}.wav"
    ok("decode", path, out)
    return soundfile.read(out)


def pitch_hz(samples: np.ndarray, rate: int) -> float:
    """Mean pitch of the half of the frames that are most periodic, by autocorrelation."""
    size = rate // 15
    found = []
    for i in range(0, len(samples) - size, size // 2):
        frame = samples[i : i + size] * np.hanning(size)
        correlation = np.fft.irfft(np.abs(np.fft.rfft(frame, 2 * size)) ** 2)[:size]
        low, high = rate // 600, rate // 70
        lag = low + int(correlation[low:high].argmax())
        found.append((correlation[lag] / (correlation[0] + 1e-9) * np.linalg.norm(frame), rate / lag))
    best = sorted(found)[len(found) // 2 :]
    return float(np.median([hz for _, hz in best]))


def test_a_recording_goes_through_pipes_and_comes_back(tmp_path: Path) -> None:
    coded = sic_process("encode", "-", "-", "--effort", "0", "--tag", "title=Talk", stdin=CLIP.open("rb"))
    assert coded.returncode == 0, coded.stderr
    assert len(coded.stdout) < CLIP.stat().st_size / 40
    heard = sic_process("decode", "-", "-", input=coded.stdout)
    assert heard.returncode == 0, heard.stderr
    (tmp_path / "out.wav").write_bytes(heard.stdout)
    source, result = soundfile.info(CLIP), soundfile.info(tmp_path / "out.wav")
    assert (result.samplerate, result.frames, result.channels) == (source.samplerate, source.frames, 1)


def test_inspect_tells_what_was_coded(coded: Path) -> None:
    about = json.loads(ok("inspect", coded, "--json"))
    assert about["header"]["model"] == "speech" and about["header"]["sample_rate_hz"] == 16000
    assert about["bytes"] == coded.stat().st_size == sum(p["bytes"] for p in about["parts"].values())
    voice = [e["f0_hz"] for e in about["events"] if e["level_db"] > -30]
    assert 110 < np.median(voice) < 311  # Hz: a woman's voice
    ok("test", coded, "--decode")


@pytest.mark.parametrize("part", [(), ("--start", "0.7", "--end", "2.1", "--rate", "22050")])
def test_some_events_and_the_others_add_up_to_all(part: tuple[str, ...], coded: Path, tmp_path: Path) -> None:
    last = json.loads(ok("inspect", coded, "--json"))["n_events"] - 1
    heard = []
    for i, events in enumerate([(), ("--event", "20-39", "--event", "3"), ("--event", "0-2", "--event", "4-19")]):
        rest = ("--event", f"40-{last}") if i == 2 else ()
        ok("decode", coded, tmp_path / f"{i}.wav", *part, *events, *rest)
        heard.append(soundfile.read(tmp_path / f"{i}.wav")[0])
    whole, some, others = heard
    assert len(some) == len(others) == len(whole)
    assert some.any() and others.any()
    assert np.abs(some + others - whole).max() <= 2 / 2**15  # each is rounded to 16 bits


def test_transposed_speech_is_higher_and_as_long(coded: Path, tmp_path: Path) -> None:
    ok("transform", coded, tmp_path / "high.sic", "--transpose", "7")
    plain, rate = decoded(coded, tmp_path)
    high, _ = decoded(tmp_path / "high.sic", tmp_path)
    assert len(high) == len(plain)
    assert 12 * np.log2(pitch_hz(high, rate) / pitch_hz(plain, rate)) == pytest.approx(7.0, abs=1.5)


def test_stretched_speech_is_longer_and_as_high(coded: Path, tmp_path: Path) -> None:
    ok("transform", coded, tmp_path / "slow.sic", "--stretch", "1.5")
    plain, rate = decoded(coded, tmp_path)
    slow, _ = decoded(tmp_path / "slow.sic", tmp_path)
    assert len(slow) == round(1.5 * len(plain))
    assert 12 * np.log2(pitch_hz(slow, rate) / pitch_hz(plain, rate)) == pytest.approx(0.0, abs=1.5)


def test_gain_is_heard_to_the_decibel(coded: Path, tmp_path: Path) -> None:
    ok("transform", coded, tmp_path / "soft.sic", "--gain", "-12")
    plain, soft = (decoded(path, tmp_path)[0] for path in (coded, tmp_path / "soft.sic"))
    assert 20 * np.log10(np.linalg.norm(soft) / np.linalg.norm(plain)) == pytest.approx(-12.0, abs=0.2)


def test_the_events_worth_most_keep_most_of_the_energy(coded: Path, tmp_path: Path) -> None:
    ok("transform", coded, tmp_path / "few.sic", "--keep", "50%")
    plain, few = (decoded(path, tmp_path)[0] for path in (coded, tmp_path / "few.sic"))
    assert np.sum(few**2) > 0.75 * np.sum(plain**2)


def test_randomized_files_decode(coded: Path, tmp_path: Path) -> None:
    ok("randomize", coded, tmp_path / "dice.sic", "--times", "--vectors", "--seed", "3")
    dice, _ = decoded(tmp_path / "dice.sic", tmp_path)
    assert np.isfinite(dice).all() and np.abs(dice).max() > 0


def test_other_weights_are_refused(coded: Path, tmp_path: Path) -> None:
    refused = sic("decode", coded, tmp_path / "x.wav", "--model", "reference")
    assert_refused(refused, coded.name, "weights")
    assert not (tmp_path / "x.wav").exists()
