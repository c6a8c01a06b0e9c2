"""Recordings for training: folders of audio, and windows drawn from them that depend on (seed, step) alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

AUDIO_SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff"}


@dataclass(frozen=True)
class Recording:
    path: Path
    folder: str
    seconds: float


def find_recordings(folders: Sequence[Path]) -> list[Recording]:
    """Every audio file below the folders, sorted; files that soundfile cannot open are left out."""
    found = []
    for folder in folders:
        for path in sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES):
            try:
                info = soundfile.info(str(path))
            except soundfile.LibsndfileError:
                continue
            if info.frames:
                found.append(Recording(path, path.parent.name, info.frames / info.samplerate))
    return found


def load(recording: Recording, sample_rate: int, start_s: float = 0.0, seconds: float | None = None) -> np.ndarray:
    """Mono samples at `sample_rate`, float32 [n]."""
    with soundfile.SoundFile(str(recording.path)) as f:
        f.seek(min(int(start_s * f.samplerate), f.frames))
        count = -1 if seconds is None else int(np.ceil(seconds * f.samplerate))
        audio = f.read(count, dtype="float32", always_2d=True).mean(1)
        return audio if f.samplerate == sample_rate else soxr.resample(audio, f.samplerate, sample_rate)


class Windows:
    """Random windows: recordings by duration × weight of their folder, the place within them uniform.

    A batch is a function of (seed, step), so a run that resumes at a step sees what it would have seen.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        samples: int,
        sample_rate: int,
        seed: int = 0,
        folder_weight: dict[str, float] | None = None,
    ) -> None:
        if not recordings:
            raise ValueError("no recordings: give folders with audio files")
        self.recordings, self.samples = list(recordings), samples
        self.sample_rate, self.seed = sample_rate, seed
        weight = np.array([r.seconds * (folder_weight or {}).get(r.folder, 1.0) for r in self.recordings])
        self._share = np.cumsum(weight) / weight.sum()

    def batch(self, step: int, size: int) -> np.ndarray:
        """float32 [size, samples], each window at a random gain (peak -20 … 0 dB); short recordings are followed by
        others."""
        rng = np.random.default_rng([self.seed, step])
        out = np.zeros((size, self.samples), np.float32)
        for row in out:
            at = 0
            while at < len(row):
                r = self.recordings[min(int(np.searchsorted(self._share, rng.random())), len(self.recordings) - 1)]
                need = (len(row) - at) / self.sample_rate
                piece = load(r, self.sample_rate, rng.random() * max(0.0, r.seconds - need), need)[: len(row) - at]
                row[at : at + len(piece)] = piece * (
                    10 ** (rng.uniform(-20, 0) / 20) / max(float(np.abs(piece).max(initial=0)), 1e-4)
                )
                at += len(piece) + int(0.05 * self.sample_rate)
        return out
