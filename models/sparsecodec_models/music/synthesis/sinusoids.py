"""Sums of damped sinusoids, in blocks.

A block of a damped sinusoid is its first block times a complex number. So a sound of many is one matrix product:
[blocks, sinusoids] · [sinusoids, points of a block].
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Waves:
    """Of each of n sounds, K sinusoids on a grid of points, which begin to fall at or just before point 0.

    step: cycles from point to point, float64 [n, K]; phase: at point 0, cycles, float64 [n, K]; amplitude: until they
    fall, float32 [n, K]; damping: then, nepers a point, float32 [n, K]; late: points since they began to fall at point
    0, float32 [n].
    """

    step: Tensor
    phase: Tensor
    amplitude: Tensor
    damping: Tensor
    late: Tensor


def sinusoids(waves: Waves, first: NDArray[np.int64], stop: NDArray[np.int64], block: int, orders: int) -> list[Tensor]:
    """Each sound in its blocks first … stop - 1 from point 0 (int64 [n]), and its derivatives by points: float32
    [orders, (stop - first) · block]."""
    device = waves.step.device
    loud = torch.nonzero(waves.amplitude.detach().any(0))[:, 0]
    count = int(loud[-1]) + 1 if len(loud) else 1
    step, phase, amplitude, damping = (x[:, :count] for x in (waves.step, waves.phase, waves.amplitude, waves.damping))
    lengths = stop - first
    sound = np.repeat(np.arange(len(first)), lengths)
    number = np.arange(len(sound)) - np.repeat(np.cumsum(lengths) - lengths - first, lengths)
    of, at = torch.from_numpy(sound).to(device), torch.from_numpy(number).to(device)[:, None] * block
    falls = at >= 0
    step_of, phase_of, amplitude_of, damping_of, late_of = (
        x.index_select(0, of) for x in (step, phase, amplitude, damping, waves.late)
    )
    angle = turns(phase_of + step_of * at)  # [blocks, K]
    height = amplitude_of * torch.exp(-damping_of * ((at + late_of[:, None]) * falls))
    coefficients = [torch.stack([height * torch.cos(angle), height * torch.sin(angle)], 1)]  # [blocks, 2, K]
    if orders > 1:
        omega, fall = (2.0 * math.pi * step_of).float(), damping_of * falls
        for _ in range(orders - 1):  # times (jω - damping)
            a, b = coefficients[-1].unbind(1)
            coefficients.append(torch.stack([-omega * b - fall * a, omega * a - fall * b], 1))
    rows = torch.stack(coefficients).reshape(orders, len(sound), -1)

    inside = torch.arange(block, device=device)
    angle = turns(step[:, :, None] * inside)
    level = torch.stack([torch.cos(angle), -torch.sin(angle)], 1)  # [n, 2, K, block]
    falling = (level * torch.exp(-damping[:, :, None] * inside)[:, None]).reshape(len(first), -1, block)
    level = level.reshape(len(first), -1, block)
    # split and unbind, whose gradients are put together once
    early = np.clip(-first, 0, lengths)  # blocks before the fall
    parts = iter(rows.split(np.stack([early, lengths - early], 1).reshape(-1).tolist(), 1))
    sums = (
        torch.cat([next(parts) @ still, next(parts) @ fading], 1)
        for still, fading in zip(level.unbind(0), falling.unbind(0), strict=True)
    )
    return [out.reshape(orders, -1) for out in sums]


def turns(cycles: Tensor) -> Tensor:
    """Cycles, float64 → radians modulo a turn, float32."""
    return ((cycles - torch.floor(cycles)) * (2.0 * math.pi)).float()


@functools.lru_cache(maxsize=1)
def _hermite() -> Tensor:
    """The coefficients of the polynomial of degree 7 that has a given value and three derivatives at 0 and at 1:
    float32 [8, 8], to be multiplied from the right."""
    power = np.arange(8)
    rows = [
        np.prod([power - k for k in range(order)], axis=0)
        * np.where(power >= order, float(at) ** (power - order).clip(0), 0)
        for at in (0, 1)
        for order in range(4)
    ]
    return torch.tensor(np.linalg.inv(np.stack(rows)).T, dtype=torch.float32)


def read(grid: Tensor, point: Tensor) -> Tensor:
    """A curve and its first three derivatives (float32 [4, points]) at places between points (float64 [l]): float32
    [l]."""
    near = point.detach().floor()
    x = (point - near).float()
    ends = torch.cat([grid[:, :-1], grid[:, 1:]]).T @ _hermite().to(grid.device)  # [points - 1, 8]
    out: Tensor | None = None
    for coefficient in reversed(ends.index_select(0, near.long()).unbind(1)):
        out = coefficient if out is None else out * x + coefficient
    assert out is not None
    return out
