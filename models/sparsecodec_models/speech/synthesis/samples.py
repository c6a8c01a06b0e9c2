"""The `speech` decoder, last part: the frames of a channel's voices added up, and the room: any span of its sound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from sparsecodec_models.dsp.room import convolve, room_response
from sparsecodec_models.speech.config import SpeechConfig

from .controls import SpeechControls, SpeechDecoder
from .frames import noise_spectrum, render_frames, spectra
from .voices import FramePlan, Tracks, follow, plan_frames

FRAMES_AT_ONCE = 2**12  # however many voices sound together, memory is bounded


class ChannelSound:
    """The sound of one channel's events, to be heard from anywhere; with gradients, where they are asked for."""

    def __init__(
        self,
        decoder: SpeechDecoder,
        vector: Tensor,
        time: Tensor,
        *,
        seed: int,
        channel: int = 0,
        amplitude: Tensor | None = None,
        plan: FramePlan | None = None,
        frames_at_once: int | None = FRAMES_AT_ONCE,
    ) -> None:
        """vector float32 [n, 32]; time int64 [n], samples, ascending; seed and channel: of the noise; amplitude:
        float32 [n], None for ones; plan: where it is known already. frames_at_once: None for a few events, which are
        best rendered all together."""
        self._decoder, self._seed, self._channel, self._amplitude = decoder, seed, channel, amplitude
        self._frames_at_once = frames_at_once
        self._controls = decoder.controls(vector)
        self._plan = plan_frames(self._controls, time, decoder.config) if plan is None else plan
        self._tracks = follow(self._controls, time, self._plan, decoder.config)
        self._has_room = bool((self._controls.room_gain.detach() > 0).any())

    def samples(self, start: int, length: int, *, heard_from: int | None = None, noise: Tensor | None = None) -> Tensor:
        """Samples from `start` on: float32 [length].

        heard_from: the sample that the room hears from; None: all that it still answers to. noise: of the span's
        frames, as `noise_spectrum` gives them; drawn here if None.
        """
        config, device = self._decoder.config, self._controls.level_db.device
        begin = start
        if self._has_room:
            response = room_response(config.sample_rate, config.room_seconds)
            begin -= len(response)  # the room hears what began before
            begin = begin if heard_from is None else max(begin, heard_from)
        length += start - begin
        hop = config.frame_hop
        first, last = max(0, (begin - hop) // hop), (begin + length + hop) // hop + 1
        rows = self._plan.between(first, last)
        if not len(rows):
            return torch.zeros(length, device=device)[start - begin :]
        if noise is None:
            noise = noise_spectrum(self._seed, self._channel, first, last - first, config, str(device))
        dry = torch.zeros(length, device=device)
        wet = torch.zeros_like(dry)  # what goes to the room
        for part in self._parts(rows):
            frames = part.render(self._decoder, part.amplitude, noise, first)
            dry = dry + overlap_add(frames, part.plan.frame, begin, length, config)
            if self._has_room:
                frames = part.render(self._decoder, part.room_gain, noise, first)
                wet = wet + overlap_add(frames, part.plan.frame, begin, length, config)
        whole = dry + convolve(wet, response) if self._has_room else dry
        return whole[start - begin :]

    def _parts(self, rows: Tensor) -> Iterator[_Part]:
        """Rows of the plan, a limited number at once, with only those events that sound in them."""
        if self._frames_at_once is None:
            yield _Part(self._plan[rows], self._tracks[rows], self._controls, self._amplitude)
            return
        for some in rows.split(self._frames_at_once):
            plan = self._plan[some]
            events = torch.unique(torch.cat([plan.before, plan.after]).clamp_min(0))
            amplitude = None if self._amplitude is None else self._amplitude[events]
            yield _Part(plan.renumbered(events), self._tracks[some], self._controls[events], amplitude)


@dataclass(frozen=True)
class _Part:
    """Some frames, and the events that sound in them."""

    plan: FramePlan
    tracks: Tracks
    controls: SpeechControls
    amplitude: Tensor | None

    @property
    def room_gain(self) -> Tensor:
        """What of each event goes to the room: float32 [n]."""
        gain = self.controls.room_gain
        return gain if self.amplitude is None else self.amplitude * gain

    def render(self, decoder: SpeechDecoder, gain: Tensor | None, noise: Tensor, first: int) -> Tensor:
        """As `render_frames`; gain: float32 [n], None for 1."""
        table = spectra(decoder, self.controls, gain)
        return render_frames(decoder, table, self.plan, self.tracks, noise, first)


def render(
    decoder: SpeechDecoder,
    vector: Tensor,
    time: Tensor,
    seed: int,
    length: int,
    *,
    channel: int = 0,
    plan: FramePlan | None = None,
    noise: Tensor | None = None,
) -> Tensor:
    """The first `length` samples of a few events of one channel, as if nothing had been before: float32 [length].

    As for `ChannelSound`.
    """
    if not len(vector):
        return torch.zeros(length, device=vector.device)
    sound = ChannelSound(decoder, vector, time, seed=seed, channel=channel, plan=plan, frames_at_once=None)
    return sound.samples(0, length, heard_from=0, noise=noise)


def overlap_add(frames: Tensor, frame: Tensor, start: int, length: int, config: SpeechConfig) -> Tensor:
    """Frames float32 [m, frame_size/2] with these numbers (int64 [m]) as samples start … start + length - 1: float32
    [length]; what falls outside is cut."""
    width = frames.shape[1]
    place = frame * config.frame_hop - width // 2 - start
    inside = (place > -width) & (place < length)
    index = (place[inside, None] + width + torch.arange(width, device=frame.device)).reshape(-1)
    out = torch.zeros(length + 2 * width, device=frames.device, dtype=frames.dtype)
    return out.index_add(0, index, frames[inside].reshape(-1))[width : width + length]
