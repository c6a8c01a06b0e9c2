"""docs/scripts/gpu_check.py: what counts as missed, and that all of it runs, here on the CPU in the device's place."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import warnings
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from cli_support import ENV, ROOT

from sparsecodec_models.errors import FewerAtOnce

SCRIPTS = ROOT / "docs" / "scripts"


@pytest.fixture
def gpu_check(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(SCRIPTS)
    import gpu_check

    return gpu_check


def test_what_differs_too_much_is_missed_and_bold(gpu_check: ModuleType) -> None:
    near = gpu_check.Row("events", 300, 303, "events", 0.01, 0.01)
    far = gpu_check.Row("events", 300, 304, "events", 4 / 300, 0.01)
    assert not near.is_missed and near.cells() == ["events", "300 events", "303 events", "0.01", "≤ 0.01"]
    assert far.is_missed and far.cells()[3] == "**0.013**"
    assert gpu_check.Row("decode", 0.5, math.nan, "", math.nan, 1e-3).is_missed


def test_speeds_are_told_beside_each_other(gpu_check: ModuleType) -> None:
    row = gpu_check.Row("encode", 2.0, 50.0, "× real time")
    assert not row.is_missed and row.cells() == ["encode", "2 × real time", "50 × real time", "25.00 ×", ""]


class Gpu:
    """The memory of one of 1,000 bytes, of which 100 are taken with one half window at once, else 500."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        import torch

        self.limit, self.peak, self.tells = 1000.0, 0, True
        patch.setattr(torch.cuda, "empty_cache", lambda: None)
        patch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: setattr(self, "peak", 0))
        patch.setattr(torch.cuda, "max_memory_allocated", lambda: self.peak)
        patch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=1000))
        patch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda share: setattr(self, "limit", 1000 * share))

    def encode(self) -> list[int]:
        from sparsecodec_models.speech.analysis import stream_fit

        self.peak = 100 if stream_fit.MOST_AT_ONCE.get("cuda") == 1 else 500
        if self.peak > self.limit and self.tells:
            warnings.warn("fewer", FewerAtOnce, stacklevel=1)
        return [0] * 7


def test_too_little_memory_has_to_be_told(gpu_check: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Gpu(monkeypatch)
    assert gpu_check.len_with_little_memory(gpu.encode) == (7, 300 / 1e6) and gpu.limit == 1000
    gpu.tells = False
    found, _ = gpu_check.len_with_little_memory(gpu.encode)
    assert gpu_check.events_row("events", 7, found).is_missed and not gpu_check.events_row("events", 7, 7).is_missed


def test_all_of_it_runs(tmp_path: Path) -> None:
    out = tmp_path / "check.json"
    command = [sys.executable, str(SCRIPTS / "gpu_check.py"), str(out), "--device", "cpu", "--seconds", "0.5"]
    done = subprocess.run([*command, "--steps", "2"], env=ENV, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    rows = {row["what"]: row for row in json.loads(out.read_text())["rows"]}
    for preset in ("speech", "music"):
        for effort in ("effort 0", "default effort"):
            events = rows[f"{preset}, encode, {effort}: events"]
            assert events["cpu"] == events["device"] > 0 and events["limit"] == 0.01
        sound = rows[f"{preset}, decode: peak, and the largest difference"]
        assert sound["cpu"] > 0.01 and sound["off"] == 0 and sound["limit"] == 1e-3
    for at_once in ("1 half window", "32 half windows"):
        name = f"speech, encode, {at_once} at once"
        assert rows[name]["device"] > 0 and rows[f"{name}: events"]["cpu"] == rows[f"{name}: events"]["device"] > 0
    assert "left out: too little memory for all half windows at once: no GPU\n" in done.stderr
    assert rows["speech, training"]["device"] > 0 and rows["speech, training: loss of the last step"]["cpu"] > 0
    assert not any(row["is_missed"] for row in rows.values())
    assert done.stdout.count("\n") == len(rows) + 2


def test_a_device_that_is_not_there_is_named(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    command = [sys.executable, str(SCRIPTS / "gpu_check.py"), str(tmp_path / "x.json")]
    done = subprocess.run(command, env=ENV, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and done.stderr == "gpu_check: there is no cuda device on this machine\n"
