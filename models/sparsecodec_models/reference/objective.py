"""The author's training losses for the `reference` preset: energy removed, and sparsity of the vectors.

Vinyard 2025 (arXiv 2505.05654).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from .encoder import magnitudes
from .model import ReferenceModel

SPARSITY_WEIGHT = 1e-4
FADE_POWER = 8


class Analysis(NamedTuple):
    """Events of a batch of windows.

    vector [batch, n, dims], frame int64 [batch, n], amplitude [batch, n] ≥ 0; where it stands in its window,
    each event's samples [batch, n, window] and their magnitudes, spectrogram [batch, n, frames, bins].
    """

    vector: Tensor
    frame: Tensor
    amplitude: Tensor
    samples: Tensor
    spectrogram: Tensor


class Losses(NamedTuple):
    """Scalars: total = energy_removed + sparsity. energy_removed is negative when events remove energy."""

    total: Tensor
    energy_removed: Tensor
    sparsity: Tensor


def peak_normalised(samples: Tensor) -> Tensor:
    """float32 [batch, n] with the largest magnitude of each at 1; silence stays silence."""
    return samples / samples.abs().amax(dim=-1, keepdim=True).clamp(min=1e-8)


def fade_second_half(samples: Tensor) -> Tensor:
    """The target: its second half fades out, (1 → 0) to the power 8, since no event may start there."""
    half = samples.shape[-1] // 2
    fade = torch.ones(samples.shape[-1], device=samples.device)
    fade[half:] = torch.linspace(1, 0, samples.shape[-1] - half, device=samples.device) ** FADE_POWER
    return samples * fade


def _placed(rows: Tensor, start: Tensor, n_rows: int) -> Tensor:
    """Rows of each item moved to `start` int64 [batch], which may be below 0; [batch, n_rows, …]."""
    beyond = (0, 0) * (rows.ndim - 2)
    moved = [
        # negative pads crop
        F.pad(item, (*beyond, at, n_rows - at - len(item)))
        for item, at in zip(rows, start.tolist(), strict=True)
    ]
    return torch.stack(moved)


def analyse(model: ReferenceModel, samples: Tensor, noise: Tensor) -> Analysis:
    """The author's steps on a batch of windows, with gradients; the residual is detached between steps.

    samples: float32 [batch, window], peak-normalised; noise: float32 [batch, n_events, envelope_samples] in
    [-1, 1), fresh for every batch. One event is removed from each window in each of n_events steps. What a
    step computes on the way is not kept but computed again for the gradients, so that memory holds one step.
    """
    c = model.config

    def step(residual: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
        vector, frame, amplitude = model.propose(residual, c.n_frames // 2)
        sound = model.decoder(vector, noise)
        placed = _placed(sound, (frame - 1) * c.hop, c.window)  # one hop of lead, for the fine shift
        event = _placed(model.decoder.spectrograms(sound), frame - c.lead_frames, c.n_frames)
        return vector, frame, amplitude, placed * amplitude[:, None], event * amplitude[:, None, None]

    residual = magnitudes(samples, c.n_frames, c)
    steps = []
    for index in range(noise.shape[1]):
        out = checkpoint(step, residual, noise[:, index], use_reentrant=False, preserve_rng_state=False)
        residual = residual - out[-1].detach()
        steps.append(out)
    return Analysis(*(torch.stack(column, dim=1) for column in zip(*steps, strict=True)))


def energy_removed_loss(target: Tensor, events: Tensor) -> Tensor:
    """Σ over events, loud to soft, of (norm after − norm before) of what is left; mean over the batch.

    target: float32 [batch, frames, bins]; events: float32 [batch, n, frames, bins]; norms are L1. What is
    left is detached between steps: otherwise the sum would telescope, and the order would not matter.
    """
    batch = torch.arange(len(target), device=target.device)
    order = events.detach().abs().sum(dim=(2, 3)).argsort(dim=1, descending=True)
    left = target
    loss = target.new_zeros(())
    for step in range(events.shape[1]):
        after = left - events[batch, order[:, step]]
        loss = loss + (after.abs().sum(dim=(1, 2)) - left.abs().sum(dim=(1, 2))).mean()
        left = after.detach()
    return loss


def author_losses(found: Analysis, target: Tensor) -> Losses:
    """The losses of what `analyse` found; target: float32 [batch, frames, bins], of the faded window."""
    removed = energy_removed_loss(target, found.spectrogram)
    sparsity = SPARSITY_WEIGHT * found.vector.abs().sum(dim=(1, 2)).mean()
    return Losses(removed + sparsity, removed, sparsity)
