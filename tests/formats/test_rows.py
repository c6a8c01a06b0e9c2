"""An event as a row of named, physical values."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
from format_strategies import make_header, quick, tables
from hypothesis import given

from sparsecodec_formats import LAYOUTS, EventTable
from sparsecodec_formats.interchange.rows import PLACE, event_rows, header_fields, quantities

SPEECH = ["level_db", "attack_s", "decay_s", "f0_hz", "glide_semitones", "phase_cycles", "begins", "room_db"]


def one(model: str = "speech", **physical: float) -> EventTable:
    vector = np.zeros((1, 32))
    for name, value in physical.items():
        dim = LAYOUTS[model].dims[name]
        vector[0, dim.index] = (value - dim.offset) / dim.scale
    return EventTable(make_header(model=model), [0.25], vector, amplitude=[0.5])


def test_a_row_says_in_units_what_the_vector_says() -> None:
    table = one(level_db=-18, attack_log2_s=-5, decay_log2_s=-1, f0_semitones=12, glide_semitones=2, begins=1)
    (row,) = event_rows(table)
    assert list(row) == [*PLACE, *SPEECH, "vector"]
    assert [row[key] for key in PLACE] == [0, 0.25, 0, 0.5]
    assert row["vector"] == table.vector[0].tolist()
    said = [-18, 0.03125, 0.5, 220, 2, 0, 1, -60]
    assert [row[key] for key in SPEECH] == pytest.approx(said, abs=1e-6)


def test_what_is_yes_or_no_is_1_or_0_and_a_tone_is_minus_1() -> None:
    (row,) = event_rows(one("music", kind=0, begins=1))
    assert (row["kind"], row["begins"]) == (0, 1)
    said = [event_rows(one("music", kind=kind))[0]["kind"] for kind in (3, 0.6, 0.5, 0, -0.5, -0.6, -3)]
    assert said == [1, 1, 0, 0, 0, -1, -1]
    assert [(q.name, q.unit) for q in quantities(one("music")) if q.key == "kind"] == [("kind", "")]


def test_names_and_units_are_those_of_the_keys() -> None:
    found = quantities(one())
    assert [q.key for q in found] == SPEECH
    assert [(q.name, q.unit) for q in found[:4]] == [("level", "dB"), ("attack", "s"), ("decay", "s"), ("f0", "Hz")]
    assert all(q.key == q.name or q.key.startswith(f"{q.name}_") for q in found)


@pytest.mark.parametrize("model", ["reference", "music-9"])
def test_a_preset_that_names_nothing_has_the_place_and_the_vector(model: str) -> None:
    table = EventTable(make_header(model=model), [0.0], np.arange(32.0)[None])
    assert quantities(table) == []
    assert list(event_rows(table)[0]) == [*PLACE, "vector"]


def test_some_rows_are_those_of_the_whole() -> None:
    table = EventTable(make_header(channels=2), [0.0, 0.1, 0.2], np.eye(3, 32), [0, 1, 0])
    assert event_rows(table, [2, 0]) == [event_rows(table)[2], event_rows(table)[0]]


@given(tables())
@quick
def test_rows_and_header_are_json_and_tell_the_whole_table(table: EventTable) -> None:
    text = json.dumps([header_fields(table.header), event_rows(table)], allow_nan=False)
    header, rows = json.loads(text)
    columns = ([row[key] for row in rows] for key in ("time_s", "vector", "channel", "amplitude"))
    assert EventTable(table.header, *columns) == table
    assert (Fraction(*header["time_unit"]), tuple(header["step"])) == (table.header.time_unit, table.header.step)
    assert (header["model"], header["seed"], header["tags"]) == (
        table.header.model, table.header.seed, table.header.tags,
    )  # fmt: skip
