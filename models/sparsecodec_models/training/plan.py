"""What shapes a run of training, and what each preset says of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError
from sparsecodec_models.presets import DEFAULT_PRESET, PRESETS, presets_with

from .corpus import Corpus
from .data import Windows
from .loop import Schedule, Task

VALID_SEED = 1


@dataclass(frozen=True)
class TrainingPlan:
    """What shapes a run. Its checkpoint keeps it, as a run that goes on otherwise would not be the same.

    data, valid: folders (no valid: some of data is held out). weights: name of what it begins from, or None.
    half_weight: folders drawn half as often. vary: recordings are heard at other speeds and coloured.
    Of presets that have them (`Preset.training_options`), else None: seconds, length of a window; imitation_steps,
    steps after the teacher alone, before the sound counts.
    """

    data: tuple[str, ...]
    valid: tuple[str, ...]
    preset: str
    weights: str | None
    steps: int
    batch: int
    seconds: float | None
    imitation_steps: int | None
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
        row = PRESETS[preset or DEFAULT_PRESET]
        options = {"seconds": seconds, "imitation_steps": imitation_steps}
        for name, value in options.items():
            if value is not None and name not in row.training_options:
                others = " or ".join(presets_with(name))
                raise SicError(f"{name.replace('_', ' ')} can be chosen for the {others} preset only, not {row.name}")
        given = options | {"steps": steps, "batch": batch, "vary": vary}
        chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        values = row.training().defaults(fine_tuning=weights is not None, steps=steps) | chosen
        for name in options:
            values.setdefault(name, None)
        return TrainingPlan(data=data, valid=valid, preset=row.name, weights=weights, half_weight=half_weight, **values)


@dataclass(frozen=True)
class RunWindows:
    """Windows of a corpus as a run draws them; samples at a rate in Hz.

    rank: of the process, where several train one model; each draws other windows.
    """

    corpus: Corpus
    plan: TrainingPlan
    rank: int = 0

    def to_train_on(self, samples: int, sample_rate: int) -> Windows:
        weight = dict.fromkeys(self.plan.half_weight, 0.5)
        return Windows(self.corpus.train, samples, sample_rate, 0, weight, vary=self.plan.vary)

    def to_validate_on(self, n: int, samples: int, sample_rate: int) -> NDArray[np.float32]:
        """float32 [n, samples], the same for every run."""
        return Windows(self.corpus.valid, samples, sample_rate, VALID_SEED).batch(0, n)


class PresetTraining(ABC):
    """How one preset is trained: all that a run does not know by itself."""

    @abstractmethod
    def defaults(self, *, fine_tuning: bool, steps: int | None) -> dict[str, Any]:
        """The fields `steps`, `batch`, `vary` and the preset's own of a plan, where nothing else is asked for."""

    @abstractmethod
    def model(self, weights: bytes | None, config: dict[str, Any] | None) -> Any:
        """The model that a run begins with: new, of a weights file's bytes, or of a config's fields, where its state
        is read from a checkpoint. SicError when the bytes are no weights of this preset."""

    @abstractmethod
    def task(self, model: Any, plan: TrainingPlan, windows: RunWindows, state: dict[str, Any] | None) -> Task:
        """state: the task's, from a checkpoint; None for a new run."""

    @abstractmethod
    def schedule(self, plan: TrainingPlan) -> Schedule: ...
