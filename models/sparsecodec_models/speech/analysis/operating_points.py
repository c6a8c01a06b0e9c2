"""How many bits: which events, in what steps, so that a whole file takes what it may.

The quantiser's step and the least worth of an event go together along one line of operating points, found on
validation (docs/experiments.md): along it, a bit buys as much in finer numbers as in more events.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from sparsecodec_formats.container import dumps
from sparsecodec_formats.edit import largest_within, only
from sparsecodec_formats.header import Header
from sparsecodec_formats.quantiser import dequantise, quantise
from sparsecodec_formats.steps import nearest_step
from sparsecodec_formats.table import EventTable
from sparsecodec_models.codec import RateTarget
from sparsecodec_models.speech.model import SpeechModel

from .fit import events_of, settle
from .ranking import Ranking

EIGHTHS = range(-24, 21)  # log2 of the steps that are used, in eighths
DEFAULT_EIGHTH = 1
LOG_SIZE_PER_EIGHTH = 0.09  # that a file grows from a step to the next finer one, about


@dataclass(frozen=True)
class Point:
    """step: of the quantiser, units of the layout; worth: least worth of an event; bit_weight: price of a bit in the
    fit."""

    step: float
    worth: float
    bit_weight: float


def point(eighth: int) -> Point:
    """The operating point of a step of 2^(eighth / 8)."""
    log2_step = eighth / 8
    return Point(nearest_step(2.0**log2_step), 2.0 ** (-3.6 + 3.3 * log2_step), 0.0015 * 2.0 ** (1.2 * log2_step))


def rounded(table: EventTable, step: float, model: SpeechModel) -> EventTable:
    """A table as it would be written with this step, its numbers as they are."""
    table = table.replace(header=replace(table.header, step=(step,) * len(table.header.step)))
    vector = table.vector.copy()
    for channel in range(table.header.streams):
        events = events_of(table, channel, model.config.sample_rate, model.device)
        none = events[:0]
        grid = torch.full((vector.shape[1],), step, device=model.device)
        vector[table.channel == channel] = settle(model.decoder, none, events, none, grid).cpu().numpy()
    return dequantise(table.header, quantise(table.replace(vector=vector)))


class RateControl:
    """Which candidates become events, and how fine their numbers are, for what an encoder may spend.

    growth: the factor by which a file will grow until it is finished.
    """

    def __init__(self, target: RateTarget, header: Header, model: SpeechModel) -> None:
        self._target, self._model = target, model
        self._n_bytes = target.n_bytes(header)
        self._most = None if target.events_per_second is None else int(target.events_per_second * header.duration_s)

    def operating_point(self, ranking: Ranking, growth: float) -> Point:
        """The finest one whose events fit in the bytes of the target; the default where it has none."""
        if self._n_bytes is None:
            return point(DEFAULT_EIGHTH)
        coarsest = EIGHTHS[-1]

        def size(finer: int) -> float:
            trial = point(coarsest - finer)
            return self._size(ranking, ranking.count_above(trial.worth), trial.step)

        most, typical = len(EIGHTHS) - 1, coarsest - DEFAULT_EIGHTH
        finer = largest_within(self._n_bytes / growth, size, most, lambda finer: LOG_SIZE_PER_EIGHTH, typical, 0.96)
        return point(coarsest - finer)

    def choose(self, ranking: Ranking, at: Point, growth: float) -> NDArray[np.bool_]:
        """The candidates that are worth their bits at an operating point: bool [all]."""
        if self._n_bytes is not None:
            return ranking.best(self._count(self._n_bytes / growth, ranking, at))
        if self._target.snr_stop_db is not None:
            return ranking.heard
        return ranking.best(ranking.count_above(at.worth), self._most)

    def _count(self, limit: float, ranking: Ranking, at: Point) -> int:
        """How many of the best events fit in so many bytes."""

        def size(n: int) -> float:
            return self._size(ranking, n, at.step)

        n_heard = int(ranking.heard.sum())
        return largest_within(limit, size, n_heard, lambda n: 1 / max(n, 1), ranking.count_above(at.worth))

    def _size(self, ranking: Ranking, n: int, step: float) -> int:
        """Bytes of a file with the n best events."""
        return len(dumps(rounded(only(ranking.table, ranking.best(n)), step, self._model)))
