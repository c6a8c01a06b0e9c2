"""The `reference` encoder: magnitude spectrogram → for every frame an event vector and a switch.

Vinyard 2025 (arXiv 2505.05654).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from sparsecodec_models.dsp.stft import stft

from .config import ReferenceConfig


def magnitudes(samples: Tensor, n_frames: int, config: ReferenceConfig) -> Tensor:
    """STFT magnitudes, Hann window, orthonormal scaling, without the Nyquist bin.

    samples: float32 [..., n], zeros are assumed after the last; frame k covers samples k * hop … k * hop +
    n_fft. Returns float32 [..., n_frames, n_bins], linear.
    """
    needed = (n_frames - 1) * config.hop + config.n_fft
    samples = F.pad(samples, (0, needed - samples.shape[-1]))  # a negative pad crops what no frame reaches
    window = torch.hann_window(config.n_fft, device=samples.device)
    return stft(samples, window, config.hop, norm="ortho")[..., : config.n_bins].abs()


class GatedBlock(nn.Module):
    """x + conv(x) · selu(gate(x)); both convolutions dilated, weight-normalised, padded on the right."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.conv = weight_norm(nn.Conv1d(channels, channels, 2, dilation=dilation))
        self.gate = weight_norm(nn.Conv1d(channels, channels, 2, dilation=dilation))

    def forward(self, x: Tensor) -> Tensor:
        """float32 [batch, channels, frames] → the same shape; frame t sees frames t and t + dilation."""
        ahead = F.pad(x, (0, self.dilation))
        y: Tensor = self.conv(ahead) * F.selu(self.gate(ahead))
        return x + y


class AntiCausalStack(nn.Module):
    """1×1 convolution, gated dilated blocks whose outputs are summed, 1×1 convolution: 9,192,448 parameters.

    1×1 in 1,024·512 + 512; each block 2·(2·512·512 weights + 512 norms + 512 biases); 1×1 out 512·512 + 512.
    The original also holds eight batch norms (8,192 parameters) that it never calls; they are left out here.
    """

    def __init__(self, config: ReferenceConfig) -> None:
        super().__init__()
        self.enter = nn.Conv1d(config.n_bins, config.channels, 1)
        self.blocks = nn.ModuleList(GatedBlock(config.channels, d) for d in config.dilations)
        self.leave = nn.Conv1d(config.channels, config.channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """float32 [batch, n_bins, frames] → float32 [batch, channels, frames]."""
        x = self.enter(x)
        total = torch.zeros_like(x)
        for block in self.blocks:
            x = block(x)
            total = total + x
        out: Tensor = self.leave(total)
        return out


class ReferenceEncoder(nn.Module):
    """The stack and its two 1×1 heads: 32-dim vector (16,416 parameters) and switch (513)."""

    def __init__(self, config: ReferenceConfig) -> None:
        super().__init__()
        self.config = config
        self.stack = AntiCausalStack(config)
        self.vector_head = nn.Conv1d(config.channels, config.vector_dims, 1)
        self.switch_head = nn.Conv1d(config.channels, 1, 1)

    @property
    def frames_ahead(self) -> int:
        """How many frames after its own a frame's output depends on (128)."""
        return sum(self.config.dilations)

    def forward(self, spectrogram: Tensor, n_out: int | None = None) -> tuple[Tensor, Tensor]:
        """Vectors and switch of every frame, or of the first `n_out` only (cheaper, the same numbers).

        spectrogram: float32 [batch, frames, n_bins], linear magnitudes of a peak-normalised window.
        Returns vector float32 [batch, frames, vector_dims] and switch float32 [batch, frames], before relu.
        """
        n_out = spectrogram.shape[1] if n_out is None else n_out
        # a frame depends on nothing further ahead than this, so what lies behind need not be computed
        seen = spectrogram[:, : n_out + self.frames_ahead].transpose(1, 2)
        hidden = self.stack(seen)[..., :n_out]
        return self.vector_head(hidden).transpose(1, 2), self.switch_head(hidden).squeeze(1)


def pick_event(vector: Tensor, switch: Tensor, n_open: int) -> tuple[Tensor, Tensor, Tensor]:
    """Per batch item, the frame where the switch is highest among the first `n_open` (the unmasked half).

    vector float32 [batch, frames, dims], switch float32 [batch, frames].
    Returns vector float32 [batch, dims], frame int64 [batch], amplitude float32 [batch] ≥ 0 (the height of
    the author's one-hot; gradients reach the switch through it).

    Our choice: the amplitude's relu lets every gradient through. That differs where no frame's switch is
    above 0 only, and there, an encoder that proposes nothing would otherwise never learn to.
    """
    height, frame = switch[:, :n_open].max(dim=1)
    amplitude = height + (F.relu(height) - height).detach()
    return vector[torch.arange(len(frame), device=frame.device), frame], frame, amplitude
