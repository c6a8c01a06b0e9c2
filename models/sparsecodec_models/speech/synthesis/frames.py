"""The `speech` decoder, third part: voices → the samples of their frames.

A frame's spectrum holds harmonics (each a spectral lobe of the Blackman-Harris window) and filtered noise; one batched
inverse FFT makes the samples (Rodet & Depalle, "Spectral envelopes and inverse FFT synthesis", AES 1992). The frame's
middle half, under a triangular window, overlaps its neighbours' by half, so that amplitudes move linearly between
frames.

All is linear in the events' amplitudes: the sounds of a voice's single events (all others at amplitude 0) add up to
the voice.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sparsecodec_models.dsp.noise import white_noise
from sparsecodec_models.speech.config import SpeechConfig

from .controls import SpeechControls, SpeechDecoder
from .voices import FramePlan, Tracks

_HARRIS = (0.35875, 0.48829, 0.14128, 0.01168)  # Harris 1978, 4-term Blackman-Harris, -92 dB side lobes
_REACH = 4  # half width of its main lobe, bins
_STEPS = 512  # table entries per bin


@functools.lru_cache(maxsize=4)
def _lobe_table(size: int) -> Tensor:
    """Transform of the centred window at offsets -4 … 4 bins, linear interpolation points: float32 [8·512 + 2]."""
    delta = np.arange(-_REACH * _STEPS, _REACH * _STEPS + 2) / _STEPS
    lobe = np.zeros_like(delta)
    for m, a in enumerate(_HARRIS):
        terms = (0,) if m == 0 else (m, -m)
        lobe += sum(a / len(terms) * np.sinc(delta - k) for k in terms)
    return torch.tensor(lobe * size, dtype=torch.float32)


def _harris(n: np.ndarray, size: int) -> np.ndarray:
    """The window at offsets n from its centre."""
    return np.sum([a * np.cos(2 * np.pi * m * n / size) for m, a in enumerate(_HARRIS)], axis=0)


@functools.lru_cache(maxsize=4)
def _frame_window(size: int) -> Tensor:
    """Undoes the Blackman-Harris window over the middle half and applies a triangle that overlap-adds to 1: [size //
    2]."""
    n = np.arange(-size // 4, size // 4)
    return torch.tensor((1 - np.abs(n) / (size // 4)) / _harris(n, size), dtype=torch.float32)


@functools.lru_cache(maxsize=4)
def _noise_window(size: int) -> Tensor:
    return torch.tensor(_harris(np.arange(-size // 2, size // 2), size), dtype=torch.float32)


@dataclass(frozen=True)
class Spectra:
    """Amplitude per bin of each event at full weight, float32 [n, bins]: of its harmonic part and of its noise."""

    harmonic: Tensor
    noise: Tensor


def spectra(decoder: SpeechDecoder, controls: SpeechControls, gain: Tensor | None = None) -> Spectra:
    """gain: float32 [n], a factor per event, None for 1."""
    level_db = controls.shape_db @ decoder.band_to_bin
    power = torch.pow(10.0, level_db / 10.0)
    power = power * (torch.pow(10.0, controls.level_db / 10.0) / (power.sum(-1) + 1e-20))[:, None]
    voicing = controls.voicing @ decoder.voice_to_bin
    voicing = torch.where(controls.voiced[:, None], voicing, torch.zeros_like(voicing))
    harmonic, noise = torch.sqrt(power * voicing + 1e-20), torch.sqrt(power * (1.0 - voicing) + 1e-20)
    return Spectra(harmonic, noise) if gain is None else Spectra(harmonic * gain[:, None], noise * gain[:, None])


def noise_spectrum(seed: int, channel: int, first: int, count: int, config: SpeechConfig, device: str) -> Tensor:
    """Spectra of the noise under the window of frames first … first + count - 1: complex64 [count, bins]."""
    size, hop = config.frame_size, config.frame_hop
    noise = white_noise(seed, channel, first * hop - size // 2, (count - 1) * hop + size, torch.empty(0, device=device))
    # not dsp.stft: phases count from the middle of the window
    frames = noise.unfold(0, size, hop) * _noise_window(size).to(device)
    return torch.fft.rfft(torch.fft.ifftshift(frames, dim=1)) * (size / 2) ** 0.5


def render_frames(
    decoder: SpeechDecoder, table: Spectra, plan: FramePlan, tracks: Tracks, noise: Tensor, first: int
) -> Tensor:
    """Samples of the plan's frames, windowed: float32 [m, frame_size/2].

    noise: of frames first … (`noise_spectrum`).
    """
    size = decoder.config.frame_size
    if not len(plan.frame):  # some FFTs refuse an empty batch
        return noise.real.new_zeros(0, size // 2)
    before, after = plan.before.clamp_min(0), plan.after.clamp_min(0)
    weight_before, weight_after = tracks.weight_before[:, None], tracks.weight_after[:, None]

    def mixed(amplitude: Tensor) -> Tensor:
        return amplitude[before] * weight_before + amplitude[after] * weight_after

    spectrum = noise[plan.frame - first] * mixed(table.noise)
    spectrum = spectrum + _harmonics(decoder.config, tracks, mixed(table.harmonic))
    block = torch.fft.irfft(spectrum, n=size)
    window = _frame_window(size).to(block.device)
    return torch.cat([block[:, -size // 4 :], block[:, : size // 4]], dim=1) * window


def _harmonics(config: SpeechConfig, tracks: Tracks, amplitude: Tensor) -> Tensor:
    """Spectrum of the harmonic part, complex64 [m, bins], for amplitudes per bin float32 [m, bins]."""
    size, rate = config.frame_size, config.sample_rate
    bins, bin_hz = size // 2 + 1, rate / size
    f0 = tracks.f0_hz
    top_hz = 0.5 * rate - _REACH * bin_hz
    heard = amplitude.detach().amax(1) > 1e-7
    lowest = float(f0.detach()[heard].min()) if bool(heard.any()) else top_hz
    order = torch.arange(1, max(1, int(top_hz / lowest)) + 1, device=f0.device)
    hz = f0[:, None] * order  # [m, K]
    frame, harmonic = torch.nonzero((hz < top_hz) & heard[:, None], as_tuple=True)
    place = hz[frame, harmonic] / bin_hz
    near = place.detach().floor().long()
    share = place - near
    height = amplitude[frame, near] * (1 - share) + amplitude[frame, near + 1] * share
    height = height * torch.sqrt(2.0 * f0[frame] / bin_hz)
    angle = 2 * torch.pi * torch.remainder(tracks.cycles[frame] * order[harmonic], 1.0)
    real, imaginary = 0.5 * height * torch.cos(angle), 0.5 * height * torch.sin(angle)

    reach = torch.arange(-_REACH + 1, _REACH + 1, device=f0.device)
    target = near[:, None] + reach  # bins under the lobe, may be negative
    offset = (target - place[:, None] + _REACH) * _STEPS
    index = offset.detach().floor().long().clamp(0, 2 * _REACH * _STEPS)
    table = _lobe_table(size).to(f0.device)
    lobe = table[index] + (offset - index) * (table[index + 1] - table[index])
    width = bins + 2 * _REACH
    flat = (frame[:, None] * width + target + _REACH).reshape(-1)

    def scatter(value: Tensor) -> Tensor:
        out = torch.zeros(len(f0) * width, device=f0.device, dtype=value.dtype)
        return out.index_add(0, flat, (value[:, None] * lobe).reshape(-1)).view(-1, width)

    padded = torch.complex(scatter(real), scatter(imaginary))
    spectrum = padded[:, _REACH : _REACH + bins]
    # the conjugate half reaches over 0 Hz
    mirrored = torch.conj(padded[:, : _REACH + 1].flip(1))
    return torch.cat([spectrum[:, : _REACH + 1] + mirrored, spectrum[:, _REACH + 1 :]], dim=1)
