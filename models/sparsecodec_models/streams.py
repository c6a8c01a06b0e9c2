"""Which streams a recording is coded as, and its channels from them: channels that are alike are coded once.

Two decoded sounds do not correlate, whatever their originals do. So channels that are nearly the same come back nearer
to what they were as one stream, and that gets the bits of both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.gains import LEAST_GAIN, nearest_gain

from .audio_source import READ_SAMPLES, AudioSource, read_blocks

# Of what is left of a channel without the other: in all of the recording, and in each part of it, it must be softer.
ALIKE_DB = -15.0  # re the channel there: a correlation of 0.984; docs/results.md, "Stereo"
SOFT_DB = -45.0  # re the channel's mean over the recording: noise in pauses
ROUNDING_DB = -93.0  # re full scale: what rounding both to 16 bits, with dither, leaves
PART_S = 1.0  # at most

Audio = NDArray[np.float32]
Gains = tuple[tuple[float, ...], ...]
"""[channels][streams], as in `Header`; empty: every channel is a stream of its own."""


def find_gains(source: AudioSource) -> Gains:
    """The gains with which channels of a recording that are alike come from one stream.

    Channels are alike if one is the other times a number, of either sign, and what is left is 15 dB softer in every
    second, or too soft to be heard beside the rest, or due to rounding to 16 bits. A silent channel is nothing of every
    stream, or, where all are silent, like any other. The source is read once, and once more if any two channels may be
    alike.
    """
    channels = source.channels
    if channels == 1 or not source.n_samples:
        return ()
    products = np.zeros((channels, channels))
    for samples in _parts(source):
        products += samples.T @ samples
    refused: set[tuple[int, int]] = set()
    while True:
        origins = _origins(products, refused)
        wrong = _disproved(source, origins, np.diag(products) / source.n_samples)
        if not wrong:
            return _gains_of(origins)
        refused |= wrong


def streams_of(audio: Audio, gains: Gains) -> Audio:
    """The streams that, with these gains, come nearest to channels: float32 [n, channels] -> [n, streams]."""
    return _weighted(audio, np.linalg.pinv(np.array(gains))) if gains else audio


def channels_of(streams: Audio, gains: Gains) -> Audio:
    """float32 [n, streams] -> [n, channels]: to the bit alike where gains are, and inverse where these are."""
    return _weighted(streams, np.array(gains)) if gains else streams


class StreamSource:
    """The streams of a source, to be coded like channels."""

    def __init__(self, source: AudioSource, gains: Gains) -> None:
        """gains: not empty."""
        self._source, self._gains = source, gains
        self.sample_rate, self.n_samples, self.channels = source.sample_rate, source.n_samples, len(gains[0])

    def read(self, n: int, /) -> Audio:
        block = np.asarray(self._source.read(n), np.float32)
        return streams_of(block.reshape(len(block), self._source.channels), self._gains)

    def rewind(self) -> None:
        self._source.rewind()


def _weighted(audio: Audio, weights: NDArray[np.float64]) -> Audio:
    """Sums of columns [n, k] with weights [m, k], added in the same order for each: float32 [n, m]."""
    out = np.zeros((len(audio), len(weights)), np.float32)
    for row, of_row in enumerate(weights.astype(np.float32)):
        for column in np.flatnonzero(of_row):
            out[:, row] += of_row[column] * audio[:, column]
    return out


def _parts(source: AudioSource) -> Iterator[NDArray[np.float64]]:
    """All of a source, float64 [m, channels], PART_S long or shorter."""
    at_once = min(READ_SAMPLES, max(1, round(PART_S * source.sample_rate)))
    return (block.astype(np.float64) for block, _ in read_blocks(source, at_once))


@dataclass(frozen=True)
class Origin:
    """What a channel may be: another channel times a number."""

    channel: int
    factor: float


def _origins(products: NDArray[np.float64], refused: set[tuple[int, int]]) -> list[Origin]:
    """Of each channel, the one that it may be a copy of, itself where there is none.

    products: sums over the recording of channel times channel, [channels, channels]; refused: (channel, origin) that
    are known not to be.
    """
    energy = np.diag(products)
    origins = [Origin(channel, 1.0) for channel in range(len(energy))]
    found: list[int] = []  # channels that are coded
    for channel in np.argsort(-energy, kind="stable").tolist():
        if energy[channel] == 0:
            origins[channel] = Origin(found[0], 0.0) if energy.any() else Origin(0, 1.0)
            continue
        left = np.inf
        for other in found:
            shared = products[channel, other]
            factor = np.copysign(np.sqrt(energy[channel] / energy[other]), shared)  # of the same level
            apart = energy[channel] + factor**2 * energy[other] - 2 * factor * shared
            may_be = apart <= 10 ** (ALIKE_DB / 10) * energy[channel] and abs(factor) >= LEAST_GAIN
            if may_be and apart < left and (channel, other) not in refused:
                left, origins[channel] = apart, Origin(other, float(factor))
        if left == np.inf:
            found.append(channel)
    return origins


def _disproved(source: AudioSource, origins: list[Origin], mean: NDArray[np.float64]) -> set[tuple[int, int]]:
    """(Channel, origin) of copies that are none somewhere in the recording. mean: power of each channel."""
    copies = {c: origin for c, origin in enumerate(origins) if origin.channel != c and origin.factor}
    wrong: set[tuple[int, int]] = set()
    for samples in _parts(source) if copies else ():
        here = np.square(samples).mean(axis=0)
        for channel, origin in copies.items():
            apart = np.square(samples[:, channel] - origin.factor * samples[:, origin.channel]).mean()
            limits_db = (here[channel], ALIKE_DB), (mean[channel], SOFT_DB), (1.0, ROUNDING_DB)
            if apart > max(energy * 10 ** (limit_db / 10) for energy, limit_db in limits_db):
                wrong.add((channel, origin.channel))
    return wrong


def _gains_of(origins: list[Origin]) -> Gains:
    """Empty where every channel is coded."""
    coded = sorted({origin.channel for origin in origins})
    if len(coded) == len(origins):
        return ()
    return tuple(
        tuple(nearest_gain(_within_1(origin.factor)) if origin.channel == stream else 0.0 for stream in coded)
        for origin in origins
    )


def _within_1(factor: float) -> float:
    """A copy is never louder than its origin, but for rounding."""
    return min(1.0, max(-1.0, factor))
