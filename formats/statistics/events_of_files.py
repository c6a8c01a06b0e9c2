"""Events of many files as rows, with what codec 1 knows of each before it is coded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats import EventTable, Header, QuantisedEvents, dequantise, loads, quantise
from sparsecodec_formats.blocks import range_codec, vector_grid
from sparsecodec_formats.container.framing import windows_of
from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_formats.steps import code_of_step

APART = "speech.events"
"""A model without statistics: files that tell it can be read whatever the statistics are."""

Block = tuple[str, Header, QuantisedEvents]
"""Point of operation, header, events of one block."""


def apart(table: EventTable) -> EventTable:
    """A table of `speech` as a file is to hold it for these scripts."""
    return dequantise(replace(table.header, model=APART), quantise(table))


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
            flag = events.vector[:, 6] * header.step[6] > 0.5
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
                whole=self._whole(header, gap),
                code=events.vector,
            )
        for name, arrays in columns.items():
            setattr(self, name, np.concatenate(arrays))
        self.kind = np.where(self.begins, 0, 1 + np.searchsorted(self.GAP_LIMITS, self.gap))
        first = self.place == 0
        f0 = self.code[:, 3]
        self.same_pitch = np.concatenate([[False], f0[1:] == f0[:-1]])
        self.same_pitch[first] = f0[first] == 0
        self.after_same = np.concatenate([[False], self.same_pitch[:-1]]) & ~first

    def __len__(self) -> int:
        return len(self.step)

    def kind_of(self, name: str) -> NDArray[np.int64]:
        """Kinds of events as codec 1 tells them apart for a dim."""
        if name != "f0_semitones":
            return self.kind
        return np.where(self.after_same, np.where(self.kind == 0, 4, 3), np.minimum(self.kind, 2))

    def spike_of(self, name: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(Context of a dim's spike, whether its number is there) of every row."""
        code = self.code[:, LAYOUTS["speech"].dim(name).index]
        begins = self.begins.astype(np.int64)
        if name == "attack_log2_s":
            return self.kind, (code == self.whole).astype(float)
        if name in ("decay_log2_s", "glide_semitones"):
            ends = np.append(self.begins[1:], True).astype(np.int64)
            return ends, (code == 0).astype(float)
        if name == "f0_semitones":
            return begins + 2 * self.after_same, self.same_pitch.astype(float)
        return begins, (code == 0).astype(float)

    @staticmethod
    def _values(header: Header, events: QuantisedEvents) -> NDArray[np.float64]:
        return events.vector * np.array(header.step)

    @staticmethod
    def _whole(header: Header, gap: NDArray[np.int64]) -> NDArray[np.int64]:
        of = vector_grid.Grid(code_of_step(header.step[1]))
        return np.array([vector_grid.whole_attack(g, header.time_unit, of) for g in gap.tolist()])
