"""Iterative analysis: propose an event, render it, take it out, look again; and the same, streamed.

Vinyard 2025 (arXiv 2505.05654; its figures are in docs/reference.md). Generic: what proposes and what renders are
functions that the caller gives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Proposal:
    """An event as the encoder proposes it: vector float32 [dims], frame in the window, amplitude ≥ 0."""

    vector: Tensor
    frame: int
    amplitude: float


@dataclass(frozen=True)
class RemovedEvent:
    """One event that was taken out.

    vector float32 [dims]; frame since the start of the stream; linear amplitude re full scale;
    energy_removed: sum of squares of the residual spectrogram before minus after (below 0 if the event added
    some).
    """

    vector: NDArray[np.float32]
    frame: int
    amplitude: float
    energy_removed: float


EncodeFn = Callable[[Tensor, int], Proposal | None]
"""(residual float32 [frames, bins], n_open) → what to remove, its frame < n_open; None: nothing is left."""
RenderFn = Callable[[Proposal, int], Tensor]
"""(proposal, how many came before) → its magnitudes float32 [lead + frames, bins], amplitude included."""
SpectrogramFn = Callable[[Tensor, int], Tensor]
"""(samples float32 [n], n_frames) → magnitudes float32 [n_frames, bins]; frame k starts at sample k * hop."""


def energy(spectrogram: Tensor) -> float:
    """Sum of squares, in double precision."""
    values = spectrogram.cpu() if spectrogram.device.type == "mps" else spectrogram  # which has no doubles
    return float(values.square().sum(dtype=torch.float64))


def remove_events(
    residual: Tensor,
    encode: EncodeFn,
    render: RenderFn,
    *,
    n_seen: int,
    n_open: int,
    lead: int,
    max_events: int,
    scale: float = 1.0,
    snr_stop_db: float | None = None,
    initial_energy: float | None = None,
    first_rank: int = 0,
) -> Iterator[RemovedEvent]:
    """Remove events from `residual` (float32 [frames, bins], changed in place), one by one.

    Each step shows the first `n_seen` frames, divided by `scale` (the window's peak), to `encode`, which
    picks a frame among the first `n_open` (the unmasked ones). `render`'s rows are subtracted from frame -
    lead on, times `scale`; what falls outside the residual is dropped. It stops after `max_events`, when
    `encode` returns None or an amplitude that is not above 0, or when the energy of the unmasked frames is
    `snr_stop_db` below `initial_energy` (default: what they hold at the start). ValueError if a proposed
    frame is masked.
    """
    if initial_energy is None:
        initial_energy = energy(residual[:n_open])
    target = 0.0 if snr_stop_db is None else initial_energy * 10 ** (-snr_stop_db / 10)
    for step in range(max_events):
        if energy(residual[:n_open]) <= target:
            return
        proposal = encode(residual[:n_seen] / scale, n_open)
        if proposal is None or not proposal.amplitude > 0:
            return
        if not 0 <= proposal.frame < n_open:
            raise ValueError(f"the event's frame is {proposal.frame}, outside the {n_open} unmasked frames")
        rows = render(proposal, first_rank + step)
        start = proposal.frame - lead
        rows = rows[max(0, -start) :]
        part = residual[max(0, start) : max(0, start) + len(rows)]  # a view: writes reach the residual
        before = energy(part)
        part -= scale * rows[: len(part)]
        vector = proposal.vector.detach().to("cpu", torch.float32).numpy().copy()
        yield RemovedEvent(vector, proposal.frame, scale * proposal.amplitude, before - energy(part))


class StreamingRemoval:
    """`remove_events` over a stream, in windows that slide by half; memory does not grow with its length.

    Only events of a window's first half are taken; the residual of its second half, and what its events put
    beyond the window, are carried on to the next window. Each window is scaled by its peak, which ends up in
    the amplitudes. Events come half window by half window, within one in the order of removal. Call `push`
    with blocks of any size, then `finish` once; both do their work while they are iterated.
    """

    def __init__(
        self,
        encode: EncodeFn,
        render: RenderFn,
        spectrogram: SpectrogramFn,
        *,
        window: int,
        hop: int,
        n_fft: int,
        events_per_half: float,
        snr_stop_db: float | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        """window, hop, n_fft in samples; events_per_half: the most in window / 2, may be a fraction."""
        if window % (2 * hop) or n_fft % hop:
            raise ValueError("window must be a multiple of 2 * hop, and n_fft of hop")
        self._encode, self._render, self._spectrogram = encode, render, spectrogram
        self._window, self._hop, self._n_fft = window, hop, n_fft
        self._events_per_half = events_per_half
        self._snr_stop_db = snr_stop_db
        self._device = torch.device(device)
        self._samples = np.zeros(0, dtype=np.float32)  # from the current window's first sample on
        self._windows_done = 0
        self._n_events = 0
        # [1.5 windows, bins]; the rows beyond the window hold minus what events put there
        self._residual: Tensor | None = None
        self._half_energy = [0.0, 0.0]  # of each half's frames before anything was removed from them
        self._finished = False

    def push(self, block: NDArray[np.float32]) -> Iterator[RemovedEvent]:
        """Take float32 [n] mono samples; yields the events of every half window that is now known whole."""
        if self._finished:
            raise ValueError("push after finish: make a new StreamingRemoval for another stream")
        ready = self._window + self._n_fft  # the last frame of the window is whole, and more follows
        for start in range(0, len(block), self._window):
            self._samples = np.concatenate([self._samples, block[start : start + self._window]])
            while len(self._samples) >= ready:
                yield from self._next_window(self._window // 2)

    def finish(self) -> Iterator[RemovedEvent]:
        """The stream has ended: yields the events of what is left of it."""
        self._finished = True
        while len(self._samples):
            yield from self._next_window(min(len(self._samples), self._window // 2))

    def run(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[RemovedEvent]:
        """All events of a stream given as blocks."""
        for block in blocks:
            yield from self.push(block)
        yield from self.finish()

    def _load(self) -> Tensor:
        """Bring the residual to the current window: carry its first half on, add the frames that are new."""
        n_frames = self._window // self._hop
        half = n_frames // 2
        samples = torch.from_numpy(self._samples[: self._window + self._n_fft - self._hop]).to(self._device)
        if self._residual is None:
            spectrogram = self._spectrogram(samples, n_frames)
            self._residual = torch.zeros(n_frames + half, spectrogram.shape[1], device=self._device)
            self._residual[:n_frames] = spectrogram
            self._half_energy[0] = energy(spectrogram[:half])
            fresh = spectrogram[half:]
        else:
            self._residual = torch.cat([self._residual[half:], torch.zeros_like(self._residual[:half])])
            fresh = self._spectrogram(samples[self._window // 2 :], half)
            self._residual[half:n_frames] += fresh
            self._half_energy[0] = self._half_energy[1]
        self._half_energy[1] = energy(fresh)
        return self._residual

    def _next_window(self, n_new: int) -> Iterator[RemovedEvent]:
        """Events of the current window's first half, `n_new` samples long, then slide."""
        n_frames = self._window // self._hop
        half = n_frames // 2
        residual = self._load()
        seen_halves = self._windows_done + n_new / (self._window // 2)
        # the allowance goes by the time passed; what an early stop left over is not saved up
        allowed = math.ceil(self._events_per_half * seen_halves - 1e-6)
        allowed -= math.ceil(self._events_per_half * self._windows_done - 1e-6)
        peak = float(np.max(np.abs(self._samples[: self._window])))
        if peak > 0:
            for event in remove_events(
                residual,
                self._encode,
                self._render,
                n_seen=n_frames,
                n_open=-(-n_new // self._hop),
                lead=self._n_fft // self._hop,
                max_events=allowed,
                scale=peak,
                snr_stop_db=self._snr_stop_db,
                initial_energy=self._half_energy[0],
                first_rank=self._n_events,
            ):
                self._n_events += 1
                yield replace(event, frame=event.frame + self._windows_done * half)
        self._samples = self._samples[self._window // 2 :]
        self._windows_done += 1
