"""Maps of spectra without weights: each of their outputs has a coefficient of its own."""

from __future__ import annotations

import numpy as np

from sparsecodec_formats.shape_maps import ShapeMap

BANDS, VOICING, BINS = 18, 6, 257


def plain_note_map() -> ShapeMap:
    """Of `music`: 10 levels of partials and 6 of noise bands, a coefficient for each."""
    return ShapeMap(
        mean=np.zeros(16),
        basis=np.eye(16),
        level_hz=np.geomspace(60, 10_500, 10),
        weight=np.ones(16),
        noise_hz=np.geomspace(100, 10_500, 6),
    )


def plain_shape_map() -> ShapeMap:
    """Of `speech`: 18 bands and 6 degrees of voicing, a coefficient for each: 1 dB, or a tenth of a logit."""
    level_hz = np.geomspace(100, 10_000, BANDS)
    bin_hz = 22_050 / 512
    level_to_bin = np.stack([np.interp(np.arange(BINS) * bin_hz, level_hz, row) for row in np.eye(BANDS)])
    voicing_to_bin = np.repeat(np.eye(VOICING), -(-BINS // VOICING), axis=1)[:, :BINS]
    return ShapeMap(
        mean=np.concatenate([np.zeros(BANDS), np.full(VOICING, 3.0)]),
        basis=np.diag([1.0] * BANDS + [0.1] * VOICING),
        level_hz=level_hz,
        weight=np.ones(BANDS + VOICING),
        bin_hz=bin_hz,
        level_to_bin=level_to_bin,
        voicing_to_bin=voicing_to_bin,
    )
