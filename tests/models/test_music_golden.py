"""What files of preset `music` sound like: golden sounds, on any processor within 1e-4 of full scale."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sparsecodec_formats import dumps, loads
from sparsecodec_models import Codec, load_codec
from sparsecodec_models.music.renderer import MusicRenderer

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
    like, decoder = torch.zeros(0), codec.model.get_submodule("decoder").arrays
    renderer = MusicRenderer(decoder, codec.parameters(), weights_hash=codec.weights_hash, like=like)
    sound = np.concatenate(list(renderer.decode(table)))
    assert np.abs(sound - expected).max(initial=0.0) < TOLERANCE
