"""Noise that every machine draws alike: a counter-based hash of (seed, number, sample)."""

from __future__ import annotations

import numpy as np

from .arrays import Array, library_of

_MASK = 0xFFFFFFFF
_CPU = np.zeros(0, np.float32)


def _mix(x: Array) -> Array:
    """A 32-bit finaliser (Wellons, "Prospecting for hash functions", lowbias32), in an integer type that is
    exact on any device."""
    x = x ^ (x >> 16)
    x = (x * 0x7FEB352D) & _MASK
    x = x ^ (x >> 15)
    x = (x * 0x846CA68B) & _MASK
    return x ^ (x >> 16)


def white_noise(seed: int, number: int, start: int, count: int, like: Array = _CPU) -> Array:
    """White noise of unit variance, uniform in ±√3: samples start … start + count - 1 of a stream, float32 [count].

    A sample depends on (seed, number, its place) alone, so parts of a sound can be drawn in any order. number: of the
    stream (`Header.noise_numbers`), 0..2**32-1. like: an array
    of the library, and on the device, that the noise is wanted in.
    """
    xp = library_of(like)
    place = xp.arange(start, start + count, like)
    # what is the same for all places of 2^32 is hashed once
    high = xp.arange(start >> 32, ((start + max(count, 1) - 1) >> 32) + 1, like)
    of_stream = xp.full(1, (seed ^ (number * 0x9E3779B1)) & _MASK, xp.word, like)
    key = _mix(_mix(of_stream) ^ _mix(xp.astype(high & _MASK, xp.word)))
    key = key[(place >> 32) - (start >> 32)] if len(key) > 1 else key
    drawn = _mix((key + xp.astype(place & _MASK, xp.word) * 0x85EBCA77) & _MASK) >> 8  # 24 bits: exact in a float32
    return (xp.astype(drawn, "float32") * 2.0**-23 - 1.0) * 3.0**0.5
