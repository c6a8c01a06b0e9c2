"""How alike events and segments are: `edit/likeness.py`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from format_strategies import make_header
from note_tables import Event, music_table

from sparsecodec_formats import LAYOUTS, EventTable
from sparsecodec_formats.edit.likeness import distances, nearest, points_of_events, points_of_segments
from sparsecodec_formats.segments import Segments

SPEECH = LAYOUTS["speech"]


def speech(time: list[float], **physical: list[float]) -> EventTable:
    """Events that all begin by themselves, unless told; what is not told is 0 in the vector."""
    vector = np.zeros((len(time), 32))
    for name, values in {"begins": [1.0] * len(time), **physical}.items():
        dim = SPEECH.dims[name]
        vector[:, dim.index] = (np.array(values) - dim.offset) / dim.scale
    return EventTable(make_header(step=(0.125,) * 32), time, vector)


def between(table: EventTable) -> float:
    points = points_of_events(table)
    return float(distances(points[:1], points[1:])[0, 0])


@pytest.mark.parametrize(
    "name, values",
    [
        ("level_db", [-30.0, -24.0]),
        ("f0_semitones", [0.0, 3.0]),
        ("attack_log2_s", [-4.0, -2.5]),
        ("room_db", [-40.0, -22.0]),
        ("shape_3", [0.0, 5.0]),
    ],
)
def test_what_counts_1(name: str, values: list[float]) -> None:
    apart = between(speech([0.5, 1.5], **{name: values}))
    if name == "attack_log2_s":  # which makes the event longer as well
        assert 1 < apart < 1.5
    else:
        assert apart == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "physical",
    [
        {"phase_cycles": [0.0, 0.5]},
        {"level_db": [-200.0, -150.0]},  # both below what is heard
        {"room_db": [-90.0, -61.0]},  # both off
        {"f0_semitones": [50.0, 80.0]},  # both above the decoder's range
    ],
)
def test_what_is_not_heard_counts_nothing(physical: dict[str, list[float]]) -> None:
    assert between(speech([0.5, 1.5], **physical)) == pytest.approx(0, abs=1e-6)


def test_the_decay_of_an_event_counts_where_it_ends_a_voice() -> None:
    linked = {"begins": [1.0, 0.0, 1.0, 0.0]}
    within = {"decay_log2_s": [-8.0, -4.0, 0.0, -4.0]}
    points = points_of_events(speech([0.5, 1.0, 1.5, 2.0], **linked, **within))
    assert distances(points[:1], points[2:3])[0, 0] == pytest.approx(0, abs=1e-6)
    at_the_end = {"decay_log2_s": [-4.0, -8.0, -4.0, -1.0]}
    points = points_of_events(speech([0.5, 1.0, 1.5, 2.0], **linked, **at_the_end))
    assert distances(points[1:2], points[3:4])[0, 0] > 0.2


def test_amplitude_is_level() -> None:
    table = speech([0.5, 1.5])
    assert between(table.replace(amplitude=[1.0, 10**0.3])) == pytest.approx(1, abs=1e-5)
    assert math.isfinite(between(table.replace(amplitude=[1.0, 0.0])))


def test_what_is_kept_does_not_count() -> None:
    table = speech([0.5, 1.5], level_db=[-30.0, -10.0], f0_semitones=[0.0, 12.0])
    for without, apart in ((["level"], 4.0), (["pitch"], 20 / 6), (["level", "pitch"], 0.0)):
        points: Any = points_of_events(table, without)  # type: ignore[arg-type]
        assert distances(points[:1], points[1:])[0, 0] == pytest.approx(apart, abs=1e-5)


def test_kinds_are_apart() -> None:
    table = music_table(Event(0.5, 60), Event(1.0, 60, drum=True), Event(1.5, 60, tone=True), Event(2.0, 60))
    apart = distances(points_of_events(table), points_of_events(table))
    assert apart[0, 3] == pytest.approx(0, abs=1e-5)
    off = apart[[0, 0, 1], [1, 2, 2]]
    assert (off >= 8 - 1e-6).all()


def test_vectors_without_names_are_compared_as_a_whole() -> None:
    header = make_header(model="reference")
    table = EventTable(header, [0.5, 1.0], np.stack([np.zeros(32), np.full(32, 3.0)]))
    assert between(table) == pytest.approx(3, abs=1e-5)


def test_segments_of_the_same_sound_are_nearest() -> None:
    """Three sounds of two events each: the third is the first again, a little softer."""
    table = speech(
        [0.5, 0.7, 1.5, 1.7, 2.5, 2.7],
        begins=[1.0, 0.0] * 3,
        level_db=[-20.0, -20.0, -20.0, -20.0, -22.0, -22.0],
        f0_semitones=[2.0, 4.0, 9.0, 2.0, 2.0, 4.0],
        shape_0=[4.0, -4.0, -4.0, 4.0, 4.0, -4.0],
    )
    segments = Segments.of(table)
    assert len(segments) == 3
    points = points_of_segments(table, segments)
    apart = distances(points, points)
    assert apart[0, 2] == pytest.approx(2 / 6, abs=1e-4) and apart[0, 1] > 1
    assert nearest(points[:1], points[1:]).tolist() == [1]
    # spectra are compared in order of time, not in the mean alone
    turned = points_of_segments(table.replace(vector=table.vector[[0, 1, 1, 0, 4, 5]]), segments)
    assert distances(turned[:1], turned[1:2])[0, 0] > 1


def test_nearest_is_the_least_distance_also_of_many() -> None:
    rng = np.random.default_rng(0)
    points, others = rng.normal(size=(1500, 5)), rng.normal(size=(70, 5))
    plain = [int(((others - point) ** 2).sum(1).argmin()) for point in points]
    assert nearest(points, others).tolist() == plain
    assert nearest(points[:0], others).shape == (0,)


def test_of_many_the_nearest_is_found_in_a_tree_and_of_equals_the_first() -> None:
    rng = np.random.default_rng(1)
    flat = rng.normal(size=(3, 12))  # points that differ along three axes only
    others = np.tile(rng.normal(size=(600, 3)) @ flat, (2, 1))
    others[600:] += 1e-9 * rng.normal(size=(600, 12))  # each again, but for rounding
    points = rng.normal(size=(2000, 12))
    plain = ((points[:, None] - others[:600]) ** 2).sum(-1).argmin(1)
    assert nearest(points, others).tolist() == plain.tolist()
    assert nearest(points, np.ones((1, 12))).tolist() == [0] * len(points)
