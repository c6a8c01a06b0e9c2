"""The network that proposes notes: for each semitone and frame, does a note begin, does one sound, how loud is it?

It sees the pictures of `features` and works at a semitone and 512 samples (23 ms) an output frame. First a stack of
the pitch picture shifted by the intervals of the harmonics, so that one column holds what a note of that pitch would
sound like; then blocks that let each pitch look at those a harmonic interval away (is this an overtone of that?) and
at half a second to either side. No layer sees further, so a recording may be cut into pieces that overlap by
MARGIN_FRAMES and gives the same as a whole.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from .features import ATTACK_BINS, BINS_PER_OCTAVE, FLOOR_DB, HOP_SAMPLES, PITCH_BINS, NoteFeatures

LOWEST_MIDI = 21
PITCHES = 88  # midi 21 to 108
OUTPUT_HOP_SAMPLES = 2 * HOP_SAMPLES
MARGIN_FRAMES = 32  # output frames to either side that an output frame can depend on, rounded up
DRUM_CLASSES = ("kick", "snare", "cymbal", "tom")

_HARMONICS = (0.5, 1, 2, 3, 4, 5, 6, 7, 8)
_PITCH_SHIFTS = tuple(round(BINS_PER_OCTAVE * float(np.log2(h))) for h in _HARMONICS)
_ATTACK_SHIFTS = (0, 12, 19)
# semitones from which a block's groups of channels are read: harmonics above and below, and the neighbours
_BLOCK_SHIFTS = (0, 12, 19, 24, 28, 1, -12, -19, -24, -28, -1, 0)


@dataclass(frozen=True)
class FinderConfig:
    """Sizes of the network. `dilations` has one entry a block: output frames between the taps of its time filter."""

    pitch_channels: int = 32
    attack_channels: int = 24
    channels: int = 48
    head_channels: int = 32
    drum_channels: int = 24
    dilations: tuple[int, ...] = (1, 2, 3, 4)


@dataclass
class Heads:
    """What the network says, float32; onset, sounding and drums are logits.

    onset          [batch, 88, frames]  a note begins within half a frame of this one (the next frames: less surely)
    onset_shift    [batch, 88, frames]  where, in frames from this one's centre; meant within 1.5 frames of an onset
    sounding       [batch, 88, frames]  a note's key is down
    velocity       [batch, 88, frames]  0 … 1 (MIDI velocity / 127) of the note that begins
    drums          [batch, 4, frames]   a stroke of DRUM_CLASSES begins, as `onset`
    drum_shift     [batch, 4, frames]   as `onset_shift`
    """

    onset: Tensor
    onset_shift: Tensor
    sounding: Tensor
    velocity: Tensor
    drums: Tensor
    drum_shift: Tensor


def shifted(x: Tensor, bins: int) -> Tensor:
    """x [batch, channels, bins, frames] read `bins` higher, 0 beyond the ends."""
    size = x.shape[2]
    return F.pad(x, (0, 0, max(0, -bins), max(0, bins)))[:, :, max(0, bins) : max(0, bins) + size]


class Block(nn.Module):
    """Mixes channels across harmonic intervals, then over time; adds to its input."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.across = nn.Conv2d(channels, channels, 1, bias=False)
        self.across_norm = nn.BatchNorm2d(channels)
        self.along = nn.Conv2d(
            channels, channels, (1, 5), padding=(0, 2 * dilation), dilation=(1, dilation), bias=False
        )
        self.along_norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        groups = x.chunk(len(_BLOCK_SHIFTS), dim=1)
        y = torch.cat([shifted(g, s) for g, s in zip(groups, _BLOCK_SHIFTS, strict=True)], dim=1)
        y = F.relu(self.across_norm(self.across(y)))
        return F.relu(x + self.along_norm(self.along(y)))


class NoteFinder(nn.Module):
    def __init__(self, config: FinderConfig | None = None) -> None:
        super().__init__()
        self.config = c = config or FinderConfig()
        self.pitch = nn.Conv2d(len(_PITCH_SHIFTS), c.pitch_channels, (7, 5), stride=(3, 2), padding=(3, 2))
        self.attack = nn.Conv2d(len(_ATTACK_SHIFTS), c.attack_channels, (3, 9), stride=(1, 2), padding=(1, 4))
        self.stem_norm = nn.BatchNorm2d(c.pitch_channels + c.attack_channels)
        self.stem = nn.Conv2d(c.pitch_channels + c.attack_channels, c.channels, 1, bias=False)
        self.enter_norm = nn.BatchNorm2d(c.channels)
        self.blocks = nn.ModuleList(Block(c.channels, d) for d in c.dilations)
        self.head = nn.Conv2d(c.channels, c.head_channels, (1, 3), padding=(0, 1))
        self.out = nn.Conv2d(c.head_channels, 4, 1)
        self.drum_attack = nn.Conv1d(ATTACK_BINS, c.drum_channels, 9, stride=2, padding=4)
        self.drum_mix = nn.Conv1d(c.drum_channels + c.channels, c.drum_channels, 3, padding=1)
        self.drum_out = nn.Conv1d(c.drum_channels, 2 * len(DRUM_CLASSES), 1)
        with torch.no_grad():  # few cells hold an onset
            assert self.out.bias is not None and self.drum_out.bias is not None
            self.out.bias.copy_(torch.tensor([-5.0, 0.0, -2.0, 0.5]))
            self.drum_out.bias[: len(DRUM_CLASSES)] = -4.0

    def forward(self, pitch_db: Tensor, attack_db: Tensor) -> Heads:
        """pitch_db float32 [batch, 288, 2 frames], attack_db float32 [batch, 96, 2 frames]."""
        pitch = ((pitch_db - FLOOR_DB) / 40).unsqueeze(1)
        attack = ((attack_db - FLOOR_DB) / 40).unsqueeze(1)
        x = torch.cat(
            [
                self.pitch(torch.cat([shifted(pitch, s) for s in _PITCH_SHIFTS], 1)),
                self.attack(torch.cat([shifted(attack, s) for s in _ATTACK_SHIFTS], 1)),
            ],
            1,
        )
        x = F.relu(self.enter_norm(self.stem(F.relu(self.stem_norm(x)))))
        for block in self.blocks:
            x = block(x)
        onset, onset_shift, sounding, velocity = self.out(F.relu(self.head(x[:, :, :PITCHES]))).unbind(1)
        drums = torch.cat([F.relu(self.drum_attack(attack[:, 0])), x.mean(2)], 1)
        stroke, stroke_shift = self.drum_out(F.relu(self.drum_mix(drums))).chunk(2, dim=1)
        return Heads(onset, onset_shift, sounding, velocity, stroke, stroke_shift)

    @torch.no_grad()
    def heads(self, pitch_db: Tensor, attack_db: Tensor, piece_frames: int = 1024) -> Heads:
        """One recording, pitch_db [288, n] and attack_db [96, n], in pieces (bounded memory): Heads without the batch
        dimension, probabilities in place of logits, (n + 1) // 2 frames."""
        self.eval()
        count = (pitch_db.shape[1] + 1) // 2
        pieces = []
        for start in range(0, count, piece_frames):
            first, end = max(0, start - MARGIN_FRAMES), min(count, start + piece_frames + MARGIN_FRAMES)
            cut = slice(2 * first, 2 * end)
            said = self(pitch_db[None, :, cut], attack_db[None, :, cut])
            keep = slice(start - first, min(count, start + piece_frames) - first)
            pieces.append([t[0, :, keep] for t in vars(said).values()])
        whole = Heads(*(torch.cat(parts, 1) for parts in zip(*pieces, strict=True)))
        whole.onset, whole.sounding, whole.drums = (t.sigmoid() for t in (whole.onset, whole.sounding, whole.drums))
        return whole

    def listen(self, samples: np.ndarray, features: NoteFeatures) -> Heads:
        """`heads` of a whole recording, float [samples] at 22,050 Hz mono."""
        return self.heads(*features.of(samples))


def parameter_count(finder: NoteFinder) -> int:
    return sum(p.numel() for p in finder.parameters())


def save_finder(finder: NoteFinder, path: Path, about: dict[str, str] | None = None) -> None:
    """Weights and config as safetensors; `about` adds lines of metadata."""
    tensors = {k: v.contiguous() for k, v in finder.state_dict().items() if not k.endswith("num_batches_tracked")}
    save_file(tensors, path, {"config": json.dumps(asdict(finder.config)), **(about or {})})


def load_finder(path: Path) -> NoteFinder:
    with safe_open(path, "pt") as file:
        config = json.loads(file.metadata()["config"])
        tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 (not a dict)
    finder = NoteFinder(FinderConfig(**{**config, "dilations": tuple(config["dilations"])}))
    missing, unexpected = finder.load_state_dict(tensors, strict=False)
    if unexpected or any(not k.endswith("num_batches_tracked") for k in missing):
        raise ValueError(f"{path} holds weights of another network: train it anew.")
    return finder.eval()


assert PITCH_BINS == 3 * ATTACK_BINS  # the stem reads three bins a semitone
