"""What is done with one file, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from sparsecodec_cli import __version__
from sparsecodec_formats.container.header_bytes import VERSION

Status = Literal["done", "skipped", "failed"]


@dataclass(frozen=True)
class Job:
    """One file to work on, by paths. output: None where nothing is written. reference: what the input is compared with.

    n_bytes: size of the input, by which work is shared out; 0 where it cannot be told.
    """

    input: str
    output: str | None = None
    reference: str | None = None
    n_bytes: int = 0


@dataclass(frozen=True)
class Outcome:
    """What came of a job.

    printed: text for stdout. notes: lines for stderr. error: one line, of a job that failed. usage_error: what is wrong
    with the options, so that every job would fail. duration_s, sic_bytes: length of the sound in the .sic file of the
    job, and that file's size; None where there is none.
    """

    status: Status
    error: str | None = None
    usage_error: str | None = None
    printed: str = ""
    notes: tuple[str, ...] = ()
    duration_s: float | None = None
    sic_bytes: int | None = None


class Work(Protocol):
    """What is done with every file."""

    def session(self) -> AbstractContextManager[Callable[[Job, bool], Outcome]]:
        """What a process enters once, to do one job after the other.

        The second argument: whether the job may have been begun before, by a process that was lost; then an output that
        is there and whole is taken for its own.
        """


def as_json(command: str, jobs: Sequence[Job], outcomes: Sequence[Outcome], n_passed_over: int) -> str:
    """The report of a run; docs/cli.md lists its keys, which stay the same.

    outcomes: of the jobs, in their order. n_passed_over: files in folders that are of another kind.
    """
    files = [_row(job, outcome) for job, outcome in zip(jobs, outcomes, strict=True)]
    of_sound = [row for row in files if row["seconds"] is not None]
    seconds, n_bytes = sum(row["seconds"] for row in of_sound), sum(row["bytes"] for row in of_sound)
    totals: dict[str, Any] = {"files": len(files)}
    totals |= {status: sum(row["status"] == status for row in files) for status in ("done", "skipped", "failed")}
    totals |= {"passed_over": n_passed_over, "seconds": round(seconds, 6), "bytes": n_bytes}
    totals["bitrate_kbps"] = _bitrate_kbps(n_bytes, seconds)
    head = {
        "command": command,
        "versions": {"sic": __version__, "format": f"{VERSION >> 4}.{VERSION & 15}"},
        "totals": totals,
    }
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    lines.append('  "files": [\n' + ",\n".join(f"    {json.dumps(row)}" for row in files) + "\n  ]")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _row(job: Job, outcome: Outcome) -> dict[str, Any]:
    seconds, n_bytes = outcome.duration_s, outcome.sic_bytes
    if seconds is None or n_bytes is None:
        size: dict[str, Any] = dict.fromkeys(("seconds", "bytes", "bitrate_kbps"))
    else:
        size = {"seconds": round(seconds, 6), "bytes": n_bytes, "bitrate_kbps": _bitrate_kbps(n_bytes, seconds)}
    named = {"input": job.input, "output": job.output, "reference": job.reference}
    return named | {"status": outcome.status, "error": outcome.error} | size


def _bitrate_kbps(n_bytes: int, seconds: float) -> float | None:
    return round(8e-3 * n_bytes / seconds, 3) if seconds else None
