"""Threads that work beside each other on parts of a recording. What comes of it does not depend on how many they are:
each part is worked on by one of them, and torch itself takes one thread."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypeVar

from sparsecodec_formats.header import whole_number

MOST_THREADS = 256
MOST_UNASKED = 2  # Python's own work goes on in one thread at a time: docs/speed.md tells what two gain

Part = TypeVar("Part")
Done = TypeVar("Done")

_thread = threading.local()  # attribute is_unwanted: an Event, in a thread of `Threads`


class Unwanted(Exception):
    """Nobody waits for this work any more. It ends a thread, and is seen by no one."""


def usual_threads(processes: int = 1) -> int:
    """How many there are if nobody says: one for each processor that this process may use, up to MOST_UNASKED; where
    several processes work beside each other, so many that they share the processors."""
    has_affinity = hasattr(os, "sched_getaffinity")
    processors = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return max(1, min(processors // processes, MOST_UNASKED))


def end_if_unwanted() -> None:
    """For work that takes long, from time to time: ends it where an error or Ctrl-C has ended what it is for."""
    is_unwanted = getattr(_thread, "is_unwanted", None)
    if is_unwanted is not None and is_unwanted.is_set():
        raise Unwanted


class Threads:
    """So many threads, to be used within `with`, by one thread. One: the work is done where it is asked for."""

    def __init__(self, count: int | None) -> None:
        """count: 1 to MOST_THREADS; None: `usual_threads`. SicError for anything else."""
        self.count = usual_threads() if count is None else whole_number("threads", count, 1, MOST_THREADS)
        self._is_unwanted = threading.Event()
        self._pool = None if self.count == 1 else ThreadPoolExecutor(self.count, initializer=self._mark)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_unwanted.set()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _mark(self) -> None:
        _thread.is_unwanted = self._is_unwanted

    @property
    def ahead(self) -> int:
        """How many parts should be begun before the first is waited for, so that no thread waits for work."""
        return 1 if self._pool is None else 2 * self.count

    def begin(self, work: Callable[[Part], Done], part: Part) -> Callable[[], Done]:
        """Work on a part is begun; what is returned waits for its end, and gives what came of it, or raises that."""
        if self._pool is not None:
            return self._pool.submit(work, part).result
        done = work(part)
        return lambda: done

    def each(self, parts: Iterable[Part], work: Callable[[Part], Done]) -> Iterator[tuple[Part, Done]]:
        """The parts in their order, with what `work` makes of each; no more of them are taken than can be begun."""
        begun: deque[tuple[Part, Callable[[], Done]]] = deque()
        for part in parts:
            begun.append((part, self.begin(work, part)))
            if len(begun) >= self.ahead:
                first, done = begun.popleft()
                yield first, done()
        for first, done in begun:
            yield first, done()


_torch_lock, _torch_users, _torch_threads = threading.Lock(), 0, 1


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Inside, torch takes one thread for each operation, which so adds up in the same order on every machine. How many
    it has taken before comes back when the last one is outside."""
    import torch

    global _torch_users, _torch_threads
    with _torch_lock:
        if not _torch_users:
            _torch_threads = torch.get_num_threads()
            torch.set_num_threads(1)
        _torch_users += 1
    try:
        yield
    finally:
        with _torch_lock:
            _torch_users -= 1
            if not _torch_users:
                torch.set_num_threads(_torch_threads)
