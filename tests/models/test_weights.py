"""Weights files: the same reader and writer for every preset."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest
import torch
from reference_small import TINY
from safetensors.torch import save

from sparsecodec_formats import SicError
from sparsecodec_models import weights
from sparsecodec_models.reference.model import ReferenceModel
from sparsecodec_models.speech.config import SpeechConfig
from sparsecodec_models.speech.model import SpeechModel

SMALL = replace(SpeechConfig(), channels=16, dilations=(1, 2))
MODELS: dict[str, Any] = {"speech": SpeechModel.drawn(0, SMALL), "reference": ReferenceModel(TINY).draw_weights(0)}


@pytest.mark.parametrize("preset", MODELS)
def test_weights_survive_their_file(preset: str) -> None:
    model = MODELS[preset]
    data = model.to_bytes()
    found = type(model).from_bytes(data)
    assert weights.preset_of(data) == preset and found.config == model.config
    assert found.to_bytes() == data and weights.hash_of(data) == weights.hash_of(model.to_bytes())
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], tensor, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("preset", MODELS)
def test_what_is_no_weights_of_a_preset_is_refused(preset: str) -> None:
    model = MODELS[preset]

    def read(about: object) -> None:
        type(model).from_bytes(save({"x": torch.zeros(1)}, {weights.METADATA_KEY: json.dumps(about)}))

    for data in (b"", bytes(100), b"RIFF" + bytes(60), model.to_bytes()[:1000]):
        with pytest.raises(SicError, match=r"not weights.*safetensors"):
            type(model).from_bytes(data)
    for about in ({"model": "brass"}, [1], {}):
        with pytest.raises(SicError, match=f"weights of '{preset}' are needed"):
            read(about)
    whole = asdict(model.config)
    for config in (None, [], {"brass": 1}, whole | {"hop": "?"}, whole | {"dilations": None}):
        with pytest.raises(SicError, match="configuration"):
            read({"model": preset, "config": config})
    with pytest.raises(SicError, match="do not fit"):
        read({"model": preset, "config": whole})


def test_weights_drawn_from_a_seed_are_the_same_and_leave_the_random_state() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    assert SpeechModel.drawn(1, SMALL).to_bytes() == SpeechModel.drawn(1, SMALL).to_bytes()
    assert SpeechModel.drawn(1, SMALL).to_bytes() != SpeechModel.drawn(2, SMALL).to_bytes()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("preset", MODELS)
@pytest.mark.parametrize("size", [0, -1, 2**31, 2**63, 1.5, float("nan"), True, "x", None, [], [1]])
def test_sizes_that_cannot_be_are_refused_before_memory_is_taken_for_them(preset: str, size: object) -> None:
    model = MODELS[preset]
    tensors = dict(model.state_dict())
    for name, usual in asdict(model.config).items():
        if isinstance(usual, tuple):
            continue
        about = {"model": preset, "config": asdict(model.config) | {name: size}}
        with pytest.raises(SicError, match=r"configuration|do not fit"):
            type(model).from_bytes(save(tensors, {weights.METADATA_KEY: json.dumps(about)}))


def test_a_config_of_other_sizes_than_the_tensors_is_refused() -> None:
    """Legal sizes, which would take 500 MB if a model of them were made."""
    about = {"model": "speech", "config": asdict(SMALL) | {"channels": 768, "dilations": [1] * 32}}
    with pytest.raises(SicError, match="do not fit"):
        SpeechModel.from_bytes(save(dict(MODELS["speech"].state_dict()), {weights.METADATA_KEY: json.dumps(about)}))


@pytest.mark.parametrize("preset", MODELS)
@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_are_refused(preset: str, number: float) -> None:
    model = MODELS[preset]
    for name in list(model.state_dict())[:3]:
        tensors = {key: tensor.clone() for key, tensor in model.state_dict().items()}
        tensors[name].view(-1)[0] = number
        about = {"model": preset, "config": asdict(model.config)}
        with pytest.raises(SicError, match="NaN or infinite"):
            type(model).from_bytes(save(tensors, {weights.METADATA_KEY: json.dumps(about)}))
