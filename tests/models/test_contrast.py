"""Levels of bands that stand out from those about them, where sound is decoded, and there alone."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from sparsecodec_models.speech.config import SpeechConfig
from sparsecodec_models.speech.synthesis.controls import SpeechTables, fixed_tables

CONFIG = replace(SpeechConfig(), contrast=0.1)


def tables(config: SpeechConfig) -> SpeechTables:
    mean, basis = np.zeros(config.outputs, np.float32), np.zeros((config.coefficients, config.outputs), np.float32)
    return SpeechTables(config, mean, basis, **fixed_tables(config))


def in_bands(levels: np.ndarray, config: SpeechConfig) -> np.ndarray:
    """What levels of bands [bands] become, where a band's own centre lies."""
    plain, heard = (t.band_to_bin for t in (tables(config), tables(config).heard()))
    return np.linalg.lstsq(plain.T, heard.T @ levels, rcond=None)[0]


@pytest.mark.parametrize("contrast", [1, "0.1", -0.1, 1.5, float("nan"), True, None])
def test_a_contrast_that_is_none_is_refused(contrast: object) -> None:
    with pytest.raises(ValueError, match="'contrast' is"):
        SpeechConfig.of_fields(asdict(CONFIG) | {"contrast": contrast})


def test_weights_that_know_no_contrast_have_none() -> None:
    fields = asdict(CONFIG)
    assert SpeechConfig.of_fields(fields).contrast == 0.1
    del fields["contrast"]
    config = SpeechConfig.of_fields(fields)
    assert config.contrast == 0
    assert np.array_equal(tables(config).heard().band_to_bin, tables(config).band_to_bin)


def test_a_level_everywhere_stays() -> None:
    assert in_bands(np.full(32, -20.0), CONFIG) == pytest.approx(-20.0, abs=1e-4)


def test_a_slope_stays_but_at_its_ends() -> None:
    slope = -2.0 * np.arange(32)
    assert in_bands(slope, CONFIG)[10:22] == pytest.approx(slope[10:22], abs=1e-2)


def test_a_peak_rises_by_its_share_and_its_neighbours_fall() -> None:
    peak = np.zeros(32)
    peak[16] = 10.0
    found = in_bands(peak, CONFIG)
    weight = np.exp(-0.5 * ((np.arange(32) - 16) / 2.5) ** 2)
    own = 10.0 / weight.sum()  # of the mean about the peak, dB
    assert found[16] == pytest.approx(10 + 0.1 * (10 - own), abs=1e-3)
    assert found[15] == pytest.approx(-0.1 * own * weight[15], abs=1e-3)
