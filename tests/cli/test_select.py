"""`--select`: what is refused, and of which events each command then is."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
from cli_support import assert_refused, make_table, names_in, ok, read_sic, sic, write_sic

import sparsecodec_cli
from sparsecodec_cli import api
from sparsecodec_formats import EventTable, SicError, edit

ROOT = Path(__file__).parents[2]
SENTENCE = ROOT / "tests" / "data" / "only-person-en.sic"
NOTES = ROOT / "models" / "golden" / "music" / "moving.sic"


@pytest.fixture
def talk_sic(tmp_path: Path) -> Path:
    return write_sic(tmp_path / "talk.sic", make_table(8, channels=2))


# what is refused


@pytest.mark.parametrize(
    "args",
    [
        ["transform", "IN", "OUT.sic", "--take", "--select"],
        ["decode", "IN", "OUT.wav", "--select"],
        ["stems", "IN", "OUT", "--select"],
        ["inspect", "IN", "--events", "--select"],
    ],
    ids=lambda args: args[0],
)
def test_what_is_no_expression_is_wrong_use(args: list[str], talk_sic: Path, tmp_path: Path) -> None:
    places = {"IN": str(talk_sic), **{name: str(tmp_path / name) for name in ("OUT.sic", "OUT.wav", "OUT")}}
    args = [places.get(arg, arg) for arg in args]
    assert_refused(sic(*args, "level > -3 0"), "--select: ", "at character 12", exit_code=2)
    assert names_in(tmp_path) == ["talk.sic"]


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        (["--take"], "--take needs a --select EXPR before it"),
        (["--drop", "--select", "time > 1"], "--drop needs a --select EXPR before it"),
        (["--select", "time > 1"], "Give an edit after --select"),
        (["--select", "time > 1", "--select", "time < 1", "--take"], "Give an edit after --select"),
        (["--select", "time > 1", "--stretch", "2"], "--stretch is of the whole recording"),
        (["--select", "time > 1", "--start", "1"], "--start and --end are of the whole recording"),
        (["--select", "time > 1", "--take", "--drop"], "--drop needs a --select"),
        (["--gap", "close"], "Give at least one edit"),
        (["--select", "time > 1", "--take", "--gap", "shut"], "--gap"),
    ],
)
def test_edits_that_do_not_fit_a_selection(edits: list[str], words: str, talk_sic: Path, tmp_path: Path) -> None:
    assert_refused(sic("transform", talk_sic, tmp_path / "out.sic", *edits), words, exit_code=2)
    assert names_in(tmp_path) == ["talk.sic"]


def test_the_api_refuses_the_same() -> None:
    table = make_table()
    with pytest.raises(SicError, match="take needs a selection"):
        api.transform(table, [("take", ())])
    with pytest.raises(SicError, match="stretch is of the whole recording"):
        api.transform(table, [("select", ("time > 1",)), ("stretch", (2.0,))])
    with pytest.raises(SicError, match="at character 1"):
        sparsecodec_cli.decode(table, select="pich > 3")


def test_a_field_that_the_preset_does_not_tell(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "talk.sic", make_table(model="reference"))
    result = sic("transform", path, tmp_path / "out.sic", "--select", "pitch > 3", "--take")
    assert_refused(result, "talk.sic", "cannot select by pitch")
    assert_refused(sic("inspect", path, "--events", "--select", "voiced"), "talk.sic", "cannot select by voiced")
    assert names_in(tmp_path) == ["talk.sic"]


def test_weights_that_are_missing_are_told_where_they_are_needed(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "talk.sic", make_table(weights_hash=b"none"))
    out = tmp_path / "out.sic"
    result = sic("transform", path, out, "--select", "voiced", "--take")
    assert_refused(result, "talk.sic", "needs weights 6e6f6e65", "put the file it was made with there")
    assert "--model" not in result.stderr  # which only what renders has
    assert_refused(sic("decode", path, "--select", "voiced"), "needs weights 6e6f6e65", "(--model)")
    ok("transform", path, out, "--select", "time > 1", "--take")


def test_inspect_selects_events_and_segments_only(talk_sic: Path) -> None:
    for args in ([], ["--json", "--events"], ["--plot", "out.png"]):
        result = sic("inspect", talk_sic, "--select", "time > 1", *args)
        assert_refused(result, "--select goes with --events or --segments", exit_code=2)


# which events


def test_take_and_drop(talk_sic: Path, tmp_path: Path) -> None:
    table, out = read_sic(talk_sic), tmp_path / "out.sic"
    late = table.time > 1
    assert 0 < late.sum() < len(table)
    for edits, expected in (
        (["--take"], edit.take(table, late)),
        (["--drop"], edit.drop(table, late)),
        (["--take", "--gap", "close"], edit.take(table, late, "close")),
        (["--drop", "--gap", "close", "--gain", "-6"], edit.gain(edit.drop(table, late, "close"), -6)),
    ):
        ok("transform", talk_sic, out, "-f", "--select", "time > 1", *edits)
        api.write(expected, tmp_path / "expected.sic")
        assert read_sic(out) == read_sic(tmp_path / "expected.sic")


def test_a_selection_is_made_where_it_stands(talk_sic: Path, tmp_path: Path) -> None:
    table, out = read_sic(talk_sic), tmp_path / "out.sic"
    ok("transform", talk_sic, out, "--shift", "5", "--select", "time < 6", "--drop")
    assert len(read_sic(out)) == (table.time >= 1).sum()
    ok("transform", talk_sic, out, "-f", "--select", "index < 2", "--drop", "--select", "index < 2", "--drop")
    assert np.allclose(read_sic(out).time, table.time[4:], atol=0.01)


def test_other_edits_are_of_what_is_selected(talk_sic: Path, tmp_path: Path) -> None:
    table, out = read_sic(talk_sic), tmp_path / "out.sic"
    late = table.time > 1
    ok("transform", talk_sic, out, "--select", "time > 1", "--gain", "-6", "--room", "-20", "--select", "time <= 1",
       "--gain", "-12")  # fmt: skip
    expected = edit.gain(edit.room(edit.gain(table, -6, where=late), -20, where=late), -12, where=~late)
    api.write(expected, tmp_path / "expected.sic")
    assert read_sic(out) == read_sic(tmp_path / "expected.sic")
    ok("transform", talk_sic, out, "-f", "--select", "time > 1", "--drop", "--gain", "-6")  # of all that is left
    assert np.allclose(read_sic(out).amplitude, edit.gain(table.select(~late), -6).amplitude, rtol=0.02)


def test_a_selection_stays_while_events_change(talk_sic: Path, tmp_path: Path) -> None:
    table, out = read_sic(talk_sic), tmp_path / "out.sic"
    level = "level > -32"
    where = sparsecodec_cli.selected(table, level)
    assert 0 < where.sum() < len(table)
    ok("transform", talk_sic, out, "--select", level, "--gain", "-30", "--gain", "-6")
    assert np.allclose(read_sic(out).amplitude / table.amplitude, np.where(where, 10 ** (-36 / 20), 1), rtol=0.02)


def test_a_file_without_a_selected_event_is_empty_or_stays(talk_sic: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.sic"
    ok("transform", talk_sic, out, "--select", "time > 100", "--take")
    assert len(read_sic(out)) == 0 and read_sic(out).header == read_sic(talk_sic).header
    ok("transform", talk_sic, out, "-f", "--select", "time > 100", "--drop")
    assert read_sic(out) == read_sic(talk_sic)


@pytest.mark.parametrize("quiet", [False, True])
@pytest.mark.parametrize(
    "args",
    [
        ["transform", "IN", "OUT.sic", "--select", "WHAT", "--take"],
        ["transform", "IN", "OUT.sic", "--gain", "-3", "--select", "WHAT", "--transpose", "3", "--gain", "1"],
        ["decode", "IN", "OUT.wav", "--select", "WHAT"],
        ["stems", "IN", "OUT", "--select", "WHAT"],
        ["inspect", "IN", "--events", "--select", "WHAT"],
        ["inspect", "IN", "--segments", "--select", "WHAT"],
    ],
    ids=lambda args: " ".join(args[:3]),
)
def test_a_selection_of_no_event_is_told(args: list[str], quiet: bool, tmp_path: Path) -> None:
    places = {name: str(tmp_path / name) for name in ("OUT.sic", "OUT.wav", "OUT")}
    args = [{"IN": str(SENTENCE), "WHAT": "time > 100", **places}.get(arg, arg) for arg in args]
    args = [*args, *["--quiet"] * quiet]
    result = sic(*args)
    line = f"sic: warning: {SENTENCE}: 'time > 100' selects none of {len(read_sic(SENTENCE))} events\n"
    assert result.exit_code == 0 and result.stderr.count(line) == (not quiet) and "warning" not in result.stdout
    assert "warning" not in result.stderr.replace(line, "")


def test_a_selection_of_some_events_or_among_none_is_not_told(talk_sic: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.sic"
    assert "warning" not in sic("transform", talk_sic, out, "--select", "index == 1", "--take").stderr
    empty = write_sic(tmp_path / "empty.sic", EventTable.empty(read_sic(talk_sic).header))
    assert "warning" not in sic("transform", empty, out, "-f", "--select", "index == 1", "--take").stderr


def test_one_event_is_told_as_one(talk_sic: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.sic"
    assert " bytes, 1 event (" in sic("transform", talk_sic, out, "--select", "index == 1", "--take").stderr
    assert " bytes, 2 events (" in sic("transform", talk_sic, out, "-f", "--select", "index < 2", "--take").stderr
    with pytest.raises(SicError, match="of 1 event would leave"):
        read_sic(SENTENCE).transpose(100.0, where="index == 1")


def test_decode_renders_what_is_selected_as_in_the_whole(tmp_path: Path) -> None:
    table, out = read_sic(SENTENCE), tmp_path / "out.wav"
    where = sparsecodec_cli.selected(table, "pitch > 200")
    assert 0 < where.sum() < len(table)
    expected, _ = sparsecodec_cli.decode(edit.solo(table, np.flatnonzero(where).tolist()))
    ok("decode", SENTENCE, out, "--select", "pitch > 200", "--bits", "float")
    assert np.array_equal(soundfile.read(out, dtype="float32", always_2d=True)[0], expected)
    assert np.array_equal(sparsecodec_cli.decode(table, select="pitch > 200")[0], expected)
    both, _ = sparsecodec_cli.decode(table, events=range(40), select="pitch > 200")
    alone, _ = sparsecodec_cli.decode(edit.solo(table, np.flatnonzero(where)[np.flatnonzero(where) < 40].tolist()))
    assert np.array_equal(both, alone) and alone.any()
    ok("decode", SENTENCE, out, "-f", "--select", "pitch > 200", "--event", "0-39", "--bits", "float")
    assert np.array_equal(soundfile.read(out, dtype="float32", always_2d=True)[0], alone)


def test_stems_are_of_what_is_selected(tmp_path: Path) -> None:
    table = read_sic(SENTENCE)
    where = np.flatnonzero(sparsecodec_cli.selected(table, "voiced and level > -15")).tolist()
    result = sic("stems", SENTENCE, tmp_path / "stems", "--select", "voiced and level > -15")
    assert result.exit_code == 0 and f"{len(where)} stems of {len(table)} events" in result.stderr
    assert "not heard" not in result.stderr
    with open(tmp_path / "stems" / "stems.csv", newline="") as file:
        assert [int(row["index"]) for row in csv.DictReader(file)] == where
    top = list(sparsecodec_cli.render_stems(table, select="voiced and level > -15", top=2))
    assert len(top) == 2 and {stem.row for stem in top} < set(where)


def test_inspect_lists_what_is_selected() -> None:
    lines = ok("inspect", SENTENCE, "--events").decode().splitlines()
    some = ok("inspect", SENTENCE, "--events", "--select", "10 <= index < 12 or not voiced").decode().splitlines()
    where = sparsecodec_cli.selected(read_sic(SENTENCE), "10 <= index < 12 or not voiced")
    assert some == [*lines[:2], *(line for line, is_one in zip(lines[2:], where, strict=True) if is_one)]


def test_what_weights_tell_is_known_in_python_too() -> None:
    table = sparsecodec_cli.read(SENTENCE)
    voiced = sparsecodec_cli.selected(table, "voiced")
    assert np.array_equal(voiced, api.codec_for(table).has_pitch(table)) and 0 < voiced.sum() < len(table)
    assert table.select("not voiced") == edit.take(table, ~voiced)


def test_drums_have_no_pitch() -> None:
    table: EventTable = sparsecodec_cli.read(ROOT / "models" / "golden" / "music" / "drums.sic")
    assert not sparsecodec_cli.selected(table, "voiced").any()
    assert sparsecodec_cli.selected(sparsecodec_cli.read(NOTES), "pitch > 20").all()


def test_segments_are_those_of_selected_events(tmp_path: Path) -> None:
    table = read_sic(SENTENCE)
    lines = ok("inspect", SENTENCE, "--segments").decode().splitlines()
    some = ok("inspect", SENTENCE, "--segments", "--select", "segment == 2 or index == 0").decode().splitlines()
    assert some == [*lines[:2], lines[2], lines[4]]
    number = sparsecodec_cli.segments_of(table).number
    stems = list(sparsecodec_cli.render_stems(table, by="segment", select="segment == 2"))
    assert [stem.segment for stem in stems] == [2]
    assert np.array_equal(sparsecodec_cli.selected(table, "segment == 2"), number == 2)
    result = sic("stems", SENTENCE, tmp_path / "stems", "--by", "segment", "--select", "segment == 2")
    assert result.exit_code == 0 and f"1 stem of {number.max() + 1} segments" in result.stderr
