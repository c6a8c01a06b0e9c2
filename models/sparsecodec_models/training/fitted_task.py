"""Training the `speech` encoder after what fits found: real windows with their fitted events, and voices whose pitch is known.

The decoder and the prior stay as they are.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparsecodec_models.dsp.sound_distance import SoundDistance
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
    measure_pitch,
    track_pitch,
    unheard,
)
from sparsecodec_models.speech.model import SpeechModel
from sparsecodec_models.speech.network.encoder import Proposals, pitch_semitones
from sparsecodec_models.speech.synthesis.controls import F0_REFERENCE_HZ
from sparsecodec_models.speech.synthesis.samples import render

from .data import colour
from .made_voices import LOWEST_HZ, made_voice

GAP = 8192  # samples between rows that are rendered as one timeline: they do not touch
BIT_WEIGHT = 0.0015  # what a bit of an event costs, in units of the distance
BEGIN_WEIGHT = 2.0
MOVED_TO_HZ = 550.0  # a spoken spectrum has formants below a higher pitch: there would be noise alone
VALIDATION_VOICES = 16


@dataclass(frozen=True)
class FittedWindow:
    """samples float32 [n]; vector float32 [m, 32]; time int64 [m], samples, frames of the encoder; kbps: the bitrate that the
    events were chosen for; fitted: whether they were fitted to the samples, too, or are as an encoder proposed them."""

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
    told bool [m]: whether this is what the event should say, not only where it should be; real bool [b]: the sound counts;
    switch float32 [b, t]: probability that an event is there, begins [b, t]: whether it would begin a voice, both as the given
    encoder says, NaN where nobody knows; pitch_hz float32 [b, t]: 0 where there is none or nobody knows.
    """

    windows: Tensor
    row: Tensor
    frame: Tensor
    vector: Tensor
    step: Tensor
    told: Tensor
    real: Tensor
    switch: Tensor
    begins: Tensor
    pitch_hz: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


class FittedTask:
    """Holds the model under training and turns fitted windows into losses. Of every `size` windows of a batch the last is a made
    voice: events of a window moved in pitch and rendered, or sung by formula."""

    def __init__(
        self, model: SpeechModel, windows: Sequence[Path], valid: Sequence[Path], *, size: int = 3, seed: int = 0
    ) -> None:
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
        self._voices = [self._gathered([self._by_formula(rng)]) for _ in range(VALIDATION_VOICES)]

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
        for name in ("windows", "real", "switch", "begins", "pitch_hz"):
            joined[name] = torch.from_numpy(np.stack([np.asarray(row[name]) for row in rows]))
        for name in ("frame", "vector", "step", "told"):
            joined[name] = torch.from_numpy(np.concatenate([row[name] for row in rows]))
        return Batch(**joined)

    def _real(self, path: Path) -> dict[str, Any]:
        window = FittedWindow.read(path)
        switch, begins = self._as_given(path, window.samples)
        voiced = np.asarray(self._tables.controls(window.vector).voiced)
        pitch_hz = np.zeros(len(switch), np.float32)
        frame = window.time // self.model.config.hop
        f0_hz = np.asarray(self._tables.controls(window.vector).f0_hz)
        pitch_hz[frame[voiced]] = f0_hz[voiced]
        return self._row(window.samples, switch, begins, pitch_hz, True, window, window.fitted)

    def _row(
        self,
        samples: NDArray[np.float32],
        switch: NDArray[np.float32],
        begins: NDArray[np.float32],
        pitch_hz: NDArray[np.float32],
        real: bool,
        window: FittedWindow | None,
        told: bool = True,
    ) -> dict[str, Any]:
        dims = self.model.config.vector_dims
        vector = np.zeros((0, dims), np.float32) if window is None else window.vector
        frame = np.zeros(0, np.int64) if window is None else window.time // self.model.config.hop
        step = 1.0 if window is None else point(usual_eighth(window.kbps)).step
        return {
            "windows": samples,
            "real": np.bool_(real),
            "switch": switch,
            "begins": begins,
            "pitch_hz": pitch_hz,
            "frame": frame,
            "vector": vector,
            "step": np.full(len(frame), step, np.float32),
            "told": np.full(len(frame), told),
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
        inside = (after > 0) & (after < len(vector))
        after = after.clip(1, max(1, len(vector) - 1))
        both = inside & voiced[after - 1] & voiced[after] & ~starts[after]
        pitch_hz = F0_REFERENCE_HZ * 2 ** (np.interp(at, window.time, semitones) / 12) * both
        coloured = rng.random() < 0.5
        samples = self._recorded(rng, samples, coloured)
        moved = FittedWindow(samples, vector, window.time, window.kbps, True)
        return self._row(samples, switch, begins, pitch_hz.astype(np.float32), False, moved, not coloured)

    def _by_formula(self, rng: np.random.Generator) -> dict[str, Any]:
        config, n = self.model.config, len(FittedWindow.read(self._paths[0]).samples)
        samples, f0_hz = made_voice(rng, n, config.sample_rate)
        level_db = rng.uniform(-20.0, 0.0)
        samples = self._recorded(rng, samples * np.float32(10 ** (level_db / 20)), rng.random() < 0.5)
        pitch_hz = np.append(f0_hz, 0.0)[:: config.hop].astype(np.float32)
        unknown = np.full(len(pitch_hz), np.nan, np.float32)
        return self._row(samples, unknown, unknown, pitch_hz, False, None)

    def _recorded(
        self, rng: np.random.Generator, samples: NDArray[np.float32], coloured: bool
    ) -> NDArray[np.float32]:
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
        place = torch.log2(batch.pitch_hz[row, frame] / config.pitch_min_hz) * config.pitch_bins_per_octave
        candidates = torch.arange(config.pitch_bins, device=row.device)
        soft = torch.softmax(-0.5 * ((candidates - place[:, None]) / 0.8) ** 2, -1)
        pitch = -(torch.log_softmax(logits, -1) * soft).sum(-1)
        # each window counts alike, whether its pitch is known at all frames or at events only
        share = 1.0 / torch.bincount(row, minlength=len(batch.windows)).clamp_min(1)[row]
        return 0.5 * (pitch * share).sum() / len(batch.windows)

    def _sound(self, proposals: Proposals, batch: Batch, noisy: bool = True) -> tuple[Tensor, Tensor]:
        """Distance of the encoder's events, at the places of the fitted ones, to the real windows, and bits of one."""
        decoder, config = self.model.decoder, self.model.config
        real = batch.real[batch.row]
        row, frame, step = batch.row[real], batch.frame[real], batch.step[real][:, None]
        windows = batch.windows[batch.real]
        n_rows, samples = windows.shape
        number = (torch.cumsum(batch.real, 0) - 1)[row]
        some = Proposals(*(getattr(proposals, f.name) for f in fields(Proposals)))
        vector, time = assemble(some, row, frame, decoder, batch.vector[real][:, BEGINS] > 0.5)
        place = time + number * (samples + GAP)
        timeline = nn.functional.pad(windows, (0, GAP)).reshape(-1)
        measured = measure_pitch(decoder, vector.detach(), place, timeline)
        vector = torch.cat([vector[:, :F0], measured[:, F0 : F0 + 1], vector[:, F0 + 1 :]], 1)
        jitter = (torch.rand_like(vector) - 0.5) * step if noisy else torch.round(vector / step) * step - vector
        jitter[:, [PHASE, BEGINS, ROOM]] = 0.0
        vector = vector + jitter.detach()
        seed = int(torch.randint(2**31, ())) if noisy else 0
        rendered = render(decoder.tables, vector, place, seed, n_rows * (samples + GAP))
        distance = SoundDistance(windows, config.sample_rate)(rendered.view(n_rows, -1)[:, :samples])
        heard = ~unheard(decoder, vector, place)
        heard[:, BEGINS] = False
        bits = self.model.prior.bits(vector, vector[:, BEGINS].detach() > 0.5, heard, step)
        return distance, bits.sum(1).mean()

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Losses of held-out windows, their sound with rounded numbers, and the share of frames of made voices that are more than
        50 cents or half an octave off on the path."""
        found: dict[str, list[float]] = {}

        def add(name: str, value: float) -> None:
            found.setdefault(name, []).append(value)

        encoder, config = self.model.encoder, self.model.config
        for batch in self._valid:
            proposals = encoder(encoder.features.spectrogram(batch.windows))
            for name, value in self._imitation(proposals, batch).items():
                add(name, float(value))
            distance, bits = self._sound(proposals, batch, noisy=False)
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
