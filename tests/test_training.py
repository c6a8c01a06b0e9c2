"""Training of the `reference` preset at small sizes: refusals, what a step sees and gives, and exact resumption."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from reference_small import TINY

from sparsecodec_models.reference.model import ReferenceModel
from sparsecodec_models.training.data import Windows, find_recordings
from sparsecodec_models.training.loop import Schedule, train
from sparsecodec_models.training.reference_task import ReferenceTask

SCHEDULE = Schedule(4, learning_rate=1e-3, last_rate=1e-5, warmup=1)
ONE_STEP = replace(SCHEDULE, max_hours=0)  # the same run, broken off after its next step


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Windows:
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(0)
    for name, n in (("a", 9000), ("b", 3000)):
        soundfile.write(folder / f"{name}.wav", rng.uniform(-0.5, 0.5, n), TINY.sample_rate)
    return Windows(find_recordings([folder]), TINY.window, TINY.sample_rate)


def task_of(windows: Windows) -> ReferenceTask:
    model = ReferenceModel(TINY).draw_weights(0)
    return ReferenceTask(model, windows, windows.batch(1000, 2), batch_size=2)


def checkpoint_of(folder: Path) -> dict[str, object]:
    checkpoint: dict[str, object] = torch.load(folder / "checkpoint.pt", weights_only=False)
    return checkpoint


def test_windows_of_another_length_are_refused(windows: Windows) -> None:
    with pytest.raises(ValueError, match="4096 samples"):
        ReferenceTask(ReferenceModel(TINY), windows, np.zeros((1, 100), np.float32), batch_size=1)
    short = Windows(windows.recordings, 100, TINY.sample_rate)
    with pytest.raises(ValueError, match="4096 samples"):
        ReferenceTask(ReferenceModel(TINY), short, np.zeros((1, 4096), np.float32), batch_size=1)


def test_a_batch_depends_on_its_step_alone(windows: Windows) -> None:
    task = task_of(windows)
    first, noise = task.batch(3)
    assert first.shape == (2, 4096)
    assert noise.shape == (2, 4, 256)
    assert len(np.unique(noise[:, :, 0])) == 8  # no two events share their noise
    again, same_noise = task_of(windows).batch(3)
    np.testing.assert_array_equal(again, first)
    np.testing.assert_array_equal(same_noise, noise)
    other, other_noise = task.batch(4)
    assert not np.array_equal(other, first)
    assert not np.array_equal(other_noise, noise)


def test_losses_do_not_depend_on_the_level_and_silence_has_finite_ones(windows: Windows) -> None:
    task = task_of(windows)
    samples, noise = task.batch(0)
    loud, soft = task.loss((samples, noise), 0), task.loss((samples / 8, noise), 0)
    for name in ("total", "energy_removed", "sparsity", "sound"):
        torch.testing.assert_close(soft[name], loud[name])
    silent = task.loss((np.zeros_like(samples), noise), 0)
    silent["total"].backward()
    assert all(torch.isfinite(p.grad).all() for p in task.model.parameters() if p.grad is not None)


def test_training_on_a_few_windows_removes_energy(windows: Windows, tmp_path: Path) -> None:
    task = task_of(windows)
    before = task.validate()
    train(task, Schedule(30, 3e-3, 3e-3, warmup=5), tmp_path, workers=0)
    after = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])["valid"]
    assert abs(before["removed_db"]) < 0.01
    assert after["removed_db"] > 0.1
    assert after["sound"] < before["sound"]


def test_training_resumes_exactly(windows: Windows, tmp_path: Path) -> None:
    train(task_of(windows), SCHEDULE, tmp_path / "whole", workers=0)
    train(task_of(windows), ONE_STEP, tmp_path / "parts", workers=0)
    train(task_of(windows), ONE_STEP, tmp_path / "parts", workers=0, checkpoint=checkpoint_of(tmp_path / "parts"))
    assert checkpoint_of(tmp_path / "parts")["step"] == 2
    train(task_of(windows), SCHEDULE, tmp_path / "parts", workers=0, checkpoint=checkpoint_of(tmp_path / "parts"))
    whole, parts = ((tmp_path / run / "weights.safetensors").read_bytes() for run in ("whole", "parts"))
    assert parts == whole
    assert whole != task_of(windows).export()
    assert ReferenceModel.made(whole)
