"""What a command does with one file, as a job of `sparsecodec_cli.batch` that any process can do."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import click

from sparsecodec_cli import api

from .options import AUDIO_EXTENSIONS

if TYPE_CHECKING:
    from sparsecodec_cli.batch.results import Job, Outcome

Options = Mapping[str, Any]

SIC_EXTENSION = "sic"
HEADLESS_EXTENSIONS = {"pcm", "raw"}


def are_sic(options: Options) -> set[str]:
    """The extensions of .sic files, for any options."""
    return {SIC_EXTENSION}


def are_recordings(options: Options) -> set[str]:
    """The extensions of recordings: of samples without a header where the options tell what these are."""
    return HEADLESS_EXTENSIONS if options.get("raw_rate") is not None else AUDIO_EXTENSIONS - HEADLESS_EXTENSIONS


def are_either(options: Options) -> set[str]:
    """The extensions of recordings and .sic files."""
    return are_recordings(options) | {SIC_EXTENSION}


class ManyFiles(NamedTuple):
    """How a command takes several inputs.

    metavar: of its arguments. kind: what messages call inputs in folders, which have one of `extensions`.
    writes: the extension of the output for each input; None: there is none but what is printed.
    is_whole: whether an output that is there is whole. check_output: refuses a wrong OUT, as a callback of click does.
    compares: the first argument is what all others are compared with or, of folders, what is in the other.
    of_one: parameters of options that are for one input alone. said: of files that failed.
    """

    metavar: str
    kind: str
    extensions: Callable[[Options], set[str]]
    writes: Callable[[Options], str] | None = None
    is_whole: Callable[[Job, Options], bool] | None = None
    check_output: Callable[[click.Context, str], Any] | None = None
    compares: bool = False
    of_one: tuple[str, ...] = ()
    said: str = "failed"

    def paths_of(self, job: Job) -> dict[str, str | None]:
        """The arguments of the command's function that are paths."""
        paths: dict[str, str | None] = {"input_path": job.input}
        if self.writes is not None:
            paths["output_path"] = job.output
        if self.compares:
            paths["reference_path"] = job.reference
        return paths


FUNCTIONS: dict[str, tuple[Callable[..., Any], ManyFiles]] = {}
"""What a command does with one file, by the name of the command's module."""


class FileWork(NamedTuple):
    """module: of the command, by whose name this is pickled. options: arguments of its function that are no paths."""

    module: str
    options: dict[str, Any]
    skip_existing: bool = False

    @contextmanager
    def session(self) -> Iterator[Callable[[Job, bool], Outcome]]:
        """What does one job after the other, with models that are loaded once."""
        with api.kept_codecs():
            yield self._outcome

    def _outcome(self, job: Job, is_again: bool) -> Outcome:
        """Call the function; what it prints and raises is what came of the job. is_again: see `Work.session`."""
        from sparsecodec_cli.batch import whole
        from sparsecodec_cli.batch.results import Outcome
        from sparsecodec_cli.errors import CliError, describe, one_line, shown

        command = import_module(self.module).command
        function, how = FUNCTIONS[self.module]
        options = dict(self.options)
        sic_path = job.input if how.writes is None or how.writes(options) != f".{SIC_EXTENSION}" else job.output
        if (self.skip_existing or is_again) and job.output is not None and os.path.lexists(job.output):
            assert how.is_whole is not None
            if (self.skip_existing or not options["force"]) and how.is_whole(job, options):
                return Outcome("skipped" if self.skip_existing else "done", **whole.facts_of(sic_path))
            options["force"] = True
        printed, said = _Kept(sys.stdout), _Kept(sys.stderr)
        error = usage_error = None
        try:
            if how.compares and job.reference is None:
                raise CliError(f"{shown(job.input)}: has no recording of its name to be compared with")
            with click.Context(command) as context, redirect_stdout(printed), redirect_stderr(said):
                context.params = options
                function(**how.paths_of(job), **options)
        except click.exceptions.Exit as done:
            if done.exit_code:  # the function has said why
                error = one_line("; ".join([*printed.text().splitlines(), *said.text().splitlines()]))
                error = error.removeprefix("sic: ")
                said = _Kept(sys.stderr)
        except click.UsageError as wrong:
            usage_error = wrong.format_message()
        except Exception as failure:
            error = describe(failure)
            names = [shown(path) for path in (job.input, job.output, job.reference) if path is not None]
            error = error if any(name in error for name in names) else f"{names[0]}: {error}"
        text, notes = printed.text(), tuple(said.text().splitlines())
        if error is not None or usage_error is not None:
            return Outcome("failed", error, usage_error, text, notes)
        if options.get("as_json"):
            text = _in_one_line(text, job)
        return Outcome("done", printed=text, notes=notes, **whole.facts_of(sic_path))


class _Kept(io.TextIOWrapper):
    """Takes what would go to a stream, in the stream's encoding, by which some of it is chosen."""

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__(io.BytesIO(), getattr(stream, "encoding", None) or "utf-8", "backslashreplace", newline="\n")

    def text(self) -> str:
        self.seek(0)
        return self.read()


def _in_one_line(text: str, job: Job) -> str:
    """An object of JSON that was printed, in one line; first in it is which file it is of."""
    names = {"file": job.input} | ({} if job.reference is None else {"reference_file": job.reference})
    joined = " ".join(line.strip() for line in text.splitlines())  # strings of JSON hold no line break
    return f"{json.dumps(names)[:-1]}, {joined.removeprefix('{').lstrip()}\n"
