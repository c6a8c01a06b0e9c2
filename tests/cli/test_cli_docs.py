"""docs/cli.md tells of every command what it is and does, and its help texts are the program's own."""

from __future__ import annotations

import re
import shlex

import click
import pytest
from cli_support import ROOT
from cogapp import Cog

from sparsecodec_cli.main import COMMANDS, cli

CLI_MD = ROOT / "docs" / "cli.md"


def command_of(name: str) -> click.Command:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return command


def section_of(name: str) -> str:
    match = re.search(rf"^## sic {name}\n(.*?)(?=^## |\Z)", CLI_MD.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert match, f"docs/cli.md has no section '## sic {name}'"
    return match[1]


def test_help_texts_are_up_to_date() -> None:
    assert Cog().main(["cog", "--check", str(CLI_MD)]) == 0, "renew them with: cog -r docs/cli.md"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_with_examples_first(name: str) -> None:
    section = section_of(name)
    assert section.lstrip().startswith((f"```\nsic {name} ", f"```\nsic {name}\n"))
    assert f"Usage: sic {name} " in section


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_examples_and_every_option_a_help(name: str) -> None:
    command = command_of(name)
    assert f"sic {name}" in (command.help or "").partition("Examples:")[2]
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.help, f"{name} {param.opts[0]} has no help"


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_right_use(name: str) -> None:
    """Every example in a help text and in the document parses (nothing is run)."""
    text = (command_of(name).help or "") + section_of(name)
    examples = re.findall(rf"(?:^|\| )\s*sic {name}\b([^|&#\n]*)", text, re.MULTILINE)
    assert examples
    for example in examples:
        args = shlex.split(example.replace("*.sic", "a.sic"))
        command_of(name).make_context(name, args, parent=click.Context(cli, info_name="sic", **cli.context_settings))


def test_no_command_is_documented_that_is_not_there() -> None:
    assert tuple(re.findall(r"^## sic (\w+)$", CLI_MD.read_text("utf-8"), re.MULTILINE)) == COMMANDS
