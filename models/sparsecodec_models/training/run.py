"""A run of training from recordings: what it begins with, and how it goes on."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import Any

from sparsecodec_formats.errors import SicError
from sparsecodec_models.errors import FolderNotInCorpus, OtherRecordings, WeightsOfAnotherPreset
from sparsecodec_models.presets import PRESETS

from .corpus import Corpus
from .loop import UNWATCHED, RunStore, Task, Watch, train
from .plan import RunWindows, TrainingPlan
from .ranks import ALONE, Ranks


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
        ranks: Ranks = ALONE,
    ) -> None:
        """weights: a weights file to begin from; checkpoint: as `load_checkpoint` gives it, of a run of this plan.
        ranks: the processes that train together; the batch of the plan is that of each.

        SicError when the weights are of another preset, the checkpoint was made with other recordings, or no
        recording lies in a folder of `half_weight`.
        """
        self.plan, self.corpus, self._checkpoint, self._ranks = plan, corpus, checkpoint, ranks
        self.first_step = 0 if checkpoint is None else int(checkpoint["step"])
        on_path = {part for r in corpus.train for part in r.path.parent.parts}
        for folder in plan.half_weight:
            if folder not in on_path:
                raise FolderNotInCorpus(f"{folder}: no recording to train on lies in a folder of this name")
        if checkpoint is not None and checkpoint["about"]["corpus"] != corpus.fingerprint:
            raise OtherRecordings(
                f"{plan.data[0]}: the recordings ({len(corpus.train)} to train on, {len(corpus.valid)} to validate on)"
                " are not those that this run began with; give it the same, or begin another run from its weights"
            )
        config, state = (None, None) if checkpoint is None else (checkpoint["about"]["config"], checkpoint["task"])
        training = PRESETS[plan.preset].training()
        try:
            model = training.model(weights, config)
        except SicError as error:
            raise WeightsOfAnotherPreset(f"{plan.weights}: {error}", plan.preset) from error
        self._config = asdict(model.config)
        self.task: Task = training.task(model, plan, RunWindows(corpus, plan, ranks.rank), state)
        self.task.model.to(device)
        self._schedule = training.schedule(plan)

    def run(
        self,
        store: RunStore,
        *,
        workers: int = 1,
        max_steps: float = math.inf,
        max_hours: float = math.inf,
        sample_every: int = 0,
        watch: Watch = UNWATCHED,
    ) -> int:
        """Train (see `loop.train`); returns the steps done, of `plan.steps`."""
        about = {"plan": asdict(self.plan), "corpus": self.corpus.fingerprint, "config": self._config}
        schedule = replace(self._schedule, max_steps=max_steps, max_hours=max_hours, sample_every=sample_every)
        return train(
            self.task,
            schedule,
            store,
            workers=workers,
            checkpoint=self._checkpoint,
            about=about,
            watch=watch,
            ranks=self._ranks,
        )

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.task.model.parameters())
