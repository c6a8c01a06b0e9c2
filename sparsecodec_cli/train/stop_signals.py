"""Work that is to be ended between two steps: the first Ctrl-C asks for it, the second one insists."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from types import FrameType
from typing import Any

MESSAGE = b"\nsic: stopping after this step; once more to stop at once, without saving\n"


class StopSignals:
    """While it is entered, the first SIGINT, SIGTERM or SIGHUP is noted as `number`; then they do what they did."""

    def __init__(self, *, quiet: bool) -> None:
        self.number: int | None = None
        self._quiet = quiet
        self._before: dict[int, Any] = {}

    def asked(self) -> bool:
        return self.number is not None

    def __enter__(self) -> StopSignals:
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:  # nohup's choice stays
                self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        while self._before:
            signal.signal(*self._before.popitem())

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        self.__exit__()
        if not self._quiet:
            with suppress(OSError):
                os.write(2, MESSAGE)  # a signal may come in the midst of another write to sys.stderr
