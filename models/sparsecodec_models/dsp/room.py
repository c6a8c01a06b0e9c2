"""The room that events send to: noise under an exponential decay, the same for every preset."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from .arrays import Array, library_of
from .noise import white_noise

ROOM_OFF = 10 ** (-54 / 20)  # gain at which there is no room: less than the smallest that files can tell


def room_gain(send_db: Array) -> Array:
    """Linear gain of a send, float64 [n] dB → float32 [n]: 0 at -54 dB and below, without a step."""
    xp = library_of(send_db)
    return xp.astype(xp.clip(10.0 ** (send_db / 20.0) - ROOM_OFF, 0.0, None), "float32")


@functools.lru_cache(maxsize=4)
def room_response(sample_rate: int, room_seconds: float) -> NDArray[np.float32]:
    """The room: noise under an exponential decay of 60 dB in `room_seconds`, unit energy, float32 [r]."""
    length = int(room_seconds * sample_rate)
    response = white_noise(0x726F6F6D, 0, 0, length) * 10.0 ** (-3.0 * np.arange(length) / length)
    response[: int(0.003 * sample_rate)] = 0.0  # the direct sound is already there
    decayed: NDArray[np.float32] = (response / np.linalg.norm(response)).astype(np.float32)
    return decayed


def convolve(signal: Array, response: NDArray[np.float32]) -> Array:
    """Linear convolution along the last axis, cut to the signal's length: float32 [..., n]."""
    xp = library_of(signal)
    length = signal.shape[-1]
    size = 1 << (length + len(response) - 1).bit_length()
    product = xp.rfft(signal, size) * xp.rfft(xp.asarray(response, signal), size)
    return xp.irfft(product, size)[..., :length]
