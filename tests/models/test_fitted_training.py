"""Training the encoder after fitted windows, and what prepares it: made voices, wider pitch, kept decoders."""

from __future__ import annotations

import runpy
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from memory_store import MemoryStore
from speech_support import CLIPS

from sparsecodec_formats import EventTable, Header
from sparsecodec_models import codec_for, presets, weights
from sparsecodec_models.speech.codec import SpeechCodec
from sparsecodec_models.speech.config import SpeechConfig
from sparsecodec_models.speech.model import SpeechModel
from sparsecodec_models.speech.network.features import pitch_candidates_hz
from sparsecodec_models.training.fitted_task import FittedTask, FittedWindow
from sparsecodec_models.training.loop import Schedule, train
from sparsecodec_models.training.made_voices import HIGHEST_HZ, LOWEST_HZ, made_voice

SCRIPTS = Path(__file__).parents[2] / "models" / "corpus"
RATE = 22_050
SMALL = SpeechConfig(channels=16, dilations=(1, 2))
OLD = replace(SMALL, pitch_bins=96, pitch_min_hz=60.0)  # as of weights 9264c4e1


def run(script: str, *arguments: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
    runpy.run_path(str(SCRIPTS / script), run_name="__main__")


# voices by formula


def test_a_made_voice_has_the_pitch_that_it_says() -> None:
    """Its spectrum has lines at multiples of that, and little between them."""
    size, checked = 4096, 0
    for seed in range(12):
        audio, f0_hz = made_voice(np.random.default_rng(seed), 3 * RATE, RATE)
        assert audio.dtype == np.float32 and np.abs(audio).max() == pytest.approx(1.0)
        sung = f0_hz > 0
        assert sung.any() and (f0_hz[sung] >= LOWEST_HZ * 0.999).all() and (f0_hz[sung] <= HIGHEST_HZ * 1.001).all()
        for start in range(0, len(audio) - size, size):
            here = f0_hz[start : start + size]
            if here.min() < 100 or here.max() > 1.005 * here.min():
                continue  # rests, glides, and notes too low for lines of this window
            power = np.abs(np.fft.rfft(audio[start : start + size] * np.hanning(size))) ** 2
            cycles = np.fft.rfftfreq(size, 1 / RATE) / here.mean()
            low = (cycles > 0.5) & (cycles < 4.5)
            near = np.abs(cycles - np.round(cycles)) < 0.2
            assert power[low & near].sum() > 5 * power[low & ~near].sum()
            checked += 1
    assert checked > 5


def test_made_voices_depend_on_the_draw_alone() -> None:
    first, again, other = (made_voice(np.random.default_rng(seed), RATE, RATE)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


# the task


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Windows as fit_windows.py leaves them: the first fitted, the second only encoded."""
    folder = tmp_path_factory.mktemp("fitted")
    with pytest.MonkeyPatch.context() as patch:
        for effort, count in ((1, 1), (0, 2)):
            data = CLIPS[0].parent
            run("fit_windows.py", folder, "--data", data, "--count", count, "--effort", effort, monkeypatch=patch)
    return sorted(folder.glob("t*.npz"))


def make_task(fitted: list[Path], codec: SpeechCodec) -> FittedTask:
    """A small network before the shipped decoder."""
    model = SpeechModel.drawn(1, SMALL)
    model.decoder.load_state_dict(codec.model.decoder.state_dict())
    return FittedTask(model, fitted, fitted[:1], size=2, n_voices=1)


def test_windows_hold_their_sound_and_events(fitted: list[Path]) -> None:
    first, second = map(FittedWindow.read, fitted)
    assert (first.fitted, second.fitted) == (True, False)
    for window in (first, second):
        assert window.samples.shape == (6 * RATE,) and 0.05 < np.abs(window.samples).max() <= 1
        assert window.vector.shape == (len(window.time), 32) and (np.diff(window.time) >= 0).all()
        assert (window.time % SMALL.hop == 0).all()


def test_a_batch_depends_on_its_step_alone_and_lists_events_in_order(fitted: list[Path], codec: SpeechCodec) -> None:
    task, other = make_task(fitted, codec), make_task(fitted, codec)
    other.batch(3)
    for step in (4, 5):  # a moved voice, and one by formula
        batch, again = task.batch(step), other.batch(step)
        assert torch.equal(batch.windows, again.windows) and torch.equal(batch.vector, again.vector)
        assert (torch.diff(batch.row * 10_000 + batch.frame) > 0).all()
        assert batch.windows.shape == (2, 6 * RATE) and batch.pitch_hz.shape == batch.switch.shape
        known = batch.pitch_hz[1][batch.pitch_hz[1] > 0]
        assert len(known) and known.min() > 44 and known.max() < 1001
    assert torch.isnan(task.batch(5).switch[1]).all() and not torch.isnan(task.batch(4).switch).any()


def test_loss_falls_the_decoder_stays_and_a_resumed_run_is_the_same(fitted: list[Path], codec: SpeechCodec) -> None:
    schedule = Schedule(8, learning_rate=5e-3, warmup=1, validate_every=8, save_every=4)
    whole, parts, store = make_task(fitted, codec), make_task(fitted, codec), MemoryStore()
    given = {name: tensor.clone() for name, tensor in whole.model.state_dict().items()}
    train(whole, schedule, MemoryStore(), workers=0)
    train(parts, replace(schedule, max_steps=4), store, workers=0)
    resumed = make_task(fitted, codec)
    train(resumed, schedule, store, workers=0, checkpoint=store.loaded())
    assert whole.export() == resumed.export() == store.weights
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, given[name]) != name.startswith("encoder."), name
    batch = whole.batch(0)
    before, after = (task.loss(batch, 0)["total"].item() for task in (make_task(fitted, codec), whole))
    assert after < before
    assert {"sound", "voices_octave"} <= set(store.log[-1]["valid"])


# weights


def test_widened_weights_say_the_same_of_the_candidates_that_there_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = SpeechModel.drawn(2, OLD)
    (tmp_path / "old.safetensors").write_bytes(old.to_bytes())
    run("widen_pitch.py", tmp_path / "old.safetensors", tmp_path / "new.safetensors", monkeypatch=monkeypatch)
    old = SpeechModel.from_bytes((tmp_path / "old.safetensors").read_bytes())
    new = SpeechModel.from_bytes((tmp_path / "new.safetensors").read_bytes())
    assert new.config == SMALL
    first = int(np.argmin(np.abs(pitch_candidates_hz(SMALL) - 60.0)))
    assert pitch_candidates_hz(SMALL)[first : first + 96] == pytest.approx(pitch_candidates_hz(OLD))
    samples = torch.from_numpy(np.random.default_rng(0).normal(size=RATE).astype(np.float32) * 0.1)
    with torch.no_grad():
        said, wide = (model.encoder(model.encoder.features.spectrogram(samples)[None]) for model in (old, new))
    for name in ("switch", "named", "shape"):
        torch.testing.assert_close(getattr(wide, name), getattr(said, name), rtol=0, atol=1e-4)
    torch.testing.assert_close(wide.pitch_logits[:, first : first + 96], said.pitch_logits, rtol=0, atol=1e-4)
    for part in ("decoder", "prior"):
        for name, tensor in getattr(old, part).state_dict().items():
            assert torch.equal(tensor, getattr(new, part).state_dict()[name])


@pytest.mark.parametrize(
    "sizes", [{"pitch_min_hz": 20.0}, {"pitch_bins": 300}, {"pitch_min_hz": 240.0}, {"pitch_bins": 0}]
)
def test_pitches_that_cannot_be_told_are_refused(sizes: dict[str, Any]) -> None:
    fields = SpeechConfig().__dict__ | sizes
    with pytest.raises(ValueError, match="pitch"):
        SpeechConfig.of_fields(fields)
    assert SpeechConfig.of_fields(OLD.__dict__) == OLD


def test_a_kept_decoder_sounds_as_its_whole_weights_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = SpeechModel.drawn(2, OLD), SpeechModel.drawn(3, SMALL)
    path = tmp_path / "speech.safetensors"
    path.write_bytes(old.to_bytes())
    run("keep_decoder.py", path, monkeypatch=monkeypatch)
    codec = SpeechCodec.from_bytes(path.read_bytes())
    path.write_bytes(new.to_bytes())
    monkeypatch.setattr(presets, "PRESETS", {"speech": replace(presets.PRESETS["speech"], weights=path)})
    rng = np.random.default_rng(4)
    vector = rng.normal(0.0, 1.0, (8, 32)).astype(np.float32)
    header = Header(RATE, 1, RATE, "speech", codec.weights_hash, codec.time_unit, codec.step)
    table = EventTable(header, np.arange(8) / 10, vector)
    renderer = codec_for(header)
    assert renderer.weights_hash == codec.weights_hash == weights.hash_of(old.to_bytes())
    ours, whole = (np.concatenate(list(each.decode(table))) for each in (renderer, codec.renderer))
    assert np.abs(whole).max() > 1e-3 and np.abs(ours - whole).max() < 1e-6
    assert codec_for(replace(header, weights_hash=weights.hash_of(new.to_bytes()))).weights_hash != codec.weights_hash
