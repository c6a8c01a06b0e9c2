"""Files of a later minor version of the format: read, with one line that says so."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from cli_support import ok, read_sic, sic, write_sic

from sparsecodec_formats.container.header_bytes import MAGIC, VERSION, pack_header

SAYS = "it is of version 1.1 of the format; this version of the library reads 1.0 and passes over what is new"


@pytest.fixture
def later(tmp_path: Path) -> Path:
    path = write_sic(tmp_path / "talk.sic")
    head = pack_header(read_sic(path).header)
    rest = path.read_bytes()[len(head) : -4]
    head = MAGIC + bytes([VERSION + 1]) + head[len(MAGIC) + 1 : -2]
    head += zlib.crc32(head).to_bytes(4, "little")[:2]
    path.write_bytes(head + rest + zlib.crc32(head + rest).to_bytes(4, "little"))
    return path


@pytest.mark.parametrize(
    "args", [["inspect"], ["inspect", "--json"], ["test"], ["transform", "out.sic", "--gain", "1"]]
)
@pytest.mark.parametrize("quiet", [False, True])
def test_one_line_says_so_unless_quiet(quiet: bool, args: list[str], later: Path, tmp_path: Path) -> None:
    command, *rest = [str(tmp_path / arg) if arg == "out.sic" else arg for arg in args]
    result = sic(command, later, *rest, *["-q"] * quiet)
    assert result.exit_code == 0
    assert result.stderr.count(f"sic: warning: {later}: {SAYS}\n") == (not quiet)
    if not quiet:
        assert result.stderr.count("\n") == 1 + (command == "transform")


def test_what_is_written_is_of_this_version(later: Path, tmp_path: Path) -> None:
    ok("transform", later, tmp_path / "out.sic", "--gain", "0")
    assert (tmp_path / "out.sic").read_bytes()[: len(MAGIC) + 1] == MAGIC + bytes([VERSION])
    assert sic("inspect", tmp_path / "out.sic").stderr == ""
