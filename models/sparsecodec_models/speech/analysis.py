"""Analysis of a stream: windows that slide by half, events taken from each first half.

After Vinyard 2025 ("streaming"; seed-system.md), with one look instead of one an event: the encoder proposes events at
all maxima of the switch. Where a rule says when to stop, they are taken out of the spectrogram from loud to soft until
it does. The events of each half window are then fitted to the samples (`refine.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsecodec_formats.edit import parted

from ..removal import Proposal, energy, remove_events
from .encoder import Proposals
from .model import SpeechModel
from .proposals import ATTACK, BEGINS, DECAY, LEVEL, assemble, measure_pitch, pick_frames, track_pitch
from .refine import Events, fit
from .synthesis import noise_spectrum, render

WINDOW = 2**17  # samples, as the reference
MAX_EVENTS_PER_SECOND = 40.0
SILENCE = 2.0**-16  # a window that stays below (half a 16-bit step) holds no event
INAUDIBLE_DB = 50.0  # an event so far below the loudest frame is not sent
EFFORT_STEPS = (0, 5, 10, 16, 25, 40, 60, 100, 160, 300)
MARGIN = 4096  # samples on either side of a half window that its fit hears, too; whole synthesis frames
CONTEXT = 3  # events on either side of a half window that its fit has in mind: voices go on there
LEAD = 36  # frames that an event's spectrogram begins before its frame: attacks reach back

Final = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Events that will not change any more: times int64 [n], samples since the start of the stream, ascending; vectors
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
        channel: int = 0,
        events_per_second: float | None = None,
        snr_stop_db: float | None = None,
    ) -> None:
        """effort 0 … 9; seed and channel: of the file's noise; quantiser_step float32 [32], on the model's device."""
        self._model, self._steps, self._seed, self._channel = model, EFFORT_STEPS[effort], seed, channel
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
        self._tail = self._no_events()  # the last events that are final
        self._last_time = -(2**40)  # of the last event proposed
        self._begun = False  # whether a voice began after it whose first events were left out
        self._last_db = self._lowest_db = np.inf  # its level, and the lowest of those left out since
        self._loudest_db = -120.0  # of the last window

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
        return Events(torch.zeros(0, self._model.config.vector_dims, device=self._device), place)

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
            self._begun = True
            self._loudest_db = -120.0
            return self._no_events()
        magnitude = self._model.encoder.features.spectrogram(samples)
        power_scale = self._model.encoder.features.power_scale
        loudest_db = 10 * float(torch.log10(magnitude.square().sum(0).max() * power_scale + 1e-12))
        # of the window before, too: the end of a recording is not loud because nothing follows
        loudest_db, self._loudest_db = max(loudest_db, self._loudest_db), loudest_db
        window = _Window(samples, magnitude, begin, (start - begin) // hop, -(-(until - begin) // hop), loudest_db)
        proposals = track_pitch(self._model.encoder(magnitude[None]))
        frames = pick_frames(proposals.switch[0])
        frames = frames[(frames >= window.first) & (frames < len(magnitude.T))]
        begins = proposals.named[0, BEGINS, frames] > 0.5
        voice = torch.cumsum(begins, 0) + int(self._begun)
        level_db = self._level_db(proposals, frames)
        kept = self._choose(window, proposals, frames, level_db)
        chosen = self._assemble(window, proposals, frames, voice, level_db, kept)
        if self._snr_stop_db is not None:
            kept[kept.nonzero()[:, 0]] = self._enough(window, chosen, frames[kept])
            chosen = self._assemble(window, proposals, frames, voice, level_db, kept)
        mine = frames < window.last
        count = int((kept & mine).sum())
        if count:
            self._last_time = int(chosen.time[count - 1])
            self._last_db, self._lowest_db = float(level_db[kept & mine][-1]), np.inf
        # what begins between the last event that was kept and the end of the half begins the voice of the next
        rest = mine & ((frames * hop + begin) > self._last_time)
        self._begun = bool(begins[rest].any()) or (self._begun and not count)
        if bool(rest.any()):
            self._lowest_db = min(self._lowest_db, float(level_db[rest].min()))
        return chosen[:count]

    def _level_db(self, proposals: Proposals, frames: Tensor) -> Tensor:
        decoder = self._model.decoder
        return proposals.named[0, LEVEL, frames] * decoder.scale[LEVEL] + decoder.offset[LEVEL]

    def _choose(self, window: _Window, proposals: Proposals, frames: Tensor, level_db: Tensor) -> Tensor:
        """Which of these frames' events are loud enough, and the surest as many as the ceiling lets through: bool."""
        kept = level_db > window.loudest_db - INAUDIBLE_DB
        start = window.begin + window.first * self._model.config.hop
        until = window.begin + window.last * self._model.config.hop
        budget = int(self._rate * until + 1e-9) - int(self._rate * start + 1e-9)
        mine = torch.nonzero(kept & (frames < window.last))[:, 0]
        if len(mine) > budget:
            kept[mine] = False
            kept[mine[torch.topk(proposals.switch[0, frames[mine]], budget).indices]] = True
        return kept

    def _assemble(
        self, window: _Window, proposals: Proposals, frames: Tensor, voice: Tensor, level_db: Tensor, kept: Tensor
    ) -> Events:
        """The events that are kept of those at these frames, linked among themselves and to the last one before; times
        in the stream. voice int64: their voices as proposed."""
        if not bool(kept.any()):
            return self._no_events()
        # the last event that was kept, and what was left out since, come before
        levels = np.concatenate([[self._last_db, self._lowest_db], level_db.cpu().numpy()])
        apart = parted(levels, np.concatenate([[True, False], kept.cpu().numpy()]))[2:]
        frames, voice = frames[kept], voice[kept]
        begins = torch.diff(voice, prepend=voice.new_zeros(1)) != 0
        begins |= torch.from_numpy(apart[kept.cpu().numpy()]).to(self._device)
        last = (self._last_time - window.begin) // self._model.config.hop
        lead = last >= 0
        if lead:  # there to link to
            frames = torch.cat([frames.new_tensor([last]), frames])
            begins = torch.cat([begins.new_ones(1), begins])
        vector, time = assemble(proposals, torch.zeros_like(frames), frames, self._model.decoder, begins)
        vector = measure_pitch(self._model.decoder, vector, time, window.samples)
        return Events(vector, time + window.begin)[int(lead) :]

    def _enough(self, window: _Window, events: Events, frames: Tensor) -> Tensor:
        """Which events of the half window are taken until the residual is small enough, loud ones first; those after
        it stay: bool."""
        first, last = window.first, window.last
        residual = window.magnitude.T.contiguous()
        residual[:first] = 0.0  # that is done with
        carried = self._removed[: len(residual) - first]
        residual[first : first + len(carried)] -= carried
        before = residual.clone()
        taken = frames >= last
        level = events.vector[:, LEVEL].masked_fill(taken, -torch.inf)
        waiting = iter(torch.argsort(level, descending=True)[: int((~taken).sum())].tolist())
        row: dict[int, int] = {}

        def next_event(left: Tensor, n_open: int) -> Proposal | None:
            index = next(waiting, None)
            if index is None:
                return None
            row[int(frames[index])] = index
            return Proposal(events.vector[index], int(frames[index]), 1.0)

        removed = remove_events(
            residual,
            next_event,
            lambda proposal, rank: self._event_magnitudes(events, row[proposal.frame]),
            n_seen=len(residual),
            n_open=last,
            lead=LEAD,
            max_events=len(events),
            snr_stop_db=self._snr_stop_db,
            initial_energy=energy(window.magnitude[:, first:last]),
        )
        for event in removed:
            taken[row[event.frame]] = True
        self._removed = (before - residual)[first + WINDOW // 2 // self._model.config.hop :]
        return taken

    def _event_magnitudes(self, events: Events, index: int) -> Tensor:
        """Spectrogram of one event, from LEAD frames before its frame on: float32 [rows, bins]."""
        hop, decoder = self._model.config.hop, self._model.decoder
        vector = events.vector[index : index + 1].clone()
        time = events.time

        def fade(dim: int, samples: Tensor) -> Tensor:
            """What a fade over a gap says in vector units."""
            seconds = samples.clamp(128, LEAD * hop) / decoder.config.sample_rate
            return (torch.log2(seconds) - decoder.offset[dim]) / decoder.scale[dim]

        if index and not float(vector[0, BEGINS]) > 0.5:
            vector[0, ATTACK] = fade(ATTACK, time[index] - time[index - 1])
        if index + 1 < len(events) and not float(events.vector[index + 1, BEGINS]) > 0.5:
            vector[0, DECAY] = fade(DECAY, time[index + 1] - time[index])
        length = LEAD * hop + int(decoder.controls(vector).decay_s * decoder.config.sample_rate) + 2 * hop
        place = torch.tensor([LEAD * hop], device=self._device)
        return self._model.encoder.features.spectrogram(render(decoder, vector, place, self._seed, length)).T

    def _settle(self, half: _Half, following: Events) -> Final:
        """Fit one half window's events between those before, which are final, and those after, which may still
        change."""
        decoder, events = self._model.decoder, half.events
        begin = max(0, half.start - MARGIN)
        length = half.until + MARGIN - begin
        hop = decoder.config.frame_hop

        def here(some: Events) -> Events:
            return Events(some.vector, some.time - begin)

        with torch.no_grad():
            count = length // hop + 2
            noise = noise_spectrum(
                self._seed, self._channel, begin // hop, count, decoder.config, str(self._device)
            )
        vector = fit(
            decoder,
            self._model.prior,
            here(self._tail),
            here(events),
            here(following[:CONTEXT]),
            self._span(begin, begin + length),
            noise,
            self._seed,
            self._steps,
            self._quantiser_step,
        )
        self._tail = self._tail.then(Events(vector, events.time))[-CONTEXT:]
        return events.time.cpu().numpy(), vector.cpu().numpy()
