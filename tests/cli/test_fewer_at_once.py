"""What `sic` tells where a device's memory holds less than it should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from cli_support import read_sic, sic

from sparsecodec_models.speech.analysis import stream_fit

CLIP = Path(__file__).parents[1] / "data" / "only-person-en.flac"
NOTE = "the device's memory does not hold 2 half windows at once; fewer are taken, which is slower"


@pytest.fixture(autouse=True)
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds one half window."""
    fit = stream_fit.fit

    def limited(decoder: Any, prior: Any, parts: Any, **options: Any) -> list[torch.Tensor]:
        if len(parts) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return fit(decoder, prior, parts, **options)

    monkeypatch.setattr(stream_fit, "fit", limited)
    monkeypatch.setitem(stream_fit.MOST_AT_ONCE, "cpu", 2)


@pytest.fixture
def stereo(tmp_path: Path) -> Path:
    """Two channels, whose half windows are fitted together."""
    import numpy as np
    import soundfile

    samples, rate = soundfile.read(CLIP, dtype="float32", stop=24_000)
    path = tmp_path / "in.wav"
    soundfile.write(path, np.stack([samples, samples[::-1]], 1), rate)
    return path


def test_encode_tells_it_in_one_line(stereo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.sic"
    result = sic("encode", stereo, out, "--model", "speech", "--effort", "1")
    assert result.exit_code == 0
    lines = result.stderr.splitlines()
    assert lines[0] == f"sic: warning: {stereo}: {NOTE}" and sum(NOTE in line for line in lines) == 1
    table = read_sic(out)
    assert len(table) > 10 and set(table.channel) == {0, 1}
    live = tmp_path / "live.sic"
    result = sic("encode", stereo, live, "--live", "--model", "speech", "--effort", "1")
    assert result.exit_code == 0 and result.stderr.count(f"{stereo}: {NOTE}\n") == 1


def test_a_quiet_command_does_not(stereo: Path, tmp_path: Path) -> None:
    assert sic("encode", stereo, tmp_path / "out.sic", "--model", "speech", "--effort", "1", "-q").stderr == ""


def test_report_tells_it_too(stereo: Path, tmp_path: Path) -> None:
    result = sic("report", stereo, tmp_path / "page.html", "--model", "speech", "--effort", "1")
    assert result.exit_code == 0 and result.stderr.count(f"{stereo}: {NOTE}\n") == 1
