"""Where events lie on a scatterplot."""

from __future__ import annotations

import numpy as np
import pytest

from sparsecodec_cli.inspect.event_map import event_map, normalised


def clusters(n: int) -> np.ndarray:
    """Two kinds of vectors, in turn."""
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 10, (2, 32))
    return (centres[np.arange(n) % 2] + rng.normal(0, 0.5, (n, 32))).astype(np.float32)


def test_each_dim_goes_from_nothing_to_one() -> None:
    vector = np.array([[1, 5], [3, 5], [2, 5]], np.float32)
    assert normalised(vector).tolist() == [[0, 0.5], [1, 0.5], [0.5, 0.5]]


@pytest.mark.parametrize("n", [0, 1, 2, 7, 8, 60])
def test_places_and_colours_are_within_bounds_and_the_same_every_time(n: int) -> None:
    first, again = event_map(clusters(n), seed=3), event_map(clusters(n), seed=3)
    assert first.place.shape == (n,) and first.rgb.shape == (n, 3)
    assert (first.place >= 0).all() and (first.place <= 1).all()
    assert np.array_equal(first.place, again.place) and np.array_equal(first.rgb, again.rgb)


@pytest.mark.parametrize("n", [6, 80])
def test_like_events_are_near_each_other(n: int) -> None:
    place = event_map(clusters(n)).place
    gap = abs(place[::2].mean() - place[1::2].mean())
    assert gap > 2 * max(place[::2].std(), place[1::2].std())
    middle = (place[::2].mean() + place[1::2].mean()) / 2
    astray = np.sum((place[::2] > middle) != (place[::2].mean() > middle))
    assert astray <= n // 20  # in one dimension, points cannot always pass each other


def test_another_seed_gives_other_colours() -> None:
    assert not np.array_equal(event_map(clusters(20), seed=1).rgb, event_map(clusters(20), seed=2).rgb)


def test_events_that_are_all_alike_lie_in_the_middle() -> None:
    alike = event_map(np.ones((20, 32), np.float32))
    assert (alike.place == 0.5).all() and (alike.rgb == 130).all()


def test_of_very_many_the_rest_lie_beside_the_nearest_that_is_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparsecodec_cli.inspect.event_map.MOST_TSNE", 100)
    place = event_map(clusters(400)).place
    assert len(np.unique(place)) <= 100
    assert abs(np.median(place[::2]) - np.median(place[1::2])) > 0.3
