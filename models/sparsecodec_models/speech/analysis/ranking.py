"""Which candidates become events: those that are missed most, over the whole recording and all its channels.

A candidate is worth what the straight lines between its neighbours would get wrong of it
(`sparsecodec_formats.edit.ranking`), the more the surer the encoder is that an event lies there. So loud and busy
stretches get more events than others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.edit.ranking import removal_order
from sparsecodec_formats.header import Header
from sparsecodec_formats.table import EventTable

from .candidates import Candidates

SWITCH_WEIGHT = 0.5  # of the switch's logit, in nats of worth; chosen on validation, see docs/experiments.md
MISSED_POWER = 1.0  # of what is still wrong after a first fit, re its mean, in worth; see docs/experiments.md
SWITCH_RANGE = -8.0, 4.0  # beyond, the encoder is as sure as it can be


class Ranking:
    """All candidates of a recording, ranked.

    Attributes: table: every candidate, in order of time; worth: float64 [n], what is lost when it goes after all that
    are worth less; 0 for those that are not heard.
    """

    def __init__(self, table: EventTable, switch: NDArray[np.float32], heard: NDArray[np.bool_]) -> None:
        """switch: float32 [n], the encoder's logits; heard: bool [n], what may be an event."""
        self.table = table
        self.heard = heard
        self._importance = np.exp(SWITCH_WEIGHT * switch.clip(*SWITCH_RANGE)) * heard
        self._rank()

    @staticmethod
    def of(header: Header, found: Sequence[Candidates], model_rate: int) -> Ranking:
        """found: the candidates of each channel."""
        time = np.concatenate([f.time for f in found]) / model_rate
        order = np.argsort(time, kind="stable")
        channel = np.repeat(np.arange(len(found)), [len(f) for f in found])
        joined = Candidates.joined(list(found), len(header.step))[order]
        table = EventTable(header, time[order], joined.vector, channel[order])
        return Ranking(table, joined.switch, joined.heard)

    def _rank(self) -> None:
        rows, cost = removal_order(self.table, self._importance)
        self._rows = rows[self.heard[rows]]  # the one that is missed least first
        self.worth = np.empty(len(rows))
        self.worth[rows] = np.maximum.accumulate(cost)

    def count_above(self, worth: float) -> int:
        """How many candidates are worth so much."""
        return int((self.heard & (self.worth >= worth)).sum())

    def best(self, n: int, most: int | None = None) -> NDArray[np.bool_]:
        """The n candidates worth most (all that are heard, where these are fewer), bool [all]; at most so many of a
        channel."""
        kept = np.zeros(len(self.table), bool)
        kept[self._rows[max(0, len(self._rows) - n) :]] = True
        if most is not None:
            for channel in range(self.table.header.streams):
                mine = [row for row in self._rows if kept[row] and self.table.channel[row] == channel]
                kept[mine[: max(0, len(mine) - most)]] = False
        return kept

    def refitted(self, kept: NDArray[np.bool_], vector: NDArray[np.float32], missed: NDArray[np.floating]) -> Ranking:
        """The same candidates when those `kept` are known better: vector float32 [kept, 32].

        Each other one moves as the line between the two about it does, so that a fit of them starts where it should.
        missed: float [n], what is still wrong with the sound at each; there, candidates are worth more.
        """
        every = self.table.vector.copy()
        for channel in np.unique(self.table.channel):
            mine = np.flatnonzero(self.table.channel == channel)
            known = mine[kept[mine]]
            if len(known):
                change = vector[np.flatnonzero(self.table.channel[kept] == channel)] - every[known]
                moved = _lines(self.table.time[known], change, self.table.time[mine])
                every[mine] += moved.astype(np.float32)
        other = Ranking.__new__(Ranking)
        other.table, other.heard = self.table.replace(vector=every), self.heard
        usual = max(float(missed[self.heard].mean()), 1e-6) if self.heard.any() else 1.0
        other._importance = self._importance * (missed / usual) ** MISSED_POWER
        other._rank()
        return other


def _lines(x: NDArray[np.float64], y: NDArray[np.float32], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear interpolation of rows y [n, dims] at ascending x [n], level beyond the ends: [len(at), dims]."""
    after = np.searchsorted(x, at).clip(0, len(x) - 1)
    before = (after - 1).clip(0)
    span = np.where(x[after] > x[before], x[after] - x[before], 1.0)
    share = ((at - x[before]) / span).clip(0.0, 1.0)[:, None]
    return (1 - share) * y[before] + share * y[after]
