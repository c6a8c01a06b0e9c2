"""Pitch from 45 to 1,000 Hz: what a file says of voices whose pitch is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from sung import RATE, VOWELS_HZ, cents_off, creaked, harmonic_levels_db, pitch_course, sung, with_vibrato

from sparsecodec_formats import EventTable, dumps, loads
from sparsecodec_models.audio_source import ArraySource
from sparsecodec_models.speech.codec import SpeechCodec

DATA = Path(__file__).parents[1] / "data" / "voices"


def encoded(codec: SpeechCodec, samples: NDArray[np.float32], rate: int = RATE, **options: Any) -> EventTable:
    """As a file gives it back."""
    return loads(dumps(codec.encode(ArraySource(samples, rate), **{"effort": 0, **options})))


def off(
    codec: SpeechCodec, samples: NDArray[np.float32], truth_hz: NDArray[np.float64], **options: Any
) -> NDArray[np.float64]:
    """Cents that the file's pitch is off at each frame in the middle."""
    return cents_off(*pitch_course(codec.renderer, encoded(codec, samples, **options)), truth_hz)


@pytest.mark.parametrize("f0_hz", [45, 50, 57, 63, 80, 110, 160, 240, 330, 470, 500, 560, 660, 750, 850, 1000])
def test_vowels_keep_their_pitch(codec: SpeechCodec, f0_hz: float) -> None:
    """With as many events as their vibrato needs."""
    truth_hz = with_vibrato(f0_hz, 1.2)
    cents = np.concatenate([off(codec, sung(truth_hz, vowel), truth_hz, bitrate_kbps=6.0) for vowel in VOWELS_HZ])
    assert (cents < 50).mean() >= 0.95 and np.median(cents) < 10


@pytest.mark.parametrize("f0_hz", [50, 63, 560, 1000])
def test_few_events_keep_to_the_middle_of_a_vibrato(codec: SpeechCodec, f0_hz: float) -> None:
    truth_hz = with_vibrato(f0_hz, 1.2)
    cents = np.concatenate([off(codec, sung(truth_hz, vowel), truth_hz) for vowel in VOWELS_HZ])
    assert (cents < 75).mean() >= 0.95


@pytest.mark.parametrize("vowel", VOWELS_HZ)
def test_a_glide_over_the_whole_range_is_followed(codec: SpeechCodec, vowel: str) -> None:
    for truth_hz in (np.geomspace(45, 1000, 6 * RATE), np.geomspace(1000, 45, 6 * RATE)):
        assert (off(codec, sung(truth_hz, vowel), truth_hz) < 50).mean() >= 0.95


@pytest.mark.parametrize("f0_hz", [48, 60, 75])
def test_creak_has_the_pitch_of_its_pulses(codec: SpeechCodec, f0_hz: float) -> None:
    """Intervals differ by 8 %, 140 cents: no octave is lost, and most are told within two semitones."""
    cents = off(codec, *creaked(f0_hz, 2.0, 0.08), bitrate_kbps=6.0)
    assert (cents < 200).mean() >= 0.9 and (cents < 400).mean() >= 0.99


def test_a_recording_at_560_hz_stays_there(codec: SpeechCodec) -> None:
    samples, rate = soundfile.read(DATA / "sung560.flac", dtype="float32")
    for effort in (0, 4):
        place, f0_hz = pitch_course(codec.renderer, encoded(codec, samples, rate, effort=effort))
        truth_hz = np.full(int(len(samples) * RATE / rate), 560.0)
        assert (cents_off(place, f0_hz, truth_hz) < 60).mean() >= 0.95


@pytest.mark.parametrize("f0_hz", [400, 560, 700, 1000])
def test_harmonics_that_are_wide_apart_have_their_levels(codec: SpeechCodec, f0_hz: float) -> None:
    """Of those that are heard: no more than 40 dB below the loudest. Bands between them hold nothing."""
    for vowel in VOWELS_HZ:
        samples = sung(np.full(int(1.2 * RATE), float(f0_hz)), vowel)
        decoded = np.concatenate(list(codec.decode(encoded(codec, samples, effort=4))))[:, 0]
        wanted, got = (harmonic_levels_db(sound, f0_hz) for sound in (samples, decoded))
        heard = wanted > wanted.max() - 40
        assert np.abs(wanted - got)[heard].max() < 9
        assert np.abs(wanted - got)[heard].mean() < 4
