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


@dataclass(frozen=True)
class Recording:
    """group: the topmost folder below the given one that sets it apart from other recordings (a speaker, mostly)."""

    path: Path
    group: Path
    seconds: float


def find_recordings(folders: Sequence[Path], on_unreadable: Callable[[Path], None] | None = None) -> list[Recording]:
    """Every audio file below the folders, once, sorted within a folder.

    on_unreadable is called with each file that looks like audio and that soundfile cannot open. Files without
    samples and hidden ones are left out.
    """
    found: list[Recording] = []
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
            Recording(path, folder.joinpath(*p[:depth]), seconds)
            for (path, seconds), p in zip(opened, parts, strict=True)
        ]
    return found


def _n_shared(parts: Sequence[tuple[str, ...]]) -> int:
    """How many first parts all of them share."""
    return next(
        (i for i, level in enumerate(zip(*parts, strict=False)) if len(set(level)) > 1),
        min(map(len, parts), default=0),
    )


def load(recording: Recording, sample_rate: int, start_s: float = 0.0, seconds: float | None = None) -> np.ndarray:
    """Mono samples at `sample_rate`, float32 [n]. soundfile.SoundFileError when the file cannot be read there."""
    with soundfile.SoundFile(os.fspath(recording.path)) as f:
        f.seek(min(int(start_s * f.samplerate), f.frames))
        count = -1 if seconds is None else int(np.ceil(seconds * f.samplerate))
        audio = f.read(count, dtype="float32", always_2d=True).mean(1)
        return audio if f.samplerate == sample_rate else soxr.resample(audio, f.samplerate, sample_rate)


class Windows:
    """Random windows: recordings by duration × weight of their folder, the place within them uniform.

    A batch is a function of (seed, step), so a run that resumes at a step sees what it would have seen.
    `unreadable`: recordings that were drawn and turned out damaged; others took their place.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        samples: int,
        sample_rate: int,
        seed: int = 0,
        folder_weight: dict[str, float] | None = None,
    ) -> None:
        """folder_weight: by the name of any folder on a recording's path."""
        if not recordings:
            raise ValueError("no recordings: give folders with audio files")
        self.recordings, self.samples = list(recordings), samples
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

    def batch(self, step: int, size: int) -> np.ndarray:
        """float32 [size, samples], each window at a random gain (peak -20 … 0 dB); short recordings are followed by
        others. SicError when there is nothing to hear in what is drawn."""
        rng = np.random.default_rng([self.seed, step])
        out = np.zeros((size, self.samples), np.float32)
        in_vain = 0
        for row in out:
            at = 0
            while at < len(row):
                r = self.recordings[min(int(np.searchsorted(self._share, rng.random())), len(self.recordings) - 1)]
                need = (len(row) - at) / self.sample_rate
                piece = self._load(r, rng.random() * max(0.0, r.seconds - need), need)[: len(row) - at]
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

    def _load(self, recording: Recording, start_s: float, seconds: float) -> np.ndarray:
        """As `load`; nothing where the file is damaged."""
        try:
            piece = load(recording, self.sample_rate, start_s, seconds)
            if len(piece) and np.isfinite(piece).all():
                return piece
        except soundfile.SoundFileError:
            pass
        self.unreadable.add(recording.path)
        return np.zeros(0, np.float32)
