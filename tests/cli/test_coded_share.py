"""`sic encode` says so when most of the sound was not coded, and only then."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from cli_support import sic

from sparsecodec_cli import api
from sparsecodec_models import ArraySource

DATA = Path(__file__).parents[1] / "data"
RATE = 16_000
TIME = np.arange(2 * RATE) / RATE


def write_wav(path: Path, audio: np.ndarray, rate: int) -> Path:
    soundfile.write(path, audio, rate)
    return path


def dtmf() -> np.ndarray:
    """Telephone tones for 1 5 9, a third of a second each."""
    pairs = [(697, 1209), (770, 1336), (852, 1477)]
    tones = [0.2 * (np.sin(2 * np.pi * a * TIME) + np.sin(2 * np.pi * b * TIME))[: RATE // 3] for a, b in pairs]
    return np.concatenate([np.pad(tone, (0, RATE // 10)) for tone in tones])


def warning(path: Path, *options: str) -> str:
    result = sic("encode", path, path.with_suffix(".sic"), "-f", "--effort", "0", *options)
    assert result.exit_code == 0, result.stderr
    lines = result.stderr.splitlines()
    assert len(lines) <= 2
    return lines[1] if len(lines) == 2 else ""


@pytest.mark.parametrize(
    ("audio", "advice"),
    [
        (0.3 * np.sin(2 * np.pi * 3000 * TIME), "--model music or a higher --bitrate"),
        (0.2 * (np.sin(2 * np.pi * 1209 * TIME) + np.sin(2 * np.pi * 1477 * TIME)), "--model music"),
    ],
    ids=["3 kHz", "two tones"],
)
def test_tones_that_a_voice_cannot_make(tmp_path: Path, audio: np.ndarray, advice: str) -> None:
    path = write_wav(tmp_path / "tone.wav", audio, RATE)
    line = warning(path, "--model", "speech")
    assert line.startswith("sic: warning: ") and "tone.sic: " in line and advice in line
    assert "higher --events-per-second" in warning(path, "--model", "speech", "--events-per-second", "20")
    assert warning(path, "--model", "speech", "-q") == ""


def test_the_advice_for_telephone_tones_is_good(tmp_path: Path) -> None:
    assert warning(write_wav(tmp_path / "tone.wav", dtmf(), RATE), "--model", "music", "--bitrate", "6") == ""


def test_what_lies_above_the_model_is_named(tmp_path: Path) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(96_000)
    line = warning(write_wav(tmp_path / "noise.wav", noise, 48_000), "--model", "speech")
    assert "above 11 kHz" in line and "--model" not in line


@pytest.mark.parametrize("name", ["only-person-en.flac", "privacy-prompt-ru.flac", "music/duet.flac"])
@pytest.mark.parametrize("offset", [0.0, 0.3])
def test_speech_and_music_are_coded_without_a_word(name: str, offset: float, tmp_path: Path) -> None:
    audio, rate = soundfile.read(DATA / name, dtype="float32")
    assert warning(write_wav(tmp_path / "sound.wav", audio[: 3 * rate] / 2 + offset, rate)) == ""


@pytest.mark.parametrize(
    "audio", [np.zeros(RATE), np.full(RATE, 0.2), np.full(20, 0.5)], ids=["silence", "dc", "short"]
)
def test_where_nothing_can_be_told_nothing_is_said(audio: np.ndarray, tmp_path: Path) -> None:
    assert warning(write_wav(tmp_path / "still.wav", audio, RATE)) == ""


def test_of_a_long_recording_the_loudest_seconds_are_compared() -> None:
    voice, rate = soundfile.read(DATA / "only-person-en.flac", dtype="float32")
    quiet = np.zeros(4 * rate, np.float32)
    time = np.arange(2 * rate) / rate
    tones = 0.2 * (np.sin(2 * np.pi * 1209 * time) + np.sin(2 * np.pi * 1477 * time))
    audio = np.concatenate([quiet, voice, quiet, tones])
    table = api.encode(audio, rate, model="speech", effort=0)
    coded = api.coded_share(ArraySource(audio, rate), table)
    assert coded is not None and 0.2 < coded.share < 0.8
    assert coded.highest_hz == 11_025 and coded.missing_above == 0
