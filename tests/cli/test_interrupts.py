"""Ctrl-C while the program starts: at every import it ends at once, without a traceback, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_support import ENV, command_line, default_signals, names_in, write_sic, write_wav

# What Python runs first: it sends the signal when a module is looked for.
HOOK = """
import os, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ.get("INTERRUPT_AT"):
            os.environ.pop("INTERRUPT_AT")
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
"""


def run_interrupted(at: str, *args: str | Path, folder: Path, ignored: bool = False) -> subprocess.CompletedProcess:
    """`sic ARGS` that is interrupted when it begins to import the module `at`."""
    hook = folder / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(HOOK)

    def signals() -> None:
        default_signals()
        if ignored:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    environment = ENV | {"PYTHONPATH": os.pathsep.join([str(hook), ENV["PYTHONPATH"]]), "INTERRUPT_AT": at}
    return subprocess.run(
        command_line(*args), env=environment, capture_output=True, timeout=120, preexec_fn=signals, check=False
    )


@pytest.mark.parametrize("at", ["sparsecodec_cli.main", "click", "click.core"])
def test_while_the_program_is_imported(at: str, tmp_path: Path) -> None:
    done = run_interrupted(at, "--version", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


@pytest.mark.parametrize(
    "at", ["sparsecodec_cli.commands.inspect", "numpy", "numpy.linalg", "sparsecodec_cli.inspect.text"]
)
def test_while_a_command_is_imported(at: str, tmp_path: Path) -> None:
    done = run_interrupted(at, "inspect", write_sic(tmp_path / "talk.sic"), folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, b"", b"sic: interrupted")


@pytest.mark.parametrize("at", ["soundfile", "torch", "sparsecodec_models.presets"])
def test_while_models_are_imported(at: str, tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "talk.wav")
    done = run_interrupted(at, "encode", wav, "--effort", "0", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, b"", b"sic: interrupted")
    assert names_in(tmp_path) == ["hook", "talk.wav"]


def test_a_job_in_the_background_that_ignores_it_goes_on(tmp_path: Path) -> None:
    done = run_interrupted("click", "--version", folder=tmp_path, ignored=True)
    assert done.returncode == 0 and done.stdout.startswith(b"sic ")


def test_little_is_imported_before() -> None:
    """Nothing but what is needed to wait for the signal."""
    code = "import sys; before = {*sys.modules}; import sparsecodec_cli.__main__; print(*{*sys.modules} - before)"
    done = subprocess.run([sys.executable, "-S", "-c", code], env=ENV, capture_output=True, timeout=60, check=True)
    imported = {name.partition(".")[0] for name in done.stdout.decode().split()}
    assert "signal" in imported
    assert not {"click", "typing", "re", "inspect", "numpy", "sparsecodec_formats", "sparsecodec_models"} & imported
