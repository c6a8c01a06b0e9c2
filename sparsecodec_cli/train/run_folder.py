"""The folder of a run of training: what it may hold when a run begins, and what a run that goes on finds there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from sparsecodec_cli.errors import CliError, about, about_os, shown
from sparsecodec_cli.io.files import bring_to_disk

if TYPE_CHECKING:
    from sparsecodec_models.training.plan import TrainingPlan

CHECKPOINT = "checkpoint.pt"
WEIGHTS = "weights.safetensors"
LOG = "log.jsonl"
FILES = (CHECKPOINT, WEIGHTS, LOG)
SAMPLES = "samples"


@contextmanager
def open_run(out: str, *, resume: bool, force: bool) -> Iterator[Path]:
    """The folder `out`, made if need be; gone again when the block fails before anything is in it.

    CliError when it is no folder, when it holds no run to resume, and when it holds anything without `force`. Of the
    processes that torchrun begins only the first looks, makes and removes.
    """
    folder = Path(out)
    if os.environ.get("RANK", "0") != "0":
        yield folder
        return
    if out == "-":
        raise CliError("a run needs a folder, not stdout; name one")
    made = []
    with about_os(out):
        if folder.exists() and not folder.is_dir():
            raise CliError(f"{shown(out)}: is a file; name a folder")
        if resume and not (folder / CHECKPOINT).exists():
            raise CliError(f"{shown(out)}: has no {CHECKPOINT} to go on from; begin a run without --resume")
        if not resume and not force and folder.exists() and any(folder.iterdir()):
            there = "use --resume to go on with its run, or " if (folder / CHECKPOINT).exists() else ""
            raise CliError(f"{shown(out)}: is not empty; {there}use -f to begin anew in it")
        made = [parent for parent in (folder, *folder.parents) if not parent.exists()]
        folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    except BaseException:
        with suppress(OSError):  # not empty
            for parent in made:
                parent.rmdir()
        raise


class RunFolder:
    """A `RunStore` in a folder: checkpoint.pt, weights.safetensors, log.jsonl."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save_checkpoint(self, data: bytes) -> None:
        with _whole(self._folder / CHECKPOINT) as file:
            file.write(data)

    def save_weights(self, data: bytes) -> None:
        with _whole(self._folder / WEIGHTS) as file:
            file.write(data)

    def append_log(self, line: dict[str, Any]) -> None:
        with open(self._folder / LOG, "a") as file:
            file.write(json.dumps(line) + "\n")

    def cut_log(self, last_step: int) -> None:
        path = self._folder / LOG
        if path.exists():
            lines = path.read_bytes().splitlines(keepends=True)
            with _whole(path) as file:
                file.writelines(
                    line for line in lines if line.endswith(b"\n") and json.loads(line)["step"] <= last_step
                )


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write that is there whole or not at all."""
    temporary = path.with_suffix(".part")
    try:
        with open(temporary, "wb") as file:
            yield file
            bring_to_disk(file)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def clear(folder: Path) -> None:
    """Remove what an earlier run wrote there, and nothing else."""
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    for path in (folder / SAMPLES).glob("step-*"):
        shutil.rmtree(path)
    (folder / SAMPLES / "index.html").unlink(missing_ok=True)


def load_run(folder: Path) -> tuple[dict[str, Any], TrainingPlan]:
    """The run's last checkpoint, and its plan; CliError when there is none that can be read."""
    from sparsecodec_models.training.loop import load_checkpoint
    from sparsecodec_models.training.plan import TrainingPlan

    path = folder / CHECKPOINT
    with about(os.fspath(path)), about_os(os.fspath(path)), open(path, "rb") as file:
        checkpoint = load_checkpoint(file)
    try:
        return checkpoint, TrainingPlan(**checkpoint["about"]["plan"])
    except (KeyError, TypeError):
        raise CliError(
            f"{shown(os.fspath(path))}: is of another version of sic; begin another run --from {WEIGHTS}"
        ) from None


def same_plan(out: str, plan: TrainingPlan, given: dict[str, Any]) -> TrainingPlan:
    """The plan of a run that goes on, with the folders that are named now; CliError where something else differs.

    given: fields of a TrainingPlan; None or empty: not given.
    """
    for field, value in given.items():
        was = getattr(plan, field)
        if field in ("data", "valid") or value in (None, ()) or value == was:
            continue
        if field == "vary":
            option, differs = ("--vary", "--no-vary") if value else ("--no-vary", "--vary")
            differs += f", not {option}"
        else:
            option = "--from" if field == "weights" else f"--{field.replace('_', '-')}"
            differs = f"{option} {_text(was)}, not {_text(value)}"
        raise CliError(f"{shown(out)}: its run has {differs}; leave {option} out, or begin another run")
    return replace(plan, data=given["data"] or plan.data, valid=given["valid"] or plan.valid)


def _text(value: Any) -> str:
    if value in (None, ()):
        return "nothing"
    return shown(" ".join(value)) if isinstance(value, tuple) else shown(str(value))


def weights_name(name_or_path: str | None) -> str | None:
    """As a run keeps it: a shipped model's name, or a file's whole path."""
    from sparsecodec_models.presets import shipped_weights

    if name_or_path is None or shipped_weights(name_or_path) != Path(name_or_path):
        return name_or_path
    return os.path.abspath(name_or_path)


def read_weights(name_or_path: str) -> bytes:
    """The bytes of a shipped model's weights, or of a file."""
    from sparsecodec_models.presets import shipped_weights

    with about_os(name_or_path, always=True):
        return shipped_weights(name_or_path).read_bytes()
