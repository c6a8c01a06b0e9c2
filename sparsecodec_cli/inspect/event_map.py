"""Where events lie on a scatterplot: time to the right, upwards one dimension in which like vectors are near each
other; a colour for each, too. Needs scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST_TSNE = 8  # below, t-SNE has no neighbours to speak of, and a PCA is drawn
MOST_TSNE = 2000  # of more events, so many evenly spaced ones are embedded and the rest put beside the nearest of them
PERPLEXITY = 30.0


@dataclass(frozen=True)
class EventMap:
    """place: float32 [n], 0 … 1, upwards; rgb: uint8 [n, 3]."""

    place: NDArray[np.float32]
    rgb: NDArray[np.uint8]


def normalised(vector: NDArray[np.float32]) -> NDArray[np.float64]:
    """Vectors [n, 32], every dim from its smallest to its largest value as 0 … 1; 0.5 where it has but one."""
    if not len(vector):
        return np.zeros(vector.shape)
    values = vector.astype(np.float64)
    low, high = values.min(axis=0), values.max(axis=0)
    return np.where(high > low, (values - low) / np.where(high > low, high - low, 1.0), 0.5)


def event_map(vector: NDArray[np.float32], seed: int = 0) -> EventMap:
    """Places and colours of events with vectors float32 [n, 32], normalised over all of them.

    The place is a t-SNE to one dimension (van der Maaten & Hinton 2008), or a PCA below 8 events; the colour, a
    projection to three random directions. The same seed and vectors give the same map.
    """
    points = normalised(vector)
    return EventMap(_unit(_places(points, seed)).astype(np.float32), _colours(points, seed))


def _places(points: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    if len(points) < LEAST_TSNE:
        return _first_component(points)
    some = np.unique(np.linspace(0, len(points) - 1, min(len(points), MOST_TSNE)).round().astype(int))
    start = _first_component(points[some])
    if not start.std() > 0:  # all alike
        return np.zeros(len(points))
    from sklearn.manifold import TSNE
    from sklearn.neighbors import NearestNeighbors

    # as scikit-learn's own PCA start is scaled, but of which no two runs differ
    embedding = TSNE(
        n_components=1,
        perplexity=min(PERPLEXITY, (len(some) - 1) / 3),
        init=(1e-4 * start / start.std())[:, None].astype(np.float32),
        learning_rate="auto",
        random_state=seed,
        n_jobs=1,
    ).fit_transform(points[some])[:, 0]
    if len(some) == len(points):
        return np.asarray(embedding, np.float64)
    nearest = NearestNeighbors(n_neighbors=1).fit(points[some]).kneighbors(points, return_distance=False)[:, 0]
    return np.asarray(embedding[nearest], np.float64)


def _first_component(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Along the direction in which the points differ most: float64 [n]."""
    if len(points) < 2:
        return np.zeros(len(points))
    centred = points - points.mean(axis=0)
    direction = np.linalg.svd(centred, full_matrices=False)[2][0]
    return centred @ (direction * np.sign(direction[np.abs(direction).argmax()]))


def _colours(points: NDArray[np.float64], seed: int) -> NDArray[np.uint8]:
    """Each of red, green and blue by another random direction, from 40 to 220, so that it shows on dark and light; two
    standard deviations from the mean are full, as few lie beyond and most would be grey else."""
    if not len(points):
        return np.zeros((0, 3), np.uint8)
    projected = points @ np.random.default_rng(seed).normal(size=(points.shape[1], 3))
    spread = projected.std(axis=0)
    share = 0.5 + (projected - projected.mean(axis=0)) / np.where(spread > 1e-9, 4 * spread, 1.0)
    return np.round(40 + 180 * share.clip(0, 1)).astype(np.uint8)


def _unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """From the smallest to the largest as 0 … 1; 0.5 where they are the same."""
    low, high = values.min(initial=np.inf), values.max(initial=-np.inf)
    return (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
