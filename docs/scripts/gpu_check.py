"""Whether sic does on a GPU what it does on the CPU, and how fast: one command, less than 8 minutes, on one GPU.

    python docs/scripts/gpu_check.py OUT.json                              # --device cuda
    python docs/scripts/gpu_check.py OUT.json --device cpu --seconds 2     # the same path without a GPU, to try it

For `speech` and `music` (at 3 kbit/s), on --seconds of the recordings of tests/data: how far decoding on the device is
from the CPU's (asked: 1e-3 of full scale at most), and how many more or fewer events encoding finds there, at effort 0
and at the default (asked: 1 %); the speeds of all three beside the CPU's on one thread; the same of `speech` with half
windows fitted one after the other and 32 at once, and on the GPU once more with too little memory for these, from which
it has to recover; --steps of training of `speech` there and here. Prints the table, writes it to OUT.json, and exits
with 1 where something asked is missed. Times are by the wall, of the second of two runs. In a source tree:
PYTHONPATH=.:models:formats.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from speed_bench import DATA, recording
from speed_codecs import DEFAULT, KBPS
from speed_tables import markdown

from sparsecodec_cli import api
from sparsecodec_formats.errors import SicError
from sparsecodec_formats.table import EventTable
from sparsecodec_models.errors import FewerAtOnce
from sparsecodec_models.presets import load_renderer, shipped_weights
from sparsecodec_models.speech.analysis import stream_fit
from sparsecodec_models.training.corpus import find_corpus
from sparsecodec_models.training.loop import Watch
from sparsecodec_models.training.plan import TrainingPlan
from sparsecodec_models.training.run import Training

MOST_OFF = 1e-3  # of full scale, decoding
MOST_EVENTS_OFF = 0.01  # share, encoding
EFFORTS = {"effort 0": 0, "default effort": None}
TRAINING_BATCH, TRAINING_S = 4, 1.0

Done = TypeVar("Done")


@dataclass(frozen=True)
class Row:
    """Of what: on the CPU and on the device. limit: the most that the two may differ by; off: what they do."""

    what: str
    cpu: float
    device: float
    unit: str
    off: float | None = None
    limit: float | None = None

    @property
    def is_missed(self) -> bool:
        """Also by what is no number."""
        return self.limit is not None and not (self.off is not None and self.off <= self.limit)

    def cells(self) -> list[str]:
        if self.limit is None or self.off is None:
            times = f"{self.device / self.cpu:.2f} ×" if self.cpu else "–"
            return [self.what, f"{self.cpu:.4g} {self.unit}", f"{self.device:.4g} {self.unit}", times, ""]
        off, asked = f"{self.off:.2g}", f"≤ {self.limit:g}"
        values = [f"{value:.6g} {self.unit}" for value in (self.cpu, self.device)]
        return [self.what, *values, f"**{off}**" if self.is_missed else off, asked]


def events_row(what: str, cpu: float, device: float) -> Row:
    """Numbers of events."""
    return Row(what, cpu, device, "events", abs(device - cpu) / max(1, cpu), MOST_EVENTS_OFF)


class Checked:
    """A device beside the CPU, on one thread."""

    def __init__(self, device: str, seconds: float) -> None:
        self.device, self._seconds = api.resolve_device(device), seconds

    def both(self, work: Callable[[str], Done], times: int = 1) -> tuple[list[Done], list[float]]:
        """What comes out on the CPU and on the device, and how many seconds of sound that was in a second; times: how
        much more sound it is than usual."""
        done, speeds = [], []
        for device in ("cpu", self.device):
            work(device)
            wait_for(device)
            began_s = time.perf_counter()
            done.append(work(device))
            wait_for(device)
            speeds.append(times * self._seconds / (time.perf_counter() - began_s))
        return done, speeds

    def preset(self, preset: str) -> Iterator[Row]:
        """Encoding and decoding."""
        rate, kbps = DEFAULT[preset].rate, KBPS[preset]
        samples = np.resize(recording(preset, rate), round(self._seconds * rate))
        codecs = {device: api.load_codec(preset, device=device) for device in ("cpu", self.device)}
        for name, effort in EFFORTS.items():
            encode = partial(api.encode, samples, rate, effort=effort, bitrate_kbps=kbps)
            tables, speeds = self.both(lambda device: encode(model=codecs[device]))  # noqa: B023 (called at once)
            yield Row(f"{preset}, encode, {name}", *speeds, "× real time")
            yield events_row(f"{preset}, encode, {name}: events", *map(len, tables))
        renderers = {device: load_renderer(preset, device) for device in ("cpu", self.device)}
        sounds, speeds = self.both(lambda device: api.decode(tables[0], model=renderers[device])[0])
        yield Row(f"{preset}, decode", *speeds, "× real time")
        off = float(np.abs(sounds[0] - sounds[1]).max())
        peaks = [float(np.abs(sound).max()) for sound in sounds]
        yield Row(f"{preset}, decode: peak, and the largest difference", *peaks, "", off, MOST_OFF)

    def half_windows(self) -> Iterator[Row]:
        """`speech` at the default effort, on three times the sound: its half windows fitted one after the other, and
        together."""
        encode, one_by_one = self._long_speech(), 0
        for at_once in (1, stream_fit.ELSEWHERE):
            name = f"speech, encode, {at_once} half window{'s' * (at_once > 1)} at once"
            with half_windows_at_once(at_once):
                tables, speeds = self.both(encode, 3)
            yield Row(name, *speeds, "× real time")
            cpu, there = map(len, tables)
            yield events_row(f"{name}: events", cpu, there)
            one_by_one = one_by_one or cpu
            if at_once > 1:
                yield events_row("the same, against 1 at once on the CPU: events", one_by_one, there)

    def little_memory(self) -> Iterator[Row]:
        """The same where the GPU's memory does not hold so many half windows."""
        encode = self._long_speech()
        there, limit_mb = len_with_little_memory(lambda: encode("cuda"))
        yield events_row(f"speech, encode, in {limit_mb:.0f} MB of the GPU's memory: events", len(encode("cpu")), there)

    def _long_speech(self) -> Callable[[str], EventTable]:
        """What encodes three times the sound on a device."""
        rate = DEFAULT["speech"].rate
        samples = np.resize(recording("speech", rate), round(3 * self._seconds * rate))
        codecs = {device: api.load_codec("speech", device=device) for device in ("cpu", self.device)}
        return lambda device: api.encode(samples, rate, model=codecs[device], bitrate_kbps=KBPS["speech"])

    def training(self, steps: int) -> Iterator[Row]:
        """Fine-tuning for a few steps; what the losses of the last step differ by is told, and no limit was asked."""
        speeds, losses = zip(*(trained(device, steps) for device in ("cpu", self.device)), strict=True)
        yield Row("speech, training", *speeds, "s of sound in a second")
        yield Row("speech, training: loss of the last step", *losses, "")


@contextmanager
def half_windows_at_once(most: int) -> Iterator[None]:
    """On any device."""
    usual = dict(stream_fit.MOST_AT_ONCE)
    stream_fit.MOST_AT_ONCE.update(cpu=most, cuda=most)
    try:
        yield
    finally:
        stream_fit.MOST_AT_ONCE.clear()
        stream_fit.MOST_AT_ONCE.update(usual)


def len_with_little_memory(encode: Callable[[], EventTable]) -> tuple[float, float]:
    """Number of events found on the GPU with memory for less than all half windows at once, and how much that was, MB;
    no number where nothing told that it was too little."""

    def peak_bytes() -> int:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        encode()
        return torch.cuda.max_memory_allocated()

    with half_windows_at_once(1):
        least = peak_bytes()
    limit = (least + peak_bytes()) / 2
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(limit / torch.cuda.get_device_properties(0).total_memory)
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", FewerAtOnce)
            table = encode()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    has_told = any(issubclass(warning.category, FewerAtOnce) for warning in told)
    return len(table) if has_told else math.nan, limit / 1e6


class NoStore:
    """A run of training that is not kept."""

    def save_checkpoint(self, data: bytes) -> None: ...

    def save_weights(self, data: bytes) -> None: ...

    def append_log(self, line: dict[str, Any]) -> None: ...

    def cut_log(self, last_step: int) -> None: ...


def trained(device: str, steps: int) -> tuple[float, float]:
    """Seconds of sound that are trained on in a second, after the first step, and the loss of the last one."""
    plan = TrainingPlan.of(
        data=(str(DATA),), weights="speech", steps=steps, batch=TRAINING_BATCH, seconds=TRAINING_S, vary=False
    )
    weights = shipped_weights("speech").read_bytes()
    run = Training(plan, find_corpus(plan.data), weights=weights, device=device)
    when_s: list[float] = []
    totals: list[float] = []

    def step(done: int, losses: dict[str, float]) -> None:
        wait_for(device)
        when_s.append(time.perf_counter())
        totals.append(losses["total"])

    run.run(NoStore(), workers=0, watch=Watch(step=step))
    return TRAINING_BATCH * TRAINING_S * (len(when_s) - 1) / (when_s[-1] - when_s[0]), totals[-1]


def wait_for(device: str) -> None:
    """Until all that was begun on it is done."""
    if device == "cuda":
        torch.cuda.synchronize()


def name_of(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else device


@contextmanager
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def as_table(rows: list[Row], device: str) -> str:
    return markdown(["", "CPU", device, "device against CPU", "asked"], [row.cells() for row in rows])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--seconds", type=float, default=20.0, help="of sound that is coded")
    parser.add_argument("--steps", type=int, default=20, help="of training")
    args = parser.parse_args()
    try:
        checked = Checked(args.device, args.seconds)
    except SicError as error:
        sys.exit(f"gpu_check: {error}")
    rows: list[Row] = []

    def take(part: Iterator[Row]) -> None:
        for row in part:
            print(" | ".join(row.cells()), file=sys.stderr, flush=True)
            rows.append(row)

    left_out, peak_mb = [], None
    with one_thread():
        for part in (*map(checked.preset, KBPS), checked.half_windows(), checked.training(args.steps)):
            take(part)
        if checked.device == "cuda":
            peak_mb = torch.cuda.max_memory_allocated() / 1e6
            take(checked.little_memory())
        else:
            left_out.append("too little memory for all half windows at once: no GPU")
            print(f"left out: {left_out[0]}", file=sys.stderr)
    facts = {
        "device": name_of(checked.device),
        "machine": platform.platform(),
        "torch": torch.__version__,
        "seconds": args.seconds,
        "peak_device_mb": peak_mb,
        "left_out": left_out,
        "rows": [asdict(row) | {"is_missed": row.is_missed} for row in rows],
    }
    args.out.write_text(json.dumps(facts, indent=1) + "\n")
    print(as_table(rows, facts["device"]))
    return int(any(row.is_missed for row in rows) or any(math.isnan(row.device) for row in rows))


if __name__ == "__main__":
    sys.exit(main())
