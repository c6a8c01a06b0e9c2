"""Gradient descent for fits: Adam for one tensor."""

from __future__ import annotations

import torch
from torch import Tensor


class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1) for one tensor. torch.optim's imports a compiler at its first use, which
    takes longer than the fit of a short recording."""

    SECOND_BETA, EPSILON = 0.97, 1e-8

    def __init__(self, value: Tensor, first_beta: float = 0.9, rates: Tensor | None = None) -> None:
        """value: is changed by steps; rates: of its shape, times a step's rate for each number; None: ones."""
        self._value, self._first, self._rates, self._steps = value, first_beta, rates, 0
        self._mean, self._square = torch.zeros_like(value), torch.zeros_like(value)

    @torch.no_grad()
    def step(self, gradient: Tensor, rate: float) -> None:
        """Change the value in place."""
        self._steps += 1
        first, second = self._first, self.SECOND_BETA
        self._mean.lerp_(gradient, 1 - first)
        self._square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        size = (self._square.sqrt() / (1 - second**self._steps) ** 0.5).add_(self.EPSILON)
        unbiased = 1 - first**self._steps
        if self._rates is None:
            self._value.addcdiv_(self._mean, size, value=-rate / unbiased)
        else:
            self._value.addcdiv_(-(self._rates * rate) * self._mean, size, value=1.0 / unbiased)
