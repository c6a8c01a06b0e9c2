"""What a shell offers after `eval "$(_SIC_COMPLETE=bash_source sic)"`."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from cli_support import ENV
from click.shell_completion import ShellComplete

from sparsecodec_cli.main import COMMANDS, cli

FILE, FOLDER = ("file", ""), ("dir", "")


def offered(*args: str, incomplete: str = "") -> list[tuple[str, str]]:
    """(type, value) of what completes the last word."""
    items = ShellComplete(cli, {}, "sic", "_SIC_COMPLETE").get_completions(list(args), incomplete)
    return [(item.type, item.value) for item in items]


@pytest.mark.parametrize(
    "args",
    [
        ["encode"], ["encode", "talk.wav"], ["encode", "--effort", "0", "talk.wav"],
        ["decode"], ["decode", "talk.sic"], ["inspect"], ["inspect", "talk.sic", "--plot"],
        ["transform"], ["transform", "talk.sic"], ["randomize"], ["export"], ["export", "talk.sic"],
        ["morph"], ["morph", "a.sic"], ["replace", "a.sic", "b.sic"], ["similar"], ["similar", "a.sic"],
        ["stems"], ["compare"], ["compare", "talk.wav"], ["report"], ["report", "a.wav", "b.wav"],
        ["test"], ["test", "a.sic", "b.sic"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_files_are_offered_where_a_file_stands(args: list[str]) -> None:
    assert offered(*args) == [FILE]
    assert offered(*args, incomplete="ta") == [("file", "ta")]


@pytest.mark.parametrize(
    "args", [["stems", "talk.sic"], ["train"], ["train", "run", "--data"], ["report", "--list"]], ids=" ".join
)
def test_folders_are_offered_where_a_folder_stands(args: list[str]) -> None:
    assert offered(*args) == [FOLDER]


@pytest.mark.parametrize("command, auto", [("encode", True), ("report", True), ("decode", False), ("test", False)])
def test_names_of_models_and_files_are_offered(command: str, auto: bool) -> None:
    names = [value for kind, value in offered(command, "--model") if kind == "plain"]
    assert names == ["auto"] * auto + ["speech", "music", "reference"]
    assert offered(command, "--model", incomplete="sp") == [("plain", "speech"), ("file", "sp")]
    assert offered(command, "--model", incomplete="./") == [("file", "./")]


def test_every_argument_is_completed() -> None:
    """Words that are typed by hand, with no file or folder to offer, are options of other kinds."""
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        context = click.Context(command)
        for param in command.params:
            if isinstance(param, click.Argument) and param.name != "changes":  # KEY=VALUE of `sic tag`
                assert param.shell_complete(context, ""), f"sic {name} {param.name}"


def test_options_and_commands_are_offered() -> None:
    assert ("plain", "encode") in offered(incomplete="en")
    assert ("plain", "--bitrate") in offered("encode", incomplete="--bi")
    assert offered("decode", "--device", incomplete="cu") == [("plain", "cuda")]
    assert ("plain", "speech") in offered("train", "run", "--preset")


def test_the_shell_is_told() -> None:
    """As bash asks: one line `type,value`."""
    asked = ENV | {"_SIC_COMPLETE": "bash_complete", "COMP_WORDS": "sic encode ta", "COMP_CWORD": "2"}
    done = subprocess.run([sys.executable, "-m", "sparsecodec_cli"], env=asked, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"file,ta\n", b"")
