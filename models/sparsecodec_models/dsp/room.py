"""The room that events send to: noise under an exponential decay, the same for every preset."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from .noise import white_noise

ROOM_OFF = 10 ** (-54 / 20)  # gain at which there is no room: less than the smallest that files can tell


def room_gain(send_db: Tensor) -> Tensor:
    """Linear gain of a send, float64 [n] dB → float32 [n]: 0 at -54 dB and below, without a step."""
    return (torch.pow(10.0, send_db / 20.0) - ROOM_OFF).clamp_min(0.0).float()


@functools.lru_cache(maxsize=4)
def room_response(sample_rate: int, room_seconds: float) -> Tensor:
    """The room: noise under an exponential decay of 60 dB in `room_seconds`, unit energy, float32 [r]."""
    length = int(room_seconds * sample_rate)
    response = white_noise(0x726F6F6D, 0, 0, length) * torch.pow(10.0, -3.0 * torch.arange(length) / length)
    response[: int(0.003 * sample_rate)] = 0.0  # the direct sound is already there
    return response / response.norm()


def convolve(signal: Tensor, response: Tensor) -> Tensor:
    """Linear convolution, cut to the signal's length: float32 [n]."""
    size = 1 << (len(signal) + len(response) - 1).bit_length()
    product = torch.fft.rfft(signal, size) * torch.fft.rfft(response.to(signal.device), size)
    return torch.fft.irfft(product, size)[: len(signal)]
