"""The commands with the real codec on a real recording, from the file to the sound and through the edits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from cli_support import assert_refused, ok, sic, sic_process

import sparsecodec_cli
from sparsecodec_models.speech.model import SpeechModel

CLIP = Path(__file__).parents[1] / "data" / "only-person-en.flac"


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("coded") / "talk.sic"
    ok("encode", CLIP, out, "--effort", "0")
    return out


def test_a_file_of_own_weights_is_tested_with_these(tmp_path: Path) -> None:
    weights, coded = tmp_path / "elsewhere" / "my.safetensors", tmp_path / "talk.sic"
    weights.parent.mkdir()
    weights.write_bytes(SpeechModel.drawn(1).to_bytes())
    sparsecodec_cli.write(sparsecodec_cli.encode(np.zeros(4000), 8000, model=weights, effort=0), coded)
    result = sic("test", "--decode", coded)
    assert result.exit_code == 1 and "needs weights" in result.stdout and "--model" in result.stdout
    assert ok("test", "--decode", coded, "--model", weights).decode() == f"{coded}: ok\n"
    assert_refused(sic("test", coded, "--model", weights), "--decode", exit_code=2)
    assert "no model 'brass'" in sic("test", "--decode", coded, "--model", "brass").stdout


def decoded(path: Path, tmp_path: Path) -> tuple[np.ndarray, int]:
    out = tmp_path / f"{path.stem}.wav"
    ok("decode", path, out)
    return soundfile.read(out)


def pitch_track(samples: np.ndarray, rate: int, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pitch, Hz, of frames of 50 ms around times, by autocorrelation, and how periodic each is, up to 1: [n] each.

    The lag is the first peak that is nearly as high as the highest, so that it is one period and not two.
    """
    size = round(0.05 * rate)
    window = np.hanning(size)

    def autocorrelation(frames: np.ndarray) -> np.ndarray:
        return np.fft.irfft(np.abs(np.fft.rfft(frames, 4 * size)) ** 2)[..., :size]

    begins = np.round(times_s * rate - size / 2).astype(int)
    frames = samples[begins[:, None] + np.arange(size)]
    found = autocorrelation((frames - frames.mean(axis=1, keepdims=True)) * window)
    of_window = autocorrelation(window)
    found = found / (found[:, :1] + 1e-12) / (of_window / of_window[0])
    lags = np.arange(rate // 700, rate // 70)
    periodic = found[:, lags].max(axis=1)
    is_peak = (found[:, lags] >= found[:, lags - 1]) & (found[:, lags] >= found[:, lags + 1])
    lag = lags[(is_peak & (found[:, lags] > 0.9 * periodic[:, None])).argmax(axis=1)]
    before, at, after = (found[np.arange(len(lag)), lag + d] for d in (-1, 0, 1))
    return rate / (lag + 0.5 * (before - after) / (before - 2 * at + after - 1e-12)), periodic


def semitones_between(plain: np.ndarray, other: np.ndarray, rate: int, stretch: float = 1.0) -> np.ndarray:
    """How much higher `other` is, semitones, frame by frame where both are voiced."""
    times_s = np.arange(0.05, len(plain) / rate - 0.05, 0.01)
    low, low_periodic = pitch_track(plain, rate, times_s)
    high, high_periodic = pitch_track(other, rate, stretch * times_s)
    voiced = (low_periodic > 0.9) & (high_periodic > 0.9)
    assert voiced.mean() > 0.5
    return 12 * np.log2(high[voiced] / low[voiced])


def test_a_recording_goes_through_pipes_and_comes_back(tmp_path: Path) -> None:
    coded = sic_process("encode", "-", "-", "--effort", "0", "--tag", "title=Talk", stdin=CLIP.open("rb"))
    assert coded.returncode == 0, coded.stderr
    assert len(coded.stdout) < CLIP.stat().st_size / 40
    heard = sic_process("decode", "-", "-", input=coded.stdout)
    assert heard.returncode == 0, heard.stderr
    (tmp_path / "out.wav").write_bytes(heard.stdout)
    source, result = soundfile.info(CLIP), soundfile.info(tmp_path / "out.wav")
    assert (result.samplerate, result.frames, result.channels) == (source.samplerate, source.frames, 1)


@pytest.mark.parametrize("options", [{}, {"bitrate_kbps": 1.2}])
def test_the_command_and_the_api_write_the_same_bytes(options: dict[str, float], tmp_path: Path) -> None:
    flags = [part for value in options.values() for part in ("--bitrate", str(value))]
    ok(
        "encode",
        CLIP,
        tmp_path / "a.sic",
        "--effort",
        "0",
        "--seed",
        "7",
        "--tag",
        "title=Talk",
        "--tag",
        "b=c",
        *flags,
    )
    audio, rate = soundfile.read(CLIP, dtype="float32")
    tags = {"title": "Talk", "b": "c"}
    table = sparsecodec_cli.encode(audio, rate, effort=0, seed=7, tags=tags, **options)  # type: ignore[arg-type]
    with open(tmp_path / "b.sic", "wb") as file:
        sparsecodec_cli.write(table, file)
    assert (tmp_path / "a.sic").read_bytes() == (tmp_path / "b.sic").read_bytes()


def test_the_command_and_the_api_decode_the_same_samples(coded: Path, tmp_path: Path) -> None:
    ok("decode", coded, tmp_path / "out.wav", "--start", "0.5", "--event", "0-60", "--seed", "4", "--bits", "float")
    with open(coded, "rb") as file:
        table = sparsecodec_cli.read(file)
    audio, rate = sparsecodec_cli.decode(table, start_s=0.5, events=range(61), seed=4)
    written, written_rate = soundfile.read(tmp_path / "out.wav", dtype="float32", always_2d=True)
    assert rate == written_rate and np.array_equal(written, audio)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_arrays_with_samples_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(sparsecodec_cli.SicError, match="NaN"):
        sparsecodec_cli.encode(np.array([0.0, bad]), 8000)


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
    higher = semitones_between(plain, high, rate)
    assert np.median(higher) == pytest.approx(7.0, abs=0.06)  # a file rounds pitches by 5 cents at most
    assert (np.abs(higher - 7) < 0.3).mean() > 0.97


def test_stretched_speech_is_longer_and_as_high(coded: Path, tmp_path: Path) -> None:
    ok("transform", coded, tmp_path / "slow.sic", "--stretch", "1.5")
    plain, rate = decoded(coded, tmp_path)
    slow, _ = decoded(tmp_path / "slow.sic", tmp_path)
    assert len(slow) == round(1.5 * len(plain))
    higher = semitones_between(plain, slow, rate, stretch=1.5)
    assert np.median(higher) == pytest.approx(0.0, abs=0.05)
    assert (np.abs(higher) < 0.3).mean() > 0.97


def test_gain_is_heard_to_the_decibel(coded: Path, tmp_path: Path) -> None:
    ok("transform", coded, tmp_path / "soft.sic", "--gain", "-12")
    plain, soft = (decoded(path, tmp_path)[0] for path in (coded, tmp_path / "soft.sic"))
    assert 20 * np.log10(np.linalg.norm(soft) / np.linalg.norm(plain)) == pytest.approx(-12.0, abs=0.2)


def test_the_events_worth_most_keep_most_of_the_energy(coded: Path, tmp_path: Path) -> None:
    ok("transform", coded, tmp_path / "few.sic", "--keep", "50%")
    plain, few = (decoded(path, tmp_path)[0] for path in (coded, tmp_path / "few.sic"))
    assert np.sum(few**2) == pytest.approx(np.sum(plain**2), rel=0.05)


def test_randomized_files_decode(coded: Path, tmp_path: Path) -> None:
    ok("randomize", coded, tmp_path / "dice.sic", "--times", "--vectors", "--seed", "3")
    dice, _ = decoded(tmp_path / "dice.sic", tmp_path)
    assert np.isfinite(dice).all() and np.abs(dice).max() > 0


def test_other_weights_are_refused(coded: Path, tmp_path: Path) -> None:
    refused = sic("decode", coded, tmp_path / "x.wav", "--model", "reference")
    assert_refused(refused, coded.name, "weights")
    assert not (tmp_path / "x.wav").exists()
