"""What the tests of the commands share: small recordings and .sic files, and three ways to run `sic`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile
from click.testing import CliRunner, Result

from sparsecodec_cli.main import cli
from sparsecodec_formats import EventTable, Header, container

ROOT = Path(__file__).parents[2]
FAKE = str(Path(__file__).parent / "fake_codec.py")
ENV = os.environ | {
    "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "models"), str(ROOT / "formats")]),
    "OMP_NUM_THREADS": "1",
}


def sic(*args: str | os.PathLike[str], stdin: bytes = b"") -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(cli, [os.fspath(arg) for arg in args], input=stdin, prog_name="sic")


def ok(*args: str | os.PathLike[str], stdin: bytes = b"") -> bytes:
    """What a command that must succeed prints on stdout."""
    result = sic(*args, stdin=stdin)
    assert result.exit_code == 0, result.stderr
    return result.stdout_bytes


def sic_process(*args: str | os.PathLike[str], fake: bool = False, **options: object) -> subprocess.CompletedProcess:
    """Run a command in a process of its own; with `fake` with the codec of fake_codec.py."""
    options = {"capture_output": True, "env": ENV, "timeout": 60} | options
    return subprocess.run(command_line(*args, fake=fake), **options)  # type: ignore[call-overload]


@contextmanager
def started(
    *args: str | os.PathLike[str], fake: bool = False, timeout_s: float = 120, **options: object
) -> Iterator[subprocess.Popen]:
    """A command that runs beside the test; what runs still at the end, or after `timeout_s`, is killed."""
    options = {"env": ENV, "preexec_fn": default_signals} | options
    with subprocess.Popen(command_line(*args, fake=fake), **options) as process:  # type: ignore[call-overload]
        watchdog = threading.Timer(timeout_s, process.kill)  # ends reads of its pipes too
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()


def default_signals() -> None:
    """For a child about to start: a shell's job in the background ignores SIGINT, and so would its children."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def command_line(*args: str | os.PathLike[str], fake: bool = False) -> list[str]:
    return [
        sys.executable,
        *([FAKE] if fake else ["-m", "sparsecodec_cli"]),
        *(os.fspath(arg) for arg in args),
    ]


def assert_refused(result: Result | subprocess.CompletedProcess, *words: str, exit_code: int = 1) -> None:
    """One line on stderr with all of `words`, nothing on stdout, no traceback."""
    if isinstance(result, subprocess.CompletedProcess):
        code, err, out = result.returncode, result.stderr.decode(), result.stdout
    else:
        code, err, out = result.exit_code, result.stderr, result.stdout_bytes
    assert code == exit_code, err
    assert err.count("\n") == 1 and err.startswith("sic"), err
    assert "internal error" not in err
    assert not out
    for word in words:
        assert word in err, f"{word!r} is not in {err!r}"


def make_table(
    n: int = 20, *, seconds: float = 2.0, channels: int = 1, rate: int = 8000, **header: object
) -> EventTable:
    rng = np.random.default_rng(n)
    unit, step = Fraction(64, 22050), (1.0,) * 32
    made = Header(rate, channels, round(seconds * rate), "speech", bytes(4), unit, step, statistics=1)
    vector = rng.integers(-6, 7, (n, 32)).astype(np.float32)
    channel = rng.integers(0, channels, n)
    return EventTable.from_unsorted(replace(made, **header), rng.uniform(0, seconds, n), vector, channel)


def write_sic(path: Path, table: EventTable | None = None) -> Path:
    path.write_bytes(container.dumps(make_table() if table is None else table))
    return path


def read_sic(path: Path) -> EventTable:
    return container.loads(path.read_bytes())


def write_wav(path: Path, n_samples: int = 8000, *, channels: int = 1, rate: int = 8000) -> Path:
    """A tone in each channel, softer and later from one to the next, so that no two are alike."""
    t = np.arange(n_samples) / rate
    # as the stand-in for codecs decodes
    tones = [0.5 / (c + 1) * np.sin(2 * np.pi * 440 * t + np.radians(40 * c)) for c in range(channels)]
    soundfile.write(path, np.stack(tones, axis=1), rate, subtype="PCM_16")
    return path


def names_in(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))
