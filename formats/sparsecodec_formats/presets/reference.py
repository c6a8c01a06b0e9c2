"""The vector of preset `reference`: its numbers are learned, so none has a name."""

from __future__ import annotations

from fractions import Fraction

from .layout import Layout, dims

# Times are those of frames; the fine shift within one frame either way is in the vector.
REFERENCE = Layout(name="reference", sample_rate=22_050, time_unit=Fraction(256, 22_050), dims=dims())
