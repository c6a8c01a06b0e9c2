"""Recordings for training: folders of audio, and windows drawn from them that depend on (seed, step) alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from sparsecodec_formats.errors import SicError

AUDIO_SUFFIXES = {
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc"),
    *(".au", ".snd", ".caf", ".w64", ".rf64", ".voc", ".sph", ".nist"),
}
SILENCE = 1e-4  # peak, of full scale, below which a piece teaches nothing
MAX_DRAWS = 1000  # in a row that bring no sound, before the corpus is given up
SPEED_OCTAVES = 0.25  # either way, of a varied recording
EQ_POINTS_HZ = np.geomspace(80.0, 10_000.0, 7)
EQ_DB = 4.0  # standard deviation at each point


@dataclass(frozen=True)
class TrainingRecording:
    """group: the topmost folder below the given one that sets it apart from other recordings (a speaker, mostly)."""

    path: Path
    group: Path
    seconds: float


def find_recordings(
    folders: Sequence[Path], on_unreadable: Callable[[Path], None] | None = None
) -> list[TrainingRecording]:
    """Every audio file below the folders, once, sorted within a folder.

    on_unreadable is called with each file that looks like audio and that soundfile cannot open. Files without
    samples and hidden ones are left out.
    """
    found: list[TrainingRecording] = []
    seen = set()
    for folder in map(Path, folders):
        opened = []
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES):
            if path in seen or any(part.startswith(".") for part in path.relative_to(folder).parts):
                continue
            seen.add(path)
            try:
                info = soundfile.info(os.fspath(path))
            except soundfile.SoundFileError:
                if on_unreadable:
                    on_unreadable(path)
                continue
            if info.frames:
                opened.append((path, info.frames / info.samplerate))
        parts = [path.relative_to(folder).parent.parts for path, _ in opened]
        depth = _n_shared(parts) + 1  # in LJSpeech-1.1, wavs tells nothing apart
        found += [
            TrainingRecording(path, folder.joinpath(*p[:depth]), seconds)
            for (path, seconds), p in zip(opened, parts, strict=True)
        ]
    return found


def _n_shared(parts: Sequence[tuple[str, ...]]) -> int:
    """How many first parts all of them share."""
    return next(
        (i for i, level in enumerate(zip(*parts, strict=False)) if len(set(level)) > 1),
        min(map(len, parts), default=0),
    )


def load(
    recording: TrainingRecording,
    sample_rate: int,
    start_s: float = 0.0,
    seconds: float | None = None,
    speed: float = 1.0,
) -> np.ndarray:
    """Mono samples at `sample_rate`, float32 [n]; `seconds` of the recording last seconds / speed.
    soundfile.SoundFileError when the file cannot be read there."""
    with soundfile.SoundFile(os.fspath(recording.path)) as f:
        f.seek(min(int(start_s * f.samplerate), f.frames))
        count = -1 if seconds is None else int(np.ceil(seconds * f.samplerate))
        audio = f.read(count, dtype="float32", always_2d=True).mean(1)
        rate = f.samplerate * speed
        return audio if rate == sample_rate else soxr.resample(audio, rate, sample_rate)


def colour(audio: np.ndarray, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Samples float32 [n] as another microphone, room or line would have brought them: a random smooth curve in dB,
    and of some the lows or the highs cut, as telephones do."""
    size = 2 ** int(np.ceil(np.log2(len(audio) + sample_rate // 20)))
    hz = np.maximum(np.fft.rfftfreq(size, 1 / sample_rate), 1.0)
    gain_db = np.interp(np.log(hz), np.log(EQ_POINTS_HZ), rng.normal(0.0, EQ_DB, len(EQ_POINTS_HZ)))
    if rng.random() < 0.4:
        order, edge = rng.uniform(2, 6), np.exp(rng.uniform(*np.log([80.0, 350.0])))
        gain_db -= 10 * np.log10(1 + (edge / hz) ** (2 * order))
    if rng.random() < 0.2:
        order, edge = rng.uniform(4, 16), np.exp(rng.uniform(*np.log([3400.0, 9000.0])))
        gain_db -= 10 * np.log10(1 + (hz / edge) ** (2 * order))
    spectrum = np.fft.rfft(audio, size) * 10 ** (gain_db / 20)
    return np.fft.irfft(spectrum, size)[: len(audio)].astype(np.float32)


class Windows:
    """Random windows: recordings by duration × weight of their folder, the place within them uniform.

    A window is a function of (seed, step, number in the batch), so a run that resumes at a step sees what it would have
    seen. `unreadable`: recordings that were drawn and turned out damaged; others took their place.
    """

    def __init__(
        self,
        recordings: Sequence[TrainingRecording],
        samples: int,
        sample_rate: int,
        seed: int = 0,
        folder_weight: dict[str, float] | None = None,
        vary: bool = False,
    ) -> None:
        """folder_weight: by the name of any folder on a recording's path. vary: play recordings faster or slower, and
        coloured, so that few voices stand for many."""
        if not recordings:
            raise ValueError("no recordings: give folders with audio files")
        self.recordings, self.samples, self.vary = list(recordings), samples, vary
        self.sample_rate, self.seed = sample_rate, seed
        self.unreadable: set[Path] = set()
        named = folder_weight or {}
        weight = np.array(
            [
                r.seconds * min((named[part] for part in r.path.parent.parts if part in named), default=1.0)
                for r in self.recordings
            ]
        )
        self._share = np.cumsum(weight) / weight.sum()

    def batch(self, step: int, size: int, rank: int = 0) -> np.ndarray:
        """float32 [size, samples], each window at a random gain (peak -20 … 0 dB); short recordings are followed by
        others. rank: which of several batches of this size, that are one whole. SicError when there is nothing to
        hear in what is drawn."""
        out = np.zeros((size, self.samples), np.float32)
        for number, row in enumerate(out, start=rank * size):
            rng = np.random.default_rng([self.seed, step, number])
            at = in_vain = 0
            while at < len(row):
                r = self.recordings[min(int(np.searchsorted(self._share, rng.random())), len(self.recordings) - 1)]
                speed = 2 ** rng.uniform(-SPEED_OCTAVES, SPEED_OCTAVES) if self.vary else 1.0
                need = speed * (len(row) - at) / self.sample_rate
                piece = self._load(r, rng.random() * max(0.0, r.seconds - need), need, speed)[: len(row) - at]
                if self.vary and len(piece):
                    piece = colour(piece, self.sample_rate, rng)
                gain = 10 ** (rng.uniform(-20, 0) / 20)
                peak = float(np.abs(piece).max(initial=0))
                if peak < SILENCE:
                    in_vain += 1
                    if in_vain == MAX_DRAWS:
                        raise SicError(f"{r.path}: silent or damaged, as all that was drawn; look at the recordings")
                    continue
                in_vain = 0
                row[at : at + len(piece)] = piece * (gain / peak)
                at += len(piece) + int(0.05 * self.sample_rate)
        return out

    def _load(self, recording: TrainingRecording, start_s: float, seconds: float, speed: float) -> np.ndarray:
        """As `load`; nothing where the file is damaged."""
        try:
            piece = load(recording, self.sample_rate, start_s, seconds, speed)
            if len(piece) and np.isfinite(piece).all():
                return piece
        except soundfile.SoundFileError:
            pass
        self.unreadable.add(recording.path)
        return np.zeros(0, np.float32)
