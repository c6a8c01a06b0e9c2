"""What a decoder is fitted and trained by: how far two sounds are apart, as numbers with gradients."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .mel import mel_filters

RESOLUTIONS = ((256, 24), (576, 40), (1024, 64), (2048, 80))  # (window in samples, mel bands)
ENVELOPE = 576  # window of the envelopes, samples: 26 ms at 22,050 Hz, as STOI's nearly; one of the resolutions'
PIECE, PIECE_HOP = 30, 6  # frames of an envelope, every half window, that are compared together: 0.4 s


@functools.lru_cache(maxsize=16)
def _window(size: int, device: str) -> Tensor:
    return torch.hann_window(size, device=device)


@functools.lru_cache(maxsize=16)
def _mel(size: int, mels: int, sample_rate: int, device: str) -> Tensor:
    return torch.tensor(mel_filters(mels, size, sample_rate), dtype=torch.float32, device=device)


@functools.lru_cache(maxsize=4)
def _third_octaves(size: int, sample_rate: int, device: str) -> Tensor:
    hz = np.arange(size // 2 + 1) * sample_rate / size
    centre = 150.0 * 2.0 ** (np.arange(15) / 3)
    inside = (hz >= centre[:, None] * 2 ** (-1 / 6)) & (hz < centre[:, None] * 2 ** (1 / 6))
    return torch.tensor(inside, dtype=torch.float32, device=device)


class _Power(torch.autograd.Function):
    """Power spectra of centred frames: samples [b, n] → [b, n // hop + 1, size // 2 + 1]; hop divides size. Its
    gradient takes one inverse transform, and what is left in memory is the spectrum alone."""

    @staticmethod
    def forward(ctx: Any, samples: Tensor, size: int, hop: int) -> Tensor:
        window = _window(size, str(samples.device))
        padded = torch.nn.functional.pad(samples, (size // 2, size // 2))
        spectrum = torch.fft.rfft(padded.unfold(-1, size, hop) * window)
        ctx.spectrum, ctx.window, ctx.hop, ctx.n = spectrum, window, hop, samples.shape[-1]
        return (spectrum.real * spectrum.real).addcmul_(spectrum.imag, spectrum.imag)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        size, hop = len(ctx.window), ctx.hop
        weighted = torch.view_as_complex(torch.view_as_real(ctx.spectrum) * gradient.unsqueeze(-1))
        weighted[..., 0] *= 2  # the other bins stand for two each
        weighted[..., size // 2] *= 2
        frames = torch.fft.irfft(weighted, n=size, norm="forward") * ctx.window
        count, shares = frames.shape[-2], size // hop
        out = frames.new_zeros(*frames.shape[:-2], count + shares - 1, hop)
        for share in range(shares):
            out[..., share : share + count, :] += frames[..., share * hop : (share + 1) * hop]
        out = torch.nn.functional.pad(out.flatten(-2), (0, max(0, ctx.n + size // 2 - out.shape[-2] * hop)))
        return out[..., size // 2 : size // 2 + ctx.n], None, None


def _power(samples: Tensor, size: int, hop: int) -> Tensor:
    power: Tensor = _Power.apply(samples, size, hop)
    return power


class SoundDistance:
    """Distance of a rendered sound to a target: multi-resolution STFT, mel levels, and envelopes as intelligibility
    hears them.

    target: float32 [b, n] at `sample_rate`; what depends on it alone is computed once. Calling it with a rendered sound
    of the same shape gives a scalar ≥ 0:
      mean over resolutions of spectral convergence (Arık et al. 2018) and L1 of log mel power, above a floor at
      `floor_db` re full scale; plus `envelope_weight` · (1 − mean correlation of third-octave envelopes over 0.4 s,
      normalised over time and then over bands as in extended STOI: Jensen & Taal 2016).
    resolutions: windows in samples, mel bands of each.
    weight: float32 [b, n] or None: samples where it is 0 do not count (both sounds are multiplied by it).
    """

    def __init__(
        self,
        target: Tensor,
        sample_rate: int,
        envelope_weight: float = 1.0,
        floor_db: float = -75.0,
        weight: Tensor | None = None,
        resolutions: tuple[tuple[int, int], ...] = RESOLUTIONS,
    ) -> None:
        self.resolutions = resolutions
        self.sample_rate, self.envelope_weight, self.weight = sample_rate, envelope_weight, weight
        self.floor = 10.0 ** (floor_db / 10.0)
        target = target if weight is None else target * weight
        device = str(target.device)
        self._device = device
        self._targets = []
        for size, mels in resolutions:
            power = _power(target, size, size // 4)
            magnitude = (power + 1e-10).sqrt()
            norm = magnitude.flatten(1).norm(dim=1) + 1e-3 * size**0.5
            self._targets.append((magnitude, norm, self._log_mel(power, size, mels)))
        long_enough = target.shape[-1] >= PIECE * ENVELOPE // 2
        self._envelopes = self._normalised(_power(target, ENVELOPE, ENVELOPE // 2)) if long_enough else None

    def _log_mel(self, power: Tensor, size: int, mels: int) -> Tensor:
        mel = _mel(size, mels, self.sample_rate, self._device)
        return torch.log(power @ mel.T * (2.0 / size) + self.floor)

    def loudest_db(self) -> float:
        """The target's loudest mel level, dB re full scale."""
        loudest = max(float(log_mel.max()) for _, _, log_mel in self._targets)
        return 10.0 * loudest / float(np.log(10.0))

    def _normalised(self, power: Tensor) -> Tensor:
        """Third-octave envelopes of power spectra every half window, in pieces, normalised as in extended STOI."""
        envelope = (power @ _third_octaves(ENVELOPE, self.sample_rate, self._device).T + 1e-7).sqrt()
        pieces = envelope.transpose(-1, -2).unfold(-1, PIECE, PIECE_HOP)  # [b, 15, pieces, PIECE]
        pieces = pieces - pieces.mean(-1, keepdim=True)
        pieces = pieces / (pieces.norm(dim=-1, keepdim=True) + 1e-4)
        pieces = pieces - pieces.mean(1, keepdim=True)
        return pieces / (pieces.norm(dim=1, keepdim=True) + 1e-4)

    def __call__(self, rendered: Tensor, only: Sequence[int] | None = None) -> Tensor:
        """only: places of the resolutions to compare; None for all."""
        rendered = rendered if self.weight is None else rendered * self.weight
        total, of_envelopes = rendered.new_zeros(()), None
        places = range(len(self.resolutions)) if only is None else only
        for (size, mels), (magnitude, norm, log_mel) in ((self.resolutions[i], self._targets[i]) for i in places):
            power = _power(rendered, size, size // 4)
            of_envelopes = power[:, ::2] if size == ENVELOPE else of_envelopes
            convergence = ((power + 1e-10).sqrt() - magnitude).flatten(1).norm(dim=1) / norm
            total = (
                total + convergence.clamp_max(4.0).mean() + (self._log_mel(power, size, mels) - log_mel).abs().mean()
            )
        total = total / len(places)
        if self.envelope_weight and self._envelopes is not None:
            if of_envelopes is None:
                of_envelopes = _power(rendered, ENVELOPE, ENVELOPE // 2)
            # a piece correlates with itself by 1, or by less where it is silent
            lost = self._envelopes * (self._envelopes - self._normalised(of_envelopes))
            total = total + self.envelope_weight * lost.sum(1).mean()
        return total
