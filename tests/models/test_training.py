"""Training: recordings and the windows drawn from them, the loop, and the `reference` preset at small sizes."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from memory_store import MemoryStore
from reference_small import TINY

from sparsecodec_formats.errors import SicError
from sparsecodec_models.errors import NothingToHoldOut, WorkerEnded
from sparsecodec_models.reference.model import ReferenceModel
from sparsecodec_models.speech.config import SpeechConfig
from sparsecodec_models.speech.network.decoder import SpeechDecoder
from sparsecodec_models.training.corpus import find_corpus
from sparsecodec_models.training.data import SPEED_OCTAVES, Windows, find_recordings, load
from sparsecodec_models.training.klt import fit_klt, klt_of
from sparsecodec_models.training.loop import Schedule, Watch, load_checkpoint, train
from sparsecodec_models.training.plan import TrainingPlan
from sparsecodec_models.training.reference_task import ReferenceTask
from sparsecodec_models.weights import preset_of

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


def write_noise(path: Path, seconds: float, *, rate: int = 8000, channels: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(len(path.name)).uniform(-0.5, 0.5, (round(seconds * rate), channels))
    soundfile.write(path, samples, rate, subtype="FLOAT" if path.suffix == ".wav" else None)
    return path


def names(recordings: list[Any]) -> list[str]:
    return [r.path.name for r in recordings]


# recordings


@pytest.mark.parametrize(
    "folder, words",
    [("gone", "gone: no such folder"), ("notes.wav", "notes.wav: a file"), ("empty", "empty: no audio in it;")],
)
def test_folders_without_recordings_are_refused(folder: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.wav").write_text("not audio")
    write_noise(tmp_path / "good" / "a.wav", 1)
    for data, valid in ((folder, "good"), ("good", folder)):
        with pytest.raises(SicError, match=words):
            find_corpus([tmp_path / data], [tmp_path / valid])


def test_nothing_left_to_train_on_is_refused(tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav", 1)
    with pytest.raises(NothingToHoldOut, match=r"a\.wav: the only recording"):
        find_corpus([tmp_path])
    with pytest.raises(NothingToHoldOut, match="all of it"):
        find_corpus([tmp_path], [tmp_path])


def test_files_that_cannot_be_read_are_left_out_and_told(tmp_path: Path) -> None:
    for name in ("a.wav", "b.FLAC", "c/d.ogg", ".hidden/e.wav", "._a.wav"):
        write_noise(tmp_path / name, 1)
    (tmp_path / "bad.wav").write_text("not audio")
    (tmp_path / "metadata.csv").write_text("a|text")
    corpus = find_corpus([tmp_path], [tmp_path / "c"])
    assert names(corpus.train) == ["a.wav", "b.FLAC"]
    assert names(corpus.valid) == ["d.ogg"]
    assert names(find_recordings([tmp_path, tmp_path / "c"])) == ["a.wav", "b.FLAC", "d.ogg"]  # none twice
    assert [path.name for path in corpus.unreadable] == ["bad.wav"]
    (tmp_path / "all_bad").mkdir()
    (tmp_path / "bad.wav").rename(tmp_path / "all_bad" / "bad.wav")
    with pytest.raises(SicError, match=r"all_bad: .*\(1 damaged\)"):
        find_corpus([tmp_path / "all_bad"])


def test_of_one_speaker_the_last_files_are_held_out(tmp_path: Path) -> None:
    lj = tmp_path / "LJSpeech-1.1"
    for i in range(100):
        write_noise(lj / "wavs" / f"LJ001-{i:04d}.wav", 0.01)
    corpus = find_corpus([lj])
    assert len(corpus.train) == 96
    assert names(corpus.valid) == [f"LJ001-{i:04d}.wav" for i in range(96, 100)]
    assert corpus.held_out == "the last files"


@pytest.mark.parametrize("root", ["", "set/train"])
def test_of_several_folders_the_one_nearest_to_a_fiftieth_is_held_out(root: str, tmp_path: Path) -> None:
    for folder, seconds in (("ann", 9), ("bob/x", 0.2), ("bob/y", 0.2), ("jingle", 0.03), ("cy", 1), ("dee", 4)):
        write_noise(tmp_path / root / folder / f"{folder[-1]}.wav", seconds)
    corpus = find_corpus([tmp_path])
    assert corpus.held_out == f"the folder {tmp_path / root / 'bob'}"
    assert sorted(names(corpus.valid)) == ["x.wav", "y.wav"] and len(corpus.train) == 4
    folders = [tmp_path / root / folder for folder in ("ann", "bob/x", "cy", "dee")]
    assert find_corpus(folders).held_out == f"the folder {folders[1]}"


def test_of_folders_too_large_to_spare_the_last_files_are_held_out(tmp_path: Path) -> None:
    for name in ("a/1.wav", "a/2.wav", "b/3.wav", "b/4.wav"):
        write_noise(tmp_path / name, 1)
    assert names(find_corpus([tmp_path]).valid) == ["2.wav", "4.wav"]


def test_a_corpus_is_known_again_wherever_it_lies(tmp_path: Path) -> None:
    for folder, length in (("here", 1.0), ("there", 1.0), ("other", 1.1)):
        write_noise(tmp_path / folder / "a.wav", 1)
        write_noise(tmp_path / folder / "b.wav", length)
    here, there, other = (find_corpus([tmp_path / folder]).fingerprint for folder in ("here", "there", "other"))
    assert here == there != other


# windows


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff"])
def test_recordings_of_any_kind_come_as_mono_at_the_rate_asked_for(name: str, tmp_path: Path) -> None:
    t = np.arange(48000) / 48000
    tone = 0.5 * np.sin(2 * np.pi * 440 * t)
    soundfile.write(tmp_path / name, np.stack([tone, 0 * tone], 1), 48000)
    audio = load(find_recordings([tmp_path])[0], 22050, 0.25, 0.5)
    assert abs(len(audio) - 11025) <= 1
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    assert np.argmax(spectrum) * 22050 / len(audio) == pytest.approx(440, abs=2)
    assert np.sqrt(np.mean(audio**2)) == pytest.approx(0.25 / np.sqrt(2), rel=0.2)  # MP3 fades in


def test_damaged_and_silent_recordings_are_passed_over(tmp_path: Path) -> None:
    write_noise(tmp_path / "good.wav", 1)
    flac = write_noise(tmp_path / "cut.flac", 4)
    flac.write_bytes(flac.read_bytes()[: flac.stat().st_size // 8])
    soundfile.write(tmp_path / "nan.wav", np.full(16000, np.nan, np.float32), 8000, subtype="FLOAT")
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000), 8000)
    recordings = find_recordings([tmp_path])
    assert len(recordings) == 4
    windows, again = (Windows(recordings, 2000, 8000) for _ in range(2))
    batch = windows.batch(1, 16)
    assert np.isfinite(batch).all() and (np.abs(batch).max(1) > 0.09).all()
    assert {path.name for path in windows.unreadable} == {"cut.flac", "nan.wav"}
    again.batch(0, 3)
    np.testing.assert_array_equal(again.batch(1, 16), batch)
    with pytest.raises(SicError, match="silent or damaged"):
        Windows([r for r in recordings if r.path.name != "good.wav"], 20000, 8000).batch(0, 1)


def test_a_folder_of_half_weight_is_drawn_half_as_often(tmp_path: Path) -> None:
    for folder, hz in (("low", 500), ("high/one", 2000)):
        (tmp_path / folder).mkdir(parents=True)
        soundfile.write(tmp_path / folder / "a.wav", 0.5 * np.sin(np.arange(8000) * 2 * np.pi * hz / 8000), 8000)
    recordings = find_recordings([tmp_path])

    def share_of_high(weight: dict[str, float]) -> float:
        batch = Windows(recordings, 80, 8000, folder_weight=weight).batch(0, 600)
        return float((np.abs(np.fft.rfft(batch)).argmax(1) > 10).mean())

    assert share_of_high({}) == pytest.approx(1 / 2, abs=0.05)
    assert share_of_high({"high": 0.5}) == pytest.approx(1 / 3, abs=0.05)
    assert share_of_high({"one": 0.0}) == 0


def test_varied_recordings_come_at_other_speeds_and_coloured_the_same_at_each_call(tmp_path: Path) -> None:
    t = np.arange(160_000) / 16000
    soundfile.write(tmp_path / "a.wav", 0.3 * (np.sin(2 * np.pi * 400 * t) + np.sin(2 * np.pi * 3000 * t)), 16000)
    windows = Windows(find_recordings([tmp_path]), 16000, 16000, vary=True)
    batch = windows.batch(0, 24)
    np.testing.assert_array_equal(windows.batch(0, 24), batch)
    spectrum = np.abs(np.fft.rfft(batch * np.hanning(16000)))
    low = spectrum[:, :1000].argmax(1)  # Hz, as a window lasts a second
    high = 1000 + spectrum[:, 1000:].argmax(1)
    assert (np.abs(np.log2(low / 400)) <= SPEED_OCTAVES + 0.01).all() and np.std(np.log2(low / 400)) > 0.08
    np.testing.assert_allclose(high / low, 7.5, rtol=0.01)  # both move alike
    tilt_db = 20 * np.log10(spectrum.max(1, where=np.arange(8001) >= 1000, initial=0) / spectrum[:, :1000].max(1))
    assert np.std(tilt_db) > 2
    assert (np.abs(batch).max(1) <= 1.0).all() and (np.abs(batch).max(1) > 0.09).all()


# the reference preset


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


def test_training_on_a_few_windows_removes_energy(windows: Windows) -> None:
    task, store = task_of(windows), MemoryStore()
    before = task.validate()
    train(task, Schedule(60, 3e-3, 3e-3, warmup=5), store, workers=0)
    after = store.log[-1]["valid"]
    assert abs(before["removed_db"]) < 0.01
    assert after["removed_db"] > 0.1
    assert after["sound"] < before["sound"]


# the loop


def test_training_resumes_exactly(windows: Windows) -> None:
    whole, parts = MemoryStore(), MemoryStore()
    train(task_of(windows), SCHEDULE, whole, workers=0)
    train(task_of(windows), ONE_STEP, parts, workers=0)
    train(task_of(windows), ONE_STEP, parts, workers=0, checkpoint=parts.loaded())
    assert parts.loaded()["step"] == 2
    train(task_of(windows), SCHEDULE, parts, workers=0, checkpoint=parts.loaded())
    assert whole.weights is not None and parts.weights == whole.weights
    assert whole.weights != task_of(windows).export()
    assert preset_of(whole.weights) == "reference"


def test_a_run_tells_what_it_does_and_stops_when_asked(windows: Windows) -> None:
    told: list[tuple[str, int]] = []
    watch = Watch(
        step=lambda done, losses: told.append(("step", done)),
        line=lambda line: told.append(("line", line["step"])),
        sample=lambda line: told.append(("sample", line["step"])),
        should_stop=lambda: ("step", 3) in told,
    )
    store = MemoryStore()
    done = train(task_of(windows), replace(SCHEDULE, sample_every=2), store, workers=0, watch=watch)
    assert done == 3 == store.loaded()["step"]
    assert told == [("step", 1), ("step", 2), ("line", 2), ("sample", 2), ("step", 3), ("line", 3)]


def test_samples_do_not_change_the_run(windows: Windows) -> None:
    watch = Watch(sample=lambda line: torch.manual_seed(7))
    without, with_samples = MemoryStore(), MemoryStore()
    train(task_of(windows), SCHEDULE, without, workers=0)
    train(task_of(windows), replace(SCHEDULE, sample_every=1), with_samples, workers=0, watch=watch)
    assert torch.equal(without.loaded()["rng"], with_samples.loaded()["rng"])


def test_lines_after_the_checkpoint_are_dropped_from_the_log(windows: Windows) -> None:
    store = MemoryStore()
    train(task_of(windows), replace(SCHEDULE, max_steps=2), store, workers=0)
    store.append_log({"step": 3})
    train(task_of(windows), SCHEDULE, store, workers=0, checkpoint=store.loaded())
    assert [line["step"] for line in store.log] == [2, 4]


class BadTask(ReferenceTask):
    """Every other step has a loss that is not a number."""

    def loss(self, batch: tuple[np.ndarray, np.ndarray], step: int) -> dict[str, torch.Tensor]:
        losses = super().loss(batch, step)
        return losses if step % 2 else {name: value * torch.nan for name, value in losses.items()}


def test_steps_that_are_no_numbers_are_skipped_and_counted(windows: Windows) -> None:
    task = BadTask(ReferenceModel(TINY).draw_weights(0), windows, windows.batch(1000, 2), batch_size=2)
    store = MemoryStore()
    train(task, SCHEDULE, store, workers=0)
    (line,) = store.log
    assert line["skipped"] == 2 and np.isfinite(line["total"])
    assert all(torch.isfinite(value).all() for value in task.model.state_dict().values())


class DyingTask(ReferenceTask):
    """Its batch of step 2 ends the process that makes it."""

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        if step == 2:
            os._exit(1)
        return super().batch(step)


def test_workers_make_the_same_batches_and_one_that_dies_costs_no_step(windows: Windows) -> None:
    whole, died = MemoryStore(), MemoryStore()
    train(task_of(windows), replace(SCHEDULE, max_steps=2), whole, workers=0)
    task = DyingTask(ReferenceModel(TINY).draw_weights(0), windows, windows.batch(1000, 2), batch_size=2)
    with pytest.raises(WorkerEnded, match="worker"):
        train(task, SCHEDULE, died, workers=1)
    left = died.loaded()
    assert left["step"] <= 2  # batches ahead are lost with the worker
    train(task_of(windows), replace(SCHEDULE, max_steps=2), died, workers=0, checkpoint=left)
    assert whole.weights is not None and died.weights == whole.weights


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04" + bytes(100)])
def test_what_is_no_checkpoint_is_refused(content: bytes) -> None:
    with pytest.raises(SicError, match="not a checkpoint"):
        load_checkpoint(io.BytesIO(content))
    file = io.BytesIO()
    torch.save({"model": {}}, file)
    file.seek(0)
    with pytest.raises(SicError, match="another program"):
        load_checkpoint(file)


# plans


def test_defaults_of_a_plan() -> None:
    new = TrainingPlan.of(data=("d",))
    assert (new.preset, new.steps, new.batch, new.seconds, new.imitation_steps) == ("speech", 6000, 8, 2.0, 2400)
    tuned = TrainingPlan.of(data=("d",), weights="speech")
    assert (tuned.steps, tuned.imitation_steps) == (2000, 0)
    assert new.vary and not tuned.vary
    assert not TrainingPlan.of(data=("d",), vary=False).vary
    reference = TrainingPlan.of(data=("d",), preset="reference")
    assert reference.steps == 100_000 and not reference.vary
    with pytest.raises(SicError, match="speech preset"):
        TrainingPlan.of(data=("d",), preset="reference", seconds=1.0)


def test_the_map_is_found_again_from_the_weights() -> None:
    decoder = SpeechDecoder(SpeechConfig())
    rng = np.random.default_rng(0)
    n_levels = decoder.shape_mean.numel()
    levels = rng.normal(0, 10, (300, n_levels)).astype(np.float32)
    made = fit_klt(levels, rng.uniform(-40, 0, 300), decoder)
    found = klt_of(decoder)
    np.testing.assert_allclose(found.coefficients(levels, decoder), made.coefficients(levels, decoder), atol=1e-3)
    some = rng.normal(0, 1, (5, 24))
    with torch.no_grad():  # as after training, when directions are no longer at right angles
        decoder.shape_basis += 0.1 * torch.randn(decoder.shape_basis.shape, generator=torch.manual_seed(0))
    trained = klt_of(decoder)
    np.testing.assert_allclose(some @ trained.basis @ trained.analysis, some, atol=1e-9)
