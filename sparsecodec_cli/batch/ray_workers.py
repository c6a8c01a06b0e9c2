"""Jobs done by the machines of a Ray cluster: a Ray Data set of jobs, mapped by actors that load their model once.

All machines must have this version of the package and see inputs and outputs at the same paths. A job whose worker is
lost is done again by another; an output that the lost one has finished is known again, and not written twice.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict, replace
from typing import Any

from sparsecodec_cli.errors import CliError, one_line, shown

from .results import Job, Outcome, Work
from .workers import THREADS, TRIES, OnOutcome

MAX_BLOCKS = 4096  # of a data set; of more jobs some share a block, and are tried again together
PASSED_ON = ("SIC_MODELS",)  # variables of the environment that workers need
QUIET = ("ray", "ray.data")  # loggers


class RayWorker:
    """What an actor does with a row: a job as JSON text, to an outcome as JSON text."""

    def __init__(self, work: Work) -> None:
        self._do = ExitStack().enter_context(work.session())

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        outcome = self._do(Job(**json.loads(row["job"])), True)
        return {"number": row["number"], "outcome": json.dumps(asdict(outcome))}


def run_on_ray(
    address: str | None,
    jobs: Sequence[Job],
    order: Sequence[int],
    work: Work,
    n_workers: int | None,
    on_outcome: OnOutcome,
    *,
    replaces: bool,
    needs_gpu: bool,
) -> None:
    """Do jobs as `workers.run_beside` does, on a cluster.

    address: "HOST:PORT", "ray://…", or "auto"; None: what RAY_ADDRESS names, or a Ray that runs on this machine, else
    one that is begun for this run. n_workers: None: one for each processor, or GPU. replaces: whether outputs that
    exist may be replaced or skipped; else their jobs fail.
    CliError when there is no such cluster, or it has nothing to work with.
    """
    left = []
    for number in order:
        output = jobs[number].output
        if output is not None and os.path.lexists(output) and not replaces:
            error = f"{shown(output)}: exists already; use -f to overwrite it"
            on_outcome(number, Outcome("failed", error=error))
        else:
            left.append(number)
    if not left:
        return
    with _connected(address) as ray:
        device = "GPU" if needs_gpu else "CPU"
        there = int(ray.cluster_resources().get(device, 0))
        if not there:
            raise CliError(f"the Ray cluster has no {device}; start a node that has, or leave out --ray")
        rows = [{"number": number, "job": json.dumps(asdict(_anywhere(jobs[number])))} for number in left]
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = -1  # of lost workers; their jobs are told below
        environment = {THREADS: "1"} | {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        with warnings.catch_warnings():
            # of max_task_retries: nothing else bounds how often Ray 2.60 tries again what costs it a worker
            warnings.simplefilter("ignore", ray.util.annotations.RayDeprecationWarning)
            done = ray.data.from_items(rows, override_num_blocks=min(len(rows), MAX_BLOCKS)).map(
                RayWorker,
                fn_constructor_args=(work,),
                compute=ray.data.ActorPoolStrategy(size=min(n_workers or there, len(rows))),
                num_cpus=1,
                num_gpus=1 if needs_gpu else None,
                runtime_env={"env_vars": environment},
                max_task_retries=TRIES - 1,
            )
        lost = set(left)
        for row in done.iter_rows():
            told = json.loads(row["outcome"])
            on_outcome(row["number"], Outcome(**{**told, "notes": tuple(told["notes"])}))
            lost.discard(row["number"])
    for number in sorted(lost):
        what = "its worker was lost twice, for want of memory perhaps; look at the logs of Ray, or do it alone"
        on_outcome(number, Outcome("failed", error=f"{shown(jobs[number].input)}: {what}"))


def _anywhere(job: Job) -> Job:
    """With paths that do not hang on the folder that this program runs in."""
    paths = {name: os.path.abspath(path) for name in ("input", "output", "reference") if (path := getattr(job, name))}
    return replace(job, **paths)


@contextmanager
def silent_core() -> Iterator[None]:
    """Ray's core writes to the descriptor of stderr, as it likes; inside only what this program says comes there."""
    if sys.stderr is None:
        yield
        return
    kept = os.dup(2)
    ours = open(kept, "w", encoding=sys.stderr.encoding, errors=sys.stderr.errors, buffering=1)  # noqa: SIM115
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        with redirect_stderr(ours):
            yield
    finally:
        os.dup2(kept, 2)
        ours.close()


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """The module `ray`, connected to a cluster; what it says of its own is not told."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    import ray.data

    for name in QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    ours = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    options: dict[str, Any] = {} if address else {"include_dashboard": False}
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # where Ray tells of workers that are lost
        try:
            with redirect_stderr(nowhere):
                ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL, **options)
        except Exception as error:  # whatever Ray raises where there is no cluster
            where = shown(address) if address else "the Ray of this machine"
            said = one_line(str(error))[:200]
            raise CliError(f"{where}: cannot be used ({said}); check the address, and 'ray status' there") from error
        try:
            for number, handler in ours.items():  # Ray sets its own
                signal.signal(number, handler)
            yield ray
        finally:
            ray.shutdown()
