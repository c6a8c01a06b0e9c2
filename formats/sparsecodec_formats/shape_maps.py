"""What the coefficients of an event's spectrum stand for: a linear map that comes with a model's weights.

This package has no weights. What has them says where they are (`weights_source`), so that edits find a table's map.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import weights_source
from .errors import SicError
from .header import Header

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class ShapeMap:
    """The map: outputs = mean + coefficients · basis. Its first outputs are levels (dB, relative) at `level_hz`; the
    others are what the preset has besides.

    mean: [m]; basis: [coefficients, m]; level_hz: [levels], ascending; weight: [m], what an error of 1 counts in each
    output where an edit has to choose.
    bin_hz: spacing of the bins of a frame, Hz; level_to_bin: [levels, bins], levels → of bins; voicing_to_bin:
    [m - levels, bins], likewise; these three where the other outputs are degrees of voicing (logits), else None.
    noise_hz: [m - levels], where they are levels of noise bands instead.
    """

    mean: Floats
    basis: Floats
    level_hz: Floats
    weight: Floats
    bin_hz: float | None = None
    level_to_bin: Floats | None = None
    voicing_to_bin: Floats | None = None
    noise_hz: Floats | None = None

    def outputs(self, coefficients: Floats) -> Floats:
        """[n, m] of [n, coefficients]."""
        return coefficients @ self.basis + self.mean

    def nearest(self, change: Floats, weight: Floats | None = None) -> Floats:
        """The change of coefficients [n, coefficients] that comes nearest to a change of the outputs [n, m], by the
        weighted squares of what is wrong. weight: [m], in place of the map's own."""
        weight = self.weight if weight is None else weight
        analysis = np.linalg.pinv(np.asarray(self.basis * weight, np.float64))
        return (change * weight) @ analysis


Shapes = ShapeMap | Callable[[Header], ShapeMap] | None
"""A map, or what gives that of the weights that a header names where it is needed; None: `weights_source` does."""


def shape_map_of(header: Header, given: Shapes = None) -> ShapeMap:
    """The map of the events of this header; SicError where none is known."""
    if isinstance(given, ShapeMap):
        return given
    find = given or weights_source.find_shape_map
    if find is None:
        raise SicError("the weights that tell what a spectrum means are not at hand; hand over their map")
    return find(header)
