"""The table of presets: what a row says is so, and nothing else needs to know of a preset."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from reference_small import TINY, sounding, table_of

from sparsecodec_formats import LAYOUTS, SicError
from sparsecodec_models import list_models, load_codec, presets
from sparsecodec_models.errors import OtherWeights, UnknownModel
from sparsecodec_models.presets import (
    DEFAULT_PRESET,
    PRESETS,
    Preset,
    codec_for,
    kept_codecs,
    load_renderer,
    presets_with,
    trained_presets,
)
from sparsecodec_models.reference.codec import ReferenceCodec
from sparsecodec_models.renderer import FOREVER, Renderer
from sparsecodec_models.training.plan import PresetTraining, TrainingPlan


def test_reading_the_table_imports_no_torch() -> None:
    code = (
        "import sys; from sparsecodec_models.presets import PRESETS; print(*PRESETS); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.split() == list(PRESETS)


@pytest.mark.parametrize("row", PRESETS.values(), ids=lambda row: row.name)
def test_a_row_leads_to_its_codec(row: Preset) -> None:
    codec = load_codec(row.name)
    layout = LAYOUTS[row.name]
    assert isinstance(codec, row.codec()) and codec.name == row.name
    assert (codec.model_rate, codec.time_unit) == (layout.sample_rate, layout.time_unit)
    assert (row.weights is not None) == any(codec.weights_hash)
    whole, encoder, decoder = codec.parameters()
    assert whole == encoder + decoder == sum(p.numel() for p in codec.model.parameters())
    (told,) = (model for model in list_models() if model.name == row.name)
    assert (told.parameters, told.encoder_parameters, told.decoder_parameters) == (whole, encoder, decoder)
    assert told.sample_rate == codec.model_rate


@pytest.mark.parametrize("name", trained_presets())
def test_a_row_leads_to_its_training(name: str) -> None:
    row = PRESETS[name]
    assert isinstance(row.training(), PresetTraining)
    plan = TrainingPlan.of(data=("d",), preset=row.name)
    own = {"seconds", "imitation_steps"}
    assert {name for name in own if getattr(plan, name) is not None} == set(row.training_options)
    assert plan.steps > 0 and plan.batch > 0 and row.training().schedule(plan).steps == plan.steps
    assert set(row.training_options) <= {field.name for field in fields(TrainingPlan)}


def test_a_preset_that_is_not_trained_here_says_which_are() -> None:
    assert trained_presets() == ["speech", "reference"]
    assert PRESETS["music"].training_class is None
    for make in (PRESETS["music"].training, lambda: TrainingPlan.of(data=("d",), preset="music")):
        with pytest.raises(SicError, match="'music' is not trained this way; name speech or reference"):
            make()


def test_the_default_has_weights() -> None:
    assert PRESETS[DEFAULT_PRESET].weights is not None
    assert load_codec().name == DEFAULT_PRESET == TrainingPlan.of(data=("d",)).preset
    assert presets_with("seconds") == ["speech"] and presets_with("brass") == []


def test_a_new_row_is_all_that_a_preset_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codec = ReferenceCodec(sounding(0))
    (tmp_path / "small.safetensors").write_bytes(codec.model.to_bytes())
    row = replace(PRESETS["reference"], description="small", weights=tmp_path / "small.safetensors")
    monkeypatch.setattr(presets, "PRESETS", {"speech": PRESETS["speech"], "reference": row})
    found = load_codec("reference")
    assert found.weights_hash == codec.weights_hash
    assert codec_for(table_of(codec, [0.0], 100).header).weights_hash == codec.weights_hash
    listed = list_models()[1]
    assert (listed.description, listed.shipped, listed.weights_hash) == ("small", True, codec.weights_hash.hex())
    assert listed.sample_rate == TINY.sample_rate


def test_what_is_not_there_is_told_as_such(tmp_path: Path) -> None:
    for name in ("brass", str(tmp_path / "gone.safetensors")):
        with pytest.raises(UnknownModel, match="speech or music or reference"):
            load_codec(name)
    header = table_of(ReferenceCodec(sounding(0)), [0.0], 100).header
    with pytest.raises(UnknownModel, match="'brass'"):
        codec_for(replace(header, model="brass"))
    with pytest.raises(OtherWeights, match=header.weights_hash.hex()):
        codec_for(header)
    (tmp_path / "bad.safetensors").write_bytes(b"none")
    with pytest.raises(SicError, match=r"bad\.safetensors: these are not weights"):
        load_codec(str(tmp_path / "bad.safetensors"))


@pytest.mark.parametrize("name", ["speech", "music"])
def test_a_renderer_alone_tells_what_its_codec_tells(name: str) -> None:
    codec, renderer = load_codec(name), load_renderer(name)
    assert renderer.parameters() == codec.parameters() == codec.renderer.parameters()
    for attribute in ("name", "model_rate", "weights_hash"):
        assert getattr(renderer, attribute) == getattr(codec, attribute)


def test_a_preset_that_cannot_tell_says_so() -> None:
    codec = ReferenceCodec(sounding(0))
    table = table_of(codec, [0.0, 0.5], 22050)
    first, last = Renderer.event_spans(codec.renderer, table)
    assert first.tolist() == [0, 0] and last.tolist() == [FOREVER] * 2
    assert not Renderer.has_pitch(codec.renderer, table).any()
    first, last = codec.event_spans(table)
    np.testing.assert_array_equal(last - first, TINY.window + TINY.hop)


def test_kept_codecs_are_loaded_once() -> None:
    with kept_codecs():
        first, renderer = load_codec("reference"), load_renderer("speech")
        assert load_codec("reference") is first
        assert load_renderer("speech") is renderer
        with kept_codecs():
            assert load_codec("reference") is first
    assert load_codec("reference") is not first
