"""The sound of events whose times and pitches stay, rendered again and again while the rest of them is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sparsecodec_models.dsp.room import convolve, room_response
from sparsecodec_models.speech.config import SpeechConfig
from sparsecodec_models.speech.synthesis.controls import UNVOICED, SpeechTables
from sparsecodec_models.speech.synthesis.frames import REACH, frame_window, lobes, spectra
from sparsecodec_models.speech.synthesis.voices import FramePlan, Tracks, fades, follow, plan_frames

Pair = tuple[Tensor, Tensor]
"""Real and imaginary part."""

MAY_BE_VOICED = 0.5 * UNVOICED  # mean voicing of an event; a softer one gets no harmonics until it is planned anew
APART_FRAMES = 2**29
"""Frames from the start of one sound to that of the next, where several are made at once: more than a month."""


def apart(config: SpeechConfig) -> int:
    """APART_FRAMES in samples."""
    return APART_FRAMES * config.frame_hop


class SteadyVoices:
    """A few events of one channel, as `samples.render` makes them; of several sounds at once, which are so far apart on
    one time line that no voice goes from one to the next.

    A frame's spectrum is linear in its amplitudes per bin: those of the noise are times a spectrum that stays, those of
    the harmonics go through a band matrix that stays. So a step costs one inverse FFT of all frames and little else,
    and its gradient as much.
    """

    def __init__(
        self, tables: SpeechTables, vector: Tensor, time: Tensor, length: int, noise: Tensor, margin: float
    ) -> None:
        """vector float32 [n, 32], n > 0, whose pitches and links stay; time: int64 [n], samples, ascending: sound i
        begins at i · `apart`, and its events may be half of that before and after; length: samples of each of the b
        sounds; noise: complex64 [b, length // frame_hop + 2, bins], as `noise_spectrum` gives it; margin: as for
        `plan_frames`."""
        config = tables.config
        controls = tables.controls(vector.detach())
        plan = plan_frames(controls, time, config, margin)
        tracks = follow(controls, time, plan, config)
        sounds, count, bins = noise.shape
        which = torch.div(plan.frame + APART_FRAMES // 2, APART_FRAMES, rounding_mode="floor")
        frame = plan.frame - which * APART_FRAMES
        rows = torch.nonzero((frame >= 0) & (frame < count))[:, 0]
        frame = (which * count + frame)[rows]
        self._tables, self._time, self._length = tables, time, length
        self._plan: FramePlan = plan[rows]
        before, after = self._plan.before.clamp_min(0), self._plan.after.clamp_min(0)
        may_be_voiced = controls.voicing.mean(1) > MAY_BE_VOICED
        tonal = torch.nonzero(may_be_voiced[before] | may_be_voiced[after])[:, 0]
        self._frames = _Frames(
            frame=frame,
            shape=(sounds, count),
            before=before,
            after=after,
            tonal=tonal,
            band=_band(config, tracks[rows[tonal]]),
            noise=_pair(noise.reshape(-1, bins)[frame]),
            window=torch.as_tensor(frame_window(config.frame_size), device=vector.device),
        )

    def sound(self, vector: Tensor) -> Tensor:
        """Samples for these vectors, float32 [n, 32] → [b, length]. Differentiable in all numbers but pitch, glide,
        phase and `begins`."""
        config = self._tables.config
        controls = self._tables.controls(vector)
        amplitudes = spectra(self._tables, controls)
        table = torch.cat([amplitudes.harmonic, amplitudes.noise], 1)
        shares = fades(controls, self._time, self._plan, config)
        dry = self._rendered(table, *shares)
        if not bool((controls.room_gain.detach() > 0).any()):
            return dry
        wet = self._rendered(table * controls.room_gain[:, None], *shares)
        return dry + convolve(wet, room_response(config.sample_rate, config.room_seconds))

    def _rendered(self, table: Tensor, before: Tensor, after: Tensor) -> Tensor:
        sound: Tensor = _Rendered.apply(table, before, after, self._frames)
        return sound[:, : self._length]


@dataclass(frozen=True)
class _Frames:
    """What stays of m frames: frame int64 [m], of those of all sounds one after the other; shape: number of sounds, and
    of frames in each; before, after int64 [m], rows of events; tonal int64 [k]: which may have harmonics; band float32
    [diagonals, k, bins]: of these (`_band`); noise float32 [m, bins]; window float32 [frame_size / 2]."""

    frame: Tensor
    shape: tuple[int, int]
    before: Tensor
    after: Tensor
    tonal: Tensor
    band: Pair
    noise: Pair
    window: Tensor


class _Mixed:
    """Amplitudes of events in some frames, and the adjoint. Attribute amplitude: float32 [m, bins]."""

    def __init__(self, table: Tensor, before: Tensor, after: Tensor, share_before: Tensor, share_after: Tensor) -> None:
        """table: float32 [n, bins]; the others: of each frame, [m]."""
        self._before, self._after, self._shares = before, after, (share_before[:, None], share_after[:, None])
        self._low, self._high = table.index_select(0, before), table.index_select(0, after)
        self.amplitude = (self._low * self._shares[0]).addcmul_(self._high, self._shares[1])

    def shares_gradient(self, gradient: Tensor) -> tuple[Tensor, Tensor]:
        return torch.linalg.vecdot(gradient, self._low), torch.linalg.vecdot(gradient, self._high)

    def add_table_gradient(self, table: Tensor, gradient: Tensor) -> None:
        table.index_add_(0, self._before, gradient * self._shares[0])
        table.index_add_(0, self._after, gradient * self._shares[1])


class _Rendered(torch.autograd.Function):
    """Amplitudes of events, float32 [n, 2 · bins], of harmonics, then of noise, and their shares at each frame, float32
    [m], → samples, float32 [b, (count - 1) · hop]. Linear in either, with its adjoint."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, share_before: Tensor, share_after: Tensor, frames: _Frames) -> Tensor:
        harmonic, hiss = (part.contiguous() for part in table.chunk(2, 1))
        noise = _Mixed(hiss, frames.before, frames.after, share_before, share_after)
        of_tonal = (x[frames.tonal] for x in (frames.before, frames.after, share_before, share_after))
        tones = _Mixed(harmonic, *of_tonal)
        ctx.frames, ctx.noise, ctx.tones, ctx.n = frames, noise, tones, len(table)
        bins = harmonic.shape[1]
        padded = torch.nn.functional.pad(tones.amplitude, (REACH, REACH))
        both = []
        for of_noise, band in zip(frames.noise, frames.band, strict=True):
            spectrum = band[0] * padded[:, :bins]
            for d in range(1, 2 * REACH + 1):
                spectrum.addcmul_(band[d], padded[:, d : d + bins])
            both.append((of_noise * noise.amplitude).index_add_(0, frames.tonal, spectrum))
        sounds, count = frames.shape
        spectrum = torch.complex(*both)
        spectrum = spectrum.new_zeros(sounds * count, bins).index_add_(0, frames.frame, spectrum)
        size = 2 * len(frames.window)
        hop = size // 4
        block = torch.fft.irfft(spectrum, n=size).view(sounds, count, size)
        window = frames.window
        sound = block[:, :-1, size // 2 : -hop] * window[hop:]
        return sound.addcmul_(block[:, 1:, hop : size // 2], window[:hop]).flatten(1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        frames: _Frames = ctx.frames
        size = 2 * len(frames.window)
        hop = size // 4
        sounds, count = frames.shape
        gradient = gradient.reshape(sounds, count - 1, hop)
        block = gradient.new_zeros(sounds, count, size)
        torch.mul(gradient, frames.window[hop:], out=block[:, :-1, size // 2 : -hop])
        torch.mul(gradient, frames.window[:hop], out=block[:, 1:, hop : size // 2])
        spectrum = torch.fft.rfft(block.view(sounds * count, size))
        real, imaginary = (part.mul(2.0 / size) for part in (spectrum.real, spectrum.imag))
        for part in (real, imaginary):  # the other bins stand for two each
            part[:, 0] *= 0.5
            part[:, -1] *= 0.5
        bins = real.shape[1]
        real, imaginary = real.index_select(0, frames.frame), imaginary.index_select(0, frames.frame)
        hiss = (frames.noise[0] * real).addcmul_(frames.noise[1], imaginary)
        real, imaginary = real.index_select(0, frames.tonal), imaginary.index_select(0, frames.tonal)
        padded = real.new_zeros(len(real), bins + 2 * REACH)
        for d in range(2 * REACH + 1):
            padded[:, d : d + bins].addcmul_(frames.band[0][d], real).addcmul_(frames.band[1][d], imaginary)
        harmonic = padded[:, REACH : REACH + bins]
        shares = ctx.noise.shares_gradient(hiss)
        for share, of_tonal in zip(shares, ctx.tones.shares_gradient(harmonic), strict=True):
            share.index_add_(0, frames.tonal, of_tonal)
        table = hiss.new_zeros(ctx.n, 2 * bins)
        ctx.tones.add_table_gradient(table[:, :bins], harmonic)
        ctx.noise.add_table_gradient(table[:, bins:], hiss)
        return table, *shares, None


def _band(config: SpeechConfig, tracks: Tracks) -> Pair:
    """The matrix from a frame's amplitudes per bin to the spectrum of its harmonics, by diagonals: [d, frame, bin] is
    what the amplitude d - REACH bins above adds to a bin, float32 [2 · REACH + 1, m, bins] both."""
    count, bins = len(tracks.f0_hz), config.frame_size // 2 + 1
    every = lobes(config, tracks, torch.ones_like(tracks.f0_hz, dtype=torch.bool))
    # a harmonic's amplitude is read between the bins `near` and `near` + 1; lobe's number `step` is on bin near - 3 +
    # step
    width = bins + 2 * REACH  # there are lobes that reach beyond either end
    step = torch.arange(2 * REACH, device=every.near.device)
    diagonal = 2 * REACH - 1 - step
    place = (every.frame * width + every.near + 1)[:, None] + step + diagonal * (count * width)
    # the conjugate half reaches over 0 Hz
    low = torch.nonzero(every.near < REACH)[:, 0]
    across = (every.near[low, None] + step - REACH + 1).clamp_max(1)  # 1: not over it
    mirror = (every.frame[low] * width)[:, None] + REACH - across
    mirror = mirror + (every.near[low, None] + across + REACH).clamp(0, 2 * REACH - 1) * (count * width)
    out = []
    for part, sign in ((every.wave.real, 1.0), (every.wave.imag, -1.0)):
        value = part[:, None] * every.shape
        upper = value * every.share[:, None]
        band = value.new_zeros((2 * REACH + 1) * count * width)
        for share, shift in ((value - upper, 0), (upper, count * width)):
            band.index_add_(0, (place + shift).flatten(), share.flatten())
            band.index_add_(0, (mirror + shift).flatten(), (sign * (across <= 0) * share[low]).flatten())
        out.append(band.view(2 * REACH + 1, count, width)[:, :, REACH : REACH + bins].contiguous())
    return out[0], out[1]


def _pair(spectrum: Tensor) -> Pair:
    return spectrum.real.contiguous(), spectrum.imag.contiguous()
