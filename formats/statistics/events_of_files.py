"""Events of many files as rows, with what codec 1 knows of each before it is coded."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats import EventTable, Header, QuantisedEvents, dequantise, loads, quantise
from sparsecodec_formats.blocks import range_codec, vector_grid
from sparsecodec_formats.blocks.statistics import GapRule
from sparsecodec_formats.container.framing import windows_of
from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_formats.steps import code_of_step

MODEL_OF_CORPUS = "speech.events"
"""A preset without statistics: files that name it can be read whatever the statistics are."""

RULES: dict[str, dict] = {
    "f0_semitones": {"code": "before", "context": "begins"},
    "attack_log2_s": {"code": "gap", "seconds": [3, 50], "octaves": [3, 4], "context": "kind"},
    "decay_log2_s": {"code": "zero", "context": "ends"},
    "glide_semitones": {"code": "zero", "context": "ends"},
    "phase_cycles": {"code": "zero", "context": "begins"},
    "room_db": {"code": "zero", "context": "begins"},
}
"""The spikes of the dims of `speech` that do not always affect the sound, as statistics files hold them."""

N_CONTEXTS = {"begins": 2, "ends": 2, "kind": 5}

KINDS: dict[str, list[list[int]]] = {"f0_semitones": [[0, 1, 2, 2, 2], [4, 3, 3, 3, 3]]}
"""Dims whose kinds tell whether the number before was at its spike: there, the pitch before may not have been heard."""

DIMS = LAYOUTS["speech"].dims
ATTACK = GapRule(*(Fraction(*RULES["attack_log2_s"][key]) for key in ("seconds", "octaves")))

Block = tuple[str, Header, QuantisedEvents]
"""Point of operation, header, events of one block."""


def for_corpus(table: EventTable) -> EventTable:
    """A table of `speech` as a file is to hold it for these scripts."""
    return dequantise(replace(table.header, model=MODEL_OF_CORPUS), quantise(table))


def load(folders: list[Path], hold_out: list[str]) -> tuple[list[Block], list[Block]]:
    """Blocks of all files below folders, and those whose recordings are in folders that are held out."""
    fitted: list[Block] = []
    held: list[Block] = []
    for path in sorted(path for folder in folders for path in folder.glob("*/*/*.sic")):
        table = loads(path.read_bytes())
        table = table.replace(header=replace(table.header, model="speech"))
        events = quantise(table)
        windows = windows_of(events.time_index, table.header)
        for window in np.unique(windows):
            block = (path.parent.parent.name, table.header, events.select(windows == window))
            (held if path.parent.name in hold_out else fitted).append(block)
    return fitted, held


class Blocks:
    """Rows of all blocks: values float64 [n, 32] in the layout's units, and what is known before.

    Attributes:
        value, last, before, average, change: [n, 32]; of this event, of the one before and of the one before that, of
            the running mean, and what has changed since the event before.
        step, weight, gap, place, block, flag, begins_context, gap_context: [n].
    """

    GAP_LIMITS = (9, 13, 18)

    def __init__(self, blocks: list[Block]) -> None:
        columns: dict[str, list] = {}

        def add(**arrays: NDArray) -> None:
            for name, array in arrays.items():
                columns.setdefault(name, []).append(array)

        points = [point for point, _, _ in blocks]
        n_of = {point: sum(len(e) for p, _, e in blocks if p == point) for point in set(points)}
        every = np.concatenate([self._values(header, events) for _, header, events in blocks])
        start = every.mean(0)
        for i, (point, header, events) in enumerate(blocks):
            n = len(events)
            value = self._values(header, events)
            last = np.vstack([start, value[:-1]])
            before = np.vstack([start, start, value[:-2]])[:n]
            average = np.empty_like(value)
            running = start
            for row in range(n):
                average[row] = running
                running = running + (value[row] - running) / (min(row, range_codec.LONGEST_AVERAGE) + 2)
            gap = np.diff(events.time_index, prepend=events.time_index[0])
            flag = self._values(header, events)[:, DIMS["begins"].index] > 0.5
            begins = flag.copy()
            begins[0] = True
            change = value - last
            change[0] = 0
            add(
                value=value,
                last=last,
                before=before,
                average=average,
                change=change,
                step=np.full(n, header.step[0]),
                weight=np.full(n, len(every) / len(n_of) / n_of[point]),
                gap=gap,
                place=np.arange(n),
                block=np.full(n, i),
                flag=flag.astype(float),
                begins=begins,
                begins_context=np.concatenate([[2], flag[:-1].astype(int)]),
                gap_context=np.where(
                    begins, 0, 1 + np.searchsorted(self.GAP_LIMITS[:2], np.concatenate([[0], gap[:-1]]))
                ),
                filling=self._filling(header, gap),
                code=events.vector,
            )
        for name, arrays in columns.items():
            setattr(self, name, np.concatenate(arrays))
        self.kind = np.where(self.begins, 0, 1 + np.searchsorted(self.GAP_LIMITS, self.gap))

    def __len__(self) -> int:
        return len(self.step)

    def kind_of(self, name: str) -> NDArray[np.int64]:
        """Kinds of events as codec 1 tells them apart for a dim."""
        if name not in KINDS:
            return self.kind
        return np.array(KINDS[name])[self._after(self.at_spike(name)), self.kind]

    def at_spike(self, name: str) -> NDArray[np.bool_]:
        """Whether the number of a dim of RULES is at its spike, of every row."""
        code = self.code[:, DIMS[name].index]
        if RULES[name]["code"] == "zero":
            return code == 0
        if RULES[name]["code"] == "gap":
            return code == self.filling
        return code == np.where(self.place == 0, 0, np.concatenate([[0], code[:-1]]))

    def context_of(self, name: str) -> NDArray[np.int64]:
        """Index of the logit of the spike of a dim of RULES, of every row; for a code that is carried on, contexts come
        twice, the second time after a number that was at its spike."""
        contexts = {
            "begins": self.begins.astype(np.int64),
            "ends": np.append(self.begins[1:], True).astype(np.int64),
            "kind": self.kind,
        }
        rule = RULES[name]
        context = contexts[rule["context"]]
        if rule["code"] != "before":
            return context
        return context + N_CONTEXTS[rule["context"]] * self._after(self.at_spike(name))

    def _after(self, flag: NDArray[np.bool_]) -> NDArray[np.int64]:
        """1 where an event of the same block before has the flag."""
        return (np.concatenate([[False], flag[:-1]]) & (self.place > 0)).astype(np.int64)

    @staticmethod
    def _values(header: Header, events: QuantisedEvents) -> NDArray[np.float64]:
        return events.vector * np.array(header.step)

    @staticmethod
    def _filling(header: Header, gap: NDArray[np.int64]) -> NDArray[np.int64]:
        """Codes of the attacks that fill the gaps."""
        grid = vector_grid.Grid(code_of_step(header.step[DIMS["attack_log2_s"].index]))
        return np.array([vector_grid.code_filling(g, header.time_unit, grid, ATTACK) for g in gap.tolist()])
