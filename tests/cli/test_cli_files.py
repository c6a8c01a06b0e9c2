"""Outputs that appear whole or not at all, and the audio that goes through them."""

from __future__ import annotations

import io
import os
import stat
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from cli_support import names_in, sic, write_sic, write_wav
from hypothesis import given
from hypothesis import strategies as st

from sparsecodec_cli.errors import CliError, one_line
from sparsecodec_cli.io import audio, audio_writing, files


def test_nothing_is_left_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), files.open_output(str(tmp_path / "out"), force=False) as file:
        file.write(b"half of it")
        assert len(names_in(tmp_path)) == 1
        raise ZeroDivisionError
    assert names_in(tmp_path) == []


def test_a_file_that_came_up_meanwhile_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(CliError, match="meanwhile"), files.open_output(str(out), force=False) as file:
        file.write(b"ours")
        out.write_bytes(b"theirs")
    assert out.read_bytes() == b"theirs" and names_in(tmp_path) == ["out"]


def test_new_files_get_the_usual_mode_and_old_ones_keep_theirs(tmp_path: Path) -> None:
    out = tmp_path / "out"
    old = os.umask(0o027)
    try:
        with files.open_output(str(out), force=False) as file:
            file.write(b"1")
        assert stat.S_IMODE(out.stat().st_mode) == 0o640
    finally:
        os.umask(old)
    out.chmod(0o604)
    with files.open_output(str(out), force=True) as file:
        file.write(b"2")
    assert stat.S_IMODE(out.stat().st_mode) == 0o604 and out.read_bytes() == b"2"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    for force, content in ((False, b"1"), (True, b"2")):
        with files.open_output(str(link), force=force) as file:
            file.write(content)
        assert link.is_symlink() and target.read_bytes() == content


def test_a_disk_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with files.open_output(str(tmp_path / "out"), force=False) as file:
        file.write(b"1")
    assert names_in(tmp_path) == ["out"]


def test_devices_are_written_not_replaced(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "talk.sic")
    assert sic("transform", path, "/dev/null", "--gain", "1").exit_code == 0
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_named_pipes_are_written_and_read(tmp_path: Path) -> None:
    path, pipe = write_sic(tmp_path / "talk.sic"), tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(path.read_bytes()))
    writer.start()
    assert sic("test", pipe).stdout == f"{pipe}: ok\n"
    writer.join()
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    assert sic("transform", path, pipe, "--gain", "0").exit_code == 0
    reader.join()
    assert received == [path.read_bytes()]


@pytest.mark.parametrize(
    "path, expected", [("a/b.wav", "a/b.sic"), ("a.b/c", "a.b/c.sic"), ("x.y.flac", "x.y.sic"), ("-", "-")]
)
def test_default_output(path: str, expected: str) -> None:
    assert files.default_output(path, ".sic") == expected


@given(st.integers(1, 3), st.lists(st.integers(1, 9), max_size=4), st.booleans(), st.booleans())
def test_wav_is_what_soundfile_would_read(channels: int, lengths: list[int], known: bool, to_file: bool) -> None:
    n = sum(lengths)
    samples = np.random.default_rng(n).integers(-32768, 32768, (n, channels)).astype(np.int16)
    blocks = np.split((samples / 32768).astype(np.float32), np.cumsum(lengths[:-1]).astype(int)) if n else []
    file = io.BytesIO()
    n_clipped = audio_writing.write_audio(
        file,
        "x.wav" if to_file else "-",
        blocks,
        audio_format=audio_writing.WAV,
        sample_rate=8000,
        channels=channels,
        n_samples=n if known else None,
    )
    assert n_clipped == 0
    read, rate = soundfile.read(io.BytesIO(file.getvalue()), dtype="int16", always_2d=True)
    np.testing.assert_array_equal(read, samples)
    n_header = 44 if channels < 3 else 68
    assert rate == 8000 and len(file.getvalue()) == n_header + 2 * samples.size


def test_a_source_reads_all_in_any_pieces(tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "talk.wav", 1000, channels=2)
    whole, _ = soundfile.read(wav, dtype="float32")
    with open(wav, "rb") as file:
        source = audio.SoundFileSource(file, str(wav))
        assert (source.sample_rate, source.channels, source.n_samples) == (8000, 2, 1000)
        blocks = [source.read(n) for n in (1, 0, 300, 5000, 10)]
    assert [len(block) for block in blocks] == [1, 0, 300, 699, 0]
    np.testing.assert_array_equal(np.concatenate(blocks), whole)


def test_errors_while_libsndfile_reads_come_through() -> None:
    class Failing(io.BytesIO):
        def readinto(self, buffer: object) -> int:
            raise OSError(5, "Input/output error")

    with pytest.raises(CliError, match=r"talk\.wav: the disk failed"):
        audio.SoundFileSource(Failing(b"RIFF" + bytes(100)), "talk.wav")


@given(st.text())
def test_one_line_is_one_line_and_printable(text: str) -> None:
    assert one_line(text).isprintable()
    assert len(one_line(text).splitlines()) <= 1
