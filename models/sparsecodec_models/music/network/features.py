"""What the note finder sees: levels in dB on a logarithmic frequency scale, 36 bins an octave from 27.5 Hz.

Two pictures of the same sound, a frame each 256 samples at 22,050 Hz, frame k centred on sample 256 k:

    pitch     288 bins (8 octaves). The window is as long as the bin needs to tell semitones, 8192 samples at most:
              372 ms below 150 Hz, shorter upwards in proportion, 46 ms from 1,200 Hz.
    attack    96 bins, a semitone each, with windows of a third of that, 9 to 46 ms: blurred in pitch, sharp in time.

A bin is the sound times a windowed complex exponential (Brown's constant-Q, with windows capped): computed as the
product of an FFT with that kernel's spectrum, of which only the few bins around its frequency are not zero. A full
scale sinusoid is 0 dB; the floor is FLOOR_DB. Each frame depends on its 8192 samples alone, so a streamed recording
gives the same frames as a whole one.
"""

from __future__ import annotations

import functools

import numpy as np
import torch

SAMPLE_RATE_HZ = 22050
HOP_SAMPLES = 256
REACH_SAMPLES = 4096  # a frame sees this many samples to either side of its centre
LOWEST_HZ = 27.5
BINS_PER_OCTAVE = 36
PITCH_BINS = 288
ATTACK_BINS = 96
FLOOR_DB = -100.0

# bins of an FFT size share it: (FFT samples, first pitch bin, end)
_PITCH_FFTS = ((8192, 0, 142), (4096, 142, 178), (2048, 178, 288))
_ATTACK_FFTS = ((1024, 0, 62), (512, 62, 96))
_PITCH_CYCLES = 56.0  # of a bin's frequency in its window: a Hann window's first zero is then 3.6 % away
_ATTACK_CYCLES = 20.0  # likewise: neighbours a semitone apart overlap, and no partial falls between them


_Kernels = tuple[int, int, torch.Tensor]
"""FFT size, first FFT bin that matters, spectra complex64 [FFT bins, bins]."""


@functools.lru_cache(maxsize=2)  # they take .1 s, and each recording of many needs them
def _all_kernels(device: torch.device) -> tuple[tuple[_Kernels, ...], tuple[_Kernels, ...]]:
    """Of the pitch picture and of the attack picture."""
    hz = LOWEST_HZ * 2 ** (np.arange(PITCH_BINS) / BINS_PER_OCTAVE)
    lengths = np.clip(_PITCH_CYCLES * SAMPLE_RATE_HZ / hz, 1024, 8192)
    pitch = tuple(_kernels(size, hz[a:b], lengths[a:b], device) for size, a, b in _PITCH_FFTS)
    hz = hz[::3]
    lengths = np.clip(_ATTACK_CYCLES * SAMPLE_RATE_HZ / hz, 192, 1024)
    return pitch, tuple(_kernels(size, hz[a:b], lengths[a:b], device) for size, a, b in _ATTACK_FFTS)


def _kernels(fft_size: int, hz: np.ndarray, lengths: np.ndarray, device: torch.device) -> _Kernels:
    n = np.arange(fft_size) - fft_size / 2
    rows = []
    for f, length in zip(hz, lengths, strict=True):
        window = np.where(np.abs(n) <= length / 2, 0.5 + 0.5 * np.cos(2 * np.pi * n / length), 0.0)
        kernel = window / window.sum() * 2 * np.exp(2j * np.pi * f / SAMPLE_RATE_HZ * n)
        rows.append(np.fft.fft(kernel).conj() / fft_size)
    spectra = np.array(rows)[:, : fft_size // 2 + 1].T
    seen = np.flatnonzero(np.abs(spectra).max(1) > 1e-5 * np.abs(spectra).max())
    first, end = int(seen[0]), int(seen[-1]) + 1
    return fft_size, first, torch.tensor(spectra[first:end], dtype=torch.complex64, device=device)


class NoteFeatures:
    """Computes both pictures; `device` may be any torch device."""

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self.device = torch.device(device)
        self._pitch, self._attack = _all_kernels(self.device)

    @torch.no_grad()
    def frames(self, padded: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Frames 0 … count-1 of `padded`, float32 [≥ (count-1)·256 + 8192], frame k centred on sample 256 k + 4096:
        (pitch float32 [288, count], attack float32 [96, count]), dB."""
        pitch = torch.cat([self._levels(padded, count, *k) for k in self._pitch], 0)
        attack = torch.cat([self._levels(padded, count, *k) for k in self._attack], 0)
        return pitch, attack

    def _levels(
        self, padded: torch.Tensor, count: int, fft_size: int, first: int, spectra: torch.Tensor
    ) -> torch.Tensor:
        start = REACH_SAMPLES - fft_size // 2
        cut = padded[start : start + (count - 1) * HOP_SAMPLES + fft_size].unfold(0, fft_size, HOP_SAMPLES)
        levels = []
        for part in cut.split(256):  # frames at once: bounded memory
            spectrum = torch.fft.rfft(part)[:, first : first + len(spectra)]
            levels.append((spectrum @ spectra).abs())
        return (20 * torch.log10(torch.cat(levels).T + 1e-9)).clamp(min=FLOOR_DB)

    def of(self, samples: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Both pictures of a whole recording, float [samples] at 22,050 Hz: as `frames`, 1 + samples // 256 frames."""
        audio = torch.as_tensor(np.asarray(samples), dtype=torch.float32, device=self.device)
        return self.frames(torch.nn.functional.pad(audio, (REACH_SAMPLES, REACH_SAMPLES)), frame_count(len(samples)))


def frame_count(samples: int) -> int:
    """Frames of a recording: the last is centred on or before its end."""
    return 1 + samples // HOP_SAMPLES


class FeatureStream:
    """The same frames from a recording that comes in blocks of any length."""

    def __init__(self, features: NoteFeatures) -> None:
        self._features = features
        self._held = torch.zeros(REACH_SAMPLES, device=features.device)
        self._given = 0
        self._seen = 0

    def push(self, samples: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Take float [n] more samples; the frames that they complete (perhaps none), as `NoteFeatures.frames`."""
        block = torch.as_tensor(np.asarray(samples), dtype=torch.float32, device=self._held.device)
        self._seen += len(block)
        return self._take(torch.cat([self._held, block]))

    def finish(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The last frames, as if silence followed."""
        missing = frame_count(self._seen) - self._given
        padded = torch.nn.functional.pad(self._held, (0, REACH_SAMPLES))
        self._given += missing
        return self._cut(padded, missing)

    def _take(self, padded: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        count = max(0, (len(padded) - 2 * REACH_SAMPLES) // HOP_SAMPLES + 1)
        self._held = padded[count * HOP_SAMPLES :]
        self._given += count
        return self._cut(padded, count)

    def _cut(self, padded: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        if count == 0:
            empty = torch.zeros(0, device=padded.device)
            return empty.reshape(PITCH_BINS, 0), empty.reshape(ATTACK_BINS, 0)
        return self._features.frames(padded, count)
