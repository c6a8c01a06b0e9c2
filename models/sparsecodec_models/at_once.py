"""Work on many parts, several at once: on a GPU as many as memory holds, on the CPU one by each thread."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

from .errors import FewerAtOnce
from .threads import Threads

Part = TypeVar("Part")
Done = TypeVar("Done")


class AtOnce:
    """How many parts are worked on at once. From when memory runs out on it is half as many, and half again, down to
    one; a warning, FewerAtOnce, says so the first time.

    Attribute most: how many, 1 or more.
    """

    def __init__(self, most: int, what: str, threads: Threads) -> None:
        """what: the parts' name in the warning; threads: take a part each where most is 1."""
        self.most, self._what, self._threads, self._has_told = most, what, threads, False

    def each(
        self, parts: Sequence[Part], work: Callable[[Sequence[Part]], Sequence[Done]]
    ) -> Iterator[tuple[Part, Done]]:
        """The parts in their order, with what `work` makes of each; it takes some of them, and may be called again with
        fewer of the same. What it raises when memory does not even hold one part is raised here."""
        if self.most == 1:
            yield from self._threads.each(parts, lambda part: work([part])[0])
            return
        place = 0
        while place < len(parts):
            some = parts[place : place + self.most]
            done = self._tried(some, work)
            if done is None:
                self._halve(len(some))
                continue
            yield from zip(some, done, strict=True)
            place += len(some)

    def _tried(self, some: Sequence[Part], work: Callable[[Sequence[Part]], Sequence[Done]]) -> Sequence[Done] | None:
        """None where memory ran out on several parts. It holds nothing of the failed try any more: what its frames held
        went with the exception."""
        try:
            return work(some)
        except Exception as error:
            if len(some) == 1 or not _is_out_of_memory(error):
                raise
        return None

    def _halve(self, tried: int) -> None:
        self.most = (tried + 1) // 2
        torch.cuda.empty_cache()  # what is free may be in pieces; nothing happens where CUDA is not in use
        if not self._has_told:
            self._has_told = True
            warnings.warn(
                f"the device's memory does not hold {tried} {self._what} at once; fewer are taken, which is slower",
                FewerAtOnce,
                stacklevel=2,
            )


def _is_out_of_memory(error: BaseException | None) -> bool:
    """Also where it is the cause of another error, and where one of CUDA's libraries says so, in a code of its own."""
    while error is not None:
        if isinstance(error, torch.OutOfMemoryError):
            return True
        if isinstance(error, RuntimeError) and any(text in str(error) for text in ("out of memory", "ALLOC_FAILED")):
            return True
        error = error.__cause__ or error.__context__
    return False
