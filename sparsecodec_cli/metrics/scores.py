"""What other people's packages say of a pair of signals; each is imported when its score is asked for.

ESTOI       Jensen & Taal 2016: intelligibility, 1 for the same (pystoi)
PESQ-WB     ITU-T P.862.2 at 16 kHz: quality, 1 to 4.64 (pesq)
PESQ-NB     ITU-T P.862.1 at 8 kHz: quality in telephony's band, 1 to 4.55 (pesq)
ViSQOL      version 3 for speech, with its lattice model: quality, 1 to 5 (visqol-python, ai-edge-litert)
DistillMOS  version 7: how natural speech sounds, 1 to 5, without a reference (distillmos)
"""

from __future__ import annotations

import io
import os
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import soxr

from .mel_distance import Audio

SAMPLE_RATE = 16_000
NARROW_RATE = 8_000
MIN_ESTOI_S = 0.4  # 30 frames
MIN_VISQOL_S = 0.75


class LeftOut(Exception):
    """A score that these signals do not have; says why."""


@dataclass(frozen=True)
class Score:
    """A score's key in JSON, its name, and its function of two signals [n] at 16 kHz, in time with each other.

    The function raises ImportError where its package is missing, and LeftOut.
    """

    key: str
    title: str
    measure: Callable[[Audio, Audio], float]
    by_parts: bool = True
    """Whether long recordings are to be judged part by part; DistillMOS does so by itself."""


def estoi(reference: Audio, other: Audio) -> float:
    from pystoi import stoi

    too_short = LeftOut(f"REF has less than {MIN_ESTOI_S} s of sound")
    if len(reference) < MIN_ESTOI_S * SAMPLE_RATE:
        raise too_short
    with warnings.catch_warnings():
        # Its way to say that too little is left without the pauses; it then returns 0.00001.
        warnings.filterwarnings("error", message="Not enough STFT frames")
        try:
            return float(stoi(reference, other, SAMPLE_RATE, extended=True))
        except RuntimeWarning as warning:
            raise too_short from warning


def pesq_wb(reference: Audio, other: Audio) -> float:
    return _pesq(reference, other, SAMPLE_RATE, "wb")


def pesq_nb(reference: Audio, other: Audio) -> float:
    narrow = [soxr.resample(audio, SAMPLE_RATE, NARROW_RATE) for audio in (reference, other)]
    return _pesq(narrow[0], narrow[1], NARROW_RATE, "nb")


def _pesq(reference: Audio, other: Audio, sample_rate: int, mode: str) -> float:
    import pesq

    try:
        return float(pesq.pesq(sample_rate, reference, other, mode))
    except pesq.BufferTooShortError as error:
        raise LeftOut("REF is shorter than 0.25 s") from error
    except pesq.NoUtterancesError as error:
        raise LeftOut("no speech is found in REF") from error


def visqol(reference: Audio, other: Audio) -> float:
    model = _visqol_model()
    if len(reference) < MIN_VISQOL_S * SAMPLE_RATE:
        raise LeftOut(f"REF is shorter than {MIN_VISQOL_S} s")
    return float(model.measure_from_arrays(reference.astype(float), other.astype(float), SAMPLE_RATE).moslqo)


@cache
def _visqol_model() -> Any:
    from visqol import VisqolApi

    model = VisqolApi()
    with _hushed():
        # By its name: without the lattice's runtime another model would step in, whose figures do not compare.
        model.create(mode="speech", use_lattice_model=True)
    return model


@contextmanager
def _hushed() -> Iterator[None]:
    """Keeps off stderr what a library in C++ has to say there."""
    try:
        kept = os.dup(2)
    except OSError:  # stderr is closed
        yield
        return
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def distillmos(reference: Audio, other: Audio) -> float:
    """The mean over excerpts of 7.68 s, at most 1 s apart: one by one, so that length does not cost memory."""
    model, sizes = _distillmos_model()
    import torch

    rest = max(0, len(other) - sizes.SEQ_LEN)
    n_excerpts = -(-rest // sizes.MAX_HOP_LEN) + 1
    starts = [int(fraction * rest) for fraction in np.linspace(0, 1, n_excerpts)]
    with torch.inference_mode():
        excerpts = (torch.from_numpy(other[start : start + sizes.SEQ_LEN].copy()) for start in starts)
        return float(np.mean([model(excerpt[None]).item() for excerpt in excerpts]))


@cache
def _distillmos_model() -> tuple[Any, Any]:
    with _without_torchaudio(), redirect_stdout(io.StringIO()):  # it prints where its weights come from
        from distillmos import sqa

        return sqa.ConvTransformerSQAModel().eval(), sqa


@contextmanager
def _without_torchaudio() -> Iterator[None]:
    """distillmos imports torchaudio, which does not load beside every torch, for its own command alone."""
    there = sys.modules.get("torchaudio")
    sys.modules["torchaudio"] = there or types.ModuleType("torchaudio")
    try:
        yield
    finally:
        if there is None:
            del sys.modules["torchaudio"]


SCORES = (
    Score("estoi", "ESTOI", estoi),
    Score("pesq_wb", "PESQ-WB", pesq_wb),
    Score("pesq_nb", "PESQ-NB", pesq_nb),
    Score("visqol", "ViSQOL", visqol),
    Score("distillmos", "DistillMOS", distillmos, by_parts=False),
)
