"""What files of preset `music` sound like: golden sounds, on any processor within 1e-4 of full scale."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from sparsecodec_formats import dumps, loads
from sparsecodec_models import Codec, load_codec
from sparsecodec_models.music.synthesis.channels import channel_sounds, span_of

GOLDEN = Path(__file__).parents[2] / "models" / "golden" / "music"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.sic"))
TOLERANCE = 1e-4  # of full scale


@pytest.fixture(scope="module")
def codec() -> Codec:
    return load_codec("music")


def test_every_golden_sound_has_its_files_and_its_maker(codec: Codec) -> None:
    tables = runpy.run_path(str(GOLDEN / "make_golden_sounds.py"))["tables"](codec.weights_hash)
    assert NAMES == sorted(path.stem for path in GOLDEN.glob("*.flac")) == sorted(tables)
    for name, table in tables.items():
        assert dumps(table) == (GOLDEN / f"{name}.sic").read_bytes(), name


@pytest.mark.parametrize("name", NAMES)
def test_golden_sounds(codec: Codec, name: str) -> None:
    table = loads((GOLDEN / f"{name}.sic").read_bytes())
    expected, rate = soundfile.read(GOLDEN / f"{name}.flac", always_2d=True)
    assert rate == 22_050
    sound = np.concatenate(list(codec.decode(table)))
    assert sound.shape == expected.shape
    assert np.abs(sound - expected).max(initial=0.0) < TOLERANCE
    assert len(table) == 0 or np.abs(expected).max() > 0.01


@pytest.mark.parametrize("name", NAMES)
def test_golden_sounds_by_torch(codec: Codec, name: str) -> None:
    table = loads((GOLDEN / f"{name}.sic").read_bytes())
    expected, _ = soundfile.read(GOLDEN / f"{name}.flac", always_2d=True)
    time, like = codec.event_samples(table), torch.zeros(0)
    decoder: Any = codec.model.get_submodule("decoder").arrays
    for channel, parts in enumerate(channel_sounds(decoder, table, time, table.header.seed, table.amplitude, like)):
        sound = span_of(parts, 0, len(expected))
        assert isinstance(sound, torch.Tensor)
        assert np.abs(sound.numpy() - expected[:, channel]).max(initial=0.0) < TOLERANCE
