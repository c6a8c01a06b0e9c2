"""The decoder's first map: a Karhunen-Loève transform of what the teacher reads off the corpus.

Band levels and voicing are highly correlated; 24 directions keep nearly all that is heard of them.
The weights make an equal quantiser step on every coefficient the right choice (reverse water-filling).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from sparsecodec_models.dsp.mel import band_centres_hz
from sparsecodec_models.speech.config import SpeechConfig
from sparsecodec_models.speech.network.decoder import SpeechDecoder
from sparsecodec_models.speech.synthesis.controls import SHAPE_HIGH_HZ, SHAPE_LOW_HZ

FloatArray = np.ndarray
UNIT_DB = 8.0  # what one quantiser step of a coefficient means: dB, over all bands together
VOICE_WEIGHT = 3.0  # dB that a logit of voicing is worth
DEPTH_DB = 60.0  # levels further below an event's loudest band are not told apart


def normalise(levels: FloatArray, decoder: SpeechDecoder) -> FloatArray:
    """Teacher's levels [n, bands + voice_bands] with the event's power taken out, as the decoder does."""
    bands = decoder.config.bands
    out = levels.copy()
    shape = out[:, :bands]
    power = 10.0 ** (shape @ decoder.band_to_bin.numpy() / 10.0)
    shape -= 10 * np.log10(power.sum(-1) + 1e-20)[:, None]
    np.maximum(shape, shape.max(1, keepdims=True) - DEPTH_DB, out=shape)
    return out


def perceptual_weights(config: SpeechConfig) -> FloatArray:
    """Weight of each output of the map, float64 [bands + voice_bands]: little is understood from above 5 kHz."""
    hz = band_centres_hz(config.bands, SHAPE_LOW_HZ, SHAPE_HIGH_HZ)
    band = np.where(hz < 5000, 1.0, np.where(hz < 8000, 0.7, 0.45))
    return np.concatenate([band, np.full(config.voice_bands, VOICE_WEIGHT)])


@dataclass(frozen=True)
class Klt:
    """mean float64 [m]; basis float64 [24, m] (coefficient → levels); analysis float64 [m, 24] (levels →
    coefficient)."""

    mean: FloatArray
    basis: FloatArray
    analysis: FloatArray

    def coefficients(self, levels: FloatArray, decoder: SpeechDecoder) -> FloatArray:
        """Teacher's levels float32 [n, m] → coefficients float64 [n, 24]."""
        return (normalise(levels, decoder) - self.mean) @ self.analysis


def fit_klt(levels: FloatArray, level_db: FloatArray, decoder: SpeechDecoder) -> Klt:
    """The transform for these events, louder ones counting more; it is also written into the decoder."""
    c = decoder.config
    weight = perceptual_weights(c)
    loud = np.clip((level_db - level_db.max() + 55.0) / 30.0, 0.05, 1.0)
    values = normalise(levels, decoder)
    mean = np.average(values, axis=0, weights=loud)
    scaled = (values - mean) * weight * np.sqrt(loud)[:, None]
    directions = np.linalg.svd(scaled, full_matrices=False)[2][: c.vector_dims - c.named_dims]
    klt = Klt(mean, UNIT_DB * directions / weight, (directions * weight).T / UNIT_DB)
    with torch.no_grad():
        decoder.shape_mean.copy_(torch.tensor(klt.mean))
        decoder.shape_basis.copy_(torch.tensor(klt.basis))
    return klt


def klt_of(decoder: SpeechDecoder) -> Klt:
    """The map that a decoder has, as the teacher needs it, and so its way back: the coefficients whose levels are
    nearest in the weighted sense of `fit_klt`, which it then agrees with."""
    mean = decoder.shape_mean.detach().cpu().double().numpy()
    basis = decoder.shape_basis.detach().cpu().double().numpy()
    weighted = basis * perceptual_weights(decoder.config) ** 2
    return Klt(mean, basis, np.linalg.solve(basis @ weighted.T, weighted).T)
