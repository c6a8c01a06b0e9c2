"""`sic decode` of a file that is still coming, and of one that is long."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from long_tables import repeated

import sparsecodec_cli as sic
from sparsecodec_formats import EventTable, container, dumps, loads

CLIP = loads((Path(__file__).parents[1] / "data" / "only-person-en.sic").read_bytes())
SIC = [sys.executable, "-m", "sparsecodec_cli"]


def live(table: EventTable) -> bytes:
    """A file that tells its length at its end, in blocks of up to 10 s."""
    buffer = io.BytesIO()
    with container.Writer(buffer, table.header, length_at_end=True) as writer:
        writer.write(table)
    return buffer.getvalue()


@pytest.mark.parametrize("length", ["at the start", "at the end"])
def test_the_first_samples_of_a_pipe_come_before_its_end(length: str, tmp_path: Path) -> None:
    table = repeated(CLIP, 12)
    data = live(table) if length == "at the end" else dumps(table)
    (tmp_path / "talk.sic").write_bytes(data)
    whole = subprocess.run([*SIC, "decode", tmp_path / "talk.sic", "-"], capture_output=True, check=True, timeout=120)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
    process = subprocess.Popen([*SIC, "decode", "-", "-"], **pipes)  # type: ignore[call-overload]
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(data[: len(data) // 3])  # the first 10 s of 38
    first = b""
    while len(first) < 100_000:  # stdin is still open: this would wait for ever
        first += process.stdout.read(100_000)
    rest, _ = process.communicate(data[len(data) // 3 :], timeout=120)
    assert process.returncode == 0
    head = len(whole.stdout) - len(sound_bytes(whole.stdout))
    is_same = (first + rest)[head:] == whole.stdout[head:]  # no list of the differences
    assert is_same
    no_size = b"\xff\xff\xff\xff"
    sizes = [no_size, no_size] if length == "at the end" else [whole.stdout[4:8], whole.stdout[head - 4 : head]]
    assert [first[4:8], first[head - 4 : head]] == sizes


def sound_bytes(wav: bytes) -> bytes:
    """The samples of a WAV file."""
    return wav[wav.index(b"data") + 8 :]


def test_a_pipe_that_tells_its_length_at_its_end_becomes_a_file_like_any_other(tmp_path: Path) -> None:
    table = repeated(CLIP, 6)
    data = live(table)
    (tmp_path / "talk.sic").write_bytes(data)
    for name, options in (("whole.wav", []), ("part.flac", ["--start", "11", "--end", "500", "--rate", "8000"])):
        subprocess.run([*SIC, "decode", "-", tmp_path / name, *options], input=data, check=True, timeout=120)
        out = tmp_path / f"file-{name}"
        subprocess.run([*SIC, "decode", tmp_path / "talk.sic", out, *options], check=True, timeout=120)
        assert (tmp_path / name).read_bytes() == out.read_bytes()
    late = [*SIC, "decode", "-", tmp_path / "late.wav", "--start", "1000"]
    refused = subprocess.run(late, input=data, capture_output=True, timeout=120)
    assert refused.returncode == 1
    assert refused.stderr.decode() == f"sic: stdin: lasts {table.duration_s:.3f} s; give an earlier --start\n"
    assert not (tmp_path / "late.wav").exists()


def test_more_events_than_a_table_may_hold_are_decoded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "talk.sic"
    path.write_bytes(dumps(repeated(CLIP, 12)))
    table = loads(path.read_bytes())
    expected, _ = sic.decode(table, start_s=20.0, end_s=21.0)
    monkeypatch.setattr(container.reader, "MAX_EVENTS", len(table) - 1)
    part, rate = sic.decode(path, start_s=20.0, end_s=21.0)
    assert rate == CLIP.header.sample_rate and len(part) == rate
    np.testing.assert_allclose(part, expected, atol=1e-6)
    assert sum(len(block) for block in sic.decode_blocks(path)) == table.header.n_samples
