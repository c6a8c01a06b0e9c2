"""docs/api.md has every public name, and its examples run and give what they say."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from cli_support import ROOT

import sparsecodec_cli
import sparsecodec_formats
import sparsecodec_models

PAGE = (ROOT / "docs" / "api.md").read_text("utf-8")
NAMES = [
    (module, name) for module in (sparsecodec_cli, sparsecodec_models, sparsecodec_formats) for name in module.__all__
]
RESULT = "  # -> "


def section_of(module_name: str) -> str:
    match = re.search(rf"^## {module_name}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert match
    return match[1]


def signature_in(section: str, name: str) -> str | None:
    match = re.search(rf"`{name}\(([^`]*)\)`", section)
    return match and match[1]


@pytest.mark.parametrize("module, name", NAMES, ids=lambda value: getattr(value, "__name__", value))
def test_every_public_name_is_on_the_page(module: Any, name: str) -> None:
    section = section_of(module.__name__)
    assert re.search(rf"`{name}[`(.]", section), f"docs/api.md does not tell of {module.__name__}.{name}"
    value = getattr(module, name)
    assert name == "__version__" or not callable(value) or inspect.getdoc(value)
    told = signature_in(section, name)
    if told is not None and "…" not in told and inspect.isfunction(value):
        assert told == ", ".join(shown(p) for p in parameters_of(value))


def parameters_of(function: Any) -> list[inspect.Parameter | str]:
    found: list[inspect.Parameter | str] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind == parameter.KEYWORD_ONLY and "*" not in found:
            found.append("*")
        found.append(parameter)
    return found


def shown(parameter: inspect.Parameter | str) -> str:
    if isinstance(parameter, str):
        return parameter
    if parameter.default is parameter.empty:
        return parameter.name
    return f"{parameter.name}={parameter.default!r}".replace("'", '"')


def test_examples_run_and_give_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    n_results = 0
    for example in re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        lines = example.splitlines()
        for statement in ast.parse(example).body:
            code, last = ast.Module([statement], []), lines[statement.lineno - 1]
            if isinstance(statement, ast.Expr) and RESULT in last:
                value = eval(compile(ast.Expression(statement.value), "docs/api.md", "eval"), names)
                assert repr(value) == last.partition(RESULT)[2], last
                n_results += 1
            else:
                exec(compile(code, "docs/api.md", "exec"), names)
    assert n_results == PAGE.count(RESULT)
