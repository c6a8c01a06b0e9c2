"""All measures of a pair of recordings."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError

from . import mel_distance, scores
from .alignment import find_lag, shifted

NOT_INSTALLED = "not installed: pip install 'sparsecodec[metrics]'"
SILENT_PEAK = 2.0**-16  # half a step of 16 bits
# The measures are made for sentences, and PESQ's program overruns its memory at the 50th utterance, each of
# which takes 0.4 s at least with the pause before the next.
PART_S = 15

Audio = NDArray[np.float32]


def measure(
    reference: NDArray[np.floating],
    sample_rate: int,
    other: NDArray[np.floating],
    other_rate: int,
    *,
    progress: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """See `sparsecodec_cli.api.compare`."""
    x = _at_mel_rate("the reference", reference, sample_rate)
    y = _at_mel_rate("the other recording", other, other_rate)
    silent = next((name for name, audio in (("REF", x), ("X", y)) if _is_silent(audio)), None)
    lag = 0 if silent else find_lag(x, y)
    y = shifted(y, lag, len(x))
    found: dict[str, Any] = {"lag_ms": 1000 * lag / mel_distance.SAMPLE_RATE, "mel": mel_distance.mel_distance(x, y)}
    x, y = (soxr.resample(audio, mel_distance.SAMPLE_RATE, scores.SAMPLE_RATE, quality="VHQ") for audio in (x, y))
    left_out = {}
    for n_done, score in enumerate(scores.SCORES, start=1):
        found[score.key], reason = (None, f"{silent} is silent") if silent else _measured(score, x, y)
        if reason:
            left_out[score.key] = reason
        if progress:
            progress(n_done / len(scores.SCORES))
    return found | {"left_out": left_out}


def mixed(audio: NDArray[np.floating]) -> Audio:
    """The mean of channels: [n] of [n] or [n, channels]."""
    audio = np.asarray(audio, dtype=np.float32)
    return audio if audio.ndim == 1 else audio.mean(axis=1)


def _at_mel_rate(name: str, audio: NDArray[np.floating], sample_rate: int) -> Audio:
    mono = mixed(audio) if np.size(audio) else np.zeros(0, np.float32)
    if not np.isfinite(mono).all():
        raise SicError(f"{name} has NaN or infinite samples")
    if sample_rate != mel_distance.SAMPLE_RATE and len(mono):
        mono = soxr.resample(mono, sample_rate, mel_distance.SAMPLE_RATE, quality="VHQ")
    if not len(mono):
        raise SicError(f"{name} is too short to compare")
    return mono


def _is_silent(audio: Audio) -> bool:
    return float(np.abs(audio).max()) < SILENT_PEAK


def _measured(score: scores.Score, reference: Audio, other: Audio) -> tuple[float | None, str | None]:
    """The score of signals at 16 kHz, or why there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = _mean(score.measure, _parts(reference, other) if score.by_parts else [(reference, other)])
    except ImportError:
        return None, NOT_INSTALLED
    except scores.LeftOut as error:
        return None, str(error)
    except MemoryError:
        raise
    except Exception as error:  # a package's own trouble with one score is no reason to withhold the others
        return None, f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return (value, None) if math.isfinite(value) else (None, "is not defined for these recordings")


def _parts(reference: Audio, other: Audio) -> Iterable[tuple[Audio, Audio]]:
    """Equal parts of 15 s at most."""
    n_parts = -(-len(reference) // (PART_S * scores.SAMPLE_RATE))
    return zip(np.array_split(reference, n_parts), np.array_split(other, n_parts), strict=True)


def _mean(measure: Callable[[Audio, Audio], float], parts: Iterable[tuple[Audio, Audio]]) -> float:
    """The mean of a score over the parts where `reference` has something to judge; LeftOut when there is none."""
    values, reason = [], scores.LeftOut("REF is silent")
    for reference, other in parts:
        if _is_silent(reference):
            continue
        try:
            values.append(measure(reference, other))
        except scores.LeftOut as error:
            reason = error
    if not values:
        raise reason
    return float(np.mean(values))
