"""Imports between packages and rooms run down: the contracts are in pyproject.toml, import-linter draws the arrows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = [ROOT / "sparsecodec_cli", ROOT / "models" / "sparsecodec_models", ROOT / "formats" / "sparsecodec_formats"]

# An import that does not belong there, for each contract one at least; no code runs it.
ARROWS_UP = {
    "sparsecodec_formats/errors.py": "import click, torch, sparsecodec_formats.table, sparsecodec_models",
    "sparsecodec_models/dsp/__init__.py": "import sparsecodec_models.presets",
    "sparsecodec_models/speech/config.py": "import sparsecodec_models.speech.codec",
    "sparsecodec_models/music/config.py": "import sparsecodec_models.music.synthesis.controls",
    "sparsecodec_cli/errors.py": "def later(): import sparsecodec_cli.api",
}


def lint_imports(folder: Path) -> tuple[int, str]:
    """Exit code, and what import-linter says of the packages in `folder`."""
    code = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache", "--no-logo", str(ROOT / "pyproject.toml")],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def copy_packages(folder: Path) -> Path:
    """All code side by side, so that what is installed is not looked at."""
    for package in PACKAGES:
        shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__", "weights", "data"))
    return folder


def test_arrows_run_down(tmp_path: Path) -> None:
    exit_code, said = lint_imports(copy_packages(tmp_path))
    assert exit_code == 0, said
    assert "0 broken" in said


def test_an_arrow_that_runs_up_breaks_its_contract(tmp_path: Path) -> None:
    copy_packages(tmp_path)
    for name, line in ARROWS_UP.items():
        with open(tmp_path / name, "a") as file:
            file.write(f"\n{line}\n")
    exit_code, said = lint_imports(tmp_path)
    assert exit_code == 1
    contracts = (ROOT / "pyproject.toml").read_text().count("[[tool.importlinter.contracts]]")
    assert f"Contracts: 0 kept, {contracts} broken." in said, said
