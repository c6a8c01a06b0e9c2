"""Mel spectra of signals at 22,050 Hz, and how far two of them are apart."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 22_050
N_MELS = 80
MEL_TOP_HZ = 8_000
FLOOR = 1e-5
WINDOWS = (512, 1024, 2048)
FRAMES_AT_ONCE = 1 << 14  # bounds the memory that long recordings take

Audio = NDArray[np.float32]
Spectra = NDArray[np.float32]
Padding = Literal["reflect", "constant"]


def mel_distance(reference: Audio, other: Audio, windows: tuple[int, ...] = WINDOWS) -> float:
    """Mean absolute difference of log10 mel magnitudes, averaged over window lengths; 0 for equal signals.

    reference, other: [n] at 22,050 Hz, in time with each other.
    """
    return float(np.mean([_distance(reference, other, size) for size in windows]))


def _distance(reference: Audio, other: Audio, size: int) -> float:
    pairs = zip(log_mel(reference, size, size // 4), log_mel(other, size, size // 4), strict=True)
    total, count = 0.0, 0
    for one, two in pairs:
        total += float(np.abs(one - two).sum(dtype=np.float64))
        count += one.size
    return total / count


def log_mel(
    audio: Audio,
    size: int,
    hop: int,
    *,
    top_hz: float = MEL_TOP_HZ,
    floor: float = FLOOR,
    padding: Padding = "reflect",
) -> Iterator[Spectra]:
    """log10 of mel magnitudes of samples [n], in blocks [frames, 80], 1 + n // hop frames in all.

    Frames of `size` samples under a periodic Hann window have their centres `hop` samples apart, the first at
    the first sample; `padding` is what lies beyond the ends. Magnitudes below `floor` count as `floor`.
    """
    filters = mel_filters(size, top_hz)
    for magnitude in _magnitudes(audio, size, hop, padding):
        yield np.log10(np.maximum(magnitude @ filters.T, floor))


def _magnitudes(audio: Audio, size: int, hop: int, padding: Padding) -> Iterator[Spectra]:
    padded = np.pad(audio, size // 2, mode=padding)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)
    for start in range(0, len(frames), FRAMES_AT_ONCE):
        block = frames[start : start + FRAMES_AT_ONCE] * window
        yield np.abs(np.fft.rfft(block)).astype(np.float32)


@cache
def mel_filters(size: int, top_hz: float) -> Spectra:
    """Triangles [80, size // 2 + 1] over the bins of a transform of `size` samples, from 0 to `top_hz` Hz.

    Centres lie evenly on Slaney's scale (Auditory Toolbox, 1998), and each triangle has the area 1 Hz x 2: what
    `librosa.filters.mel` makes by default.
    """
    edges_hz = _mel_to_hz(np.linspace(0, _hz_to_mel(top_hz), N_MELS + 2))
    bins_hz = np.arange(size // 2 + 1) * (SAMPLE_RATE / size)
    low, centre, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    triangles = np.minimum((bins_hz - low) / (centre - low), (high - bins_hz) / (high - centre))
    return (np.maximum(triangles, 0) * (2 / (high - low))).astype(np.float32)


# Slaney's scale: 3 mels in 200 Hz up to 1 kHz, then 27 mels for each factor of 6.4. The metric is defined with it; all
# else here has that of sparsecodec_models/dsp/mel.py.
_BREAK_HZ, _BREAK_MEL, _LOG_STEP = 1000.0, 15.0, np.log(6.4) / 27


def _hz_to_mel(hz: float) -> float:
    if hz < _BREAK_HZ:
        return 3 * hz / 200
    return _BREAK_MEL + float(np.log(hz / _BREAK_HZ)) / _LOG_STEP


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above = _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * 200 / 3, above)
