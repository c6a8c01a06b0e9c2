"""Facts in docs/speech.md are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from sparsecodec_formats import LAYOUTS
from sparsecodec_formats.edit import DIP_DB
from sparsecodec_formats.presets.voices import BEGINS_ABOVE, LONGEST_LINK_S
from sparsecodec_models.speech.analysis.candidates import LOOK_AHEAD, WINDOW
from sparsecodec_models.speech.codec import SpeechCodec
from sparsecodec_models.speech.synthesis.controls import UNVOICED

DOC = (Path(__file__).parents[2] / "docs" / "speech.md").read_text("utf-8").replace("−", "-").replace(",", "")
WORDS = re.sub(r"\s+", " ", DOC)
DIMS = LAYOUTS["speech"].dims


def numbers(text: str) -> list[float]:
    return [float(a) / float(b or 1) for a, b in re.findall(r"(-?\d+(?:\.\d+)?)(?:/(\d+))?", text)]


@pytest.mark.parametrize("name", list(DIMS)[:8])
def test_the_table_of_dims(name: str) -> None:
    dim = DIMS[name]
    (row,) = re.findall(rf"^\| {dim.index} \| `{name}` \|(.*)\|$", DOC, re.MULTILINE)
    unit, zero, range_, _ = row.split("|", 3)
    assert numbers(unit)[0] == pytest.approx(dim.scale)
    physical = {"log2 s": np.exp2, "semitones re 110 Hz": lambda st: 110 * 2 ** (st / 12)}.get(dim.unit, float)
    factor = 1000 if " ms" in zero else 1
    if numbers(zero):
        assert numbers(zero)[0] == pytest.approx(factor * physical(dim.offset))
    limits = [physical(limit) for limit in (dim.low, dim.high) if np.isfinite(limit)]
    told = numbers(range_.replace("±24", "-24 … 24").partition("above")[0])
    assert told == pytest.approx(limits, rel=0.01)


def test_other_figures(codec: SpeechCodec) -> None:
    assert f"at the default rate it is {codec.step[0]:.4f} units" in WORDS
    assert f"more than {LONGEST_LINK_S:g} s after" in WORDS and f"`begins` is {BEGINS_ABOVE:g} or less" in WORDS
    assert f"softer than both by {DIP_DB:g} dB" in WORDS
    config = codec.model.config
    assert f"every {config.frame_hop} samples" in WORDS and f"inverse FFT of {config.frame_size} points" in WORDS
    range_ = f"from {config.pitch_min_hz:.1f} to {config.pitch_max_hz:.1f} Hz"
    assert f"{config.pitch_bins} pitch candidates {range_}" in WORDS
    assert f"frame of {config.hop} samples" in WORDS and f"mean voicing of {UNVOICED:g} or more" in WORDS
    context_s = (codec.model.encoder.reach_frames + 4) * config.hop / config.sample_rate
    ahead_s = context_s + LOOK_AHEAD / config.sample_rate
    assert WINDOW // 2 == 2**16
    assert f"windows of 2¹⁶ samples with {context_s:.1f} s before them and {ahead_s:.1f} s after" in WORDS
    assert f"network of {codec.parameters()[1] / 1e6:.1f} M parameters" in WORDS
