"""How many bits: which events, in what steps, so that a whole file takes what it may.

The quantiser's step and the least worth of an event go together along one line of operating points, found on
validation (docs/experiments.md): along it, a bit buys as much in finer numbers as in more events.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from sparsecodec_formats.container import dumps
from sparsecodec_formats.edit import largest_within, only
from sparsecodec_formats.quantiser import dequantise, quantise
from sparsecodec_formats.steps import nearest_step
from sparsecodec_formats.table import EventTable
from sparsecodec_models.speech.synthesis.controls import SpeechDecoder

from .fit import settle
from .ranking import Choice, events_of

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


def rounded(table: EventTable, step: float, decoder: SpeechDecoder, model_rate: int) -> EventTable:
    """A table as it would be written with this step, its numbers as they are."""
    table = table.replace(header=replace(table.header, step=(step,) * len(table.header.step)))
    vector = table.vector.copy()
    for channel in range(table.header.channels):
        events = events_of(table, channel, model_rate, decoder.shape_mean.device)
        none = events[:0]
        grid = torch.full((vector.shape[1],), step, device=decoder.shape_mean.device)
        vector[table.channel == channel] = settle(decoder, none, events, none, grid).cpu().numpy()
    return dequantise(table.header, quantise(table.replace(vector=vector)))


class Budget:
    """What a file may take, and which events of a choice fit in it."""

    def __init__(self, n_bytes: int, decoder: SpeechDecoder, model_rate: int) -> None:
        self._n_bytes, self._decoder, self._model_rate = n_bytes, decoder, model_rate

    def point(self, choice: Choice, growth: float) -> Point:
        """The finest operating point whose events fit when they grow by this factor."""
        coarsest = EIGHTHS[-1]

        def size(finer: int) -> float:
            trial = point(coarsest - finer)
            return self._size(choice, choice.count_above(trial.worth), trial.step)

        most, typical = len(EIGHTHS) - 1, coarsest - DEFAULT_EIGHTH
        finer = largest_within(self._n_bytes / growth, size, most, lambda finer: LOG_SIZE_PER_EIGHTH, typical, 0.96)
        return point(coarsest - finer)

    def count(self, choice: Choice, at: Point, growth: float) -> int:
        """How many of the best events fit when they grow by this factor."""

        def size(n: int) -> float:
            return self._size(choice, n, at.step)

        limit, most = self._n_bytes / growth, int(choice.heard.sum())
        return largest_within(limit, size, most, lambda n: 1 / max(n, 1), choice.count_above(at.worth))

    def _size(self, choice: Choice, n: int, step: float) -> int:
        """Bytes of a file with the n best events."""
        table = rounded(only(choice.table, choice.best(n)), step, self._decoder, self._model_rate)
        return len(dumps(table))
