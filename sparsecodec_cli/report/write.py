"""From inputs to a page in a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from sparsecodec_cli.errors import CliError, shown
from sparsecodec_cli.extras import check_installed

from .inputs import Asked, Progress, Recording, examples_of_each, read_recording

LAST_SHARE = 0.05  # of the work: the map of all events, and the page


def write_page(
    file: BinaryIO, input_paths: Sequence[str], n_examples: int, asked: Asked, progress: Progress | None
) -> str:
    """Write the page of inputs ('-': stdin) to `file`; a few words on what is on it.

    CliError when an input cannot be used, or a package is missing.
    """
    check_installed("a report", "report")
    recordings: list[Recording] = []
    shares = examples_of_each(n_examples, len(input_paths))
    for i, (path, n) in enumerate(zip(input_paths, shares, strict=True)):
        recordings.append(read_recording(path, asked, n, _part(progress, i, len(input_paths))))
        _same_model(input_paths[0], recordings[0], path, recordings[-1])
    from .build import page

    data = page(recordings, asked.seed).encode()
    file.write(data)
    if progress:
        progress(1.0)
    n_events = sum(len(recording.table) for recording in recordings)
    n_shown = sum(len(recording.examples) for recording in recordings)
    return f"{n_events} events, {n_shown} example{'s' * (n_shown != 1)}, {len(data) / 1e6:.1f} MB"


def _part(progress: Progress | None, i: int, n: int) -> Progress | None:
    """Progress of the i-th of n inputs as progress of the whole."""
    if progress is None:
        return None
    return lambda share: progress((1 - LAST_SHARE) * (i + share) / n)


def _same_model(first_path: str, first: Recording, path: str, other: Recording) -> None:
    here, there = first.table.header, other.table.header
    if (here.model, here.weights_hash) != (there.model, there.weights_hash):
        raise CliError(
            f"{shown(path)}: was coded with another model than {shown(first_path)}, so that their vectors"
            " cannot be compared; make a page for each"
        )
