"""One training by several processes, a rank each, as torchrun begins them: each has its part of every batch, and all
take the same step with the mean of their gradients (DistributedDataParallel)."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn

from sparsecodec_models.errors import RankLost

PATIENCE = timedelta(hours=1)  # for rank 0, which validates and saves while the others wait

Losses = Callable[[Any, int], dict[str, Tensor]]


@dataclass(frozen=True)
class Ranks:
    """rank: of this process, from 0; size: of how many; here: how many of them share this machine."""

    rank: int = 0
    size: int = 1
    here: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the one that saves, validates and tells."""
        return self.rank == 0

    def shared(self, model: nn.Module, losses: Losses) -> Losses:
        """`losses`, of whose "total" `backward` gives the mean gradients of all ranks. The model is rank 0's then."""
        if self.size == 1:
            return losses
        # not every parameter has its part in every phase of training
        return nn.parallel.DistributedDataParallel(
            _Forward(model, losses), broadcast_buffers=False, find_unused_parameters=True
        )

    def seed(self, step: int) -> None:
        """Draw other random numbers than the other ranks, and in a run that goes on the same as before."""
        if self.size > 1:
            torch.manual_seed(step * self.size + self.rank + 1)

    def agree(self, values: dict[str, float], *asked: bool) -> tuple[dict[str, float], list[bool]]:
        """The means of all ranks' values, and what any of them asks for."""
        if self.size == 1:
            return values, list(asked)
        device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
        told = torch.tensor([*values.values(), *map(float, asked)], dtype=torch.float64, device=device)
        torch.distributed.all_reduce(told)
        sums = told.tolist()
        means = {name: value / self.size for name, value in zip(values, sums, strict=False)}
        return means, [value > 0 for value in sums[len(values) :]]

    @contextmanager
    def lost(self, step: int) -> Iterator[None]:
        """RankLost in place of what torch raises where another process has ended."""
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            if self.size == 1:
                raise
            raise RankLost(
                f"another process of this training was lost at step {step}, or this one failed ({_said(error)}); go on"
                " from the checkpoint"
            ) from error


ALONE = Ranks()


class _Forward(nn.Module):
    """Losses as a forward pass, which is where DistributedDataParallel comes in."""

    def __init__(self, model: nn.Module, losses: Losses) -> None:
        super().__init__()
        self.model, self._losses = model, losses

    def forward(self, batch: Any, step: int) -> dict[str, Tensor]:
        found = self._losses(batch, step)
        return {name: value if name == "total" else value.detach() for name, value in found.items()}


def _said(error: RuntimeError) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][:200]


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """The ranks that torchrun has begun, by what it tells in the environment; ALONE where it has not.

    device: "cuda" makes each process use a GPU of its own.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "RANK" not in os.environ:
        yield ALONE
        return
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.distributed.init_process_group("nccl" if device == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Ranks(int(os.environ["RANK"]), size, int(os.environ.get("LOCAL_WORLD_SIZE", size)))
    finally:
        torch.distributed.destroy_process_group()
        # DistributedDataParallel stands in cycles of references; as long as it is there so are the group's threads, and
        # a thread that is still there when Python ends aborts the process
        gc.collect()
