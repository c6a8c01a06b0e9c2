"""What a step of training the `reference` preset is: 32 events removed from a window, as its author does it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsecodec_models.dsp.sound_distance import SoundDistance
from sparsecodec_models.reference.decoder import draw_noise
from sparsecodec_models.reference.encoder import magnitudes
from sparsecodec_models.reference.model import ReferenceModel
from sparsecodec_models.reference.objective import Analysis, analyse, author_losses, fade_second_half, peak_normalised
from sparsecodec_models.removal import energy

from .data import Windows
from .loop import Schedule
from .plan import PresetTraining, RunWindows, TrainingPlan

LEARNING_RATE = 1e-4  # the author's, and constant
SOUND_WEIGHT = 100.0  # brings a distance of order 1 to the size of sums over a spectrogram
VALIDATION_WINDOWS = 4
VALIDATION_NOISE = 2**63  # far from any step, so that no batch has heard it


class ReferenceTask:
    """Holds the model under training and turns batches of windows into losses."""

    def __init__(
        self, model: ReferenceModel, train: Windows, valid: np.ndarray, *, batch_size: int, rank: int = 0
    ) -> None:
        """train: of windows as long as the model's; valid: float32 [n, window], kept out of training; rank: as for
        `Windows.batch`."""
        if train.samples != model.config.window or valid.shape[1:] != (model.config.window,):
            raise ValueError(f"windows of {model.config.window} samples are needed")
        self.model: ReferenceModel = model
        self.config, self.windows, self.batch_size, self.rank = model.config, train, batch_size, rank
        self._valid = valid

    def __getstate__(self) -> dict[str, Any]:
        # workers make batches only
        return {**self.__dict__, "model": None, "_valid": None}

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Windows float32 [batch, window] and noise float32 [batch, n_events, envelope_samples]."""
        noise = self._noise(step, self.batch_size, self.rank)
        return self.windows.batch(step, self.batch_size, self.rank), noise

    def _noise(self, seed: int, batch_size: int, rank: int = 0) -> np.ndarray:
        n = self.config.events_per_window
        numbers = range(rank * batch_size * n, (rank + 1) * batch_size * n)
        noise = draw_noise(seed, numbers, self.config.envelope_samples)
        return noise.reshape(batch_size, n, -1)

    def state(self) -> dict[str, Any]:
        return {}

    def export(self) -> bytes:
        return self.model.to_bytes()

    def loss(self, batch: tuple[np.ndarray, np.ndarray], step: int) -> dict[str, Tensor]:
        """Losses of one batch by name; "total" is the one to minimise."""
        return self._losses(*self._analyse(*batch))

    def _analyse(self, windows: np.ndarray, noise: np.ndarray) -> tuple[Tensor, Analysis]:
        device = self.model.decoder.rooms.device
        samples = peak_normalised(torch.from_numpy(windows).to(device))
        return samples, analyse(self.model, samples, torch.from_numpy(noise).to(device))

    def _losses(self, samples: Tensor, found: Analysis) -> dict[str, Tensor]:
        target = fade_second_half(samples)
        author = author_losses(found, magnitudes(target, self.config.n_frames, self.config))
        distance = SoundDistance(target, self.config.sample_rate, envelope_weight=0.0)
        sound = distance(found.samples.sum(dim=1))
        total = author.total + SOUND_WEIGHT * sound
        return author._asdict() | {"sound": sound, "total": total}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Losses on the held-out windows, and how far the events lower the energy of the half they lie in."""
        sums: dict[str, float] = {}
        half = self.config.n_frames // 2
        for index in range(len(self._valid)):
            noise = self._noise(VALIDATION_NOISE + index, 1)
            samples, found = self._analyse(self._valid[index : index + 1], noise)
            before = magnitudes(samples, self.config.n_frames, self.config)[:, :half]
            after = before - found.spectrogram.sum(dim=1)[:, :half]
            removed_db = 10 * np.log10((energy(before) + 1e-12) / (energy(after) + 1e-12))
            values = {k: float(v) for k, v in self._losses(samples, found).items()} | {"removed_db": removed_db}
            for name, value in values.items():
                sums[name] = sums.get(name, 0.0) + value / len(self._valid)
        return sums


class ReferenceTraining(PresetTraining):
    """Windows as long as the model's, at the author's constant rate, after a short warm-up (ours)."""

    def defaults(self, *, fine_tuning: bool, steps: int | None) -> dict[str, Any]:
        return {"steps": 100_000, "batch": 2, "vary": False}

    def model(self, weights: bytes | None, config: dict[str, Any] | None) -> ReferenceModel:
        if config is not None:
            return ReferenceModel.of_fields(config)
        return ReferenceModel().draw_weights(0) if weights is None else ReferenceModel.from_bytes(weights)

    def task(
        self, model: ReferenceModel, plan: TrainingPlan, windows: RunWindows, state: dict[str, Any] | None
    ) -> ReferenceTask:
        window, rate = model.config.window, model.config.sample_rate
        valid = windows.to_validate_on(VALIDATION_WINDOWS, window, rate)
        return ReferenceTask(model, windows.to_train_on(window, rate), valid, batch_size=plan.batch, rank=windows.rank)

    def schedule(self, plan: TrainingPlan) -> Schedule:
        return Schedule(plan.steps, LEARNING_RATE, LEARNING_RATE, warmup=10)
