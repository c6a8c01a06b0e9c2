"""Channels that are alike are coded as one stream and come back alike; others are coded by themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from speech_support import recording

from sparsecodec_formats import EventTable, SicError, dumps, loads, nearest_gain
from sparsecodec_models import ArraySource, load_codec
from sparsecodec_models.events.sounds import event_sounds
from sparsecodec_models.speech.codec import SpeechCodec
from sparsecodec_models.streams import channels_of, find_gains, streams_of

RATE = 16_000
Audio = NDArray[np.float32]


@pytest.fixture(scope="module")
def talk() -> Audio:
    """A second of speech, in steps of 16 bits."""
    audio, rate = recording()
    assert rate == RATE
    return in_16_bits(audio[RATE // 2 : 3 * RATE // 2])


@pytest.fixture(scope="module")
def noise() -> Audio:
    return (0.1 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)


def in_16_bits(audio: Audio) -> Audio:
    return (np.clip(np.round(audio * 32768.0), -32768, 32767) / 32768).astype(np.float32)


def gains_of(*channels: Audio) -> tuple[tuple[float, ...], ...]:
    return find_gains(ArraySource(np.stack(channels, 1), RATE))


def coded(codec: SpeechCodec, audio: Audio, **options: float) -> EventTable:
    table = codec.encode(ArraySource(audio, RATE), effort=0, **options)
    return loads(dumps(table))


def decoded(codec: SpeechCodec, table: EventTable, **options: float) -> Audio:
    return np.concatenate([np.zeros((0, table.header.channels), np.float32), *codec.decode(table, **options)])


# which channels are alike


def test_mono_and_unlike_channels_are_streams_of_their_own(talk: Audio, noise: Audio) -> None:
    assert gains_of(talk) == gains_of(talk, noise) == gains_of(talk, np.roll(talk, 5)) == ()


def test_the_same_channel_again_is_the_same_stream(talk: Audio, noise: Audio) -> None:
    assert gains_of(talk, talk) == ((1.0,), (1.0,))
    assert gains_of(talk, noise, talk) == ((1.0, 0.0), (0.0, 1.0), (1.0, 0.0))


@pytest.mark.parametrize("gain", [-1.0, 0.5, -0.25, 0.03])
def test_a_gain_or_the_other_polarity_is_told(talk: Audio, gain: float) -> None:
    other = in_16_bits(np.float32(gain) * talk)
    ((one,), (found,)) = gains_of(talk, other)
    assert one == 1.0 and found == pytest.approx(gain, rel=0.002)
    assert gains_of(other, talk) == (((found,), (1.0,)) if abs(gain) < 1 else ((1.0,), (-1.0,)))


def test_a_silent_channel_is_no_stream(talk: Audio, noise: Audio) -> None:
    silence = np.zeros_like(talk)
    assert gains_of(silence, talk) == ((0.0,), (1.0,))
    assert gains_of(talk, silence, noise) == ((1.0, 0.0), (0.0, 0.0), (0.0, 1.0))
    assert gains_of(silence, silence) == ((1.0,), (1.0,))
    assert gains_of(silence[:0], silence[:0]) == ()


def apart(talk: Audio, db: float) -> Audio:
    """The same sound with noise of its own so many dB below it."""
    own = np.random.default_rng(1).standard_normal(len(talk))
    own *= np.sqrt(np.square(talk).sum() / np.square(own).sum()) * 10 ** (db / 20)
    return (talk + own).astype(np.float32)


def test_channels_that_are_nearly_the_same_share_a_stream() -> None:
    steady = np.random.default_rng(3).standard_normal(RATE).astype(np.float32)
    assert len(gains_of(steady, apart(steady, -16.0))[0]) == 1
    assert gains_of(steady, apart(steady, -13.0)) == ()
    one, other = gains_of(steady, np.float32(0.3) * apart(steady, -25.0))
    assert one == (1.0,) and other[0] == pytest.approx(0.3, rel=0.01)


def test_a_moment_of_stereo_is_enough_to_keep_channels(talk: Audio, noise: Audio) -> None:
    long = np.tile(talk, 100)
    other = long.copy()
    other[700_000:704_000] += 3 * noise[:4000]
    apart_db = 10 * np.log10(np.square(long - other).sum() / np.square(long).sum())
    assert apart_db < -15 and gains_of(long, other) == ()
    assert gains_of(long, long, other) == ((1, 0), (1, 0), (0, 1))


def test_noise_in_pauses_does_not_part_channels(talk: Audio) -> None:
    hiss = np.random.default_rng(4).standard_normal((2, 3 * RATE)) * np.sqrt(np.square(talk).mean())
    for level_db, streams in ((-55, 1), (-35, 2)):
        pair = hiss * 10 ** (level_db / 20)
        pair[:, :RATE] += talk
        header_gains = gains_of(*pair.astype(np.float32))
        assert (len(header_gains[0]) if header_gains else 2) == streams


def test_what_16_bits_cannot_tell_does_not_part_channels(talk: Audio) -> None:
    dither = np.random.default_rng(2).triangular(-1, 0, 1, (len(talk), 2)) / 32768
    one, other = (in_16_bits((0.1 * talk + dither[:, i]).astype(np.float32)) for i in range(2))
    assert not np.array_equal(one, other) and len(gains_of(one, other)[0]) == 1


def test_a_quiet_recording_keeps_its_stereo(talk: Audio, noise: Audio) -> None:
    soft = np.float32(3e-5)  # both below what 16 bits can tell
    assert gains_of(soft * talk, soft * (talk + noise)) == ()


def test_audio_that_is_not_finite_is_refused(talk: Audio) -> None:
    broken = np.zeros_like(talk)
    broken[-1] = np.nan
    with pytest.raises(SicError, match="NaN"):
        gains_of(talk, broken)


# streams and channels


def test_streams_and_channels_are_each_others_inverse(talk: Audio, noise: Audio) -> None:
    gains = ((1.0, 0.0), (0.0, 0.0), (nearest_gain(-0.3), 0.0), (0.0, 1.0))
    streams = np.stack([talk, noise], 1)
    channels = channels_of(streams, gains)
    np.testing.assert_allclose(streams_of(channels, gains), streams, atol=1e-6)
    assert np.array_equal(channels[:, 3], noise) and not channels[:, 1].any()


def test_channels_without_gains_are_streams(talk: Audio) -> None:
    audio = np.stack([talk, -talk], 1)
    assert channels_of(audio, ()) is audio and streams_of(audio, ()) is audio


# there and back


def test_the_same_channel_twice_costs_the_gains_alone_and_comes_back_the_same(codec: SpeechCodec, talk: Audio) -> None:
    mono, both = coded(codec, talk), coded(codec, np.stack([talk, talk], 1))
    assert both.replace(header=mono.header) == mono and len(both) > 10
    assert len(dumps(both)) - len(dumps(mono)) == 4  # channels, streams, two gains
    for options in ({}, {"start_s": 0.31, "end_s": 0.62}, {"sample_rate": 11_025}):
        audio = decoded(codec, both, **options)
        assert np.array_equal(audio[:, 0], audio[:, 1])
        assert np.array_equal(audio[:, :1], decoded(codec, mono, **options))


def test_an_inverse_comes_back_as_the_inverse(codec: SpeechCodec, talk: Audio) -> None:
    audio = decoded(codec, coded(codec, np.stack([talk, -talk], 1)))
    assert audio.any() and np.array_equal(audio[:, 0], -audio[:, 1])


def test_nearly_the_same_channels_come_back_as_one_place_at_the_cost_of_one(codec: SpeechCodec, talk: Audio) -> None:
    audio = np.stack([talk, apart(np.float32(0.5) * talk, -25.0)], 1)
    table, mono = coded(codec, audio), coded(codec, talk)
    assert table.header.streams == 1 and len(dumps(table)) < 1.2 * len(dumps(mono))
    heard = decoded(codec, table)
    levels = np.square(heard).sum(0)
    assert 10 * np.log10(levels[0] / levels[1]) == pytest.approx(6.0, abs=0.1)


def test_a_gain_and_silence_come_back_as_such(codec: SpeechCodec, talk: Audio) -> None:
    table = coded(codec, np.stack([0.5 * talk, np.zeros_like(talk), talk], 1))
    assert (table.header.channels, table.header.streams) == (3, 1)
    audio = decoded(codec, table)
    np.testing.assert_allclose(audio[:, 0], 0.5 * audio[:, 2], rtol=1e-3)
    assert not audio[:, 1].any()


def test_unlike_channels_are_coded_as_before(codec: SpeechCodec, talk: Audio, noise: Audio) -> None:
    table = coded(codec, np.stack([talk, noise], 1))
    assert table.header.gains == () and set(table.channel) == {0, 1}


@pytest.mark.parametrize("model", ["speech", "music"])
def test_the_bitrate_is_a_ceiling_of_all_channels_together(model: str, talk: Audio, noise: Audio) -> None:
    audio = np.tile(np.stack([talk, noise, -talk, np.zeros_like(talk)], 1), (4, 1))
    table = load_codec(model).encode(ArraySource(audio, RATE), effort=0, bitrate_kbps=2.0)
    assert (table.header.channels, table.header.streams) == (4, 2)
    assert 8 * len(dumps(table)) <= 2000 * table.duration_s
    assert len(table) > 10


def test_the_reference_codes_alike_channels_once(talk: Audio) -> None:
    table = load_codec("reference").encode(ArraySource(np.stack([talk, -talk], 1), RATE), events_per_second=4)
    assert table.header.gains == ((1.0,), (-1.0,)) and not table.channel.any()
    audio = np.concatenate(list(load_codec("reference").decode(table)))
    assert audio.any() and np.array_equal(audio[:, 0], -audio[:, 1])


def test_an_snr_to_stop_at_holds_for_streams(codec: SpeechCodec, talk: Audio) -> None:
    mono = coded(codec, talk, snr_stop_db=3.0)
    assert coded(codec, np.stack([talk, talk], 1), snr_stop_db=3.0).replace(header=mono.header) == mono


def test_sounds_of_events_are_of_the_stream(codec: SpeechCodec, talk: Audio) -> None:
    mono = coded(codec, talk)
    mixed = mono.replace(header=replace(mono.header, channels=2, gains=((nearest_gain(0.1),), (1.0,))))
    for one, other in zip(event_sounds(codec, mono), event_sounds(codec, mixed), strict=True):
        assert (one.row, one.channel, one.start) == (other.row, other.channel, other.start)
        assert np.array_equal(one.samples, other.samples)
