"""Training the `speech` encoder after what fits found: real windows with fitted events, and voices of known pitch."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparsecodec_models.speech.analysis.operating_points import point, usual_eighth
from sparsecodec_models.speech.analysis.proposals import (
    ATTACK,
    BEGINS,
    DECAY,
    F0,
    GLIDE,
    PHASE,
    ROOM,
    assemble,
    track_pitch,
    unheard,
)
from sparsecodec_models.speech.model import SpeechModel
from sparsecodec_models.speech.network.encoder import Proposals, pitch_semitones
from sparsecodec_models.speech.synthesis.controls import F0_REFERENCE_HZ
from sparsecodec_models.speech.synthesis.samples import render

from .data import colour
from .made_voices import LOWEST_HZ, made_voice
from .speech_task import BIT_WEIGHT, pitch_distance, sound_of_events

BEGIN_WEIGHT = 2.0
FRAMES_APART = 3, 16  # of a made voice's events
MADE_KBPS = 1.4, 2.4, 4.0
MOVED_TO_HZ = 550.0  # a spoken spectrum has formants below a higher pitch: there would be noise alone


@dataclass(frozen=True)
class FittedWindow:
    """A window of a recording and its events at some bitrate.

    samples float32 [n]; vector float32 [m, 32]; time int64 [m], samples, at frames of the encoder; kbps: the bitrate;
    fitted: whether the events were fitted to the samples, or are as an encoder proposed them.
    """

    samples: NDArray[np.float32]
    vector: NDArray[np.float32]
    time: NDArray[np.int64]
    kbps: float
    fitted: bool

    @staticmethod
    def read(path: Path) -> FittedWindow:
        """Of a file that models/corpus/fit_windows.py wrote."""
        with np.load(path) as held:
            samples = held["x"].astype(np.float32) / 32767
            fitted = "effort" not in held or int(held["effort"]) > 0
            return FittedWindow(samples, held["vector"], held["time"], float(held["kbps"]), fitted)


@dataclass(frozen=True)
class Batch:
    """b windows of n samples, t frames each; their events, m over all rows, ascending.

    windows float32 [b, n]; row, frame int64 [m]; vector float32 [m, 32]; step float32 [m], the quantiser's;
    told bool [m]: whether this is what the event should say, not only where it should be. Of frames, float32 [b, t]:
    switch: probability that an event is there, begins: whether it would begin a voice, both as the given encoder says,
    NaN where nobody knows; pitch_hz: 0 where there is none, or nobody knows.
    """

    windows: Tensor
    row: Tensor
    frame: Tensor
    vector: Tensor
    step: Tensor
    told: Tensor
    switch: Tensor
    begins: Tensor
    pitch_hz: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


class FittedTask:
    """Holds the model under training and turns fitted windows into losses. Of the `size` windows of a batch the last is
    a made voice: events of a window moved in pitch and rendered, or sung by formula. Decoder and prior stay."""

    def __init__(
        self,
        model: SpeechModel,
        windows: Sequence[Path],
        valid: Sequence[Path],
        *,
        size: int = 3,
        n_voices: int = 16,
        seed: int = 0,
    ) -> None:
        """windows, valid: files as for `FittedWindow.read`, to train and to validate on; n_voices: made voices to
        validate on."""
        self.model, self.size, self.seed = model, size, seed
        self.unreadable: set[Path] = set()
        self._paths = list(windows)
        self._given = copy.deepcopy(model).eval().requires_grad_(False)
        self._tables = self._given.decoder.tables.in_numpy()
        self._said: dict[Path, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
        for part in (model.decoder, model.prior):
            part.requires_grad_(False)
        self._valid = [self._gathered([self._real(path)]) for path in valid]
        rng = np.random.default_rng(2**20)
        self._voices = [self._gathered([self._by_formula(rng)]) for _ in range(n_voices)]

    @property
    def windows(self) -> FittedTask:
        return self

    def state(self) -> dict[str, Any]:
        return {}

    def export(self) -> bytes:
        return self.model.to_bytes()

    def batch(self, step: int) -> Batch:
        rng = np.random.default_rng([self.seed, step])
        rows = [self._real(self._drawn(rng)) for _ in range(self.size - 1)]
        rows.append(self._by_formula(rng) if step % 2 else self._moved(rng, self._drawn(rng)))
        return self._gathered(rows)

    def _drawn(self, rng: np.random.Generator) -> Path:
        return self._paths[rng.integers(len(self._paths))]

    def _gathered(self, rows: Sequence[dict[str, Any]]) -> Batch:
        joined: dict[str, Any] = {}
        counts = [len(row["frame"]) for row in rows]
        joined["row"] = torch.repeat_interleave(torch.arange(len(rows)), torch.tensor(counts))
        for name in ("windows", "switch", "begins", "pitch_hz"):
            joined[name] = torch.from_numpy(np.stack([np.asarray(row[name]) for row in rows]))
        for name in ("frame", "vector", "step", "told"):
            joined[name] = torch.from_numpy(np.concatenate([row[name] for row in rows]))
        return Batch(**joined)

    def _real(self, path: Path) -> dict[str, Any]:
        window = FittedWindow.read(path)
        switch, begins = self._as_given(path, window.samples)
        controls = self._tables.controls(window.vector)
        voiced = np.asarray(controls.voiced)
        pitch_hz = np.zeros(len(switch), np.float32)
        frame = window.time // self.model.config.hop
        pitch_hz[frame[voiced]] = np.asarray(controls.f0_hz)[voiced]
        return self._row(window.samples, switch, begins, pitch_hz, window, window.fitted)

    def _row(
        self,
        samples: NDArray[np.float32],
        switch: NDArray[np.float32],
        begins: NDArray[np.float32],
        pitch_hz: NDArray[np.float32],
        window: FittedWindow,
        told: bool,
    ) -> dict[str, Any]:
        return {
            "windows": samples,
            "switch": switch,
            "begins": begins,
            "pitch_hz": pitch_hz,
            "frame": window.time // self.model.config.hop,
            "vector": window.vector,
            "step": np.full(len(window.time), point(usual_eighth(window.kbps)).step, np.float32),
            "told": np.full(len(window.time), told),
        }

    @torch.no_grad()
    def _as_given(self, path: Path, samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if path not in self._said:
            encoder = self._given.encoder
            said = encoder(encoder.features.spectrogram(torch.from_numpy(samples))[None])
            self._said[path] = torch.sigmoid(said.switch[0]).numpy(), said.named[0, BEGINS].numpy()
        return self._said[path]

    def _moved(self, rng: np.random.Generator, path: Path) -> dict[str, Any]:
        """A window's events at another pitch, rendered: all that they say is known."""
        window, config = FittedWindow.read(path), self.model.config
        switch, begins = self._as_given(path, window.samples)
        vector, dim = window.vector.copy(), self._tables
        voiced = np.asarray(dim.controls(vector).voiced)
        semitones = vector[:, F0] * dim.scale[F0] + dim.offset[F0]
        middle = float(np.median(semitones[voiced])) if voiced.any() else 0.0
        wanted = rng.uniform(*(12 * np.log2(np.array([LOWEST_HZ, MOVED_TO_HZ]) / F0_REFERENCE_HZ)))
        semitones = wanted + rng.uniform(0.3, 1.2) * (semitones - middle)
        semitones = np.clip(semitones, *(12 * np.log2(np.array([LOWEST_HZ, MOVED_TO_HZ]) / F0_REFERENCE_HZ)))
        vector[:, F0] = (semitones - dim.offset[F0]) / dim.scale[F0]
        vector[:, config.named_dims :] += rng.normal(0.0, 0.3, (1, config.coefficients))  # another voice
        vector = vector.astype(np.float32)
        samples = render(dim, vector, window.time, int(rng.integers(2**31)), len(window.samples))
        voiced = np.asarray(dim.controls(vector).voiced)
        starts = vector[:, BEGINS] > 0.5
        at = np.arange(len(switch)) * config.hop
        after = np.searchsorted(window.time, at)
        rows = np.flatnonzero((after > 0) & (after < len(vector)))
        event = after[rows]
        rows = rows[voiced[event - 1] & voiced[event] & ~starts[event]]
        pitch_hz = np.zeros(len(at), np.float32)
        pitch_hz[rows] = F0_REFERENCE_HZ * 2 ** (np.interp(at[rows], window.time, semitones) / 12)
        coloured = rng.random() < 0.5
        samples = self._recorded(rng, samples, coloured)
        moved = FittedWindow(samples, vector, window.time, window.kbps, True)
        return self._row(samples, switch, begins, pitch_hz, moved, not coloured)

    def _by_formula(self, rng: np.random.Generator) -> dict[str, Any]:
        """Notes and glides, with events at times as chance will have it."""
        config, n = self.model.config, len(FittedWindow.read(self._paths[0]).samples)
        samples, f0_hz = made_voice(rng, n, config.sample_rate)
        level_db = rng.uniform(-20.0, 0.0)
        samples = self._recorded(rng, samples * np.float32(10 ** (level_db / 20)), rng.random() < 0.5)
        pitch_hz = np.append(f0_hz, 0.0)[:: config.hop].astype(np.float32)
        first = np.flatnonzero((pitch_hz > 0) & (np.append(0.0, pitch_hz[:-1]) == 0))
        event = np.cumsum(rng.integers(*FRAMES_APART, len(pitch_hz)))
        event = event[event < len(pitch_hz)]
        frame = np.union1d(first, event[pitch_hz[event] > 0])
        vector = np.zeros((len(frame), config.vector_dims), np.float32)
        vector[:, BEGINS] = np.isin(frame, first)
        unknown = np.full(len(pitch_hz), np.nan, np.float32)
        made = FittedWindow(samples, vector, frame * config.hop, float(rng.choice(MADE_KBPS)), False)
        return self._row(samples, unknown, unknown, pitch_hz, made, False)

    def _recorded(self, rng: np.random.Generator, samples: NDArray[np.float32], coloured: bool) -> NDArray[np.float32]:
        if coloured:
            samples = colour(samples, self.model.config.sample_rate, rng)
        noise = rng.normal(size=len(samples)) * np.sqrt(np.mean(samples**2))
        return (samples + 10 ** (rng.uniform(-70.0, -20.0) / 20) * noise).astype(np.float32)

    def loss(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Losses of one batch by name; "total" is the one to minimise."""
        batch = batch.to(self.model.device)
        proposals = self.model.encoder(self.model.encoder.features.spectrogram(batch.windows))
        out = self._imitation(proposals, batch)
        out["sound"], out["bits"] = self._sound(proposals, batch)
        imitated = 0.5 * (out["named"] + out["shape"]) + 0.3 * out["voicing"]
        sound = 3.0 * (out["sound"] + BIT_WEIGHT * out["bits"])
        out["total"] = out["switch"] + BEGIN_WEIGHT * out["begins"] + out["pitch"] + imitated + sound
        return out

    def _imitation(self, proposals: Proposals, batch: Batch) -> dict[str, Tensor]:
        config, decoder = self.model.config, self.model.decoder
        huber = nn.functional.smooth_l1_loss
        known = ~batch.switch.isnan()
        switch = nn.functional.binary_cross_entropy_with_logits(proposals.switch[known], batch.switch[known])
        begins = huber(proposals.named[:, BEGINS][known], batch.begins[known])
        told, row, frame = batch.told, batch.row, batch.frame
        count = config.named_dims
        place = frame * config.hop + row * 2**40
        heard = ~unheard(decoder, batch.vector, place)[:, :count].float().bool()
        weight = torch.ones(count, device=row.device)
        weight[[F0, GLIDE, PHASE, BEGINS]] = 0.0
        weight[[ATTACK, DECAY]] = 0.5
        weight[ROOM] = 0.2
        weight = weight * heard * told[:, None]
        named = huber(proposals.named[row, :, frame], batch.vector[:, :count], reduction="none") * weight
        shape = proposals.shape[row, :, frame]
        wanted = batch.vector[:, count:]
        share = told.float() / told.sum().clamp_min(1)
        basis = decoder.shape_basis[:, config.bands :]
        mean = decoder.shape_mean[config.bands :]
        voicing = huber(shape @ basis + mean, wanted @ basis + mean, reduction="none").mean(1)
        return {
            "switch": 2.0 * switch,
            "begins": begins,
            "named": (named.mean(1) * share).sum(),
            "shape": (huber(shape, wanted, reduction="none").mean(1) * share).sum(),
            "voicing": (voicing * share).sum(),
            "pitch": self._pitch(proposals, batch),
        }

    def _pitch(self, proposals: Proposals, batch: Batch) -> Tensor:
        config = self.model.config
        row, frame = torch.nonzero(batch.pitch_hz > 0, as_tuple=True)
        logits = proposals.pitch_logits[row, :, frame]
        pitch = pitch_distance(logits, batch.pitch_hz[row, frame], config)
        # each window counts alike, whether its pitch is known at all frames or at events only
        share = 1.0 / torch.bincount(row, minlength=len(batch.windows)).clamp_min(1)[row]
        return 0.5 * (pitch * share).sum() / len(batch.windows)

    def _sound(self, proposals: Proposals, batch: Batch) -> tuple[Tensor, Tensor]:
        """Distance of the encoder's events, at the places of the batch's, to the windows, and bits of one."""
        begins = batch.vector[:, BEGINS] > 0.5
        vector, time = assemble(proposals, batch.row, batch.frame, self.model.decoder, begins)
        return sound_of_events(self.model, batch.windows, vector, batch.row, time, batch.step[:, None])

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Losses of held-out windows, and the share of frames of made voices whose pitch is off: by 50 cents, by that
        on the path through all frames, and by half an octave there."""
        torch.manual_seed(0)
        found: dict[str, list[float]] = {}

        def add(name: str, value: float) -> None:
            found.setdefault(name, []).append(value)

        encoder = self.model.encoder
        for batch in self._valid:
            proposals = encoder(encoder.features.spectrogram(batch.windows))
            for name, value in self._imitation(proposals, batch).items():
                add(name, float(value))
            distance, bits = self._sound(proposals, batch)
            add("sound", float(distance))
            add("bits", float(bits))
            add("pitch_wrong", self._off(proposals, batch)[0])
        for batch in self._voices:
            proposals = encoder(encoder.features.spectrogram(batch.windows))
            add("voices_argmax", self._off(proposals, batch)[0])
            near, far = self._off(track_pitch(proposals), batch)
            add("voices_path", near)
            add("voices_octave", far)
        return {name: float(np.mean(values)) for name, values in found.items()}

    def _off(self, proposals: Proposals, batch: Batch) -> tuple[float, float]:
        row, frame = torch.nonzero(batch.pitch_hz > 0, as_tuple=True)
        if not len(row):
            return 0.0, 0.0
        said = pitch_semitones(proposals.pitch_logits[row, :, frame], self.model.config)
        off = (said - 12 * torch.log2(batch.pitch_hz[row, frame] / F0_REFERENCE_HZ)).abs()
        return float((off > 0.5).float().mean()), float((off > 6.0).float().mean())
