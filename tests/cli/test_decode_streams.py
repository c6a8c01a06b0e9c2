"""`sic decode` of a file that is still coming, and of one that is long."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from long_tables import repeated

import sparsecodec_cli as sic
from sparsecodec_formats import container, dumps, loads

CLIP = loads((Path(__file__).parents[1] / "data" / "only-person-en.sic").read_bytes())
SIC = [sys.executable, "-m", "sparsecodec_cli"]


def test_the_first_samples_of_a_pipe_come_before_its_end(tmp_path: Path) -> None:
    data = dumps(repeated(CLIP, 12))
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
    is_same = first + rest == whole.stdout  # no list of the differences
    assert is_same


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
