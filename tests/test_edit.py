from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from format_strategies import make_header, make_table, quick
from hypothesis import given
from hypothesis import strategies as st

from sparsecodec_formats import LAYOUTS, Dim, EventTable, SicError, dumps, edit, layout_of, loads
from sparsecodec_formats.presets import level_db

TABLE = make_table([0.5, 1.0, 1.5, 2.0])


def reference_table() -> EventTable:
    header = make_header(model="reference", time_unit=Fraction(1, 22_050))
    return EventTable(header, [0.5, 1.0, 1.5], np.ones((3, 32)), amplitude=[1.0, 0.0, 10.0])


def physical(table: EventTable, name: str) -> np.ndarray:
    return layout_of(table.header).physical(table, name)


def sounding(levels_db: list[float], duration_s: list[float]) -> EventTable:
    """Speech events, one a second, of these levels and durations."""
    vector = np.zeros((len(levels_db), 32))
    for name, values in (("level_db", levels_db), ("duration_log2_s", np.log2(duration_s))):
        dim = LAYOUTS["speech"].dims[name]
        vector[:, dim.index] = (np.array(values) - dim.offset) / dim.scale
    return EventTable(make_header(), np.arange(float(len(levels_db))), vector)


def others(table: EventTable, name: str) -> list[list[float]]:
    """All numbers of the vectors but the one named."""
    return np.delete(table.vector, LAYOUTS["speech"].dims[name].index, axis=1).tolist()


# Refusals


@pytest.mark.parametrize(
    "call",
    [
        lambda: edit.stretch(TABLE, 0.0),
        lambda: edit.stretch(TABLE, -1.0),
        lambda: edit.stretch(TABLE, 1e300),
        lambda: edit.stretch(TABLE, math.nan),
        lambda: edit.transpose(TABLE, math.inf),
        lambda: edit.transpose(reference_table(), 1.0),
        lambda: edit.gain(TABLE, 1e9),
        lambda: edit.gain(reference_table(), math.nan),
        lambda: edit.shift(TABLE, math.inf),
        lambda: edit.shift(TABLE, math.nan),
        lambda: edit.crop(TABLE, -1.0),
        lambda: edit.crop(TABLE, 2.0, 1.0),
        lambda: edit.crop(TABLE, 1.0, 1.0),
        lambda: edit.crop(TABLE, 3.0),
        lambda: edit.crop(TABLE, 99.0, 100.0),
        lambda: edit.keep(TABLE, -1),
        lambda: edit.keep_percent(TABLE, 100.5),
        lambda: edit.keep_percent(TABLE, math.nan),
        lambda: edit.stretch(make_table([0.0], model="unheard-of"), 2.0),
        lambda: edit.keep(make_table([0.0], model="unheard-of"), 1),
    ],
)
def test_refuses(call: Callable[[], EventTable]) -> None:
    with pytest.raises(SicError) as caught:
        call()
    assert "\n" not in str(caught.value)


# Presets


def test_layouts() -> None:
    for name, layout in LAYOUTS.items():
        assert layout.name == name
        indices = [dim.index for dim in layout.dims.values()]
        assert indices == list(range(len(indices)))
    assert len(LAYOUTS["speech"].dims) == 32
    assert make_header().time_unit == LAYOUTS["speech"].time_unit


def test_a_physical_quantity_is_offset_plus_scale_times_number() -> None:
    dim = Dim(index=3, name="level_db", unit="dB", scale=2.0, offset=-30.0)
    vector = np.zeros((2, 32), np.float32)
    vector[1, 3] = 5
    assert dim.physical(vector).tolist() == [-30.0, -20.0]


# Known answers


def test_randomize_times() -> None:
    drawn = edit.randomize_times(TABLE, 1)
    assert drawn == edit.randomize_times(TABLE, 1) != edit.randomize_times(TABLE, 2)
    assert drawn.header == TABLE.header
    assert (drawn.time < TABLE.duration_s).all()
    assert sorted(drawn.vector.tolist()) == TABLE.vector.tolist()  # the same sounds
    many = edit.randomize_times(make_table([0.0] * 2000), 0).time
    assert np.histogram(many, 4, (0, 3))[0] == pytest.approx([500] * 4, abs=75)


def test_randomize_vectors() -> None:
    drawn = edit.randomize_vectors(TABLE, 1)
    assert drawn == edit.randomize_vectors(TABLE, 1) != edit.randomize_vectors(TABLE, 2)
    assert drawn.header == TABLE.header and np.array_equal(drawn.time, TABLE.time)
    many = edit.randomize_vectors(make_table([0.0] * 1000), 0).vector  # dim d in d .. d + 99,900
    assert (many.min(axis=0) >= np.arange(32)).all() and (many.max(axis=0) <= np.arange(32) + 99_900).all()
    assert np.ptp(many, axis=0).min() > 99_000
    assert abs(np.corrcoef(many[:, 0], many[:, 1])[0, 1]) < 0.2  # dims are drawn apart


def test_stretch() -> None:
    long = edit.stretch(TABLE, 2.0)
    assert long.time.tolist() == [1.0, 2.0, 3.0, 4.0] and long.header.n_samples == 2 * TABLE.header.n_samples
    for name in ("duration_log2_s", "attack_log2_s", "decay_log2_s"):
        assert physical(long, name) - physical(TABLE, name) == pytest.approx(1.0, abs=1e-4)  # an octave of seconds
    for name in ("f0_semitones", "glide_semitones", "level_db", "shape_0"):
        assert np.array_equal(physical(long, name), physical(TABLE, name))
    moved = edit.stretch(reference_table(), 0.5)
    assert moved.time.tolist() == [0.25, 0.5, 0.75] and np.array_equal(moved.vector, reference_table().vector)
    assert edit.stretch(make_table([], n_samples=1), 0.01).header.n_samples == 1
    assert edit.stretch(make_table([], n_samples=0), 2.0).header.n_samples == 0


def test_transpose() -> None:
    high = edit.transpose(TABLE, 12.0)
    assert physical(high, "f0_semitones") - physical(TABLE, "f0_semitones") == pytest.approx(12.0)
    assert others(high, "f0_semitones") == others(TABLE, "f0_semitones")
    assert np.array_equal(high.time, TABLE.time) and high.header == TABLE.header


def test_gain() -> None:
    loud = edit.gain(TABLE, 6.0)
    assert level_db(loud) - level_db(TABLE) == pytest.approx(6.0)
    assert level_db(loads(dumps(edit.gain(TABLE, 0.5)))) - level_db(TABLE) == pytest.approx(0.5)  # finer than a step
    assert np.array_equal(loud.vector, TABLE.vector)
    unknown = TABLE.replace(header=replace(TABLE.header, model="music-9"))
    assert edit.gain(unknown, 6.0).amplitude == pytest.approx(loud.amplitude)  # needs no preset's help
    assert edit.gain(reference_table(), 20.0).amplitude.tolist() == [10.0, 0.0, 100.0]


def test_shift() -> None:
    late = edit.shift(TABLE, 1.0)
    assert late.time.tolist() == [1.5, 2.0, 2.5, 3.0] and late.duration_s == 4.0
    early = edit.shift(TABLE, -1.0)
    assert early.time.tolist() == [0.0, 0.5, 1.0] and early.duration_s == 2.0
    assert np.array_equal(early.vector, TABLE.vector[1:])
    gone = edit.shift(TABLE, -9.0)
    assert len(gone) == 0 and gone.header.n_samples == 0


def test_crop() -> None:
    part = edit.crop(TABLE, 1.0, 2.0)
    assert part.time.tolist() == [0.0, 0.5]  # the event at 2.0 s belongs to what follows
    assert part.duration_s == 1.0
    assert edit.crop(TABLE) == TABLE == edit.crop(TABLE, 0.0, 99.0)
    assert edit.crop(TABLE, 2.5).header.n_samples == 22_050


def test_keep_takes_the_events_with_most_energy() -> None:
    table = sounding(levels_db=[-30, -10, -20, -20], duration_s=[0.1, 0.1, 0.2, 0.1])
    assert edit.keep(table, 0).time.tolist() == []
    assert edit.keep(table, 1).time.tolist() == [1.0]
    assert edit.keep(table, 2).time.tolist() == [1.0, 2.0]
    assert edit.keep(table, 9) == table
    assert edit.keep_percent(table, 26.0).time.tolist() == [1.0, 2.0]
    assert edit.keep_percent(table, 0.0).time.tolist() == []
    assert edit.keep(reference_table(), 2).time.tolist() == [0.5, 1.5]


def test_energy() -> None:
    speech = edit.estimate_energy_db(sounding(levels_db=[-30, -30, -20], duration_s=[1.0, 0.1, 2.0]))
    assert speech == pytest.approx([-30, -40, -16.99], abs=0.01)
    assert edit.estimate_energy_db(reference_table()).tolist() == [0.0, -300.0, 20.0]
    assert edit.estimate_energy_db(make_table([])).shape == (0,)


@pytest.mark.parametrize("make", [lambda: make_table([]), lambda: make_table([0.0], n_samples=0)])
def test_edits_of_next_to_nothing(make: Callable[[], EventTable]) -> None:
    table = make()
    for edited in (
        edit.randomize_times(table, 0),
        edit.randomize_vectors(table, 0),
        edit.stretch(table, 2.0),
        edit.transpose(table, 1.0),
        edit.gain(table, 1.0),
        edit.shift(table, 1.0),
        edit.keep_percent(table, 50.0),
    ):
        assert loads(dumps(edited)).header == edited.header


# Round trips


@given(st.lists(st.floats(0, 3), min_size=1).map(sorted), st.floats(0.1, 10), st.floats(-50, 50))
@quick
def test_edits_undo_each_other(times: list[float], factor: float, amount: float) -> None:
    table = make_table(times)
    for edited in (
        edit.stretch(edit.stretch(table, factor), 1 / factor),
        edit.gain(edit.gain(table, amount), -amount),
        edit.transpose(edit.transpose(table, amount), -amount),
        edit.shift(edit.shift(table, abs(amount)), -abs(amount)),
    ):
        assert len(edited) >= len(table) - times.count(0.0)  # rounding may push an event before 0
        if len(edited) == len(table):
            assert edited.time == pytest.approx(table.time, abs=1e-9)
            assert edited.amplitude == pytest.approx(table.amplitude, rel=1e-5)
            assert edited.vector == pytest.approx(table.vector, rel=1e-5, abs=1e-4)
