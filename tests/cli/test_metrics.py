"""What recordings are judged by: known answers, and the packages' own where they are installed."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
import pytest
import soxr
from cli_support import ROOT
from soundfile import read

import sparsecodec_cli as sic
from sparsecodec_cli.metrics import alignment, measure, mel_distance, scores

RATE = mel_distance.SAMPLE_RATE
PACKAGES = {
    "estoi": ["pystoi"],
    "pesq_wb": ["pesq"],
    "pesq_nb": ["pesq"],
    "visqol": ["visqol", "ai_edge_litert"],
    "distillmos": ["distillmos", "xls_r_sqa"],
}
BEST = {"estoi": 1.0, "pesq_wb": 4.644, "pesq_nb": 4.549}


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """[n] at 22,050 Hz, 3.2 s."""
    audio, rate = read(ROOT / "tests" / "data" / "only-person-en.flac", dtype="float32")
    return soxr.resample(audio, rate, RATE, quality="VHQ")


@pytest.fixture
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_models()
    for name in {name for names in PACKAGES.values() for name in names}:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture
def light_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares the tests that are not about them the slow ones."""
    forget_models()
    for name in ("visqol", "distillmos"):
        monkeypatch.setitem(sys.modules, name, None)


def forget_models() -> None:
    scores._visqol_model.cache_clear()
    scores._distillmos_model.cache_clear()


def needs(*packages: str) -> None:
    """As importorskip, without importing: torchaudio, which distillmos imports, does not load everywhere."""
    for name in packages:
        if find_spec(name) is None:
            pytest.skip(f"{name} is not installed")


def noise(n: int, level: float = 1.0, seed: int = 0) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def delayed(audio: np.ndarray, n: int) -> np.ndarray:
    return np.pad(audio, (n, 0)) if n >= 0 else audio[-n:]


# Spectra


@pytest.mark.parametrize("size", mel_distance.WINDOWS)
@pytest.mark.parametrize("top_hz", [mel_distance.MEL_TOP_HZ, alignment.TOP_HZ])
def test_mel_filters_are_librosas(size: int, top_hz: float) -> None:
    librosa = pytest.importorskip("librosa")
    expected = librosa.filters.mel(sr=RATE, n_fft=size, n_mels=mel_distance.N_MELS, fmin=0, fmax=top_hz)
    np.testing.assert_allclose(mel_distance.mel_filters(size, top_hz), expected, atol=1e-7)


@pytest.mark.parametrize("padding", ["reflect", "constant"])
@pytest.mark.parametrize("n", [300, 5000, 5120])
def test_log_mel_is_librosas(n: int, padding: mel_distance.Padding, monkeypatch: pytest.MonkeyPatch) -> None:
    librosa = pytest.importorskip("librosa")
    monkeypatch.setattr(mel_distance, "FRAMES_AT_ONCE", 7)
    audio = noise(n, 0.1)
    magnitude = np.abs(librosa.stft(audio, n_fft=512, hop_length=128, pad_mode=padding))
    expected = np.log10(np.maximum(mel_distance.mel_filters(512, 8000) @ magnitude, 1e-5))
    found = np.concatenate(list(mel_distance.log_mel(audio, 512, 128, padding=padding)))
    np.testing.assert_allclose(found.T, expected, atol=1e-4)


def test_mel_filters_stand_where_slaneys_do() -> None:
    """Even steps in Hz up to 1 kHz, even ratios above; every triangle has the area 1."""
    filters = mel_distance.mel_filters(1 << 16, 8000).astype(float)
    bin_hz = RATE / (1 << 16)
    centres_hz = filters.argmax(axis=1) * bin_hz
    below, above = centres_hz[centres_hz < 950], centres_hz[centres_hz > 1050]
    np.testing.assert_allclose(np.diff(below), np.diff(below)[0], atol=2 * bin_hz)
    np.testing.assert_allclose(above[1:] / above[:-1], above[1] / above[0], rtol=1e-3)
    np.testing.assert_allclose(filters.sum(axis=1) * bin_hz, 1, rtol=1e-3)


def test_mel_distance_of_a_level_is_that_level() -> None:
    audio = noise(RATE, 0.1)
    assert mel_distance.mel_distance(audio, audio) == 0
    assert mel_distance.mel_distance(audio, audio * 10) == pytest.approx(1, abs=1e-4)
    assert mel_distance.mel_distance(audio, audio / 10) == pytest.approx(1, abs=1e-4)


def test_mel_distance_does_not_hear_what_is_softer_than_its_floor() -> None:
    assert mel_distance.mel_distance(np.zeros(RATE, np.float32), noise(RATE, 1e-9)) == 0


# Alignment


@pytest.mark.parametrize("lag", [0, 1, -1, 37, 1000, -1000, 11025, -11025])
def test_a_delayed_copy_is_found(lag: int, speech: np.ndarray) -> None:
    other = delayed(speech, lag)
    assert alignment.find_lag(speech, other) == lag
    assert alignment.find_lag(speech, other * 0.01) == lag
    whole = alignment.shifted(other, lag, len(speech))
    assert whole.shape == speech.shape
    np.testing.assert_array_equal(whole[max(0, -lag) :], speech[max(0, -lag) :])


@pytest.mark.parametrize("seconds", [0.02, 0.1, 0.4])
def test_a_delayed_copy_is_found_also_where_the_half_second_is_longer(seconds: float) -> None:
    audio = noise(round(seconds * RATE), 0.1)
    for lag in (0, 100, -100):
        assert alignment.find_lag(audio, delayed(audio, lag)) == lag


def test_speech_without_its_phases_is_found(speech: np.ndarray) -> None:
    """Where no waveform is kept, as in vocoders, spectra tell."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(speech, 256), 512)[::128] * np.hanning(512)
    turned = np.fft.irfft(np.abs(np.fft.rfft(frames)) * np.exp(1j * noise(257 * len(frames)).reshape(-1, 257)))
    other = np.zeros(len(speech) + 1024, np.float32)
    for i, frame in enumerate(turned):
        other[128 * i : 128 * i + 512] += frame * np.hanning(512)
    other = other[256:]
    assert abs(alignment.find_lag(speech, delayed(other, 2205)) - 2205) < 0.005 * RATE


@pytest.mark.parametrize("lag, n", [(0, 5), (2, 5), (-2, 5), (9, 5), (-9, 5), (0, 2), (0, 9)])
def test_shifted_has_the_length_asked_for(lag: int, n: int) -> None:
    audio = np.arange(1, 6, dtype=np.float32)
    expected = [audio[i + lag] if 0 <= i + lag < 5 else 0 for i in range(n)]
    assert alignment.shifted(audio, lag, n).tolist() == expected


def test_cross_correlation_is_the_sum_that_it_says() -> None:
    one, two = noise(40, seed=1), noise(25, seed=2)
    lags, found = alignment.cross_correlation(one, two, 60)
    expected = [
        sum(one[t] * two[t + lag] for t in range(40) if 0 <= t + lag < 25) for lag in lags.tolist()
    ]  # fmt: skip
    np.testing.assert_allclose(found, expected, atol=1e-4)


# All together


@pytest.mark.parametrize("key", PACKAGES)
def test_the_same_is_best_and_noise_is_worse(key: str, speech: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    needs(*PACKAGES[key])
    monkeypatch.setattr(scores, "SCORES", [score for score in scores.SCORES if score.key == key])
    noisy = [sic.compare(speech, RATE, speech + noise(len(speech), level), RATE) for level in (0, 0.01, 0.1)]
    values = [found[key] for found in noisy]
    assert values[0] > values[1] > values[2]
    assert [found["left_out"] for found in noisy] == [{}, {}, {}]
    assert values[0] == pytest.approx(BEST.get(key, values[0]), abs=1e-3)
    distances = [found["mel"] for found in noisy]
    assert distances[0] == 0 < distances[1] < distances[2]


@pytest.mark.usefixtures("light_only")
def test_a_late_copy_in_stereo_at_another_rate_is_as_good(speech: np.ndarray) -> None:
    needs("pystoi")
    late = soxr.resample(delayed(speech, 2205), RATE, 48_000, quality="VHQ")
    found = sic.compare(speech, RATE, np.stack([late * 1.5, late * 0.5], axis=1), 48_000)
    assert found["lag_ms"] == pytest.approx(100, abs=0.1)
    assert found["estoi"] > 0.999 and found["mel"] < 0.03


@pytest.mark.usefixtures("no_packages")
def test_without_packages_mel_distance_is_left(speech: np.ndarray) -> None:
    found = sic.compare(speech, RATE, speech)
    assert found["lag_ms"] == found["mel"] == 0
    assert found["left_out"] == dict.fromkeys(PACKAGES, measure.NOT_INSTALLED)
    assert all(found[key] is None for key in PACKAGES)


def test_visqol_does_not_make_do_with_its_other_model(speech: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("visqol")
    forget_models()
    monkeypatch.setattr(scores, "SCORES", [score for score in scores.SCORES if score.key == "visqol"])
    for name in ("ai_edge_litert", "ai_edge_litert.interpreter"):
        monkeypatch.setitem(sys.modules, name, None)
    assert sic.compare(speech, RATE, speech)["left_out"] == {"visqol": measure.NOT_INSTALLED}


@pytest.mark.usefixtures("light_only")
@pytest.mark.parametrize("silent", ["REF", "X", "both"])
def test_silence_has_no_scores(silent: str, speech: np.ndarray) -> None:
    nothing = np.zeros(2 * RATE, np.float32)
    found = sic.compare(speech if silent == "X" else nothing, RATE, speech if silent == "REF" else nothing)
    assert set(found["left_out"].values()) == {f"{'X' if silent == 'X' else 'REF'} is silent"}
    assert (found["lag_ms"], found["mel"] == 0) == (0, silent == "both")


@pytest.mark.usefixtures("light_only")
@pytest.mark.parametrize("n", [1, 2, 100, 2000, 6000])
def test_what_is_too_short_is_left_out_with_the_reason(n: int, speech: np.ndarray) -> None:
    needs("pystoi", "pesq")
    part = speech[20000 : 20000 + n]
    found = sic.compare(part, RATE, part)
    assert found["lag_ms"] == found["mel"] == 0
    assert "less than 0.4 s" in found["left_out"]["estoi"]
    assert n == 6000 or "shorter than 0.25 s" in found["left_out"]["pesq_wb"]


@pytest.mark.usefixtures("light_only")
def test_little_sound_in_much_silence_is_too_short_for_estoi(speech: np.ndarray) -> None:
    needs("pystoi")
    audio = np.zeros(3 * RATE, np.float32)
    audio[RATE : RATE + 4000] = speech[20000:24000]
    assert "less than 0.4 s" in sic.compare(audio, RATE, audio)["left_out"]["estoi"]


def test_a_package_that_trips_over_one_recording_takes_no_other_score_with_it(
    speech: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trips(reference: np.ndarray, other: np.ndarray) -> float:
        raise IndexError("list index out of range")

    tripping = scores.Score("bad", "Bad", trips)
    undefined = scores.Score("nan", "NaN", lambda reference, other: float("nan"))
    good = scores.Score("good", "Good", lambda reference, other: 3.0)
    monkeypatch.setattr(scores, "SCORES", [tripping, undefined, good])
    found = sic.compare(speech, RATE, speech)
    assert (found["bad"], found["nan"], found["good"]) == (None, None, 3)
    assert found["left_out"] == {
        "bad": "IndexError: list index out of range",
        "nan": "is not defined for these recordings",
    }


def test_long_recordings_are_judged_part_by_part_without_the_silent_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = []

    def level(reference: np.ndarray, other: np.ndarray) -> float:
        lengths.append(len(reference))
        return float(np.abs(other).max() > 0.5)

    monkeypatch.setattr(scores, "SCORES", [scores.Score("level", "Level", level)])
    reference = noise(40 * RATE, 0.1)
    reference[13 * RATE : 27 * RATE] = 0
    other = reference.copy()
    other[1000] = 1
    assert sic.compare(reference, RATE, other)["level"] == 0.5
    assert lengths == [213334, 213333]


def test_progress_reaches_the_end(speech: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "SCORES", [scores.Score(key, key, lambda *_: 1.0) for key in "abcd"])
    told: list[float] = []
    sic.compare(speech, RATE, speech, progress=told.append)
    assert told == [0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize("bad", [[], [[]], [0.0, np.nan], [np.inf]])
def test_compare_refuses_what_is_no_recording(bad: list[float], speech: np.ndarray) -> None:
    for pair in ((speech, bad), (bad, speech)):
        with pytest.raises(sic.SicError, match=r"too short|NaN|shape \(1, 0\)"):
            sic.compare(np.array(pair[0]), RATE, np.array(pair[1]))


def test_distillmos_leaves_torchaudio_as_it_was() -> None:
    needs(*PACKAGES["distillmos"])
    forget_models()
    before = sys.modules.get("torchaudio")
    scores._distillmos_model()
    assert sys.modules.get("torchaudio") is before


def test_distillmos_of_a_long_recording_is_its_authors_mean(speech: np.ndarray) -> None:
    needs(*PACKAGES["distillmos"])
    import torch

    audio = soxr.resample(np.tile(speech, 3), RATE, scores.SAMPLE_RATE)
    model, _ = scores._distillmos_model()
    with torch.inference_mode():
        expected = model(torch.from_numpy(audio)[None]).item()
    assert scores.distillmos(audio, audio) == pytest.approx(expected, abs=1e-4)
