"""Which candidates become events: those that are missed most, over a stretch of the recording and all its channels.

A candidate is worth what the straight lines between its neighbours would get wrong of it
(`sparsecodec_formats.edit.ranking`), the more the surer the encoder is that an event lies there. So loud and busy
stretches get more events than others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.edit import only
from sparsecodec_formats.edit.ranking import removal_order
from sparsecodec_formats.header import Header
from sparsecodec_formats.presets import level_db
from sparsecodec_formats.table import EventTable

from .candidates import Candidates

SWITCH_WEIGHT = 0.5  # of the switch's logit, in nats of worth; chosen on validation, see docs/experiments.md
MISSED_POWER = 1.0  # of what is still wrong after a first fit, re its mean, in worth; see docs/experiments.md
SWITCH_RANGE = -8.0, 4.0  # beyond, the encoder is as sure as it can be
SETTLED_WEIGHT = 1e6  # of an event that stays, in worth: it goes last


class Ranking:
    """All candidates of a stretch of a recording, ranked.

    Attributes: table: every candidate, in order of time, after the events that are settled; heard: bool [n], what may
    become an event; worth: float64 [n], what is lost when it goes after all that are worth less; 0 for those that are
    not heard.
    """

    def __init__(
        self,
        table: EventTable,
        switch: NDArray[np.float32],
        heard: NDArray[np.bool_],
        n_settled: int = 0,
        loudest_db: float = -math.inf,
    ) -> None:
        """switch: float32 [n], the encoder's logits; heard: bool [n]; n_settled: rows at the front that are events
        already, which candidates carry on; loudest_db: of the recording before."""
        self.table, self.heard, self._n_settled, self._before_db = table, heard, n_settled, loudest_db
        self._importance = np.exp(SWITCH_WEIGHT * switch.clip(*SWITCH_RANGE)) * heard
        self._importance[:n_settled] = SETTLED_WEIGHT
        self._rank()

    @staticmethod
    def of(
        header: Header,
        found: Sequence[Candidates],
        model_rate: int,
        settled: EventTable | None = None,
        loudest_db: float = -math.inf,
    ) -> Ranking:
        """found: the candidates of each channel; settled: events before all of them."""
        settled = EventTable.empty(header) if settled is None else settled
        time = np.concatenate([f.time for f in found]) / model_rate
        order = np.argsort(time, kind="stable")
        channel = np.repeat(np.arange(len(found)), [len(f) for f in found])
        joined = Candidates.joined(list(found), len(header.step))[order]
        table = EventTable(
            header,
            np.concatenate([settled.time, time[order]]),
            np.concatenate([settled.vector, joined.vector]),
            np.concatenate([settled.channel, channel[order]]),
        )
        n = len(settled)
        switch = np.concatenate([np.zeros(n, np.float32), joined.switch])
        return Ranking(table, switch, np.concatenate([np.zeros(n, bool), joined.heard]), n, loudest_db)

    def _rank(self) -> None:
        rows, cost = removal_order(self.table, self._importance, self._before_db)
        self._rows = rows[self.heard[rows]]  # the one that is missed least first
        self.worth = np.empty(len(rows))
        self.worth[rows] = np.maximum.accumulate(cost)

    @property
    def loudest_db(self) -> float:
        """Level of the loudest candidate; -inf where there is none."""
        return float(level_db(self.table)[self._n_settled :].max(initial=-math.inf))

    def count_above(self, worth: float) -> int:
        """How many candidates are worth so much."""
        return int((self.heard & (self.worth >= worth)).sum())

    def best(self, n: int, most: Sequence[int] | None = None) -> NDArray[np.bool_]:
        """The n candidates worth most (all that are heard, where these are fewer), bool [all]; at most so many of each
        channel."""
        kept = np.zeros(len(self.table), bool)
        kept[self._rows[max(0, len(self._rows) - n) :]] = True
        for channel, most_of_it in enumerate(most or ()):
            mine = [row for row in self._rows if kept[row] and self.table.channel[row] == channel]
            kept[mine[: max(0, len(mine) - most_of_it)]] = False
        return kept

    def events(self, kept: NDArray[np.bool_]) -> EventTable:
        """The candidates of a mask, bool [all], as events that carry on those that are settled."""
        return self.with_settled(kept).select(slice(self._n_settled, None))

    def with_settled(self, kept: NDArray[np.bool_]) -> EventTable:
        """`events`, after those that are settled."""
        every = kept.copy()
        every[: self._n_settled] = True
        return only(self.table, every)

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
        every[: self._n_settled] = self.table.vector[: self._n_settled]
        other = Ranking.__new__(Ranking)
        other.table, other.heard = self.table.replace(vector=every), self.heard
        other._n_settled, other._before_db = self._n_settled, self._before_db
        usual = max(float(missed[self.heard].mean()), 1e-6) if self.heard.any() else 1.0
        other._importance = self._importance * (missed / usual) ** MISSED_POWER
        other._importance[: self._n_settled] = SETTLED_WEIGHT
        other._rank()
        return other


def _lines(x: NDArray[np.float64], y: NDArray[np.float32], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear interpolation of rows y [n, dims] at ascending x [n], level beyond the ends: [len(at), dims]."""
    after = np.searchsorted(x, at).clip(0, len(x) - 1)
    before = (after - 1).clip(0)
    span = np.where(x[after] > x[before], x[after] - x[before], 1.0)
    share = ((at - x[before]) / span).clip(0.0, 1.0)[:, None]
    return (1 - share) * y[before] + share * y[after]
