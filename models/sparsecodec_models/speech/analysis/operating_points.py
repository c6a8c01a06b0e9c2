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
from sparsecodec_formats.edit import largest_within
from sparsecodec_formats.quantiser import dequantise, quantise
from sparsecodec_formats.steps import nearest_step
from sparsecodec_formats.table import EventTable
from sparsecodec_models.parts import Allowance
from sparsecodec_models.speech.model import SpeechModel

from .fit import events_of, settle
from .ranking import Ranking

EIGHTHS = range(-24, 21)  # log2 of the steps that are used, in eighths
DEFAULT_EIGHTH = 1
DEFAULT_KBPS = 2.3  # that a file of the default takes, about
LEAST_WORTH = 0.32  # of an event, re the operating point's, where bits are left: as four eighths further on the line
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
    return Point(nearest_step(2.0**log2_step), 2.0 ** (-3.6 + 3.3 * log2_step), 0.0022 * 2.0 ** (1.2 * log2_step))


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


def usual_eighth(kbps: float) -> int:
    """The operating point that comes to a bitrate in most speech (of one stream), kbit/s."""
    eighth = DEFAULT_EIGHTH - 8 * np.log2(kbps / DEFAULT_KBPS)
    return int(np.clip(np.rint(eighth), EIGHTHS[0], EIGHTHS[-1]))


class RateControl:
    """Which candidates of a stretch become events, and how fine their numbers are.

    growth: the factor by which a file will grow until it is finished.
    """

    def __init__(self, allowed: Allowance, model: SpeechModel, end_s: float = np.inf) -> None:
        """end_s: of the stretch, seconds of the recording; candidates may go on, but do not count."""
        self._allowed, self._model, self._end_s = allowed, model, end_s

    def operating_point(self, ranking: Ranking, growth: float, eighths: range = EIGHTHS) -> Point:
        """The finest of some whose events fit in the bytes that are allowed; the default where there is no limit."""
        if self._allowed.n_bytes is None:
            return point(DEFAULT_EIGHTH)
        coarsest = eighths[-1]

        def size(finer: int) -> float:
            trial = point(coarsest - finer)
            return self._size(ranking, ranking.count_above(trial.worth), trial.step)

        most, typical = len(eighths) - 1, coarsest - DEFAULT_EIGHTH
        limit = self._allowed.n_bytes / growth
        return point(coarsest - largest_within(limit, size, most, lambda finer: LOG_SIZE_PER_EIGHTH, typical, 0.96))

    def choose(self, ranking: Ranking, at: Point, growth: float) -> NDArray[np.bool_]:
        """The candidates that are worth their bits at an operating point: bool [all]."""
        allowed = self._allowed
        if allowed.n_bytes is not None:
            count = self._count(allowed.n_bytes / growth, ranking, at)
            return ranking.best(count if allowed.fills else min(count, ranking.count_above(LEAST_WORTH * at.worth)))
        if allowed.all_heard:
            return ranking.heard
        return ranking.best(ranking.count_above(at.worth), allowed.events)

    def _count(self, limit: float, ranking: Ranking, at: Point) -> int:
        """How many of the best events fit in so many bytes."""

        def size(n: int) -> float:
            return self._size(ranking, n, at.step)

        n_heard = int(ranking.heard.sum())
        return largest_within(limit, size, n_heard, lambda n: 1 / max(n, 1), ranking.count_above(at.worth))

    def _size(self, ranking: Ranking, n: int, step: float) -> int:
        """Bytes of a file with the n best events, as far as they lie in the stretch."""
        table = ranking.events(ranking.best(n))
        return len(dumps(rounded(table.select(table.time < self._end_s), step, self._model)))
