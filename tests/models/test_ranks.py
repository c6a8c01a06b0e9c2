"""Several processes that train one model: two here, on the CPU, by gloo."""

from __future__ import annotations

import io
import multiprocessing
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from memory_store import MemoryStore
from reference_small import TINY

from sparsecodec_models.errors import RankLost
from sparsecodec_models.reference.model import ReferenceModel
from sparsecodec_models.training.data import Windows, find_recordings
from sparsecodec_models.training.loop import Schedule, Watch, train
from sparsecodec_models.training.ranks import ALONE, Ranks, joined
from sparsecodec_models.training.reference_task import ReferenceTask

STEPS = 3
SCHEDULE = Schedule(STEPS, learning_rate=1e-3, last_rate=1e-5, warmup=1)
SIZE = 2


def task_of(folder: Path, batch_size: int, rank: int = 0) -> ReferenceTask:
    windows = Windows(find_recordings([folder]), TINY.window, TINY.sample_rate)
    model = ReferenceModel(TINY).draw_weights(0)
    return ReferenceTask(model, windows, windows.batch(1000, 2), batch_size=batch_size, rank=rank)


def weights_of(task: ReferenceTask) -> np.ndarray:
    return torch.cat([p.detach().reshape(-1) for p in task.model.parameters()]).numpy()


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(0)
    for name, n in (("a", 9000), ("b", 3000)):
        soundfile.write(folder / f"{name}.wav", rng.uniform(-0.5, 0.5, n), TINY.sample_rate)
    return folder


def in_ranks(work: Callable[..., None], *args: Any) -> list[int | None]:
    """The exit codes of SIZE processes, in which `work` is called with Ranks and args."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_in_rank, args=(rank, port, work, args)) for rank in range(SIZE)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def _in_rank(rank: int, port: int, work: Callable[..., None], args: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(SIZE), "LOCAL_RANK": str(rank)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with joined("cpu") as ranks:
        assert ranks == Ranks(rank, SIZE, SIZE)
        work(ranks, *args)


def test_without_torchrun_there_is_one() -> None:
    with joined("cpu") as ranks:
        assert ranks == ALONE and ranks.is_first
    assert ALONE.agree({"total": 2.0}, True, False) == ({"total": 2.0}, [True, False])


def test_ranks_draw_the_parts_of_one_batch(recordings: Path) -> None:
    whole = task_of(recordings, 4).batch(5)
    parts = [task_of(recordings, 2, rank).batch(5) for rank in range(SIZE)]
    for of_whole, of_parts in zip(whole, zip(*parts, strict=True), strict=True):
        np.testing.assert_array_equal(np.concatenate(of_parts), of_whole)


def train_whole_and_in_parts(ranks: Ranks, recordings: Path, out: Path) -> None:
    """Writes weights and log of a whole run, and the weights of one that was broken off and went on."""
    task, store = task_of(recordings, 1, ranks.rank), MemoryStore()
    assert train(task, SCHEDULE, store, workers=0, ranks=ranks) == STEPS
    np.save(out / f"whole-{ranks.rank}.npy", weights_of(task))
    assert bool(store.log) == bool(store.weights) == (store.checkpoint is not None) == ranks.is_first
    if ranks.is_first:
        np.save(out / "total.npy", store.log[-1]["total"])

    stops = Watch(should_stop=lambda: ranks.rank == 1)  # one asks, and all stop
    task, store = task_of(recordings, 1, ranks.rank), MemoryStore()
    assert train(task, SCHEDULE, store, workers=0, ranks=ranks, watch=stops) == 1
    if ranks.is_first:
        assert store.checkpoint is not None
        (out / "checkpoint").write_bytes(store.checkpoint)
    torch.distributed.barrier()
    checkpoint = torch.load(io.BytesIO((out / "checkpoint").read_bytes()), weights_only=True)
    task = task_of(recordings, 1, ranks.rank)
    assert train(task, SCHEDULE, MemoryStore(), workers=0, ranks=ranks, checkpoint=checkpoint) == STEPS
    np.save(out / f"parts-{ranks.rank}.npy", weights_of(task))


def test_two_ranks_train_as_one_process_with_both_their_batches(recordings: Path, tmp_path: Path) -> None:
    assert in_ranks(train_whole_and_in_parts, recordings, tmp_path) == [0, 0]
    first, second = (np.load(tmp_path / f"whole-{rank}.npy") for rank in range(SIZE))
    np.testing.assert_array_equal(first, second)
    for rank in range(SIZE):
        np.testing.assert_array_equal(np.load(tmp_path / f"parts-{rank}.npy"), first)

    alone, store = task_of(recordings, SIZE), MemoryStore()
    begun = weights_of(alone)
    train(alone, SCHEDULE, store, workers=0)
    moved = weights_of(alone) - begun
    assert np.linalg.norm(moved) > 0
    assert np.linalg.norm(first - begun - moved) < 0.01 * np.linalg.norm(moved)
    assert float(np.load(tmp_path / "total.npy")) == pytest.approx(store.log[-1]["total"], rel=1e-4)


class EndsAtStepOne(ReferenceTask):
    """Its rank 1 ends in its second step, as if it had been killed."""

    def loss(self, batch: tuple[np.ndarray, np.ndarray], step: int) -> dict[str, torch.Tensor]:
        if step == 1 and self.rank == 1:
            os._exit(7)
        return super().loss(batch, step)


def lose_a_rank(ranks: Ranks, recordings: Path, out: Path) -> None:
    task, store = task_of(recordings, 1, ranks.rank), MemoryStore()
    task.__class__ = EndsAtStepOne
    try:
        train(task, replace(SCHEDULE, save_every=100), store, workers=0, ranks=ranks)
    except RankLost as error:
        assert "at step 1" in str(error) and "\n" not in str(error)
        assert store.checkpoint is not None
        (out / "checkpoint").write_bytes(store.checkpoint)
        raise SystemExit(3) from error


def test_a_rank_that_is_lost_ends_the_run_after_saving(recordings: Path, tmp_path: Path) -> None:
    assert in_ranks(lose_a_rank, recordings, tmp_path) == [3, 7]
    checkpoint = torch.load(tmp_path / "checkpoint", weights_only=True)
    assert checkpoint["step"] == 1
