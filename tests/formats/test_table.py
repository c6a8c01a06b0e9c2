from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from format_strategies import make_header, make_table

from sparsecodec_formats import EventTable, SicError


@pytest.mark.parametrize(
    "columns",
    [
        dict(time=[1.0, 0.5]),
        dict(time=[-0.1, 0.5]),
        dict(time=[0.0, float("nan")]),
        dict(time=[0.0, float("inf")]),
        dict(time=[[0.0, 1.0]]),
        dict(time=[0.0]),
        dict(vector=np.zeros((2, 31))),
        dict(vector=np.full((2, 32), np.nan)),
        dict(vector=np.full((2, 32), 1e39)),  # beyond float32
        dict(channel=[0, 2]),
        dict(channel=[-1, 0]),
        dict(channel=[0]),
        dict(amplitude=[1.0, -0.5]),
        dict(amplitude=[1.0, float("inf")]),
        dict(amplitude=[1.0]),
    ],
    ids=str,
)
def test_table_refuses(columns: dict[str, object]) -> None:
    whole = dict(time=[0.0, 1.0], vector=np.zeros((2, 32)), channel=[0, 1], amplitude=[1.0, 2.0])
    assert len(EventTable(make_header(channels=2), **whole)) == 2
    with pytest.raises(SicError):
        EventTable(make_header(channels=2), **{**whole, **columns})


def test_columns_cannot_be_changed_nor_aliased() -> None:
    times = np.array([0.0, 1.0])
    table = EventTable(make_header(), times, np.zeros((2, 32)))
    times[0] = 5
    assert table.time[0] == 0
    for column in (table.time, table.vector, table.channel, table.amplitude):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1


def test_defaults_and_types() -> None:
    table = make_table([0.0, 1.0])
    assert table.channel.tolist() == [0, 0] and table.amplitude.tolist() == [1, 1]
    assert [column.dtype for column in (table.time, table.vector, table.channel, table.amplitude)] == [
        np.float64,
        np.float32,
        np.uint8,
        np.float32,
    ]
    assert table.duration_s == 3.0


def test_empty_table() -> None:
    table = EventTable.empty(make_header())
    assert len(table) == 0 and table.vector.shape == (0, 32)
    assert table == EventTable.from_unsorted(make_header(), [], [])
    assert table == table.select([]) == table.select(slice(9))


def test_from_unsorted_keeps_the_order_of_equal_times() -> None:
    vector = np.arange(4)[:, None] * np.ones(32)
    header = make_header(channels=2)
    table = EventTable.from_unsorted(header, [2, 1, 2, 1], vector, [0, 1, 1, 0], [5, 6, 7, 8])
    assert table.time.tolist() == [1, 1, 2, 2]
    assert table.vector[:, 0].tolist() == [1, 3, 0, 2]
    assert table.channel.tolist() == [1, 0, 0, 1]
    assert table.amplitude.tolist() == [6, 8, 5, 7]


def test_select_takes_masks_indices_and_slices_and_stays_sorted() -> None:
    table = make_table([0.0, 1.0, 2.0])
    assert table.select([2, 0]).time.tolist() == [0, 2]
    assert table.select(table.time < 1.5) == table.select(slice(0, 2)) == table.select([0, 1])
    with pytest.raises(IndexError):
        table.select([3])


def test_replace_and_equality() -> None:
    table = make_table([0.0, 1.0])
    assert table == table.replace() and table != make_table([0.0, 1.5])
    assert table.replace(amplitude=[2, 2]) != table
    assert table.replace(header=make_header(seed=1)) != table
    with pytest.raises(SicError):
        table.replace(time=[1.0, 0.0])


def test_rank_counts_within_each_channel() -> None:
    table = make_table([0.0, 0.1, 0.2, 0.3, 0.4], [1, 0, 1, 1, 0], channels=2)
    assert table.rank_in_channel().tolist() == [0, 0, 1, 2, 1]


def test_iterates_over_single_events() -> None:
    assert [event.time.tolist() for event in make_table([0.5, 1.5])] == [[0.5], [1.5]]


def test_import_does_not_load_torch() -> None:
    code = "import sys, sparsecodec_formats, sparsecodec_formats.edit; sys.exit('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, timeout=60).returncode == 0
