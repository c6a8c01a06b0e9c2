"""From audio to events, stage by stage: candidates → ranking → operating point → choice → fit → table on the grid.

Each stage goes over the whole recording and hands plain data to the next; the audio is read once for the candidates and
once for each fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.edit import keep_bytes, only
from sparsecodec_formats.header import Header
from sparsecodec_formats.quantiser import dequantise, quantise
from sparsecodec_formats.table import EventTable
from sparsecodec_models.audio_source import ModelRateAudio
from sparsecodec_models.codec import RateTarget
from sparsecodec_models.speech.model import SpeechModel

from .candidates import CandidateFinder, Candidates
from .operating_points import DEFAULT_EIGHTH, RateControl, point
from .ranking import Ranking
from .snr_stop import SnrStop
from .stream_fit import fit_table

LEAST_ITERATIONS_TWICE = 4  # fits of so many iterations are done in two halves
GROWTH = 1.17  # of a file by the fit, on validation
LOOKED, LOOKED_ALONE = 0.1, 0.9  # share of the work that finding candidates is, before a fit and without one


def analyse(
    model: SpeechModel, header: Header, audio: ModelRateAudio, iterations: int, target: RateTarget
) -> Iterator[EventTable]:
    """The events of a recording, in one part, as a file will give them back. iterations: of the fit, 0 for
    none.

    header: of the file; its quantiser step becomes that of the operating point.
    """
    n_bytes = target.n_bytes(header)
    rate_control = RateControl(target, header, model)
    looked = LOOKED if iterations else LOOKED_ALONE
    first_half = iterations // 2 if iterations >= LEAST_ITERATIONS_TWICE else 0
    growth = GROWTH if iterations else 1.0  # what is still to come

    # what could be an event, and in which order it is worth its bits
    candidates = find_candidates(model, header, audio.blocks(0.0, looked), target.snr_stop_db)
    ranking = Ranking.of(header, candidates, model.config.sample_rate)

    # how fine the numbers are, and with that how much an event must be worth
    at = rate_control.operating_point(ranking, growth)

    # the first half of the fit: vectors, and, when they are known better, the order once more
    if first_half:
        chosen = rate_control.choose(ranking, at, growth)
        table = only(ranking.table, chosen)
        fitted = fit_table(model, table, at, audio.blocks(looked, 0.5), first_half, last=False)
        ranking = ranking.refitted(chosen, fitted.vector, fitted.missed_at(ranking.table, model.config))
        looked, growth = 0.5, 1.0

    # the candidates that become events
    table = only(ranking.table, rate_control.choose(ranking, at, growth))

    # their numbers, on the quantiser's grid
    rest = iterations - first_half
    fitted = fit_table(model, table, at, audio.blocks(looked, 1.0), rest, last=True)
    table = table.replace(vector=fitted.vector)
    header = replace(header, step=(at.step,) * model.config.vector_dims)
    table = dequantise(header, quantise(table.replace(header=header)))  # to the last bit what a file will give
    yield table if n_bytes is None else keep_bytes(table, n_bytes)


def find_candidates(
    model: SpeechModel, header: Header, blocks: Iterator[NDArray[np.float32]], snr_stop_db: float | None
) -> list[Candidates]:
    """Of each channel. blocks: float32 [m, channels] at the model's rate."""
    finders = []
    for channel in range(header.streams):
        stop = None
        if snr_stop_db is not None:
            stop = SnrStop(model, header, point(DEFAULT_EIGHTH).worth, snr_stop_db, channel)
        finders.append(CandidateFinder(model, model.device, stop))
    found: list[list[Candidates]] = [[] for _ in finders]
    for block in blocks:
        for channel, finder in enumerate(finders):
            found[channel] += finder.push(np.ascontiguousarray(block[:, channel]))
    for channel, finder in enumerate(finders):
        found[channel] += finder.finish()
    return [Candidates.joined(parts, model.config.vector_dims) for parts in found]
