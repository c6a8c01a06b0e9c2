"""Things moved and copied: they keep their streams' places and noise, and get streams of their own where they would be
heard as parts of others."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.header import whole_number
from sparsecodec_formats.presets.voices import Voices
from sparsecodec_formats.table import EventTable

from .checks import Where, chosen, within
from .lanes import Thing, Things, arranged
from .take import drop, take

MOST_COPIES = 10_000


def repeat(table: EventTable, n: int, *, every_s: float | None = None, where: Where = None) -> EventTable:
    """The events heard n times in all, 1..10000, one every so many seconds (0 or more); the source grows with them.

    every_s: None: as long as all of it is; of some events, from the first one's time to the last one's end.
    What is chosen of a voice in part is taken out of it (`take`). SicError where more than 255 streams are needed.
    """
    n = whole_number("repeat", n, 1, MOST_COPIES)
    mask = chosen(table, where)
    if every_s is None:
        every_s = table.duration_s
        if not mask.all() and mask.any():
            every_s = _end_s(take(table, mask)) - float(table.time[mask][0])
    within("every", every_s, 0)
    return copied(table, mask, [every_s * i for i in range(n)], [0.0] * n)


def echo(table: EventTable, delay_s: float, db: float, n: int, *, where: Where = None) -> EventTable:
    """The events followed by n echoes, 1..10000, each so many seconds after the one before it (0 or more) and louder
    by so many dB (-200..200; echoes fade with less than 0). The source grows to hold them. SicError as for `repeat`."""
    n = whole_number("echo", n, 1, MOST_COPIES)
    within("delay of the echo", delay_s, 0)
    within("gain of the echo", db, -200, 200)
    mask = chosen(table, where)
    return copied(table, mask, [delay_s * i for i in range(n + 1)], [db * i for i in range(n + 1)])


def move_to(table: EventTable, seconds: float, *, where: Where = None) -> EventTable:
    """The events moved together, so that the first of their events is at a time of 0 or later; the source grows to
    hold them. SicError as for `repeat`."""
    within("move to", seconds, 0)
    mask = chosen(table, where)
    return copied(table, mask, [seconds - float(table.time[mask][0])], [0.0]) if mask.any() else table


def quantise_times(table: EventTable, grid_s: float, *, where: Where = None) -> EventTable:
    """Each voice, which in `music` is a note, moved so that its first event lies at the nearest multiple of so many
    seconds, 0.001..60; what follows in it keeps its distance. SicError where a voice is chosen in
    part, or more than 255 streams are needed."""
    within("grid", grid_s, 0.001, 60)
    return _moved_apart(table, where, lambda first_s: np.rint(first_s / grid_s) * grid_s - first_s)


def jitter(table: EventTable, seconds: float, *, seed: int = 0, where: Where = None) -> EventTable:
    """Each voice, which in `music` is a note, earlier or later by a time that is drawn evenly up to so many seconds,
    0..60, though none begins before 0. The same seed gives the same table. SicError as for `repeat`."""
    within("jitter", seconds, 0, 60)
    rng = np.random.default_rng([seed, *b"jitter"])
    return _moved_apart(
        table, where, lambda first_s: np.maximum(rng.uniform(-seconds, seconds, len(first_s)), -first_s)
    )


def shorten_pauses(table: EventTable, longest_s: float) -> EventTable:
    """Pauses that are longer than so many seconds, 0..60, made as long as that, to a step of time; also those before
    the first sound and after the last. The source shrinks.

    A pause is where no event of any stream sounds, however softly: drop what is to count as silence (`drop_below`).
    SicError where vectors do not tell when events end (`reference`), or more than 255 streams are needed.
    """
    within("longest pause", longest_s, 0, 60)
    voices, header = Voices.of(table), table.header
    if not voices.linked:
        raise SicError(f"preset {header.model!r} does not tell when its events end, so its pauses are not known")
    order = np.argsort(voices.start_s, kind="stable")
    ends_s = np.maximum.accumulate(np.append(0.0, voices.end_s[order]))
    pauses_s = np.append(voices.start_s[order], table.duration_s) - ends_s  # before each event, and at the end
    step_s = float(header.time_unit)
    cut_s = np.floor(np.maximum(pauses_s - longest_s, 0.0) / step_s) * step_s
    earlier_s = np.empty(len(table))
    earlier_s[order] = np.cumsum(cut_s[:-1])
    out = _moved_apart(table, None, lambda first_s: -earlier_s[voices.firsts])
    shorter = min(round(float(cut_s.sum()) * header.sample_rate), max(header.n_samples - 1, 0))
    return out.replace(header=replace(out.header, n_samples=header.n_samples - shorter))


def _whole_voices(table: EventTable, where: Where) -> NDArray[np.bool_]:
    mask = chosen(table, where)
    number = Voices.of(table).number
    some = np.zeros(len(table), bool)
    some[number[mask]] = True
    cut = some[number] & ~mask
    if cut.any():
        raise SicError(
            f"the event at {table.time[cut.argmax()]:.3f} s is of a voice that is chosen in part; choose whole voices,"
            " or take out what is chosen first"
        )
    return mask


def _end_s(table: EventTable) -> float:
    """When the last of all events, at least one, has died away; of a preset that does not tell: the source's end."""
    voices = Voices.of(table)
    return float(voices.end_s.max()) if voices.linked else table.duration_s


def copied(
    table: EventTable, mask: NDArray[np.bool_], delays_s: Sequence[float], gains_db: Sequence[float]
) -> EventTable:
    """The events that are not in the mask, and a copy of those in it for each delay."""
    header = table.header
    if not mask.any():
        return table
    taken, rest = take(table, mask), drop(table, mask)
    end_s = table.duration_s if mask.all() else _end_s(taken)
    n_samples = max(header.n_samples, math.ceil((end_s + max(delays_s)) * header.sample_rate - 1e-6))
    copies = [
        taken.replace(time=np.maximum(taken.time + delay_s, 0.0), amplitude=taken.amplitude * 10 ** (db / 20))
        for delay_s, db in zip(delays_s, gains_db, strict=True)
    ]
    things = [Thing.of_stream(part, stream) for part in (rest, *copies) for stream in range(part.header.streams)]
    return arranged(replace(header, n_samples=n_samples), things)


def _moved_apart(
    table: EventTable, where: Where, delay: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> EventTable:
    """Each chosen voice later by its own time, which `delay` tells of the times of first events, float64 [voices]."""
    mask = _whole_voices(table, where)
    if not mask.any():
        return table
    voices, header = Voices.of(table), table.header
    number, firsts = voices.number, voices.firsts
    delays = np.where(mask[firsts], delay(table.time[firsts]), 0.0)[number]
    end_s = voices.end_s if voices.linked else table.time
    grows = max(float((end_s + delays).max()) - max(float(end_s.max()), table.duration_s), 0.0)
    header = replace(header, n_samples=header.n_samples + math.ceil(grows * header.sample_rate))
    later_s = np.maximum(table.time + delays, 0.0)
    order = np.argsort(later_s, kind="stable")
    columns = (table.vector[order], table.channel[order], table.amplitude[order])
    moved = EventTable(header, later_s[order], *columns)
    now = Voices.of(moved)
    pairs = len(np.unique(np.stack([number[order], now.number]), axis=1).T)
    if pairs == len(firsts) == np.count_nonzero(now.begins):  # each voice is still one by itself
        return moved
    rows = voices.order
    things = Things.of_rows(table, rows, voices.begins[rows])
    return arranged(header, replace(things, time=later_s[rows]))
