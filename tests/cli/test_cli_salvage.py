"""`sic decode --salvage`, and what points to it."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
from cli_support import assert_refused, make_table, names_in, ok, sic, write_sic
from hostile import pieces

from sparsecodec_formats import container

pytestmark = pytest.mark.usefixtures("fake")


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """30 s in three blocks, of which the second is damaged."""
    path = write_sic(tmp_path / "talk.sic", make_table(60, seconds=30.0))
    head, *blocks, end = pieces(path.read_bytes())
    assert len(blocks) == 3
    blocks[1] = blocks[1][:30] + bytes([blocks[1][30] ^ 1]) + blocks[1][31:]
    path.write_bytes(b"".join([head, *blocks, end]))
    return path


def test_what_is_whole_is_rendered_and_what_is_missing_is_told(damaged: Path, tmp_path: Path) -> None:
    result = sic("decode", damaged, tmp_path / "out.wav", "--salvage", "-q")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"sic: {damaged}: ") and " events are missing from channel 0, between 10." in line
    assert soundfile.info(tmp_path / "out.wav").frames == 30 * 8000


def test_from_a_pipe_to_a_pipe(damaged: Path) -> None:
    result = sic("decode", "-", "-", "--salvage", stdin=damaged.read_bytes())
    assert result.exit_code == 1 and result.stderr.startswith("sic: stdin: ")
    assert len(result.stdout_bytes) == 44 + 2 * 30 * 8000


def test_a_sound_file_is_decoded_as_without(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "talk.sic")
    assert ok("decode", path, "-", "--salvage") == ok("decode", path, "-")


@pytest.mark.parametrize("command", [["decode"], ["inspect"], ["transform", "--gain", "1"]], ids=lambda args: args[0])
def test_a_damaged_file_is_refused_with_the_way_out(command: list[str], damaged: Path, tmp_path: Path) -> None:
    out = [] if command == ["inspect"] else [tmp_path / f"out{'.wav' if command == ['decode'] else '.sic'}"]
    assert_refused(sic(command[0], damaged, *out, *command[1:]), "talk.sic: block 2", "'sic decode --salvage'")
    assert names_in(tmp_path) == ["talk.sic"]


def test_test_tells_how_much_can_be_salvaged(damaged: Path) -> None:
    n_events = len(container.salvage(damaged.open("rb")).table)
    result = sic("test", damaged)
    assert result.exit_code == 1 and 0 < n_events < 60
    assert result.stdout.endswith(f"; 'sic decode --salvage' renders {n_events} events of it\n")


@pytest.mark.parametrize("keep", [0, 3, 12])
def test_without_a_header_nothing_is_salvaged(keep: int, damaged: Path, tmp_path: Path) -> None:
    damaged.write_bytes(damaged.read_bytes()[:keep])
    assert_refused(sic("decode", damaged, tmp_path / "out.wav", "--salvage"), "talk.sic: ")
    assert names_in(tmp_path) == ["talk.sic"]
    assert "salvage" not in sic("test", damaged).stdout


def test_without_a_whole_block_nothing_is_written(damaged: Path, tmp_path: Path) -> None:
    header_bytes = container.Reader(damaged.open("rb")).header_bytes
    damaged.write_bytes(damaged.read_bytes()[: header_bytes + 40])
    assert_refused(sic("decode", damaged, tmp_path / "out.wav", "--salvage"), "no block of it is whole", "cut short")
    assert names_in(tmp_path) == ["talk.sic"]
