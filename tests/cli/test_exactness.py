"""There and back, by the commands and through files: the table that was encoded, within a step of its grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli_support import ok, read_sic

from sparsecodec_formats import EventTable, Voices

DATA = Path(__file__).parents[1] / "data"
RECORDINGS = {"speech": DATA / "only-person-en.flac", "music": DATA / "melodies" / "frere-jacques-flute.flac"}
HALF_A_UNIT_S = str(32 / 22_050)

THERE_AND_BACK = {
    "shift": (["--shift", "0.1234"], ["--shift", "-0.1234"]),
    "shift, half a unit": (["--shift", HALF_A_UNIT_S], ["--shift", "-" + HALF_A_UNIT_S]),
    "reverse": (["--reverse"], ["--reverse"]),
    "stretch": (["--stretch", "2"], ["--stretch", "0.5"]),
    "stretch a little": (["--stretch", "1.1"], ["--stretch", str(1 / 1.1)]),
    "transpose": (["--transpose", "7"], ["--transpose", "-7"]),
    "transpose in quarter tones": (["--transpose", "2.5"], ["--transpose", "-2.5"]),
    "glide": (["--glide", "1.3"], ["--glide", "-1.3"]),
    "decay": (["--decay", str(1 / 1.3)], ["--decay", "1.3"]),
    "tilt": (["--tilt", "2"], ["--tilt", "-2"]),
}
SELECTIONS = ["time > 0.5", "not voiced", "voiced", "index > 9 and index < 60"]  # whose events stay the same ones


@pytest.fixture(scope="module", params=["speech", "music"])
def encoded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exact") / f"{request.param}.sic"
    ok("encode", RECORDINGS[request.param], path, "--model", request.param, "--effort", "0", "-q")
    return path


def assert_the_same(back: EventTable, first: EventTable) -> None:
    assert len(back) == len(first) and back.header.streams == first.header.streams
    assert np.array_equal(back.channel, first.channel) and np.array_equal(back.amplitude, first.amplitude)
    assert np.abs(back.time - first.time).max() < 1e-9
    assert (np.abs(back.vector - first.vector) <= 1.0001 * np.array(first.header.step)).all()


def transformed(path: Path, *edits: list[str]) -> EventTable:
    """After edits of one file after another."""
    for number, arguments in enumerate(edits):
        out = path.with_name(f"{path.stem}-{number}.sic")
        ok("transform", path, out, "-q", "-f", *arguments)
        path = out
    return read_sic(path)


@pytest.mark.parametrize("name", THERE_AND_BACK)
def test_there_and_back(encoded: Path, name: str) -> None:
    first = read_sic(encoded)
    if name == "glide" and first.header.model == "music":
        pytest.skip("music tells no glide")
    back = transformed(encoded, *THERE_AND_BACK[name])
    assert_the_same(back, first)
    grows = name == "reverse" and first.header.model == "music"  # to hold what sounds beyond the end
    assert back.header.n_samples == first.header.n_samples or grows


@pytest.mark.parametrize("expression", SELECTIONS)
def test_there_and_back_of_a_selection(encoded: Path, expression: str) -> None:
    there, back = (["--select", expression, "--transpose", semitones] for semitones in ("7", "-7"))
    assert_the_same(transformed(encoded, there, back), read_sic(encoded))


def test_whole_voices_there_and_back(encoded: Path) -> None:
    first, tried = read_sic(encoded), 0
    for run in Voices.of(first).runs[:6]:
        among = (first.time >= first.time[run[0]]) & (first.time <= first.time[run[-1]] + 0.02)
        if np.count_nonzero(among) > len(run):
            continue  # others come in between, and it would have other indices then
        which = f"index >= {run[0]} and index <= {run[-1]}"
        there, back = (["--select", which, "--shift", seconds] for seconds in ("0.01", "-0.01"))
        assert_the_same(transformed(encoded, there, back), first)
        tried += 1
    assert tried
