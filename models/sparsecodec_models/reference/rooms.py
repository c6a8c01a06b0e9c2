"""Room impulse responses: made from a seed, or from recordings given as arrays.

The reference decoder convolves each event with a mixture of a few of them (Vinyard 2025, arXiv 2505.05654);
which rooms its author used is not ours to ship, so eight plain shoebox rooms are made instead.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import soxr
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError

SPEED_OF_SOUND_M_S = 343.0
SMALLEST_ROOM_M3, LARGEST_ROOM_M3 = 20.0, 5000.0  # from a bathroom to a church
SHORTEST_RT60_S, LONGEST_RT60_S = 0.2, 2.0
DAMPING_HZ = 2500.0  # above it the tail decays faster
HIGH_RT60_SHARE = 0.5  # decay time above DAMPING_HZ, as a share of the one below


def _uniform(seed: int, stream: int, n: int) -> NDArray[np.float64]:
    """n numbers in [0, 1) from Philox's raw bits, which stay the same in every release of NumPy."""
    raw = np.random.Philox(key=np.array([seed, stream], dtype=np.uint64)).random_raw(n)
    return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _early_reflections(
    size_m: NDArray[np.float64], u: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Delay (s) and gain, re the direct sound, of six first-order image sources (Allen & Berkley 1979)."""
    source, listener = size_m * (0.2 + 0.6 * u[:3]), size_m * (0.2 + 0.6 * u[3:6])
    images = []
    for axis in range(3):
        for wall in (0.0, size_m[axis]):
            image = source.copy()
            image[axis] = 2 * wall - image[axis]
            images.append(image)
    direct_m = max(1.0, float(np.linalg.norm(source - listener)))
    path_m = np.linalg.norm(np.array(images) - listener, axis=1)
    path_m = np.maximum(path_m, direct_m)
    return (path_m - direct_m) / SPEED_OF_SOUND_M_S, 0.8 * direct_m / path_m


def _tail(n_samples: int, sample_rate: int, rt60_s: float, noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Noise in two bands, each with its own exponential decay; the high one dies sooner, as in air."""
    spectrum = np.fft.rfft(noise, 2 * n_samples)
    frequency_hz = np.fft.rfftfreq(2 * n_samples, 1 / sample_rate)
    low_share = 1 / (1 + (frequency_hz / DAMPING_HZ) ** 4)
    low = np.fft.irfft(spectrum * low_share)[:n_samples]
    high = np.fft.irfft(spectrum * (1 - low_share))[:n_samples]
    decades = -3.0 * np.arange(n_samples) / sample_rate / rt60_s  # 60 dB are three decades of amplitude
    tail: NDArray[np.float64] = low * 10.0**decades + high * 10.0 ** (decades / HIGH_RT60_SHARE)
    return tail


def _fit(response: NDArray[np.float64], n_samples: int) -> NDArray[np.float32]:
    """Cut or pad to n_samples, fade out over the last eighth, scale to unit energy: rooms alike in level."""
    fitted = np.zeros(n_samples)
    kept = min(n_samples, len(response))
    fitted[:kept] = response[:kept]
    fade = max(1, n_samples // 8)
    if n_samples > 1:
        fitted[-fade:] *= np.linspace(1.0, 0.0, fade + 1)[1:]
    return (fitted / np.sqrt(np.sum(fitted**2))).astype(np.float32)


def make_rooms(n_rooms: int, n_samples: int, sample_rate: int, seed: int = 0) -> NDArray[np.float32]:
    """Impulse responses of `n_rooms` shoebox rooms, from small and dry to large and live.

    Each is the direct sound at sample 0, six early reflections, then exponentially decaying noise.
    The same seed gives the same rooms.
    Returns float32 [n_rooms, n_samples], each of unit energy.
    """
    if n_rooms < 1 or n_samples < 1 or sample_rate < 1:
        raise SicError("rooms: the number of rooms, of samples, and the sample rate must be at least 1")
    rooms = []
    for room in range(n_rooms):
        share = room / max(1, n_rooms - 1)
        volume_m3 = SMALLEST_ROOM_M3 * (LARGEST_ROOM_M3 / SMALLEST_ROOM_M3) ** share
        rt60_s = SHORTEST_RT60_S * (LONGEST_RT60_S / SHORTEST_RT60_S) ** share
        size_m = np.cbrt(volume_m3) * np.array([1.3, 1.0, 1 / 1.3])
        delay_s, gain = _early_reflections(size_m, _uniform(seed, 2 * room, 6))
        tail = _tail(n_samples, sample_rate, rt60_s, 2 * _uniform(seed, 2 * room + 1, n_samples) - 1)
        start = int(np.min(delay_s) * sample_rate)
        tail = np.concatenate([np.zeros(start), tail])[:n_samples]
        response = tail * 0.7 / max(1e-12, float(np.sqrt(np.sum(tail**2))))
        response[0] = 1.0
        for at, height in zip(np.round(delay_s * sample_rate).astype(int), gain, strict=True):
            if 0 < at < n_samples:
                response[at] += height
        rooms.append(_fit(response, n_samples))
    return np.stack(rooms)


def rooms_from_recordings(
    recordings: Sequence[tuple[NDArray[np.floating], int]], n_samples: int, sample_rate: int
) -> NDArray[np.float32]:
    """Measured impulse responses, made to fit: mono, at `sample_rate`, the direct sound first, unit energy.

    recordings: (samples [n] or [n, channels], rate in Hz) for each room; only the first channel is used.
    Returns float32 [len(recordings), n_samples]. SicError for an empty list, and for silent or non-finite
    samples.
    """
    if not recordings:
        raise SicError("rooms: no recordings were given; give at least one impulse response")
    rooms = []
    for index, (samples, rate) in enumerate(recordings):
        mono = np.asarray(samples, dtype=np.float64)
        mono = mono[:, 0] if mono.ndim == 2 else mono
        if mono.ndim != 1 or not mono.size or not np.all(np.isfinite(mono)) or not np.any(mono):
            raise SicError(f"rooms: recording {index} is empty, silent or not finite; leave it out")
        if rate != sample_rate:
            mono = soxr.resample(mono, rate, sample_rate)
        # the decoder's events start at once: drop the travel time before the direct sound
        mono = mono[int(np.argmax(np.abs(mono))) :] if mono.size and np.any(mono) else mono
        if not np.any(mono[:n_samples]):
            raise SicError(f"rooms: recording {index} is too short to be resampled; leave it out")
        rooms.append(_fit(mono, n_samples))
    return np.stack(rooms)
