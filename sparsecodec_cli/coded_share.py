"""How much of a recording's energy its events bring back: what `sic encode` warns by where that is little."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.container import Reader
from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_formats.table import EventTable
from sparsecodec_models import AudioSource, Renderer

from .decoding import decode

STRETCHES, STRETCH_S = 3, 2.0  # that are decoded for it
LEAST_S = 0.1  # of less, nothing is said
LOWEST_HZ = 20.0  # where the lowest octave begins
LEAST_MEAN_SQUARE = 1e-9  # softer sound than -90 dB re full scale has no level


@dataclass(frozen=True)
class CodedShare:
    """share: of the energy above 20 Hz that is there after decoding, 0 … 1, in the loudest stretches of a recording:
    octave by octave, at most what the recording has. missing_above: share of what is not there that lies above the
    highest frequency of the model, 0 … 1; highest_hz: that frequency."""

    share: float
    missing_above: float
    highest_hz: float


def coded_share(source: AudioSource, events: EventTable | Reader, *, model: Renderer) -> CodedShare | None:
    """Compare a source with what its events sound like: in the loudest 2 s of each third, or in all of up to 6 s, so
    that it takes no longer for a long recording than for a short one. None: it is too short or too soft to tell.

    The source is read once, from its start.
    """
    rate, highest_hz = source.sample_rate, LAYOUTS[events.header.model].sample_rate / 2
    energy, coded, missing_above, n_samples = 0.0, 0.0, 0.0, 0
    for start, wanted in _loudest(source):
        heard, _ = decode(events, start_s=start / rate, end_s=(start + len(wanted)) / rate, model=model)
        bands_hz, in_wanted = _octaves(wanted, rate, highest_hz)
        in_heard = _octaves(heard, rate, highest_hz)[1]
        kept = np.minimum(in_wanted, in_heard)
        energy, coded = energy + in_wanted.sum(), coded + kept.sum()
        missing_above += (in_wanted - kept)[bands_hz >= highest_hz].sum()
        n_samples += wanted.size
    if n_samples < LEAST_S * rate * source.channels or energy < LEAST_MEAN_SQUARE * n_samples:
        return None
    return CodedShare(coded / energy, missing_above / max(energy - coded, 1e-300), highest_hz)


def _loudest(source: AudioSource) -> list[tuple[int, NDArray[np.float32]]]:
    """First samples of the stretches to compare, and the stretches [n, channels]."""
    size = max(1, round(STRETCH_S * source.sample_rate))
    source.rewind()
    if source.n_samples <= STRETCHES * size:
        return [(0, _read(source, source.n_samples))]
    loudest: dict[int, tuple[float, int, NDArray[np.float32]]] = {}
    for start in range(0, source.n_samples, size):
        stretch = _read(source, min(size, source.n_samples - start))
        loudness = float(np.square(stretch - stretch.mean(axis=0), dtype=np.float64).sum())
        third = STRETCHES * start // source.n_samples
        if third not in loudest or loudness > loudest[third][0]:
            loudest[third] = loudness, start, stretch
    return [(start, stretch) for _, start, stretch in loudest.values()]


def _read(source: AudioSource, n: int) -> NDArray[np.float32]:
    return np.asarray(source.read(n), dtype=np.float32).reshape(-1, source.channels)


def _octaves(
    samples: NDArray[np.float32], rate: int, highest_hz: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower edges of octaves from LOWEST_HZ on, Hz, what lies above `highest_hz` apart, and the energy of samples
    [n, channels] in each: sums of squares, float64 [bands] both."""
    n = len(samples)
    power = np.square(np.abs(np.fft.rfft(samples * np.hanning(n)[:, None], axis=0))).sum(axis=1) / n / 0.1875
    hz = np.fft.rfftfreq(n, 1 / rate)
    octaves = LOWEST_HZ * 2.0 ** np.arange(max(1.0, np.ceil(np.log2(highest_hz / LOWEST_HZ))))
    edges = np.append(octaves, highest_hz)
    band = np.searchsorted(edges, hz, side="right") - 1
    energy: NDArray[np.float64] = np.bincount(band[band >= 0], power[band >= 0], minlength=len(edges)).astype(
        np.float64
    )
    return edges, energy
