"""DC and rumble below 20 Hz cost no bits and make no sound; where there are none, nothing changes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from speech_support import decode, encode, recording

from sparsecodec_formats import container
from sparsecodec_models import ArraySource
from sparsecodec_models.audio_source import ModelRateAudio
from sparsecodec_models.dsp import infrasound
from sparsecodec_models.speech.codec import SpeechCodec

RATE = 22_050


def sine(hz: float, seconds: float = 2.0, level: float = 0.3) -> np.ndarray:
    phase = 2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE
    return (level * np.sin(phase)).astype(np.float32)


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.square(samples, dtype=np.float64).mean()))


def analysed(samples: np.ndarray) -> np.ndarray:
    """What an analysis at RATE hears of an array at that rate."""
    return np.concatenate(list(ModelRateAudio(ArraySource(samples, RATE), RATE).blocks()))


def level_db(samples: np.ndarray) -> float:
    return 20 * np.log10(rms(samples))


@pytest.mark.parametrize(
    ("rumble", "at_ends"),
    [(np.full(2 * RATE, 0.1, np.float32), 0.05), (sine(3.0), 0.1), (sine(12.0, level=0.1), 0.1)],
    ids=["dc", "3 Hz", "12 Hz"],
)
def test_dc_and_rumble_are_taken_out_and_the_sound_stays(rumble: np.ndarray, at_ends: float) -> None:
    voice = sine(40.0, level=0.1) + sine(300.0, level=0.2)
    left = analysed(rumble + voice)[:, 0] - voice
    inner = slice(RATE // 10, -RATE // 10)
    assert rms(left[inner]) < 2e-3 * rms(voice)
    assert np.abs(left).max() < at_ends  # nor a click where the stream begins and ends


def test_a_channel_without_infrasound_is_not_changed_in_a_bit() -> None:
    clean, moved = sine(300.0), sine(300.0) + np.float32(0.2)
    heard = analysed(np.stack([clean, moved], axis=1))
    np.testing.assert_array_equal(heard[:, 0], clean)
    np.testing.assert_allclose(heard[RATE // 10 : -RATE // 10, 1], clean[RATE // 10 : -RATE // 10], atol=1e-3)
    noise = np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32) / 8
    np.testing.assert_array_equal(analysed(noise)[:, 0], noise)


@pytest.mark.parametrize("n_samples", [1, 500, 5_000, 200_000])
def test_a_stream_is_split_alike_however_it_is_cut(n_samples: int) -> None:
    samples = np.random.default_rng(1).standard_normal((n_samples, 2)).astype(np.float32)
    whole = [np.concatenate(part) for part in zip(*infrasound.split([samples], RATE), strict=True)]
    edges = [0, *sorted(np.random.default_rng(2).integers(0, n_samples, 9)), n_samples]
    pieces = [samples[a:b] for a, b in itertools.pairwise(edges)]
    cut = [np.concatenate(part) for part in zip(*infrasound.split(pieces, RATE), strict=True)]
    np.testing.assert_array_equal(whole[0], samples)
    np.testing.assert_array_equal(cut[0], samples)
    np.testing.assert_array_equal(cut[1], whole[1])


def test_of_what_is_too_short_to_have_a_pitch_nothing_is_taken() -> None:
    samples = np.full(500, 0.3, np.float32)
    np.testing.assert_array_equal(analysed(samples)[:, 0], samples)


@pytest.mark.parametrize("effort", [0, 1])
def test_dc_costs_no_bits_and_no_level(codec: SpeechCodec, effort: int) -> None:
    voice, rate = recording()
    voice = voice / 2
    size, level = {}, {}
    for name, audio in (("without", voice), ("with", voice + np.float32(0.1))):
        table = encode(codec, audio, rate, effort=effort)
        size[name], level[name] = len(container.dumps(table)), level_db(decode(codec, table))
    assert size["with"] < 1.03 * size["without"]
    assert level["with"] == pytest.approx(level["without"], abs=0.2)


def test_dc_alone_has_no_events(codec: SpeechCodec) -> None:
    assert not len(encode(codec, np.full(48_000, 0.1, np.float32), 16_000))
