"""What decodes on the CPU imports no torch, and nothing else that is heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cli_support import ok

from sparsecodec_cli import models

ROOT = Path(__file__).parents[2]
SPEECH = ROOT / "tests" / "data" / "only-person-en.sic"
MUSIC = ROOT / "models" / "golden" / "music" / "notes.sic"
SAYS_WHAT_IT_IMPORTED = """
import sys
from sparsecodec_cli.main import cli
try:
    cli.main(sys.argv[1:], prog_name="sic")
except SystemExit as ended:
    assert ended.code == 0, ended.code
print("imported:", *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


MORPHS_BY_METHOD_AND_API = """
import sys
from sparsecodec_cli import api
from sparsecodec_formats import edit
table = api.read(sys.argv[1])
other = edit.gain(edit.shift(table, 0.01), -3)
by_method = table.morph(other, 0.5)
assert by_method == api.morph(table, other, 0.5)
"""


def imported_by(*args: str | Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", SAYS_WHAT_IT_IMPORTED, *map(str, args)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.rpartition("imported:")[2].split())


@pytest.mark.parametrize("source", [SPEECH, MUSIC], ids=["speech", "music"])
@pytest.mark.parametrize(
    "command",
    [
        ("decode", "IN", "out.wav"),
        ("decode", "IN", "out.wav", "--start", "0.2", "--end", "0.3"),
        ("decode", "IN", "out.flac", "--event", "1"),
        ("decode", "IN", "out.wav", "--select", "voiced and level > -100"),
        ("stems", "IN", "stems", "--top", "2"),
        ("test", "--decode", "IN"),
        ("inspect", "IN"),
        ("inspect", "IN", "--events", "--select", "pitch > 200"),
        ("inspect", "IN", "--segments"),
        ("stems", "IN", "stems", "--by", "segment", "--top", "2"),
        ("transform", "IN", "out.sic", "--stretch", "1.1"),
        ("transform", "IN", "out.sic", "--select", "not voiced or segment < 1", "--take"),
        ("transform", "IN", "out.sic", "--transpose", "1", "--tilt", "2"),
        ("randomize", "IN", "out.sic", "--times"),
        ("replace", "IN", "IN", "out.sic", "--keep-pitch"),
        ("similar", "IN", "--to", "1"),
        ("similar", "IN", "--to", "1", "--by", "segment"),
        ("export", "IN", "out.mid"),
        ("export", "IN", "out.csv"),
        ("export", "IN", "out.TextGrid"),
        ("report", "IN", "out.html"),
    ],
    ids=lambda command: " ".join(command),
)
def test_what_reads_files_does_without_torch(tmp_path: Path, source: Path, command: tuple[str, ...]) -> None:
    places = {"IN": source, **{name: tmp_path / name for name in command if "out." in name or name == "stems"}}
    args = [places.get(arg, arg) for arg in command[1:]]
    imported = imported_by(command[0], *args)
    assert "numpy" in imported and "torch" not in imported
    if command[0] == "report":
        return  # draws its pictures with what the extra brings
    assert not imported & {"scipy", "matplotlib", "jinja2", "asyncio", "sklearn", "rich"}


@pytest.mark.parametrize("source", [SPEECH, MUSIC], ids=["speech", "music"])
def test_tables_and_tunes_are_read_without_torch(tmp_path: Path, source: Path) -> None:
    for name, options in (("a.csv", []), ("a.mid", ["--instrument", source])):
        ok("export", source, tmp_path / name)
        imported = imported_by("import", tmp_path / name, tmp_path / f"{name}.sic", *options)
        assert "numpy" in imported and not imported & {"torch", "scipy", "pandas", "pyarrow"}


@pytest.mark.parametrize("source", [SPEECH, MUSIC], ids=["speech", "music"])
def test_a_morph_does_without_torch(tmp_path: Path, source: Path) -> None:
    assert "torch" not in imported_by("morph", source, source, tmp_path / "out.sic", "--amount", "0.5")


def test_methods_of_tables_ask_the_weights_where_only_the_api_was_imported() -> None:
    command = [sys.executable, "-c", MORPHS_BY_METHOD_AND_API, SPEECH]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("source", [SPEECH, MUSIC], ids=["speech", "music"])
@pytest.mark.parametrize("options", [[], ["--events"], ["--json"]], ids=["", "events", "json"])
def test_inspect_imports_nothing_that_it_does_not_use(source: Path, options: list[str]) -> None:
    assert not imported_by("inspect", source, *options) & {
        "msgpack", "rich", "safetensors", "shutil", "soundfile", "sparsecodec_models", "tempfile", "wasmtime",
        "zstandard",
    }  # fmt: skip


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_models_are_listed_without_torch(options: list[str]) -> None:
    assert not imported_by("models", *options) & {"torch", "rich"}


@pytest.mark.skipif(models._has_driver(), reason="has the driver of a GPU, of which torch is asked")
def test_a_machine_without_a_gpu_needs_no_torch_to_know(tmp_path: Path) -> None:
    assert "torch" not in imported_by("decode", SPEECH, tmp_path / "out.wav", "--device", "auto")


def test_help_imports_no_numpy() -> None:
    assert "numpy" not in imported_by("decode", "--help")
