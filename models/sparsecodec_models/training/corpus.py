"""What to train on and what to validate on, from the folders that a user names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sparsecodec_formats.errors import SicError
from sparsecodec_models.errors import NothingToHoldOut

from .data import TrainingRecording, find_recordings

HELD_OUT = 0.02  # share to validate on where the user names nothing
HELD_OUT_FOLDER = 0.005, 0.25  # shares that a folder may have to be held out whole
HELD_OUT_FILES = 4  # at least, where that is no more than a fifth of a folder's


@dataclass(frozen=True)
class Corpus:
    """unreadable: files that look like audio and cannot be opened. held_out: what `valid` is, in words, where it was
    taken from the data; else empty."""

    train: list[TrainingRecording]
    valid: list[TrainingRecording]
    unreadable: list[Path]
    held_out: str = ""

    @property
    def fingerprint(self) -> str:
        """The same for two corpora when windows drawn from them are, wherever they lie."""
        lines = [f"{r.path.name}\0{r.seconds!r}\n" for part in (self.train, self.valid) for r in part]
        text = f"{len(self.train)}\n{''.join(lines)}"
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def find_corpus(data: Sequence[str | Path], valid: Sequence[str | Path] = ()) -> Corpus:
    """Train on what lies below `data`, validate on what lies below `valid`, which may be folders within `data`.

    Without `valid` a part of the data is held out: one folder, where there are several and one is small enough, else
    the last files of each. SicError, naming the folder, when there is no such folder, no audio in it, or nothing left
    to train on.
    """
    unreadable: list[Path] = []
    recordings = _recordings(data, unreadable)
    if not valid:
        train, held, what = _hold_out(recordings)
        return Corpus(train, held, unreadable, what)
    apart = {Path(folder).resolve() for folder in valid}
    train = [r for r in recordings if apart.isdisjoint(r.path.resolve().parents)]
    if not train:
        raise NothingToHoldOut(f"{data[0]}: all of it is to validate on; name other recordings to train on")
    held = _recordings(valid, unreadable)
    return Corpus(train, held, list(dict.fromkeys(unreadable)))


def _recordings(names: Sequence[str | Path], unreadable: list[Path]) -> list[TrainingRecording]:
    folders = {name: Path(os.path.abspath(name)) for name in names}
    for name, folder in folders.items():
        if not folder.is_dir():
            what = "a file; name the folder that it is in" if folder.exists() else "no such folder; check the name"
            raise SicError(f"{name}: {what}")
    bad: list[Path] = []
    found = find_recordings(list(folders.values()), bad.append)
    unreadable += bad
    for name, folder in folders.items():
        if not any(folder in r.path.parents for r in found):
            damaged = sum(folder in path.parents for path in bad)
            raise SicError(
                f"{name}: no audio in it"
                + (f" that can be read ({damaged} damaged)" if damaged else "")
                + "; name a folder of recordings (WAV, FLAC, Ogg, MP3, AIFF, ...)"
            )
    return found


def _hold_out(recordings: list[TrainingRecording]) -> tuple[list[TrainingRecording], list[TrainingRecording], str]:
    """(to train on, to validate on, what the latter are)."""
    seconds: dict[Path, float] = {}
    for r in recordings:
        seconds[r.group] = seconds.get(r.group, 0.0) + r.seconds
    low, high = HELD_OUT_FOLDER
    share = {group: s / sum(seconds.values()) for group, s in seconds.items()}
    fit = [group for group, s in share.items() if low <= s <= high]
    if fit:
        chosen = min(fit, key=lambda group: abs(share[group] - HELD_OUT))
        train = [r for r in recordings if r.group != chosen]
        return train, [r for r in recordings if r.group == chosen], f"the folder {chosen}"
    train, held = [], []
    for group in seconds:
        mine = [r for r in recordings if r.group == group]
        n = max(round(HELD_OUT * len(mine)), min(HELD_OUT_FILES, len(mine) // 5), min(1, len(mine) - 1))
        train += mine[: len(mine) - n]
        held += mine[len(mine) - n :]
    if not held:
        raise NothingToHoldOut(f"{recordings[0].path}: the only recording of its folder; name others to validate on")
    return train, held, "the last files of each folder" if len(seconds) > 1 else "the last files"
