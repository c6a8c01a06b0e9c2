"""`sic import`, and the tables of `sic export`: what is refused, and that the same file comes back."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from cli_support import ROOT, assert_refused, make_table, names_in, ok, read_sic, sic, sic_process, write_sic
from note_tables import Event, little_song, music_table

import sparsecodec_cli
from sparsecodec_cli.io.exchange_names import TABLES
from sparsecodec_formats import SicError, loads
from sparsecodec_formats.interchange.notes import notes_of

LIVE = ROOT / "formats" / "golden" / "live.sic"


@pytest.mark.parametrize("name", ["a.txt", "a.wav", "a", "-"])
def test_what_tells_no_format_is_wrong_use(tmp_path: Path, name: str) -> None:
    assert_refused(sic("import", name, tmp_path / "b.sic"), "IN must end in .mid, .midi, .json", exit_code=2)
    assert names_in(tmp_path) == []


def test_an_export_of_no_known_format_is_wrong_use(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "a.sic")
    assert_refused(sic("export", path, tmp_path / "a.xlsx"), "OUT must end in .mid", exit_code=2)
    with pytest.raises(sparsecodec_cli.SicError, match="tells no format"):
        sparsecodec_cli.export(path, tmp_path / "a.xlsx")
    assert names_in(tmp_path) == ["a.sic"]


@pytest.mark.parametrize(
    "args, words",
    [
        (["a.mid"], "MIDI needs --instrument"),
        (["a.csv", "--instrument", "a.sic"], "--instrument goes with MIDI"),
        (["a.csv", "--contour", "1"], "--contour goes with MIDI"),
        (["a.mid", "--instrument", "a.sic", "--by-name"], "--like and --by-name go with tables"),
        (["a.mid", "--instrument", "a.sic", "--like", "a.sic"], "--like and --by-name go with tables"),
    ],
)
def test_options_of_another_format_are_wrong_use(tmp_path: Path, args: list[str], words: str) -> None:
    assert_refused(sic("import", *args, tmp_path / "b.sic"), words, exit_code=2)


def test_an_instrument_without_notes_is_refused(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "song.sic", little_song())
    ok("export", path, tmp_path / "song.mid")
    drums = write_sic(tmp_path / "drums.sic", music_table(Event(1, 40, drum=True)))
    result = sic("import", tmp_path / "song.mid", tmp_path / "b.sic", "--instrument", drums)
    assert_refused(result, "drums.sic: has no segment with a pitch")
    reference = write_sic(tmp_path / "r.sic", make_table(model="reference", statistics=0))
    result = sic("import", tmp_path / "song.mid", tmp_path / "b.sic", "--instrument", reference)
    assert_refused(result, "r.sic: has no segments")
    assert not (tmp_path / "b.sic").exists()


def test_a_song_is_played(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "song.sic", little_song())
    ok("export", path, tmp_path / "song.mid")
    result = sic("import", tmp_path / "song.mid", tmp_path / "b.sic", "--instrument", path)
    n_drums = sum(note.drum is not None for note in notes_of(read_sic(path)))
    assert result.exit_code == 0 and f"song.mid: {n_drums} strokes of drums are left out" in result.stderr
    wanted = [note.midi for note in notes_of(read_sic(path)) if note.drum is None]
    assert sorted(note.midi for note in notes_of(read_sic(tmp_path / "b.sic"))) == pytest.approx(
        sorted(wanted), abs=0.1
    )
    assert sparsecodec_cli.import_(tmp_path / "song.mid", tmp_path / "c.sic", instrument=path)
    assert (tmp_path / "c.sic").read_bytes() == (tmp_path / "b.sic").read_bytes()


def test_out_is_no_recording(tmp_path: Path) -> None:
    assert_refused(sic("import", "a.csv", tmp_path / "b.wav"), "name it b.sic", exit_code=2)


def test_a_row_that_is_nonsense_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_bytes(ok("export", write_sic(tmp_path / "a.sic"), "-", "--format", "csv").replace(b"\n5,", b"\n5,x"))
    assert_refused(sic("import", table, tmp_path / "b.sic"), "a.csv: row 8: time_s is 'x")
    assert names_in(tmp_path) == ["a.csv", "a.sic"]


def test_a_missing_package_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_sic(tmp_path / "a.sic")
    monkeypatch.setattr("sparsecodec_cli.extras.find_spec", lambda name: None)
    for result in (sic("export", path, tmp_path / "a.parquet"), sic("import", "a.parquet", tmp_path / "b.sic")):
        assert_refused(result, "pip install 'sparsecodec[parquet]'")
    assert names_in(tmp_path) == ["a.sic"]


def test_an_input_is_no_output(tmp_path: Path) -> None:
    path, table = write_sic(tmp_path / "a.sic"), tmp_path / "a.json"
    ok("export", path, table)
    assert_refused(sic("import", table, path, "-f", "--like", path), "is the input too")
    assert_refused(sic("import", table, path), "exists already")


def test_a_table_alone_needs_a_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("time_s,level_db,begins\n0.5,-20,1\n")
    assert_refused(sic("import", tmp_path / "a.csv", tmp_path / "b.sic"), "a.csv: there is no header", "(--like)")
    like = write_sic(tmp_path / "like.sic")
    ok("import", tmp_path / "a.csv", tmp_path / "b.sic", "--like", like)
    found = read_sic(tmp_path / "b.sic")
    assert found.header == read_sic(like).header and len(found) == 1


@pytest.mark.parametrize("kind", TABLES)
def test_the_same_file_comes_back(tmp_path: Path, kind: str) -> None:
    table = tmp_path / f"live.{kind}"
    result = sic("export", LIVE, table)
    assert result.exit_code == 0 and result.stderr == f"{table}: 25 events, 11.25 s\n"
    ok("import", table, tmp_path / "again.sic")
    assert (tmp_path / "again.sic").read_bytes() == LIVE.read_bytes()
    assert sparsecodec_cli.import_(table, tmp_path / "api.sic") == loads(LIVE.read_bytes())
    assert (tmp_path / "api.sic").read_bytes() == LIVE.read_bytes()
    by_api = io.BytesIO()
    sparsecodec_cli.export(LIVE, by_api, format=kind)
    assert table.read_bytes() == by_api.getvalue()


def test_it_goes_through_pipes() -> None:
    written = sic_process("export", "-", "-", "--format", "json", input=LIVE.read_bytes())
    assert written.returncode == 0 and written.stderr == b"stdout: 25 events, 11.25 s\n"
    read = sic_process("import", "-", "-", "--format", "json", input=written.stdout)
    assert read.returncode == 0 and read.stdout == LIVE.read_bytes()


def test_names_count_if_asked_to(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "a.sic")
    document = json.loads(ok("export", path, "-", "--format", "json"))
    for row in document["events"]:
        row["f0_hz"] = 220.0
    (tmp_path / "a.json").write_text(json.dumps(document))
    ok("import", tmp_path / "a.json", tmp_path / "same.sic")
    ok("import", tmp_path / "a.json", tmp_path / "named.sic", "--by-name")
    assert (tmp_path / "same.sic").read_bytes() == path.read_bytes()
    assert set(read_sic(tmp_path / "named.sic").vector[:, 3]) == {48.0}
    assert sparsecodec_cli.import_(tmp_path / "a.json", by_name=True) == read_sic(tmp_path / "named.sic")


def test_what_inspect_prints_is_read(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "a.sic", make_table(channels=2))
    (tmp_path / "a.json").write_bytes(ok("inspect", path, "--json"))
    ok("import", tmp_path / "a.json", tmp_path / "b.sic")
    assert (tmp_path / "b.sic").read_bytes() == path.read_bytes()


def test_formats_and_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "a.sic")
    for call, words in (
        (lambda: sparsecodec_cli.export(path, io.BytesIO(), format="xml"), "no format 'xml'"),
        (lambda: sparsecodec_cli.import_(path), "tells no format"),
        (lambda: sparsecodec_cli.import_(path, format="labels"), "labels files have no events"),
        (lambda: sparsecodec_cli.import_(path, format="midi"), "needs an instrument"),
        (lambda: sparsecodec_cli.import_(path, format="csv", instrument=path), "nothing else takes one"),
        (lambda: sparsecodec_cli.import_(path, format="csv", contour=0.5), "contour goes with MIDI"),
        (lambda: sparsecodec_cli.import_(path, format="midi", instrument=path), "is no MIDI file"),
        (lambda: sparsecodec_cli.import_(path, format="csv"), "is no CSV"),
    ):
        with pytest.raises(sparsecodec_cli.SicError, match=words):
            call()


def test_in_python_too_the_file_that_is_wrong_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("time_s,level_db\n1,-30\n")
    (tmp_path / "b.sic").write_bytes(b"none")
    with pytest.raises(SicError, match=r"\A[^:]*b\.sic: not a \.sic file"):
        sparsecodec_cli.import_(tmp_path / "a.csv", like=tmp_path / "b.sic")
