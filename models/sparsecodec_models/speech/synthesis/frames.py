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
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsecodec_models.dsp.arrays import Array, Library, library_of
from sparsecodec_models.dsp.noise import white_noise
from sparsecodec_models.speech.config import SpeechConfig

from .controls import SpeechControls, SpeechTables
from .voices import FramePlan, Tracks

_HARRIS = (0.35875, 0.48829, 0.14128, 0.01168)  # Harris 1978, 4-term Blackman-Harris, -92 dB side lobes
REACH = 4  # half width of a lobe, bins
FAINTEST = 1e-7  # amplitude of a bin below which a frame has no harmonics
_STEPS = 512  # table entries per bin
_LOG2_OF_DB = math.log2(10.0) / 10  # decibels of power → octaves of it


def _harris(n: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """The window at offsets n from its centre."""
    window: NDArray[np.float64] = np.sum([a * np.cos(2 * np.pi * m * n / size) for m, a in enumerate(_HARRIS)], axis=0)
    return window


@functools.lru_cache(maxsize=4)
def _lobe_rows(size: int) -> NDArray[np.float32]:
    """The transform of the centred window where a lobe meets the bins about it: float32 [_STEPS + 1, 2 · REACH], row
    i of a lobe that lies i / _STEPS above a bin, on the bins from 3 below that one to 4 above it."""
    near = np.arange(1 - REACH, REACH + 1)
    delta = near - np.arange(_STEPS + 1)[:, None] / _STEPS
    lobe = np.zeros_like(delta)
    for m, a in enumerate(_HARRIS):
        terms = (0,) if m == 0 else (m, -m)
        lobe += sum(a / len(terms) * np.sinc(delta - k) for k in terms)
    # half of a cosine lies in the other half of the spectrum; every other sign: see `noise_spectrum`
    return (lobe * (0.5 * size * (-1.0) ** near)).astype(np.float32)


@functools.lru_cache(maxsize=4)
def frame_window(size: int) -> NDArray[np.float32]:
    """Undoes the Blackman-Harris window over the middle half and applies a triangle that overlap-adds to 1: [size //
    2]."""
    n = np.arange(-size // 4, size // 4)
    return ((1 - np.abs(n) / (size // 4)) / _harris(n, size)).astype(np.float32)


@functools.lru_cache(maxsize=4)
def _noise_window(size: int) -> NDArray[np.float32]:
    return (_harris(np.arange(-size // 2, size // 2), size) * (size / 2) ** 0.5).astype(np.float32)


@dataclass(frozen=True)
class Spectra:
    """Amplitude per bin of each event at full weight, float32 [n, bins]: of its harmonic part and of its noise."""

    harmonic: Array
    noise: Array


def spectra(tables: SpeechTables, controls: SpeechControls, gain: Array | None = None) -> Spectra:
    """gain: float32 [n], a factor per event, None for 1."""
    xp = library_of(controls.level_db)
    power = xp.exp2((controls.shape_db @ tables.band_to_bin) * _LOG2_OF_DB)
    power = power * (xp.exp2(controls.level_db * _LOG2_OF_DB) / (power.sum(-1) + 1e-20))[:, None]
    voicing = xp.where(controls.voiced[:, None], controls.voicing @ tables.voice_to_bin, 0.0)
    harmonic = power * voicing
    harmonic, noise = xp.sqrt(harmonic + 1e-20), xp.sqrt(xp.clip(power - harmonic, 0.0, None) + 1e-20)
    return Spectra(harmonic, noise) if gain is None else Spectra(harmonic * gain[:, None], noise * gain[:, None])


def noise_spectrum(seed: int, channel: int, first: int, count: int, config: SpeechConfig, like: Array) -> Array:
    """Spectra of the noise under the window of frames first … first + count - 1: complex64 [count, bins], in the
    library of `like`.

    As all spectra here, they are of a frame that begins half its length before its centre: against phases that count
    from the centre, every other bin has the other sign.
    """
    size, hop = config.frame_size, config.frame_hop
    xp = library_of(like)
    noise = white_noise(seed, channel, first * hop - size // 2, (count - 1) * hop + size, like)
    return xp.rfft(xp.frames(noise, size, hop) * xp.asarray(_noise_window(size), like))


def render_frames(
    config: SpeechConfig, table: Spectra, plan: FramePlan, tracks: Tracks, noise: Array, first: int
) -> Array:
    """Samples of the plan's frames, windowed: float32 [m, frame_size/2].

    noise: of frames first … (`noise_spectrum`).
    """
    size, xp = config.frame_size, library_of(tracks.cycles)
    if not len(plan.frame):  # some FFTs refuse an empty batch
        return xp.zeros((0, size // 2), "float32", tracks.cycles)
    hiss = noise[plan.frame - first] * _mixed(plan, tracks, table.noise)
    spectrum = hiss + _harmonics(xp, config, tracks, _mixed(plan, tracks, table.harmonic))
    samples = xp.irfft(spectrum, size)[:, size // 4 : -size // 4]
    return samples * xp.asarray(frame_window(size), samples)


def frame_powers(config: SpeechConfig, table: Spectra, plan: FramePlan, tracks: Tracks) -> Array:
    """Mean square of the sound about each of the plan's frames, float32 [m], as it is where amplitudes and pitch hardly
    move: over a second it is within a tenth of a decibel of what `render_frames` gives."""
    xp, bin_hz = library_of(tracks.cycles), config.sample_rate / config.frame_size
    noise, harmonic = _mixed(plan, tracks, table.noise), _mixed(plan, tracks, table.harmonic)
    frame, order = _numbered_harmonics(config, tracks.f0_hz, xp.max(harmonic, 1) > FAINTEST)
    place = (tracks.f0_hz / bin_hz)[frame] * order
    near = xp.floor(place)
    index = frame * harmonic.shape[1] + xp.astype(near, "int64")
    flat = harmonic.reshape(-1)
    low = flat[index]
    of_harmonics = xp.square(low + (flat[index + 1] - low) * (place - near))
    return xp.square(noise).sum(1) + tracks.f0_hz / bin_hz * xp.added_at(frame, of_harmonics, len(noise))


def _mixed(plan: FramePlan, tracks: Tracks, amplitude: Array) -> Array:
    """Amplitudes of events, float32 [n, bins], as they are in each frame: [m, bins]."""
    xp = library_of(amplitude)
    before, after = xp.clip(plan.before, 0, None), xp.clip(plan.after, 0, None)
    return amplitude[before] * tracks.weight_before[:, None] + amplitude[after] * tracks.weight_after[:, None]


@dataclass(frozen=True)
class Lobes:
    """The k harmonics of some frames, frame by frame.

    frame int64 [k]; near int64 [k]: the bin below its place; share float32 [k], 0 … 1: how far it lies above that;
    wave complex64 [k]: at amplitude 1; shape float32 [k, 2 · REACH]: its lobe on the bins from near - 3 to near + 4.
    """

    frame: Array
    near: Array
    share: Array
    wave: Array
    shape: Array


def lobes(config: SpeechConfig, tracks: Tracks, heard: Array) -> Lobes:
    """The harmonics below the highest pitch that is heard, of frames that are heard (bool [m])."""
    xp, bin_hz = library_of(tracks.cycles), config.sample_rate / config.frame_size
    f0, cycles = tracks.f0_hz, tracks.cycles
    frame, order = _numbered_harmonics(config, f0, heard)
    place = (f0 / bin_hz)[frame] * order
    near = xp.floor(xp.detach(place))
    share = place - near
    turned = cycles[frame] * order + 0.5 * near  # every other bin: see `noise_spectrum`
    angle = 2 * math.pi * (turned - xp.floor(xp.detach(turned)))
    height = xp.sqrt(2.0 / bin_hz * f0)[frame]
    wave = xp.complex(height * xp.cos(angle), height * xp.sin(angle))

    rows = xp.asarray(_lobe_rows(config.frame_size), f0)
    offset = share * _STEPS
    row = xp.floor(xp.detach(offset))
    between = (offset - row)[:, None]
    row = xp.astype(row, "int64")
    shape = rows[row] * (1.0 - between) + rows[row + 1] * between
    return Lobes(frame, xp.astype(near, "int64"), share, wave, shape)


def _numbered_harmonics(config: SpeechConfig, f0_hz: Array, heard: Array) -> tuple[Array, Array]:
    """Of each frame that is heard (bool [m]), all harmonics below the top, one after the other: the frame of each,
    int64 [k], and its number from 1 on, float32 [k]. f0_hz: float32 [m]."""
    xp = library_of(f0_hz)
    top_hz = 0.5 * config.sample_rate - REACH * config.sample_rate / config.frame_size
    count = xp.astype(xp.ceil(top_hz / xp.detach(f0_hz)), "int64") - 1
    count = xp.where(heard, count, 0)
    frame = xp.repeat(xp.arange(0, len(f0_hz), f0_hz), count)
    order = xp.arange(1, len(frame) + 1, f0_hz) - xp.repeat(xp.cumsum(count, 0) - count, count)
    return frame, xp.astype(order, "float32")


def _harmonics(xp: Library, config: SpeechConfig, tracks: Tracks, amplitude: Array) -> Array:
    """Spectrum of the harmonic part, complex64 [m, bins], for amplitudes per bin float32 [m, bins]."""
    bins = config.frame_size // 2 + 1
    heard = xp.max(xp.detach(amplitude), 1) > FAINTEST
    every = lobes(config, tracks, heard)
    flat = amplitude.reshape(-1)
    index = every.frame * bins + every.near
    low = flat[index]
    wave = every.wave * (low + (flat[index + 1] - low) * every.share)
    width = bins + 2 * REACH
    target = (every.frame * width + every.near)[:, None] + xp.arange(1, 2 * REACH + 1, amplitude)  # from -3 on
    padded = xp.added_at(target.reshape(-1), (wave[:, None] * every.shape).reshape(-1), len(amplitude) * width)
    padded = padded.reshape(-1, width)
    # the conjugate half reaches over 0 Hz
    mirrored = xp.conj(xp.flip(padded[:, : REACH + 1], 1))
    spectrum = padded[:, REACH : REACH + bins]
    return xp.concatenate([spectrum[:, : REACH + 1] + mirrored, spectrum[:, REACH + 1 :]], 1)
