"""By how much a signal lags behind another, also where a codec keeps no waveform."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .mel_distance import SAMPLE_RATE, Audio, log_mel, mel_distance

MAX_LAG = SAMPLE_RATE // 2
SAME_WAVEFORM = 0.5  # a normalised correlation from which on the waveforms are trusted

# Spectra for the coarse search: a fine hop, no treble, and a floor that hides what lies under speech.
SIZE, HOP, TOP_HZ, COARSE_FLOOR, BAND_STEP = 1024, 64, 3_800, 1e-3, 4
NEAR = int(0.012 * SAMPLE_RATE)


def find_lag(reference: Audio, other: Audio) -> int:
    """Samples that `other` comes late, within half a second; below 0: early.

    reference, other: [n], [m] at 22,050 Hz. Mel spectra tell it roughly, waveforms precisely where there is
    likeness; where there is none (parametric codecs keep no phase) the candidate with the smallest mel distance
    wins.
    """
    coarse = _spectral_lag(reference, other)
    lags, correlation = cross_correlation(reference, other, MAX_LAG)
    is_near = np.abs(lags - coarse) <= NEAR
    near = int(lags[is_near][np.argmax(correlation[is_near])])
    best = int(lags[np.argmax(correlation)])
    norm = np.sqrt(float(reference @ reference) * float(other @ other)) + 1e-9
    for lag in (near, best):
        if correlation[lag + MAX_LAG] / norm >= SAME_WAVEFORM:
            return lag
    return min(
        sorted({coarse, near, best}, key=abs),
        key=lambda lag: mel_distance(reference, shifted(other, lag, len(reference)), (SIZE,)),
    )


def shifted(audio: Audio, lag: int, n_samples: int) -> Audio:
    """`audio` without its first `lag` samples (below 0: after so much silence), cut or filled up to `n_samples`."""
    audio = audio[lag:] if lag >= 0 else np.pad(audio, (-lag, 0))
    return np.pad(audio[:n_samples], (0, max(0, n_samples - len(audio))))


def cross_correlation(one: Audio, two: Audio, max_lag: int) -> tuple[NDArray[np.int_], NDArray[np.floating]]:
    """(lags, sum over t of one[t] two[t + lag]) for lags from -max_lag to max_lag; [2 max_lag + 1] both."""
    # So long that what wraps around falls on no lag asked for, also where that is longer than the signals.
    size = 1 << (max(len(one), len(two)) + max_lag - 1).bit_length()
    circular = np.fft.irfft(np.conj(np.fft.rfft(one, size)) * np.fft.rfft(two, size), size)
    lags = np.arange(-max_lag, max_lag + 1)
    return lags, circular[lags % size]


def _spectral_lag(reference: Audio, other: Audio) -> int:
    one, two = _bands(reference), _bands(other)
    total = np.zeros(2 * (MAX_LAG // HOP) + 1)
    for a, b in zip(one, two, strict=True):
        lags, correlation = cross_correlation(a, b, MAX_LAG // HOP)
        total += correlation
    return int(lags[np.argmax(total)]) * HOP


def _bands(audio: Audio) -> NDArray[np.float32]:
    """Every fourth mel band's course in time, [20, frames]; the mean of all bands is 0."""
    blocks = list(log_mel(audio, SIZE, HOP, top_hz=TOP_HZ, floor=COARSE_FLOOR, padding="constant"))
    mean = sum(float(block.sum(dtype=np.float64)) for block in blocks) / sum(block.size for block in blocks)
    return np.ascontiguousarray(np.concatenate([block[:, ::BAND_STEP] for block in blocks]).T) - np.float32(mean)
