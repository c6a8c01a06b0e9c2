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
MOST_CONVERGENCE = 4.0  # spectral convergence beyond which nothing pulls
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


def _spectrum(samples: Tensor, size: int, hop: int) -> Tensor:
    """Spectra of centred frames: samples [b, n] → complex [b, n // hop + 1, size // 2 + 1]; hop divides size."""
    padded = torch.nn.functional.pad(samples, (size // 2, size // 2))
    return torch.fft.rfft(padded.unfold(-1, size, hop) * _window(size, str(samples.device)))


def _power(spectrum: Tensor) -> Tensor:
    return (spectrum.real * spectrum.real).addcmul_(spectrum.imag, spectrum.imag)


def _of_samples(spectrum: Tensor, of_power: Tensor, hop: int, n: int) -> Tensor:
    """The gradient to n samples [b, n] from the one to the powers of their spectra, float32 like these."""
    size = 2 * (spectrum.shape[-1] - 1)
    weighted = spectrum * of_power
    weighted[..., 0] *= 2  # the other bins stand for two each
    weighted[..., size // 2] *= 2
    frames = torch.fft.irfft(weighted, n=size, norm="forward") * _window(size, str(spectrum.device))
    count, shares = frames.shape[-2], size // hop
    out = frames.new_zeros(*frames.shape[:-2], count + shares - 1, hop)
    for share in range(shares):
        out[..., share : share + count, :] += frames[..., share * hop : (share + 1) * hop]
    out = torch.nn.functional.pad(out.flatten(-2), (0, max(0, n + size // 2 - out.shape[-2] * hop)))
    return out[..., size // 2 : size // 2 + n]


class _Compared(torch.autograd.Function):
    """A distance as a number with a gradient, which is worked out beside it."""

    @staticmethod
    def forward(ctx: Any, rendered: Tensor, distance: SoundDistance, places: tuple[int, ...]) -> Tensor:
        value, ctx.gradient = distance.compared(rendered, places)
        return value

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return ctx.gradient * gradient, None, None


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
            power = _power(_spectrum(target, size, size // 4))
            magnitude = (power + 1e-10).sqrt()
            norm = magnitude.flatten(1).norm(dim=1) + 1e-3 * size**0.5
            self._targets.append((magnitude, norm, self._mel_power(power, size, mels).log()))
        self._envelopes: Tensor | None = None
        if target.shape[-1] >= PIECE * ENVELOPE // 2:
            self._envelopes = self._normalised(self._bands(_power(_spectrum(target, ENVELOPE, ENVELOPE // 2))))

    def _mel_power(self, power: Tensor, size: int, mels: int) -> Tensor:
        mel = _mel(size, mels, self.sample_rate, self._device)
        return (power @ mel.T).mul_(2.0 / size).add_(self.floor)

    def loudest_db(self) -> float:
        """The target's loudest mel level, dB re full scale."""
        loudest = max(float(log_mel.max()) for _, _, log_mel in self._targets)
        return 10.0 * loudest / float(np.log(10.0))

    def _bands(self, power: Tensor) -> Tensor:
        """Third-octave levels of power spectra every half window: [b, frames, 15]."""
        return power @ _third_octaves(ENVELOPE, self.sample_rate, self._device).T

    def _normalised(self, bands: Tensor) -> Tensor:
        """Their envelopes in pieces, normalised as in extended STOI: [b, 15, pieces, PIECE]."""
        envelope = (bands + 1e-7).sqrt()
        pieces = envelope.transpose(-1, -2).unfold(-1, PIECE, PIECE_HOP)
        pieces = pieces - pieces.mean(-1, keepdim=True)
        pieces = pieces / (pieces.norm(dim=-1, keepdim=True) + 1e-4)
        pieces = pieces - pieces.mean(1, keepdim=True)
        return pieces / (pieces.norm(dim=1, keepdim=True) + 1e-4)

    def __call__(self, rendered: Tensor, only: Sequence[int] | None = None) -> Tensor:
        """only: places of the resolutions to compare; None for all."""
        places = tuple(range(len(self.resolutions)) if only is None else only)
        value: Tensor = _Compared.apply(rendered if self.weight is None else rendered * self.weight, self, places)
        return value

    @torch.no_grad()
    def compared(self, rendered: Tensor, places: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The distance of a sound that is weighted already, and its gradient to that, [b, n]."""
        n = rendered.shape[-1]
        value, gradient, with_envelopes = rendered.new_zeros(()), torch.zeros_like(rendered), self._has_envelopes
        for place in places:
            size, _ = self.resolutions[place]
            spectrum = _spectrum(rendered, size, size // 4)
            power = _power(spectrum)
            distance, of_power = self._of_resolution(place, power)
            value, of_power = value + distance / len(places), of_power.div_(len(places))
            if size == ENVELOPE and with_envelopes:
                distance, of_bands = self._of_envelopes(power[:, ::2])
                value, with_envelopes = value + distance, False
                of_power[:, ::2] += of_bands
            gradient += _of_samples(spectrum, of_power, size // 4, n)
        if with_envelopes:
            spectrum = _spectrum(rendered, ENVELOPE, ENVELOPE // 2)
            distance, of_power = self._of_envelopes(_power(spectrum))
            value = value + distance
            gradient += _of_samples(spectrum, of_power, ENVELOPE // 2, n)
        return value, gradient

    @property
    def _has_envelopes(self) -> bool:
        return bool(self.envelope_weight) and self._envelopes is not None

    def _of_resolution(self, place: int, power: Tensor) -> tuple[Tensor, Tensor]:
        """Convergence and log mel levels of power spectra against the target's, and the gradient to these."""
        (size, mels), (wanted, norm, wanted_log_mel) = self.resolutions[place], self._targets[place]
        magnitude = (power + 1e-10).sqrt_()
        apart = magnitude - wanted
        length = apart.flatten(1).norm(dim=1)
        convergence = length / norm
        slope = (convergence <= MOST_CONVERGENCE) / (2.0 * len(power) * norm * length.clamp_min(1e-20))
        of_power = apart.div_(magnitude).mul_(slope[:, None, None])

        mel_power = self._mel_power(power, size, mels)
        off = mel_power.log() - wanted_log_mel
        of_mel = off.sign().div_(mel_power).mul_(2.0 / size / off.numel())
        of_power.flatten(0, 1).addmm_(of_mel.flatten(0, 1), _mel(size, mels, self.sample_rate, self._device))
        return convergence.clamp_max(MOST_CONVERGENCE).mean() + off.abs().mean(), of_power

    def _of_envelopes(self, power: Tensor) -> tuple[Tensor, Tensor]:
        """What envelopes of power spectra every half window lack of correlation, and the gradient to these."""
        assert self._envelopes is not None
        bands = self._bands(power)
        with torch.enable_grad():
            bands.requires_grad_(True)
            # a piece correlates with itself by 1, or by less where it is silent
            lost = (self._envelopes * (self._envelopes - self._normalised(bands))).sum(1).mean() * self.envelope_weight
            (of_bands,) = torch.autograd.grad(lost, bands)
        return lost.detach(), of_bands @ _third_octaves(ENVELOPE, self.sample_rate, self._device)
