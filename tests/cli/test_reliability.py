"""Faults that are really caused, and what is on disk afterwards; docs/reliability.md has them as a table.

The fake codec stops where a test wants to interfere: it says "ready", and goes on when its stdin ends.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import soundfile
from cli_support import (
    ENV,
    FAKE,
    ROOT,
    assert_refused,
    command_line,
    make_table,
    names_in,
    ok,
    read_sic,
    sic,
    sic_process,
    started,
    write_sic,
    write_wav,
)

from sparsecodec_cli.errors import CliError
from sparsecodec_cli.io import files
from sparsecodec_cli.io.output_folder import open_output_folder
from sparsecodec_cli.train.run_folder import RunFolder

PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
ENCODE_AND_STOP, DECODE_AND_STOP = ("--effort", "9"), ("--seed", "999")
TEMPORARY = re.compile(r"\.sic-[0-9a-f]{12}\.part")
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="mounts a file system of Linux")


@contextmanager
def stopped(*args: str | os.PathLike[str]) -> Iterator[subprocess.Popen]:
    """A command whose codec has stopped: its input is open and its output begun."""
    with started(*args, fake=True, **PIPES) as process:
        assert process.stdout.readline() == b"ready\n"
        yield process


def end_of(process: subprocess.Popen) -> subprocess.CompletedProcess:
    """Let a stopped command go on to its end."""
    _, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, b"", err)


def is_whole(path: Path) -> bool:
    return sic("test", path).exit_code == 0 and len(read_sic(path)) > 0


# Signals


@pytest.mark.parametrize("there", [False, True])
def test_after_kill_9_a_part_stays_that_harms_nothing(there: bool, tmp_path: Path) -> None:
    wav, out = write_wav(tmp_path / "talk.wav"), tmp_path / "out.sic"
    if there:
        out.write_bytes(b"precious")
    with stopped("encode", wav, out, "-f", *ENCODE_AND_STOP) as process:
        process.kill()
        assert process.wait(60) == -signal.SIGKILL
    part, *others = names_in(tmp_path)
    assert TEMPORARY.fullmatch(part) and others == ["out.sic"] * there + ["talk.wav"]
    assert not there or out.read_bytes() == b"precious"
    assert sic_process("encode", wav, out, "-f", fake=True).returncode == 0
    assert is_whole(out) and names_in(tmp_path) == [part, "out.sic", "talk.wav"]


@pytest.mark.parametrize("first", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("second", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_second_signal_does_not_stop_the_removal(first: str, second: str, tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "talk.wav")
    code = f"""
import os, signal, sys
import fake_codec
from sparsecodec_cli.main import run

unlink = os.unlink

def unlink_after_a_signal(path):
    os.kill(os.getpid(), signal.{second})
    unlink(path)

fake_codec.install()
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it, and so do its children
fake_codec.wait_for_the_test = lambda: os.kill(os.getpid(), signal.{first})
os.unlink = unlink_after_a_signal
sys.argv[1:] = ["encode", {os.fspath(wav)!r}, {os.fspath(tmp_path / "out.sic")!r}, "--effort", "9"]
run()
"""
    path = os.pathsep.join([os.path.dirname(FAKE), ENV["PYTHONPATH"]])
    done = subprocess.run([sys.executable, "-c", code], env=ENV | {"PYTHONPATH": path}, capture_output=True, timeout=60)
    assert (done.returncode, names_in(tmp_path)) == (128 + getattr(signal, first), ["talk.wav"])
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("number, exit_code", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_leave_no_half_folder_of_stems(number: signal.Signals, exit_code: int, tmp_path: Path) -> None:
    path, out = write_sic(tmp_path / "talk.sic"), tmp_path / "stems"
    out.mkdir()
    (out / "mine").write_text("precious")
    with stopped("stems", path, out, "-f", *DECODE_AND_STOP) as process:
        assert len(names_in(out)) == 2
        process.send_signal(number)
        assert process.wait(60) == exit_code
    assert names_in(out) == ["mine"] and names_in(tmp_path) == ["stems", "talk.sic"]


@pytest.mark.parametrize("args", [("out.wav",), ("out.flac",), ("out.ogg",)])
def test_signals_leave_no_half_recording(args: tuple[str], tmp_path: Path) -> None:
    path = write_sic(tmp_path / "talk.sic")
    with stopped("decode", path, *(tmp_path / name for name in args), *DECODE_AND_STOP) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
    assert names_in(tmp_path) == ["talk.sic"]


@pytest.mark.parametrize("kind", ["closed pipe", "full disk"])
def test_work_is_done_where_nobody_reads_what_is_said_of_it(kind: str, tmp_path: Path) -> None:
    wav, out = write_wav(tmp_path / "talk.wav"), tmp_path / "out.sic"
    if kind == "full disk":
        stderr = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, stderr = os.pipe()
        os.close(reader)
    try:
        for expected in (0, 1):  # the second time the output exists
            done = sic_process(
                "encode", wav, out, fake=True, capture_output=False, stdout=subprocess.PIPE, stderr=stderr
            )
            assert (done.returncode, done.stdout) == (expected, b"")
    finally:
        os.close(stderr)
    assert is_whole(out) and names_in(tmp_path) == ["out.sic", "talk.wav"]


# Disks


def on_small_disk(folder: Path, options: str, *args: str | os.PathLike[str]) -> subprocess.CompletedProcess:
    """Run a command while `folder` is a file system of its own; on stdout it says what is left in it."""
    folder.mkdir()
    script = f'mount -t tmpfs -o {options} none "$0" || exit 77; "$@" > /dev/null; code=$?; ls -A "$0"; exit $code'
    done = subprocess.run(
        [
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            script,
            folder,
            *command_line(*args, fake=True),
        ],
        env=ENV,
        capture_output=True,
        timeout=60,
    )
    if done.returncode == 77 or done.stderr.startswith(b"unshare"):
        pytest.skip("may not mount here")
    return done


@ON_LINUX
@pytest.mark.parametrize("name", ["out.wav", "out.flac", "out.aiff"])
def test_a_disk_that_fills_up(name: str, tmp_path: Path) -> None:
    path, disk = write_sic(tmp_path / "long.sic", make_table(100, seconds=20)), tmp_path / "disk"
    done = on_small_disk(disk, "size=16k", "decode", path, disk / name)
    assert_refused(done, name, "no space left")


@ON_LINUX
def test_a_disk_that_fills_up_under_a_folder_of_stems(tmp_path: Path) -> None:
    path, disk = write_sic(tmp_path / "talk.sic"), tmp_path / "disk"
    assert_refused(on_small_disk(disk, "size=16k", "stems", path, disk / "stems"), "stems", "no space left")


@ON_LINUX
def test_a_read_only_disk(tmp_path: Path) -> None:
    path, disk = write_sic(tmp_path / "talk.sic"), tmp_path / "disk"
    assert_refused(on_small_disk(disk, "ro", "decode", path, disk / "out.wav"), "out.wav", "read-only")


def test_a_read_only_folder(tmp_path: Path) -> None:
    path, folder = write_sic(tmp_path / "talk.sic"), tmp_path / "folder"
    folder.mkdir(mode=0o555)
    without_rights = ["unshare", "--user"] if os.geteuid() == 0 else []  # root may write everywhere
    command = [*without_rights, *command_line("transform", path, folder / "out.sic", "--gain", "1")]
    done = subprocess.run(command, env=ENV, capture_output=True, timeout=60)
    if done.stderr.startswith(b"unshare"):
        pytest.skip("root, who may not give up its rights here")
    assert_refused(done, "out.sic", "permission denied")
    assert names_in(folder) == []


def test_a_disk_that_fails_only_when_it_must_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Disks over a network, and some that fill up, tell only then."""
    out = tmp_path / "out"
    out.write_bytes(b"precious")

    def fails(descriptor: int) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(CliError, match="out: your disk quota"), files.open_output(str(out), force=True) as file:
        file.write(b"new")
    assert out.read_bytes() == b"precious" and names_in(tmp_path) == ["out"]


def test_content_is_on_disk_before_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, synced = tmp_path / "out", []

    def fsync(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_size, out.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    with files.open_output(str(out), force=False) as file:
        file.write(b"new")
    assert synced == [(3, False)]


# Two programs


def test_of_two_writers_of_one_new_output_the_first_stays(tmp_path: Path) -> None:
    short, long = write_wav(tmp_path / "short.wav", 4000), write_wav(tmp_path / "long.wav", 16000)
    out = tmp_path / "out.sic"
    with stopped("encode", short, out, *ENCODE_AND_STOP) as one, stopped("encode", long, out, *ENCODE_AND_STOP) as two:
        assert end_of(one).returncode == 0
        assert_refused(end_of(two), "out.sic", "was created meanwhile")
    assert is_whole(out) and read_sic(out).header.n_samples == 4000
    assert names_in(tmp_path) == ["long.wav", "out.sic", "short.wav"]


def test_of_two_writers_with_force_the_last_stays_whole(tmp_path: Path) -> None:
    short, long = write_wav(tmp_path / "short.wav", 4000), write_wav(tmp_path / "long.wav", 16000)
    out = tmp_path / "out.sic"
    out.write_bytes(b"old")
    args = (out, "-f", *ENCODE_AND_STOP)
    with stopped("encode", short, *args) as one, stopped("encode", long, *args) as two:
        assert end_of(one).returncode == 0
        assert is_whole(out) and read_sic(out).header.n_samples == 4000
        assert end_of(two).returncode == 0
    assert is_whole(out) and read_sic(out).header.n_samples == 16000


def test_on_a_disk_without_hard_links_a_file_that_came_up_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def no_link(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_link)
    with pytest.raises(CliError, match="meanwhile"), files.open_output(str(out), force=False) as file:
        file.write(b"ours")
        out.write_bytes(b"theirs")
    assert out.read_bytes() == b"theirs" and names_in(tmp_path) == ["out"]


# Inputs


def test_an_input_that_is_removed_is_read_to_its_end(tmp_path: Path) -> None:
    wav, out = write_wav(tmp_path / "talk.wav", 60_000), tmp_path / "out.sic"
    expected = ok_encoded(wav, tmp_path / "expected.sic")
    with stopped("encode", wav, out, *ENCODE_AND_STOP) as process:
        wav.unlink()
        assert end_of(process).returncode == 0
    assert out.read_bytes() == expected


def test_an_input_that_is_replaced_is_read_to_its_end(tmp_path: Path) -> None:
    wav, out = write_wav(tmp_path / "talk.wav", 60_000), tmp_path / "out.sic"
    expected = ok_encoded(wav, tmp_path / "expected.sic")
    with stopped("encode", wav, out, *ENCODE_AND_STOP) as process:
        os.replace(write_wav(tmp_path / "other.wav", 500), wav)
        assert end_of(process).returncode == 0
    assert out.read_bytes() == expected


def ok_encoded(wav: Path, out: Path) -> bytes:
    assert sic_process("encode", wav, out, fake=True).returncode == 0
    return out.read_bytes()


@pytest.mark.parametrize("extension", ["wav", "flac"])
@pytest.mark.parametrize("change", ["cut", "grow", "write"])
def test_an_input_that_changes_is_refused(change: str, extension: str, tmp_path: Path) -> None:
    samples, rate = soundfile.read(write_wav(tmp_path / "talk.wav", 60_000))
    path, out = tmp_path / f"in.{extension}", tmp_path / "out.sic"
    soundfile.write(path, samples, rate)
    with stopped("encode", path, out, *ENCODE_AND_STOP) as process:
        if change == "cut":
            os.truncate(path, path.stat().st_size // 2)
        else:
            with open(path, "ab" if change == "grow" else "r+b") as file:
                file.seek(0, os.SEEK_END if change == "grow" else os.SEEK_SET)
                file.write(bytes(100))
        assert_refused(end_of(process), path.name, "was changed while it was read")
    assert names_in(tmp_path) == [path.name, "talk.wav"]


# Outputs and their folders


def test_an_output_whose_folder_is_removed(tmp_path: Path) -> None:
    wav, folder = write_wav(tmp_path / "talk.wav"), tmp_path / "folder"
    folder.mkdir()
    with stopped("encode", wav, folder / "out.sic", *ENCODE_AND_STOP) as process:
        shutil.rmtree(folder)
        assert_refused(end_of(process), "out.sic", "its folder was removed meanwhile")
    assert names_in(tmp_path) == ["talk.wav"]


def test_a_replaced_output_whose_folder_is_removed(tmp_path: Path) -> None:
    wav, folder = write_wav(tmp_path / "talk.wav"), tmp_path / "folder"
    folder.mkdir()
    (folder / "out.sic").write_bytes(b"old")
    with stopped("encode", wav, folder / "out.sic", "-f", *ENCODE_AND_STOP) as process:
        shutil.rmtree(folder)
        assert_refused(end_of(process), "out.sic", "its folder was removed meanwhile")


def test_a_folder_of_stems_that_is_removed(tmp_path: Path) -> None:
    path, out = write_sic(tmp_path / "talk.sic"), tmp_path / "stems"
    out.mkdir()
    with stopped("stems", path, out, *DECODE_AND_STOP) as process:
        shutil.rmtree(out)
        assert_refused(end_of(process), "stems", "removed meanwhile")
    assert names_in(tmp_path) == ["talk.sic"]


def test_other_names_of_a_replaced_file_keep_the_old_content(tmp_path: Path) -> None:
    path, out, other = write_sic(tmp_path / "talk.sic"), tmp_path / "out.sic", tmp_path / "other"
    out.write_bytes(b"old")
    os.link(out, other)
    ok("transform", path, out, "--gain", "0", "-f")
    assert out.read_bytes() == path.read_bytes() and other.read_bytes() == b"old"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_what_replaces_a_file_is_never_open_to_more_than_it_was(mode: int, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_bytes(b"old")
    out.chmod(mode)
    with files.open_output(str(out), force=True) as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) & ~mode == 0
        file.write(b"new")
    assert stat.S_IMODE(out.stat().st_mode) == mode and out.read_bytes() == b"new"


def test_a_link_to_nowhere_that_is_written_through(tmp_path: Path) -> None:
    path, link = write_sic(tmp_path / "talk.sic"), tmp_path / "link.sic"
    link.symlink_to("target.sic")
    ok("transform", path, link, "--gain", "0")
    assert link.is_symlink() and (tmp_path / "target.sic").read_bytes() == path.read_bytes()


def test_an_interrupt_while_a_file_or_folder_is_being_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_file, make_folder = os.open, Path.mkdir

    def interrupted(made: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "open", lambda *args: interrupted(os.close(make_file(*args))))
    with pytest.raises(KeyboardInterrupt), files.open_output(str(tmp_path / "out"), force=False):
        pass
    monkeypatch.undo()
    monkeypatch.setattr(Path, "mkdir", lambda self: interrupted(make_folder(self)))
    with (
        pytest.raises(KeyboardInterrupt),
        open_output_folder(str(tmp_path / "stems"), force=False, earlier=lambda _: set()),
    ):
        pass
    assert names_in(tmp_path) == []


# Names


@pytest.mark.parametrize(
    "name", ["two\nlines", "\x1b[31mred", "-dash", "x" * 251, "é" * 125], ids=lambda name: repr(name[:8])
)
def test_names_of_every_kind(name: str, tmp_path: Path) -> None:
    check_names(name, tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have names in UTF-8 alone")
@pytest.mark.parametrize("name", [b"\xff\xfe", b"\xe9t\xe9", b"\x80" * 251], ids=lambda name: repr(name[:4]))
def test_names_that_are_not_utf_8(name: bytes, tmp_path: Path) -> None:
    check_names(os.fsdecode(name), tmp_path)


def check_names(name: str, folder: Path) -> None:
    """There and back in a process, whose messages stay on their lines; a name has 255 bytes at most."""
    wav = write_wav(folder / "talk.wav")
    path = folder / f"{name}.wav"
    os.rename(wav, path)
    for command, source, options in (("encode", path, []), ("decode", path.with_suffix(".sic"), ["-f"])):
        done = sic_process(command, source, *options, fake=True)
        assert (done.returncode, done.stderr.count(b"\n")) == (0, command == "encode"), done.stderr
        assert done.stderr.decode().strip().isprintable()
    assert names_in(folder) == sorted([f"{name}.sic", f"{name}.wav"])
    assert soundfile.info(os.fsencode(path)).frames == 8000


def test_a_name_that_is_one_byte_too_long(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "talk.sic")
    assert_refused(sic("transform", path, tmp_path / ("x" * 252 + ".sic"), "--gain", "1"), "this name is too long")
    assert names_in(tmp_path) == ["talk.sic"]


# A run of training


def test_a_log_whose_last_line_broke_off_can_be_gone_on_with(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for step in (1, 2):
        run.append_log({"step": step})
    with open(tmp_path / "log.jsonl", "ab") as file:
        file.write(b'{"step": 3, "lo')  # as a full disk or kill -9 leaves it
    run.cut_log(2)
    run.append_log({"step": 3})
    assert (tmp_path / "log.jsonl").read_text() == '{"step": 1}\n{"step": 2}\n{"step": 3}\n'


# The table


DOC = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


def rows_of(part: str) -> list[list[str]]:
    """The cells of each row of the tables in a part of the page, without their heads."""
    lines = [
        line.strip("| ")
        for line in re.sub(r"^\|.+\n\|---.+\n", "", part, flags=re.MULTILINE).splitlines()
        if line[:1] == "|"
    ]
    return [line.split(" | ") for line in lines]


def test_every_row_of_the_table_names_tests_that_exist() -> None:
    rows = rows_of(DOC.partition("## Dependencies")[0])
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(rows) > 30
    for row in rows:
        names = re.findall(r"`(test_\w+)`", row[-1])
        assert names, row
        for name in names:
            assert f"def {name}(" in code, name


def test_the_table_of_dependencies_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: extra for name, extra in project["optional-dependencies"].items() if name != "test"}
    wanted = {
        re.match(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", r).groups() for r in sum(extras.values(), project["dependencies"])
    }
    assert {tuple(row[:2]) for row in rows_of(DOC.partition("## Dependencies")[2])} == wanted
