"""That the commands are calls of the API with its defaults, and that the fake codec is called as the real ones are."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from pathlib import Path

import click
import fake_codec
import pytest
from cli_support import ROOT, ok

import sparsecodec_models
from sparsecodec_cli import api
from sparsecodec_cli.main import COMMANDS, cli
from sparsecodec_models import codec as models_codec

# The commands are calls of the API

FUNCTIONS: dict[str, tuple[Callable, list[str]]] = {
    "encode": (api.encode, ["IN"]),
    "decode": (api.decode_blocks, ["IN"]),
    "stems": (api.render_stems, ["IN", "DIR"]),
    "report": (api.render_report, ["IN", "OUT.html"]),
    "export": (api.export, ["IN", "OUT.mid"]),
    "import": (api.import_, ["IN.csv", "OUT"]),
    "randomize": (api.randomize, ["IN", "OUT"]),
    "morph": (api.morph, ["A", "B", "OUT", "--amount", "0.5"]),
    "replace": (api.replace, ["A", "B", "OUT"]),
    "similar": (api.similar, ["IN", "--to", "0"]),
    "test": (api.verify, ["FILE"]),
}
SET_BY_NO_OPTION = {
    "encode": {"audio", "sample_rate"},
    "report": {"file", "sounds"},
    "export": {"file"},
    "import": {"file", "target"},
    "morph": {"other", "amount"},
    "replace": {"other"},
    "similar": {"tables", "to"},
    "test": {"file"},
}
WITHOUT_MODELS = [api.export, api.import_, api.morph, api.randomize, api.replace, api.similar]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_option_that_is_not_given_is_the_default_of_the_function(name: str) -> None:
    function, arguments = FUNCTIONS[name]
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    given = command.make_context(name, arguments, parent=click.Context(cli, **cli.context_settings)).params
    parameters = inspect.signature(function).parameters.values()
    wanted = {p.name: p.default for p in parameters if p.name not in {"table", "progress"}}
    wanted = {key: value for key, value in wanted.items() if key not in SET_BY_NO_OPTION.get(name, set())}
    assert {key: given[key] for key in wanted} == wanted


def test_functions_agree_on_their_defaults() -> None:
    with_models = [f for f, _ in FUNCTIONS.values() if f not in WITHOUT_MODELS]
    devices = [inspect.signature(f).parameters["device"].default for f in with_models]
    assert set(devices) == {inspect.signature(api.load_codec).parameters["device"].default}
    decode, blocks = (inspect.signature(f).parameters for f in (api.decode, api.decode_blocks))
    assert {p: v.default for p, v in decode.items()} == {p: v.default for p, v in blocks.items()}


@pytest.mark.parametrize("name", ["encode", "report"])
def test_help_names_the_default_model(name: str) -> None:
    default = inspect.signature(FUNCTIONS[name][0]).parameters["model"].default
    assert f"[default: {default}" in " ".join(ok(name, "--help").decode().split())


def imports_of(path: Path) -> set[str]:
    """Modules that a file imports when it runs: not those for type checkers alone."""
    tree = ast.parse(path.read_text("utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_call_neither_models_nor_formats(name: str) -> None:
    found = imports_of(ROOT / "sparsecodec_cli" / "commands" / f"{name}.py")
    assert "sparsecodec_cli.api" in found or name == "compare"  # which calls it by way of metrics.comparison
    below = {module for module in found if module.startswith(("sparsecodec_models", "sparsecodec_formats"))}
    if name == "train":
        below = {
            module
            for module in below
            if not module.startswith(("sparsecodec_models.training", "sparsecodec_models.presets"))
        }
    assert not below


PARTS_OF_THE_API = [ROOT / "sparsecodec_cli" / name for name in ("encoding.py", "decoding.py", "models.py")]


def test_codecs_are_made_and_used_by_the_api_alone() -> None:
    for path in (ROOT / "sparsecodec_cli").rglob("*.py"):
        if path in PARTS_OF_THE_API:
            continue
        found = imports_of(path)
        assert not found & {f"sparsecodec_models.{name}" for name in ("load_codec", "codec_for", "ArraySource")}, path
        attributes = {
            ast.unparse(node)
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Attribute)
        }
        assert not attributes & {"codec.encode", "codec.decode"}, path


# The codec that tests of the commands use


def interface_of(function: Callable) -> list[tuple[str, object, object]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("name", [n for n, v in vars(fake_codec.FakeCodec).items() if callable(v) and n[0] != "_"])
def test_the_fake_codec_has_the_real_signatures(name: str) -> None:
    assert interface_of(getattr(fake_codec.FakeCodec, name)) == interface_of(getattr(models_codec.Codec, name))


@pytest.mark.parametrize("name", ["load_codec", "choose_preset", "codec_for"])
def test_the_fake_functions_have_the_real_signatures(name: str) -> None:
    assert interface_of(getattr(fake_codec, name)) == interface_of(getattr(sparsecodec_models, name))


def test_the_fake_codec_has_nothing_that_the_real_one_has_not() -> None:
    public = {name for name in vars(fake_codec.FakeCodec) if not name.startswith("_")}
    assert public <= set(dir(models_codec.Codec)) | set(models_codec.Codec.__annotations__)
