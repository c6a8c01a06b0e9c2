"""`sic cat` and `sic mix`: several .sic files made one."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from cli_support import ok, read_sic, sic, write_sic

import sparsecodec_cli
from sparsecodec_cli import api
from sparsecodec_formats import EventTable, container, edit

ROOT = Path(__file__).parents[2]
SPEECH = ROOT / "tests" / "data" / "only-person-en.sic"
MUSIC = ROOT / "formats" / "golden" / "coded-music.sic"
STEREO = ROOT / "formats" / "golden" / "coded-stereo.sic"


def joined(*args: object) -> EventTable:
    """What `sic cat` or `sic mix` writes to stdout."""
    command, *rest = args
    inputs = [arg for arg in rest if isinstance(arg, Path)]
    return container.loads(ok(str(command), *inputs, "-", *[arg for arg in rest if not isinstance(arg, Path)]))


def written(table: EventTable) -> EventTable:
    return container.loads(container.dumps(table))


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """The same speech, higher."""
    ok("transform", SPEECH, tmp_path / "other.sic", "--transpose", "5")
    return tmp_path / "other.sic"


def test_cat_joins_as_the_library_does(other: Path) -> None:
    tables = [read_sic(SPEECH), read_sic(other)]
    assert joined("cat", SPEECH, other) == written(edit.cat(tables))
    assert joined("cat", SPEECH, other, SPEECH, "--gap", "0.5") == written(edit.cat([*tables, tables[0]], gap_s=0.5))
    assert joined("cat", SPEECH) == read_sic(SPEECH)


def test_cut_and_cat_give_the_whole_back(tmp_path: Path) -> None:
    ok("transform", SPEECH, tmp_path / "a.sic", "--end", "1.2345")
    ok("transform", SPEECH, tmp_path / "b.sic", "--start", "1.2345")
    ok("cat", tmp_path / "a.sic", tmp_path / "b.sic", tmp_path / "whole.sic", "--carry-on")
    assert (tmp_path / "whole.sic").read_bytes() == SPEECH.read_bytes()
    ok("cat", tmp_path / "a.sic", tmp_path / "b.sic", tmp_path / "apart.sic")
    assert (tmp_path / "apart.sic").read_bytes() != SPEECH.read_bytes()


def test_mix_joins_as_the_library_does(other: Path) -> None:
    tables = [read_sic(SPEECH), read_sic(other)]
    assert joined("mix", SPEECH, other) == written(edit.mix(tables)) == joined("mix", other, SPEECH)
    mixed = edit.mix(tables, offsets_s=[0, 1.5], gains_db=[0, -6])
    assert joined("mix", SPEECH, other, "--at", "0", "--at", "1.5", "--gain", "0", "--gain", "-6") == written(mixed)
    panned = edit.mix(tables, pans=[-1, 0.5])
    assert joined("mix", SPEECH, other, "--pan", "-1", "--pan", "0.5") == written(panned)
    assert b"mono from 2 streams" in ok("inspect", "-", stdin=container.dumps(mixed))


def test_the_functions_take_tables_and_files_and_have_the_commands_defaults(other: Path) -> None:
    for name in ("cat", "mix"):
        join = getattr(sparsecodec_cli, name)
        expected = joined(name, SPEECH, other)
        assert written(join([SPEECH, str(other)])) == expected
        assert written(join([read_sic(SPEECH), io.BytesIO(other.read_bytes())])) == expected
    with pytest.raises(sparsecodec_cli.SicError, match="give an EventTable"):
        api.cat([None])  # type: ignore[list-item]


@pytest.mark.parametrize("command", ["cat", "mix"])
def test_what_does_not_go_together_is_refused_by_its_name(command: str, tmp_path: Path) -> None:
    for paths, message in (
        ([SPEECH, MUSIC], f"{MUSIC}: its events are of preset 'music', those before of 'speech'"),
        ([SPEECH, STEREO], f"{STEREO}: its events are of weights 01234567, those before of 9264c4e1"),
        ([SPEECH, tmp_path / "none.sic"], f"{tmp_path / 'none.sic'}: no such file"),
    ):
        result = sic(command, *paths, tmp_path / "out.sic")
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
        assert message in result.stderr and not (tmp_path / "out.sic").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["cat", SPEECH], "Missing argument 'IN...'"),
        (["mix", SPEECH, SPEECH, "out.sic", "--at", "1"], "--at is given 1 time for 2 inputs"),
        (["mix", SPEECH, "out.sic", "--gain", "1", "--gain", "2"], "--gain is given 2 times for 1 input;"),
        (["mix", SPEECH, SPEECH, "out.sic", "--pan", "1"], "--pan is given 1 time for 2 inputs"),
        (["mix", SPEECH, "out.sic", "--pan", "-1.1"], "--pan"),
        (["cat", SPEECH, SPEECH, "out.sic", "--gap", "-1"], "--gap"),
        (["cat", SPEECH, SPEECH, "out.wav"], "OUT is a .sic file, not audio"),
    ],
)
def test_wrong_use(args: list[object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = sic(*args)
    assert result.exit_code == 2 and message in result.stderr and result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["cat", "mix"])
def test_no_input_is_overwritten(command: str, tmp_path: Path) -> None:
    one, other = write_sic(tmp_path / "one.sic"), write_sic(tmp_path / "other.sic")
    before = other.read_bytes()
    result = sic(command, one, other, other, "-f")
    assert result.exit_code == 1 and "other.sic" in result.stderr and other.read_bytes() == before


def test_streams_that_do_not_fit_are_told_of_a_file(tmp_path: Path) -> None:
    result = sic("mix", *[SPEECH] * 256, tmp_path / "out.sic")
    assert result.exit_code == 1 and f"{SPEECH}: 256 streams would be needed" in result.stderr


def test_one_table_alone_is_joined_with_nothing() -> None:
    table = read_sic(SPEECH)
    for join in (sparsecodec_cli.cat, sparsecodec_cli.mix):
        for given in (table, [table], iter([table]), SPEECH, str(SPEECH)):
            assert join(given) == table  # type: ignore[operator]
