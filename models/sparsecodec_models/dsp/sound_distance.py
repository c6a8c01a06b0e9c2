"""What a decoder is fitted and trained by: how far two sounds are apart, as numbers with gradients."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

from .mel import mel_filters
from .stft import stft

RESOLUTIONS = ((256, 24), (512, 40), (1024, 64), (2048, 80))  # (window in samples, mel bands)


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


def _power(samples: Tensor, size: int, hop: int) -> Tensor:
    spectrum = stft(samples, _window(size, str(samples.device)), hop, centred=True).transpose(-1, -2)
    return spectrum.real**2 + spectrum.imag**2


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
        self._envelopes = self._normalised(target) if envelope_weight and target.shape[-1] > 282 * 32 else None

    def _log_mel(self, power: Tensor, size: int, mels: int) -> Tensor:
        mel = _mel(size, mels, self.sample_rate, self._device)
        return torch.log(mel @ power * (2.0 / size) + self.floor)

    def loudest_db(self) -> float:
        """The target's loudest mel level, dB re full scale."""
        loudest = max(float(log_mel.max()) for _, _, log_mel in self._targets)
        return 10.0 * loudest / float(np.log(10.0))

    def _normalised(self, samples: Tensor) -> Tensor:
        # 25.6 ms windows every 12.8 ms, as STOI has them
        power = _power(samples, 564, 282)
        envelope = (_third_octaves(564, self.sample_rate, self._device) @ power + 1e-7).sqrt()
        pieces = envelope.unfold(-1, 30, 6)  # [b, 15, pieces, 30]
        pieces = pieces - pieces.mean(-1, keepdim=True)
        pieces = pieces / (pieces.norm(dim=-1, keepdim=True) + 1e-4)
        pieces = pieces - pieces.mean(1, keepdim=True)
        return pieces / (pieces.norm(dim=1, keepdim=True) + 1e-4)

    def __call__(self, rendered: Tensor) -> Tensor:
        rendered = rendered if self.weight is None else rendered * self.weight
        total = rendered.new_zeros(())
        for (size, mels), (magnitude, norm, log_mel) in zip(self.resolutions, self._targets, strict=True):
            power = _power(rendered, size, size // 4)
            convergence = ((power + 1e-10).sqrt() - magnitude).flatten(1).norm(dim=1) / norm
            total = (
                total + convergence.clamp_max(4.0).mean() + (self._log_mel(power, size, mels) - log_mel).abs().mean()
            )
        total = total / len(self.resolutions)
        if self._envelopes is not None:
            # a piece correlates with itself by 1, or by less where it is silent
            lost = self._envelopes * (self._envelopes - self._normalised(rendered))
            total = total + self.envelope_weight * lost.sum(1).mean()
        return total
