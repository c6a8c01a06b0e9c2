"""First look at a stream: what could be an event. Windows go by, each heard with what is beside it.

After Vinyard 2025 (arXiv 2505.05654), with one look instead of one an event. The encoder says for every
frame what an event there would be; maxima of the switch say where voices begin and end. Which of the candidates
become events is chosen later, over the whole recording (`ranking.py`).
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsecodec_models.dsp.sample_buffer import SampleBuffer
from sparsecodec_models.speech.model import SpeechModel
from sparsecodec_models.speech.network.encoder import Proposals
from sparsecodec_models.threads import Threads

from .proposals import BEGINS, LEVEL, measure_pitch, pick_frames, track_pitch, vectors_at

WINDOW = 2**17  # samples, as the reference
LOOK_AHEAD = 2**14  # samples that the course of the pitch is known ahead of where it is taken: 0.74 s
SILENCE = 2.0**-16  # a window that stays below (half a 16-bit step) holds no event
INAUDIBLE_DB = 50.0  # a candidate so far below the loudest frame is no event


@dataclass(frozen=True)
class Candidates:
    """n frames of one channel at which an event could be, in order of time.

    time int64 [n], samples since the start of the stream; vector float32 [n, 32], as the encoder gives them, with
    `begins` 1 or 0; switch float32 [n], logits; heard bool [n]: loud enough; those that are not tell of pauses.
    """

    time: NDArray[np.int64]
    vector: NDArray[np.float32]
    switch: NDArray[np.float32]
    heard: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.time)

    def __getitem__(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Candidates:
        return Candidates(*(getattr(self, f.name)[rows] for f in fields(self)))

    @staticmethod
    def joined(parts: list[Candidates], dims: int) -> Candidates:
        """All of them, one part after the other."""
        none = Candidates(
            np.zeros(0, np.int64), np.zeros((0, dims), np.float32), np.zeros(0, np.float32), np.zeros(0, bool)
        )
        return Candidates(*(np.concatenate([getattr(p, f.name) for p in [none, *parts]]) for f in fields(none)))


Stop = Callable[[Candidates, Tensor, int, int, int], Candidates]
"""(candidates of a half window; magnitudes float32 [bins, frames] of the window about it; its first frame and the one
after its last; place of frame 0 in the stream, samples) → the same candidates."""


@dataclass(frozen=True)
class Places:
    """Where a stream is looked at anew. Samples of the stream, all multiples of the encoder's hop.

    untils: each time, up to where candidates are found, ascending without end; behind, ahead: what is heard before the
    first of them, and after the last.
    """

    untils: Iterator[int]
    behind: int
    ahead: int


@dataclass(frozen=True)
class _Look:
    """One look at a stream: candidates are wanted whose frame is centred in samples start … until, and `samples`,
    float32 [n], from `begin` of the stream on, are heard for it."""

    start: int
    until: int
    begin: int
    samples: Tensor


@dataclass(frozen=True)
class _Seen:
    """What a look has found. found: candidates, all as if heard; level_db: of each, float32 [n]; loudest_db: of all
    that was heard; magnitude: float32 [bins, frames], where a rule to stop asks for it."""

    found: Candidates
    level_db: NDArray[np.float32]
    loudest_db: float
    magnitude: Tensor | None


class CandidateFinder:
    """One channel's stream at the model's rate. Call `push` with blocks of any size, then `finish` once; `take` gives
    the candidates since the last call. Memory does not grow with the stream as long as they are taken, and the result
    does not depend on the blocks, nor on when they are taken.

    Attribute done: samples whose candidates `take` gives.
    """

    def __init__(
        self,
        model: SpeechModel,
        threads: Threads,
        stop: Stop | None = None,
        places: Places | None = None,
    ) -> None:
        """stop: a rule by which fewer of a half window's candidates are heard. places: where to look anew, and with how
        much of what follows; default: every window (with a stop, every half), with LOOK_AHEAD and the encoder's
        reach."""
        self._model, self._threads, self._stop = model, threads, stop
        # seen before a window, so that what is proposed does not depend on where windows begin
        context = (model.encoder.reach_frames + 4) * model.config.hop
        each = WINDOW if stop is None else WINDOW // 2
        self._places = Places(itertools.count(each, each), context, LOOK_AHEAD + context)
        self._places = self._places if places is None else places
        self._next = next(self._places.untils)
        self._stream = SampleBuffer(model.device)
        self.done = 0
        self._begun: deque[tuple[_Look, Callable[[], _Seen]]] = deque()
        self._found: list[Candidates] = []
        self._loudest_db = -120.0  # of the last look

    def push(self, block: NDArray[np.float32]) -> None:
        """Take float32 [n]."""
        for _ in self._stream.append(block, WINDOW // 2):
            while self._stream.end >= self._next + self._places.ahead:
                self._advance()

    def finish(self) -> None:
        """The stream has ended."""
        while self.done < self._stream.end:
            self._advance()

    def take(self) -> list[Candidates]:
        """Half window by half window."""
        while self._begun:
            self._end_first()
        found, self._found = self._found, []
        return found

    def _advance(self) -> None:
        until, ahead, hop = min(self._next, self._stream.end), self._places.ahead, self._model.config.hop
        begin = max(0, self.done - self._places.behind)
        silent_from = -(-self._stream.end // hop) * hop + self._places.behind
        samples = self._stream.between(begin, min(self._next + ahead, silent_from))
        look = _Look(self.done, until, begin, samples)
        self._begun.append((look, self._threads.begin(self._see, look)))
        if len(self._begun) >= self._threads.ahead:
            self._end_first()
        self.done, self._next = until, next(self._places.untils)
        self._stream.forget(until - self._places.behind)

    @torch.no_grad()
    def _see(self, look: _Look) -> _Seen:
        model, begin = self._model, look.begin
        hop, features = model.config.hop, model.encoder.features
        if float(look.samples.abs().max()) < SILENCE:
            return _Seen(Candidates.joined([], model.config.vector_dims), np.zeros(0, np.float32), -120.0, None)
        magnitude = features.spectrogram(look.samples)
        loudest_db = 10 * float(torch.log10(magnitude.square().sum(0).max() * features.power_scale + 1e-12))
        proposals = track_pitch(model.encoder(magnitude[None]))
        frames, begins = _frames_of_voices(proposals)
        mine = (frames * hop + begin >= look.start) & (frames * hop + begin < look.until)
        frames, begins = frames[mine], begins[mine]
        vector = vectors_at(proposals, torch.zeros_like(frames), frames, begins, model.decoder)
        vector = measure_pitch(model.decoder, vector, frames * hop, look.samples)
        level_db = vector[:, LEVEL] * model.decoder.scale[LEVEL] + model.decoder.offset[LEVEL]
        found = Candidates(
            (frames * hop + begin).cpu().numpy(),
            vector.cpu().numpy(),
            proposals.switch[0, frames].cpu().numpy(),
            np.ones(len(frames), bool),
        )
        return _Seen(found, level_db.cpu().numpy(), loudest_db, None if self._stop is None else magnitude)

    def _end_first(self) -> None:
        """What the first look that is begun has found, in the light of those before."""
        look, seen = self._begun.popleft()
        here = seen()
        # of the window before, too: the end of a recording is not loud because nothing follows
        loudest_db, self._loudest_db = max(here.loudest_db, self._loudest_db), here.loudest_db
        found = replace(here.found, heard=here.level_db > loudest_db - INAUDIBLE_DB)
        if self._stop is not None and here.magnitude is not None and len(found):
            hop = self._model.config.hop
            first, last = (look.start - look.begin) // hop, -(-(look.until - look.begin) // hop)
            found = self._stop(found, here.magnitude, first, last, look.begin)
        self._found.append(found)


def _frames_of_voices(proposals: Proposals) -> tuple[Tensor, Tensor]:
    """Frames from each voice's first maximum of the switch to its last, int64 [n], ascending; which begin a voice."""
    switch = proposals.switch[0]
    picked = pick_frames(switch)
    if not len(picked):
        return picked, picked.bool()
    begins = proposals.named[0, BEGINS, picked] > 0.5
    frame = torch.arange(len(switch), device=switch.device)
    after = torch.searchsorted(picked, frame)  # the first maximum at or after each frame
    here = picked[after.clamp_max(len(picked) - 1)] == frame
    inside = (after > 0) & (after < len(picked))
    inside = inside & ~begins[after.clamp_max(len(picked) - 1)]
    first = torch.zeros_like(here)
    first[picked[begins]] = True
    kept = here | inside
    return frame[kept], first[kept]
