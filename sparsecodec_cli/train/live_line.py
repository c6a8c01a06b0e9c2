"""What `sic train` tells while it trains: one live line on a terminal, else a line for each of the log's."""

from __future__ import annotations

import sys
import time
from collections import deque
from datetime import timedelta
from typing import Any

import click

STEPS_TIMED = 50
SMOOTHING = 0.9
_NOT_FIGURES = {"step", "seconds", "lr", "valid"}


def figures(line: dict[str, Any]) -> str:
    """The losses of a line of the log, then its validation figures, in one line of text."""
    losses = {name: value for name, value in line.items() if name not in _NOT_FIGURES}
    text = _listed(losses)
    return f"{text} | valid {_listed(line['valid'])}" if line.get("valid") else text


def _listed(values: dict[str, float]) -> str:
    names = sorted(values, key=lambda name: name != "total")  # which comes first
    return " ".join(f"{name} {values[name]:.4g}" for name in names)


class TrainingLine:
    """Steps done of `steps`, steps a second, time left, losses, the last validation figures; on stderr.

    first: the steps done before.
    """

    def __init__(self, steps: int, first: int, *, quiet: bool) -> None:
        self._steps, self._quiet = steps, quiet
        self._on_terminal = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self._times = deque([(first, time.monotonic())], maxlen=STEPS_TIMED + 1)
        self._smooth: dict[str, float] = {}
        self._valid: dict[str, float] = {}
        self._live: Any = None
        self._last = ""  # of the log's lines: what stays on a terminal

    def __enter__(self) -> TrainingLine:
        if self._on_terminal:
            from rich.live import Live

            from sparsecodec_cli.io.console import console

            self._live = Live(console=console(stderr=True), transient=True, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            if self._last:
                click.echo(self._last, err=True)

    def step(self, done: int, losses: dict[str, float]) -> None:
        """After each step."""
        self._times.append((done, time.monotonic()))
        if self._live is None:
            return
        from rich.text import Text

        for name, value in losses.items():
            self._smooth[name] = SMOOTHING * self._smooth.get(name, value) + (1 - SMOOTHING) * value
        text = self._text(done, {**self._smooth, "valid": self._valid})
        self._live.update(Text(text), refresh=True)

    def line(self, line: dict[str, Any]) -> None:
        """With each line of the log."""
        self._valid = line.get("valid", self._valid)
        self._last = self._text(line["step"], line)
        if self._live is None and not self._quiet:
            click.echo(self._last, err=True)

    def _text(self, done: int, line: dict[str, Any]) -> str:
        parts = [f"step {done}/{self._steps}"]
        (first, since), (last, now) = self._times[0], self._times[-1]
        if last > first:
            rate = (last - first) / max(now - since, 1e-9)
            left = timedelta(seconds=round((self._steps - done) / rate))
            parts += [f"{rate:.3g} a second", f"{left} left"]
        return "  ".join([*parts, figures(line)])
