"""Segments as labels of other programs: a label track of Audacity, a TextGrid of Praat.

A label is what a segment is: the note nearest to its pitch with the cents beside it, such as A3+12, or its kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from sparsecodec_formats.segments import Segments
from sparsecodec_formats.table import EventTable

from .notes import note_name_and_cents
from .rows import DECIMALS


@dataclass(frozen=True)
class Label:
    """start_s, end_s: seconds; text; channel: stream of the events."""

    start_s: float
    end_s: float
    text: str
    channel: int


def labels_of(table: EventTable, segments: Segments) -> list[Label]:
    """Of each segment of a table that lasts, by their beginnings, in microseconds."""
    found = []
    for i in range(len(segments)):
        start_s = round(float(segments.start_s[i]), DECIMALS)
        end_s = round(min(float(segments.end_s[i]), table.duration_s), DECIMALS)
        if start_s < end_s:
            found.append(Label(start_s, end_s, _text(segments, i), int(segments.channel[i])))
    return sorted(found, key=lambda label: (label.start_s, label.end_s))


def write_labels(table: EventTable, segments: Segments, file: BinaryIO) -> int:
    """Write a label track as Audacity imports it, and return how many labels it has: a line for each, with tabs."""
    labels = labels_of(table, segments)
    file.write("".join(f"{one.start_s:.6f}\t{one.end_s:.6f}\t{one.text}\n" for one in labels).encode())
    return len(labels)


def write_textgrid(table: EventTable, segments: Segments, file: BinaryIO) -> int:
    """Write a TextGrid, and return how many labels it has.

    A tier cannot hold what overlaps. So each stream has as many tiers as it has segments at once, named by the stream.
    """
    labels = labels_of(table, segments)
    tiers = [tier for channel in range(table.header.streams) for tier in _tiers(labels, channel)]
    end_s = round(table.duration_s, DECIMALS)
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {end_s:.6f}",
        "tiers? <exists>",
        f"size = {len(tiers)}",
        "item []:",
    ]
    for number, tier in enumerate(tiers, 1):
        intervals = list(_with_gaps(tier, end_s))
        lines += [
            f"    item [{number}]:",
            '        class = "IntervalTier"',
            f'        name = "channel {tier[0].channel}"',
            "        xmin = 0",
            f"        xmax = {end_s:.6f}",
            f"        intervals: size = {len(intervals)}",
        ]
        for place, one in enumerate(intervals, 1):
            lines += [
                f"        intervals [{place}]:",
                f"            xmin = {one.start_s:.6f}",
                f"            xmax = {one.end_s:.6f}",
                f'            text = "{one.text}"',
            ]
    file.write(("\n".join(lines) + "\n").encode())
    return len(labels)


def _text(segments: Segments, i: int) -> str:
    f0_hz = float(segments.f0_hz[i])
    if segments.kind[i] != "pitched" or not f0_hz > 0:
        return str(segments.kind[i])
    return note_name_and_cents(float(69 + 12 * np.log2(f0_hz / 440)))


def _tiers(labels: list[Label], channel: int) -> list[list[Label]]:
    """The labels of a stream, in tiers in which none overlap."""
    tiers: list[list[Label]] = []
    for label in labels:
        if label.channel == channel:
            free = next((tier for tier in tiers if tier[-1].end_s <= label.start_s), None)
            if free is None:
                tiers.append([label])
            else:
                free.append(label)
    return tiers


def _with_gaps(tier: list[Label], end_s: float) -> Iterator[Label]:
    """With empty labels between, so that all the time to the end is told of."""
    now_s = 0.0
    for label in tier:
        if label.start_s > now_s:
            yield Label(now_s, label.start_s, "", label.channel)
        yield label
        now_s = label.end_s
    if end_s > now_s:
        yield Label(now_s, end_s, "", tier[0].channel)
