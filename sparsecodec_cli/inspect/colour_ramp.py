"""Colours for numbers from low to high that show on dark and on light ground, in terminals, plots and pages."""

from __future__ import annotations

import numpy as np

HUES = 265.0, 25.0  # from low (blue) by way of green and yellow to high (red), degrees
LIGHTNESS, CHROMA = (0.64, 0.76), 0.14


def ramp(n: int) -> list[str]:
    """n colours, "#rrggbb", as far from each other as their numbers: OKLCH (Ottosson 2020), chroma the same."""
    shares = np.linspace(0.0, 1.0, n)
    hue = np.radians(HUES[0] + shares * (HUES[1] - HUES[0]))
    lightness = LIGHTNESS[0] + shares * (LIGHTNESS[1] - LIGHTNESS[0])
    lab = np.stack([lightness, CHROMA * np.cos(hue), CHROMA * np.sin(hue)])
    to_lms = [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
    to_rgb = [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
    linear = np.clip(np.array(to_rgb) @ (np.array(to_lms) @ lab) ** 3, 0, 1)
    rgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in np.round(255 * rgb).astype(int).T.tolist()]
