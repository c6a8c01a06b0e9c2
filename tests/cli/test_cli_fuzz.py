"""Bytes from anywhere: one line and exit 1, never a traceback."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from cli_support import make_table, sic
from hostile import forge
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sparsecodec_formats import container

SOUND = container.dumps(make_table())
COMMANDS = [
    ["inspect", "-"],
    ["inspect", "-", "--json"],
    ["decode", "-"],
    ["transform", "-", "-", "--gain", "1"],
    ["mix", "-", "-"],
    ["similar", "-", "--to", "0"],
    ["export", "-", "-"],
]


pytestmark = pytest.mark.usefixtures("fake")


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A sound file cut short, with bytes changed, or with bytes put in."""
    data = bytearray(SOUND)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(["cut", "change", "insert"])):
            case "cut":
                del data[at:]
            case "change" if data:
                data[at] ^= draw(st.integers(1, 255))
            case _:
                data[at:at] = draw(st.binary(min_size=1, max_size=8))
    return bytes(data)


def assert_one_line_and_exit_1(data: bytes) -> None:
    for command in COMMANDS:
        result = sic(*command, stdin=data)
        assert result.exit_code == 1 and result.stdout_bytes == b""
        assert result.stderr.count("\n") == 1 and result.stderr.startswith("sic: stdin: "), result.stderr
    result = sic("test", "-", stdin=data)
    assert result.exit_code == 1 and result.stderr == ""
    assert result.stdout.count("\n") == 1 and result.stdout.startswith("stdin: ")
    assert not result.stdout.endswith(": ok\n")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda tail: SOUND[:5] + tail))
def test_random_bytes(data: bytes) -> None:
    assert_one_line_and_exit_1(data)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(damaged().filter(lambda data: data != SOUND))
def test_damaged_bytes(data: bytes) -> None:
    assert_one_line_and_exit_1(data)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda tail: b"RIFF\x00\x01\x00\x00WAVEfmt " + tail))
def test_random_bytes_as_audio(data: bytes) -> None:
    result = sic("encode", "-", stdin=data)
    if result.exit_code != 0:  # chance makes a sound WAV now and then
        assert result.exit_code == 1 and result.stdout_bytes == b""
        assert result.stderr.count("\n") == 1 and result.stderr.startswith("sic: stdin: "), result.stderr


GOLDEN = sorted((Path(__file__).parents[2] / "formats" / "golden").glob("*.sic"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_forged_files(path: Path) -> None:
    """All checks are right, and numbers are as they may be: what is legal is shown, however absurd."""
    made = forge(path.read_bytes(), np.random.default_rng(5))
    for kind, data in islice((one for one in made if one[0] != "forged bomb"), 8):  # crowds take long to draw
        for command in COMMANDS:
            if command[0] == "decode":
                continue  # which may be years of sound
            result = sic(*command, stdin=data)
            assert "internal error" not in result.stderr, (kind, command, result.stderr, data)
            assert result.exit_code in (0, 1) and result.stderr.count("\n") <= 1
            assert (result.exit_code == 0) or not result.stdout_bytes
