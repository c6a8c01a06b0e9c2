"""Noise that every machine draws alike: a counter-based hash of (seed, event, frame, bin)."""

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


def random_phase(seed: int, event: Tensor, frame: Tensor, bins: int) -> Tensor:
    """Uniform phases in [0, 2π): float32 [m, bins] for m frames; `event` and `frame` are int64 [m] counters ≥ 0."""
    key = _mix((event & _MASK) ^ _mix(torch.full_like(event, seed & _MASK)))
    key = _mix((key + frame * 0x9E3779B1) & _MASK)
    bin_index = torch.arange(bins, device=event.device, dtype=torch.int64)
    drawn = _mix((key[:, None] + bin_index * 0x85EBCA77) & _MASK) >> 8  # 24 bits: exact in a float32
    return drawn.to(torch.float32) * (2 * torch.pi / 2**24)
