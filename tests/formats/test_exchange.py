"""Tables in files of other programs: what is refused, and that nothing is lost either way."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from format_strategies import make_header, make_table, quick, tables
from hypothesis import given
from hypothesis import strategies as st

from sparsecodec_formats import EventTable, Header, Reader, SicError, Writer, dumps, loads
from sparsecodec_formats.container.form import BlockForm, Form, read_with_form, write_in_form
from sparsecodec_formats.interchange.columns import Columns, table_of
from sparsecodec_formats.interchange.rows import event_rows, header_fields
from sparsecodec_formats.interchange.table_files import READERS, WRITERS

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path
    for folder in (ROOT / "formats" / "golden", ROOT / "models" / "golden", ROOT / "tests" / "data")
    for path in folder.rglob("*.sic")
)
KINDS = sorted(WRITERS)


def exported(table: EventTable, kind: str, form: Form | None = None) -> bytes:
    file = io.BytesIO()
    WRITERS[kind](table, file, form)
    return file.getvalue()


def imported(data: bytes, kind: str, **how: Any) -> tuple[EventTable, Form | None]:
    return READERS[kind](io.BytesIO(data)).table(**how)


def read_rows(rows: Sequence[Any], **header: Any) -> EventTable:
    return EventTable.from_rows(make_header(**header), rows)


# refused


@pytest.mark.parametrize(
    "change, words",
    [
        ({"time_s": "soon"}, "event 1: time_s is 'soon', not a finite number"),
        ({"time_s": None}, "event 1: has no time_s"),
        ({"time_s": float("nan")}, "event 1: time_s is nan, not a finite number"),
        ({"time_s": 10**400}, "event 1: time_s is a value of type int, not a finite number"),
        ({"time_s": -0.5}, "event 1: time_s -0.5 is before 0"),
        ({"channel": 1}, "event 1: channel 1 is not below 1"),
        ({"channel": 0.5}, "event 1: channel 0.5 is no whole number"),
        ({"channel": -1}, "event 1: channel -1 is no whole number"),
        ({"amplitude": -1}, "event 1: amplitude -1 is out of range"),
        ({"amplitude": 1e39}, "event 1: amplitude 1e.39 is out of range"),
        ({"index": "first"}, "event 1: index is 'first', not a finite number"),
        ({"vector": [0.0] * 31}, "event 1: vector has 31 numbers; it must have 32"),
        ({"vector": [0.0] * 31 + ["a"]}, "event 1: vector is 'a', not a finite number"),
        ({"vector": [0.0] * 31 + [None]}, "event 1: vector holds a number that is not finite"),
        ({"vector": [0.0] * 31 + [1e39]}, "event 1: vector holds a number that is not finite, or too large"),
        ({"vector": "none"}, "event 1: vector is 'none', not a list of 32 numbers"),
    ],
    ids=lambda value: json.dumps(value)[:40] if isinstance(value, dict) else "",
)
def test_nonsense_is_refused_with_the_number_of_its_row(change: dict[str, Any], words: str) -> None:
    rows = event_rows(make_table([0.5, 1.0, 1.5]))
    rows[1] |= change
    with pytest.raises(SicError, match=words):
        read_rows(rows)


@pytest.mark.parametrize(
    "rows, words",
    [
        ([{"time_s": 1.0}], "neither vectors nor named quantities"),
        ([{"level_db": -10}], "no column time_s"),
        ([{"time_s": 1.0, "f0_hz": 0}], "event 0: f0_hz 0 is not in 40"),
        ([{"time_s": 1.0, "attack_s": -1}], "event 0: attack_s -1 is not in"),
        ([{"time_s": 1.0, "level_db": "loud"}], "event 0: level_db is 'loud', not a finite number"),
        ([{"time_s": 1.0, "shape_3": 1e39}], "event 0: shape_3 1e.39 cannot be"),
        ([{"time_s": 1.0, "vector_3": 1, "vector_4": 1}], "a column vector_3, but no vector_0"),
        ([3], "event 0 is 3; it must have fields"),
    ],
)
def test_what_makes_no_event_is_refused(rows: list[Any], words: str) -> None:
    with pytest.raises(SicError, match=words):
        read_rows(rows)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"sample_rate": 8000}, "has a field 'sample_rate'; there are model, "),
        ({"sample_rate_hz": "fast"}, "cannot be: sample_rate must be a whole number"),
        ({"time_unit": [1, 0]}, r"header's time_unit cannot be \[1, 0\]"),
        ({"weights_hash": "xyz"}, "header's weights_hash cannot be 'xyz'"),
        ({"step": 3}, "header's step cannot be 3"),
        ({"gains": 3}, "header's gains cannot be 3"),
        ({"step": [1.3] * 32}, "not one a file can hold"),
        ({"channels": 0}, "channels is 0"),
        ({"tags": {"a": 3}}, "tag 'a' is 3"),
    ],
)
def test_a_header_that_cannot_be_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SicError, match=words):
        EventTable.from_rows(header_fields(make_header()) | change, [])


@pytest.mark.parametrize("name", ["sample_rate_hz", "n_samples"])
def test_a_header_without_what_nobody_can_guess_is_refused(name: str) -> None:
    fields = {key: value for key, value in header_fields(make_header()).items() if key != name}
    with pytest.raises(SicError, match=f"tells no {name}"):
        EventTable.from_rows(fields, [])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("data", [b"", b"\x89SIC", b"\xff\xfe" * 40, b"PK\x03\x04" + bytes(60), b"PAR1" * 9])
def test_what_is_no_such_file_is_refused(kind: str, data: bytes) -> None:
    with pytest.raises(SicError, match=r"\A[^\n]+\Z"):
        imported(data, kind)


DAMAGED = EventTable(make_header(tags={"title": "é"}), [0.5, 1.0], np.arange(64).reshape(2, 32) % 7)


@pytest.mark.parametrize("kind", KINDS)
@quick
@given(place=st.integers(0, 10_000), new=st.binary(max_size=3), n_cut=st.integers(0, 3))
def test_a_damaged_file_is_read_or_refused_in_one_line(kind: str, place: int, new: bytes, n_cut: int) -> None:
    data = exported(DAMAGED, kind)
    place %= len(data)
    try:
        imported(data[:place] + new + data[place + n_cut :], kind)
    except SicError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    "text, words",
    [
        ("[" * 100_000, "is no JSON"),
        ("[1, 2]", "event 0 is 1; it must have fields"),
        ('{"events": 3}', "no object with a list 'events'"),
        ('{"events": []}', "there is no header"),
        ('{"format": "midi", "header": {}, "events": []}', "format is 'midi'"),
        ('{"version": 2, "header": {}, "events": []}', "version 2 of sic-events"),
        ('{"header": 3, "events": []}', "its header is 3"),
    ],
)
def test_json_that_is_no_table_is_refused(text: str, words: str) -> None:
    with pytest.raises(SicError, match=words):
        imported(text.encode(), "json")


@pytest.mark.parametrize(
    "lines, words",
    [
        (["time_s,level_db", "0.5,-10,3"], "row 2: has 3 values; there are 2 columns"),
        (["time_s,level_db", "0.5,-10", "", "x,-10"], "row 4: time_s is 'x'"),
        (["time_s,time_s", "1,2"], "two columns 'time_s'"),
        (["# sic-events,{", "time_s"], "its head is no JSON"),
        (["# sic-events,3", "time_s"], "its head is 3"),
        (['# sic-events,{"header":{}}'], "no row with the names"),
    ],
)
def test_csv_that_is_no_table_is_refused_with_the_row_of_a_spreadsheet(lines: list[str], words: str) -> None:
    with pytest.raises(SicError, match=words):
        imported("\n".join(lines).encode(), "csv", like=make_header())


def test_arrays_of_objects_and_of_other_lengths_are_refused() -> None:
    for arrays, words in (
        ({"time_s": np.array([{}, 1], object)}, "is no NPZ file of numbers"),
        ({"time_s": np.zeros(3), "channel": np.zeros(2)}, "array channel has 2 rows, time_s has 3"),
        ({"time_s": np.zeros((3, 2))}, "column time_s has the shape"),
        ({"time_s": np.zeros(3), "vector": np.zeros((3, 31))}, "event 0: vector has 31 numbers"),
    ):
        file = io.BytesIO()
        np.savez(file, **arrays)
        with pytest.raises(SicError, match=words):
            imported(file.getvalue(), "npz", like=make_header())


@pytest.mark.parametrize("blocks", [3, [[0, 1]], [[0, 1, "a"]], [[0, 1, -1]]])
def test_blocks_that_are_none_are_refused(blocks: Any) -> None:
    document = make_table([0.5]).to_dict() | {"blocks": blocks}
    with pytest.raises(SicError, match="block"):
        imported(json.dumps(document).encode(), "json")


# nothing is lost


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_comes_back_to_the_byte(path: Path, kind: str) -> None:
    data = path.read_bytes()
    table, form = read_with_form(io.BytesIO(data))
    assert table == loads(data)
    again, same_form = imported(exported(table, kind, form), kind)
    out = io.BytesIO()
    assert write_in_form(again, out, same_form) == len(data) and out.getvalue() == data


@pytest.mark.parametrize("kind", KINDS)
@quick
@given(table=tables())
def test_any_table_comes_back_also_off_the_grid(kind: str, table: EventTable) -> None:
    again, form = imported(exported(table, kind), kind)
    assert again == table and form is None


@quick
@given(table=tables(), seed=st.integers(0, 9))
def test_rows_and_columns_may_be_in_any_order(table: EventTable, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = event_rows(table)
    rows = [rows[i] for i in rng.permutation(len(rows))]
    rows = [{key: row[key] for key in rng.permutation(list(row))} for row in rows]
    assert EventTable.from_rows(table.header, rows) == table


@quick
@given(table=tables())
def test_a_table_as_a_dict_is_json_and_comes_back(table: EventTable) -> None:
    document = json.loads(json.dumps(table.to_dict(), allow_nan=False))
    assert EventTable.from_rows(document["header"], document["events"]) == table


def test_without_an_index_events_at_one_time_stay_in_their_order() -> None:
    table = make_table([0.5, 0.5, 0.5])
    rows = [{key: value for key, value in row.items() if key != "index"} for row in event_rows(table)]
    assert read_rows(rows) == table
    assert read_rows(rows[::-1]).vector[0, 0] == table.vector[2, 0]


def test_channel_and_amplitude_may_be_missing_and_other_columns_are_passed_over() -> None:
    table = make_table([0.5, 1.0])
    rows = [{"time_s": row["time_s"], "vector": row["vector"], "word": "hi"} for row in event_rows(table)]
    assert read_rows(rows) == table
    assert read_rows([rows[0], rows[1] | {"amplitude": None, "channel": ""}]) == table


def test_names_make_vectors_where_there_are_none() -> None:
    made = read_rows(
        [{"time_s": 1.0, "level_db": -18.0, "f0_hz": 220.0, "attack_s": 0.12, "begins": True, "shape_2": 5}]
    )
    expected = np.zeros(32)
    expected[[0, 1, 3, 6, 10]] = 12 / 1.5, 1 / 0.75, 12 / 0.25, 1, 5
    np.testing.assert_allclose(made.vector[0], expected, atol=1e-6)
    drum = read_rows([{"time_s": 1.0, "kind": 0}, {"time_s": 1.0, "kind": -1}], model="music").vector[:, 12]
    assert drum.tolist() == [0.0, -1.0]


@pytest.mark.parametrize("model", ["speech", "music"])
def test_names_say_what_their_vectors_say(model: str) -> None:
    rng = np.random.default_rng(3)
    table = EventTable(make_header(model=model), [0.5, 1.0, 1.5], rng.integers(-4, 5, (3, 32)))
    rows = [{key: value for key, value in row.items() if key != "vector"} for row in event_rows(table)]
    again = EventTable.from_rows(table.header, rows)
    assert [{**row, "vector": None} for row in event_rows(again)] == [
        {**row, "vector": None} for row in event_rows(table)
    ]


def test_vectors_count_unless_names_are_asked_for() -> None:
    table = make_table([0.5, 1.0])
    rows = event_rows(table)
    rows[1]["f0_hz"] = 220.0
    assert read_rows(rows) == table
    changed = table_of(table.header, Columns.of_rows(rows), by_name=True)
    vector = table.vector.copy()
    vector[1, 3] = 48.0  # quarters of a semitone above 110 Hz
    assert changed == table.replace(vector=vector)


@quick
@given(table=tables())
def test_names_that_say_nothing_new_change_nothing(table: EventTable) -> None:
    assert table_of(table.header, Columns.of_rows(event_rows(table)), by_name=True) == table


def test_a_table_that_a_spreadsheet_has_saved_is_read() -> None:
    """With all cells in quotes, empty ones behind the head, a mark of UTF-8, and Windows' ends of lines."""
    table = make_table([0.5, 1.0], tags={"title": 'one, "two"'})
    rows = list(csv.reader(io.StringIO(exported(table, "csv").decode())))
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([rows[0] + [""] * 9, *rows[1:]])
    assert imported(b"\xef\xbb\xbf" + text.getvalue().encode(), "csv")[0] == table
    padded = exported(table, "csv").replace(b"\n", b",,,\r\n", 1)
    assert imported(padded, "csv")[0] == table


def test_a_header_is_taken_from_elsewhere_as_far_as_it_is_missing() -> None:
    like = make_header(tags={"title": "that"}, seed=7)
    text = '{"header": {"seed": 8}, "events": [{"time_s": 1, "level_db": -30}]}'
    assert imported(text.encode(), "json", like=like)[0].header == replace(like, seed=8)
    assert imported(b"time_s,level_db\n1,-30\n", "csv", like=like)[0].header == like


def test_usual_fields_of_a_header_may_be_missing() -> None:
    assert EventTable.from_rows({"sample_rate_hz": 16000, "n_samples": 9}, []).header == Header(16000, 1, 9)


def test_a_frame_has_the_columns_of_csv_and_comes_back() -> None:
    table = make_table([0.5, 1.0])
    frame = table.to_frame()
    assert list(frame.columns) == exported(table, "csv").decode().splitlines()[1].split(",")
    assert EventTable.from_rows(frame.attrs["header"], frame.to_dict("records")) == table


def test_frames_of_many_recordings_come_back() -> None:
    tables = {"a": make_table([0.5, 1.0]), "b": make_table([0.25, 0.75, 1.5], seed=3)}
    frames = {name: table.to_frame() for name, table in tables.items()}
    events = pandas.concat(frames, names=["file", None]).reset_index("file")
    for name, frame in events.groupby("file"):
        assert EventTable.from_rows(frames[name].attrs["header"], frame) == tables[name]
    events["f0_hz"] = [220.0, np.nan, 220.0, np.nan, 220.0]  # where there is none, what is there stays
    for name, frame in events.groupby("file"):
        table, rows = tables[name], frame["f0_hz"].notna()
        assert EventTable.from_rows(table.header, frame) == table
        vector = table.vector.copy()
        vector[rows, 3] = 48.0
        assert EventTable.from_rows(table.header, frame, by_name=True) == table.replace(vector=vector)
    bad = frames["a"].assign(time_s=[0.5, None]).set_index(pandas.Index(["x", "y"]))
    with pytest.raises(SicError, match="row 'y': has no time_s"):
        EventTable.from_rows(tables["a"].header, bad)


def test_what_is_no_archive_is_refused_without_what_numpy_advises() -> None:
    whole = exported(make_table([0.5]), "npz")
    for data in (b"", b"\x89SIC" * 9, whole[:-30]):
        with pytest.raises(SicError, match=r"\Ais no NPZ file, or is cut short\Z"):
            imported(data, "npz", like=make_header())


def test_a_list_of_events_alone_is_read() -> None:
    like = make_header()
    assert imported(b'[{"time_s": 1, "level_db": -30}]', "json", like=like)[0].time.tolist() == [1]
    with pytest.raises(SicError, match="there is no header"):
        imported(b'[{"time_s": 1, "level_db": -30}]', "json")


def test_what_decoders_do_not_take_is_refused() -> None:
    header = make_header()
    for named, words in (
        ({"f0_hz": 20_000}, "f0_hz 20000 is not in 40.*1760"),
        ({"attack_s": 9}, r"attack_s 9 is not in .*\.\.4"),
    ):
        with pytest.raises(SicError, match="event 1: " + words):
            EventTable.from_rows(header, [{"time_s": 0, "f0_hz": 41, "attack_s": 4}, {"time_s": 0, **named}])


def test_columns_that_semicolons_part_are_refused_with_the_mend() -> None:
    with pytest.raises(SicError, match="semicolons; save it with commas"):
        imported(b"time_s;level_db\n1;-30\n", "csv", like=make_header())


def test_a_missing_pandas_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(SicError, match="pip install pandas"):
        make_table([0.5]).to_frame()


# how a file is cut


def cut_file(table: EventTable, cuts: Sequence[int], **how: Any) -> bytes:
    file = io.BytesIO()
    with Writer(file, table.header, **how) as writer:
        for part in np.split(np.arange(len(table)), cuts):
            writer.write(table.select(part))
            writer.flush()
    return file.getvalue()


def in_form(table: EventTable, form: Form | None) -> bytes:
    file = io.BytesIO()
    write_in_form(table, file, form)
    return file.getvalue()


def test_a_file_that_was_written_while_its_sound_came_keeps_its_blocks() -> None:
    table = make_table([0.5, 1.0, 1.5, 12.0], [0, 1, 0, 1], channels=2)
    data = cut_file(table, [1, 2], length_at_end=True)
    read, form = read_with_form(io.BytesIO(data))
    assert form is not None and form.length_at_end and len(form.blocks) == 4
    assert in_form(read, form) == data != dumps(read)


def test_a_block_keeps_its_codec() -> None:
    table = make_table([0.5, 1.0, 12.0])
    form = Form(False, (BlockForm(0, 2, 0), BlockForm(0, 1, 1)))
    data = in_form(table, form)
    read, found = read_with_form(io.BytesIO(data))
    assert read == loads(dumps(table)) and found == form and in_form(read, found) == data


def test_the_largest_head_is_read() -> None:
    gains = tuple((0.0,) * 254 + (1.0,) for _ in range(255))
    table = EventTable.empty(make_header(channels=255, gains=gains, tags={"t": "é" * 32_000}))
    assert imported(exported(table, "csv"), "csv")[0] == table


CHANGES: dict[str, Callable[[EventTable], EventTable]] = {
    "an event fewer": lambda table: table.select([0, 2]),
    "another channel": lambda table: table.replace(channel=[1, 1, 0]),
    "in another window": lambda table: table.replace(time=[0.5, 11, 12]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_events_that_do_not_fit_the_blocks_are_written_as_usual(change: Callable[[EventTable], EventTable]) -> None:
    table = make_table([0.5, 1.0, 12.0], [0, 0, 1], channels=2)
    _, form = read_with_form(io.BytesIO(cut_file(table, [2], length_at_end=True)))
    changed = change(table)
    assert in_form(changed, form) == dumps(changed)


def test_a_codec_that_is_not_known_here_gives_the_usual_form() -> None:
    table = make_table([0.5, 1.0])
    assert in_form(table, Form(False, (BlockForm(0, 2, 7),))) == dumps(table)
    assert in_form(table, Form(False, (BlockForm(3, 2, 1),))) == dumps(table)


def test_the_form_is_that_of_the_blocks() -> None:
    table = make_table([0.5, 12.0])
    assert Form.of(Reader(io.BytesIO(dumps(table)))) == Form(False, (BlockForm(0, 1, 1), BlockForm(0, 1, 1)))
