"""Whether what an earlier run has written is whole, and what a .sic file tells of its size."""

from __future__ import annotations

import os
from fractions import Fraction
from typing import Any

from sparsecodec_cli.io.sic_files import open_sic
from sparsecodec_cli.io.sounds import open_recording
from sparsecodec_formats import container
from sparsecodec_formats.errors import SicError
from sparsecodec_formats.header import Header

CHUNK = 1 << 18  # samples that are read at once
LOSSY = (".mp3", ".ogg", ".oga", ".opus")
INEXACT_S = 0.1  # what these may add at the ends
ROUNDED = 1.5  # samples, by which two ways to round the ends of a part differ


def is_whole_sic(path: str) -> bool:
    """Whether there is a .sic file without a fault."""
    try:
        with open_sic(path) as file:
            return not container.verify(file)
    except (SicError, OSError):
        return False


def is_whole_audio(
    path: str, sic_path: str, *, sample_rate: int | None = None, start_s: float = 0.0, end_s: float | None = None
) -> bool:
    """Whether there is a recording that can be read to its end, as long as a .sic file, or a part of it, decodes to.

    sample_rate: Hz, that it was decoded to; None: the source's.
    """
    try:
        header = header_of(sic_path)
        rate = sample_rate or header.sample_rate
        stop = header.n_samples if end_s is None else min(round(end_s * header.sample_rate), header.n_samples)
        start = min(round(start_s * header.sample_rate), stop)
        duration_s = Fraction(stop - start, header.sample_rate)
        with open_recording(path) as recording:
            if recording.warnings or recording.channels != header.channels:
                return False
            n_samples = 0
            while n := len(recording.read(CHUNK)):
                n_samples += n
            is_exact = recording.sample_rate == rate and not path.lower().endswith(LOSSY)
            off_s = abs(Fraction(n_samples, recording.sample_rate) - duration_s)
            return off_s <= (ROUNDED / rate if is_exact else INEXACT_S)
    except (SicError, OSError):
        return False


def facts_of(path: str | None) -> dict[str, Any]:
    """`duration_s` and `sic_bytes` of an `Outcome`, of the .sic file at `path`; empty where there is none."""
    if path is None:
        return {}
    try:
        return {"duration_s": header_of(path).duration_s, "sic_bytes": os.path.getsize(path)}
    except (SicError, OSError):
        return {}


def header_of(path: str) -> Header:
    """What holds for the whole of a .sic file, of which no more is read; SicError when it is damaged."""
    with open_sic(path) as file:
        return container.Reader(file).header
