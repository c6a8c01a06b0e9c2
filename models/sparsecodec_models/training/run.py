"""A run of training from folders of recordings: what shapes it, what it begins with, and how it goes on."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sparsecodec_formats.errors import SicError
from sparsecodec_models.reference.model import ReferenceModel
from sparsecodec_models.speech.model import SpeechModel
from sparsecodec_models.speech.synthesis.controls import SpeechDecoder

from .corpus import Corpus
from .data import Windows
from .klt import Klt, perceptual_weights
from .loop import UNWATCHED, Schedule, Task, Watch, train
from .reference_task import ReferenceTask
from .reference_task import schedule as reference_schedule
from .speech_task import SpeechTask

VALID_SEED = 1
FINE_TUNING_RATE = 2e-4  # a quarter of the rate for new weights, so that what they know is not lost at once


@dataclass(frozen=True)
class TrainingPlan:
    """What shapes a run. Its checkpoint keeps it, as a run that goes on otherwise would not be the same.

    data, valid: folders (no valid: some of data is held out). weights: name of what it begins from, or None. seconds:
    length of a window of `speech`; imitation_steps: its steps after the teacher alone, before the sound counts (0 for
    other presets). half_weight: folders drawn half as often. vary: recordings are heard at other
    speeds and coloured.
    """

    data: tuple[str, ...]
    valid: tuple[str, ...]
    preset: str
    weights: str | None
    steps: int
    batch: int
    seconds: float
    imitation_steps: int
    half_weight: tuple[str, ...]
    vary: bool

    @staticmethod
    def of(
        *,
        data: tuple[str, ...],
        valid: tuple[str, ...] = (),
        preset: str | None = None,
        weights: str | None = None,
        steps: int | None = None,
        batch: int | None = None,
        seconds: float | None = None,
        imitation_steps: int | None = None,
        half_weight: tuple[str, ...] = (),
        vary: bool | None = None,
    ) -> TrainingPlan:
        """A new run, with the preset's defaults for what is None. SicError for what the preset has not."""
        if preset == "reference":
            if seconds is not None or imitation_steps is not None:
                raise SicError("windows' length and imitation are of the speech preset; reference has its own")
            steps, batch, seconds, imitation_steps = steps or 100_000, batch or 2, 0.0, 0
        else:
            steps = steps or (2000 if weights else 6000)
            batch, seconds = batch or 8, seconds or 2.0
            if imitation_steps is None:  # of the shipped weights' run: 1400 of 3500
                imitation_steps = 0 if weights else round(0.4 * steps)
        preset = preset or "speech"
        vary = (preset == "speech" and not weights) if vary is None else vary
        return TrainingPlan(data, valid, preset, weights, steps, batch, seconds, imitation_steps, half_weight, vary)


class Training:
    """A run that is ready to begin, or to go on from a checkpoint.

    Attributes: plan; corpus; task; first_step, 0 or the checkpoint's.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        corpus: Corpus,
        *,
        weights: bytes | None = None,
        checkpoint: dict[str, Any] | None = None,
        device: str = "cpu",
    ) -> None:
        """weights: a weights file to begin from; checkpoint: as `load_checkpoint` gives it, of a run of this plan.

        SicError when the weights are of another preset, the checkpoint was made with other recordings, or no
        recording lies in a folder of `half_weight`.
        """
        self.plan, self.corpus, self._checkpoint = plan, corpus, checkpoint
        self.first_step = 0 if checkpoint is None else int(checkpoint["step"])
        self.task: Task
        on_path = {part for r in corpus.train for part in r.path.parent.parts}
        for folder in plan.half_weight:
            if folder not in on_path:
                raise SicError(f"{folder}: no recording to train on lies in a folder of this name (--half-weight)")
        if checkpoint is not None and checkpoint["about"]["corpus"] != corpus.fingerprint:
            raise SicError(
                f"{plan.data[0]}: the recordings ({len(corpus.train)} to train on, {len(corpus.valid)} to validate on)"
                " are not those that this run began with; give it the same, or begin another run --from its weights"
            )
        try:
            model = self._model(weights)
        except SicError as error:
            raise SicError(f"{plan.weights}: {error} (--from, with --preset {plan.preset})") from error
        self._config = asdict(model.config)
        self.task = self._speech(model) if isinstance(model, SpeechModel) else self._reference(model)
        self.task.model.to(device)

    def run(
        self,
        out: Path,
        *,
        workers: int = 1,
        max_steps: float = math.inf,
        max_hours: float = math.inf,
        sample_every: int = 0,
        watch: Watch = UNWATCHED,
    ) -> int:
        """Train into the folder `out` (see `loop.train`); returns the steps done, of `plan.steps`."""
        about = {"plan": asdict(self.plan), "corpus": self.corpus.fingerprint, "config": self._config}
        schedule = replace(self.schedule, max_steps=max_steps, max_hours=max_hours, sample_every=sample_every)
        return train(self.task, schedule, out, workers=workers, checkpoint=self._checkpoint, about=about, watch=watch)

    @property
    def schedule(self) -> Schedule:
        steps = self.plan.steps
        if self.plan.preset == "reference":
            return reference_schedule(steps, math.inf)
        rate = FINE_TUNING_RATE if self.plan.weights else Schedule.learning_rate
        return Schedule(steps, rate, warmup=min(Schedule.warmup, max(1, steps // 10)))

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.task.model.parameters())

    def _windows(self, samples: int, sample_rate: int) -> Windows:
        weight = dict.fromkeys(self.plan.half_weight, 0.5)
        return Windows(self.corpus.train, samples, sample_rate, 0, weight, vary=self.plan.vary)

    def _held_out(self, n: int, samples: int, sample_rate: int) -> np.ndarray:
        return Windows(self.corpus.valid, samples, sample_rate, VALID_SEED).batch(0, n)

    def _model(self, weights: bytes | None) -> SpeechModel | ReferenceModel:
        """The model that the run begins with; of a run that goes on, one of the same sizes."""
        config = self._checkpoint["about"]["config"] if self._checkpoint is not None else None
        if self.plan.preset == "reference":
            if config is not None:
                return ReferenceModel.of_fields(config)
            return ReferenceModel().draw_weights(0) if weights is None else ReferenceModel.from_bytes(weights)
        if config is None and weights is not None:
            return SpeechModel.from_bytes(weights)
        return SpeechModel.drawn(0) if config is None else SpeechModel.of_fields(config)

    def _speech(self, model: SpeechModel) -> SpeechTask:
        klt = None  # made from the recordings
        if self._checkpoint is not None:
            klt = Klt(*(np.asarray(part) for part in self._checkpoint["task"]["klt"]))
        elif self.plan.weights is not None:
            klt = klt_of(model.decoder)
        rate = model.config.sample_rate
        samples = int(self.plan.seconds * rate)
        return SpeechTask(
            model,
            self._windows(samples, rate),
            self._held_out(12, 2 * samples, rate),
            batch_size=self.plan.batch,
            imitation_steps=self.plan.imitation_steps,
            klt=klt,
        )

    def _reference(self, model: ReferenceModel) -> ReferenceTask:
        window, rate = model.config.window, model.config.sample_rate
        held_out = self._held_out(4, window, rate)
        return ReferenceTask(model, self._windows(window, rate), held_out, batch_size=self.plan.batch)


def klt_of(decoder: SpeechDecoder) -> Klt:
    """The map that a decoder has, as the teacher needs it, and so its way back: the coefficients whose levels are
    nearest in the weighted sense of `fit_klt`, which it then agrees with."""
    mean = decoder.shape_mean.detach().cpu().double().numpy()
    basis = decoder.shape_basis.detach().cpu().double().numpy()
    weighted = basis * perceptual_weights(decoder.config) ** 2
    return Klt(mean, basis, np.linalg.solve(basis @ weighted.T, weighted).T)
