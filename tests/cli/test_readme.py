"""What README prints and tells to run is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import soundfile
from cli_support import ROOT, ok
from click.testing import CliRunner

from sparsecodec_cli.main import COMMANDS, cli

README = (ROOT / "README.md").read_text("utf-8")
CODED = ROOT / "tests" / "data" / "only-person-en.sic"


def blocks(language: str = "") -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return [block for of, block in found if of == language]


def test_the_inspection_is_that_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    printed = ok("inspect", CODED).decode().replace(str(CODED), "talk.sic")
    (shown,) = (block for block in blocks() if block.startswith("talk.sic\n"))
    assert [line.rstrip() for line in shown.splitlines()] == [line.rstrip() for line in printed.splitlines()]


def test_the_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    monkeypatch.chdir(tmp_path)
    (example,) = blocks("python")
    exec(compile(example, "README.md", "exec"), {})
    higher, source = soundfile.info("higher.wav"), soundfile.info("tests/data/only-person-en.flac")
    assert (higher.frames, higher.samplerate) == (source.frames, source.samplerate)


def test_commands_are_right_use() -> None:
    lines = [line for block in blocks() for line in re.findall(r"(?:^|&& )(sic [^&#\n]*)", block, re.MULTILINE)]
    assert {line.split()[1] for line in lines} <= set(COMMANDS) and len(lines) >= 8
    for line in lines:
        name, *args = line.split()[1:]
        result = CliRunner().invoke(cli, [name, *args, "--help"])
        assert result.exit_code == 0, line
        for option in (arg for arg in args if arg.startswith("--")):
            assert option in result.stdout, line
