"""Where weights are looked for that are not shipped: the folders that SIC_MODELS names, and the .sic file's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from sparsecodec_cli.errors import shown

FOLDERS = "SIC_MODELS"  # an environment variable: folders, with os.pathsep between them


_beside: ContextVar[tuple[str, ...]] = ContextVar("_beside", default=())  # folders of the .sic files at hand


@contextmanager
def weights_beside(*paths: str) -> Iterator[None]:
    """Inside, weights are looked for in the folders of these .sic files, too, links followed; '-' lies in none."""
    folders = [os.path.dirname(os.path.realpath(path)) for path in paths if path != "-"]
    before = _beside.set(tuple(dict.fromkeys(folders)))
    try:
        yield
    finally:
        _beside.reset(before)


def folders_named() -> list[str]:
    """The folders that SIC_MODELS names, in its order."""
    return [folder for folder in os.environ.get(FOLDERS, "").split(os.pathsep) if folder]


def find_weights(weights_hash: bytes) -> str | None:
    """The path of the first .safetensors file with this hash, in the folders that SIC_MODELS names, then beside the
    .sic files at hand; None where there is none. What cannot be read is passed over."""
    from sparsecodec_models.weights import hash_of_file

    for folder in [*folders_named(), *_beside.get()]:
        for path in _weights_in(folder):
            try:
                with open(path, "rb") as file:
                    found = hash_of_file(file)
            except OSError:
                continue
            if found == weights_hash:
                return os.fspath(path)
    return None


def _weights_in(folder: str) -> list[Path]:
    """By name; files alone, as a pipe would never end."""
    try:
        return sorted(path for path in Path(folder).glob("*.safetensors") if path.is_file())
    except OSError:
        return []


def places_looked_in() -> str:
    """What a message says of where `find_weights` has looked."""
    named = ", ".join(map(shown, folders_named()))
    places = [f"in {named} ({FOLDERS})" if named else f"in {FOLDERS}, which names no folder"]
    return " and ".join([*places, *(["beside the file"] if _beside.get() else [])])
