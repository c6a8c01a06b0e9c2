"""Looking no further when the residual is small enough: events are taken out of the spectrogram from loud to soft.

After Vinyard 2025 (arXiv 2505.05654: energy removed event by event), with what the encoder proposes in one look.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from sparsecodec_formats.header import Header
from sparsecodec_models.removal import Proposal, energy, remove_events
from sparsecodec_models.speech.model import SpeechModel
from sparsecodec_models.speech.synthesis.samples import render

from .candidates import Candidates
from .fit import Events
from .proposals import ATTACK, BEGINS, DECAY, LEVEL, tidy
from .ranking import Ranking

LEAD = 36  # frames that an event's spectrogram begins before its frame: attacks reach back


class SnrStop:
    """One channel's rule: of each half window's candidates those are heard that make its residual `snr_stop_db` softer
    than the original.

    Call it half window by half window. Only the best candidates are looked at, as the default rate would choose them.
    """

    def __init__(self, model: SpeechModel, header: Header, worth: float, snr_stop_db: float, channel: int) -> None:
        self._model, self._header, self._worth, self._snr_stop_db = model, header, worth, snr_stop_db
        self._channel = channel
        bins = model.encoder.features.fft_size // 2 + 1
        # magnitudes that events so far take out of the next half window and what follows: [frames, bins]
        self._removed = torch.zeros(0, bins)

    @torch.no_grad()
    def __call__(self, found: Candidates, magnitude: Tensor, first: int, last: int, begin: int) -> Candidates:
        """The same candidates, fewer of them heard. magnitude: float32 [bins, frames] of a window, whose frame 0 is at
        sample `begin` of the stream; candidates lie in its frames first … last-1."""
        header = replace(self._header.of_streams(), channels=1)
        ranking = Ranking.of(header, [found], self._model.config.sample_rate)
        kept = ranking.best(ranking.count_above(self._worth))
        time = torch.from_numpy(found.time[kept]).to(magnitude.device)
        vector = torch.tensor(found.vector[kept], device=magnitude.device)
        events = Events(tidy(self._model.decoder, vector, time), time)
        frames = torch.div(time - begin, self._model.config.hop, rounding_mode="floor")
        kept[kept] = self._taken(events, frames, magnitude, first, last).cpu().numpy()
        return replace(found, heard=kept)

    def _taken(self, events: Events, frames: Tensor, magnitude: Tensor, first: int, last: int) -> Tensor:
        """Which of these events are taken until the residual is small enough, loud ones first: bool [n]."""
        residual = magnitude.T.contiguous()
        residual[:first] = 0.0  # that is done with
        carried = self._removed[: len(residual) - first].to(residual.device)
        residual[first : first + len(carried)] -= carried
        before = residual.clone()
        waiting = iter(torch.argsort(events.vector[:, LEVEL], descending=True).tolist())
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
            lambda proposal, rank: self._magnitudes(events, row[proposal.frame]),
            n_seen=len(residual),
            n_open=last,
            lead=LEAD,
            max_events=len(events),
            snr_stop_db=self._snr_stop_db,
            initial_energy=energy(magnitude[:, first:last]),
        )
        taken = torch.zeros(len(events), dtype=torch.bool)
        for event in removed:
            taken[row[event.frame]] = True
        self._removed = (before - residual)[last:].cpu()
        return taken

    def _magnitudes(self, events: Events, index: int) -> Tensor:
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
        place = torch.tensor([LEAD * hop], device=vector.device)
        sound = render(decoder.tables, vector, place, self._header.seed, length, channel=self._channel)
        return self._model.encoder.features.spectrogram(sound).T
