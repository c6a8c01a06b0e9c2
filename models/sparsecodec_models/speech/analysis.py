"""Analysis of a stream: windows that slide by half, events taken from each first half, the residual carried on.

After Vinyard 2025 ("streaming"; seed-system.md): an encoder looks at a spectrogram and proposes, what is proposed is
rendered and taken out, the encoder looks at the residual. Here one look proposes events at all maxima of the switch,
and they are removed from loud to soft until a rule says stop; further looks at the residual may add what the first one
missed. The events of each half window are then fitted to the samples (`refine.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..removal import Proposal, energy, remove_events
from .model import SpeechModel
from .proposals import assemble, measure_pitch_and_phase, onset_samples, pick_frames
from .refine import Events, fit
from .synthesis import render

WINDOW = 2**17  # samples, as the reference
TIME_STEP = 128  # samples between possible onsets
MAX_EVENTS_PER_SECOND = 40.0
LOOKS = 1  # a second one costs more bits than it is worth, see docs/experiments.md
SILENCE = 2.0**-16  # a window that stays below (half a 16-bit step) holds no event
INAUDIBLE_DB = 45.0  # an event so far below the loudest frame is not sent
WORTH = 0.5  # a later look's event must remove at least this share of its own energy
EFFORT_STEPS = (0, 12, 25, 50, 75, 100, 150, 220, 320, 450)
MARGIN = 2048  # samples on either side of a half window that its fit hears, too
LEAD = 8  # frames that an event's spectrogram begins before its frame: attacks reach back

Final = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Events that will not change any more: onsets int64 [n], samples since the start of the stream, ascending; vectors
float32 [n, 32] on the quantiser's grid."""


@dataclass(frozen=True)
class _Half:
    """Half a window whose events are proposed, and not yet fitted."""

    start: int  # samples in the stream
    until: int
    events: Events


@dataclass(frozen=True)
class _Window:
    """What one step of the stream looks at: samples from `begin` (place in the stream) on, their spectrogram float32
    [bins, frames], the frames first … last-1 whose events it is to find, and the level of the loudest frame."""

    samples: Tensor
    magnitude: Tensor
    begin: int
    first: int
    last: int
    loudest_db: float


class SpeechAnalyser:
    """One channel's stream at the model's rate. Call `push` with blocks of any size, then `finish` once; both give
    events as they become final. Memory does not grow with the stream, and the result does not depend on the
    blocks."""

    def __init__(
        self,
        model: SpeechModel,
        *,
        effort: int,
        seed: int,
        quantiser_step: Tensor,
        events_per_second: float | None = None,
        snr_stop_db: float | None = None,
        looks: int = LOOKS,
    ) -> None:
        """effort 0 … 9; seed: of the file's noise; quantiser_step float32 [32], on the model's device."""
        self._model, self._steps, self._seed, self._looks = model, EFFORT_STEPS[effort], seed, looks
        self._quantiser_step = quantiser_step
        self._device = quantiser_step.device
        self._rate = (events_per_second or MAX_EVENTS_PER_SECOND) / model.config.sample_rate
        self._snr_stop_db = snr_stop_db
        # seen before a window, so that what is proposed does not depend on where windows begin
        self._context = (model.encoder.reach_frames + 4) * model.config.hop
        self._samples = np.zeros(0, np.float32)
        self._first = 0  # place in the stream of self._samples[0]
        self._done = 0  # samples whose events are proposed
        bins = model.encoder.features.fft_size // 2 + 1
        # magnitudes that events so far take out of the next half window and what follows: [frames, bins]
        self._removed = torch.zeros(0, bins, device=self._device)
        self._waiting: _Half | None = None
        self._tail = self._no_events()  # final events that may still sound
        self._last_onset = 0
        self._loudest_db = -120.0  # of the last window
        self._rank = 0

    def push(self, block: NDArray[np.float32]) -> Iterator[Final]:
        """Take float32 [n]."""
        for i in range(0, len(block), WINDOW // 2):
            self._samples = np.concatenate([self._samples, block[i : i + WINDOW // 2]])
            while self._first + len(self._samples) >= self._done + WINDOW + self._context:
                yield from self._advance(self._done + WINDOW // 2)

    def finish(self) -> Iterator[Final]:
        """The stream has ended."""
        total = self._first + len(self._samples)
        while self._done < total:
            yield from self._advance(min(self._done + WINDOW // 2, total))
        if self._waiting is not None:
            yield self._settle(self._waiting, self._no_events())
            self._waiting = None

    def _no_events(self) -> Events:
        place = torch.zeros(0, dtype=torch.int64, device=self._device)
        return Events(torch.zeros(0, self._model.config.vector_dims, device=self._device), place, place)

    def _advance(self, until: int) -> Iterator[Final]:
        half = _Half(self._done, until, self._propose(self._done, until))
        if self._waiting is not None:
            yield self._settle(self._waiting, half.events)
        self._waiting, self._done = half, until
        keep_from = max(self._first, half.start - self._context - MARGIN)
        self._samples, self._first = self._samples[keep_from - self._first :], keep_from

    def _span(self, start: int, stop: int) -> Tensor:
        """Samples start … stop of the stream, zeros where there are none: float32 [stop - start]."""
        out = np.zeros(stop - start, np.float32)
        low, high = max(start, self._first), min(stop, self._first + len(self._samples))
        if high > low:
            out[low - start : high - start] = self._samples[low - self._first : high - self._first]
        return torch.from_numpy(out).to(self._device)

    @torch.no_grad()
    def _propose(self, start: int, until: int) -> Events:
        """Events whose frame is centred in samples start … until, in order of time, not yet fitted."""
        hop = self._model.config.hop
        begin = max(0, start - self._context)
        samples = self._span(begin, start + WINDOW + self._context)
        if float(samples.abs().max()) < SILENCE:
            self._removed = self._removed[:0]
            self._loudest_db = -120.0
            return self._no_events()
        magnitude = self._model.encoder.features.spectrogram(samples)
        power_scale = self._model.encoder.features.power_scale
        loudest_db = 10 * float(torch.log10(magnitude.square().sum(0).max() * power_scale + 1e-12))
        # of the window before, too: the end of a recording is not loud because nothing follows
        loudest_db, self._loudest_db = max(loudest_db, self._loudest_db), loudest_db
        window = _Window(samples, magnitude, begin, (start - begin) // hop, -(-(until - begin) // hop), loudest_db)
        residual = magnitude.T.contiguous()
        residual[: window.first] = 0.0  # that is done with
        carried = self._removed[: len(residual) - window.first]
        residual[window.first : window.first + len(carried)] -= carried

        budget = int(self._rate * until + 1e-9) - int(self._rate * start + 1e-9)
        taken: dict[int, Tensor] = {}  # frame → vector
        seen = magnitude  # the first look sees what came before, too, as it did in training
        for look in range(self._looks):
            queue = self._look(window, seen, budget - len(taken), taken)
            found = self._remove(window, residual, queue, budget - len(taken), picky=look > 0)
            taken |= found
            if not found or len(taken) >= budget:
                break
            seen = residual.clamp_min(0.0).T
        self._removed = (magnitude.T - residual)[window.first + WINDOW // 2 // hop :]
        return self._in_order(taken, begin)

    def _look(self, window: _Window, magnitude: Tensor, budget: int, taken: dict[int, Tensor]) -> dict[int, Tensor]:
        """Frame → vector float32 [32] of what the encoder proposes in the half window, loud ones first."""
        decoder = self._model.decoder
        proposals = self._model.encoder(magnitude[None])
        switch = proposals.switch[0].clone()
        for frame in taken:  # an event is there already
            switch[max(0, frame - 2) : frame + 3] = -torch.inf
        frames = pick_frames(switch)
        inside = frames[(frames >= window.first) & (frames < window.last)]
        if len(inside) > budget:
            inside = inside[torch.topk(switch[inside], budget).indices].sort().values
        if not len(inside):
            return {}
        # what comes after the half window is there to link to
        frames = torch.cat([inside, frames[frames >= window.last]])
        vector, onset = assemble(proposals, torch.zeros_like(frames), frames, decoder)
        vector, onset = vector[: len(inside)], onset[: len(inside)]
        vector = measure_pitch_and_phase(decoder, vector, self._on_grid(onset, window.begin), window.samples)
        level_db = decoder.controls(vector).level_db
        order = torch.argsort(level_db, descending=True)
        return {int(inside[i]): vector[i] for i in order if level_db[i] > window.loudest_db - INAUDIBLE_DB}

    def _remove(
        self, window: _Window, residual: Tensor, queue: dict[int, Tensor], budget: int, picky: bool
    ) -> dict[int, Tensor]:
        """Take the queue's events out of `residual` (float32 [frames, bins], changed in place), in its order; those
        taken.

        picky: leave out an event that would not remove WORTH of its own energy.
        """
        waiting = iter(queue.items())
        rows: dict[int, Tensor] = {}

        def next_event(left: Tensor, n_open: int) -> Proposal | None:
            for frame, vector in waiting:
                rows[frame] = self._event_magnitudes(vector, frame)
                if not picky or _worth(left, rows[frame], frame) > WORTH:
                    return Proposal(vector, frame, 1.0)
            return None

        removed = remove_events(
            residual,
            next_event,
            lambda proposal, rank: rows[proposal.frame],
            n_seen=len(residual),
            n_open=window.last,
            lead=LEAD,
            max_events=budget,
            snr_stop_db=self._snr_stop_db,
            initial_energy=energy(window.magnitude[:, window.first : window.last]),
        )
        return {event.frame: queue[event.frame] for event in removed}

    def _event_magnitudes(self, vector: Tensor, frame: int) -> Tensor:
        """Spectrogram of one event alone, from LEAD frames before its frame on: float32 [rows, bins]."""
        hop, decoder = self._model.config.hop, self._model.decoder
        controls = decoder.controls(vector[None])
        place = torch.tensor([LEAD], device=self._device)
        onset = onset_samples(place, controls.attack_s, decoder.config).round().long()
        length = int(onset) + int(controls.duration_s * decoder.config.sample_rate) + 2 * hop
        sound = render(decoder, vector[None], onset, torch.zeros_like(onset), self._seed, length)
        return self._model.encoder.features.spectrogram(sound).T

    def _on_grid(self, onset: Tensor, begin: int) -> Tensor:
        """Onsets on the file's grid of times, int64 [n], still relative to sample `begin`."""
        return torch.round((onset + begin) / TIME_STEP).long() * TIME_STEP - begin

    def _in_order(self, taken: dict[int, Tensor], begin: int) -> Events:
        if not taken:
            return self._no_events()
        frames = sorted(taken)
        vector = torch.stack([taken[frame] for frame in frames])
        frame = torch.tensor(frames, device=self._device)
        attack_s = self._model.decoder.controls(vector).attack_s
        onset = self._on_grid(onset_samples(frame, attack_s, self._model.config), begin) + begin
        # a long attack may begin before the event before: keep the order, on which the noise depends
        onset = torch.cummax(onset.clamp_min(self._last_onset), 0).values
        rank = torch.arange(self._rank, self._rank + len(onset), device=self._device)
        self._rank += len(onset)
        self._last_onset = int(onset[-1])
        return Events(vector, onset, rank)

    def _settle(self, half: _Half, following: Events) -> Final:
        """Fit one half window's events between those before, which are final, and those after, which may still
        change."""
        decoder, events = self._model.decoder, half.events
        begin = max(0, half.start - MARGIN)
        length = half.until + MARGIN - begin
        with torch.no_grad():
            background = torch.zeros(length, device=self._device)
            for other in (self._tail, following):
                background += render(decoder, other.vector, other.onset - begin, other.rank, self._seed, length)
        local = Events(events.vector, events.onset - begin, events.rank)
        target = self._span(begin, begin + length)
        vector = fit(decoder, local, target, background, self._seed, self._steps, self._quantiser_step)
        end = events.onset + (decoder.controls(vector).duration_s * decoder.config.sample_rate).long()
        sounding = end > half.until - MARGIN
        self._tail = Events(vector[sounding], events.onset[sounding], events.rank[sounding])
        return events.onset.cpu().numpy(), vector.cpu().numpy()


def _worth(residual: Tensor, rows: Tensor, frame: int) -> float:
    """Energy that an event's magnitudes would remove from the residual, as a share of their own."""
    rows = rows[max(0, LEAD - frame) :]
    part = residual[max(0, frame - LEAD) :][: len(rows)]
    rows = rows[: len(part)]
    return (energy(part) - energy(part - rows)) / (energy(rows) + 1e-12)
