"""`sic`, also as `python -m sparsecodec_cli`. It imports little, so that Ctrl-C ends it even while it starts."""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False  # as typing has it, which takes time to import
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn


def run() -> NoReturn:
    """Entry point of the console script: `main.run`. While its imports run there is nothing to clean up or to tell."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # what is ignored stays so
        signal.signal(signal.SIGINT, _end)
    from .main import run as run_program

    run_program()


def _end(number: int, frame: FrameType | None) -> NoReturn:
    os._exit(128 + number)


if __name__ == "__main__":
    run()
