"""The part of a stream that is still needed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class SampleBuffer:
    """Samples of a stream from some place on, float32, for windows that go along it.

    Attribute end: samples of the stream so far.
    """

    def __init__(self, device: torch.device, first: int = 0) -> None:
        """first: place in the stream of the first sample to come."""
        self._device = device
        self._samples = np.zeros(0, np.float32)
        self._first = first  # place in the stream of self._samples[0]
        self.end = first

    def append(self, block: NDArray[np.float32], at_once: int) -> Iterator[None]:
        """Take float32 [n], in parts of at most `at_once` samples; there is time to look after each."""
        for i in range(0, len(block), at_once):
            self._samples = np.concatenate([self._samples, block[i : i + at_once]])
            self.end = self._first + len(self._samples)
            yield

    def between(self, start: int, stop: int) -> Tensor:
        """Samples start … stop of the stream, zeros where there are none: float32 [stop - start]."""
        out = np.zeros(stop - start, np.float32)
        low, high = max(start, self._first), min(stop, self.end)
        if high > low:
            out[low - start : high - start] = self._samples[low - self._first : high - self._first]
        return torch.from_numpy(out).to(self._device)

    def forget(self, until: int) -> None:
        """What comes before `until` is not needed any more."""
        first = min(max(self._first, until), self.end)
        self._samples, self._first = self._samples[first - self._first :], first
