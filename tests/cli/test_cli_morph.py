"""`sic morph` and `sic replace`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli_support import ROOT, assert_refused, make_table, names_in, ok, read_sic, sic, write_sic

import sparsecodec_cli
from sparsecodec_cli import api
from sparsecodec_formats import EventTable, Segments, container, edit

SENTENCE = ROOT / "tests" / "data" / "only-person-en.sic"
NOTES = ROOT / "models" / "golden" / "music" / "notes.sic"


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """The sentence, slower and higher."""
    return write_sic(tmp_path / "changed.sic", edit.stretch(edit.transpose(read_sic(SENTENCE), 3), 1.1))


def heard(table: EventTable) -> list[tuple[float, ...]]:
    """Start in hundredths of a second, pitch in tenths of a semitone and level of each segment."""
    segments = Segments.of(table)
    return sorted(zip(100 * segments.start_s, 120 * np.log2(segments.f0_hz / 110), segments.level_db, strict=True))


def test_the_ends_of_a_morph_are_its_inputs(changed: Path) -> None:
    for amount, path in (("0", SENTENCE), ("1", changed)):
        assert container.loads(ok("morph", SENTENCE, changed, "-", "--amount", amount)) == read_sic(path)


def test_a_morph_is_between(changed: Path, tmp_path: Path) -> None:
    ok("morph", SENTENCE, changed, tmp_path / "out.sic", "--amount", "0.5")
    made, one, two = read_sic(tmp_path / "out.sic"), read_sic(SENTENCE), read_sic(changed)
    assert made.duration_s == pytest.approx((one.duration_s + two.duration_s) / 2, abs=1e-3)
    assert made == container.loads(container.dumps(sparsecodec_cli.morph(SENTENCE, changed, 0.5)))
    pitch = [np.nanmedian(api.segments_of(table).f0_hz) for table in (one, made, two)]
    assert pitch[0] < pitch[1] < pitch[2]


def test_events_of_reference_need_no_segments(tmp_path: Path) -> None:
    one, two = (make_table(n, model="reference") for n in (6, 9))
    made = ok("morph", write_sic(tmp_path / "a.sic", one), write_sic(tmp_path / "b.sic", two), "-", "--amount", "0.5")
    assert len(container.loads(made)) >= 9


def test_a_mosaic(changed: Path, tmp_path: Path) -> None:
    ok("replace", SENTENCE, changed, tmp_path / "out.sic", "--keep-pitch", "--keep-level")
    made, one = read_sic(tmp_path / "out.sic"), read_sic(SENTENCE)
    assert made.header.n_samples == one.header.n_samples
    asked = sparsecodec_cli.replace(SENTENCE, changed, keep_pitch=True, keep_level=True)
    assert made == container.loads(container.dumps(asked))
    plain = container.loads(ok("replace", SENTENCE, changed, "-"))
    assert plain == container.loads(container.dumps(api.replace(one, read_sic(changed)))) != made


def test_a_mosaic_of_notes_keeps_the_tune(tmp_path: Path) -> None:
    one = write_sic(tmp_path / "one.sic", edit.only(read_sic(NOTES), np.arange(4) == 3))
    made = container.loads(ok("replace", NOTES, one, "-", "--keep-pitch", "--keep-level"))
    wanted, found = heard(read_sic(NOTES)), heard(made)
    assert found == [pytest.approx(note, abs=0.5) for note in wanted]


@pytest.mark.parametrize("args", [["morph", "--amount", "0.5"], ["replace"]], ids=["morph", "replace"])
def test_refusals(args: list[str], tmp_path: Path) -> None:
    command, *options = args
    out = tmp_path / "out.sic"
    one = write_sic(tmp_path / "one.sic", make_table(weights_hash=b"some"))
    for name, table, words in (
        ("music", make_table(model="music"), ["music.sic", "preset"]),
        ("weights", make_table(weights_hash=b"else"), ["weights.sic", "weights"]),
    ):
        other = write_sic(tmp_path / f"{name}.sic", table)
        assert_refused(sic(command, one, other, out, *options), *words)
    assert_refused(sic(command, one, tmp_path / "gone.sic", out, *options), "gone.sic")
    assert_refused(sic(command, one, one, one, "-f", *options), "one.sic")
    assert_refused(sic(command, one, one, "out.wav", *options), "out.wav", "out.sic", exit_code=2)
    assert_refused(sic(command, one, out, *options), "OUT", exit_code=2)
    assert names_in(tmp_path) == ["music.sic", "one.sic", "weights.sic"]


def test_refusals_of_each(tmp_path: Path) -> None:
    mono, stereo = write_sic(tmp_path / "mono.sic"), write_sic(tmp_path / "stereo.sic", make_table(channels=2))
    out = tmp_path / "out.sic"
    assert_refused(sic("morph", mono, stereo, out, "--amount", "0.5"), "stereo.sic", "2 channels", "1")
    assert_refused(sic("morph", mono, mono, out), "--amount", exit_code=2)
    for bad in ("-0.1", "1.5", "nan", "half"):
        assert_refused(sic("morph", mono, mono, out, "--amount", bad), "--amount", exit_code=2)
    empty = write_sic(tmp_path / "empty.sic", EventTable.empty(make_table().header))
    assert_refused(sic("replace", mono, empty, out), "empty.sic", "no events")
    reference = write_sic(tmp_path / "reference.sic", make_table(model="reference"))
    assert_refused(sic("replace", reference, reference, out), "reference.sic", "no segments")
    assert not out.exists()
