"""As many parts at once as memory holds."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import pytest
import torch

from sparsecodec_models.at_once import AtOnce
from sparsecodec_models.errors import FewerAtOnce
from sparsecodec_models.threads import Threads


class Memory:
    """Holds so many parts at once; squares them."""

    def __init__(self, holds: int, fails: Callable[[], None]) -> None:
        self.holds, self.fails, self.tried = holds, fails, []

    def squares(self, parts: Sequence[int]) -> list[int]:
        self.tried.append(len(parts))
        if len(parts) > self.holds:
            self.fails()
        return [part * part for part in parts]


def out_of_memory() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory.")


def out_of_memory_within() -> None:
    try:
        out_of_memory()
    except torch.OutOfMemoryError as error:
        raise RuntimeError("a step of the fit failed") from error


def out_of_memory_of_a_library() -> None:
    raise RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED")


def done(at_once: AtOnce, memory: Memory, parts: Sequence[int]) -> list[tuple[int, int]]:
    return list(at_once.each(parts, memory.squares))


def test_all_parts_are_done_in_their_order() -> None:
    memory = Memory(4, out_of_memory)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert done(AtOnce(4, "parts", Threads(1)), memory, range(10)) == [(i, i * i) for i in range(10)]
    assert memory.tried == [4, 4, 2]


@pytest.mark.parametrize("fails", [out_of_memory, out_of_memory_within, out_of_memory_of_a_library])
@pytest.mark.parametrize("holds, tried", [(5, [8, 4, 4, 3]), (2, [8, 4, 2, 2, 2, 2, 2, 1]), (1, [8, 4, 2, *[1] * 11])])
def test_fewer_from_when_memory_runs_out_on(fails: Callable[[], None], holds: int, tried: list[int]) -> None:
    memory, at_once = Memory(holds, fails), AtOnce(8, "parts", Threads(1))
    with pytest.warns(FewerAtOnce, match="does not hold 8 parts at once") as told:
        assert done(at_once, memory, range(11)) == [(i, i * i) for i in range(11)]
    assert memory.tried == tried and len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(done(at_once, memory, range(11))) == 11  # as many as it has learned that there is room for


def test_one_part_that_memory_does_not_hold_is_an_error() -> None:
    with pytest.warns(FewerAtOnce), pytest.raises(torch.OutOfMemoryError):
        done(AtOnce(2, "parts", Threads(1)), Memory(0, out_of_memory), range(3))


def test_other_errors_are_no_lack_of_memory() -> None:
    def fails() -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    memory = Memory(1, fails)
    with pytest.raises(RuntimeError, match="illegal"):
        done(AtOnce(2, "parts", Threads(1)), memory, range(3))
    assert memory.tried == [2]
