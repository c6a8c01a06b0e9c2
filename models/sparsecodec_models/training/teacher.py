"""The teacher: events read off a recording by signal processing, what the encoder is first trained to propose.

Pitch by normalised autocorrelation and a Viterbi path (after Boersma 1993), spectral envelopes smoothed over one f0,
voicing by band, and the cheapest segmentation by dynamic programming: a new event starts where straight lines in
dB over time no longer describe the spectrum.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch

from ..speech.bands import band_centres_hz, interpolation_matrix
from ..speech.config import SpeechConfig
from ..speech.decoder import F0_REFERENCE_HZ, SHAPE_HIGH_HZ, SHAPE_LOW_HZ, VOICE_HIGH_HZ, VOICE_LOW_HZ
from ..speech.features import SpeechFeatures

FloatArray = np.ndarray
FRAME_COST = 0.1  # keeps events from reaching into silence, where nothing else costs
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


def _frames(audio: FloatArray, size: int, hop: int) -> FloatArray:
    count = len(audio) // hop + 1
    padded = np.pad(audio, (size // 2, size // 2 + hop))
    return np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][:count]


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
    unvoiced = 0.52
    jump = np.abs(np.arange(-12, 13)) * (0.025 * 32 / config.pitch_bins_per_octave)
    t, k = gain.shape
    best, voicing_cost = np.zeros((t, k + 1), np.float32), 0.12
    back = np.zeros((t, k + 1), np.int32)
    best[0, :k], best[0, k] = gain[0], unvoiced
    for i in range(1, t):
        previous = np.pad(best[i - 1, :k], 12, constant_values=-1e9)
        moves = np.lib.stride_tricks.sliding_window_view(previous, 25) - jump
        step = moves.argmax(1)
        stay = moves[np.arange(k), step]
        start = best[i - 1, k] - voicing_cost
        best[i, :k] = np.maximum(stay, start) + gain[i]
        back[i, :k] = np.where(stay >= start, np.arange(k) + step - 12, k)
        leap = best[i - 1, :k].argmax()
        end = best[i - 1, leap] - voicing_cost
        best[i, k] = max(best[i - 1, k], end) + unvoiced
        back[i, k] = k if best[i - 1, k] >= end else leap
    path = np.zeros(t, int)
    path[-1] = best[-1].argmax()
    for i in range(t - 1, 0, -1):
        path[i - 1] = back[i, path[i]]
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
    frames = _frames(audio, size, config.hop).astype(np.float32)
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
    power *= 2.0 / (window**2).sum() / size  # sums over bins to the frame's mean square
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
    frames = _frames(audio, size, config.hop).astype(np.float32)
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    fft = 2 * size
    spectrum = np.abs(np.fft.rfft(frames * window, fft)) ** 2
    own = np.fft.irfft(np.abs(np.fft.rfft(window, fft)) ** 2, fft)[:size]
    hz = np.arange(fft // 2 + 1) * config.sample_rate / fft
    masks = interpolation_matrix(band_centres_hz(config.voice_bands, VOICE_LOW_HZ, VOICE_HIGH_HZ), hz)
    lag = np.clip(config.sample_rate / f0_hz, 20, size - 3)
    row = np.arange(len(frames))
    out = np.zeros((len(frames), config.voice_bands), np.float32)
    for band in range(config.voice_bands):
        correlation = np.fft.irfft(spectrum * masks[:, band], fft)[:, :size] / own * own[0]
        best = np.full(len(frames), -1.0)
        for step in (-1, 0, 1):  # the lag is known to about a sample; high bands need it exact
            for part in (0.0, 0.5):
                x = lag + step + part
                low = x.astype(int)
                share = x - low
                best = np.maximum(best, correlation[row, low] * (1 - share) + correlation[row, low + 1] * share)
        out[:, band] = (best / (correlation[:, 0] + 1e-12)).clip(0.02, 0.98)
    return out


@dataclass(frozen=True)
class Segment:
    start: int  # frames
    end: int


def segment(analysis: Analysis, cost_per_event: float, min_frames: int = 2, max_frames: int = 24) -> list[Segment]:
    """The stretches of frames that one event each should describe, by dynamic programming; silence has none.

    The cost of an event is `cost_per_event` plus what straight lines over its frames leave of the band levels (dB²,
    mean over bands, summed over frames), weighted by loudness.
    """
    peak = analysis.envelope_db.max()
    x = np.maximum(analysis.envelope_db, peak - FLOOR_DB)
    pitch = 12 * np.log2(analysis.f0_hz / F0_REFERENCE_HZ)[:, None]
    x = np.concatenate([x, 8.0 * analysis.voicing, 3.0 * pitch], axis=1)
    loud = np.clip((analysis.level_db - analysis.level_db.max() + 50.0) / 40.0, 0.0, 1.0)
    weight = np.full(x.shape[1], 1.0 / analysis.envelope_db.shape[1])
    t = len(x)
    index = np.arange(t, dtype=np.float64)

    def running(v: FloatArray) -> FloatArray:
        return np.concatenate([np.zeros((1, *v.shape[1:])), np.cumsum(v, axis=0)])

    w = loud[:, None]
    s0, s1, s2 = running(w), running(w * index[:, None]), running(w * index[:, None] ** 2)
    sx, sxx, stx = running(w * x), running(w * x**2), running(w * x * index[:, None])
    silent = running((loud * 100.0)[:, None])[:, 0]  # leaving sound out costs as 10 dB of error would
    best = np.full(t + 1, np.inf)
    best[0] = 0.0
    back: list[tuple[int, bool]] = [(0, False)] * (t + 1)
    for end in range(1, t + 1):
        starts = np.arange(max(0, end - max_frames), max(0, end - min_frames) + 1)
        quiet = best[end - 1] + silent[end] - silent[end - 1]
        best[end], back[end] = quiet, (end - 1, False)
        if end < min_frames:
            continue
        n = s0[end] - s0[starts] + 1e-9
        mean_t = (s1[end] - s1[starts]) / n
        var_t = s2[end] - s2[starts] - n * mean_t**2
        mean_x = (sx[end] - sx[starts]) / n
        var_x = sxx[end] - sxx[starts] - n * mean_x**2
        cov = stx[end] - stx[starts] - n * mean_t * mean_x
        left = np.maximum(var_x - np.where(var_t > 1e-6, cov**2 / np.maximum(var_t, 1e-6), 0.0), 0.0) @ weight
        costs = best[starts] + left + cost_per_event + FRAME_COST * (end - starts)
        i = int(costs.argmin())
        if costs[i] < best[end]:
            best[end], back[end] = costs[i], (int(starts[i]), True)
    out, end = [], t
    while end > 0:
        start, sounds = back[end]
        if sounds:
            out.append(Segment(start, end))
        end = start
    return out[::-1]


@dataclass(frozen=True)
class Targets:
    """Physical targets of n events.

    onset int64 [n], samples; named float32 [n, 8], in the physical units of the layout's dims, phase 0; levels float32
    [n, points · (bands + voice_bands)]: band levels in dB with the event's own level in them, voicing as logits.
    """

    onset: FloatArray
    named: FloatArray
    levels: FloatArray


def _fade(segment: Segment, neighbour: Segment | None) -> float:
    """Length of the cross-fade over the border with a neighbour that touches, centred on the border, in frames."""
    if neighbour is None:
        return 1.0
    return min(1.5, 0.5 * (segment.end - segment.start), 0.5 * (neighbour.end - neighbour.start))


def targets(analysis: Analysis, segments: list[Segment], config: SpeechConfig) -> Targets:
    """What an event would say of each segment: levels at its instants by least squares over its frames."""
    onsets, named, levels = [], [], []
    hop_s = config.hop / config.sample_rate
    logit = np.log(analysis.voicing / (1 - analysis.voicing)).clip(-4, 4)
    both = np.concatenate([analysis.envelope_db, logit], axis=1)
    semitones = 12 * np.log2(analysis.f0_hz / F0_REFERENCE_HZ)
    for i, s in enumerate(segments):
        before = segments[i - 1] if i else None
        after = segments[i + 1] if i + 1 < len(segments) else None
        frames = s.end - s.start

        attack = _fade(s, before if before is not None and before.end == s.start else None)
        decay = _fade(s, after if after is not None and after.start == s.end else None)
        # frame i is centred at i·hop; a segment's border lies half a hop before its first frame's centre
        begin, finish = s.start - 0.5 - attack / 2, s.end - 0.5 + decay / 2
        begin = max(begin, 0.0)
        duration = finish - begin
        inside = np.arange(max(s.start - 1, 0), min(s.end + 1, len(both)))
        inside = inside[(inside > begin) & (inside < finish)]
        place = (inside - begin) / duration * (config.points - 1)
        basis = np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(config.points)))
        own = ((inside >= s.start) & (inside < s.end)) * 0.8 + 0.2
        smooth = 0.15 * np.diff(np.eye(config.points), 2, axis=0) if config.points > 2 else np.zeros((0, config.points))
        ridge = 0.1 * np.diff(np.eye(config.points), 1, axis=0)
        a = np.concatenate([basis * own[:, None], smooth, ridge])
        b = np.concatenate([both[inside] * own[:, None], np.zeros((len(a) - len(inside), both.shape[1]))])
        fit = np.linalg.lstsq(a, b, rcond=None)[0]
        middle = np.arange(s.start, s.end)
        level = 10 * np.log10(np.mean(10 ** (analysis.level_db[middle] / 10)) + 1e-12)
        w = analysis.voiced[middle] + 1e-3
        centre = (begin + finish) / 2
        x = middle - centre
        slope = 0.0
        if frames > 2:
            mean_x, mean_y = np.average(x, weights=w), np.average(semitones[middle], weights=w)
            slope = np.average((x - mean_x) * (semitones[middle] - mean_y), weights=w) / (
                np.average((x - mean_x) ** 2, weights=w) + 1.0
            )
            pitch = mean_y - slope * mean_x
        else:
            pitch = np.average(semitones[middle], weights=w)
        onsets.append(round(begin * config.hop))
        named.append(
            [
                level,
                np.log2(duration * hop_s),
                np.log2(max(attack, 0.3) * hop_s),
                np.log2(max(decay, 0.3) * hop_s),
                pitch,
                slope * duration,
                0.0,
                -60.0,
            ]
        )
        levels.append(fit.reshape(-1))
    count = config.points * (config.bands + config.voice_bands)
    return Targets(
        np.array(onsets, np.int64),
        np.array(named, np.float32).reshape(-1, 8),
        np.array(levels, np.float32).reshape(-1, count),
    )
