"""What joined tables sound like: `mix` as the sum of its parts, `cat` as one part after the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sparsecodec_formats import EventTable, dumps, edit, loads, nearest_step
from sparsecodec_formats.header import NO_WEIGHTS
from sparsecodec_models.presets import load_renderer

ROOT = Path(__file__).parents[2]
FILES = {
    "speech": ROOT / "tests" / "data" / "only-person-en.sic",
    "music": ROOT / "formats" / "golden" / "coded-music.sic",
}
RATE = 22_050  # the models', so that no resampler takes part


def sound_of(table: EventTable, n_samples: int | None = None) -> NDArray[np.float32]:
    """float32 [n, channels] at RATE, of the table as a file holds it, or of the same with more samples."""
    if n_samples is not None:
        table = table.replace(header=replace(table.header, n_samples=n_samples))
    renderer = load_renderer(table.header.model)
    return np.concatenate(list(renderer.decode(loads(dumps(table)), sample_rate=RATE)))


def snr_db(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    assert found.shape == expected.shape
    error = np.square(found - expected, dtype=np.float64).sum()
    return float(10 * np.log10(np.square(expected, dtype=np.float64).sum() / max(error, 1e-30)))


def sum_of(one: EventTable, longer: EventTable) -> NDArray[np.float32]:
    """Of both sounds, as far as the longer lasts; a mono one is heard in all channels."""
    return sound_of(one, longer.header.n_samples) + sound_of(longer)


@pytest.fixture(scope="module", params=["speech", "music"])
def one(request: pytest.FixtureRequest) -> EventTable:
    """A second and a half of events, on the grid."""
    table = loads(FILES[request.param].read_bytes())
    some = table.select((table.time < 1.5) & (np.abs(table.vector).max(axis=1) < 200))  # without what no music has
    header = replace(table.header, sample_rate=RATE, n_samples=33_000, weights_hash=NO_WEIGHTS, seed=5)
    return some.replace(header=header)


@pytest.fixture
def other(one: EventTable) -> EventTable:
    """Another sound, with a seed of its own, on the same grid."""
    raised = edit.stretch(
        edit.transpose(one, 4, timbre="fixed", shape_map=load_renderer(one.header.model).shape_map()), 1.1
    )
    return loads(dumps(raised.replace(header=replace(raised.header, seed=2**32 - 9))))


def coarser(table: EventTable, ratio: float) -> EventTable:
    """On other steps than before."""
    header = replace(table.header, step=(nearest_step(table.header.step[0] * ratio),) * 32)
    return loads(dumps(table.replace(header=header)))


def test_a_mix_is_the_sum_in_either_order(one: EventTable, other: EventTable) -> None:
    mixed = edit.mix([one, other])
    assert snr_db(sound_of(mixed), sum_of(one, other)) > 100
    assert dumps(mixed) == dumps(edit.mix([other, one]))
    assert mixed.header.channels == 1 and mixed.header.streams == 2


@pytest.mark.parametrize("ratio", [1.3, 0.8])
def test_a_mix_of_other_steps_is_the_sum(one: EventTable, other: EventTable, ratio: float) -> None:
    other = coarser(other, ratio)
    mixed = edit.mix([one, other])
    assert snr_db(sound_of(mixed), sum_of(one, other)) > 40
    assert dumps(mixed) == dumps(edit.mix([other, one]))


def test_a_mix_at_levels_and_offsets_is_the_sum_of_these(one: EventTable, other: EventTable) -> None:
    mixed = edit.mix([one, other], offsets_s=[0, 0.25], gains_db=[-3.3, 2.1])
    later = edit.shift(other, 0.25)
    assert mixed.header.n_samples == later.header.n_samples
    n_samples = later.header.n_samples
    expected = 10 ** (-3.3 / 20) * sound_of(one, n_samples) + 10 ** (2.1 / 20) * sound_of(later)
    assert snr_db(sound_of(mixed), expected) > 55


def test_a_mix_of_mono_and_stereo_is_the_sum(one: EventTable, other: EventTable) -> None:
    stereo = other.replace(header=replace(other.header, channels=2), channel=np.arange(len(other)) % 2)
    mixed = edit.mix([one, stereo])
    assert (mixed.header.channels, mixed.header.streams) == (2, 3)
    assert snr_db(sound_of(mixed), sum_of(one, stereo)) > 100


@pytest.mark.parametrize("at_s", [0.5, 0.7773, 1.2])
def test_cut_and_cat_sound_like_the_whole(one: EventTable, at_s: float) -> None:
    parts = [loads(dumps(edit.crop(one, 0, at_s))), loads(dumps(edit.crop(one, at_s)))]
    again = edit.cat(parts, carry_on=True)
    assert dumps(again) == dumps(one)
    np.testing.assert_array_equal(sound_of(again), sound_of(one))


def test_cat_is_the_first_and_then_the_second(one: EventTable) -> None:
    """On a gap that keeps frames and phases where they were, and noise aside, as it is drawn by its place in time."""
    gap_s = 3 * RATE - 33_000  # samples, so that the second begins at whole seconds
    both = edit.cat([one, one], gap_s=gap_s / RATE)
    later = edit.shift(one, 3.0)
    assert both.header.n_samples == 3 * RATE + 33_000
    assert snr_db(sound_of(both), sum_of(one, later)) > 100
