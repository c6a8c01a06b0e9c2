"""The training loop: batches that depend on the step alone, checkpoints that resume exactly, a log in JSON lines."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn


class Task(Protocol):
    """One preset's training: what a batch is, what its loss is, how well the model does."""

    @property
    def model(self) -> nn.Module: ...

    def batch(self, step: int) -> Any:
        """Everything that step needs; runs in worker processes, so it must not depend on the weights."""

    def loss(self, batch: Any, step: int) -> dict[str, Tensor]:
        """Scalars by name; "total" is minimised."""

    def validate(self) -> dict[str, float]: ...

    def state(self) -> dict[str, Any]:
        """What the task itself must find again after a restart."""

    def export(self) -> bytes:
        """The weights as they would be shipped."""


@dataclass(frozen=True)
class Schedule:
    steps: int
    learning_rate: float = 8e-4
    last_rate: float = 1e-5
    warmup: int = 200
    clip: float = 1.0
    validate_every: int = 500
    save_every: int = 500
    max_steps: float = math.inf  # stop here, to be resumed; `steps` stays what the rate is scheduled for
    max_hours: float = math.inf

    def rate(self, step: int) -> float:
        """Cosine from `learning_rate` to `last_rate` after a linear warm-up."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        x = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.last_rate + 0.5 * (self.learning_rate - self.last_rate) * (1 + math.cos(math.pi * min(1.0, x)))


_worker_task: Task | None = None


def _set_worker(task: Task) -> None:
    global _worker_task
    torch.set_num_threads(1)
    _worker_task = task


def _make(step: int) -> Any:
    assert _worker_task is not None
    return _worker_task.batch(step)


def _batches(task: Task, first: int, last: int, workers: int) -> Iterator[Any]:
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
            ahead: list[Future[Any]] = [pool.submit(_make, s) for s in range(first, min(first + 4 * workers, last))]
            for step in range(first, last):
                batch = ahead.pop(0).result()
                if step + 4 * workers < last:
                    ahead.append(pool.submit(_make, step + 4 * workers))
                yield batch
        finally:  # a run that stops early must not wait for batches that nobody wants
            pool.shutdown(cancel_futures=True)


def save_checkpoint(path: Path, task: Task, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Everything a resumed run needs, written whole or not at all."""
    state = {
        "model": task.model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
        "rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state_all(),
        "task": task.state(),
    }
    temporary = path.with_suffix(".part")
    torch.save(state, temporary)
    os.replace(temporary, path)


def train(
    task: Task, schedule: Schedule, out: Path, *, workers: int = 1, checkpoint: dict[str, Any] | None = None
) -> None:
    """Trains until `schedule.steps`, `max_steps` or `max_hours`; `out` gets checkpoint.pt, log.jsonl and
    weights.safetensors.

    checkpoint: as `torch.load` gives it, to go on from; the run is then the same, step by step, as one never broken
    off.
    """
    out.mkdir(parents=True, exist_ok=True)
    parameters = [p for p in task.model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=schedule.learning_rate, betas=(0.9, 0.99), weight_decay=0.01)
    first = 0
    if checkpoint:
        task.model.load_state_dict(checkpoint["model"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        torch.set_rng_state(checkpoint["rng"])
        torch.cuda.set_rng_state_all(checkpoint["cuda_rng"])
        first = checkpoint["step"]
    else:
        torch.manual_seed(0)
    deadline = time.monotonic() + 3600 * schedule.max_hours
    sums: dict[str, list[float]] = {}
    since = time.monotonic()
    with open(out / "log.jsonl", "a") as log:
        for step, batch in enumerate(_batches(task, first, schedule.steps, workers), start=first):
            for group in optimizer.param_groups:
                group["lr"] = schedule.rate(step)
            task.model.train()
            losses = task.loss(batch, step)
            optimizer.zero_grad(set_to_none=True)
            losses["total"].backward()
            norm = nn.utils.clip_grad_norm_(parameters, schedule.clip)
            if torch.isfinite(norm):  # one bad batch must not end a night's run
                optimizer.step()
            for name, value in losses.items():
                sums.setdefault(name, []).append(float(value.detach()))
            done = step + 1
            stop = done >= min(schedule.steps, schedule.max_steps) or time.monotonic() > deadline
            if done % 50 == 0 or stop:
                line: dict[str, Any] = {
                    "step": done,
                    "seconds": round(time.monotonic() - since, 2),
                    "lr": schedule.rate(step),
                }
                line |= {name: round(sum(v) / len(v), 5) for name, v in sums.items()}
                if done % schedule.validate_every == 0 or stop:
                    task.model.eval()
                    with torch.random.fork_rng():
                        line["valid"] = {k: round(v, 5) for k, v in task.validate().items()}
                log.write(json.dumps(line) + "\n")
                log.flush()
                since, sums = time.monotonic(), {}
            if done % schedule.save_every == 0 or stop:
                save_checkpoint(out / "checkpoint.pt", task, optimizer, done)
                (out / "weights.part").write_bytes(task.export())
                os.replace(out / "weights.part", out / "weights.safetensors")
            if stop:
                break
