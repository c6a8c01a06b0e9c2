"""Coding what was coded before, again and again, keeps its level."""

from __future__ import annotations

import numpy as np
import pytest
from speech_support import decode, encode, recording

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
