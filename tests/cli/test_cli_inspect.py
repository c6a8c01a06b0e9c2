"""`sic inspect`: what it tells of a file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_support import assert_refused, make_table, ok, read_sic, sic, write_sic

from sparsecodec_cli import segments_of
from sparsecodec_formats import LAYOUTS, Segments
from sparsecodec_formats.interchange.notes import note_rows, notes_of
from sparsecodec_formats.interchange.rows import PLACE, event_rows
from sparsecodec_formats.interchange.segment_rows import KEYS, segment_rows

CLIP = Path(__file__).parents[1] / "data" / "only-person-en.sic"


@pytest.fixture
def talk_sic(tmp_path: Path) -> Path:
    return write_sic(tmp_path / "talk.sic")


def test_inspect_json_has_its_keys(talk_sic: Path) -> None:
    found = json.loads(ok("inspect", talk_sic, "--json"))
    assert list(found) == [
        "header", "bytes", "bitrate_kbps", "parts", "dims", "n_events", "events_per_second", "events",
        "notes",
    ]  # fmt: skip
    assert list(found["header"]) == [
        "model", "weights_hash", "statistics", "sample_rate_hz", "channels", "gains", "n_samples", "time_unit", "step",
        "seed", "noise", "tags", "duration_s",
    ]  # fmt: skip
    assert list(found["parts"]) == ["header", "framing", "times", "vectors", "amplitude"]
    assert found["bytes"] == talk_sic.stat().st_size == sum(part["bytes"] for part in found["parts"].values())
    assert found["bitrate_kbps"] == pytest.approx(talk_sic.stat().st_size * 8 / 2 / 1000)
    assert (found["n_events"], found["events_per_second"]) == (20, 10)
    table = read_sic(talk_sic)
    assert [event["index"] for event in found["events"]] == list(range(20))
    np.testing.assert_allclose([event["time_s"] for event in found["events"]], table.time, atol=1e-9)
    np.testing.assert_array_equal([event["vector"] for event in found["events"]], table.vector)
    first = found["events"][0]
    assert first == event_rows(table)[0]
    assert first["level_db"] == LAYOUTS["speech"].physical(table, "level_db")[0]


def test_inspect_json_tells_what_each_number_takes_and_would_take(talk_sic: Path) -> None:
    found = json.loads(ok("inspect", talk_sic, "--json"))
    parts, dims = found["parts"], found["dims"]
    assert sorted(dims) == sorted(LAYOUTS["speech"].dims)
    assert parts["header"]["ideal_bytes"] is None is parts["framing"]["ideal_bytes"]
    assert sum(dim["bytes"] for dim in dims.values()) == pytest.approx(parts["vectors"]["bytes"], abs=1)
    assert sum(dim["ideal_bytes"] for dim in dims.values()) == pytest.approx(parts["vectors"]["ideal_bytes"], abs=0.1)
    for part in ("times", "vectors", "amplitude"):
        assert parts[part]["bytes"] == pytest.approx(parts[part]["ideal_bytes"], abs=2)


def test_inspect_json_tells_no_ideal_where_numbers_are_not_range_coded(tmp_path: Path) -> None:
    found = json.loads(
        ok("inspect", write_sic(tmp_path / "new.sic", make_table(model="music-9", statistics=0)), "--json")
    )
    assert found["dims"] == {} and found["parts"]["vectors"]["ideal_bytes"] is None


def test_inspect_json_of_nothing(tmp_path: Path) -> None:
    found = json.loads(ok("inspect", write_sic(tmp_path / "none.sic", make_table(0, seconds=0)), "--json"))
    assert (found["events"], found["events_per_second"], found["bitrate_kbps"]) == ([], None, None)
    assert found["notes"] == []


def test_inspect_json_lists_a_note_for_each_voice_of_speech(talk_sic: Path) -> None:
    found = json.loads(ok("inspect", talk_sic, "--json"))
    assert found["notes"] == note_rows(notes_of(read_sic(talk_sic))) and len(found["notes"]) > 3
    begins = {event["index"] for event in found["events"] if event["begins"]} | {0}
    assert {note["event"] for note in found["notes"]} <= begins


@pytest.mark.parametrize("model", ["music-9", "reference"])
def test_inspect_json_lists_no_notes_where_vectors_tell_none(tmp_path: Path, model: str) -> None:
    path = write_sic(tmp_path / "new.sic", make_table(model=model, statistics=0))
    assert json.loads(ok("inspect", path, "--json"))["notes"] == []


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("model", ["music-9", "reference"])
def test_a_preset_that_tells_no_links_has_no_segments(tmp_path: Path, model: str, options: list[str]) -> None:
    path = write_sic(tmp_path / "new.sic", make_table(model=model, statistics=0))
    assert_refused(sic("inspect", path, "--segments", *options), "new.sic: ", f"'{model}'")


def test_inspect_json_lists_segments(tmp_path: Path) -> None:
    found = json.loads(ok("inspect", CLIP, "--segments", "--json"))
    table = read_sic(CLIP)
    segments = segments_of(table)
    assert found["segments"] == segment_rows(segments)
    assert list(found["segments"][0]) == list(KEYS)
    assert sum(row["n_events"] for row in found["segments"]) == len(table)
    assert {row["kind"] for row in found["segments"]} == {"pitched", "unvoiced"}


def test_inspect_prints_segments(tmp_path: Path) -> None:
    text, roll = ok("inspect", CLIP, "--segments").decode().split("\n\n")
    names, units, *lines = text.splitlines()
    rows = segment_rows(segments_of(read_sic(CLIP)))
    assert names.split() == [
        "segment", "start", "end", "kind", "f0", "note", "course", "level", "repeats", "event", "events",
    ]  # fmt: skip
    assert units.split() == ["s", "s", "Hz", "cents", "st", "dB"]
    for line, row in zip(lines, rows, strict=True):
        cells = line.split()
        assert cells[:4] == [str(row["index"]), f"{row['start_s']:.3f}", f"{row['end_s']:.3f}", row["kind"]]
        assert cells[4] == ("-" if row["f0_hz"] is None else f"{row['f0_hz']:.2f}")
        assert cells[-2:] == [str(row["event"]), str(row["n_events"])]
    assert roll.startswith("  segments over time\n") and "C4" in roll and roll.count("\n") > 8
    assert ("unvoiced" in roll) == any(row["kind"] == "unvoiced" for row in rows)
    stereo = ok("inspect", write_sic(tmp_path / "two.sic", make_table(channels=2)), "--segments").decode()
    assert stereo.split()[:2] == ["segment", "channel"]
    assert ok("inspect", write_sic(tmp_path / "none.sic", make_table(0)), "--segments").decode().count("\n") == 2


def test_segments_are_found_without_the_weights_that_a_file_names(tmp_path: Path) -> None:
    table = make_table(weights_hash=b"else")
    path = write_sic(tmp_path / "other.sic", table)
    assert json.loads(ok("inspect", path, "--segments", "--json"))["segments"] == segment_rows(
        Segments.of(read_sic(path))
    )


def test_one_table_is_asked_for(talk_sic: Path) -> None:
    assert_refused(sic("inspect", talk_sic, "--events", "--segments"), "--segments", exit_code=2)
    options = ("--segments", "--select", "level > -30", "--plot", talk_sic.parent / "x.png")
    assert_refused(sic("inspect", talk_sic, *options), "--plot", "--select", exit_code=2)


def test_inspect_tells_the_header_and_draws(talk_sic: Path) -> None:
    table = make_table(channels=2, tags={"title": "A\x1b[31mtalk"})
    text = ok("inspect", write_sic(talk_sic, table)).decode()
    for words in (
        "talk.sic",
        "speech",
        "2.000 s, 8000 Hz, stereo",
        "20, 10.0 a second",
        "title=A\\x1b[31mtalk",
        "dB",
    ):
        assert words in text
    assert max(len(line) for line in text.splitlines()[1:]) <= 80  # but for the path


def test_inspect_takes_presets_it_does_not_know(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "new.sic", make_table(model="music-9"))
    assert "music-9" in ok("inspect", path).decode()
    assert list(json.loads(ok("inspect", path, "--json"))["events"][0]) == [*PLACE, "vector"]
    assert len(ok("inspect", path, "--events").splitlines()) == 22


def test_inspect_events_is_a_line_for_each_event_in_physical_units(talk_sic: Path) -> None:
    table = read_sic(talk_sic)
    names, _, *rows = [line.split() for line in ok("inspect", talk_sic, "--events").decode().splitlines()]
    assert names[:5] == ["event", "time", "level", "attack", "decay"]
    assert len(rows) == 20
    assert float(rows[3][1]) == pytest.approx(table.time[3], abs=1e-4)
    assert float(rows[3][3]) == pytest.approx(2 ** LAYOUTS["speech"].physical(table, "attack_log2_s")[3], abs=1e-4)
    begins = LAYOUTS["speech"].physical(table, "begins") > 0.5
    assert [float(row[names.index("begins")]) for row in rows] == begins.tolist()


def test_inspect_of_the_reference_preset_draws_amplitudes(tmp_path: Path) -> None:
    table = make_table(4, model="reference").replace(amplitude=[1.0, 0.0, 0.1, 0.01])
    text = ok("inspect", write_sic(tmp_path / "reference.sic", table)).decode()
    assert "level of events over time" in text
    assert [line.split()[0] for line in text.splitlines() if " dB " in line] == ["0", "-10", "-20", "-30", "-40"]


@pytest.mark.parametrize("columns", ["0", "", "wide", "1", "7"])
def test_a_terminal_without_width_gets_all_of_it(columns: str, talk_sic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    usual = ok("inspect", talk_sic).decode()
    monkeypatch.setenv("COLUMNS", columns)
    printed = ok("inspect", talk_sic).decode()
    if columns in ("1", "7"):  # as narrow as it can be drawn
        usual, printed = (text.partition("over time")[0] for text in (usual, printed))
    assert printed == usual and len(usual.splitlines()) > 10
