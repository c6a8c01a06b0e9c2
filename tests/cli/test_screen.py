"""Colours and widths of terminals: as rich has them, which draws the rest."""

from __future__ import annotations

import io
import itertools
import os
from pathlib import Path

import pytest
from cli_support import ENV, ok, sic_process, write_sic
from note_tables import little_song
from rich.console import Console
from rich.style import Style
from rich.text import Text

from sparsecodec_cli.io import screen
from sparsecodec_cli.io.screen import Screen, print_lines

LINE = [("name ", "bold"), ("label", "cyan"), (" plain ", ""), ("⣿", "#3b7fd1"), ("⣿", "#e0703c"), ("", "#8c8c8c")]


class Stream(io.StringIO):
    """A stream that may be a terminal."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


ENVIRONMENTS = [
    {name: value for name, value in zip(("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"), values, strict=True) if value}
    | ({"FORCE_COLOR": ""} if values[1] == "" else {})
    for values in itertools.product((None, "1"), (None, "", "1"), (None, "0", "1", "yes"))
]
TERMINALS: list[dict[str, str]] = [
    {},
    {"TERM": "dumb"},
    {"TERM": "Unknown"},
    {"TERM": "linux"},
    {"TERM": "xterm-kitty"},
    {"TERM": "xterm-256color"},
    {"TERM": "xterm-16color", "COLORTERM": "yes"},
    {"TERM": "xterm-256color", "COLORTERM": " TrueColor"},
    {"TERM": "dumb", "COLORTERM": "24bit"},
]


@pytest.mark.parametrize("is_terminal", [False, True])
@pytest.mark.parametrize("terminal", TERMINALS, ids=lambda terminal: "-".join(terminal.values()) or "none")
def test_colours_are_those_of_rich(terminal: dict[str, str], is_terminal: bool) -> None:
    for environment in ENVIRONMENTS:
        given = terminal | environment | {"COLUMNS": "200", "LINES": "24"}
        out = Stream(is_terminal=is_terminal)
        Style.parse.cache_clear()  # as styles keep the codes of the first screen that they are shown on
        Style._add.cache_clear()
        rich = Console(file=out, _environ=given)
        rich.print(Text.assemble(*LINE), end="")
        assert Screen.of(Stream(is_terminal=is_terminal), given).text_of(LINE) == out.getvalue(), environment


@pytest.mark.parametrize("columns", [None, "", "wide", "1", "133"])
@pytest.mark.parametrize("term", ["xterm", "dumb"])
@pytest.mark.parametrize("widths", [{}, {0: 100}, {2: 60}, {1: 90, 2: 60}])
def test_widths_are_those_of_rich(
    widths: dict[int, int], term: str, columns: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def size_of(descriptor: int) -> os.terminal_size:
        if descriptor not in widths:
            raise OSError
        return os.terminal_size((widths[descriptor], 24))

    monkeypatch.setattr(os, "get_terminal_size", size_of)
    given = {"TERM": term, "LINES": "24"} | ({} if columns is None else {"COLUMNS": columns})
    out = Stream(is_terminal=True)
    assert Screen.of(out, given).width == Console(file=out, _environ=given).width


@pytest.mark.parametrize("columns", ["0", "00"])
def test_no_columns_are_unknown_ones(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "get_terminal_size", lambda descriptor: os.terminal_size((0, 0)))
    assert Screen.of(Stream(is_terminal=True), {"COLUMNS": columns}).width == 80
    monkeypatch.setattr(os, "get_terminal_size", lambda descriptor: os.terminal_size((70, 24)))
    assert Screen.of(Stream(is_terminal=True), {"COLUMNS": columns}).width == 70


def test_a_program_without_stdout_prints_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen.sys, "stdout", None)
    assert screen.stdout_screen() == Screen(screen.stdout_screen().width)
    print_lines([LINE], Screen())


def test_inspect_draws_in_the_colours_of_a_terminal(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "song.sic", little_song())
    env = {name: value for name, value in ENV.items() if name not in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE")}
    plain = ok("inspect", path).decode()
    for terminal, code in (
        ({"TERM": "xterm"}, "\x1b[36m"),
        ({"TERM": "xterm-256color"}, "\x1b[38;5;"),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, "\x1b[38;2;"),
        ({"TERM": "xterm", "NO_COLOR": "1"}, "\x1b[1m"),
    ):
        ours, theirs = os.openpty()
        with open(theirs, "wb") as shown:
            done = sic_process(
                "inspect", path, env=env | terminal | {"COLUMNS": "80"}, capture_output=False, stdout=shown
            )
        text = b""
        while True:
            try:
                text += os.read(ours, 1 << 16)
            except OSError:  # Linux's way to say that nobody holds the terminal any more
                break
        os.close(ours)
        assert done.returncode == 0
        assert code in text.decode()
        assert ("velocity 64 to 105" in text.decode()) == ("NO_COLOR" in terminal)
        assert ("\x1b[36m" in text.decode()) == ("NO_COLOR" not in terminal)
    assert "\x1b" not in plain and "velocity 64 to 105" in plain
