"""Streams of which there are more than channels, and noise that is drawn by numbers of theirs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sparsecodec_formats import EventTable, Header, dumps, loads, nearest_gain
from sparsecodec_formats.header import NO_WEIGHTS
from sparsecodec_models.presets import codec_for

ROOT = Path(__file__).parents[2]
FILES = {
    "speech": ROOT / "tests" / "data" / "only-person-en.sic",
    "music": ROOT / "formats" / "golden" / "coded-music.sic",
}


def sound_of(table: EventTable, rate: int | None = None) -> NDArray[np.float32]:
    renderer = codec_for(table.header)
    return np.concatenate(list(renderer.decode(loads(dumps(table)), sample_rate=rate)))


@pytest.fixture(scope="module", params=["speech", "music"])
def stereo(request: pytest.FixtureRequest) -> EventTable:
    """A second and a half of events that go to two channels in turn, at the model's rate."""
    table = loads(FILES[request.param].read_bytes())
    header = replace(
        table.header, sample_rate=22_050, n_samples=33_000, channels=2, gains=(), seed=9, weights_hash=NO_WEIGHTS
    )
    some = table.select((table.time < 1.6) & (np.abs(table.vector).max(axis=1) < 200))  # without what no music has
    return some.replace(header=header, channel=np.arange(len(some)) % 2)


def in_mono(header: Header) -> Header:
    return replace(header, channels=1, gains=((1.0, nearest_gain(0.5)),))


def test_streams_of_one_channel_are_the_sum_of_channels(stereo: EventTable) -> None:
    apart = sound_of(stereo)
    together = sound_of(stereo.replace(header=in_mono(stereo.header)))
    expected = apart @ np.float32([1.0, nearest_gain(0.5)])
    assert np.abs(apart).max(axis=0).min() > 0.01 and together.shape == (33_000, 1)
    np.testing.assert_allclose(together[:, 0], expected, atol=2e-6)
    at_rate = sound_of(stereo.replace(header=in_mono(stereo.header)), 16_000)
    np.testing.assert_allclose(
        at_rate[:, 0], sound_of(stereo, 16_000) @ np.float32([1.0, nearest_gain(0.5)]), atol=2e-5
    )


def test_a_stream_that_is_moved_sounds_as_it_did_by_its_number(stereo: EventTable) -> None:
    swapped = stereo.replace(channel=1 - stereo.channel)
    numbered = swapped.replace(header=replace(stereo.header, noise=(1, 0)))
    expected = sound_of(stereo)[:, ::-1]
    np.testing.assert_array_equal(sound_of(numbered), expected)
    assert np.abs(sound_of(swapped) - expected).max() > 1e-3


def test_the_number_that_another_seed_needs_is_on_the_page(stereo: EventTable) -> None:
    """docs/sound.md, Hash."""
    seed, other, golden = 9, 2**32 - 77, 0x9E3779B1
    numbers = [((other ^ seed ^ (n * golden % 2**32)) * 0x0E8B2F51) % 2**32 for n in (0, 1)]
    moved = stereo.replace(header=replace(stereo.header, seed=other, noise=numbers))
    np.testing.assert_array_equal(sound_of(moved), sound_of(stereo))


def test_two_streams_of_one_number_share_their_noise(stereo: EventTable) -> None:
    same = stereo.replace(header=replace(stereo.header, noise=(4, 4)), channel=np.zeros(len(stereo)))
    other = same.replace(channel=np.ones(len(stereo)))
    np.testing.assert_array_equal(sound_of(same)[:, 0], sound_of(other)[:, 1])


def test_a_stream_for_each_number_there_is() -> None:
    table = loads(FILES["speech"].read_bytes())
    header = replace(table.header, sample_rate=22_050, n_samples=4000, gains=((1.0,) * 255,))
    sound = sound_of(table.replace(header=header, channel=np.full(len(table), 254)))
    alone = sound_of(table.replace(header=replace(header, gains=(), noise=(254,))))
    np.testing.assert_allclose(sound, alone, atol=1e-6)
