"""What only a process shows: pipes, terminals, signals, what is imported."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from cli_support import (
    ENV,
    assert_refused,
    command_line,
    make_table,
    names_in,
    sic_process,
    started,
    write_sic,
    write_wav,
)

from sparsecodec_cli import __version__

WITHOUT_TORCH = [
    ["--help"],
    ["--version"],
    ["encode", "--help"],
    ["decode", "--help"],
    ["stems", "--help"],
    ["compare", "--help"],
    ["inspect", "talk.sic"],
    ["inspect", "talk.sic", "--json"],
    ["randomize", "talk.sic", "out.sic", "--times", "--vectors"],
    ["transform", "talk.sic", "out.sic", "--stretch", "2", "--keep", "50%"],
    ["cat", "talk.sic", "talk.sic", "out.sic", "--carry-on"],
    ["mix", "talk.sic", "talk.sic", "out.sic", "--at", "0", "--at", "0.5"],
    ["test", "talk.sic"],
    ["tag", "talk.sic"],
    ["tag", "talk.sic", "title=x"],
    ["export", "talk.sic", "talk.csv"],
]
WITH_CLICK_ONLY = [args for args in WITHOUT_TORCH if args[-1].startswith("--")][:6]
LIST_MODULES = """
import atexit, sys
atexit.register(lambda: print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr))
from sparsecodec_cli.main import run
sys.argv[0] = "sic"
run()
"""


@pytest.fixture
def talk_sic(tmp_path: Path) -> Path:
    return write_sic(tmp_path / "talk.sic")


@pytest.mark.parametrize("args", WITHOUT_TORCH, ids=" ".join)
def test_commands_that_need_no_model_do_not_import_torch(args: list[str], talk_sic: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIST_MODULES, *args],
        cwd=talk_sic.parent,
        env=ENV,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    modules = done.stderr.decode().splitlines()[-1].split()
    assert "sparsecodec_cli" in modules
    assert not {"torch", "sparsecodec_models"} & set(modules)
    if args in WITH_CLICK_ONLY:
        assert not {"numpy", "rich", "soundfile", "sparsecodec_formats"} & set(modules)


@pytest.mark.parametrize("package", ["sparsecodec_formats", "sparsecodec_cli"])
def test_packages_that_do_not_import_torch(package: str) -> None:
    code = f"import sys, {package}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=ENV, timeout=60).returncode == 0


def test_version() -> None:
    done = sic_process("--version")
    assert (done.returncode, done.stdout.decode()) == (0, f"sic {__version__}\n")


def test_exit_codes(talk_sic: Path) -> None:
    assert sic_process("inspect", talk_sic).returncode == 0
    assert_refused(sic_process("inspect", talk_sic.parent / "gone"), "gone")
    assert_refused(sic_process("inspect"), "IN", exit_code=2)


def test_a_pipeline(tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "talk.wav", 12345, channels=2)
    pipeline = " | ".join(
        [
            f"cat {wav}",
            " ".join(command_line("encode", "-", "-q", fake=True)),
            " ".join(command_line("transform", "-", "-", "--gain", "3", "-q")),
            " ".join(command_line("decode", "-", "-q", fake=True)),
            "cat > out.wav",
        ]
    )
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", pipeline], cwd=tmp_path, env=ENV, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")
    info = soundfile.info(tmp_path / "out.wav")
    assert (info.frames, info.channels, info.samplerate) == (12345, 2, 8000)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("args", [["inspect", "--json"], ["decode", "-"]])
def test_a_reader_that_has_had_enough(args: list[str], unbuffered: str, tmp_path: Path) -> None:
    path = write_sic(tmp_path / "long.sic", make_table(3000, seconds=100))
    with started(
        args[0],
        path,
        *args[1:],
        fake=True,
        env=ENV | {"PYTHONUNBUFFERED": unbuffered},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        process.stderr.close()
        assert process.wait(60) == 1


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("args", [["inspect"], ["inspect", "--json"], ["decode", "-"], ["test"]])
def test_stdout_on_a_full_disk(args: list[str], unbuffered: str, talk_sic: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = sic_process(
            args[0],
            talk_sic,
            *args[1:],
            fake=True,
            env=ENV | {"PYTHONUNBUFFERED": unbuffered},
            capture_output=False,
            stdout=full,
            stderr=subprocess.PIPE,
        )
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1 and b"stdout: no space left" in done.stderr and b"internal" not in done.stderr


@pytest.mark.parametrize("out", ["out.wav", "out.flac", "out.ogg"])
def test_a_file_that_may_not_grow_leaves_nothing_behind(out: str, tmp_path: Path) -> None:
    path = write_sic(tmp_path / "long.sic", make_table(100, seconds=20))
    done = sic_process(
        "decode",
        path,
        tmp_path / out,
        fake=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )
    assert_refused(done, out, "limit on file sizes")
    assert names_in(tmp_path) == ["long.sic"]


@pytest.mark.parametrize("args", [["transform", "--gain", "1"], ["randomize", "--times"], ["decode"]])
def test_binary_to_a_terminal_is_refused(args: list[str], talk_sic: Path) -> None:
    ours, theirs = os.openpty()
    with open(ours, "rb"), open(theirs, "wb") as terminal:
        done = sic_process(
            args[0],
            talk_sic,
            "-",
            *args[1:],
            fake=True,
            capture_output=False,
            stdout=terminal,
            stderr=subprocess.PIPE,
        )
        done.stdout = b""
        assert_refused(done, "terminal")


def test_a_terminal_as_input_is_refused() -> None:
    ours, theirs = os.openpty()
    with open(ours, "rb"), open(theirs, "wb") as terminal:
        assert_refused(sic_process("inspect", "-", stdin=terminal), "stdin is a terminal")


@pytest.mark.parametrize("columns", ["80", "0"])
@pytest.mark.parametrize("quiet", [False, True])
def test_progress_only_on_a_terminal_and_only_unless_quiet(quiet: bool, columns: str, tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "talk.wav")
    ours, theirs = os.openpty()
    with open(theirs, "wb") as terminal:
        done = sic_process(
            "encode",
            wav,
            *["-q"] * quiet,
            fake=True,
            env=ENV | {"COLUMNS": columns},
            capture_output=False,
            stderr=terminal,
        )
    assert done.returncode == 0
    shown = b""
    while True:
        try:
            shown += os.read(ours, 1 << 16)
        except OSError:  # Linux's way to say that nobody holds the terminal any more
            break
    os.close(ours)
    assert (b"encoding" in shown) != quiet
    assert shown == b"" or b"talk.sic" in shown
    piped = sic_process("encode", wav, "-f", fake=True)
    assert b"encoding" not in piped.stderr


@pytest.mark.parametrize("number, exit_code", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("out_exists", [False, True])
def test_signals_leave_nothing_behind(number: signal.Signals, exit_code: int, out_exists: bool, tmp_path: Path) -> None:
    wav, out = write_wav(tmp_path / "talk.wav"), tmp_path / "out.sic"
    if out_exists:
        out.write_bytes(b"precious")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with started("encode", wav, out, "-f", "--effort", "9", fake=True, **pipes) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"ready\n"
        assert len(names_in(tmp_path)) == 2 + out_exists  # the temporary file too
        process.send_signal(number)
        assert process.wait(60) == exit_code
        assert b"Traceback" not in process.stderr.read()
    assert names_in(tmp_path) == ["out.sic"] * out_exists + ["talk.wav"]
    assert not out_exists or out.read_bytes() == b"precious"


def test_signals_reach_a_child_of_a_job_in_the_background(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell starts `pytest &`
    try:
        test_signals_leave_nothing_behind(signal.SIGINT, 130, False, tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)


def test_tracebacks_on_demand(talk_sic: Path) -> None:
    done = sic_process("inspect", talk_sic.parent / "gone", env=ENV | {"SIC_TRACEBACK": "1"})
    assert done.returncode == 1 and b"Traceback" in done.stderr
