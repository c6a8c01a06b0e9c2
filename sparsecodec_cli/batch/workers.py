"""Jobs done here, or by processes beside each other; a process that dies costs one job a second try, not the run."""

from __future__ import annotations

import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import NoReturn

from sparsecodec_cli.errors import shown
from sparsecodec_cli.io import progress

from .results import Job, Outcome, Work

TRIES = 2  # of a job whose worker dies
WAIT_S = 10.0  # for a worker to tidy up, before it is killed
THREADS = "OMP_NUM_THREADS"

OnOutcome = Callable[[int, Outcome], None]
OnProgress = Callable[[int, float], None]


def run_here(
    jobs: Sequence[Job], order: Sequence[int], work: Work, on_outcome: OnOutcome, on_progress: OnProgress
) -> None:
    """Do jobs one after the other in this process. order: their numbers; on_outcome, on_progress: are told a job's
    number, and what came of it or how much of it is done, 0 to 1."""
    with work.session() as do:
        for number in order:
            with progress.sent_to(partial(on_progress, number)):
                outcome = do(jobs[number], False)
            on_outcome(number, outcome)


def run_beside(
    jobs: Sequence[Job],
    order: Sequence[int],
    work: Work,
    n_workers: int,
    on_outcome: OnOutcome,
    on_progress: OnProgress,
) -> None:
    """As `run_here`, by `n_workers` new processes; work: is pickled, and so must be importable there.

    When this is interrupted the workers are ended, and remove what they have half written.
    """
    waiting = deque(order)
    tries = dict.fromkeys(order, 0)
    workers: list[_Worker] = []
    try:
        while waiting or workers:
            while waiting and len(workers) < n_workers:
                workers.append(_Worker(work))
                workers[-1].start(number := waiting.popleft(), jobs[number], tries[number] > 0)
            for connection in wait([worker.connection for worker in workers]):
                worker = next(worker for worker in workers if worker.connection is connection)
                number = worker.number
                try:
                    told = worker.connection.recv()
                except (EOFError, OSError):
                    workers.remove(worker)
                    how = worker.how_it_ended()
                    tries[number] += 1
                    if tries[number] < TRIES:
                        waiting.append(number)
                    else:
                        on_outcome(number, _lost(jobs[number], how))
                    continue
                if isinstance(told, float):
                    on_progress(number, told)
                    continue
                on_outcome(number, told)
                if waiting:
                    worker.start(number := waiting.popleft(), jobs[number], tries[number] > 0)
                else:
                    workers.remove(worker)
                    worker.dismiss()
    finally:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.process.join(WAIT_S)
            worker.process.kill()
            worker.process.join()


def _lost(job: Job, how: str) -> Outcome:
    what = f"its worker was ended twice ({how}), for want of memory perhaps; use fewer --jobs, or do it alone"
    return Outcome("failed", error=f"{shown(job.input)}: {what}")


class _Worker:
    """A process that does one job after the other."""

    def __init__(self, work: Work) -> None:
        spawn = get_context("spawn")  # a fork of a process with threads may hang
        self.number = -1
        self.connection, theirs = spawn.Pipe()
        self.process = spawn.Process(target=_serve, args=(theirs, work), daemon=True)
        with _beginning():
            self.process.start()
        theirs.close()  # so that its end is noticed here

    def start(self, number: int, job: Job, is_again: bool) -> None:
        self.number = number
        with suppress(OSError):  # one that has died is noticed where its answer is read
            self.connection.send((job, is_again))

    def dismiss(self) -> None:
        self.connection.close()
        self.process.join()

    def how_it_ended(self) -> str:
        self.connection.close()
        self.process.join()
        code = self.process.exitcode or 0
        try:
            return signal.Signals(-code).name
        except ValueError:
            return f"exit code {code}"


@contextmanager
def _beginning() -> Iterator[None]:
    """What processes that begin here are given: one thread each, and no heed of Ctrl-C and closed terminals, which
    reach the whole group; the one that began them ends them."""
    resource_tracker.ensure_running()  # which would unblock what is blocked below, were it begun with the first process
    threads = os.environ.get(THREADS)
    os.environ[THREADS] = "1"
    heeded = {signal.SIGINT, signal.SIGHUP} if hasattr(signal, "pthread_sigmask") else set()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, heeded) if heeded else set()
    try:
        yield
    finally:
        if heeded:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if threads is None:
            del os.environ[THREADS]
        else:
            os.environ[THREADS] = threads


def _serve(connection: Connection, work: Work) -> None:
    """The life of a worker."""
    signal.signal(signal.SIGTERM, _end)
    share_told = 0.0

    def tell(share: float) -> None:
        nonlocal share_told
        if share - share_told >= 0.01:
            share_told = share
            connection.send(float(share))

    with (
        suppress(EOFError, BrokenPipeError, ConnectionResetError),
        work.session() as do,
    ):  # dismissed, or nobody is left to tell
        while True:
            job, is_again = connection.recv()
            share_told = 0.0
            with progress.sent_to(tell):
                outcome = do(job, is_again)
            connection.send(outcome)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not stop the removal of what is half written
    sys.exit(128 + number)
