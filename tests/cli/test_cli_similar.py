"""`sic similar`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from cli_support import ROOT, assert_refused, make_table, ok, sic, write_sic

import sparsecodec_cli
from sparsecodec_cli import api
from sparsecodec_formats import EventTable, SicError
from sparsecodec_formats.errors import UnknownEvent

SENTENCE = ROOT / "tests" / "data" / "only-person-en.sic"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two files; event 3 of the second is event 5 of the first, 6 dB louder."""
    table, other = make_table(20), make_table(12)
    vector = other.vector.copy()
    vector[3] = table.vector[5]
    vector[3, 0] += 4  # of 1.5 dB
    begins = np.zeros((len(table), 32), np.float32)
    begins[:, 6] = 1  # each by itself, so that lengths do not depend on gaps
    tables = [
        table.replace(vector=np.where(begins, 1, table.vector)),
        other.replace(vector=np.where(begins[: len(other)], 1, vector)),
    ]
    return [write_sic(tmp_path / f"{name}.sic", made) for name, made in zip("ab", tables, strict=True)]


def test_the_nearest_of_several_files(files: list[Path]) -> None:
    said = json.loads(ok("similar", *files, "--to", "5", "--json"))
    assert said["to"]["file"] == str(files[0]) and said["to"]["event"] == 5 and said["to"]["distance"] == 0
    assert len(said["similar"]) == 10
    first = said["similar"][0]
    assert (first["file"], first["event"]) == (str(files[1]), 3)
    assert first["distance"] == pytest.approx(1, abs=1e-3)
    assert first["level_db"] == pytest.approx(said["to"]["level_db"] + 6)
    by_distance = [one["distance"] for one in said["similar"]]
    assert by_distance == sorted(by_distance)
    assert all((one["file"], one["event"]) != (str(files[0]), 5) for one in said["similar"])


def test_the_text_says_the_same(files: list[Path]) -> None:
    lines = ok("similar", *files, "--to", "5", "--top", "2").decode().splitlines()
    said = json.loads(ok("similar", *files, "--to", "5", "--top", "2", "--json"))
    assert len(lines) == 4 and lines[0].split()[:2] == ["event", "distance"]
    for line, one in zip(lines[1:], [said["to"], *said["similar"]], strict=True):
        assert line.split()[:2] == [str(one["event"]), f"{one['distance']:.2f}"]
        assert line.endswith(one["file"])


def test_segments(tmp_path: Path) -> None:
    said = json.loads(ok("similar", SENTENCE, "--to", "0", "--by", "segment", "--json"))
    found = [one["segment"] for one in said["similar"]]
    assert 0 not in found and len(set(found)) == len(found)
    assert said["to"]["start_s"] < said["to"]["end_s"]
    assert len(found) == 10
    everything = json.loads(ok("similar", SENTENCE, SENTENCE, "--to", "0", "--by", "segment", "--top", "99", "--json"))
    assert everything["similar"][0]["distance"] == pytest.approx(0, abs=1e-5)  # itself in the second IN
    assert len(everything["similar"]) == 2 * len(api.segments_of(SENTENCE)) - 1


def test_python_takes_one_table_or_several() -> None:
    table = make_table(20)
    asked, found = sparsecodec_cli.similar(table, 5, top=3)
    assert (asked.index, asked.distance, len(found)) == (5, 0.0, 3)
    assert api.similar([table], 5, top=3) == (asked, found)
    assert api.similar(SENTENCE, 0)[0].index == 0
    with pytest.raises(UnknownEvent, match="0 to 19"):
        api.similar(table, 20)


def test_refusals(files: list[Path], tmp_path: Path) -> None:
    assert_refused(sic("similar", *files, "--to", "20"), "a.sic", "no event 20", "0 to 19")
    assert_refused(sic("similar", SENTENCE, "--to", "99", "--by", "segment"), "no segment 99", "sic inspect --segments")
    other = write_sic(tmp_path / "other.sic", make_table(5, model="music"))
    assert_refused(sic("similar", files[0], other, "--to", "1"), "other.sic", "music", "speech")
    weights = [
        write_sic(tmp_path / f"{name.decode()}.sic", make_table(weights_hash=name)) for name in (b"some", b"else")
    ]
    assert_refused(sic("similar", *weights, "--to", "1"), "else.sic", "weights")
    reference = write_sic(tmp_path / "reference.sic", make_table(5, model="reference"))
    assert_refused(sic("similar", reference, "--to", "1", "--by", "segment"), "reference.sic", "has no segments")
    assert ok("similar", reference, "--to", "1")
    none = write_sic(tmp_path / "none.sic", EventTable.empty(replace(make_table().header)))
    assert_refused(sic("similar", none, "--to", "0"), "none.sic", "there is none")
    assert_refused(sic("similar", files[0]), "--to", exit_code=2)
    assert_refused(sic("similar", "--to", "1"), "IN", exit_code=2)
    with pytest.raises(SicError):
        api.similar([], 0)


def test_what_has_no_pitch_is_another_kind_of_sound() -> None:
    table = sparsecodec_cli.read(SENTENCE)
    voiced = sparsecodec_cli.selected(table, "voiced")
    asked, found = sparsecodec_cli.similar(table, int(np.flatnonzero(voiced)[20]), top=len(table))
    assert np.isfinite(asked.f0_hz) and len(found) == len(table) - 1
    assert all(np.isfinite(one.f0_hz) == voiced[one.index] for one in found)
    assert all(one.distance >= 8 for one in found if not voiced[one.index])
    said = json.loads(ok("similar", SENTENCE, "--to", str(np.flatnonzero(~voiced)[0]), "--json"))
    assert said["to"]["f0_hz"] is None
    drums = sparsecodec_cli.read(ROOT / "models" / "golden" / "music" / "drums.sic")
    assert np.isnan(sparsecodec_cli.similar(drums, 0)[0].f0_hz)


def test_the_pitch_that_noise_is_given_does_not_count() -> None:
    table = sparsecodec_cli.read(SENTENCE)
    i = int(np.flatnonzero(~sparsecodec_cli.selected(table, "voiced"))[5])
    vector = table.vector.copy()
    vector[i, 3] += 20
    assert sparsecodec_cli.similar([table, table.replace(vector=vector)], i, top=1)[1][0].distance == pytest.approx(0)


def test_what_is_neither_event_nor_segment_is_refused() -> None:
    table, by = sparsecodec_cli.read(SENTENCE), cast(Any, "voice")
    with pytest.raises(SicError, match="by is 'voice'"):
        sparsecodec_cli.similar(table, 0, by=by)
    with pytest.raises(SicError, match="by is 'voice'"):
        sparsecodec_cli.render_stems(table, by=by)
