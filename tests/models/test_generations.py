"""Coding what was coded before, again and again, keeps its level."""

from __future__ import annotations

import numpy as np
import pytest
from speech_support import decode, encode, recording

from sparsecodec_models import ArraySource, load_codec
from sparsecodec_models.speech.codec import SpeechCodec


def level_db(samples: np.ndarray) -> float:
    return 10 * np.log10(np.square(samples, dtype=np.float64).mean())


@pytest.mark.parametrize(("effort", "bitrate_kbps"), [(0, 2.4), (0, 6.0), (1, 2.4)])
def test_four_generations_of_speech_keep_their_level(codec: SpeechCodec, effort: int, bitrate_kbps: float) -> None:
    audio, rate = recording(1)
    levels = [level_db(audio)]
    for _ in range(4):
        audio = decode(codec, encode(codec, audio, rate, effort=effort, bitrate_kbps=bitrate_kbps))[:, 0]
        levels.append(level_db(audio))
    np.testing.assert_allclose(levels[1:], levels[0], atol=0.15)


@pytest.mark.parametrize("gain_db", [-40.0, -12.0, 0.0])
def test_one_generation_keeps_the_level_of_loud_and_soft_speech(codec: SpeechCodec, gain_db: float) -> None:
    audio, rate = recording(0)
    audio = audio[: 2 * rate] * np.float32(10 ** (gain_db / 20))
    heard = decode(codec, encode(codec, audio, rate, effort=1))[:, 0]
    assert level_db(heard) == pytest.approx(level_db(audio), abs=0.15)


def test_three_generations_of_notes_keep_their_level() -> None:
    rate, music = 22_050, load_codec("music")
    time = np.arange(2 * rate) / rate
    audio = np.zeros(len(time))
    for onset_s, hz in ((0.2, 220.0), (0.7, 330.0), (1.2, 277.2)):
        since = time - onset_s
        envelope = np.where(since > 0, np.exp(-2 * since) * np.clip(since / 0.005, 0, 1), 0)
        audio += sum(0.2 / k**1.5 * envelope * np.sin(2 * np.pi * k * hz * since) for k in range(1, 6))
    levels = []
    for _ in range(3):
        table = music.encode(ArraySource(audio, rate), effort=1)
        audio = np.concatenate(list(music.decode(table)))[:, 0]
        levels.append(level_db(audio))
    np.testing.assert_allclose(levels[1:], levels[0], atol=0.5)
