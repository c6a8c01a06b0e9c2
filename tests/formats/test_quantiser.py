from __future__ import annotations

import math

import numpy as np
import pytest
from format_strategies import make_header, make_table, quick, tables
from hypothesis import given

from sparsecodec_formats import EventTable, SicError, dequantise, nearest_step, quantise
from sparsecodec_formats.steps import code_of_step, step_of_code


@pytest.mark.parametrize("step", [0.0, -1.0, math.inf, math.nan])
def test_nearest_step_refuses(step: float) -> None:
    with pytest.raises(SicError):
        nearest_step(step)


def test_step_codes() -> None:
    assert (step_of_code(128), step_of_code(136), step_of_code(120)) == (1.0, 2.0, 0.5)
    assert (step_of_code(0), step_of_code(255)) == (2**-16, pytest.approx(2**15.875))
    for code in range(256):
        step = step_of_code(code)
        assert step == pytest.approx(2 ** ((code - 128) / 8), rel=1e-15)
        assert code_of_step(step) == code and nearest_step(step) == step
        assert nearest_step(step * 1.04) == nearest_step(step * 0.96) == step
    assert nearest_step(1e-30) == step_of_code(0) and nearest_step(1e30) == step_of_code(255)


def test_times_too_late_are_refused() -> None:
    with pytest.raises(SicError, match="too late"):
        quantise(make_table([1e12]))


def test_rounds_halves_to_even_and_clips() -> None:
    vector = np.zeros((1, 32))
    vector[0, :7] = [0.5, 1.5, -0.5, -1.5, 2.6, 1e8, -1e8]
    table = EventTable(make_header(), [0.0], vector)
    assert quantise(table).vector[0, :7].tolist() == [0, 2, 0, -2, 3, 2**20, -(2**20)]


def test_steps_are_per_dim() -> None:
    step = tuple(nearest_step(2.0**dim) for dim in range(-16, 16))
    table = EventTable(make_header(step=step), [0.0], np.full((1, 32), 8.0))
    assert quantise(table).vector[0, 10:21].tolist() == [512, 256, 128, 64, 32, 16, 8, 4, 2, 1, 0]


def test_times_are_in_units() -> None:
    events = quantise(make_table([0.0, 64 / 22_050, 1.4 * 64 / 22_050, 1.6 * 64 / 22_050]))
    assert events.time_index.tolist() == [0, 1, 1, 2]


def test_amplitude_levels() -> None:
    table = make_table([0.0] * 6).replace(amplitude=[1.0, 0.5, 10.0, 0.0, 1e-30, 1e30])
    events = quantise(table)
    assert events.amplitude.tolist() == [0, -24, 80, -1024, -1023, 1023]
    again = dequantise(table.header, events).amplitude
    assert again[[0, 2, 3]].tolist() == [1.0, 10.0, 0.0]
    assert again[1] == pytest.approx(10 ** (-6 / 20))


def test_equal_times_are_ordered_by_channel() -> None:
    table = make_table([1.0, 1.0, 1.0001, 2.0], [1, 0, 0, 1], channels=2)
    events = quantise(table)
    assert events.channel.tolist() == [0, 0, 1, 1]
    assert events.vector[:, 0].tolist() == [100, 200, 0, 300]


@given(tables())
@quick
def test_dequantised_tables_stay_as_they_are(table: EventTable) -> None:
    once = dequantise(table.header, quantise(table))
    assert dequantise(table.header, quantise(once)) == once


@given(tables())
@quick
def test_errors_are_at_most_half_a_step(table: EventTable) -> None:
    once = dequantise(table.header, quantise(table))
    step, unit_s = np.array(table.header.step), float(table.header.time_unit)
    assert np.abs(once.time - table.time).max(initial=0) <= unit_s * 0.5000001
    if (np.diff(quantise(table).time_index) > 0).all():  # else rows may change places
        small = np.abs(table.vector) < 2**20 * step
        slack = 1e-6 * np.abs(table.vector)  # of float32
        assert (np.abs(once.vector - table.vector) <= step * 0.5000001 + slack)[small].all()
