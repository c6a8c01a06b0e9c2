"""Training of the note finder: clips with notes into targets, losses, steps, and F1 on clips held out.

A clip is NAME.flac with NAME.json (`models/corpus/render_notes.py` says what is in it). Its pictures are kept as
half decibels in a byte, so hours of sound fit into memory; what is varied at each step is done on the pictures:
level, equaliser, noise floor, transposition by semitones, two clips at once.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
import torch
import torch.nn.functional as F
from torch import Tensor

from .network.features import ATTACK_BINS, FLOOR_DB, PITCH_BINS, SAMPLE_RATE_HZ, NoteFeatures
from .network.finder import DRUM_CLASSES, LOWEST_MIDI, OUTPUT_HOP_SAMPLES, PITCHES, Heads, NoteFinder, save_finder
from .network.picking import Note, PickingRule, pick_notes

FRAMES_PER_SECOND = SAMPLE_RATE_HZ / OUTPUT_HOP_SAMPLES
ONSET_TOLERANCE_S = 0.05
REACH_FRAMES = 1.5  # an onset's target falls from 1 (within half a frame) to 0 at this distance
_DRUMS_BY_MIDI = {35: 0, 36: 0, 37: 1, 38: 1, 39: 1, 40: 1, 41: 3, 43: 3, 45: 3, 47: 3, 48: 3, 50: 3}
_BYTES_PER_DB = 2.0

FloatArray = np.ndarray


def drum_class(midi: int) -> int:
    """Index in DRUM_CLASSES of a General MIDI drum; small percussion counts as a tom."""
    return _DRUMS_BY_MIDI.get(midi, 2 if midi in (42, 44, 46, 49, 51, 52, 53, 54, 55, 57, 59) else 3)


@dataclass
class Targets:
    """What the heads should say, float32; `onset`, `sounding`, `velocity`, `shift` [88, frames], drums [4, frames]."""

    onset: FloatArray
    shift: FloatArray
    sounding: FloatArray
    velocity: FloatArray
    drums: FloatArray
    drum_shift: FloatArray


def targets_of(notes: list[dict[str, Any]], frames: int) -> Targets:
    """`notes` as in NAME.json. The nearest onset wins where two claim a frame."""
    onset, shift, sounding, velocity = np.zeros((4, PITCHES, frames), np.float32)
    drums, drum_shift = np.zeros((2, len(DRUM_CLASSES), frames), np.float32)
    for note in notes:
        at = note["onset_s"] * FRAMES_PER_SECOND
        near = np.arange(max(0, int(at - REACH_FRAMES) + 1), min(frames, int(at + REACH_FRAMES) + 1))
        worth = np.clip(REACH_FRAMES - np.abs(at - near), 0, 1)
        if note["drum"]:
            rows, shifts, row = drums, drum_shift, drum_class(note["midi"])
        else:
            rows, shifts, row = onset, shift, note["midi"] - LOWEST_MIDI
            if not 0 <= row < PITCHES:
                continue
        better = worth > rows[row, near]
        rows[row, near[better]], shifts[row, near[better]] = worth[better], (at - near)[better]
        if not note["drum"]:
            velocity[row, near[better]] = note["velocity"] / 127
            end = max(round(note["offset_s"] * FRAMES_PER_SECOND), round(at) + 1)
            sounding[row, round(at) : end] = 1
    return Targets(onset, shift, sounding, velocity, drums, drum_shift)


@dataclass
class Example:
    """A clip in memory: pictures as bytes [bins, 2 frames] and targets."""

    name: str
    pitch: np.ndarray
    attack: np.ndarray
    notes: list[dict[str, Any]]
    targets: Targets


def as_bytes(levels_db: Tensor) -> np.ndarray:
    return ((levels_db - FLOOR_DB) * _BYTES_PER_DB).round().clamp(0, 255).to(torch.uint8).numpy()


def as_db(levels: np.ndarray) -> FloatArray:
    return levels.astype(np.float32) / _BYTES_PER_DB + FLOOR_DB


def read_example(path: Path, features: NoteFeatures) -> Example:
    """The clip of NAME.json at `path`."""
    samples, rate = sf.read(path.with_suffix(".flac"), dtype="float32")
    if rate != SAMPLE_RATE_HZ or samples.ndim != 1:
        raise ValueError(f"{path.with_suffix('.flac')} must be mono at {SAMPLE_RATE_HZ} Hz.")
    pitch, attack = features.of(samples)
    even = pitch.shape[1] // 2 * 2
    notes = json.loads(path.read_text())["notes"]
    return Example(
        path.stem, as_bytes(pitch[:, :even]), as_bytes(attack[:, :even]), notes, targets_of(notes, even // 2)
    )


class Examples:
    """The clips of a folder; `refresh` reads those that have come since, `at_once` of them at most: training begins
    before all are read."""

    def __init__(self, folder: Path, at_once: int | None = None) -> None:
        self.folder, self.at_once = folder, at_once
        self.examples: list[Example] = []
        self._read: set[Path] = set()
        self._features = NoteFeatures()
        self.refresh()

    def refresh(self) -> None:
        for path in sorted(set(self.folder.glob("*.json")) - self._read, key=lambda p: p.stem[::-1])[: self.at_once]:
            try:
                self.examples.append(read_example(path, self._features))
            except (json.JSONDecodeError, sf.LibsndfileError):  # being written just now
                continue
            self._read.add(path)


# ---------------------------------------------------------------- varied clips


def moved(x: np.ndarray, rows: int, empty: float) -> np.ndarray:
    """x [rows, frames] with each row `rows` further up; what comes in from beyond the ends is `empty`."""
    if rows == 0:
        return x
    out = np.full_like(x, empty)
    if rows > 0:
        out[rows:] = x[:-rows]
    else:
        out[:rows] = x[-rows:]
    return out


def transposed(cut: list[np.ndarray], semitones: int) -> list[np.ndarray]:
    """A cut (pitch, attack in dB, then the six targets) by so many semitones; drums' targets stay."""
    rows = [3 * semitones] + [semitones] * 5 + [0, 0]
    empty = [FLOOR_DB] * 2 + [0.0] * 6
    return [moved(x, r, e) for x, r, e in zip(cut, rows, empty, strict=True)]


def together(a: list[np.ndarray], b: list[np.ndarray]) -> list[np.ndarray]:
    """Two cuts sounding at once: powers add, targets join (the nearer onset wins)."""
    pitch, attack = (10 * np.log10(10 ** (x / 10) + 10 ** (y / 10)) for x, y in zip(a[:2], b[:2], strict=True))
    nearer, nearer_drum = a[2] >= b[2], a[6] >= b[6]
    return [
        pitch,
        attack,
        np.maximum(a[2], b[2]),
        np.where(nearer, a[3], b[3]),
        np.maximum(a[4], b[4]),
        np.where(nearer, a[5], b[5]),
        np.maximum(a[6], b[6]),
        np.where(nearer_drum, a[7], b[7]),
    ]


def coloured(cut: list[np.ndarray], dice: np.random.Generator) -> None:
    """A level, an equaliser and a noise floor by chance, the same for both pictures; in place."""
    gain = float(dice.uniform(-9, 9))
    knots = dice.normal(0, float(dice.uniform(0, 4)), 6)
    floor = float(dice.uniform(-95, -65)) if dice.random() < 0.4 else FLOOR_DB
    for x, bins in ((0, PITCH_BINS), (1, ATTACK_BINS)):
        curve = gain + np.interp(np.arange(bins), np.linspace(0, bins - 1, len(knots)), knots)
        level = cut[x] + curve[:, None].astype(np.float32)
        if floor > FLOOR_DB:
            noise = floor + 3 * dice.standard_normal(level.shape, dtype=np.float32)
            level = np.maximum(level, noise)
        cut[x] = np.clip(level, FLOOR_DB, 20.0)


def draw_cut(examples: list[Example], frames: int, dice: np.random.Generator) -> list[np.ndarray]:
    example = examples[int(dice.integers(len(examples)))]
    total = example.pitch.shape[1] // 2
    first = int(dice.integers(0, total - frames + 1))
    t = example.targets
    cut = [as_db(x[:, 2 * first : 2 * (first + frames)]) for x in (example.pitch, example.attack)]
    fields = (t.onset, t.shift, t.sounding, t.velocity, t.drums, t.drum_shift)
    cut += [x[:, first : first + frames] for x in fields]
    return transposed(cut, int(dice.integers(-4, 5))) if dice.random() < 0.6 else cut


def batches(examples: list[Example], size: int, frames: int, dice: np.random.Generator) -> Iterator[list[Tensor]]:
    """Endless batches: pitch, attack, then the six targets, each [size, rows, frames (pictures: 2 frames)]."""
    while True:
        cuts = []
        for _ in range(size):
            cut = draw_cut(examples, frames, dice)
            if dice.random() < 0.15:
                cut = together(cut, draw_cut(examples, frames, dice))
            coloured(cut, dice)
            cuts.append(cut)
        yield [torch.from_numpy(np.stack(column)).float() for column in zip(*cuts, strict=True)]


# ---------------------------------------------------------------- loss and score


def losses(heads: Heads, targets: list[Tensor]) -> dict[str, Tensor]:
    """Terms of the loss, each weighted as they are summed; targets as `batches` gives them, without the pictures."""
    onset, shift, sounding, velocity, drums, drum_shift = targets
    bce = F.binary_cross_entropy_with_logits

    def where(weight: Tensor, error: Tensor) -> Tensor:
        return (weight * error).sum() / (weight.sum() + 1)

    return dict(
        onset=20 * bce(heads.onset.float(), onset, weight=1 + 2 * onset),
        sounding=bce(heads.sounding.float(), sounding),
        shift=0.2 * where(onset, (heads.onset_shift.float() - shift).abs()),
        velocity=0.3 * where(onset, (heads.velocity.float() - velocity).abs()),
        drums=bce(heads.drums.float(), drums, weight=1 + 2 * drums),
        drum_shift=0.1 * where(drums, (heads.drum_shift.float() - drum_shift).abs()),
    )


def matched(true: list[tuple[int, float]], found: list[tuple[int, float]]) -> int:
    """How many of `found` (midi, onset_s) can be paired with a note of the same midi within 50 ms, each once."""
    pairs = 0
    for midi in {m for m, _ in true}:
        a = sorted(t for m, t in true if m == midi)
        b = sorted(t for m, t in found if m == midi)
        i = j = 0
        while i < len(a) and j < len(b):
            if abs(a[i] - b[j]) <= ONSET_TOLERANCE_S:
                pairs, i, j = pairs + 1, i + 1, j + 1
            elif a[i] < b[j]:
                i += 1
            else:
                j += 1
    return pairs


def score(true: list[dict[str, Any]], found: list[Note]) -> dict[str, float]:
    """F1, precision, recall of pitched notes (midi and onset within 50 ms), notes found a true one; drums' F1 by
    class."""
    pitched = [(n["midi"], n["onset_s"]) for n in true if not n["drum"]]
    said = [(round(n.midi), n.onset_s) for n in found if not n.drum]
    strokes = [(drum_class(n["midi"]), n["onset_s"]) for n in true if n["drum"]]
    beaten = [(drum_class(round(n.midi)), n.onset_s) for n in found if n.drum]
    hits, beats = matched(pitched, said), matched(strokes, beaten)
    return dict(
        f1=2 * hits / max(1, len(pitched) + len(said)),
        precision=hits / max(1, len(said)),
        recall=hits / max(1, len(pitched)),
        found=len(said) / max(1, len(pitched)),
        drum_f1=2 * beats / max(1, len(strokes) + len(beaten)) if strokes or beaten else float("nan"),
    )


def heads_of(finder: NoteFinder, example: Example) -> Heads:
    return finder.heads(torch.from_numpy(as_db(example.pitch)), torch.from_numpy(as_db(example.attack)))


def validate(finder: NoteFinder, groups: dict[str, Examples], rule: PickingRule) -> dict[str, dict[str, float]]:
    """Means of `score` over the clips of each group; what no clip has (drums) is nan."""
    means: dict[str, dict[str, float]] = {}
    for group, held in groups.items():
        rows = [score(e.notes, pick_notes(heads_of(finder, e), rule)) for e in held.examples]
        means[group] = {}
        for name in rows[0] if rows else ():
            known = [r[name] for r in rows if not math.isnan(r[name])]
            means[group][name] = round(float(np.mean(known)), 4) if known else math.nan
    return means


# ---------------------------------------------------------------- the run


@dataclass
class TrainingPlan:
    """`minutes` of steps in all, runs before a resumption included, reading and validation not; the learning rate
    falls to a 30th over them."""

    minutes: float = 35.0
    batch: int = 6
    frames: int = 96
    learning_rate: float = 4e-3
    warm_up_steps: int = 50
    weight_decay: float = 1e-2
    average: float = 0.99  # of the weights that are validated and kept
    validate_every_minutes: float = 6.0
    seed: int = 1


@dataclass
class Progress:
    step: int = 0
    trained_s: float = 0.0
    best: float = 0.0
    recent: list[float] = field(default_factory=list)


class Trainer:
    """Trains and keeps FOLDER/last.pt (all that a resumption needs) and FOLDER/best.safetensors (by validation)."""

    def __init__(self, finder: NoteFinder, plan: TrainingPlan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.finder = finder
        for weight in finder.parameters():
            if weight.dim() == 4:  # a third faster on CPUs
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)
        self.average = copy.deepcopy(finder)
        self.optimiser = torch.optim.AdamW(finder.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay)
        self.progress = Progress()
        if (folder / "last.pt").exists():
            held = torch.load(folder / "last.pt", weights_only=True)
            finder.load_state_dict(held["finder"])
            self.average.load_state_dict(held["average"])
            self.optimiser.load_state_dict(held["optimiser"])
            self.progress = Progress(**held["progress"])

    def run(
        self,
        examples: Examples,
        groups: dict[str, Examples],
        log: Callable[[dict[str, Any]], None],
        rule: PickingRule | None = None,
    ) -> None:
        plan, progress = self.plan, self.progress
        dice = np.random.default_rng([plan.seed, progress.step])
        source = batches(examples.examples, plan.batch, plan.frames, dice)
        validated = time.monotonic()
        sums: dict[str, float] = {}
        while progress.trained_s < 60 * plan.minutes:
            started = time.monotonic()
            terms = self._step(next(source))
            progress.step += 1
            progress.trained_s += time.monotonic() - started
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + value
            if progress.step % 50 == 0:
                means = {k: round(v / 50, 4) for k, v in sums.items()}
                about = dict(
                    step=progress.step, minutes=round(progress.trained_s / 60, 1), clips=len(examples.examples)
                )
                log(dict(**about, loss=round(sum(means.values()), 4), **means))
                sums = {}
                examples.refresh()
            over = progress.trained_s >= 60 * plan.minutes
            if over or time.monotonic() - validated > 60 * plan.validate_every_minutes:
                self._keep(groups, log, rule or PickingRule())
                validated = time.monotonic()

    def _step(self, batch: list[Tensor]) -> dict[str, float]:
        plan, progress = self.plan, self.progress
        done = min(1.0, progress.trained_s / (60 * plan.minutes))
        rate = plan.learning_rate * (1 / 30 + (29 / 30) * 0.5 * (1 + math.cos(math.pi * done)))
        for group in self.optimiser.param_groups:
            group["lr"] = rate * min(1.0, (progress.step + 1) / plan.warm_up_steps)
        self.finder.train()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            heads = self.finder(batch[0], batch[1])
        terms = losses(heads, batch[2:])
        self.optimiser.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(self.finder.parameters(), 2.0)
        self.optimiser.step()
        share = min(plan.average, 1 - 1 / (progress.step + 1))
        with torch.no_grad():
            for kept, now in zip(self.average.state_dict().values(), self.finder.state_dict().values(), strict=True):
                if kept.dtype.is_floating_point:
                    kept.lerp_(now, 1 - share)
        return {k: float(v.detach()) for k, v in terms.items()}

    def _keep(self, groups: dict[str, Examples], log: Callable[[dict[str, Any]], None], rule: PickingRule) -> None:
        for held in groups.values():
            held.refresh()
        means = validate(self.average, groups, rule)
        f1 = float(np.mean([m["f1"] for m in means.values() if m])) if any(means.values()) else 0.0
        log(dict(step=self.progress.step, minutes=round(self.progress.trained_s / 60, 1), f1=round(f1, 4), **means))
        if f1 >= self.progress.best:
            self.progress.best = f1
            save_finder(self.average, self.folder / "best.safetensors", dict(steps=str(self.progress.step)))
        held_now = dict(
            finder=self.finder.state_dict(),
            average=self.average.state_dict(),
            optimiser=self.optimiser.state_dict(),
            progress=vars(self.progress),
        )
        torch.save(held_now, self.folder / "last.tmp")
        (self.folder / "last.tmp").rename(self.folder / "last.pt")
