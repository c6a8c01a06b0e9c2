"""What the encoder sees: mel levels and pitch salience, both read off one magnitude spectrogram.

They come from magnitudes alone, so that the spectrogram of what earlier events removed can be looked at again.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from sparsecodec_models.dsp.mel import mel_filters
from sparsecodec_models.dsp.stft import hann, stft
from sparsecodec_models.speech.config import SpeechConfig


class SpeechFeatures(nn.Module):
    """Fixed front end of the encoder; it has no parameters."""

    window: Tensor
    mel: Tensor
    lowpass: Tensor
    lag_low: Tensor
    lag_share: Tensor
    lag_gain: Tensor

    def __init__(self, config: SpeechConfig) -> None:
        super().__init__()
        self.config = config
        self.fft_size = 2 * config.window  # zero-padded, so that its power spectrum holds the whole autocorrelation
        # all of it with numpy: where a model is but planned, on torch's device "meta", torch would import a compiler
        window = hann(config.window)
        hz = np.arange(self.fft_size // 2 + 1) * (config.sample_rate / self.fft_size)
        own = np.fft.irfft(np.abs(np.fft.rfft(window, self.fft_size)) ** 2)
        lag = config.sample_rate / pitch_candidates_hz(config)
        low = np.floor(lag).astype(int)
        share = lag - low
        tables = {
            "window": window,
            "mel": mel_filters(config.mels, self.fft_size, config.sample_rate),
            "lowpass": (hz > 40) / (1.0 + (hz / 1000.0) ** 4),
            "lag_share": share,
            "lag_gain": own[0] / (own[low] * (1 - share) + own[low + 1] * share),
        }
        for name, table in tables.items():
            self.register_buffer(name, torch.tensor(table, dtype=torch.float32), persistent=False)
        self.register_buffer("lag_low", torch.tensor(low), persistent=False)
        energy = float(np.square(window, dtype=np.float64).sum())
        self.power_scale = 2.0 / energy / self.fft_size  # bins sum to the frame's mean square

    def spectrogram(self, samples: Tensor) -> Tensor:
        """Samples float32 [..., n] at the model's rate → magnitudes float32 [..., bins, t], t = n // hop + 1, frame i
        centred on i·hop."""
        return stft(samples, self.window, self.config.hop, self.fft_size, centred=True).abs().transpose(-1, -2)

    def forward(self, magnitude: Tensor) -> tuple[Tensor, Tensor]:
        """Magnitudes [..., bins, t] → (features float32 [..., mels + pitch_bins + 1, t], reference level dB [...]).

        Levels are relative to the loudest frame, so that the encoder does not depend on the recording's gain.
        """
        power = magnitude**2
        level_db = 10 * torch.log10(power.sum(-2) * self.power_scale + 1e-12)
        reference_db = level_db.amax(-1).clamp_min(-100.0)
        mel_db = 10 * torch.log10(self.mel @ power * (self.power_scale * self.fft_size / 2) + 1e-12)
        shifted = ((mel_db - reference_db[..., None, None]).clamp_min(-80.0) + 40.0) / 20.0
        relative = ((level_db - reference_db[..., None]).clamp_min(-80.0) + 40.0) / 20.0
        correlation = torch.fft.irfft((power * self.lowpass[:, None]).transpose(-1, -2))
        value = (
            correlation[..., self.lag_low] * (1 - self.lag_share) + correlation[..., self.lag_low + 1] * self.lag_share
        )
        salience = (value * self.lag_gain / (correlation[..., :1] + 1e-9)).clamp(-1.0, 1.2).transpose(-1, -2)
        return torch.cat([shifted, relative.unsqueeze(-2), salience], dim=-2), reference_db


def pitch_candidates_hz(config: SpeechConfig) -> np.ndarray:
    """Candidates of f0, equally spaced in log frequency: float64 [pitch_bins]."""
    return config.pitch_min_hz * 2.0 ** (np.arange(config.pitch_bins) / config.pitch_bins_per_octave)
