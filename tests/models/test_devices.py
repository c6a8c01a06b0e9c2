"""What runs on a GPU, on a second device that this machine has not: the same as on the CPU, and nothing left behind.

`second_device` does there what the CPU does here, so results are the same to the bit where both use torch.
"""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from second_device import second_device

from sparsecodec_formats import EventTable
from sparsecodec_models import ArraySource, load_codec
from sparsecodec_models.choice import choose_preset
from sparsecodec_models.codec import Codec
from sparsecodec_models.events.sounds import event_sounds
from sparsecodec_models.presets import load_renderer, shipped_weights
from sparsecodec_models.training.corpus import find_corpus
from sparsecodec_models.training.loop import Watch
from sparsecodec_models.training.plan import TrainingPlan
from sparsecodec_models.training.run import Training

DATA = Path(__file__).resolve().parents[1] / "data"
RECORDINGS = {"speech": (DATA / "only-person-en.flac", 1.5), "music": (DATA / "music" / "duet.flac", 2.0)}


def recording(preset: str, channels: int = 1) -> ArraySource:
    path, seconds = RECORDINGS[preset]
    samples, rate = soundfile.read(path, dtype="float32")
    samples = samples[: round(seconds * rate)]
    return ArraySource(samples if channels == 1 else np.stack([samples, samples[::-1]], 1), rate)


@cache
def coded(preset: str) -> EventTable:
    return load_codec(preset).encode(recording(preset), effort=0)


def moved(codec: Codec, device: str) -> Any:
    return type(codec)(copy.deepcopy(codec.model), weights_hash=codec.weights_hash, device=device)


# the device itself


def test_tensors_of_two_devices_do_not_mix() -> None:
    with second_device() as device:
        there, here = torch.ones(3, device=device), torch.ones(3)
        with pytest.raises(RuntimeError, match="two devices"):
            there + here
        with pytest.raises((RuntimeError, TypeError), match="numpy"):
            there.numpy()
        assert (there + here.to(device)).cpu().numpy().tolist() == [2.0] * 3
        assert (there + 1.0).device.type == device and here.device.type == "cpu"


def test_gradients_and_complex_numbers_are_those_of_the_cpu() -> None:
    def gradient(device: str) -> list[float]:
        vector = torch.linspace(0.1, 1.0, 8, device=device).requires_grad_(True)
        spectrum = torch.fft.rfft(vector * torch.arange(8.0, device=device))
        spectrum = torch.cat([spectrum[:2] + spectrum[2:4].conj().flip(0), spectrum[[0, 4]]])
        vector_of_both = (spectrum.imag + spectrum.abs()).sum()
        (slope,) = torch.autograd.grad(vector_of_both, vector)
        return slope.tolist()

    with second_device() as device:
        there = gradient(device)
    assert there == gradient("cpu")


# presets


@pytest.mark.parametrize("preset", ["speech", "music"])
@pytest.mark.parametrize("options", [{"effort": 0}, {"effort": 1}, {"effort": 1, "bitrate_kbps": 2.0}], ids=str)
def test_encoding_finds_the_same_events(preset: str, options: dict[str, Any]) -> None:
    codec = load_codec(preset)
    expected = codec.encode(recording(preset), **options)
    with second_device() as device:
        found = moved(codec, device).encode(recording(preset), **options)
    assert len(expected) > 5 and found == expected


def test_channels_and_other_limits_of_speech() -> None:
    codec = load_codec("speech")
    for options in ({"events_per_second": 20.0}, {"snr_stop_db": 6.0}):
        expected = codec.encode(recording("speech", channels=2), effort=1, **options)
        with second_device() as device:
            found = moved(codec, device).encode(recording("speech", channels=2), effort=1, **options)
        assert set(found.channel) == {0, 1} and found == expected


@pytest.mark.parametrize("preset", ["speech", "music"])
def test_decoding_sounds_the_same(preset: str) -> None:
    codec, table = load_codec(preset), coded(preset)
    here = np.concatenate(list(load_renderer(preset).decode(table)))
    with second_device() as device:
        there = np.concatenate(list(moved(codec, device).renderer.decode(table)))
    assert np.abs(here).max() > 0.1 and np.abs(there - here).max() < 1e-5


@pytest.mark.parametrize("preset", ["speech", "music"])
def test_single_events_sound_the_same(preset: str) -> None:
    codec, table = load_codec(preset), coded(preset)
    here = [sound.samples for sound in event_sounds(load_renderer(preset), table)]
    with second_device() as device:
        there = [sound.samples for sound in event_sounds(moved(codec, device).renderer, table)]
    assert len(here) == len(there) == len(table)
    assert max(float(np.abs(a - b).max()) for a, b in zip(here, there, strict=True)) < 1e-5


def test_reference_encodes_and_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "inference_mode", torch.no_grad)  # torch allows no tensors of another kind in it
    codec = load_codec("reference")
    expected = codec.encode(recording("speech"), events_per_second=4.0)
    here = np.concatenate(list(codec.renderer.decode(expected)))
    with second_device() as device:
        there = moved(codec, device)
        assert there.encode(recording("speech"), events_per_second=4.0) == expected
        assert np.abs(np.concatenate(list(there.renderer.decode(expected))) - here).max() < 1e-5


def test_the_choice_of_a_preset_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    music = load_codec("music")
    for preset in ("speech", "music"):
        with second_device() as device, monkeypatch.context() as patch:
            patch.setattr("sparsecodec_models.choice.load_codec", lambda name, device: moved(music, device))
            assert choose_preset(recording(preset), device) == preset


def test_training_goes_the_same_way() -> None:
    def losses(device: str) -> list[float]:
        plan = TrainingPlan.of(data=(str(DATA),), weights="speech", steps=2, batch=2, seconds=0.5, vary=False)
        run = Training(plan, find_corpus(plan.data), weights=shipped_weights("speech").read_bytes(), device=device)
        totals: list[float] = []
        run.run(Unkept(), workers=0, watch=Watch(step=lambda _, losses: totals.append(losses["total"])))
        return totals

    with second_device() as device:
        there = losses(device)
    assert len(there) == 2 and there == losses("cpu")


class Unkept:
    """A run that is not kept."""

    def save_checkpoint(self, data: bytes) -> None: ...

    def save_weights(self, data: bytes) -> None: ...

    def append_log(self, line: dict[str, Any]) -> None: ...

    def cut_log(self, last_step: int) -> None: ...
