"""Where weights are looked for that are not shipped: the folders that SIC_MODELS names, and the .sic file's own."""

from __future__ import annotations

import os
from pathlib import Path

from sparsecodec_cli.errors import shown

FOLDERS = "SIC_MODELS"  # an environment variable: folders, with os.pathsep between them


def folder_of(path: str) -> str | None:
    """The folder that a file lies in, links followed; None for '-'."""
    return None if path == "-" else os.path.dirname(os.path.realpath(path))


def folders_named() -> list[str]:
    """The folders that SIC_MODELS names, in its order."""
    return [folder for folder in os.environ.get(FOLDERS, "").split(os.pathsep) if folder]


def find_weights(weights_hash: bytes, beside: str | None) -> str | None:
    """The path of the first .safetensors file with this hash; None where there is none.

    beside: a folder to look in after those of SIC_MODELS. What cannot be read is passed over.
    """
    from sparsecodec_models.weights import hash_of_file

    for folder in [*folders_named(), *([beside] if beside is not None else [])]:
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


def places_looked_in(beside: str | None) -> str:
    """What a message says of where `find_weights` has looked."""
    named = ", ".join(map(shown, folders_named()))
    places = [f"in {named} ({FOLDERS})" if named else f"in {FOLDERS}, which names no folder"]
    return " and ".join([*places, *(["beside the file"] if beside is not None else [])])
