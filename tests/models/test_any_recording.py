"""Whatever a recording holds, it encodes, and decodes to its own length."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from speech_support import decode, encode, recording

from sparsecodec_formats import container
from sparsecodec_models.speech.codec import SpeechCodec

RATE = 16_000
WINDOW_S = 2**17 / 22_050  # of analysis; a fit sees half of it at once


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


def click(seconds: float, level: float) -> np.ndarray:
    """One sample somewhere in silence."""
    audio = silence(seconds)
    audio[len(audio) // 3 : len(audio) // 3 + 1] = level
    return audio


def noise(seconds: float, level_db: float) -> np.ndarray:
    samples = np.random.default_rng(0).standard_normal(round(seconds * RATE))
    return (10 ** (level_db / 20) * samples).astype(np.float32)


def speech(start_s: float, seconds: float) -> np.ndarray:
    audio, rate = recording()
    assert rate == RATE
    return audio[round(start_s * RATE) : round((start_s + seconds) * RATE)]


short, gap = st.floats(0.0, 0.6), st.floats(0.0, 1.2 * WINDOW_S)
pieces = st.one_of(
    gap.map(silence),
    st.builds(click, gap, st.sampled_from([2.0**-15, 0.1, 0.9, -1.0])),
    st.builds(noise, short, st.sampled_from([-100.0, -65.0, -30.0])),
    st.builds(speech, st.floats(0.0, 2.4), short),
)
recordings = st.lists(pieces, min_size=1, max_size=4).map(np.concatenate).filter(len)


def comes_back(codec: SpeechCodec, audio: np.ndarray, effort: int) -> np.ndarray:
    table = encode(codec, audio, RATE, effort=effort)
    heard = decode(codec, container.loads(container.dumps(table)))
    assert heard.shape == audio.reshape(len(audio), -1).shape
    assert np.isfinite(heard).all()
    return heard


@pytest.mark.parametrize("effort", [0, 1, 4])
@settings(max_examples=25, derandomize=True)
@given(recordings)
def test_any_recording_comes_back(codec: SpeechCodec, effort: int, audio: np.ndarray) -> None:
    comes_back(codec, audio, effort)


@pytest.mark.parametrize("effort", [0, 1, 4])
@pytest.mark.parametrize("n_samples", [1, 2, 63, 64, 1023, 4097])
def test_the_shortest_recordings_come_back(codec: SpeechCodec, effort: int, n_samples: int) -> None:
    comes_back(codec, speech(0.5, 1.0)[:n_samples], effort)


LONG_QUIET = {
    "quiet before": [silence(5.0), speech(0.2, 1.0)],
    "quiet after": [speech(0.2, 1.0), silence(3.2)],
    "a gap": [speech(0.2, 0.6), silence(6.0), speech(1.2, 0.6)],
    "a click alone": [click(3.0, 0.9)],
}


@pytest.mark.parametrize("effort", [1, 4])
@pytest.mark.parametrize("name", LONG_QUIET)
def test_a_window_whose_events_have_no_frames_in_it(codec: SpeechCodec, name: str, effort: int) -> None:
    comes_back(codec, np.concatenate(LONG_QUIET[name]), effort)


def test_one_channel_is_quiet_while_the_other_speaks(codec: SpeechCodec) -> None:
    left = np.concatenate([speech(0.0, 1.5), noise(4.0, -65.0)])
    right = np.concatenate([noise(4.0, -65.0), speech(1.5, 1.5)])
    heard = comes_back(codec, np.stack([left, right], axis=1), 4)
    assert np.abs(heard[: 2 * RATE, 0]).max() > 0.05 and np.abs(heard[-2 * RATE :, 1]).max() > 0.05
