"""What a step of training the `speech` preset is: first after the teacher, then end to end through the decoder."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sparsecodec_formats.errors import SicError
from sparsecodec_models.dsp.sound_distance import SoundDistance
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
    pick_frames,
    unheard,
)
from sparsecodec_models.speech.config import SpeechConfig
from sparsecodec_models.speech.model import SpeechModel
from sparsecodec_models.speech.network.decoder import SpeechDecoder
from sparsecodec_models.speech.network.encoder import Proposals, pitch_semitones
from sparsecodec_models.speech.synthesis.controls import F0_REFERENCE_HZ
from sparsecodec_models.speech.synthesis.samples import render

from . import teacher
from .data import Windows
from .klt import Klt, fit_klt, klt_of
from .loop import Schedule
from .plan import PresetTraining, RunWindows, TrainingPlan

COST_PER_EVENT = 9.0  # of the teacher's segmentation: about 26 events per second of speech
NOISE_STEP = 1.5  # quantiser step that end-to-end training expects, in units of the layout
WINDOW_S = 2.0  # length of a window, if not said otherwise
IMITATION_SHARE = 0.4  # of the steps of new weights that are imitation
FINE_TUNING_RATE = 2e-4  # a quarter of the rate for new weights, so that what they know is not lost at once
VALIDATION_WINDOWS = 12
BIT_WEIGHT = 0.0015  # what a bit of an event costs, in units of the distance


@dataclass(frozen=True)
class Lesson:
    """What the teacher says of a batch: events n over all rows, ascending.

    row, frame int64 [n]; vector float32 [n, 32] (phase 0); voiced float32 [n] 0 … 1; placed float32 [b, t], 1 where an
    event is.
    """

    row: Tensor
    frame: Tensor
    vector: Tensor
    voiced: Tensor
    placed: Tensor

    def to(self, device: torch.device) -> Lesson:
        return Lesson(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


def first_map(windows: np.ndarray, decoder: SpeechDecoder) -> Klt:
    """The decoder's map from a first set of windows, float32 [b, n]; it is written into the decoder."""
    config = decoder.config
    found = []
    for audio in windows:
        analysis = teacher.analyse(audio, config)
        knots = teacher.segment(analysis, COST_PER_EVENT)
        if knots:
            found.append(teacher.targets(analysis, knots, config))
    if not found:
        raise SicError("the recordings hold no sound that events could tell; give louder or longer ones")
    return fit_klt(np.concatenate([t.levels for t in found]), np.concatenate([t.named[:, 0] for t in found]), decoder)


def teach(windows: np.ndarray, klt: Klt, decoder: SpeechDecoder) -> Lesson:
    """What the teacher says of windows float32 [b, n]. It needs of the decoder only the fixed tables."""
    config = decoder.config
    frames = windows.shape[1] // config.hop + 1
    row, frame, vector, voiced = [], [], [], []
    placed = np.zeros((len(windows), frames), np.float32)
    for i, audio in enumerate(windows):
        analysis = teacher.analyse(audio, config)
        knots = teacher.segment(analysis, COST_PER_EVENT)
        if not knots:
            continue
        target = teacher.targets(analysis, knots, config)
        named = (target.named - decoder.offset.numpy()) / decoder.scale.numpy()
        vector.append(np.concatenate([named, klt.coefficients(target.levels, decoder)], 1))
        row.append(np.full(len(knots), i))
        frame.append(target.frame)
        voiced.append(analysis.voiced[target.frame].astype(np.float32))
        placed[i, target.frame] = 1.0
    if not row:
        raise SicError("a batch of the recordings holds no sound that events could tell; give louder or longer ones")
    return Lesson(
        torch.tensor(np.concatenate(row)),
        torch.tensor(np.concatenate(frame)),
        torch.tensor(np.concatenate(vector), dtype=torch.float32),
        torch.tensor(np.concatenate(voiced), dtype=torch.float32),
        torch.tensor(placed),
    )


def pitch_distance(logits: Tensor, f0_hz: Tensor, config: SpeechConfig) -> Tensor:
    """Cross-entropy in nats, float32 [n], of candidates' logits [n, pitch_bins] and a true pitch [n], which counts for
    those beside it as well."""
    place = torch.log2(f0_hz / config.pitch_min_hz) * config.pitch_bins_per_octave
    candidates = torch.arange(config.pitch_bins, device=logits.device)
    soft = torch.softmax(-0.5 * ((candidates - place[:, None]) / 0.8) ** 2, -1)
    return -(torch.log_softmax(logits, -1) * soft).sum(-1)


def sound_of_events(
    model: SpeechModel, windows: Tensor, vector: Tensor, row: Tensor, time: Tensor, step: Tensor | float
) -> tuple[Tensor, Tensor]:
    """Distance of rendered events to windows [b, n], and bits that an event takes; the quantiser's noise is on all.

    vector float32 [m, 32] with gradients; row, time int64 [m]: which window an event is of, and when, samples; step:
    of the quantiser, one for all or [m, 1].
    """
    decoder = model.decoder
    batch, samples = windows.shape
    gap = 8192  # the rows are rendered as one long timeline, far enough apart not to touch
    timeline = nn.functional.pad(windows, (0, gap)).reshape(-1)
    place = time + row * (samples + gap)
    # fine pitch is measured, not learned
    measured = measure_pitch(decoder, vector.detach(), place, timeline)
    vector = torch.cat([vector[:, :F0], measured[:, F0 : F0 + 1], vector[:, F0 + 1 :]], 1)
    jitter = (torch.rand_like(vector) - 0.5) * step
    jitter[:, [PHASE, BEGINS, ROOM]] = 0.0
    vector = vector + jitter
    rendered = render(decoder.tables, vector, place, int(torch.randint(2**31, ())), batch * (samples + gap))
    distance = SoundDistance(windows, model.config.sample_rate)(rendered.view(batch, -1)[:, :samples])
    begins = vector[:, BEGINS].detach() > 0.5
    heard = ~unheard(decoder, vector, place)
    heard[:, BEGINS] = False
    bits = model.prior.bits(vector, begins, heard, step)
    return distance, bits.sum(1).mean()


class SpeechTask:
    """Holds the model under training and turns batches of windows into losses."""

    def __init__(
        self,
        model: SpeechModel,
        train: Windows,
        valid: np.ndarray,
        *,
        batch_size: int,
        imitation_steps: int,
        map_windows: int = 256,
        klt: Klt | None = None,
        rank: int = 0,
    ) -> None:
        """train: where batches come from; valid: windows float32 [b, n] of other speakers; imitation_steps: steps
        before the sound counts; map_windows: how many windows the decoder's map is made from; klt: that map, where a
        run resumes; rank: as for `Windows.batch`.
        """
        self.model, self.windows, self.batch_size, self.rank = model, train, batch_size, rank
        self.imitation_steps = imitation_steps
        self.klt = klt or first_map(train.batch(2**31, map_windows), model.decoder)
        parts = self.klt.mean, self.klt.basis, self.klt.analysis
        self._map = tuple(torch.tensor(part, dtype=torch.float32) for part in parts)
        self._decoder = SpeechDecoder(model.config)  # fixed tables for the worker processes, apart from what is trained
        self._valid = valid, teach(valid, self.klt, self._decoder)

    def __getstate__(self) -> dict[str, Any]:
        # workers make batches only
        return {**self.__dict__, "model": None, "_valid": None}

    def batch(self, step: int) -> tuple[np.ndarray, Lesson]:
        windows = self.windows.batch(step, self.batch_size, self.rank)
        return windows, teach(windows, self.klt, self._decoder)

    def state(self) -> dict[str, Any]:
        return {"klt": (self.klt.mean, self.klt.basis, self.klt.analysis)}

    def export(self) -> bytes:
        return self.model.to_bytes()

    def loss(self, batch: tuple[np.ndarray, Lesson], step: int) -> dict[str, Tensor]:
        """Losses of one batch by name; "total" is the one to minimise."""
        windows, lesson = self._here(batch)
        proposals = self.model.encoder(self.model.encoder.features.spectrogram(windows))
        out = self._imitation(proposals, lesson)
        out["total"] = out["switch"] + out["named"] + out["shape"] + out["pitch"]
        if step >= self.imitation_steps:
            out["sound"], out["bits"] = self._sound(windows, proposals, lesson)
            # the teacher keeps the controls physical while the sound decides; its voicing above all: harmonics where
            # there was noise are nearer in any spectral distance, and sound worse
            physical = 0.1 * (out["named"] + out["shape"]) + 0.3 * out["voicing"]
            sound = 3.0 * (out["sound"] + BIT_WEIGHT * out["bits"])
            out["total"] = out["switch"] + out["pitch"] + physical + sound
        return out

    def _here(self, batch: tuple[np.ndarray, Lesson]) -> tuple[Tensor, Lesson]:
        """A batch on the model's device."""
        device = self.model.decoder.shape_mean.device
        return torch.from_numpy(batch[0]).to(device), batch[1].to(device)

    def _imitation(self, proposals: Proposals, lesson: Lesson) -> dict[str, Tensor]:
        config, decoder = self.model.config, self.model.decoder
        weight = torch.where(lesson.placed > 0, 4.0, 1.0)  # frames with an event are rarer than those without
        switch = nn.functional.binary_cross_entropy_with_logits(proposals.switch, lesson.placed, weight=weight)
        named = proposals.named[lesson.row, :, lesson.frame]
        # the map may have changed since the teacher's
        mean, basis, analysis = (part.to(named.device) for part in self._map)
        both = proposals.shape[lesson.row, :, lesson.frame] @ decoder.shape_basis + decoder.shape_mean
        taught = lesson.vector[:, config.named_dims :]
        voicing = (mean + taught @ basis)[:, config.bands :]
        logits = proposals.pitch_logits[lesson.row, :, lesson.frame]
        count = config.named_dims
        huber = nn.functional.smooth_l1_loss
        mask = torch.ones(count, device=named.device)
        mask[[F0, GLIDE, PHASE]] = 0.0
        mask[[ATTACK, DECAY]] = 0.5
        mask[ROOM] = 0.2
        mask[BEGINS] = 4.0
        difference = huber(named, lesson.vector[:, :count], reduction="none", beta=1.0) * mask
        truth = lesson.vector[:, F0] * decoder.scale[F0] + decoder.offset[F0]
        pitch = pitch_distance(logits, F0_REFERENCE_HZ * torch.exp2(truth / 12.0), config)
        return {
            "switch": 2.0 * switch,
            "named": difference.mean(),
            "shape": huber((both - mean) @ analysis, taught, beta=1.0),
            "voicing": huber(both[:, config.bands :], voicing, beta=1.0),
            "pitch": 0.5 * (pitch * lesson.voiced).sum() / (lesson.voiced.sum() + 1.0),
        }

    def _sound(self, windows: Tensor, proposals: Proposals, lesson: Lesson) -> tuple[Tensor, Tensor]:
        """Distance of the rendered events (at the teacher's places) to the windows, and bits that an event takes."""
        vector, time = assemble(proposals, lesson.row, lesson.frame, self.model.decoder)
        return sound_of_events(self.model, windows, vector, lesson.row, time, NOISE_STEP)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Losses after the teacher, and the sound of the encoder's own places: what effort 0 would give,
        unquantised."""
        model, config = self.model, self.model.config
        target, lesson = self._here(self._valid)
        proposals = model.encoder(model.encoder.features.spectrogram(target))
        out = {k: float(v) for k, v in self._imitation(proposals, lesson).items()}
        sounds, count = [], 0
        for i in range(len(target)):
            frame = pick_frames(proposals.switch[i])
            row = torch.full_like(frame, i)
            vector, time = assemble(proposals, row, frame, model.decoder)
            vector = measure_pitch(model.decoder, vector, time, target[i])
            rendered = render(model.decoder.tables, vector, time, 0, target.shape[1])
            sounds.append(float(SoundDistance(target[i : i + 1], config.sample_rate)(rendered[None])))
            count += len(frame)
        decoder = model.decoder
        truth = lesson.vector[:, F0] * decoder.scale[F0] + decoder.offset[F0]
        guess = pitch_semitones(proposals.pitch_logits[lesson.row, :, lesson.frame], config)
        out["sound_own"] = float(np.mean(sounds))
        out["events_per_second"] = count * config.sample_rate / target.numel()
        out["pitch_wrong"] = float((((guess - truth).abs() > 0.8) * lesson.voiced).sum() / (lesson.voiced.sum() + 1e-6))
        return out


class SpeechTraining(PresetTraining):
    """New weights, of varied recordings and first after the teacher; or given ones, tuned to recordings as they are."""

    def defaults(self, *, fine_tuning: bool, steps: int | None) -> dict[str, Any]:
        steps = steps or (2000 if fine_tuning else 6000)
        imitation_steps = 0 if fine_tuning else round(IMITATION_SHARE * steps)
        return {
            "steps": steps,
            "batch": 8,
            "seconds": WINDOW_S,
            "imitation_steps": imitation_steps,
            "vary": not fine_tuning,
        }

    def model(self, weights: bytes | None, config: dict[str, Any] | None) -> SpeechModel:
        if config is not None:
            return SpeechModel.of_fields(config)
        return SpeechModel.drawn(0) if weights is None else SpeechModel.from_bytes(weights)

    def task(
        self, model: SpeechModel, plan: TrainingPlan, windows: RunWindows, state: dict[str, Any] | None
    ) -> SpeechTask:
        assert plan.seconds is not None and plan.imitation_steps is not None
        klt = None  # made from the recordings
        if state is not None:
            klt = Klt(*(np.asarray(part) for part in state["klt"]))
        elif plan.weights is not None:
            klt = klt_of(model.decoder)
        rate = model.config.sample_rate
        samples = int(plan.seconds * rate)
        return SpeechTask(
            model,
            windows.to_train_on(samples, rate),
            windows.to_validate_on(VALIDATION_WINDOWS, 2 * samples, rate),
            batch_size=plan.batch,
            imitation_steps=plan.imitation_steps,
            klt=klt,
            rank=windows.rank,
        )

    def schedule(self, plan: TrainingPlan) -> Schedule:
        rate = FINE_TUNING_RATE if plan.weights else Schedule.learning_rate
        return Schedule(plan.steps, rate, warmup=min(Schedule.warmup, max(1, plan.steps // 10)))
