"""/dev/stdout, /dev/fd/N, what a shell makes of '>(...)', and named pipes, as OUT of every command that writes."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest
import soundfile
from cli_support import ENV, assert_refused, command_line, make_table, names_in, ok, sic, write_sic, write_wav

from sparsecodec_cli.errors import CliError
from sparsecodec_cli.io import files
from sparsecodec_cli.report.write import PageFacts

pytestmark = pytest.mark.usefixtures("fake")

COMMANDS: dict[str, tuple[list[str], Callable[[bytes], object]]] = {
    "encode": ([], lambda data: data.startswith(b"\x89SIC")),
    "decode": ([], lambda data: soundfile.info(io.BytesIO(data)).frames == 16000),
    "decode flac": (["--format", "flac"], lambda data: soundfile.info(io.BytesIO(data)).format == "FLAC"),
    "decode part": (["--start", "1", "--bits", "24"], lambda data: soundfile.info(io.BytesIO(data)).frames == 8000),
    "transform": (["--gain", "1"], lambda data: data.startswith(b"\x89SIC")),
    "randomize": (["--times"], lambda data: data.startswith(b"\x89SIC")),
    "export": ([], lambda data: data.startswith(b"MThd")),
}


def input_for(name: str, folder: Path) -> Path:
    return write_wav(folder / "talk.wav") if name == "encode" else write_sic(folder / "talk.sic")


@contextmanager
def a_pipe() -> Iterator[tuple[str, list[bytes]]]:
    """The path of a pipe's writing end, and a list that gets all that was written, once the block has ended."""
    read_end, write_end = os.pipe()
    received: list[bytes] = []

    def receive() -> None:
        with open(read_end, "rb") as file:
            received.append(file.read())

    reader = threading.Thread(target=receive)
    reader.start()
    try:
        yield f"/dev/fd/{write_end}", received
    finally:
        os.close(write_end)
        reader.join()


@pytest.mark.parametrize("name", COMMANDS)
def test_descriptors_of_pipes(name: str, tmp_path: Path) -> None:
    args, is_right = COMMANDS[name]
    source = input_for(name, tmp_path)
    before = names_in(tmp_path)
    with a_pipe() as (path, received):
        ok(name.split()[0], source, path, *args)
    assert is_right(received[0]) and names_in(tmp_path) == before


@pytest.mark.parametrize("name", COMMANDS)
def test_named_pipes(name: str, tmp_path: Path) -> None:
    args, is_right = COMMANDS[name]
    source, pipe = input_for(name, tmp_path), tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    ok(name.split()[0], source, pipe, *args)
    reader.join()
    assert is_right(received[0]) and pipe.is_fifo() and len(names_in(tmp_path)) == 2


@pytest.mark.parametrize("name", COMMANDS)
def test_a_descriptor_gives_what_a_file_gets(name: str, tmp_path: Path) -> None:
    args, _ = COMMANDS[name]
    command, source = name.split()[0], input_for(name, tmp_path)
    expected = ok(command, source, "-", *args)
    with a_pipe() as (path, received):
        ok(command, source, path, *args)
    assert received == [expected]


def test_a_picture_goes_to_pipes_as_png(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "talk.sic", make_table(5))
    with a_pipe() as (pipe, received):
        ok("inspect", path, "--plot", pipe)
    assert received[0].startswith(b"\x89PNG") and names_in(tmp_path) == ["talk.sic"]
    assert ok("inspect", path, "--plot", "-") == received[0]


def test_a_page_goes_to_pipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_page(file: BinaryIO, *args: object) -> PageFacts:
        file.write(b"<!doctype html>")
        return PageFacts(0, 0, 15)

    monkeypatch.setattr("sparsecodec_cli.report.write.write_page", write_page)
    with a_pipe() as (pipe, received):
        ok("report", write_sic(tmp_path / "talk.sic"), pipe)
    assert received == [b"<!doctype html>"] and names_in(tmp_path) == ["talk.sic"]


def test_a_link_to_a_descriptor_stays_one(tmp_path: Path) -> None:
    path, link = write_sic(tmp_path / "talk.sic"), tmp_path / "out.sic"
    with a_pipe() as (pipe, received):
        link.symlink_to(pipe)
        ok("transform", path, link, "--gain", "0")
    assert received == [path.read_bytes()] and os.readlink(link) == pipe


@pytest.mark.parametrize("command", ["encode", "decode", "transform"])
def test_what_a_shell_appends_to_keeps_what_it_has(command: str, tmp_path: Path) -> None:
    source, log = input_for(command, tmp_path), tmp_path / "log"
    args = COMMANDS[command][0]
    with open(log, "ab") as file:
        file.write(b"before")
        file.flush()
        ok(command, source, f"/dev/fd/{file.fileno()}", *args)
        file.write(b"after")
    assert log.read_bytes() == b"before" + ok(command, source, "-", *args) + b"after"


def test_sockets(tmp_path: Path) -> None:
    source = write_sic(tmp_path / "talk.sic", make_table(5))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ok("transform", source, f"/dev/fd/{theirs.fileno()}", "--gain", "0")
        assert ours.recv(1 << 20) == source.read_bytes()


def test_a_descriptor_that_is_not_open_and_one_that_is_read(tmp_path: Path) -> None:
    source = write_sic(tmp_path / "talk.sic")
    assert_refused(sic("transform", source, "/dev/fd/999999", "--gain", "1"), "/dev/fd/999999: is not open")
    with open(source, "rb") as file:
        result = sic("transform", source, f"/dev/fd/{file.fileno()}", "--gain", "1")
    assert_refused(result, "is not open, or not for this", "redirected")


def test_a_terminal_by_its_descriptor_is_refused(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    with open(ours, "rb"), open(theirs, "wb") as terminal:
        result = sic("transform", write_sic(tmp_path / "talk.sic"), f"/dev/fd/{terminal.fileno()}", "--gain", "1")
    assert_refused(result, "is a terminal")


def test_without_out_an_input_that_is_a_descriptor_gives_stdout(tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "talk.wav")
    with open(wav, "rb") as file:
        assert ok("encode", f"/dev/fd/{file.fileno()}") == ok("encode", wav, "-")
    assert files.default_output("/dev/stdin", ".sic") == "-"


@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "//dev/../dev/stdout"])
def test_names_of_stdout(path: str) -> None:
    assert files.is_stream(path)
    assert not files.is_stream("/dev/fd") and not files.is_stream("/dev/stdout.wav")


def test_links_in_a_circle_name_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert not files.is_stream(str(tmp_path / "a"))
    with pytest.raises(CliError, match="circle"), files.open_output(str(tmp_path / "a"), force=False):
        pass


def test_in_a_shell(tmp_path: Path) -> None:
    """/dev/stdout on a pipe and on a file, and '>(...)'."""
    path = write_sic(tmp_path / "talk.sic")
    decode = " ".join(command_line("decode", path, "OUT", "-q", fake=True))
    script = f"""
        {decode.replace("OUT", "/dev/stdout")} | cat > a.wav
        {decode.replace("OUT", "/dev/stdout")} > b.wav
        {decode.replace("OUT", ">(cat >&2)")}
    """
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script], cwd=tmp_path, env=ENV, capture_output=True, timeout=120
    )
    expected = ok("decode", path, "-")
    assert (done.returncode, done.stderr) == (0, expected)
    assert [(tmp_path / name).read_bytes() == expected for name in ("a.wav", "b.wav")] == [True, True]
    assert names_in(tmp_path) == ["a.wav", "b.wav", "talk.sic"]
