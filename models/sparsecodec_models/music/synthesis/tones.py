"""The `music` decoder: tones, what notes leave over. Each is one sinusoid under a Hann window (Gabor 1946)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sparsecodec_models.dsp.arrays import Array, Library, library_of
from sparsecodec_models.dsp.room import convolve, room_response

from .controls import MusicDecoder
from .notes import Rows
from .sinusoids import BLOCK, FINE, turns

SAMPLES_AT_ONCE = 2**18  # of all tones that are made together


def tone_wave(hz: Array, phase_cycles: Array, length: Array, first: Array, count: int, sample_rate: int) -> Array:
    """Tones of amplitude 1, from sample `first` since their onsets on: float32 [n, count].

    hz, phase_cycles: float64 [n]; length: float64 [n], samples of the window; first: int64 [n], at least 0. No sample
    beyond a tone's window is silent here.
    """
    xp = library_of(hz)
    begin = xp.astype(first[:, None] + BLOCK * xp.arange(0, -(-count // BLOCK), hz), "float64")
    step, turn = (hz / sample_rate)[:, None], (1.0 / length)[:, None]  # cycles a sample
    # under its window a sinusoid is three, and a block of each is its first block times a complex number
    carrier, window = _turned(xp, step * begin + phase_cycles[:, None]), _turned(xp, turn * begin)
    beside = -0.25 * carrier
    blocks = xp.stack([0.5 * carrier, beside * window, beside * xp.conj(window)], -1)  # [n, blocks, 3]
    carrier, window = _first_block(xp, -step), _first_block(xp, -turn)
    points = xp.stack([carrier, carrier * window, carrier * xp.conj(window)], -1)  # [n, BLOCK, 3]
    return (xp.as_real(blocks) @ xp.as_real(points).swapaxes(1, 2)).reshape(len(hz), -1)[:, :count]


def _first_block(xp: Library, step: Array) -> Array:
    """exp(2πj · step · i), i = 0 … BLOCK - 1: complex64 [n, BLOCK] of float64 [n, 1]."""
    fine = _turned(xp, step * xp.arange(0, FINE, step))
    coarse = _turned(xp, step * (FINE * xp.arange(0, BLOCK // FINE, step)))
    return (coarse[:, :, None] * fine[:, None]).reshape(-1, BLOCK)


def _turned(xp: Library, cycles: Array) -> Array:
    angle = turns(cycles)
    return xp.complex(xp.cos(angle), xp.sin(angle))


class ToneSound:
    """The sound of one channel's tones, to be heard from anywhere; no gradients."""

    def __init__(
        self, decoder: MusicDecoder, vector: Array, time: Rows, amplitude: NDArray[np.float32] | None = None
    ) -> None:
        """vector float32 [n, 32]; time int64 [n], samples; amplitude: float32 [n], None for ones."""
        self._config, self._like = decoder.config, vector
        xp, controls = library_of(vector), decoder.controls(vector)
        self._hz, self._phase = (xp.numpy(x) for x in (controls.f0_hz, controls.phase_cycles))
        self._length = xp.numpy(controls.duration_s) * decoder.config.sample_rate
        self._level = (math.sqrt(2.0) * 10.0 ** (xp.numpy(controls.level_db) / 20.0)).astype(np.float32)
        if amplitude is not None:
            self._level = self._level * amplitude
        self._room_gain = xp.numpy(controls.room_gain)
        self._start = time
        self._stop = time + np.ceil(self._length).astype(np.int64)
        self._sends = self._room_gain > 0

    def spans(self) -> tuple[Rows, Rows]:
        """Samples outside of which each event is silent, its room with it: int64 [n] each."""
        room = int(self._config.room_seconds * self._config.sample_rate)
        return self._start.copy(), self._stop + room * self._sends

    def samples(self, start: int, length: int) -> Array:
        """Samples from `start` on: float32 [length]."""
        sound = self._sum(np.arange(len(self._start)), self._level, start, start + length)
        if self._sends.any():
            response = room_response(self._config.sample_rate, self._config.room_seconds)
            begin = start - len(response)
            sent = self._sum(np.flatnonzero(self._sends), self._level * self._room_gain, begin, start + length)
            sound = sound + convolve(sent, response)[start - begin :]
        return sound

    def _sum(self, rows: Rows, gain: NDArray[np.float32], begin: int, stop: int) -> Array:
        """Samples begin … stop - 1 of some tones, each times its gain: float32 [stop - begin]."""
        like = self._like
        xp = library_of(like)
        out = xp.zeros(stop - begin, "float32", like)
        low, high = np.maximum(self._start[rows], begin), np.minimum(self._stop[rows], stop)
        heard = np.flatnonzero((high > low) & (gain[rows] != 0.0))
        rows, low, size = rows[heard], low[heard], (high - low)[heard]
        order = np.argsort(size, kind="stable")
        while len(order):
            few = size[order[:SAMPLES_AT_ONCE]]
            count = max(1, int(np.searchsorted(few * np.arange(1, len(few) + 1), SAMPLES_AT_ONCE, side="right")))
            some, order = order[:count], order[count:]
            of = rows[some]
            since = low[some] - self._start[of]
            skips, sizes = since % BLOCK, few[:count]  # blocks are the same wherever a tone is cut
            numbers = (self._hz[of], self._phase[of], self._length[of], since - skips)
            hz, phase, length, first = (xp.asarray(x, like) for x in numbers)
            wave = tone_wave(hz, phase, length, first, int((skips + sizes).max()), self._config.sample_rate)
            wave = wave * xp.asarray(gain[of, None], like)
            cuts = zip(skips.tolist(), (skips + sizes).tolist(), strict=True)
            sounds = [sound[first:last] for sound, (first, last) in zip(wave, cuts, strict=True)]
            out = xp.with_parts(out, (low[some] - begin).tolist(), sounds)
        return out
