"""The `sic` command: its group of commands, and the one place where errors become a line and an exit code."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

import click

from sparsecodec_cli import __version__

EXIT_COULD_NOT = 1
EXIT_WRONG_USE = 2
EXIT_INTERRUPTED = 128 + signal.SIGINT

_ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

COMMANDS = (
    "encode",
    "decode",
    "stems",
    "inspect",
    "report",
    "compare",
    "export",
    "import",
    "randomize",
    "transform",
    "cat",
    "mix",
    "morph",
    "replace",
    "similar",
    "tag",
    "train",
    "models",
    "test",
)


class SicGroup(click.Group):
    """Imports a command's module when it is asked for, and turns every error into one line on stderr."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"sparsecodec_cli.commands.{cmd_name}").command
        return command

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        def run_command() -> Any:
            return super(SicGroup, self).main(args, prog_name, complete_var, standalone_mode=False, **extra)

        if not standalone_mode:
            return run_command()
        try:
            result = run_command()
            if sys.stdout is not None:
                sys.stdout.flush()  # now, where a full disk is still an error of ours
        except BrokenPipeError:
            sys.exit(EXIT_COULD_NOT)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(EXIT_WRONG_USE)
        except click.UsageError as error:
            name = error.ctx.command_path if error.ctx else "sic"
            fail(f"{error.format_message()} Try '{name} --help'.", EXIT_WRONG_USE, error, name)
        except click.ClickException as error:
            fail(error.format_message(), error.exit_code, error)
        except (click.Abort, KeyboardInterrupt) as error:  # of which click makes the first where it can
            fail("interrupted", EXIT_INTERRUPTED, error)
        except Exception as error:
            from .errors import describe

            fail(describe(error), EXIT_COULD_NOT, error)
        sys.exit(result if isinstance(result, int) else 0)


def fail(message: str, exit_code: int, error: BaseException, name: str = "sic") -> NoReturn:
    if os.environ.get("SIC_TRACEBACK", "0") not in ("", "0"):
        import traceback

        traceback.print_exception(error)
    with suppress(OSError):  # stderr on a full disk: the exit code still tells
        click.echo(f"{name}: {message}".replace("\n", " "), err=True)
    sys.exit(exit_code)


@click.group(
    cls=SicGroup,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="sic", message="%(prog)s %(version)s")
def cli() -> None:
    """A sparse interpretable audio codec: speech and music as a few events a second.

    \b
    Examples:
      sic encode talk.wav            # writes talk.sic, hundreds of times smaller
      sic decode talk.sic out.wav    # and back
      sic inspect talk.sic           # what is inside

    In place of a file, '-' is stdin or stdout.
    """


def run() -> NoReturn:
    """`cli` with signals that clean up before they end the program."""
    # Tensors here are small: a second thread gains little, waits in a busy loop where another program has its core
    # (seen: 60 s of speech in 340 s instead of 50), and adds up in another order. `sic train` sets its own number.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = _sturdy(sys.stdout)
    for number in _ENDING:
        # What is ignored stays so: nohup sees to that for SIGHUP, and a shell for SIGINT of a job in the background.
        if signal.getsignal(number) not in (signal.SIG_IGN, None):
            signal.signal(number, _terminate)
    try:
        cli.main(prog_name="sic")
    finally:
        _give_up_broken_streams()
    raise AssertionError("unreachable: click exits")


def _sturdy(stdout: io.TextIOWrapper) -> io.TextIOWrapper:
    """stdout that writes all or raises, and takes names that the terminal cannot show."""
    if not isinstance(stdout.buffer, io.RawIOBase):
        stdout.reconfigure(errors="backslashreplace")
        return stdout
    # PYTHONUNBUFFERED: writes may stop half-way (disk full, reader gone), which only their result tells.
    buffer = io.BufferedWriter(stdout.buffer)
    return io.TextIOWrapper(buffer, stdout.encoding, "backslashreplace", line_buffering=stdout.isatty())


def _give_up_broken_streams() -> None:
    """Keep the interpreter from meeting again, on its way out, an error that has been told."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    for other in _ENDING:
        signal.signal(other, signal.SIG_IGN)  # a second one must not stop the removal of what is half written
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)
