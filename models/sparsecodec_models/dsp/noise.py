"""Noise that every machine draws alike: a counter-based hash of (seed, channel, sample)."""

from __future__ import annotations

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF


def _mix(x: Tensor) -> Tensor:
    """A 32-bit finaliser (Wellons, "Prospecting for hash functions", lowbias32) in int64, so it is exact on any
    device."""
    x = x ^ (x >> 16)
    x = (x * 0x7FEB352D) & _MASK
    x = x ^ (x >> 15)
    x = (x * 0x846CA68B) & _MASK
    return x ^ (x >> 16)


def white_noise(seed: int, channel: int, start: int, count: int, device: torch.device | str = "cpu") -> Tensor:
    """White noise of unit variance, uniform in ±√3: samples start … start + count - 1 of a channel, float32 [count].

    A sample depends on (seed, channel, its place) alone, so parts of a sound can be drawn in any order.
    """
    place = torch.arange(start, start + count, dtype=torch.int64, device=device)
    key = _mix(torch.full_like(place, (seed ^ (channel * 0x9E3779B1)) & _MASK))
    key = _mix(key ^ _mix((place >> 32) & _MASK))
    drawn = _mix((key + place * 0x85EBCA77) & _MASK) >> 8  # 24 bits: exact in a float32
    return (drawn.to(torch.float32) * 2.0**-23 - 1.0) * 3.0**0.5
