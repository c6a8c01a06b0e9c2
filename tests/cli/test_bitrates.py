"""`--bitrate` says when so few bits tell nothing, or when the preset has no use for so many; with the real codecs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from cli_support import ROOT, assert_refused, names_in, read_sic, sic

import sparsecodec_cli
from sparsecodec_cli.errors import TooFewBits

SPEECH = ROOT / "tests" / "data" / "only-person-en.flac"
MELODY = ROOT / "tests" / "data" / "melodies" / "ode-to-joy-plucked.flac"


def encode_at(kbps: str, path: Path, out: Path) -> str:
    """What `sic encode` says after its summary, at effort 0."""
    result = sic("encode", path, out, "-f", "--effort", "0", "--bitrate", kbps)
    assert result.exit_code == 0, result.stderr
    return result.stderr.partition("\n")[2]


@pytest.mark.parametrize("path, kbps, least", [(SPEECH, "0.08", "0.6"), (MELODY, "0.05", "0.2")])
def test_silence_is_not_written_for_a_sound(path: Path, kbps: str, least: str, tmp_path: Path) -> None:
    result = sic("encode", path, tmp_path / "talk.sic", "--effort", "0", "--bitrate", kbps)
    assert_refused(result, path.name, "no event fits", f"{kbps} kbit/s", f"at least {least} (--bitrate)")
    assert names_in(tmp_path) == []
    with pytest.raises(TooFewBits, match="no event fits"):
        sparsecodec_cli.encode(path, effort=0, bitrate_kbps=float(kbps))


def test_the_least_that_is_named_suffices_for_a_short_sound(tmp_path: Path) -> None:
    audio, rate = soundfile.read(SPEECH)
    soundfile.write(tmp_path / "word.wav", audio[rate : rate + rate // 4], rate)
    refused = sic("encode", tmp_path / "word.wav", "--effort", "0", "--model", "speech", "--bitrate", "0.6")
    assert_refused(refused, "word.wav", "for 0.25 s")
    match = re.search(r"at least ([0-9.]+)", refused.stderr)
    assert match is not None
    assert encode_at(match[1], tmp_path / "word.wav", tmp_path / "word.sic") == ""
    assert len(read_sic(tmp_path / "word.sic")) > 0


@pytest.mark.parametrize("path, kbps, least", [(SPEECH, "0.3", "speech.*at least 0.6"), (MELODY, "0.1", "music.*0.2")])
def test_few_bits_are_warned_of(path: Path, kbps: str, least: str, tmp_path: Path) -> None:
    assert re.match(
        rf"sic: warning: .*talk.sic: {kbps} kbit/s .*{least}.*\n", encode_at(kbps, path, tmp_path / "talk.sic")
    )


def test_bits_without_use_are_told(tmp_path: Path) -> None:
    said = encode_at("20", SPEECH, tmp_path / "talk.sic")
    n_bytes = (tmp_path / "talk.sic").stat().st_size
    kbps = 8e-3 * n_bytes / read_sic(tmp_path / "talk.sic").duration_s
    assert re.fullmatch(rf"sic: note: .*talk.sic: takes {kbps:.2f} of 20 kbit/s: speech has no more .*\n", said)
    encode_at("40", SPEECH, tmp_path / "more.sic")
    assert (tmp_path / "more.sic").stat().st_size == n_bytes  # as it says


@pytest.mark.parametrize(
    "path, kbps", [(SPEECH, "0.6"), (SPEECH, "2.4"), (SPEECH, "8"), (MELODY, "0.3"), (MELODY, "4")]
)
def test_nothing_is_said_of_a_limit_that_is_kept_and_used(path: Path, kbps: str, tmp_path: Path) -> None:
    assert encode_at(kbps, path, tmp_path / "talk.sic") == ""


def test_silence_may_be_silent(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", np.zeros(24000), 8000)
    assert encode_at("8", tmp_path / "long.wav", tmp_path / "long.sic") == ""
    soundfile.write(tmp_path / "short.wav", np.zeros(800), 8000)
    said = encode_at("0.6", tmp_path / "short.wav", tmp_path / "short.sic")
    assert "warning" in said and "more than 0.6" in said and "header" in said
