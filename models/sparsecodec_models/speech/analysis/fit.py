"""Analysis by synthesis: events of a part of a sound fitted to it by gradient through the decoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sparsecodec_formats.table import EventTable
from sparsecodec_models.dsp.adam import Adam
from sparsecodec_models.dsp.sound_distance import SoundDistance
from sparsecodec_models.speech.config import SpeechConfig
from sparsecodec_models.speech.network.decoder import SpeechDecoder
from sparsecodec_models.speech.network.prior import EventPrior
from sparsecodec_models.threads import end_if_unwanted

from .frame_spectra import SteadyVoices, apart
from .proposals import BEGINS, F0, GLIDE, LEVEL, LONGEST_GAP_S, PHASE, on_the_path, tidy, unheard

LEARNING_RATE = 0.3  # quantiser steps an iteration
PITCH = [F0, GLIDE]
STEADY = [*PITCH, PHASE, BEGINS]  # pitch is measured, and known better than a distance of spectra tells
TURNS = (0, 1), (1, 3), (1, 2), (1, 3)  # resolutions of the distance in each step
PLANNED_AGAIN = 7  # iterations after which voices are planned anew
MARGIN = 2.0  # by which fades may grow until then
ENVELOPE_WEIGHT = 1.0  # of the correlation of envelopes in the distance, beside spectra
MOST_LEVELLED_DB = 1.5  # more is no bias of the fit: the rest of the sound is not coded at all
LEVELLED_FROM = 1e-8  # mean square, -80 dB re full scale: softer sounds have no level to keep


@dataclass(frozen=True)
class Events:
    """n events of one channel: vector float32 [n, 32]; time int64 [n], samples, ascending."""

    vector: Tensor
    time: Tensor

    def __len__(self) -> int:
        return len(self.time)

    def __getitem__(self, rows: Tensor | slice) -> Events:
        return Events(self.vector[rows], self.time[rows])

    def then(self, other: Events) -> Events:
        """These events and those."""
        return Events(torch.cat([self.vector, other.vector]), torch.cat([self.time, other.time]))


def events_of(table: EventTable, channel: int, model_rate: int, device: torch.device) -> Events:
    """The events of one channel."""
    mine = table.select(table.channel == channel)
    time = np.round(mine.time * model_rate).astype(np.int64)
    return Events(torch.tensor(mine.vector, device=device), torch.from_numpy(time).to(device))


@dataclass(frozen=True)
class Part:
    """Events that are fitted to a part of a sound, and what is heard with them.

    before, after: the events about them, which stay as they are. target: float32 [n]; times count from its first
    sample. noise: complex64 [frames, bins], the file's noise from there on.
    """

    before: Events
    events: Events
    after: Events
    target: Tensor
    noise: Tensor

    @property
    def all_events(self) -> Events:
        return self.before.then(self.events).then(self.after)


class _Parts:
    """All events of several parts in one table, on a time line on which the parts are `apart`.

    Attributes: vector float32 [k, 32]; time int64 [k]; fitted: rows of those that are fitted, int64; of the events
    that cost bits, which are these and those before them, in the same order: known, their rows, int64, part, which one
    they are in, int64, and fitted_of_known, places of those that are fitted; count: how many are fitted in the part of
    each that is fitted, int64.
    """

    def __init__(self, parts: Sequence[Part], config: SpeechConfig) -> None:
        device = parts[0].target.device
        groups = [(part.before, part.events, part.after) for part in parts]
        sizes = torch.tensor([[len(events) for events in group] for group in groups])
        part = torch.arange(len(parts)).repeat_interleave(sizes.sum(1))
        kind = torch.arange(3).repeat(len(parts)).repeat_interleave(sizes.flatten())
        known = torch.nonzero(kind < 2)[:, 0]
        self.vector = torch.cat([events.vector for group in groups for events in group])
        self.time = torch.cat([events.time for group in groups for events in group])
        self.time = self.time + (part * apart(config)).to(device)
        self.fitted, self.known, self.part = torch.nonzero(kind == 1)[:, 0].to(device), known.to(device), part[known]
        self.part = self.part.to(device)
        self.fitted_of_known = torch.nonzero(kind[known] == 1)[:, 0].to(device)
        self.count = sizes[:, 1].repeat_interleave(sizes[:, 1]).to(device)


def fit(
    decoder: SpeechDecoder,
    prior: EventPrior,
    parts: Sequence[Part],
    *,
    seed: int,
    iterations: int,
    quantiser_step: Tensor,
    bit_weight: float,
) -> list[Tensor]:
    """Vectors of the `events` of parts, each fitted so that all its events together sound like its target. Pitches,
    phases and links stay.

    parts: one or more, with targets of the same length; what comes of one does not depend on the others.
    quantiser_step: float32 [32]. The fit sees rounding as uniform noise of the same width (Ballé et al. 2017), so that
    it settles where rounding hurts least.
    """
    sizes = [len(part.events) for part in parts]
    if not iterations or not sum(sizes):
        return [part.events.vector.clone() for part in parts]
    target = torch.stack([part.target for part in parts])
    noise = torch.stack([part.noise for part in parts])
    distance = SoundDistance(target, decoder.config.sample_rate, envelope_weight=ENVELOPE_WEIGHT)
    table = _Parts(parts, decoder.config)
    vector, time = table.vector[table.fitted], table.time[table.fitted]
    free = ~unheard(decoder, vector, time)
    free[:, STEADY] = False
    known = table.vector[table.known]
    heard = torch.ones_like(known, dtype=torch.bool).index_copy(0, table.fitted_of_known, free)
    begins = torch.ones_like(known[:, BEGINS], dtype=torch.bool)
    begins[table.fitted_of_known] = vector[:, BEGINS] > 0.5
    vector[:, F0] = on_the_path(decoder, table.vector, table.time)[table.fitted, F0]
    # of each part by itself, so that it is the same in any company
    jitter = [torch.rand((iterations, n, vector.shape[1]), generator=_generator(seed)) for n in sizes]
    jitters = (torch.cat(jitter, 1).to(vector.device) - 0.5) * quantiser_step * free
    with torch.enable_grad():
        vector.requires_grad_(True)
        optimizer = Adam(vector)
        for i in range(iterations):
            end_if_unwanted()
            if i % PLANNED_AGAIN == 0:  # fades move slowly, and few events become voiced
                told = table.vector.index_copy(0, table.fitted, vector.detach())
                # as it will be decoded: phases are the pitch's sum, and another pitch has quite others
                told[:, PITCH] = torch.round(told[:, PITCH] / quantiser_step[PITCH]) * quantiser_step[PITCH]
                voices = SteadyVoices(decoder.tables, told, table.time, target.shape[1], noise, MARGIN)
            rounded = vector + jitters[i]
            sound = voices.sound(table.vector.index_copy(0, table.fitted, rounded))
            costly = known.index_copy(0, table.fitted_of_known, vector)
            bits = prior.bits(costly, begins, heard, quantiser_step, table.part)[table.fitted_of_known]
            # sums over parts, so that each has the gradient that it has alone
            loss = len(parts) * distance(sound, TURNS[i % len(TURNS)])
            loss = loss + bit_weight * (bits.sum(1) / table.count).sum()
            (gradient,) = torch.autograd.grad(loss, vector)
            optimizer.step(gradient * free, LEARNING_RATE * (1.0 - 0.9 * i / iterations))
    return list(vector.detach().split(sizes))


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed + 1)


@torch.no_grad()
def settle(decoder: SpeechDecoder, before: Events, events: Events, after: Events, quantiser_step: Tensor) -> Tensor:
    """Vectors of `events` rounded to the grid, with the cheapest number where nothing is heard of one; before, after:
    as in `Part`."""
    if not len(events):
        return events.vector
    begins = events.vector[:, BEGINS] > 0.5
    vector = torch.round(events.vector / quantiser_step) * quantiser_step
    # a coarse step must not round it away
    least = torch.ceil(0.51 / quantiser_step[BEGINS]) * quantiser_step[BEGINS]
    vector[:, BEGINS] = torch.where(begins, least, torch.zeros_like(least))
    every = before.then(Events(vector, events.time)).then(after)
    vector = tidy(decoder, every.vector, every.time, quantiser_step)[len(before) :][: len(events)]
    return torch.round(vector / quantiser_step) * quantiser_step


@torch.no_grad()
def levelled(
    decoder: SpeechDecoder, events: Events, settled: Events, wanted: float, got: float, quantiser_step: Tensor
) -> Tensor:
    """Vectors of `events`, all louder or softer by the same, so that once settled they have the energy of the target.

    A fit is a little too soft, as what it cannot foretell (noise, the course of phases) counts as an error the louder
    it is; coded again and again, a recording would fade. settled: the same events on the grid; wanted, got:
    mean squares of the target, and of the sound when they are settled.
    """
    if not len(events) or min(wanted, got) < LEVELLED_FROM:
        return events.vector
    wanted_db = float(np.clip(10 * np.log10(wanted / got), -MOST_LEVELLED_DB, MOST_LEVELLED_DB))
    # levels are rounded to steps of more than a decibel: which offset comes nearest is tried out, on what each event
    # is of the energy, about: its own, times the time to those beside it
    gap_s = (torch.diff(events.time).double() / decoder.config.sample_rate).clamp_max(LONGEST_GAP_S)
    edge = gap_s.new_full((1,), LONGEST_GAP_S / 4)
    lasts_s = torch.cat([edge, gap_s]) + torch.cat([gap_s, edge])

    def energy(level: Tensor) -> Tensor:
        """Of levels float32 [..., n], vector units: float64 [...]."""
        level_db = level.double() * decoder.scale[LEVEL] + decoder.offset[LEVEL]
        return (lasts_s * torch.pow(10.0, level_db / 10)).sum(-1)

    step = quantiser_step[LEVEL]
    offsets = torch.arange(-60, 61, device=step.device) / 60 * (MOST_LEVELLED_DB / decoder.scale[LEVEL])
    offsets = offsets[offsets.abs().argsort()]  # of two that are as good, the smaller one
    tried = torch.round((events.vector[:, LEVEL] + offsets[:, None]) / step) * step
    gain_db = 10 * torch.log10(energy(tried) / energy(settled.vector[:, LEVEL]))
    vector = events.vector.clone()
    vector[:, LEVEL] += offsets[(gain_db - wanted_db).abs().argmin()]
    return vector
