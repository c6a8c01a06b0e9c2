"""`sic compare`: what it prints of two files, and what it refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from cli_support import ROOT, assert_refused, make_table, ok, sic, write_sic, write_wav

from sparsecodec_cli.metrics import measure, scores

KEYS = [
    "reference", "other", "bytes", "bitrate_kbps", "ratio", "lag_ms", "mel", "estoi", "pesq_wb", "pesq_nb", "visqol",
    "distillmos", "left_out",
]  # fmt: skip
HEAVY = ("visqol", "distillmos")
SPEECH = ROOT / "tests" / "data" / "only-person-en.flac"


pytestmark = pytest.mark.usefixtures("fake")


@pytest.fixture(autouse=True)
def without_slow_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    for cached in (scores._visqol_model, scores._distillmos_model):
        cached.cache_clear()
    for name in HEAVY:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture
def talk_wav(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "talk.wav", 16000)


@pytest.fixture
def talk_sic(tmp_path: Path) -> Path:
    return write_sic(tmp_path / "talk.sic")


def found_by(*args: str | Path, stdin: bytes = b"") -> dict:
    return json.loads(ok("compare", "--json", *args, stdin=stdin))


def test_json_has_its_keys(talk_wav: Path, talk_sic: Path) -> None:
    found = found_by(talk_wav, talk_sic)
    assert list(found) == KEYS
    assert found["reference"] == found["other"] == {"duration_s": 2, "sample_rate_hz": 8000, "channels": 1}
    assert found["bytes"] == talk_sic.stat().st_size
    assert found["bitrate_kbps"] == pytest.approx(talk_sic.stat().st_size * 8 / 2 / 1000)
    assert found["ratio"] == pytest.approx(32000 / talk_sic.stat().st_size)
    assert found["mel"] > 0 and found["visqol"] is found["distillmos"] is None
    assert {found["left_out"][name] for name in HEAVY} == {measure.NOT_INSTALLED}


def test_a_sic_file_is_judged_as_what_decode_writes_of_it(talk_wav: Path, tmp_path: Path) -> None:
    path = write_sic(tmp_path / "loud.sic", make_table(channels=2, seed=3))
    ok("decode", "-q", path, tmp_path / "loud.wav")
    of_sic, of_wav = found_by(talk_wav, path), found_by(talk_wav, tmp_path / "loud.wav")
    assert of_sic["other"] == of_wav["other"]
    assert {key: of_sic[key] for key in KEYS[5:8]} == {key: of_wav[key] for key in KEYS[5:8]}


def test_the_same_recording_is_best(tmp_path: Path) -> None:
    pytest.importorskip("pystoi")
    pytest.importorskip("pesq")
    audio, rate = soundfile.read(SPEECH)
    soundfile.write(tmp_path / "copy.wav", audio, rate)
    found = found_by(SPEECH, tmp_path / "copy.wav")
    assert (found["lag_ms"], found["mel"]) == (0, 0)
    assert found["estoi"] == pytest.approx(1, abs=1e-6)
    assert found["pesq_wb"] == pytest.approx(4.644, abs=0.001)
    assert found["bitrate_kbps"] == pytest.approx(256, rel=1e-3) and found["ratio"] == pytest.approx(1, rel=1e-3)


def test_text_has_a_line_for_each_measure(talk_wav: Path, talk_sic: Path) -> None:
    pytest.importorskip("pystoi")
    result = sic("compare", talk_wav, talk_sic)
    assert result.exit_code == 0
    first, *lines = result.stdout.splitlines()
    assert first == f"{talk_sic} beside {talk_wav}"
    names = [line.split()[0] for line in lines]
    assert names[:3] == ["size", "delay", "ESTOI"] and "mel" in names and "ViSQOL" not in names
    assert f"{talk_sic.stat().st_size} bytes" in lines[0]


def test_missing_packages_are_told_in_one_line_on_stderr(
    talk_wav: Path, talk_sic: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pystoi", "pesq"):
        monkeypatch.setitem(sys.modules, name, None)
    for args in ([], ["--json"]):
        result = sic("compare", talk_wav, talk_sic, *args)
        assert result.exit_code == 0 and "mel" in result.stdout
        assert result.stderr == (
            "sic: left out: ESTOI, PESQ-WB, PESQ-NB, ViSQOL, DistillMOS; to have them: pip install"
            " 'sparsecodec[metrics]'\n"
        )
    assert sic("compare", talk_wav, talk_sic, "-q").stderr == ""


def test_either_can_come_from_a_pipe(talk_wav: Path, talk_sic: Path) -> None:
    expected = found_by(talk_wav, talk_sic)
    assert found_by("-", talk_sic, stdin=talk_wav.read_bytes()) == expected
    assert found_by(talk_wav, "-", stdin=talk_sic.read_bytes()) == expected
    assert found_by(talk_wav, "-", stdin=talk_wav.read_bytes())["mel"] == 0
    assert_refused(sic("compare", "-", "-"), "Only one", "stdin", exit_code=2)


@pytest.mark.parametrize("n, word", [(8000, "1.000 s"), (24000, "3.000 s")])
def test_lengths_that_are_far_apart_are_told(n: int, word: str, talk_wav: Path, tmp_path: Path) -> None:
    other = write_wav(tmp_path / "other.wav", n)
    result = sic("compare", talk_wav, other)
    assert result.exit_code == 0
    warning, *_ = result.stderr.splitlines()
    for text in ("sic: warning:", f"other.wav: lasts {word}", "talk.wav 2.000 s"):
        assert text in warning
    other = write_wav(tmp_path / "near.wav", 16000 + 3999)
    assert "warning" not in sic("compare", talk_wav, other).stderr


def test_silence_is_null_with_the_reason(talk_wav: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000), 8000)
    found = found_by(talk_wav, tmp_path / "silent.wav")
    assert found["estoi"] is None and found["left_out"]["estoi"] == "X is silent" and found["mel"] > 0
    assert "left out: REF is silent" in ok("compare", tmp_path / "silent.wav", talk_wav).decode()


def test_options_for_decoding_are_handed_on(talk_wav: Path, talk_sic: Path) -> None:
    assert found_by(talk_wav, talk_sic, "--model", "speech", "--device", "auto")["mel"] > 0
    assert_refused(sic("compare", talk_wav, talk_sic, "--model", "nonesuch"), "talk.sic: ", "nonesuch")
    assert_refused(sic("compare", talk_wav, talk_wav, "--model", "speech"), "talk.wav: is not a .sic file", "--model")
    write_sic(talk_sic, make_table(weights_hash=b"else"))
    assert_refused(sic("compare", talk_wav, talk_sic), "talk.sic: needs weights")


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "bad.wav: is empty"),
        (b"hello, world\n" * 100, "bad.wav: is not audio"),
        (b"\x89SIC\x01 and more", "bad.wav: "),
    ],
)
def test_what_is_not_audio_is_refused(content: bytes, words: str, talk_wav: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(content)
    assert_refused(sic("compare", talk_wav, bad), words)
    assert_refused(sic("compare", bad, talk_wav), words)


def test_refusals(talk_wav: Path, talk_sic: Path, tmp_path: Path) -> None:
    assert_refused(sic("compare", talk_sic, talk_wav), "talk.sic: is a .sic file already", "name a recording")
    assert_refused(sic("compare", talk_wav, tmp_path / "gone.sic"), "gone.sic: no such file")
    assert_refused(sic("compare", talk_wav), "X", "sic compare --help", exit_code=2)
    (tmp_path / "damaged.sic").write_bytes(talk_sic.read_bytes()[:-9])
    assert_refused(sic("compare", talk_wav, tmp_path / "damaged.sic"), "damaged.sic: ")
    (tmp_path / "no.sic").write_bytes(talk_wav.read_bytes())
    assert_refused(sic("compare", talk_wav, tmp_path / "no.sic"), "no.sic: ")
    none = write_wav(tmp_path / "none.wav", 0)
    assert_refused(sic("compare", talk_wav, none), "none.wav: has no samples")
    empty = write_sic(tmp_path / "empty.sic", make_table(0, seconds=0))
    assert_refused(sic("compare", talk_wav, empty), "empty.sic: has no samples")
    short = write_wav(tmp_path / "short.wav", 1, rate=192_000)
    assert_refused(sic("compare", short, talk_wav), "short.wav: is too short")
    assert_refused(sic("compare", talk_wav, short), "short.wav: is too short")
