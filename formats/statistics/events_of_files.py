"""Events of many files as rows, with what codec 1 knows of each before it is coded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from plans import Plan

from sparsecodec_formats import EventTable, Header, QuantisedEvents, dequantise, loads, quantise
from sparsecodec_formats.blocks import vector_grid
from sparsecodec_formats.blocks.block import LONGEST_AVERAGE, Past, groups
from sparsecodec_formats.blocks.statistics import GROUPS, GapRule
from sparsecodec_formats.container.framing import windows_of
from sparsecodec_formats.steps import code_of_step

Block = tuple[str, Header, QuantisedEvents]
"""Point of operation, header, events of one block."""


def for_corpus(table: EventTable) -> EventTable:
    """A table as these scripts take it from a file: without statistics, so that it is read whatever they are."""
    return dequantise(replace(table.header, statistics=0), quantise(table))


def load(plan: Plan, folders: list[Path], hold_out: list[str]) -> tuple[list[Block], list[Block]]:
    """Blocks of all files below folders, and those whose recordings are in folders that are held out."""
    fitted: list[Block] = []
    held: list[Block] = []
    for path in sorted(path for folder in folders for path in folder.glob("*/*/*.sic")):
        table = loads(path.read_bytes())
        if table.header.model != plan.preset:
            raise SystemExit(f"{path}: it is of preset {table.header.model!r}; give files of {plan.preset!r}")
        events = quantise(table)
        windows = windows_of(events.time_index, table.header)
        for window in np.unique(windows):
            block = (path.parent.parent.name, table.header, events.select(windows == window))
            (held if path.parent.name in hold_out else fitted).append(block)
    return fitted, held


@dataclass(frozen=True)
class Told:
    """What earlier events tell of each row, as `blocks.block.Past` has it, across blocks.

    Attributes:
        last, before, average, change: [n, 32]; values of the first and the second event that tell, of the running mean,
            and what has changed since the first.
        first, kind, changes: [n], as in Past; rows of all blocks.
        n_kinds: how many kinds there are.
    """

    last: NDArray[np.float64]
    before: NDArray[np.float64]
    average: NDArray[np.float64]
    change: NDArray[np.float64]
    first: NDArray[np.int64]
    kind: NDArray[np.int64]
    changes: NDArray[np.bool_]
    n_kinds: int

    @classmethod
    def of(
        cls, value: NDArray[np.float64], start: NDArray[np.float64], places: list[int], pasts: list[Past], n_kinds: int
    ) -> Told:
        """places: the first row of each block; start: [32], before the first event."""
        rows = [np.where(past.first < 0, -1, past.first + place) for past, place in zip(pasts, places, strict=True)]
        second = [np.where(past.second < 0, -1, past.second + place) for past, place in zip(pasts, places, strict=True)]
        first = np.concatenate(rows)
        last, before = (np.where(r[:, None] < 0, start, value[r]) for r in (first, np.concatenate(second)))
        average = np.empty_like(value)
        for past, place in zip(pasts, places, strict=True):
            running, count = [start] * GROUPS, [0] * GROUPS
            for row, group in enumerate(past.alike.tolist(), place):
                average[row] = running[group]
                longest = min(count[group], LONGEST_AVERAGE)
                running[group] = running[group] + (value[row] - running[group]) / (longest + 2)
                count[group] += 1
        kind, changes = (np.concatenate([getattr(past, of) for past in pasts]) for of in ("kind", "changes"))
        return cls(last, before, average, value - last, first, kind, changes, n_kinds)

    def after(self, flag: NDArray[np.bool_]) -> NDArray[np.int64]:
        """1 where the first event that tells has the flag."""
        return (flag[self.first] & (self.first >= 0)).astype(np.int64)


class Blocks:
    """Rows of all blocks: values float64 [n, 32] in the layout's units, and what is known before.

    Attributes:
        value, code: [n, 32].
        step, weight, gap, place, block, flag, begins, begins_context, gap_context: [n].
        in_time, by_nearest: what is told by the event before, and by the nearest one (None: the plan has none).
    """

    def __init__(self, plan: Plan, blocks: list[Block]) -> None:
        self.plan = plan
        self.dims = plan.layout.dims
        columns: dict[str, list] = {}

        def add(**arrays: NDArray) -> None:
            for name, array in arrays.items():
                columns.setdefault(name, []).append(array)

        points = [point for point, _, _ in blocks]
        n_of = {point: sum(len(e) for p, _, e in blocks if p == point) for point in set(points)}
        every = np.concatenate([self._values(header, events) for _, header, events in blocks])
        start = every.mean(0)
        pasts: list[Past] = []
        for i, (point, header, events) in enumerate(blocks):
            n = len(events)
            value = self._values(header, events)
            gap = np.diff(events.time_index, prepend=events.time_index[0])
            flag = value[:, self.dims["begins"].index] > 0.5
            begins = flag.copy()
            begins[0] = True
            pasts.append(Past.in_time(np.where(begins, 0, 1 + np.searchsorted(plan.gap_limits, gap))))
            add(
                value=value,
                step=np.full(n, header.step[0]),
                weight=np.full(n, len(every) / len(n_of) / n_of[point]),
                gap=gap,
                place=np.arange(n),
                block=np.full(n, i),
                flag=flag.astype(float),
                begins=begins,
                begins_context=np.concatenate([[2], flag[:-1].astype(int)]),
                gap_context=np.where(
                    begins, 0, 1 + np.searchsorted(plan.gap_limits[:2], np.concatenate([[0], gap[:-1]]))
                ),
                **{f"filling_{name}": self._filling(name, header, gap) for name in self._of_code("gap")},
                code=events.vector,
            )
        for name, arrays in columns.items():
            setattr(self, name, np.concatenate(arrays))
        places = np.flatnonzero(self.place == 0).tolist()
        self.in_time = Told.of(every, start, places, pasts, len(plan.gap_limits) + 2)
        self.by_nearest = None
        if plan.nearest:
            limits = plan.nearest["limits"]
            pasts = [
                Past.by_nearest(
                    groups(rows[:, self.dims[plan.nearest["alike"]].index], 0.5),
                    np.rint(rows[:, self.dims[plan.nearest["near"]].index] * (1 << vector_grid.VALUE_BITS)).astype(int),
                    tuple(limits),
                )
                for rows in np.split(every, places[1:])
            ]
            self.by_nearest = Told.of(every, start, places, pasts, GROUPS * (len(limits) + 2))

    def __len__(self) -> int:
        return len(self.step)

    def told(self, name: str) -> Told:
        """What is told of a dim before it is coded."""
        if self.by_nearest is None or self.plan.nearest is None:
            return self.in_time
        known = max(self.plan.order.index(self.plan.nearest[key]) for key in ("alike", "near"))
        return self.by_nearest if self.plan.order.index(name) > known else self.in_time

    def kind_of(self, name: str) -> NDArray[np.int64]:
        """Kinds of events as codec 1 tells them apart for a dim."""
        told = self.told(name)
        if name not in self.plan.kinds:
            return told.kind
        return np.array(self.plan.kinds[name])[told.after(self.at_spike(name)), told.kind]

    def at_spike(self, name: str) -> NDArray[np.bool_]:
        """Whether the number of a dim that has a spike is at it, of every row."""
        code = self.code[:, self.dims[name].index]
        if self.plan.spikes[name]["code"] == "zero":
            return code == 0
        if self.plan.spikes[name]["code"] == "gap":
            return code == getattr(self, f"filling_{name}")
        first = self.told(name).first
        return code == np.where(first < 0, 0, code[first])

    def context_of(self, name: str) -> tuple[NDArray[np.int64], int]:
        """Index of the logit of the spike of a dim, of every row, and the number of contexts; for a code that is
        carried on, contexts come twice, the second time after a number that was at its spike."""
        contexts = {
            "begins": self.begins.astype(np.int64),
            "ends": np.append(self.begins[1:], True).astype(np.int64),
            "kind": self.told(name).kind,
        }
        rule = self.plan.spikes[name]
        context = contexts[rule["context"]]
        n_contexts = self.told(name).n_kinds if rule["context"] == "kind" else 2
        if rule["code"] == "before":
            context = context + n_contexts * self.told(name).after(self.at_spike(name))
        return context, n_contexts

    @staticmethod
    def _values(header: Header, events: QuantisedEvents) -> NDArray[np.float64]:
        return events.vector * np.array(header.step)

    def _of_code(self, code: str) -> list[str]:
        """The dims whose spikes are of this code."""
        return [name for name, rule in self.plan.spikes.items() if rule["code"] == code]

    def _filling(self, name: str, header: Header, gap: NDArray[np.int64]) -> NDArray[np.int64]:
        """Codes of a dim, a time, that fill the gaps."""
        rule = GapRule(*(Fraction(*self.plan.spikes[name][key]) for key in ("seconds", "octaves")))
        grid = vector_grid.Grid(code_of_step(header.step[self.dims[name].index]))
        return np.array([vector_grid.code_filling(g, header.time_unit, grid, rule) for g in gap.tolist()])
