"""A folder as an output appears whole or not at all, and leaves alone what is in it already."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cli_support import names_in

from sparsecodec_cli.errors import CliError
from sparsecodec_cli.io.output_folder import open_output_folder


def test_files_that_cannot_all_be_moved_in_are_moved_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "mine"):
        (tmp_path / name).write_text("old " + name)
    replace = os.replace

    def fails(source: Path, to: Path) -> None:
        if to == tmp_path / "c":
            raise PermissionError(13, "Permission denied", source, None, to)
        replace(source, to)

    monkeypatch.setattr("sparsecodec_cli.io.output_folder.os.replace", fails)
    with (
        pytest.raises(CliError, match="permission denied"),
        open_output_folder(str(tmp_path), force=True, earlier=lambda _: {"a"}) as folder,
    ):
        for name in ("b", "c"):
            with folder.open(name) as file:
                file.write(b"new")
    assert {name: (tmp_path / name).read_text() for name in names_in(tmp_path)} == {
        name: "old " + name for name in ("a", "b", "mine")
    }


def test_a_folder_in_the_place_of_a_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "mine").touch()
    with (
        pytest.raises(CliError, match="a: is a folder; move it away"),
        open_output_folder(str(tmp_path), force=True, earlier=lambda _: {"a"}) as folder,
        folder.open("a"),
    ):
        pass
    assert names_in(tmp_path) == ["a"] and names_in(tmp_path / "a") == ["mine"]


@pytest.mark.parametrize("there", [False, True])
def test_what_came_up_meanwhile_is_kept(there: bool, tmp_path: Path) -> None:
    out = tmp_path / "out"
    if there:
        out.mkdir()
    with (
        pytest.raises(CliError, match="was created meanwhile by another program"),
        open_output_folder(str(out), force=False, earlier=lambda _: set()) as folder,
        folder.open("a"),
    ):
        out.mkdir(exist_ok=True)
        (out / "a").write_text("theirs")
    assert names_in(tmp_path) == ["out"] and names_in(out) == ["a"] and (out / "a").read_text() == "theirs"
