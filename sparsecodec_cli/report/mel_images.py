"""Spectrograms for the eye: magnitudes on a mel scale, in dB, as bytes."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from sparsecodec_models.dsp.mel import hz_to_mel, mel_to_hz

ROWS = 128
DEPTH_DB = 70.0  # below the loudest, what is drawn darkest
LEVELS = 64  # finer ones are not seen, and cost bytes
TICKS_HZ = (200, 500, 1000, 2000, 4000, 8000)

Levels = NDArray[np.uint8]


@cache
def _filters(bins: int, sample_rate: int) -> NDArray[np.float32]:
    """Mean magnitudes around ROWS frequencies that lie evenly in mels, 0 … half the rate: float32 [bins, ROWS]."""
    top = float(hz_to_mel(sample_rate / 2))
    centres = mel_to_hz(np.linspace(0, top, ROWS + 2))
    bin_hz = sample_rate / 2 / (bins - 1)
    at = np.arange(bins)[:, None] * bin_hz
    low = np.minimum(centres[:-2], centres[1:-1] - bin_hz)  # a bin wide at least
    high = np.maximum(centres[2:], centres[1:-1] + bin_hz)
    triangles = np.minimum((at - low) / (centres[1:-1] - low), (high - at) / (high - centres[1:-1])).clip(0)
    return (triangles / triangles.sum(axis=0)).astype(np.float32)


def levels(magnitudes: NDArray[np.float32], sample_rate: int, full: float, depth_db: float = DEPTH_DB) -> Levels:
    """Magnitudes [frames, bins] (their sizes, where below 0) as bytes [ROWS, frames], the highest frequency on top: 255
    for `full` and above, 0 from depth_db below."""
    if not len(magnitudes):
        return np.zeros((ROWS, 0), np.uint8)
    mel = np.abs(magnitudes) @ _filters(magnitudes.shape[1], sample_rate)
    level_db = 20 * np.log10(np.maximum(mel, 1e-12) / max(full, 1e-12))
    share = np.clip(1 + level_db / depth_db, 0, 1)
    return np.round(np.round(share * (LEVELS - 1)) * (255 / (LEVELS - 1))).astype(np.uint8).T[::-1]


def narrowed(picture: Levels, most_columns: int) -> Levels:
    """No more than so many columns: the loudest of each few that make one, so that onsets stay."""
    n = picture.shape[1]
    if n <= most_columns:
        return picture
    return np.maximum.reduceat(picture, np.arange(most_columns) * n // most_columns, axis=1)


def loudest(magnitudes: NDArray[np.float32], sample_rate: int) -> float:
    """What `levels` shows brightest of them, so that one scale can serve several."""
    if not len(magnitudes):
        return 0.0
    return float((np.abs(magnitudes) @ _filters(magnitudes.shape[1], sample_rate)).max())


def ticks(sample_rate: int) -> list[tuple[str, float]]:
    """(Label, share of the height from below) of frequencies worth a mark."""
    top = float(hz_to_mel(sample_rate / 2))
    marks = [hz for hz in TICKS_HZ if hz < 0.45 * sample_rate]
    return [(f"{hz / 1000:g} k" if hz >= 1000 else str(hz), float(hz_to_mel(hz)) / top) for hz in marks]
