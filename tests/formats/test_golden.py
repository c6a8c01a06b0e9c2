"""The golden files, and the worked example of docs/format.md, which every reader must agree on."""

from __future__ import annotations

import io
import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import zstandard

from sparsecodec_formats import FormatError, Reader, dumps, loads, verify
from sparsecodec_formats.steps import step_of_code

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "formats" / "golden"
MAKER: dict[str, Any] = runpy.run_path(str(GOLDEN / "make_golden.py"))
NAMES = sorted(path.stem for path in GOLDEN.glob("*.sic"))
DOC = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")


def test_every_golden_file_has_its_table_and_its_maker() -> None:
    assert NAMES == sorted(path.stem for path in GOLDEN.glob("*.json")) == sorted(MAKER["files"]())


@pytest.mark.parametrize("name", NAMES)
def test_golden_file_gives_exactly_its_table(name: str) -> None:
    data = (GOLDEN / f"{name}.sic").read_bytes()
    assert verify(io.BytesIO(data)) == []
    table = loads(data)
    assert MAKER["as_json"](table) == json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_golden_file_is_what_is_written_today(name: str) -> None:
    data = (GOLDEN / f"{name}.sic").read_bytes()
    assert unzipped(MAKER["files"]()[name]) == unzipped(data)
    if not Reader(io.BytesIO(data)).length_at_end:  # which is lost when the length is known
        assert unzipped(dumps(loads(data))) == unzipped(data)


def test_golden_files_hold_blocks_of_both_codecs() -> None:
    codecs = {}
    for name in NAMES:
        reader = Reader(io.BytesIO((GOLDEN / f"{name}.sic").read_bytes()))
        codecs[name] = {raw.head.codec for raw in reader.raw_blocks()}
    assert [name for name in NAMES if codecs[name] == {0}] == ["example", "steps", "stereo", "tags"]
    coded = ["coded", "coded-edges", "coded-music", "coded-stereo", "gains", "live", "shared", "streams"]
    assert [name for name in NAMES if codecs[name] == {1}] == coded


@pytest.mark.parametrize("name", NAMES)
def test_every_flipped_bit_is_noticed(name: str) -> None:
    data = (GOLDEN / f"{name}.sic").read_bytes()
    for at in range(len(data)):
        for bit in range(8):
            with pytest.raises(FormatError):
                loads(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])


def unzipped(data: bytes) -> tuple[bytes, list[object]]:
    """All that must not change in a file; how well zstd packs may change with its version."""
    reader = Reader(io.BytesIO(data))
    blocks: list[object] = []
    for raw in reader.raw_blocks():
        head = raw.head
        data_of = zstandard.ZstdDecompressor().decompress(raw.payload) if head.codec == 0 else raw.payload
        blocks.append((head.codec, head.channel, head.n_events, head.first_index, head.first_time, data_of))
    return data[: reader.header_bytes], blocks


def test_the_documents_example_is_the_golden_one() -> None:
    section = DOC.split("## Example", 1)[1]
    listing = section.split("```", 2)[1]
    rows = re.findall(r"^((?:[0-9a-f]{2} )+) +\S", listing, re.M)
    assert bytes.fromhex("".join(rows)) == (GOLDEN / "example.sic").read_bytes()
    assert loads((GOLDEN / "example.sic").read_bytes()) == loads(dumps(MAKER["tables"]()["example"]))


def test_the_documents_steps_are_the_codes() -> None:
    for code in range(128, 136):
        assert f"`{step_of_code(code)}`" in DOC
