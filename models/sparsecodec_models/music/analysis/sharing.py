"""Whose power is it? What a spectrogram holds is shared among the partials of notes that sound together.

Multiplicative updates of non-negative factorisation (Lee & Seung 2001, Kullback-Leibler) give each partial its power in
each frame; in between, each note is drawn to what a note can do: partials that decay on straight lines in dB, slower or
faster with frequency, and levels that do not jump where other notes hide them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sparsecodec_models.dsp.stft import hann

from .spectrogram import (
    BIN_HZ,
    FLOOR_POWER,
    FRAME_S,
    HOP,
    SAMPLE_RATE_HZ,
    TOP_HZ,
    WINDOW,
    Spectrogram,
    lobes,
    partial_hz,
)

FloatArray = NDArray[np.floating]

MOST_PARTIALS = 128
LOW_HZ, HIGH_HZ = 100.0, 5000.0  # where a note's decays are told
_ROUNDS = 6
_FINE = 32  # samples: grid on which envelopes are drawn before the window smears them
_SMEAR = hann(WINDOW)[::_FINE] / hann(WINDOW)[::_FINE].sum()
_NEPERS = float(np.log(1000.0))  # of 60 dB
_TAIL_S = 0.5  # of a note after its key is let go, at most
_CLEAR_DB = -6.0  # frames in which less of the note shows do not count
_ABOVE_PEAK_DB = 8.0  # that a level can be over the loudest frame, whose window sees it decay
_LEAST_DB = -45.0  # after the end, levels further below are not told apart
_LOUDER = 0.4  # power of a frame's share of its partial's loudest frame, as its weight
_LOUD_DB = 50.0  # partials further below the loudest do not count
_NEIGHBOUR_OCTAVES = 0.35  # width of the kernel that tells a hidden partial's level from its neighbours'
_RELEASES_S = (0.03, 0.06, 0.1, 0.17, 0.3, 0.5, 0.9, 1.6, 3.0)
_LOG2_T60 = np.arange(-4.0, 6.1, 0.5)
_T60_PRIOR = 0.02  # pull towards decays that are usual, where a note tells little


@dataclass
class SoundingNote:
    """One note while it is measured.

    onset_s, attack_s, duration_s, release_s (T60 after the key is let go); hz float64 [k]: its partials.
    first: its first frame; power float32 [frames, k]: what it has of the spectrogram.
    level_db float64 [k]: each partial's power, A²/2, at the end of the attack if it had none; weight float64 [k]: how
    far it can be seen. t60_low_s, t60_high_s: at 100 Hz and 5 kHz.
    """

    onset_s: float
    attack_s: float
    duration_s: float
    hz: FloatArray
    release_s: float = 0.15
    t60_low_s: float = 3.0
    t60_high_s: float = 1.0
    first: int = 0
    limit_s: float = np.inf  # the note is not heard after: the next one of its pitch begins
    level_db: FloatArray = field(default_factory=lambda: np.zeros(0))
    weight: FloatArray = field(default_factory=lambda: np.zeros(0))
    power: FloatArray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    _gain: tuple[float, float, FloatArray] | None = None  # what `gain_db` gave last, for this duration and release

    def __post_init__(self) -> None:
        """near: int64 [k], the bin nearest to each partial; bins: int64 [LOBE_BINS, k], those in which each is seen;
        lobes: float32, likewise, its power there."""
        self.near = np.round(self.hz / BIN_HZ).astype(np.int64)
        self.bins, self.lobes = lobes(self.hz / BIN_HZ)

    @property
    def frames(self) -> slice:
        return slice(self.first, self.first + len(self.power))

    def since_s(self) -> FloatArray:
        """Seconds of the frames' centres after the onset."""
        since: FloatArray = (self.first + np.arange(len(self.power))) * FRAME_S - self.onset_s
        return since

    def gain_db(self) -> FloatArray:
        """What attack, release and the window do to the level in each frame, float64 [frames]."""
        if self._gain is None or self._gain[:2] != (self.duration_s, self.release_s):
            every = np.arange(len(self.power))
            gain = self.gains_db(np.array([self.duration_s]), np.array([self.release_s]), every)[0]
            self._gain = self.duration_s, self.release_s, gain
        return self._gain[2]

    def gains_db(self, duration_s: FloatArray, release_s: FloatArray, rows: NDArray[np.int64]) -> FloatArray:
        """The same for m durations and releases, float64 [m, rows]; rows: ascending frames of the note's."""
        first, last = int(rows[0]), int(rows[-1])
        start = (self.first + first) * HOP - WINDOW // 2
        grid = np.arange((WINDOW + (last - first) * HOP) // _FINE)
        seconds = (start + _FINE * grid) / SAMPLE_RATE_HZ - self.onset_s
        gain = np.clip(seconds / max(self.attack_s, 1e-3), 0.0, 1.0) * (seconds <= self.limit_s - self.onset_s)
        seconds, gain = seconds.astype(np.float32), gain.astype(np.float32)  # whose exponential is fast
        late = np.maximum(seconds - duration_s[:, None].astype(np.float32), 0.0)
        falling = gain * np.exp(late * (-_NEPERS / release_s[:, None]).astype(np.float32))
        frames = np.lib.stride_tricks.sliding_window_view(falling, len(_SMEAR), axis=1)
        smeared = frames[:, :: HOP // _FINE][:, rows - first] @ _SMEAR
        db: FloatArray = 20.0 * np.log10(smeared + 1e-6)
        return db

    def t60_s(self) -> FloatArray:
        """Of each partial, on a line in the logarithms of time and frequency."""
        x = np.clip(np.log(self.hz / LOW_HZ) / np.log(HIGH_HZ / LOW_HZ), 0.0, 1.0)
        t60: FloatArray = np.exp(np.log(self.t60_low_s) * (1 - x) + np.log(self.t60_high_s) * x)
        return t60

    def model_db(self) -> FloatArray:
        """The level that the note's numbers say, float64 [frames, k]."""
        decay = 60.0 * np.maximum(self.since_s() - self.attack_s, 0.0)[:, None] / self.t60_s()
        level: FloatArray = self.level_db - np.minimum(decay, 150.0) + self.gain_db()[:, None]
        return level


def share_power(
    sound: Spectrogram,
    onset_s: FloatArray,
    offset_s: FloatArray,
    attack_s: FloatArray,
    f0_hz: FloatArray,
    inharmonicity: FloatArray,
) -> list[SoundingNote]:
    """The notes with their partials' levels and decays; columns float64 [n], onsets ascending or not."""
    notes = []
    for i in range(len(onset_s)):
        count = max(1, min(MOST_PARTIALS, int(TOP_HZ / f0_hz[i])))
        hz = partial_hz(f0_hz[i], inharmonicity[i], np.arange(1.0, count + 1))
        note = SoundingNote(
            float(onset_s[i]), float(attack_s[i]), max(0.02, float(offset_s[i] - onset_s[i])), hz[hz <= TOP_HZ * 1.02]
        )
        again = [
            onset_s[j]
            for j in range(len(onset_s))
            if onset_s[j] > onset_s[i] + 0.02 and abs(12 * np.log2(f0_hz[j] / f0_hz[i])) < 0.5
        ]
        note.limit_s = float(min(again, default=np.inf))
        last_s = min(note.onset_s + note.duration_s + _TAIL_S, note.limit_s + 0.01)
        note.first = max(0, int(np.ceil((note.onset_s - 0.03) / FRAME_S)))
        frames = max(1, min(len(sound), int(np.ceil(last_s / FRAME_S)) + 1) - note.first)
        note.first = min(note.first, len(sound) - 1)
        note.power = np.array(sound.power[note.first : note.first + frames][:, note.near])
        notes.append(note)
    _update(sound, notes)
    for round_ in range(_ROUNDS):
        if round_:
            for note in notes:
                note.power = (10.0 ** (note.model_db() / 10.0)).astype(np.float32) + np.float32(FLOOR_POWER)
        everything = _update(sound, notes)
        for note in notes:
            _fit(note, everything, sound)
        if round_ in (1, 3):
            for note in notes:
                _fit_end(note)
    return notes


def modelled_power(sound: Spectrogram, notes: list[SoundingNote]) -> FloatArray:
    """Power of floor and notes together, float32 [frames, bins]."""
    total = np.array(sound.floor)
    for note in notes:
        of_note = total[note.frames]
        # partials are further apart than two bins, so none of these stands twice in a row
        for bins, heights in zip(note.bins, note.lobes, strict=True):
            of_note[:, bins] += note.power * heights
    return total


def _update(sound: Spectrogram, notes: list[SoundingNote]) -> FloatArray:
    """One multiplicative update of all notes' powers; returns the power that all have together before it."""
    total = modelled_power(sound, notes)
    ratio = sound.power / total
    for note in notes:
        seen = ratio[note.frames]
        off = sum(seen[:, bins] * heights for bins, heights in zip(note.bins, note.lobes, strict=True))
        note.power = note.power * off / note.lobes.sum(0)
    return total


def _fit(note: SoundingNote, everything: FloatArray, sound: Spectrogram) -> None:
    """Levels and decays from the note's powers."""
    # in single precision, which is enough and takes half the time
    gain = note.gain_db().astype(np.float32)
    since = np.maximum(note.since_s() - note.attack_s, 0.0).astype(np.float32)
    near = note.near
    power = note.power + np.float32(FLOOR_POWER)
    db = 10.0 * np.log10(power) - gain[:, None]
    share = np.clip(power / (everything[note.frames][:, near] + FLOOR_POWER), 0.0, 1.0)
    noise = sound.floor[note.frames][:, near]
    clear = share**2 * (power / (power + 4.0 * noise)) ** 2
    if (gain > _CLEAR_DB).any():
        clear = clear * (gain > _CLEAR_DB)[:, None]
    else:
        clear = clear * (gain >= gain.max() - 3.0)[:, None]
    # what is loud is heard, and tells more of the level
    clear = clear * (power / power.max(0)) ** _LOUDER + 1e-9
    amount = clear.sum(0)
    mean_t, mean_db = (clear * since[:, None]).sum(0) / amount, (clear * db).sum(0) / amount
    spread = (clear * (since[:, None] - mean_t) ** 2).sum(0)
    slope = (clear * (since[:, None] - mean_t) * (db - mean_db)).sum(0) / (spread + 1e-9)
    loud = 10.0 ** (np.clip(mean_db - mean_db.max(), -_LOUD_DB, 0.0) / 30.0)
    note.t60_low_s, note.t60_high_s = _decays(note.hz, slope, spread * loud)
    # frames late in a decay say little of the level at its start
    fallen = since[:, None] * (60.0 / note.t60_s()).astype(np.float32)
    early = clear * 10.0 ** (-np.minimum(fallen, 120.0) / 20.0)
    level = (early * (db + fallen)).sum(0) / early.sum(0)
    # no partial was ever louder than what there is
    peak = np.where(gain[:, None] >= min(_CLEAR_DB, gain.max()), power, 0.0).max(0)
    level = np.minimum(level, 10.0 * np.log10(peak + FLOOR_POWER) + _ABOVE_PEAK_DB)
    # a partial that others hide is as loud as its neighbours, if there is so much
    octave = np.log2(note.hz)
    seen = amount / (amount.max() + 1e-9)
    kernel = np.exp(-0.5 * ((octave[:, None] - octave) / _NEIGHBOUR_OCTAVES) ** 2) * (seen + 1e-6)
    np.fill_diagonal(kernel, 1e-9)
    heard = 10.0 * np.log10(sound.power[note.frames][:, near]) - gain[:, None] + fallen
    sounding = 10.0 ** (gain[:, None] / 10.0 - np.minimum(fallen, 120.0) / 20.0)
    most = (sounding * heard).sum(0) / sounding.sum(0)  # all that is there
    around = np.minimum(kernel @ level / kernel.sum(1), most)
    support = np.minimum(kernel.sum(1), 1.0) * 0.15
    note.level_db = (seen * level + support * around) / (seen + support)
    note.weight = amount


def _decays(hz: FloatArray, slope_db_s: FloatArray, weight: FloatArray) -> tuple[float, float]:
    """T60 at 100 Hz and 5 kHz whose line is nearest to the partials' slopes."""
    x = np.clip(np.log(hz / LOW_HZ) / np.log(HIGH_HZ / LOW_HZ), 0.0, 1.0)
    best_low, best_high = 0.0, 0.0
    for step in (0.0, 0.2, 0.08, 0.03):
        around = step * np.arange(-2, 3)  # nearer around the best so far
        low, high = (best_low + around, best_high + around) if step else (_LOG2_T60, _LOG2_T60)
        # slopes are products of what either end gives, so all pairs of ends are one product of matrices
        of_low, of_high = 60.0 * 2.0 ** (-low[:, None] * (1 - x)), 2.0 ** (-high[:, None] * x)
        cost = (of_low**2 * weight) @ (of_high**2).T + 2.0 * (of_low * (weight * slope_db_s)) @ of_high.T
        cost = cost + _T60_PRIOR * ((low[:, None] - 2.0) ** 2 + 4.0 * (low[:, None] - high - 1.0) ** 2)
        row, column = np.unravel_index(int(cost.argmin()), cost.shape)
        best_low, best_high = float(low[row]), float(high[column])
    return float(2.0**best_low), float(2.0**best_high)


def _fit_end(note: SoundingNote) -> None:
    """When the key is let go, and how fast the sound ends then: the best of some times and releases."""
    told, since = note.duration_s, note.since_s()
    power = note.power.astype(np.float64)
    model = 10.0 ** ((note.model_db() - note.gain_db()[:, None]) / 10.0)
    loud = (model * note.weight).sum(1)
    seen = 10.0 * np.log10(((power * note.weight).sum(1) + FLOOR_POWER) / (loud + FLOOR_POWER))
    use = since > min(note.attack_s, 0.6 * told)
    if use.sum() < 3:
        return
    duration = np.unique(np.clip(told + np.arange(-0.10, 0.13, 0.02), max(0.02, 0.4 * told), None))
    release = np.array(_RELEASES_S)
    duration, release = (g.ravel() for g in np.meshgrid(duration, release, indexing="ij"))
    last = np.flatnonzero(use)[-1]
    use[: max(0, int(np.searchsorted(since, told - 0.3)))] = False
    rows = np.flatnonzero(use)
    if len(rows) < 2:
        rows = np.array([max(0, last - 1), last])
    expected = note.gains_db(duration, release, rows)
    miss = np.abs(np.maximum(expected, _LEAST_DB) - np.clip(seen[rows], _LEAST_DB, 12.0))
    cost = np.minimum(miss, 20.0).mean(1) + 2.0 * np.abs(duration - told) + 0.02 * np.abs(np.log2(release / 0.15))
    best = int(cost.argmin())
    note.duration_s, note.release_s = float(duration[best]), float(release[best])
