"""`--model auto`: what a recording is encoded with where no model is named, from the command line and from Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from cli_support import ROOT, ok, read_sic, sic

import sparsecodec_cli

SPEECH = ROOT / "tests/data/only-person-en.flac"
MUSIC = ROOT / "tests/data/melodies/ode-to-joy-plucked.flac"


@pytest.mark.parametrize(("recording", "preset"), [(SPEECH, "speech"), (MUSIC, "music")])
def test_the_line_at_the_end_names_what_was_chosen(tmp_path: Path, recording: Path, preset: str) -> None:
    out = tmp_path / "out.sic"
    result = sic("encode", recording, out, "--effort", "0")
    assert result.exit_code == 0 and result.stderr.endswith(f", model {preset}\n")
    assert read_sic(out).header.model == preset
    assert len(read_sic(out)) > 0


def test_a_model_that_is_named_is_taken(tmp_path: Path) -> None:
    for recording, preset in ((MUSIC, "speech"), (SPEECH, "music")):
        result = sic("encode", recording, tmp_path / f"{preset}.sic", "--effort", "0", "--model", preset)
        assert result.exit_code == 0 and result.stderr.endswith(f", model {preset}\n")


def test_from_stdin_the_same_file_as_with_the_name(tmp_path: Path) -> None:
    """What was read for the choice is read again."""
    ok("encode", MUSIC, tmp_path / "named.sic", "--effort", "0", "--model", "music")
    chosen = ok("encode", "-", "-", "--effort", "0", "--model", "auto", stdin=MUSIC.read_bytes())
    assert chosen == (tmp_path / "named.sic").read_bytes()


def test_a_limit_that_one_preset_has_chooses_it(tmp_path: Path) -> None:
    ok("encode", MUSIC, tmp_path / "out.sic", "--effort", "0", "--snr-stop", "10")
    assert read_sic(tmp_path / "out.sic").header.model == "speech"


def test_python_chooses_too() -> None:
    audio, rate = soundfile.read(MUSIC, dtype="float32")
    table = sparsecodec_cli.encode(np.stack([audio, audio[::-1]], 1), rate, effort=0)
    assert table.header.model == "music" and set(table.channel) == {0, 1}
    assert sparsecodec_cli.encode(audio, rate, model="speech", effort=0).header.model == "speech"
    decoded, _ = sparsecodec_cli.decode(table)
    assert decoded.shape == (len(audio), 2)


def test_the_first_input_decides_for_a_page(tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    audio, rate = soundfile.read(MUSIC, dtype="float32", frames=24000)
    soundfile.write(tmp_path / "music.wav", audio, rate)
    ok("encode", SPEECH, tmp_path / "speech.sic", "--effort", "0")
    for first, other in (("speech.sic", "music.wav"), ("music.wav", "speech.sic")):
        page = tmp_path / f"{first}.html"
        result = sic("report", tmp_path / first, tmp_path / other, page, "--max-seconds", "0.3")
        if first == "speech.sic":
            assert result.exit_code == 0 and page.exists(), result.stderr
        else:
            assert result.exit_code == 1 and "another model" in result.stderr
