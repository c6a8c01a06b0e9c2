"""The `music` decoder: tones, what notes leave over. Each is one sinusoid under a Hann window (Gabor 1946)."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsecodec_models.dsp.room import convolve, room_response

from .controls import MusicDecoder

SAMPLES_AT_ONCE = 2**18  # of all tones that are made together
BLOCK = 64  # samples


def tone_wave(hz: Tensor, phase_cycles: Tensor, length: Tensor, first: Tensor, count: int, sample_rate: int) -> Tensor:
    """Tones of amplitude 1, from sample `first` since their onsets on: float32 [n, count].

    hz, phase_cycles: float64 [n]; length: float64 [n], samples of the window; first: int64 [n], at least 0; what is
    outside of the window is 0.
    """
    window = 0.5 - 0.5 * _cosines(1.0 / length, torch.zeros_like(length), first, count)
    at = first[:, None] + torch.arange(count, device=hz.device)
    inside = (at > 0) & (at < length[:, None])
    return torch.where(inside, window * _cosines(hz / sample_rate, phase_cycles, first, count), 0.0)


def _cosines(step: Tensor, phase: Tensor, first: Tensor, count: int) -> Tensor:
    """cos 2π (step · i + phase) for i = first … first + count - 1: float32 [n, count] of float64, float64, int64 [n].

    Each block of samples turns the same way on from its first one, so cosines are taken of few places.
    """
    device = step.device
    starts = first[:, None] + BLOCK * torch.arange(-(-count // BLOCK), device=device)
    within = torch.arange(BLOCK, device=device)
    angles = (step[:, None] * starts + phase[:, None], step[:, None] * within)
    of_block, of_sample = (2.0 * math.pi * torch.remainder(cycles, 1.0).float() for cycles in angles)
    both = torch.cos(of_block)[:, :, None] * torch.cos(of_sample)[:, None]
    both -= torch.sin(of_block)[:, :, None] * torch.sin(of_sample)[:, None]
    return both.reshape(len(step), -1)[:, :count]


class ToneSound:
    """The sound of one channel's tones, to be heard from anywhere; no gradients."""

    @torch.no_grad()
    def __init__(self, decoder: MusicDecoder, vector: Tensor, time: Tensor, amplitude: Tensor | None = None) -> None:
        """vector float32 [n, 32]; time int64 [n], samples; amplitude: float32 [n], None for ones."""
        self._config = decoder.config
        controls = decoder.controls(vector)
        self._hz, self._phase = controls.f0_hz, controls.phase_cycles
        self._length = controls.duration_s * decoder.config.sample_rate
        self._level = math.sqrt(2.0) * torch.pow(10.0, controls.level_db / 20.0)
        if amplitude is not None:
            self._level = self._level * amplitude
        self._room_gain = controls.room_gain
        self._start = time.cpu().numpy()
        self._stop = self._start + np.ceil(self._length.cpu().numpy()).astype(np.int64)
        self._sends = (controls.room_gain > 0).cpu().numpy()

    def spans(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Samples outside of which each event is silent, its room with it: int64 [n] each."""
        room = int(self._config.room_seconds * self._config.sample_rate)
        return self._start.copy(), self._stop + room * self._sends

    @torch.no_grad()
    def samples(self, start: int, length: int) -> Tensor:
        """Samples from `start` on: float32 [length]."""
        sound = self._sum(np.arange(len(self._start)), self._level, start, start + length)
        if self._sends.any():
            response = room_response(self._config.sample_rate, self._config.room_seconds)
            begin = start - len(response)
            sent = self._sum(np.flatnonzero(self._sends), self._level * self._room_gain, begin, start + length)
            sound = sound + convolve(sent, response)[start - begin :]
        return sound

    def _sum(self, rows: NDArray[np.int64], gain: Tensor, begin: int, stop: int) -> Tensor:
        """Samples begin … stop - 1 of some tones, each times its gain: float32 [stop - begin]."""
        device = gain.device
        out = torch.zeros(stop - begin, device=device)
        low, high = np.maximum(self._start[rows], begin), np.minimum(self._stop[rows], stop)
        order = np.argsort(high - low, kind="stable")
        order = order[(high - low)[order] > 0]
        while len(order):
            size = (high - low)[order]
            count = max(1, int(np.searchsorted(size * np.arange(1, len(size) + 1), SAMPLES_AT_ONCE, side="right")))
            some, order = order[:count], order[count:]
            index = torch.as_tensor(rows[some], device=device)
            since, most = torch.as_tensor((low - self._start[rows])[some], device=device), int(size[count - 1])
            of_tone = (self._hz[index], self._phase[index], self._length[index])
            wave = tone_wave(*of_tone, since, most, self._config.sample_rate)
            sounds = wave * gain[index, None]
            for sound, place, n in zip(sounds, (low[some] - begin).tolist(), size[:count].tolist(), strict=True):
                out[place : place + n] += sound[:n]
        return out
