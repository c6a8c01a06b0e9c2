"""Small `reference` models and what their tests share."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray

from sparsecodec_formats.header import Header
from sparsecodec_formats.table import EventTable
from sparsecodec_models.reference.codec import ReferenceCodec
from sparsecodec_models.reference.config import ReferenceConfig
from sparsecodec_models.reference.decoder import draw_noise
from sparsecodec_models.reference.model import ReferenceModel

TINY = ReferenceConfig(
    window=4096,
    n_fft=128,
    hop=32,
    events_per_window=4,
    channels=16,
    dilations=(1, 2, 4, 1),
    n_filters=8,
    filter_samples=16,
    n_envelopes=8,
    envelope_points=16,
    envelope_samples=256,
    n_resonances=32,
    n_decays=8,
    n_resonance_deformations=8,
    n_noise_deformations=8,
    n_rooms=3,
    room_samples=256,
)


def sounding(seed: int) -> ReferenceModel:
    """As if some training had been done: weights larger than the author's first ones, an open switch."""
    model = ReferenceModel(TINY).draw_weights(seed)
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.mul_(40)
        assert model.encoder.switch_head.bias is not None
        model.encoder.switch_head.bias += 0.5
    return model


def noise_of(n: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(draw_noise(seed, range(n), TINY.envelope_samples))


def sound(n: int, channels: int = 1, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (n, channels)).astype(np.float32)


def table_of(codec: ReferenceCodec, times_s: list[float], n_samples: int, rate: int = 22050) -> EventTable:
    header = Header(
        sample_rate=rate,
        channels=1,
        n_samples=n_samples,
        model="reference",
        weights_hash=codec.weights_hash,
        time_unit=Fraction(1, 22050),
        step=(1.0,) * 32,
    )
    vector = np.random.default_rng(5).standard_normal((len(times_s), 32))
    return EventTable(header, times_s, vector, amplitude=np.linspace(1, 2, len(times_s)))


def decoded(codec: ReferenceCodec, table: EventTable, **options: float) -> NDArray[np.float32]:
    blocks = list(codec.decode(table, **options))  # type: ignore[arg-type]
    return np.concatenate([np.zeros((0, table.header.channels), np.float32), *blocks])
