"""The sound of notes that are fitted, as the decoder makes it, with gradients that are worked out by hand.

A fit needs the same sound as `synthesis.samples.render`, of notes that carry on no other and send nothing to the room,
and its gradient, many times. All notes are made together here: a note's partials are blocks of damped sinusoids,
[blocks, 2 K] · [2 K, samples of a block], and one more such product gives the gradients of all its numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsecodec_models.dsp.arrays import library_of
from sparsecodec_models.music.synthesis.controls import MusicControls, MusicDecoder
from sparsecodec_models.music.synthesis.noise import NoiseBlocks, band_power
from sparsecodec_models.music.synthesis.notes import (
    NEPERS,
    Partials,
    band_gains,
    falls_silent,
    notes_of,
    partials_of,
    start_cycles,
)
from sparsecodec_models.music.synthesis.samples import render

BLOCK = 128  # samples of a partial that are made at once


class PlayedNotes:
    """Notes that begin at fixed times, to be played again and again with other numbers."""

    def __init__(self, decoder: MusicDecoder, vector: Tensor, time: Tensor, length: int, seed: int) -> None:
        """vector: float32 [n, 32], what the notes are at first; time: int64 [n], samples; length: of the sound, which
        begins at sample 0; seed: of the noise."""
        config = decoder.config
        self._decoder, self._time, self._seed, self._length = decoder, time.cpu().numpy(), seed, length
        self._blocks = NoiseBlocks.drawn(seed, 0, 0, length, config, vector)
        every_band, begin = torch.eye(config.noise_bands, device=vector.device), np.zeros(config.noise_bands, np.int64)
        self._noise = torch.stack(self._blocks.filtered(every_band, begin, begin + length))
        self._swings = (decoder.controls(vector.detach()).vibrato_semitones > 0).cpu().numpy()

    def __call__(self, vector: Tensor) -> Tensor:
        """Their sound with these numbers, float32 [length]; with gradients. Notes have vibrato if they had at first."""
        sound = torch.zeros(self._length, device=vector.device)
        for swings, play in ((False, self._steady), (True, self._swinging)):
            rows = np.flatnonzero(self._swings == swings)
            if len(rows):
                sound = sound + play(vector[torch.from_numpy(rows).to(vector.device)], self._time[rows])
        return sound

    def _swinging(self, vector: Tensor, time: NDArray[np.int64]) -> Tensor:
        sound: Tensor = render(
            self._decoder, vector, torch.from_numpy(time), self._seed, self._length, noise=self._blocks
        )
        return sound

    def _steady(self, vector: Tensor, time: NDArray[np.int64]) -> Tensor:
        config, controls = self._decoder.config, self._decoder.controls(vector)
        notes = notes_of(controls, time, None, config)
        partials = partials_of(controls, controls, notes.bend, config)
        band_gain = band_gains(controls, torch.from_numpy(band_power(config)).to(vector.device))
        stop, noise_stop = (np.minimum(x, self._length) for x in self._stops(controls, partials, band_gain, time))
        sound = torch.zeros(self._length, device=vector.device)
        for rows in _alike(partials.counts):
            index = torch.from_numpy(rows).to(vector.device)
            columns = _Columns.of(partials.of_events(rows), config.sample_rate)
            sound = sound + _Sound.apply(
                *(columns.step, columns.amplitude, columns.damping),
                controls.attack_s[index] * config.sample_rate,
                notes.released[index],
                NEPERS / config.sample_rate / controls.release_s[index],
                band_gain[index],
                NEPERS / config.sample_rate / controls.noise_decay_s[index],
                *(columns.phase, self._noise),
                _Places(time[rows], stop[rows], noise_stop[rows], self._length),
            )
        return sound

    def _stops(
        self, controls: MusicControls, partials: Partials, band_gain: Tensor, time: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Samples from which notes, and their noise, are silent: int64 [n] each."""
        rate, numpy = self._decoder.config.sample_rate, library_of(band_gain).numpy
        damped = time + numpy(controls.attack_s) * rate
        released, release_s = time + numpy(controls.duration_s) * rate, numpy(controls.release_s).astype(np.float64)
        of = partials.event
        last = falls_silent(
            *(numpy(partials.amplitude), numpy(partials.decay_s), damped[of], released[of], release_s[of]),
            self._decoder.config,
        )
        noise = falls_silent(
            *(2.0 * numpy(band_gain).max(1), numpy(controls.noise_decay_s), damped, released, release_s),
            self._decoder.config,
        )
        noise_stop = np.maximum(np.ceil(noise).astype(np.int64), time)
        stop = np.maximum(time + 1, noise_stop)
        np.maximum.at(stop, of, np.ceil(last).astype(np.int64))
        return stop, noise_stop


@dataclass(frozen=True)
class _Columns:
    """Partials of n notes, K each, those that a note has not with amplitude 0: step float64 [n, K], cycles a sample;
    phase float64 [n, K], cycles at the onset; amplitude float32 [n, K]; damping float32 [n, K], nepers a sample."""

    step: Tensor
    phase: Tensor
    amplitude: Tensor
    damping: Tensor

    @staticmethod
    def of(partials: Partials, sample_rate: int) -> _Columns:
        count, most, device = len(partials.counts), max(1, int(partials.counts.max())), partials.hz.device
        first = np.cumsum(partials.counts) - partials.counts
        at = partials.event * most + np.arange(len(partials.event)) - first[partials.event]
        index = torch.from_numpy(at).to(device)
        phase = start_cycles(int(partials.number.max(initial=1)))[partials.number - 1]

        def laid(values: Tensor) -> Tensor:
            return values.new_zeros(count * most).index_copy(0, index, values).view(count, most)

        return _Columns(
            laid(partials.hz / sample_rate),
            laid(torch.from_numpy(phase).to(device)),
            laid(partials.amplitude),
            laid(NEPERS / sample_rate / partials.decay_s),
        )


def _alike(count: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Rows in groups whose numbers of partials, int64 [n], differ by a factor of two at most."""
    octave = np.floor(np.log2(np.maximum(count, 1))).astype(int)
    return [np.flatnonzero(octave == k) for k in np.unique(octave)]


def _turns(cycles: Tensor) -> Tensor:
    """Cycles, float64 → radians modulo a turn, float32."""
    return ((cycles - torch.floor(cycles)) * (2.0 * math.pi)).float()


@dataclass(frozen=True)
class _Places:
    """Where n notes sound, samples, int64 [n] each. length: of the sound."""

    begin: NDArray[np.int64]
    stop: NDArray[np.int64]
    noise_stop: NDArray[np.int64]
    length: int


@dataclass
class _Blocks:
    """How n notes lie in blocks, `anchor` being the sample of a note's block 0, in which it begins to decay.

    of: int64 [blocks], the note of each; number: int64 [blocks], its number; bounds: of each note its first block, the
    first one that decays, and one past its last; starts: int64 [blocks], the first sample of each.
    """

    of: NDArray[np.int64]
    number: NDArray[np.int64]
    bounds: list[tuple[int, int, int]]
    starts: NDArray[np.int64]

    @staticmethod
    def lay(begin: NDArray[np.int64], stop: NDArray[np.int64], anchor: NDArray[np.int64]) -> _Blocks:
        first, last = (begin - anchor) // BLOCK, -(-(stop - anchor) // BLOCK)
        lengths = last - first
        of = np.repeat(np.arange(len(first)), lengths)
        place = np.cumsum(lengths) - lengths
        number = np.arange(len(of)) - np.repeat(place - first, lengths)
        early = np.clip(-first, 0, lengths)
        bounds = list(zip(place.tolist(), (place + early).tolist(), (place + lengths).tolist(), strict=True))
        return _Blocks(of, number, bounds, anchor[of] + number * BLOCK)


class _Sound(torch.autograd.Function):
    """Notes added up: float32 [length].

    Of n notes with K partials: step float64 [n, K], cycles a sample; amplitude float32 [n, K]; damping float32 [n, K],
    nepers a sample, from the end of the attack on; attack float64 [n], samples; released float64 [n], the sample from
    which release (float32 [n], nepers a sample) damps, too; band_gain float32 [n, B], of noise float32 [B, length];
    noise_damping float32 [n], as `damping`; phase float64 [n, K], cycles at the onset.
    """

    @staticmethod
    def forward(
        ctx: Any,
        step: Tensor,
        amplitude: Tensor,
        damping: Tensor,
        attack: Tensor,
        released: Tensor,
        release: Tensor,
        band_gain: Tensor,
        noise_damping: Tensor,
        phase: Tensor,
        noise: Tensor,
        places: _Places,
    ) -> Tensor:
        device = step.device
        begin = torch.from_numpy(places.begin).to(device)
        full = begin + attack
        anchor = torch.ceil(full)
        blocks = _Blocks.lay(places.begin, places.stop, anchor.long().cpu().numpy())
        of, starts = (torch.from_numpy(x).to(device) for x in (blocks.of, blocks.starts))
        decays = torch.from_numpy(blocks.number >= 0).to(device)
        inside = torch.arange(BLOCK, device=device)

        # the partials: of each block a complex amplitude, of each note what a block of its sinusoids is
        since = starts - begin[of]  # the onset
        fallen = (torch.where(decays, starts - full[of], 0.0)).float()
        angle = _turns(phase[of] + step[of] * since[:, None])
        height = amplitude[of] * torch.exp(-damping[of] * fallen[:, None])
        wave = torch.cat([height * torch.cos(angle), height * torch.sin(angle)], 1)  # [blocks, 2 K]
        turn = _turns(step[:, :, None] * inside)
        level = torch.cat([torch.cos(turn), -torch.sin(turn)], 1)  # [n, 2 K, BLOCK]
        fading = torch.exp(-damping[:, :, None] * inside)
        fading = level * torch.cat([fading, fading], 1)
        sound = torch.empty(len(of), BLOCK, device=device)
        for note, (low, middle, high) in enumerate(blocks.bounds):
            torch.mm(wave[low:middle], level[note], out=sound[low:middle])
            torch.mm(wave[middle:high], fading[note], out=sound[middle:high])

        # the noise
        hisses, flat = [], sound.view(-1)
        ends, full_of, damping_of = places.noise_stop.tolist(), full.tolist(), noise_damping.tolist()
        for note, (low, _, _) in enumerate(blocks.bounds):
            start, stop = int(places.begin[note]), ends[note]
            if stop > start:
                after = torch.arange(start - full_of[note], stop - full_of[note] - 0.5, device=device).clamp_min_(0.0)
                hiss = (band_gain[note] @ noise[:, start:stop]) * torch.exp(-damping_of[note] * after)
                place = low * BLOCK + start - int(blocks.starts[low])
                flat[place : place + len(hiss)] += hiss
                hisses.append((note, slice(start, stop), slice(place, place + len(hiss)), after, hiss))

        # attack and release
        rising = torch.nonzero(~decays)[:, 0]
        ratio = (since[rising, None] + inside) / attack[of[rising], None].float()
        plain = sound[rising]
        sound[rising] = plain * ratio.clamp(0.0, 1.0)
        over = torch.nonzero(starts + (BLOCK - 1) > released[of])[:, 0]
        late = ((starts[over] - released[of[over]]).float()[:, None] + inside).clamp_min_(0.0)
        fall = torch.exp(-release[of[over], None] * late)
        sound[over] *= fall

        out = torch.zeros(places.length + 2 * BLOCK, device=device)
        for low, _, high in blocks.bounds:
            place = BLOCK + int(blocks.starts[low])
            out[place : place + (high - low) * BLOCK] += flat[low * BLOCK : high * BLOCK]
        ctx.save_for_backward(amplitude, damping, attack, release, noise_damping, noise, wave, level, fading, sound)
        ctx.blocks, ctx.hisses, ctx.rise, ctx.over = blocks, hisses, (rising, ratio, plain), (over, late, fall)
        ctx.rows = of, starts, decays, since, fallen
        return out[BLOCK:-BLOCK]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        amplitude, damping, attack, release, noise_damping, noise, wave, level, fading, sound = ctx.saved_tensors
        of, starts, decays, since, fallen = ctx.rows
        count, device = len(amplitude), gradient.device
        inside = torch.arange(BLOCK, device=device)

        def by_note(values: Tensor, rows: Tensor) -> Tensor:
            return values.new_zeros(count, *values.shape[1:]).index_add_(0, rows, values)

        padded = torch.nn.functional.pad(gradient, (BLOCK, BLOCK))
        at = padded.unfold(0, BLOCK, 1)[starts + BLOCK]  # [blocks, BLOCK]

        over, late, fall = ctx.over
        by_gain = at[over] * sound[over]
        to_release = by_note(-(by_gain * late).sum(1), of[over])
        to_released = by_note((by_gain * (late > 0)).sum(1), of[over]) * release
        at[over] *= fall

        rising, ratio, plain = ctx.rise
        ramped = at[rising]
        to_attack = by_note((ramped * plain * ratio * ((ratio < 1) & (ratio > 0))).sum(1), of[rising]) / -attack
        at[rising] = ramped * ratio.clamp(0.0, 1.0)

        to_full = torch.zeros(count, device=device)
        to_band_gain = torch.zeros(count, len(noise), device=device)
        to_noise_damping = torch.zeros(count, device=device)
        flat = at.view(-1)
        for note, span, place, after, hiss in ctx.hisses:
            here = flat[place]
            faded = torch.exp(-noise_damping[note] * after) * here
            to_band_gain[note] = noise[:, span] @ faded
            by_level = here * hiss
            to_noise_damping[note] = -(by_level @ after)
            to_full[note] = (by_level * (after > 0)).sum() * noise_damping[note]

        both = torch.empty(len(of), 2 * wave.shape[1], device=device)
        for of_waves, parts in ((level, 0), (fading, 1)):
            of_waves = torch.cat([of_waves, of_waves * inside], 1)
            for note, bounds in enumerate(ctx.blocks.bounds):
                rows = slice(bounds[parts], bounds[parts + 1])
                torch.mm(at[rows], of_waves[note].T, out=both[rows])
        real, imaginary = wave.chunk(2, 1)
        at_start, along = both.chunk(2, 1)  # with the samples' places in their blocks
        to_level, to_level_along = (
            torch.addcmul(real * of_real, imaginary, of_imaginary)
            for of_real, of_imaginary in (at_start.chunk(2, 1), along.chunk(2, 1))
        )
        to_turn, to_turn_along = (
            torch.addcmul(real * of_imaginary, imaginary, of_real, value=-1.0)
            for of_real, of_imaginary in (at_start.chunk(2, 1), along.chunk(2, 1))
        )
        to_step = by_note(2.0 * math.pi * (to_turn * since[:, None].float() + to_turn_along), of)
        levels = by_note(to_level, of)
        to_amplitude = torch.where(amplitude > 0, levels / amplitude.clamp_min(1e-30), 0.0)
        fading_level = to_level * decays[:, None]
        to_damping = -by_note(fading_level * fallen[:, None] + to_level_along * decays[:, None], of)
        to_full += (by_note(fading_level, of) * damping).sum(1)
        to_attack = to_attack + to_full
        return (
            to_step.double(),
            to_amplitude,
            to_damping,
            to_attack.double(),
            to_released.double(),
            to_release,
            to_band_gain,
            to_noise_damping,
            None,
            None,
            None,
        )
