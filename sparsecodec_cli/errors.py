"""From exceptions to the one line that a user reads: which file, what is wrong, what to do."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from sparsecodec_formats.errors import DamagedBlocks, NoHeader, SicError, UnknownEvent


class CliError(SicError):
    """An expected error whose message is complete: it names its file and says what to do."""


class NothingSelected(UserWarning):
    """An expression selects no event."""


def counted(n: int, what: str) -> str:
    """So many of a thing, such as 1 event, 2 events."""
    return f"{n} {what}{'s' * (n != 1)}"


class UnknownDevice(SicError):
    """This machine has no such device to run a model on."""


class TooFewBits(SicError):
    """At this bitrate not a single event fits, so that silence would be written."""


@cache
def hints() -> dict[type[SicError], str]:
    """The libraries say what is wrong; which option or command of `sic` mends it is known here alone."""
    from sparsecodec_models import errors  # only where there is an error: most commands do without models

    return {
        DamagedBlocks: "'sic decode --salvage' renders what is whole",
        NoHeader: "--like",
        UnknownEvent: "'sic inspect --events' lists them",
        UnknownDevice: "use --device cpu",
        TooFewBits: "--bitrate",
        errors.UnknownModel: "'sic models' lists what there is",
        errors.OtherWeights: "--model",
        errors.RateTooHigh: "'sic decode --rate'",
        errors.WeightsOfAnotherPreset: "--from, with --preset {preset}",
        errors.NothingToHoldOut: "--valid",
        errors.FolderNotInCorpus: "--half-weight",
        errors.OtherRecordings: "--data, or --from",
        errors.RankLost: "--resume",
        errors.WorkerEnded: "--resume, --workers",
    }


_OS_REASONS = {
    errno.ENOENT: "no such file or folder; check the name",
    errno.EACCES: "permission denied; check who may use it, or choose another place",
    errno.EPERM: "not permitted; check who may use it, or choose another place",
    errno.EISDIR: "is a folder; name a file",
    errno.ENOTDIR: "a part of this path is not a folder; check the name",
    errno.ENOSPC: "no space left; free some, or write to another disk",
    errno.EDQUOT: "your disk quota is used up; free some space, or write to another disk",
    errno.EROFS: "this disk is read-only; write to another one",
    errno.ENAMETOOLONG: "this name is too long; choose a shorter one",
    errno.EFBIG: "the file grew past what this disk or the limit on file sizes allows; write to another disk",
    errno.EIO: "the disk failed to read or write; check it, or copy the file elsewhere",
    errno.EMFILE: "too many open files; close some programs",
    errno.EBADF: "is not open, or not for this; check how it is redirected",
    errno.ELOOP: "these links lead in a circle; name the file itself",
}

_WRITING_FAILED = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def shown(path: str) -> str:
    """A path as a message shows it: one line, whatever bytes it holds."""
    if path == "-":
        return "stdin"
    text = os.fsencode(path).decode("utf-8", "replace") or "(empty name)"
    return one_line(text)


def shown_output(path: str) -> str:
    """As `shown`, for a path that is written to."""
    return "stdout" if path == "-" else shown(path)


def with_hint(error: SicError) -> str:
    """The message of a library's error, and in brackets the option or command that helps, if one does."""
    told = [hint for kind, hint in hints().items() if isinstance(error, kind) and _can_be_given(hint)]
    return "".join([str(error), *(f" ({hint.format_map(vars(error))})" for hint in told)])


def _can_be_given(hint: str) -> bool:
    """Whether a hint is no option, or one that the command has which runs; where none is known, it may be one."""
    click = sys.modules.get("click")
    context = click.get_current_context(silent=True) if click else None
    if context is None or not hint.startswith("--"):
        return True
    options = {option for parameter in context.command.params for option in parameter.opts}
    return hint.partition(",")[0] in options


def one_line(text: str) -> str:
    """`text` without line breaks or other control characters, which could play tricks on a terminal."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in " ".join(text.split("\n"))).strip()


def os_reason(error: OSError) -> str:
    """What an OSError means for the user, without its file's name."""
    reason = _OS_REASONS.get(error.errno or 0)
    return reason or (error.strerror or str(error) or type(error).__name__).lower()


@contextmanager
def about(path: str) -> Iterator[None]:
    """Expected errors raised inside get `path`'s name in front, as far as they do not name a file already."""
    try:
        yield
    except CliError:
        raise
    except SicError as error:
        raise CliError(f"{shown(path)}: {with_hint(error)}") from error


@contextmanager
def about_os(path: str, *, name: str | None = None, always: bool = False) -> Iterator[None]:
    """OSErrors raised inside become a CliError that names `path` (shown as `name`), or the file they tell of.

    With `always` they name `path` even so: for work on files that the user has not heard of.
    """
    try:
        yield
    except BrokenPipeError:
        raise  # who reads our output has had enough: click ends the program quietly
    except OSError as error:
        told = error.filename if isinstance(error.filename, (str, bytes)) and not always else None
        place = shown(os.fsdecode(told)) if told is not None else name or shown(path)
        raise CliError(f"{place}: {os_reason(error)}") from error


def describe(error: BaseException) -> str:
    """The line for any exception that reached the top."""
    if isinstance(error, SicError):
        return one_line(with_hint(error))
    if isinstance(error, OSError):
        if isinstance(error.filename, (str, bytes)):
            return f"{shown(os.fsdecode(error.filename))}: {os_reason(error)}"
        # Files are opened under `about_os`; what is printed is not.
        return f"stdout: {os_reason(error)}" if error.errno in _WRITING_FAILED else one_line(os_reason(error))
    if isinstance(error, MemoryError) or _is_torch_out_of_memory(error):
        return "not enough memory; close other programs, or work on a shorter part"
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return one_line(f"internal error: {what}; please report it (SIC_TRACEBACK=1 shows where)")


def _is_torch_out_of_memory(error: BaseException) -> bool:
    # torch raises RuntimeErrors for both of its allocators and CUDA's libraries; naming the class would import torch.
    said = ("out of memory", "can't allocate memory", "ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(text in str(error) for text in said)
