"""What notes leave over, as tones: a matching pursuit (Mallat & Zhang 1993) with sinusoids under Hann windows.

Notes do not follow the phases of a recording, and nobody hears them. So what is left over is not the difference of the
two waves: it is what the notes lack to a sound that has the recording's magnitudes and, where they sound, the notes'
phases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_models.music.config import PRESET, MusicConfig
from sparsecodec_models.music.synthesis.controls import F0_REFERENCE_HZ, MusicDecoder
from sparsecodec_models.music.synthesis.tones import ToneSound, tone_wave
from sparsecodec_models.threads import end_if_unwanted

FloatArray = NDArray[np.float64]

LENGTHS_S = tuple(0.3 * 2.0**octave for octave in (-4, -3, -2, -1, 0, 1))  # of the windows that are tried
BANDS_HZ = (0.0, 150.0, 300.0, 600.0, 900.0, 1300.0, 1900.0, 2700.0, 4000.0, 6000.0)  # each offers a tone a frame
TIME_UNIT = 64  # samples: of an event's time
LOWEST_CYCLES = 2.0  # in a window
SHARE_AT_ONCE = 0.2  # of all tones, that are taken before what is left is looked at again
AT_ONCE_DB = 6.0  # no tone that is further below the strongest is taken then, once a third of them is
LEAST_GAIN = 0.3  # of what a tone promised, that must be left of it once its numbers are rounded
WIDTH = 3.0  # cycles in a window: tones that are no closer in frequency do not touch
MOST_OFFERS = 20  # for each that is taken, that are looked through
MOST_SWEEPS = 40
PHASE_WINDOW, PHASE_HOP = 2048, 512  # samples
PHASE_ROUNDS = 6
OWN_PHASE_BELOW = 0.1  # notes that are softer than this share of the recording tell no phase


@dataclass(frozen=True)
class Tones:
    """n tones, the one that gains most first: vector float32 [n, 32]; time int64 [n], samples; gain float64 [n], the
    energy that each took from what was left."""

    vector: NDArray[np.float32]
    time: NDArray[np.int64]
    gain: FloatArray

    @staticmethod
    def order(parts: list[Tones]) -> NDArray[np.int64]:
        """Where each of the `joined` stood in all parts, one after the other: int64 [n]."""
        return np.argsort(-np.concatenate([np.zeros(0), *(part.gain for part in parts)]), kind="stable")

    @staticmethod
    def joined(parts: list[Tones]) -> Tones:
        gain, order = np.concatenate([np.zeros(0), *(part.gain for part in parts)]), Tones.order(parts)
        vector = np.concatenate([np.zeros((0, 32), np.float32), *(part.vector for part in parts)])
        time = np.concatenate([np.zeros(0, np.int64), *(part.time for part in parts)])
        return Tones(vector[order], time[order], gain[order])


def tones_sound(decoder: MusicDecoder, tones: Tones) -> ToneSound:
    return ToneSound(decoder, tones.vector, tones.time)


@torch.no_grad()
def remainder(target: Tensor, notes: Tensor) -> Tensor:
    """What `notes` lack to sound like `target`: float32 [n] of float32 [n] each.

    Phases come from the notes, and are made consistent by going back and forth (Griffin & Lim 1984).
    """
    window = torch.hann_window(PHASE_WINDOW, device=target.device)

    def spectrum(samples: Tensor) -> Tensor:
        return torch.stft(samples, PHASE_WINDOW, PHASE_HOP, window=window, return_complex=True, pad_mode="constant")

    def sound(of: Tensor) -> Tensor:
        return torch.istft(of, PHASE_WINDOW, PHASE_HOP, window=window, length=len(target))

    own, rendered = spectrum(target), spectrum(notes)
    magnitude = own.abs()
    phase = torch.where(rendered.abs() > OWN_PHASE_BELOW * magnitude, rendered, own).sgn()
    for _ in range(PHASE_ROUNDS):
        phase = spectrum(sound(magnitude * phase)).sgn()
    return sound(magnitude * phase) - notes


class Rounding:
    """Physical values as a file with this quantiser step gives them back."""

    def __init__(self, step: float) -> None:
        self._step = step

    def __call__(self, name: str, value: FloatArray) -> FloatArray:
        """Of a named quantity of the layout, in its unit."""
        dim = LAYOUTS[PRESET].dims[name]
        unit = dim.scale * self._step
        rounded: FloatArray = dim.offset + np.round((value - dim.offset) / unit) * unit
        return np.clip(rounded, dim.low, dim.high)

    def f0_hz(self, hz: FloatArray) -> FloatArray:
        semitones: FloatArray = self("f0_semitones", 12.0 * np.log2(hz / F0_REFERENCE_HZ))
        return F0_REFERENCE_HZ * 2.0 ** (semitones / 12.0)

    def largest_f0_error(self, hz: FloatArray) -> FloatArray:
        """Of `f0_hz`, Hz."""
        return hz * (2.0 ** (LAYOUTS[PRESET].dims["f0_semitones"].scale * self._step / 24.0) - 1.0)

    def seconds(self, duration_s: float) -> float:
        """The nearest duration that a file tells."""
        return float(2.0 ** self("duration_log2_s", np.log2([duration_s]))[0])


@torch.no_grad()
def pursue(left: Tensor, first: int, begin: int, end: int, count: int, step: float, config: MusicConfig) -> Tones:
    """Up to `count` tones that take the most energy from a sound, one after another.

    left: float32 [n], sample `first` of the recording and those after it; the tones begin in begin … end - 1 (samples
    of the recording). step: of the file's quantiser. Each tone is rounded before it is taken away, so that later ones
    can mend what rounding did.
    """
    rounding = Rounding(step)
    if begin >= end:
        return Tones.joined([])
    windows = [_Window(s, config, rounding, left.device) for s in sorted({rounding.seconds(s) for s in LENGTHS_S})]
    sound = _Sound(torch.nn.functional.pad(left, (0, windows[-1].n)), first, begin, end)
    parts: list[Tones] = []
    room = count
    for _ in range(MOST_SWEEPS):
        end_if_unwanted()
        chosen = _choose([window.offers(sound) for window in windows], windows, count, room)
        taken = Tones.joined([windows[k].take(sound, offers, rounding) for k, offers in chosen.items()])
        parts.append(taken)
        room -= len(taken.time)
        if room <= 0 or not len(taken.time):
            break
    return Tones.joined(parts)


@dataclass(frozen=True)
class _Sound:
    """What is left: float32 [n], from sample `first` of the recording on; tones begin in begin … end - 1."""

    left: Tensor
    first: int
    begin: int
    end: int


@dataclass(frozen=True)
class _Offers:
    """Tones that may be taken. time: int64 [n], samples of the recording; cycles: float64 [n], a sample; gain: float64
    [n], the energy that they promise to take."""

    time: NDArray[np.int64]
    cycles: FloatArray
    gain: FloatArray


class _Window:
    """Tones of one length."""

    def __init__(self, seconds: float, config: MusicConfig, rounding: Rounding, device: torch.device) -> None:
        self.seconds, self._rate = seconds, config.sample_rate
        self.length = seconds * config.sample_rate
        self.n = math.ceil(self.length)
        at = torch.arange(self.n, device=device)
        self._shape = (0.5 - 0.5 * torch.cos(2.0 * math.pi * at / self.length)).float()
        self._energy = float((self._shape**2).sum())
        self._fft_size = _fast_size(1.5 * self.n)
        self._hop = max(TIME_UNIT, round(self.length / 4 / TIME_UNIT) * TIME_UNIT)
        pitch = LAYOUTS[PRESET].dims["f0_semitones"]
        lowest, highest = (F0_REFERENCE_HZ * 2.0 ** (s / 12) / config.sample_rate for s in (pitch.low, pitch.high))
        low = math.ceil(max(LOWEST_CYCLES / self.length, lowest) * self._fft_size)
        high = int(highest * self._fft_size)
        edges = np.clip(np.array([*BANDS_HZ, math.inf]) * self._fft_size / config.sample_rate, low, high)
        self._edges = np.unique(np.ceil(edges)).astype(int).tolist()
        hz = np.arange(self._fft_size // 2 + 1) / self._fft_size * config.sample_rate
        kept = _kept_when_off(rounding.largest_f0_error(hz) * seconds)
        self._promise = torch.as_tensor(kept * 2.0 / self._energy, device=device).float()

    def offers(self, sound: _Sound) -> _Offers:
        """The best tone of each frame and band."""
        begin = -(-sound.begin // TIME_UNIT) * TIME_UNIT
        frames = sound.left[begin - sound.first :].unfold(0, self.n, self._hop)[: -(-(sound.end - begin) // self._hop)]
        spectrum = torch.fft.rfft(frames * self._shape, self._fft_size)
        real, imaginary = spectrum.real, spectrum.imag
        energy = real.square().addcmul_(imaginary, imaginary).mul_(self._promise)
        time = begin + self._hop * np.arange(len(frames))
        times, cycles, gains = [], [], []
        for low, high in zip(self._edges, self._edges[1:], strict=False):
            gain, best = energy[:, low:high].max(1)
            times.append(time)
            cycles.append((best.cpu().numpy() + low) / self._fft_size)
            gains.append(gain.double().cpu().numpy())
        return _Offers(np.concatenate(times), np.concatenate(cycles), np.concatenate(gains))

    def take(self, sound: _Sound, offers: _Offers, rounding: Rounding) -> Tones:
        """Tones out of what is left, with the numbers of a file; those that rounding spoils stay."""
        device = sound.left.device
        place = torch.as_tensor(offers.time - sound.first, device=device)[:, None] + torch.arange(self.n, device=device)
        before = sound.left[place]
        hz = rounding.f0_hz(self._between_bins(before * self._shape, offers.cycles) * self._rate)
        waves = [self._waves(hz, np.full(len(hz), phase), device) for phase in (0.0, -0.25)]  # a cosine and a sine
        in_phase, behind = ((before * wave).sum(1).double().cpu().numpy() * 2.0 / self._energy for wave in waves)
        level_db = rounding("level_db", 20.0 * np.log10(np.hypot(in_phase, behind) / math.sqrt(2.0) + 1e-12))
        phase = rounding("phase_cycles", np.arctan2(-behind, in_phase) / (2.0 * math.pi))
        amplitude = math.sqrt(2.0) * 10.0 ** (level_db / 20.0)
        turned = amplitude * np.exp(2j * math.pi * phase)
        of_cosine, of_sine = (torch.as_tensor(x, device=device).float()[:, None] for x in (turned.real, -turned.imag))
        tones = waves[0] * of_cosine + waves[1] * of_sine
        gain = ((before**2).sum(1) - ((before - tones) ** 2).sum(1)).double().cpu().numpy()
        good = gain > LEAST_GAIN * offers.gain
        kept = torch.as_tensor(good, device=device)
        sound.left.index_add_(0, place[kept].reshape(-1), -tones[kept].reshape(-1))
        physical = {
            "level_db": level_db,
            "duration_log2_s": np.full(len(hz), math.log2(self.seconds)),
            "f0_semitones": 12.0 * np.log2(hz / F0_REFERENCE_HZ),
            "phase_cycles": phase,
        }
        dims = LAYOUTS[PRESET].dims
        vector = np.zeros((len(hz), 32), np.float32)
        vector[:, dims["kind"].index], vector[:, dims["begins"].index] = -1.0, 1.0
        for name, values in physical.items():
            vector[:, dims[name].index] = (values - dims[name].offset) / dims[name].scale
        return Tones(vector[good], offers.time[good], gain[good])

    def _between_bins(self, windowed: Tensor, cycles: FloatArray) -> FloatArray:
        """Frequencies of the spectrum's peaks, cycles a sample, by parabolas in dB."""
        bins = torch.as_tensor(np.round(cycles * self._fft_size).astype(np.int64), device=windowed.device)
        levels = torch.log(torch.fft.rfft(windowed, self._fft_size).abs() + 1e-20)
        below, at, above = (levels.gather(1, (bins + k)[:, None])[:, 0].double() for k in (-1, 0, 1))
        shift = (0.5 * (below - above) / (below - 2.0 * at + above - 1e-12)).clamp(-0.5, 0.5)
        between: FloatArray = ((bins + shift) / self._fft_size).cpu().numpy()
        return between

    def _waves(self, hz: FloatArray, phase: FloatArray, device: torch.device) -> Tensor:
        """Tones of amplitude 1, as the decoder makes them: float32 [len(hz), n]."""
        frequency, cycles = (torch.as_tensor(x, device=device) for x in (hz, phase))
        first = torch.zeros(len(hz), dtype=torch.int64, device=device)
        return tone_wave(frequency, cycles, torch.full_like(frequency, self.length), first, self.n, self._rate)


def _fast_size(least: float) -> int:
    """The smallest 2ᵏ, 3·2ᵏ or 5·2ᵏ that is no less: such transforms are fast."""
    return min(factor * 2 ** max(0, math.ceil(math.log2(least / factor))) for factor in (1, 3, 5))


def _kept_when_off(cycles: FloatArray) -> FloatArray:
    """Share of the energy under a Hann window that a tone still takes if its frequency is off by up to so many cycles
    in the window, all errors being as likely: float64 [n]."""
    x = cycles[:, None] * (np.arange(8) + 0.5) / 8
    sides = sum(weight * (np.sinc(x - k) + np.sinc(x + k)) for k, weight in ((1, 1 / 4), (2, 1 / 16)))
    kept: FloatArray = (((3 / 8 * np.sinc(x) + sides) / (3 / 8)) ** 2).mean(1)
    return kept


def _choose(offers: list[_Offers], windows: list[_Window], count: int, room: int) -> dict[int, _Offers]:
    """The offers that gain most and do not touch each other in time and frequency, by window."""
    time, cycles, gain = (np.concatenate([getattr(of, key) for of in offers]) for key in ("time", "cycles", "gain"))
    window = np.repeat(np.arange(len(offers)), [len(of.time) for of in offers])
    length = np.array([w.length for w in windows])[window]
    at_once = max(8, round(count * SHARE_AT_ONCE))
    order = np.argsort(-gain, kind="stable")[: MOST_OFFERS * at_once]
    time, cycles, gain, window, length = (x[order] for x in (time, cycles, gain, window, length))
    end, nearest = time + length, WIDTH / length
    free, chosen = gain > 0, list[int]()
    while free.any() and len(chosen) < min(at_once, room):
        i = int(free.argmax())  # what is left is in order of gain
        if len(chosen) > at_once // 3 and gain[i] < 10 ** (-AT_ONCE_DB / 10) * gain[0]:
            break
        chosen.append(i)
        near = np.abs(cycles - cycles[i]) < np.maximum(nearest, nearest[i])
        free &= ~(near & (end > time[i]) & (time < end[i]))
    rows = np.array(chosen, np.int64)
    by_window = ((k, rows[window[rows] == k]) for k in range(len(windows)))
    return {k: _Offers(time[of], cycles[of], gain[of]) for k, of in by_window if len(of)}
