"""The teacher: events read off a recording by signal processing, what the encoder is first trained to propose.

Pitch by normalised autocorrelation and a Viterbi path (after Boersma 1993), spectral envelopes smoothed over one f0,
voicing by band, and the cheapest places for events by dynamic programming: between events, straight lines in dB over
time describe the spectrum.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch

from sparsecodec_models.dsp.mel import band_centres_hz, interpolation_matrix
from sparsecodec_models.dsp.pitch_path import best_path
from sparsecodec_models.dsp.stft import hann, stft_of_array
from sparsecodec_models.speech.config import SpeechConfig
from sparsecodec_models.speech.network.features import SpeechFeatures
from sparsecodec_models.speech.synthesis.controls import (
    F0_REFERENCE_HZ,
    SHAPE_HIGH_HZ,
    SHAPE_LOW_HZ,
    VOICE_HIGH_HZ,
    VOICE_LOW_HZ,
)

FloatArray = np.ndarray
SILENCE_DB = -90.0  # re full scale
UNVOICED = 0.52  # score of no pitch; a voiced frame's is its normalised autocorrelation, about
VOICING_COST = 0.12  # of the voice setting in or out
MOVE_COST, LARGEST_MOVE = 0.025, 12  # of a 32nd of an octave from frame to frame; candidates
FLOOR_DB = 70.0  # levels this far below the recording's loudest are all the same to the teacher


@dataclass(frozen=True)
class Analysis:
    """A recording, frame by frame (t frames, `hop` apart, centred at i·hop).

    level_db float32 [t] (rms, dB re full scale); envelope_db float32 [t, bands] (dB, power per bin of a
    synthesis frame); voicing float32 [t, voice_bands] 0 … 1; f0_hz float32 [t] (interpolated over unvoiced stretches);
    voiced bool [t].
    """

    level_db: FloatArray
    envelope_db: FloatArray
    voicing: FloatArray
    f0_hz: FloatArray
    voiced: FloatArray


def _power(audio: FloatArray, size: int, hop: int, fft_size: int) -> FloatArray:
    """Of frames centred on samples 0, hop, …: float32 [len(audio) // hop + 1, fft_size // 2 + 1]."""
    padded = np.pad(audio.astype(np.float32), (size // 2, size // 2 + hop))
    return np.abs(stft_of_array(padded, hann(size), hop, fft_size)[: len(audio) // hop + 1]) ** 2


@functools.lru_cache(maxsize=2)
def _features(config: SpeechConfig) -> SpeechFeatures:
    return SpeechFeatures(config)


def pitch_salience(audio: FloatArray, config: SpeechConfig) -> FloatArray:
    """Normalised autocorrelation at each candidate's lag, as the encoder sees it: float32 [t, pitch_bins], -1 … 1.2."""
    features = _features(config)
    with torch.no_grad():
        seen, _ = features(features.spectrogram(torch.from_numpy(np.ascontiguousarray(audio, np.float32))))
    return seen[-config.pitch_bins :].T.numpy()


def track_pitch(audio: FloatArray, config: SpeechConfig, level_db: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(f0_hz float32 [t], voiced bool [t]) by the cheapest path through the candidates and one unvoiced state."""
    salience = pitch_salience(audio, config)
    # an octave too low is as periodic as the truth: favour short lags a little
    octave = np.arange(config.pitch_bins) / config.pitch_bins_per_octave
    quiet = np.clip((level_db.max() - 45.0 - level_db) / 10.0, 0.0, 1.0)
    gain = salience + 0.02 * octave[None] - 0.5 * quiet[:, None]
    t, k = gain.shape
    # the last candidate is the unvoiced state; going there and back costs the same from every pitch
    score = np.concatenate([gain, np.full((t, 1), UNVOICED)], axis=1).astype(np.float32)
    move = np.full((k + 1, k + 1), -VOICING_COST)
    away = np.abs(np.arange(k)[:, None] - np.arange(k))
    move[:k, :k] = np.where(away <= LARGEST_MOVE, -MOVE_COST * 32 / config.pitch_bins_per_octave * away, -np.inf)
    move[k, k] = 0.0
    path = best_path(score, move)
    voiced = path < k
    # parabola through the salience for a finer pitch
    inner = np.clip(path, 1, k - 2)
    row = np.arange(t)
    left, middle, right = salience[row, inner - 1], salience[row, inner], salience[row, inner + 1]
    curve = left - 2 * middle + right
    shift = np.where(curve < -1e-6, 0.5 * (left - right) / np.minimum(curve, -1e-6), 0.0).clip(-0.5, 0.5)
    log_f0 = np.log2(config.pitch_min_hz) + (inner + shift) / config.pitch_bins_per_octave
    if voiced.any():
        log_f0 = np.interp(np.arange(t), np.flatnonzero(voiced), log_f0[voiced])
    else:
        log_f0[:] = np.log2(F0_REFERENCE_HZ)
    return (2.0**log_f0).astype(np.float32), voiced


def analyse(audio: FloatArray, config: SpeechConfig) -> Analysis:
    """Samples at the model's rate, float32 [n] → frames of analysis."""
    size = config.window
    power = _power(audio, size, config.hop, size)
    power *= 2.0 / (hann(size) ** 2).sum() / size  # sums over bins to the frame's mean square
    level_db = 10 * np.log10(power.sum(1) + 1e-12)
    f0_hz, voiced = track_pitch(audio, config, level_db)

    # envelope: power averaged over one f0 (so that no harmonic shows), then sampled at the band centres
    bin_hz = config.sample_rate / size
    hz = np.arange(size // 2 + 1) * bin_hz
    total = np.concatenate([np.zeros((len(power), 1)), np.cumsum(power, axis=1)], axis=1)
    centres = band_centres_hz(config.bands, SHAPE_LOW_HZ, SHAPE_HIGH_HZ)
    spacing = np.gradient(centres)
    width = np.maximum(np.where(voiced, f0_hz, 120.0)[:, None], spacing[None] * 0.9)

    def upto(f: FloatArray) -> FloatArray:
        x = np.clip(f / bin_hz + 0.5, 0, len(hz))
        low = np.minimum(x.astype(int), len(hz) - 1)
        rows = np.arange(len(power))[:, None]
        return total[rows, low] + (x - low) * (total[rows, low + 1] - total[rows, low])

    low_hz = np.maximum(centres - width / 2, 0.0)
    high_hz = np.minimum(centres + width / 2, config.sample_rate / 2)
    density = (upto(high_hz) - upto(low_hz)) / ((high_hz - low_hz) / bin_hz)
    density *= (config.sample_rate / config.frame_size) / bin_hz
    envelope_db = 10 * np.log10(density + 1e-12)
    envelope_db = np.maximum(envelope_db, envelope_db.max() - FLOOR_DB - 15)

    voicing = _band_voicing(audio, f0_hz, config)
    voicing = np.where(voiced[:, None], voicing, 0.02)
    return Analysis(
        level_db.astype(np.float32), envelope_db.astype(np.float32), voicing.astype(np.float32), f0_hz, voiced
    )


def _band_voicing(audio: FloatArray, f0_hz: FloatArray, config: SpeechConfig) -> FloatArray:
    """Share of harmonic power per voice band: the band's normalised autocorrelation at the pitch lag, [t,
    voice_bands]."""
    size = 1024
    fft = 2 * size
    power = _power(audio, size, config.hop, fft)
    own = np.fft.irfft(np.abs(np.fft.rfft(hann(size), fft)) ** 2, fft)[:size]
    hz = np.arange(fft // 2 + 1) * config.sample_rate / fft
    masks = interpolation_matrix(band_centres_hz(config.voice_bands, VOICE_LOW_HZ, VOICE_HIGH_HZ), hz)
    lag = np.clip(config.sample_rate / f0_hz, 20, size - 3)
    row = np.arange(len(power))
    out = np.zeros((len(power), config.voice_bands), np.float32)
    for band in range(config.voice_bands):
        correlation = np.fft.irfft(power * masks[:, band], fft)[:, :size] / own * own[0]
        best = np.full(len(power), -1.0)
        for step in (-1, 0, 1):  # the lag is known to about a sample; high bands need it exact
            for part in (0.0, 0.5):
                x = lag + step + part
                low = x.astype(int)
                share = x - low
                best = np.maximum(best, correlation[row, low] * (1 - share) + correlation[row, low + 1] * share)
        out[:, band] = (best / (correlation[:, 0] + 1e-12)).clip(0.02, 0.98)
    return out


@dataclass(frozen=True)
class Knot:
    """Where an event should be: its frame, and the fades to its sides (frames)."""

    frame: int
    begins: bool
    attack: float
    decay: float


def segment(analysis: Analysis, cost_per_event: float, max_frames: int = 24) -> list[Knot]:
    """The frames between which straight lines tell the recording, by dynamic programming; silence has none.

    The cost of an event is `cost_per_event` plus what the line from the event before it leaves of the band levels (dB²,
    mean over bands, summed over frames), weighted by loudness. An event may also come in within a frame.
    """
    peak = analysis.envelope_db.max()
    pitch = 12 * np.log2(analysis.f0_hz / F0_REFERENCE_HZ)[:, None]
    x = np.concatenate([np.maximum(analysis.envelope_db, peak - FLOOR_DB), 8.0 * analysis.voicing, 3.0 * pitch], axis=1)
    padded = np.pad(x, ((1, 1), (0, 0)), "edge")
    x = (0.25 * padded[:-2] + 0.5 * x + 0.25 * padded[2:]) / np.sqrt(analysis.envelope_db.shape[1])
    loud = np.clip((analysis.level_db - analysis.level_db.max() + 50.0) / 40.0, 0.0, 1.0)
    knots: list[Knot] = []
    for start, stop in _sounding((loud > 0) & (analysis.level_db > SILENCE_DB)):
        knots += _region(x, loud, analysis.level_db, start, stop, cost_per_event, max_frames)
    return knots


def _sounding(active: FloatArray, gap: int = 5) -> list[tuple[int, int]]:
    """Stretches of frames that sound, those less than `gap` apart as one, single frames left out."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(int), [0]])))
    found: list[tuple[int, int]] = []
    for start, stop in edges.reshape(-1, 2):
        if found and start - found[-1][1] < gap:
            found[-1] = (found[-1][0], int(stop))
        else:
            found.append((int(start), int(stop)))
    return [(start, stop) for start, stop in found if stop - start > 1]


def _region(
    x: FloatArray,
    loud: FloatArray,
    level_db: FloatArray,
    start: int,
    stop: int,
    cost_per_event: float,
    max_frames: int,
) -> list[Knot]:
    """The cheapest knots of one stretch."""
    x, w, level = x[start:stop], loud[start:stop], level_db[start:stop]
    count = len(x)
    t = np.arange(count, dtype=np.float64)

    def running(v: FloatArray) -> FloatArray:
        return np.concatenate([np.zeros((1, *v.shape[1:])), np.cumsum(v, axis=0)])

    s0, s1, s2 = running(w), running(w * t), running(w * t**2)
    sx, stx, sxx = running(w[:, None] * x), running((w * t)[:, None] * x), running(w * (x**2).sum(1))
    square = (x**2).sum(1)

    def fade(frames: FloatArray, knot: int, gain: FloatArray) -> float:
        """Cost of telling these frames by a knot's level times `gain`."""
        told = level[knot] + 20 * np.log10(np.maximum(gain, 1e-3))
        return float((w[frames] * np.minimum(np.abs(level[frames] - told), 30.0) ** 2).sum())

    best = np.full(count, np.inf)
    back = np.full(count, -1)
    steep = np.zeros(count, bool)
    for b in range(count):
        if b < max_frames:
            before = np.arange(b)
            best[b] = fade(before, b, (before + 1) / (b + 1)) + cost_per_event
        a = np.arange(max(0, b - max_frames), b)
        if not len(a):
            continue
        n = b - a
        # over the frames between: sums of w, w·u, w·u², w·x, w·u·x, u the share of the way
        m0 = s0[b] - s0[a + 1]
        mu = (s1[b] - s1[a + 1] - a * m0) / n
        muu = (s2[b] - s2[a + 1] - 2 * a * (s1[b] - s1[a + 1]) + a**2 * m0) / n**2
        mx = sx[b] - sx[a + 1]
        mux = (stx[b] - stx[a + 1] - a[:, None] * mx) / n[:, None]
        mxx = sxx[b] - sxx[a + 1]
        from_a, to_b = x[a], x[b]
        cross = (from_a * (mx - mux)).sum(1) + mux @ to_b
        line = mxx - 2 * cross + square[a] * (m0 - 2 * mu + muu) + square[b] * muu + 2 * (from_a @ to_b) * (mu - muu)
        hold = mxx - 2 * (from_a * mx).sum(1) + square[a] * m0 + 0.1 * cost_per_event
        costs = best[a] + np.maximum(np.minimum(line, hold), 0.0) + cost_per_event
        i = int(costs.argmin())
        if costs[i] < best[b]:
            best[b], back[b], steep[b] = costs[i], a[i], hold[i] < line[i]
    last = np.arange(max(0, count - max_frames), count)
    ends = [best[a] + fade(np.arange(a + 1, count), int(a), (1 - t[a + 1 :] / count + a / count) ** 2) for a in last]
    path = [int(last[int(np.argmin(ends))])]
    while back[path[-1]] >= 0:
        path.append(int(back[path[-1]]))
    path = path[::-1]
    knots = []
    for i, frame in enumerate(path):
        gap = frame - path[i - 1] if i else frame + 1
        knots.append(
            Knot(
                start + frame,
                i == 0,
                1.0 if i and steep[frame] else float(gap),
                float(count - frame) if i == len(path) - 1 else float(path[i + 1] - frame),
            )
        )
    return knots


@dataclass(frozen=True)
class Targets:
    """Physical targets of n events.

    frame int64 [n]; named float32 [n, 8], in the physical units of the layout's dims, phase 0; levels float32
    [n, bands + voice_bands]: band levels in dB with the event's own level in them, voicing as logits.
    """

    frame: FloatArray
    named: FloatArray
    levels: FloatArray


def targets(analysis: Analysis, knots: list[Knot], config: SpeechConfig) -> Targets:
    """What an event would say at each knot: levels by least squares over the frames that it helps to tell."""
    hop_s = config.hop / config.sample_rate
    logit = np.log(analysis.voicing / (1 - analysis.voicing)).clip(-4, 4)
    both = np.concatenate([analysis.envelope_db, logit], axis=1)
    semitones = 12 * np.log2(analysis.f0_hz / F0_REFERENCE_HZ)
    frame = np.array([k.frame for k in knots], np.int64)
    weight = np.zeros((len(both), len(knots)))
    for i, k in enumerate(knots):
        weight[k.frame, i] = 1.0
        if not k.begins:
            before = knots[i - 1]
            t = np.arange(before.frame + 1, k.frame)
            share = np.clip(1 - (k.frame - t) / k.attack, 0.0, 1.0)
            weight[t, i], weight[t, i - 1] = share, 1 - share
    told = weight.sum(1) > 0.5
    basis, ridge = weight[told], 0.02 * np.eye(len(knots))
    gram = basis.T @ basis + ridge
    levels = np.linalg.solve(gram, basis.T @ both[told] + ridge @ both[frame])
    sung = analysis.voiced[told] + 1e-2
    pitch_gram = (basis * sung[:, None]).T @ basis + 0.02 * np.eye(len(knots))
    pitch = np.linalg.solve(pitch_gram, (basis * sung[:, None]).T @ semitones[told] + 0.02 * semitones[frame])
    shape = levels[:, : config.bands]
    bins_hz = np.arange(config.frame_size // 2 + 1) * config.sample_rate / config.frame_size
    to_bins = interpolation_matrix(band_centres_hz(config.bands, SHAPE_LOW_HZ, SHAPE_HIGH_HZ), bins_hz)
    level = 10 * np.log10((10 ** (shape @ to_bins.T / 10)).sum(1) + 1e-12)
    named = np.zeros((len(knots), config.named_dims))
    named[:, 0] = level
    named[:, 1] = np.log2([k.attack * hop_s for k in knots])
    named[:, 2] = np.log2([k.decay * hop_s for k in knots])
    named[:, 3] = pitch
    named[:, 6] = [k.begins for k in knots]
    named[:, 7] = -60.0
    return Targets(frame, named.astype(np.float32), levels.astype(np.float32))
