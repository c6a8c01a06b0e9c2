"""The training loop: batches that depend on the step alone, checkpoints that resume exactly, a log in JSON lines."""

from __future__ import annotations

import io
import math
import signal
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from sparsecodec_formats.errors import SicError
from sparsecodec_models.errors import RankLost, WorkerEnded

from .data import Windows
from .ranks import ALONE, Ranks

LINE_EVERY = 50  # steps
SAVE_SECONDS = 600.0  # a checkpoint at least so often: some presets take hours for `save_every` steps


class Task(Protocol):
    """One preset's training: what a batch is, what its loss is, how well the model does."""

    @property
    def model(self) -> nn.Module: ...

    @property
    def windows(self) -> Windows: ...

    def batch(self, step: int) -> Any:
        """Everything that step needs; runs in worker processes, so it must not depend on the weights."""

    def loss(self, batch: Any, step: int) -> dict[str, Tensor]:
        """Scalars by name; "total" is minimised."""

    def validate(self) -> dict[str, float]: ...

    def state(self) -> dict[str, Any]:
        """What the task itself must find again after a restart: plain values, arrays and tensors."""

    def export(self) -> bytes:
        """The weights as they would be shipped."""


class RunStore(Protocol):
    """Where a run is kept. What is saved takes the place of what was, whole or not at all."""

    def save_checkpoint(self, data: bytes) -> None: ...

    def save_weights(self, data: bytes) -> None:
        """data: a weights file."""

    def append_log(self, line: dict[str, Any]) -> None:
        """line: plain values by name; "step": the steps done."""

    def cut_log(self, last_step: int) -> None:
        """Drop what a run that broke off wrote after its checkpoint: lines of later steps."""


@dataclass(frozen=True)
class Schedule:
    steps: int
    learning_rate: float = 8e-4
    last_rate: float = 1e-5
    warmup: int = 200
    clip: float = 1.0
    validate_every: int = 500
    save_every: int = 500
    sample_every: int = 0  # steps between calls of `Watch.sample`, the last step's beside; 0: none
    max_steps: float = math.inf  # stop here, to be resumed; `steps` stays what the rate is scheduled for
    max_hours: float = math.inf

    def rate(self, step: int) -> float:
        """Cosine from `learning_rate` to `last_rate` after a linear warm-up."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        x = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.last_rate + 0.5 * (self.learning_rate - self.last_rate) * (1 + math.cos(math.pi * min(1.0, x)))

    def samples_at(self, done: int) -> bool:
        return bool(self.sample_every) and (done % self.sample_every == 0 or done == self.steps)


def _nothing(*_: Any) -> None:
    pass


@dataclass(frozen=True)
class Watch:
    """What a run tells while it goes on, and asks.

    step: after each step, with the steps done and its losses. line: with each line of the log. sample: with the line,
    every `sample_every` steps, when the weights have just been saved. should_stop: asked after each step;
    True ends the run with a checkpoint.
    """

    step: Callable[[int, dict[str, float]], None] = _nothing
    line: Callable[[dict[str, Any]], None] = _nothing
    sample: Callable[[dict[str, Any]], None] = _nothing
    should_stop: Callable[[], bool] = bool


UNWATCHED = Watch()
_worker_task: Task | None = None


def _set_worker(task: Task) -> None:
    global _worker_task
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its workers
    torch.set_num_threads(1)
    _worker_task = task


def _make(step: int) -> tuple[Any, set[Path]]:
    assert _worker_task is not None
    return _worker_task.batch(step), _worker_task.windows.unreadable


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Processes that are started inside begin with Ctrl-C blocked, before they can say that they ignore it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _batches(task: Task, first: int, last: int, workers: int) -> Generator[Any]:
    """Batches of steps first … last-1 in order, made ahead by worker processes (0: here)."""
    if not workers:
        yield from (task.batch(step) for step in range(first, last))
        return
    with ProcessPoolExecutor(
        workers,
        initializer=_set_worker,
        initargs=(task,),
        mp_context=torch.multiprocessing.get_context("spawn"),
    ) as pool:
        try:
            with _no_interrupts():
                ahead: list[Future[Any]] = [pool.submit(_make, s) for s in range(first, min(first + 4 * workers, last))]
            for step in range(first, last):
                batch, unreadable = ahead.pop(0).result()
                task.windows.unreadable |= unreadable
                if step + 4 * workers < last:
                    ahead.append(pool.submit(_make, step + 4 * workers))
                yield batch
        finally:  # a run that stops early must not wait for batches that nobody wants
            pool.shutdown(cancel_futures=True)


def checkpoint_bytes(task: Task, optimizer: torch.optim.Optimizer, step: int, about: dict[str, Any]) -> bytes:
    """Everything a resumed run needs. about: what the caller must find again, as plain values."""
    state = {
        "model": task.model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
        "rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state_all(),
        "task": _tensors(task.state()),
        "about": about,
    }
    data = io.BytesIO()
    torch.save(state, data)
    return data.getvalue()


def _tensors(value: Any) -> Any:
    """Arrays as tensors, which `torch.load` reads without running a pickle's code."""
    if isinstance(value, dict):
        return {k: _tensors(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_tensors(v) for v in value)
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value


def load_checkpoint(file: BinaryIO) -> dict[str, Any]:
    """What a run saved as its checkpoint; SicError when it is none."""
    try:
        checkpoint = torch.load(file, weights_only=True, map_location="cpu")
        missing = {"model", "optimizer", "step", "rng", "cuda_rng", "task", "about"} - checkpoint.keys()
    except Exception as error:  # whatever a wrong file makes torch raise
        raise SicError(f"is not a checkpoint, or a damaged one ({type(error).__name__}); begin another run") from error
    if missing:
        raise SicError("is a checkpoint of another program or version; begin another run")
    return dict(checkpoint)


def _restore_random_state(checkpoint: dict[str, Any]) -> None:
    torch.set_rng_state(checkpoint["rng"])
    if len(checkpoint["cuda_rng"]) == torch.cuda.device_count():  # else begun on another machine
        torch.cuda.set_rng_state_all(checkpoint["cuda_rng"])


class _Means:
    """Losses since the last line of the log."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}
        self._skipped = 0
        self._since = time.monotonic()

    def add(self, values: dict[str, float], good: bool) -> None:
        self._skipped += not good
        if good:
            for name, value in values.items():
                self._values.setdefault(name, []).append(value)

    def line(self) -> dict[str, Any]:
        line: dict[str, Any] = {"seconds": round(time.monotonic() - self._since, 2)}
        line |= {name: round(sum(v) / len(v), 5) for name, v in self._values.items()}
        return line | ({"skipped": self._skipped} if self._skipped else {})


def train(
    task: Task,
    schedule: Schedule,
    store: RunStore,
    *,
    workers: int = 1,
    checkpoint: dict[str, Any] | None = None,
    about: dict[str, Any] | None = None,
    watch: Watch = UNWATCHED,
    ranks: Ranks = ALONE,
) -> int:
    """Trains until `schedule.steps`, `max_steps`, `max_hours` or `watch.should_stop`, and returns the steps done.

    store: where its checkpoints, weights and log are kept. checkpoint: as `load_checkpoint` gives it,
    to go on from; on the CPU the run is then the same, step by step, as one never broken off. about: kept in
    checkpoints. WorkerEnded when a worker process was ended from outside, RankLost when another of `ranks` was lost,
    after saving. Of several ranks only the first uses `store` and `watch`, but `watch.should_stop` is asked in all.
    """
    parameters = [p for p in task.model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=schedule.learning_rate, betas=(0.9, 0.99), weight_decay=0.01)
    first = done = 0
    if checkpoint:
        task.model.load_state_dict(checkpoint["model"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        _restore_random_state(checkpoint)
        first = done = checkpoint["step"]
        if ranks.is_first:
            store.cut_log(first)
    else:
        torch.manual_seed(0)
    last = int(min(schedule.steps, schedule.max_steps))

    losses_of = ranks.shared(task.model, task.loss)

    def save() -> None:
        if not ranks.is_first:
            return
        store.save_checkpoint(checkpoint_bytes(task, optimizer, done, about or {}))
        store.save_weights(task.export())

    deadline = time.monotonic() + 3600 * schedule.max_hours
    means = _Means()
    saved = time.monotonic()
    with closing(_batches(task, first, last, workers)) as batches:
        while done < last:
            try:
                batch = next(batches)
            except BrokenProcessPool as error:
                save()
                if watch.should_stop():  # what ended the worker was meant for all of us
                    break
                raise WorkerEnded(
                    f"a worker process was ended from outside at step {done}, for want of memory perhaps; go on from"
                    " the checkpoint, with fewer workers"
                ) from error
            rate = schedule.rate(done)
            for group in optimizer.param_groups:
                group["lr"] = rate
            task.model.train()
            ranks.seed(done)
            optimizer.zero_grad(set_to_none=True)
            try:
                with ranks.lost(done):
                    losses = losses_of(batch, done)
                    losses["total"].backward()
                norm = nn.utils.clip_grad_norm_(parameters, schedule.clip)
                good = bool(torch.isfinite(norm))
                if good:  # one bad batch must not end a night's run
                    optimizer.step()
                done += 1
                values = {name: float(value.detach()) for name, value in losses.items()}
                if ranks.is_first:
                    watch.step(done, values)
                with ranks.lost(done):
                    values, asked = ranks.agree(values, watch.should_stop(), time.monotonic() > deadline)
            except RankLost:
                save()
                if watch.should_stop():  # what ended the other was meant for all of us
                    break
                raise
            means.add(values, good)
            stopped, is_over = asked
            ends = done == last or is_over
            samples = ranks.is_first and schedule.samples_at(done) and not stopped
            if ranks.is_first and (done % LINE_EVERY == 0 or stopped or ends or samples):
                line = {"step": done, "lr": rate, **means.line()}
                if task.windows.unreadable:
                    line["unreadable"] = len(task.windows.unreadable)
                if done % schedule.validate_every == 0 or (ends and not stopped):
                    task.model.eval()
                    with torch.random.fork_rng():
                        line["valid"] = {k: round(v, 5) for k, v in task.validate().items()}
                store.append_log(line)
                watch.line(line)
                means = _Means()
            is_late = time.monotonic() - saved > SAVE_SECONDS
            if done % schedule.save_every == 0 or stopped or ends or samples or is_late:
                save()
                saved = time.monotonic()
            if samples:
                with torch.random.fork_rng():
                    watch.sample(line)
            if stopped or ends:
                break
    return done
