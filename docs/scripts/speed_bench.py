"""What docs/scripts/speed.py measures with: sounds and files to measure on, processes, workers, turns."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Self

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from sparsecodec_cli import read, write
from sparsecodec_formats import EventTable

DATA = Path(__file__).resolve().parents[2] / "tests" / "data"
RECORDINGS = {
    "speech": ("only-person-en.flac", "you-are-next-it.flac", "privacy-prompt-ru.flac"),
    "music": ("music/duet.flac",),
}
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

# Programs are started by a small process: the system counts the memory of the one that starts them as theirs.
LAUNCHER = """
import json, os, sys, time
began_s = time.perf_counter()
child = os.fork()
if child == 0:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        os.execvp(sys.argv[1], sys.argv[1:])
    except OSError as error:
        sys.exit(f"{sys.argv[1]}: {error.strerror}")
_, status, used = os.wait4(child, 0)
wall_s = time.perf_counter() - began_s
peak_mb = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
code = os.waitstatus_to_exitcode(status)
print(json.dumps(dict(code=code, wall_s=wall_s, cpu_s=used.ru_utime + used.ru_stime, peak_mb=peak_mb)))
"""

Samples = NDArray[np.float32]


class Failed(Exception):
    """What was to be measured did not work; the message is one line."""


@dataclass(frozen=True)
class Run:
    """One measurement of a contestant at a task on sound_s seconds.

    mode: warm (in a process that has done it before), whole (a process), length (a process, for the picture), asked (of
    the table of what was asked). cpu_s and peak_mb (the most memory held, 10^6 bytes) include children; peak_mb is the
    largest of a tree of processes.
    """

    contestant: str
    task: str
    mode: str
    sound_s: float
    wall_s: float
    cpu_s: float
    peak_mb: float


class Runs(list[Run]):
    """Measurements, and what they come to; None where nothing was measured."""

    def of(self, contestant: str, task: str, mode: str, sound_s: float | None = None) -> Runs:
        wanted = (contestant, task, mode)
        return Runs(
            run for run in self if (run.contestant, run.task, run.mode) == wanted and sound_s in (None, run.sound_s)
        )

    def median(self, key: str) -> float | None:
        """Of wall_s, cpu_s or peak_mb."""
        return median(getattr(run, key) for run in self) if self else None

    def speed(self, clock: str) -> float | None:
        """Seconds of sound in a second by wall_s or cpu_s, the median."""
        return median(run.sound_s / getattr(run, clock) for run in self) if self else None


Work = Callable[[], Sequence[Run]]


def in_turn(
    works: Mapping[str, Work], repeats: int, note: Callable[[str], None], *, warm_up: bool = True
) -> tuple[Runs, dict[str, str]]:
    """All works in turn, `repeats` times, after once to warm up, which does not count: what was measured.

    A work that raises Failed is left out from then on, and named with the message. note: is told what goes on.
    """
    runs, left_out = Runs(), dict[str, str]()
    for turn in range(0 if warm_up else 1, repeats + 1):
        for name, work in works.items():
            if name in left_out:
                continue
            try:
                made = work()
            except Failed as failure:
                left_out[name] = str(failure)
                note(f"{name}: left out: {failure}")
                continue
            note(f"{turn}/{repeats} {name}: " + ", ".join(f"{run.task} {run.wall_s:.3f} s" for run in made))
            if turn:
                runs += made
    return runs, left_out


# processes


def available_cores() -> set[int]:
    """Empty where the system does not let a process choose."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def stay_on(cores: set[int]) -> None:
    """This process and those that it starts from now on; nothing, where the system does not let a process choose."""
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def measured(
    command: Sequence[str], contestant: str, task: str, mode: str, sound_s: float, cores: set[int] | None = None
) -> Run:
    """A whole process, from its start to its end. cores: to run on; None: those of this process. Failed if it fails."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LAUNCHER, *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=os.environ | ONE_THREAD,
        preexec_fn=None if cores is None else lambda: stay_on(cores),
    )
    values = json.loads(done.stdout) if done.returncode == 0 else {"code": done.returncode}
    if values.pop("code"):
        raise Failed(_last_line(done.stderr) or f"{command[0]} failed")
    return Run(contestant, task, mode, sound_s, **values)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]


class Worker:
    """A codec in a process that stays, speed_worker.py. A context manager; entering it raises Failed where the codec is
    not installed."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = [*command, "serve"]
        self.about = ""

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            self._command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=os.environ | ONE_THREAD
        )
        self.about = self._answer()["about"]
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()

    def ask(self, contestant: str, task: str, mode: str, sound_s: float, **request: Any) -> Run:
        """request: as speed_worker.py tells."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Run(contestant, task, mode, sound_s, **self._answer())

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Failed(_last_line(self._process.communicate()[1]) or f"{self._command[0]} ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


# what is measured on


def recording(sound: str, rate: int) -> Samples:
    """What the sounds to measure on are made of: some seconds of speech or music, float32 [n] at `rate` Hz."""
    parts = []
    for name in RECORDINGS[sound]:
        samples, own_rate = soundfile.read(DATA / name, dtype="float32")
        parts.append(soxr.resample(samples, own_rate, rate, "HQ"))
    return np.concatenate(parts)


def write_sound(path: Path, sound: str, rate: int, seconds: float, start_s: float = 0.0, *, raw: bool = False) -> Path:
    """A mono file with 16 bits of as many seconds, from start_s of the recording on, over and over; raw: no header."""
    loop = np.roll(recording(sound, rate), -round(start_s * rate))
    left = round(seconds * rate)
    kind = {"format": "RAW" if raw else "WAV", "subtype": "PCM_16", "endian": "LITTLE"}
    with soundfile.SoundFile(path, "w", samplerate=rate, channels=1, **kind) as file:
        while left > 0:
            file.write(loop[:left])
            left -= len(loop)
    return path


def join(table: EventTable, seconds: float) -> EventTable:
    """The events of a recording over and over, so that they last as long."""
    n_samples = round(seconds * table.header.sample_rate)
    times = math.ceil(n_samples / table.header.n_samples)
    time = np.concatenate([table.time + i * table.duration_s for i in range(times)])
    columns = (np.concatenate([column] * times) for column in (table.vector, table.channel, table.amplitude))
    joined = EventTable.from_unsorted(replace(table.header, n_samples=n_samples), time, *columns)
    return joined.select(joined.time < joined.duration_s)


def write_joined(path: Path, part: Path, seconds: float) -> Path:
    """A .sic file of as many seconds, from one that is as long or shorter."""
    write(join(read(part), seconds), path)
    return path
