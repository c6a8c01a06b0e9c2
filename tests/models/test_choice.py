"""Which preset a recording is coded with, where none is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from sparsecodec_formats import SicError
from sparsecodec_models import ArraySource, choose_preset
from sparsecodec_models.choice import LEAST_NOTES, loudest_stretches, notes_at_once
from sparsecodec_models.music.network.features import SAMPLE_RATE_HZ as RATE

DATA = Path(__file__).parents[1] / "data"


def melody(rate: int = RATE, seconds: float = 3.0) -> np.ndarray:
    """Plucked chords over a scale, float32 [n]: partials that decay, the higher ones faster."""
    n = int(seconds * rate)
    out = np.zeros(n)
    for i, midi in enumerate((60, 64, 67, 72, 71, 67, 64, 62, 60)):
        for pitch in (midi, midi - 12, midi + 4):
            begin = int(i * 0.33 * rate)
            t = np.arange(n - begin) / rate
            f0 = 440.0 * 2 ** ((pitch - 69) / 12)
            for k in range(1, 9):
                out[begin:] += np.sin(2 * np.pi * k * f0 * t) * np.exp(-(2 + 1.5 * k) * t) / k**1.5
    return (0.5 * out / np.abs(out).max()).astype(np.float32)


def recording(name: str) -> tuple[np.ndarray, int]:
    return soundfile.read(DATA / f"{name}.flac", dtype="float32")


@pytest.mark.parametrize("name", ["only-person-en", "privacy-prompt-ru", "you-are-next-it"])
def test_recordings_of_speech(name: str) -> None:
    assert choose_preset(ArraySource(*recording(name))) == "speech"


@pytest.mark.parametrize("name", ["ode-to-joy-plucked", "au-clair-de-la-lune-reed"])
def test_melodies(name: str) -> None:
    assert choose_preset(ArraySource(*recording(f"melodies/{name}"))) == "music"


def test_a_chord_is_more_notes_than_a_voice() -> None:
    speech, rate = recording("privacy-prompt-ru")
    voice = loudest_stretches(ArraySource(speech, rate))
    assert notes_at_once(voice) < LEAST_NOTES / 1.5 < 1.5 * LEAST_NOTES < notes_at_once(melody()[:, None])


@pytest.mark.parametrize("level", [1.0, 0.01])
def test_chords_at_any_level(level: float) -> None:
    assert choose_preset(ArraySource(level * melody(), RATE)) == "music"


def test_stereo_at_another_rate() -> None:
    chords = melody(44100)
    assert choose_preset(ArraySource(np.stack([chords, -chords], 1), 44100)) == "music"
    speech, rate = recording("only-person-en")
    assert choose_preset(ArraySource(np.stack([0 * speech, speech], 1), rate)) == "speech"


@pytest.mark.parametrize("n", [0, 1, 100, 3 * RATE, 8 * RATE])
def test_silence_is_speech(n: int) -> None:
    assert choose_preset(ArraySource(np.zeros((n, 2 if n > 1 else 1)), RATE)) == "speech"


def test_too_short_to_tell_is_speech() -> None:
    assert choose_preset(ArraySource(melody()[:1000], RATE)) == "speech"


def test_the_loudest_of_each_third_of_a_long_recording() -> None:
    """The rest, noise that is softer, has no say."""
    sound = np.random.default_rng(0).normal(0, 1e-4, (30 * RATE, 2)).astype(np.float32)
    chords = melody(seconds=2.0)
    for at_s, channel, gain in ((4, 0, 0.9), (14, 1, 0.5), (28, 0, 0.2)):
        sound[at_s * RATE : (at_s + 2) * RATE, channel] = gain * chords
    source = ArraySource(sound, RATE)
    found = loudest_stretches(source)
    np.testing.assert_allclose(found, chords[:, None] * [0.9, 0.5, 0.2], atol=2e-3)
    assert choose_preset(source) == "music"


def test_a_short_one_is_heard_whole() -> None:
    speech, _ = recording("only-person-en")
    np.testing.assert_array_equal(loudest_stretches(ArraySource(speech, RATE))[:, 0], speech)


def test_a_source_is_read_in_blocks_and_from_its_start() -> None:
    class Source(ArraySource):
        most = 0

        def read(self, n: int, /) -> np.ndarray:
            self.most = max(self.most, n)
            return super().read(n)

    source = Source(melody(), RATE)
    source.read(RATE)  # as one that has been used before
    assert choose_preset(source) == "music"
    assert 0 < source.most < source.n_samples


def test_audio_that_cannot_be_coded() -> None:
    with pytest.raises(SicError, match="NaN"):
        choose_preset(ArraySource([0.0, np.nan], RATE))
