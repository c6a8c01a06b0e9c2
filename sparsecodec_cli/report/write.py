"""From sounds to a page in a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from sparsecodec_cli.errors import CliError, shown
from sparsecodec_cli.extras import check_installed
from sparsecodec_cli.io.progress import Progress
from sparsecodec_cli.io.sounds import InputSound
from sparsecodec_cli.models import AUTO
from sparsecodec_formats.header import NO_WEIGHTS

from .inputs import MeasuredSound, ReportOptions, examples_of_each, measure_sound

LAST_SHARE = 0.05  # of the work: the map of all events, and the page


@dataclass(frozen=True)
class PageFacts:
    """What is on a page, and its size."""

    n_events: int
    n_examples: int
    n_bytes: int


def write_page(
    file: BinaryIO, sounds: Sequence[InputSound], n_examples: int, options: ReportOptions, progress: Progress | None
) -> PageFacts:
    """See `api.render_report`."""
    check_installed("a report", "report")
    measured: list[MeasuredSound] = []
    model = options.model
    shares = examples_of_each(n_examples, len(sounds))
    for i, (sound, n) in enumerate(zip(sounds, shares, strict=True)):
        measured.append(measure_sound(sound, model, options, n, _part(progress, i, len(sounds))))
        if model == AUTO:  # the first input decides for all: their vectors are compared
            model = measured[0].table.header.model
        _same_model(sounds[0].path, measured[0], sound.path, measured[-1])
    from .build import page

    data = page(measured, options.seed).encode()
    file.write(data)
    if progress:
        progress(1.0)
    n_events = sum(len(sound.table) for sound in measured)
    return PageFacts(n_events, sum(len(sound.examples) for sound in measured), len(data))


def _part(progress: Progress | None, i: int, n: int) -> Progress | None:
    """Progress of the i-th of n inputs as progress of the whole."""
    if progress is None:
        return None
    return lambda share: progress((1 - LAST_SHARE) * (i + share) / n)


def _same_model(first_path: str, first: MeasuredSound, path: str, other: MeasuredSound) -> None:
    here, there = first.table.header, other.table.header
    same_weights = here.weights_hash == there.weights_hash or NO_WEIGHTS in (here.weights_hash, there.weights_hash)
    if here.model != there.model or not same_weights:
        raise CliError(
            f"{shown(path)}: was encoded with another model than {shown(first_path)}, so their vectors cannot be"
            " compared; make a page for each"
        )
