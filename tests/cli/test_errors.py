"""From errors of the libraries to the one line that a user reads."""

from __future__ import annotations

import re

import click
import pytest

from sparsecodec_cli import errors
from sparsecodec_cli.errors import CliError, about, describe
from sparsecodec_cli.main import COMMANDS, cli
from sparsecodec_formats.errors import FormatError, SicError
from sparsecodec_models.errors import WeightsOfAnotherPreset


@pytest.mark.parametrize("kind", errors.hints())
def test_an_error_gets_its_file_and_its_hint_once(kind: type[SicError]) -> None:
    needs_preset = kind is WeightsOfAnotherPreset
    error = kind("is wrong", preset="speech") if needs_preset else kind("is wrong")  # type: ignore[call-arg]
    hint = errors.hints()[kind].format(preset="speech")
    assert describe(error) == f"is wrong ({hint})"
    with pytest.raises(CliError) as caught, about("other.sic"), about("a.sic"):
        raise error
    assert str(caught.value) == describe(caught.value) == f"a.sic: is wrong ({hint})"


def test_other_errors_have_no_hint() -> None:
    assert describe(FormatError("is cut short")) == "is cut short"


def test_hints_name_options_and_commands_that_are_there() -> None:
    commands = [cli.get_command(click.Context(cli), name) for name in COMMANDS]
    options = {opt for command in commands if command for param in command.params for opt in param.opts}
    for hint in errors.hints().values():
        assert set(re.findall(r"--[a-z-]+", hint)) <= options
        assert set(re.findall(r"sic ([a-z]+)", hint)) <= set(COMMANDS)
