"""Sums of damped sinusoids, in blocks.

A block of a damped sinusoid is its first block times a complex number. So a sound of many is one matrix product:
[blocks, sinusoids] · [sinusoids, points of a block]. And what fills both matrices are powers of one number for each
sinusoid: few of them are worked out, the rest are products of two.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsecodec_models.dsp.arrays import Array, Library, library_of

BLOCK = 128  # points
FINE = 16  # powers that are worked out next to each other; beyond, every FINE-th


@dataclass(frozen=True)
class Waves:
    """The sinusoids of n sounds on a grid of points, P together, those of a sound next to each other. They begin to
    fall at or just before point 0 of their sound.

    counts: int64 [n], how many each sound has. step: cycles from point to point, float64 [P]; phase: at point 0,
    cycles, float64 [P]; amplitude: until they fall, float32 [P]; damping: then, nepers a point, float32 [P]; late:
    points since they began to fall at point 0, float32 [n].
    """

    counts: NDArray[np.int64]
    step: Array
    phase: Array
    amplitude: Array
    damping: Array
    late: Array


def sinusoids(waves: Waves, first: NDArray[np.int64], stop: NDArray[np.int64], orders: int) -> list[Array]:
    """Each sound in its blocks first … stop - 1 from point 0 (int64 [n]), and its derivatives by points: float32
    [orders, (stop - first) · BLOCK]."""
    xp = library_of(waves.step)
    # of each sound the part before the fall and the one after it
    n, lengths = len(first), stop - first
    early = np.clip(-first, 0, lengths)
    part_blocks = np.stack([early, lengths - early], 1).ravel()
    part_begin = np.stack([first, first + early], 1).ravel()
    there = np.flatnonzero(part_blocks)
    blocks, begin, falls, of = part_blocks[there], part_begin[there], there % 2, there // 2
    skips = begin % FINE  # powers are the same wherever a sound is cut, but for rounding
    counts = waves.counts[of]
    ends = np.cumsum(waves.counts)
    column = ranges((ends - waves.counts)[of], counts)
    each = np.repeat(np.arange(len(of)), counts)

    like = waves.step
    step, damping = xp.taken(waves.step, column), xp.taken(waves.damping, column)
    damping = damping * xp.asarray(falls[each].astype(np.float32), like)
    powers = functools.partial(_powers, xp, step, damping)
    most = -(-int((skips + blocks).max(initial=1)) // FINE)
    every = FINE * BLOCK * np.arange(most)[:, None] + (BLOCK * (begin - skips))[each]
    late = xp.asarray(every.astype(np.float32), like) + xp.taken(waves.late, of[each])
    height = xp.taken(waves.amplitude, column) * xp.exp(-damping * late)
    coarse_blocks = powers(every, xp.taken(waves.phase, column), height)
    fine_blocks = powers(BLOCK * np.arange(FINE)[:, None])
    coarse_points = powers(-FINE * np.arange(BLOCK // FINE)[:, None])
    fine_points = powers(-np.arange(FINE)[:, None])
    turning = None
    if orders > 1:
        turning = xp.complex(-damping, xp.astype((2.0 * math.pi) * step, "float32"))
    sizes = counts.tolist()
    columns = (xp.split(x, sizes, 1) for x in (coarse_blocks, fine_blocks, coarse_points, fine_points))
    turns_of = [None] * len(of) if turning is None else xp.split(turning, sizes)
    sounds: list[list[Array]] = [[] for _ in range(n)]
    cuts = zip(skips.tolist(), (skips + blocks).tolist(), strict=True)
    for sound, (low, high), turn, *parts in zip(of.tolist(), cuts, turns_of, *columns, strict=True):
        rows = _products(parts[0][: -(-high // FINE)], parts[1])[low:high]
        points = xp.as_real(_products(*parts[2:]))
        all_rows = [rows]
        for _ in range(orders - 1):
            all_rows.append(all_rows[-1] * turn)
        table = points.T
        made = [(xp.as_real(r) @ table).reshape(1, -1) for r in all_rows]
        sounds[sound].append(made[0] if orders == 1 else xp.concatenate(made))
    return [s[0] if len(s) == 1 else xp.concatenate(s, 1) for s in sounds]


def _powers(
    xp: Library,
    step: Array,
    damping: Array,
    points: NDArray[np.int64],
    phase: Array | float = 0.0,
    height: Array | None = None,
) -> Array:
    """exp((2πj step - damping) · points) of what has a phase (cycles) at point 0, complex64 [m, P]. points: int64
    [m, P] or [m, 1]; those below 0 turn the other way and fall the same. height: float32 [m, P], in place of what
    falls."""
    angle = turns(phase + xp.asarray(points.astype(np.float64), step) * step)
    if height is None:
        height = xp.exp(xp.asarray(np.abs(points).astype(np.float32), step) * -damping)
    return xp.complex(height * xp.cos(angle), height * xp.sin(angle))


def _products(coarse: Array, fine: Array) -> Array:
    """Of each of [a, k] times each of [b, k]: [a b, k]."""
    return (coarse[:, None] * fine[None]).reshape(len(coarse) * len(fine), fine.shape[1])


def ranges(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """start … start + count - 1, one after the other."""
    ends = np.cumsum(counts)
    return np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(starts - ends + counts, counts)


def turns(cycles: Array) -> Array:
    """Cycles, float64 → radians modulo a turn, float32."""
    xp = library_of(cycles)
    return xp.astype((cycles - xp.floor(cycles)) * (2.0 * math.pi), "float32")


@functools.lru_cache(maxsize=1)
def _hermite() -> NDArray[np.float64]:
    """The coefficients of the polynomial of degree 7 that has a given value and three derivatives at 0 and at 1:
    float64 [8, 8], to be multiplied from the right."""
    power = np.arange(8)
    rows = [
        np.prod([power - k for k in range(order)], axis=0)
        * np.where(power >= order, float(at) ** (power - order).clip(0), 0)
        for at in (0, 1)
        for order in range(4)
    ]
    coefficients: NDArray[np.float64] = np.linalg.inv(np.stack(rows)).T
    return coefficients


def read(grid: Array, point: Array) -> Array:
    """A curve and its first three derivatives (float32 [4, points]) at places between points (float64 [l]): float32
    [l]."""
    xp = library_of(grid)
    near = xp.floor(xp.detach(point))
    x = xp.astype(point - near, "float32")
    # of large numbers that nearly cancel, so in double precision
    ends = xp.astype(xp.concatenate([grid[:, :-1], grid[:, 1:]]).T, "float64") @ xp.asarray(_hermite(), grid)
    *lower, out = xp.taken(xp.astype(ends, "float32"), xp.astype(near, "int64")).T  # of [points - 1, 8]
    for coefficient in reversed(lower):
        out = out * x + coefficient
    return out
