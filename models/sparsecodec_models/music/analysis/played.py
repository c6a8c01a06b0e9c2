"""The sound of notes that are fitted, as the decoder makes it, with gradients that are worked out by hand.

A fit needs the same sound as `synthesis.samples.render`, of notes that carry on no other and send nothing to the room,
and its gradient, many times. Many notes are made together here. Their partials are blocks of damped sinusoids: of
STRAND partials that fall silent at about the same time, [blocks, 2 STRAND] · [2 STRAND, samples of a block], and one
more such product gives the gradients of all their numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
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
    SILENT,
    Partials,
    band_gains,
    falls_silent,
    notes_of,
    partials_of,
    start_cycles,
)
from sparsecodec_models.music.synthesis.samples import render

BLOCK = 128  # samples of a partial that are made at once
FINE = 16  # of these, whose waves are worked out; the others are products of two
STRAND = 24  # partials of a note that are made together
BLOCKS_AT_ONCE = 8192  # of notes that are made together, about, so that they stay in a processor's cache


class PlayedNotes:
    """Notes that begin at fixed times, to be played again and again with other numbers."""

    def __init__(
        self, decoder: MusicDecoder, vector: Tensor, time: Tensor, length: int, seed: int, *, silent: float = SILENT
    ) -> None:
        """vector: float32 [n, 32], what the notes are at first; time: int64 [n], samples; length: of the sound, which
        begins at sample 0; seed: of the noise; silent: amplitude from which on a partial that falls is left out."""
        config = decoder.config
        self._decoder, self._time, self._seed, self._length = decoder, time.cpu().numpy(), seed, length
        self._silent = silent
        self._blocks = NoiseBlocks.drawn(seed, 0, 0, length, config, vector)
        every_band, begin = torch.eye(config.noise_bands, device=vector.device), np.zeros(config.noise_bands, np.int64)
        noise = torch.stack(self._blocks.filtered(every_band, begin, begin + length))
        self._noise = torch.nn.functional.pad(noise, (BLOCK, BLOCK))
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
        strands = _Strands.of(partials, stop, config.sample_rate)
        of_notes = (
            controls.attack_s * config.sample_rate,
            notes.released,
            NEPERS / config.sample_rate / controls.release_s,
            band_gain,
            NEPERS / config.sample_rate / controls.noise_decay_s,
        )
        sound = torch.zeros(self._length, device=vector.device)
        for some, mine in strands.groups(time, noise_stop):
            places = _Places(
                time[some],
                noise_stop[some],
                strands.note[mine] - some.start,
                strands.stop[mine],
                self._length,
            )
            sound = sound + _Sound.apply(
                *(strands.step[mine], strands.amplitude[mine], strands.damping[mine]),
                *(column[some] for column in of_notes),
                *(strands.phase[mine], self._noise, places),
            )
        return sound

    def _stops(
        self, controls: MusicControls, partials: Partials, band_gain: Tensor, time: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Samples from which partials, int64 [P], and the noise of notes, int64 [n], are silent."""
        rate, numpy = self._decoder.config.sample_rate, library_of(band_gain).numpy
        damped = time + numpy(controls.attack_s) * rate
        released, release_s = time + numpy(controls.duration_s) * rate, numpy(controls.release_s).astype(np.float64)
        of = partials.event
        last = falls_silent(
            *(numpy(partials.amplitude), numpy(partials.decay_s), damped[of], released[of], release_s[of]),
            self._decoder.config,
            self._silent,
        )
        noise = falls_silent(
            *(2.0 * numpy(band_gain).max(1), numpy(controls.noise_decay_s), damped, released, release_s),
            self._decoder.config,
            self._silent,
        )
        return np.ceil(last).astype(np.int64), np.ceil(noise).astype(np.int64)


@dataclass(frozen=True)
class _Strands:
    """The partials of notes, up to STRAND of one note together, those that last longest first; S strands, K = STRAND,
    in order of the notes. What a strand has no partials for has amplitude 0.

    note: int64 [S]; stop: int64 [S], the sample from which all are silent; step float64 [S, K], cycles a sample; phase
    float64 [S, K], cycles at the onset; amplitude float32 [S, K]; damping float32 [S, K], nepers a sample.
    """

    note: NDArray[np.int64]
    stop: NDArray[np.int64]
    step: Tensor
    phase: Tensor
    amplitude: Tensor
    damping: Tensor

    @staticmethod
    def of(partials: Partials, stop: NDArray[np.int64], sample_rate: int) -> _Strands:
        """stop: int64 [P], the sample from which each partial is silent."""
        device = partials.hz.device
        order = np.lexsort((-stop, partials.event))
        first = np.cumsum(partials.counts) - partials.counts
        place = np.arange(len(order)) - np.repeat(first, partials.counts)  # in its note, partials in this order
        many = -(-partials.counts // STRAND)
        strand = np.repeat(np.cumsum(many) - many, partials.counts) + place // STRAND
        count = int(many.sum())
        at = torch.from_numpy(strand * STRAND + place % STRAND).to(device)
        index = torch.from_numpy(order).to(device)
        phase = start_cycles(int(partials.number.max(initial=1)))[partials.number - 1]

        def laid(values: Tensor) -> Tensor:
            laid = values.new_zeros(count * STRAND).index_copy(0, at, values[index])
            return laid.view(count, STRAND)

        return _Strands(
            np.repeat(np.arange(len(many)), many),
            stop[order[place % STRAND == 0]],
            laid(partials.hz / sample_rate),
            laid(torch.from_numpy(phase).to(device)),
            laid(partials.amplitude),
            laid(NEPERS / sample_rate / partials.decay_s),
        )

    def groups(self, time: NDArray[np.int64], noise_stop: NDArray[np.int64]) -> Iterator[tuple[slice, slice]]:
        """Notes, and their strands, that are made together. Of notes: time and noise_stop int64 [n], samples."""
        stop = noise_stop.copy()
        np.maximum.at(stop, self.note, self.stop)
        group = np.cumsum(1 + np.maximum(stop - time, 0) // BLOCK) // BLOCKS_AT_ONCE
        cuts = [0, *(np.flatnonzero(np.diff(group)) + 1).tolist(), len(time)]
        places = np.searchsorted(self.note, cuts).tolist()
        for k in range(len(cuts) - 1):
            yield slice(cuts[k], cuts[k + 1]), slice(places[k], places[k + 1])


def _turns(cycles: Tensor) -> Tensor:
    """Cycles → radians modulo a turn, float32."""
    return ((cycles - torch.floor(cycles)) * (2.0 * math.pi)).float()


@dataclass(frozen=True)
class _Places:
    """Where n notes and their S strands sound, samples. Of notes: begin, noise_stop int64 [n]; of strands: their notes
    and where they are silent, int64 [S] each. length: of the sound."""

    begin: NDArray[np.int64]
    noise_stop: NDArray[np.int64]
    note: NDArray[np.int64]
    strand_stop: NDArray[np.int64]
    length: int


@dataclass(frozen=True)
class _Rows:
    """Runs of blocks, one behind the other; each run are the first blocks of a note.

    of: int64 [rows], the run of each; blocks: int64 [rows], which of all notes' blocks it is; bounds: of each run that
    has any: its number, its first row, the first that decays, one past its last, and its first among all notes' blocks.
    """

    of: NDArray[np.int64]
    blocks: NDArray[np.int64]
    bounds: list[tuple[int, int, int, int, int]]

    @staticmethod
    def lay(first: NDArray[np.int64], early: NDArray[np.int64], counts: NDArray[np.int64]) -> _Rows:
        """Of each run, int64 [m]: its first block among the notes', how many of the note's blocks do not decay, and
        how many the run has."""
        place = np.cumsum(counts) - counts
        of = np.repeat(np.arange(len(counts)), counts)
        there = np.flatnonzero(counts)
        columns = (place, place + np.minimum(early, counts), place + counts, first)
        bounds = zip(there.tolist(), *(column[there].tolist() for column in columns), strict=True)
        return _Rows(of, np.arange(len(of)) - (place - first)[of], list(bounds))


class _Sound(torch.autograd.Function):
    """Notes added up: float32 [length].

    Of S strands with K partials: step float64 [S, K], cycles a sample; amplitude float32 [S, K]; damping float32
    [S, K], nepers a sample, from the end of the attack on. Of n notes: attack float64 [n], samples; released float64
    [n], the sample from which release (float32 [n], nepers a sample) damps, too; band_gain float32 [n, B], of noise
    float32 [B, BLOCK + length + BLOCK]; noise_damping float32 [n], as `damping`. phase float64 [S, K], cycles at the
    onset.
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

        def here(values: NDArray[Any]) -> Tensor:
            return torch.from_numpy(values).to(device)

        begin = here(places.begin)
        full = begin + attack
        anchor = torch.ceil(full).long().cpu().numpy()  # of a note: the first sample of its block 0, in which it decays
        first = (places.begin - anchor) // BLOCK

        def blocks_until(stop: NDArray[np.int64], note: NDArray[np.int64]) -> NDArray[np.int64]:
            counts: NDArray[np.int64] = np.maximum(-(-(stop - anchor[note]) // BLOCK) - first[note], 0)
            return counts

        every = np.arange(len(first))
        strand_blocks = blocks_until(places.strand_stop, places.note)
        counts = np.where(places.noise_stop > places.begin, blocks_until(places.noise_stop, every), 0)
        np.maximum.at(counts, places.note, strand_blocks)
        place = np.cumsum(counts) - counts
        notes = _Rows.lay(place, -first, counts)
        strands = _Rows.lay(place[places.note], -first[places.note], strand_blocks)
        number = np.arange(len(notes.of)) - (place - first)[notes.of]
        of, starts = here(notes.of), here(anchor[notes.of] + number * BLOCK)
        decays = here(number >= 0)
        inside = torch.arange(BLOCK, device=device, dtype=torch.float32)
        fallen = torch.where(decays, starts - full[of], 0.0).float()

        # the noise
        hiss, spans = torch.empty(len(of), BLOCK, device=device), []
        for k, low, _, high, _ in notes.bounds:
            start = BLOCK + int(anchor[k] + first[k] * BLOCK)
            span = noise[:, start : start + (high - low) * BLOCK]
            spans.append((k, slice(low, high), span))
            torch.mv(span.T, band_gain[k], out=hiss[low:high].view(-1))
        fade = torch.exp(-noise_damping[:, None] * inside)[of]
        fade *= torch.exp(-noise_damping[of] * fallen)[:, None]
        rising = torch.nonzero(~decays)[:, 0]
        fade[rising] = 1.0
        sound = hiss * fade

        # the partials: of each block a complex amplitude, of each strand what a block of its sinusoids is
        strand, row = here(strands.of), here(strands.blocks)
        note = here(places.note)
        number_in_note = here((np.arange(len(notes.of)) - place[notes.of]).astype(np.float32))
        from_begin = here((first * BLOCK + anchor - places.begin)[places.note])  # of the first block, samples
        at_first, in_block = (phase + step * from_begin[:, None]), step * BLOCK
        at_first, in_block = ((x - torch.floor(x)).float() for x in (at_first, in_block))
        angle = _turns(at_first[strand].addcmul_(in_block[strand], number_in_note[row, None]))
        height = torch.exp(-damping[strand] * fallen[row, None]).mul_(amplitude[strand])
        wave = torch.stack([height * torch.cos(angle), height * torch.sin(angle)], 1)  # [rows, 2, K]
        level, fading = _tables(step, damping)
        waves = wave.flatten(1)
        for k, low, middle, high, block in strands.bounds:
            split = block + middle - low
            sound[block:split].addmm_(waves[low:middle], level[k])
            sound[split : split + high - middle].addmm_(waves[middle:high], fading[k])

        # attack and release
        since = (starts - begin[of]).float()
        ratio = (since[rising, None] + inside) / attack[of[rising], None].float()
        plain = sound[rising]
        sound[rising] = plain * ratio.clamp(0.0, 1.0)
        over = torch.nonzero(starts + (BLOCK - 1) > released[of])[:, 0]
        late = ((starts[over] - released[of[over]]).float()[:, None] + inside).clamp_min_(0.0)
        fall = torch.exp(-release[of[over], None] * late)
        sound[over] *= fall

        out = torch.zeros(places.length + 2 * BLOCK, device=device)
        flat = sound.view(-1)
        for k, low, _, high, _ in notes.bounds:
            start = BLOCK + int(anchor[k] + first[k] * BLOCK)
            out[start : start + (high - low) * BLOCK] += flat[low * BLOCK : high * BLOCK]
        ctx.save_for_backward(
            amplitude, damping, attack, release, noise_damping, wave, level, fading, sound, hiss, fade
        )
        ctx.strands, ctx.spans, ctx.rise, ctx.over = strands, spans, (rising, ratio, plain), (over, late, fall)
        ctx.rows = of, starts, decays, since, fallen, strand, row, note
        ctx.bands = len(noise)
        return out[BLOCK:-BLOCK]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        amplitude, damping, attack, release, noise_damping, wave, level, fading, sound, hiss, fade = ctx.saved_tensors
        of, starts, decays, since, fallen, strand, row, note = ctx.rows
        count, device = len(attack), gradient.device
        inside = torch.arange(BLOCK, device=device, dtype=torch.float32)

        def added(values: Tensor, rows: Tensor, count: int = count) -> Tensor:
            return values.new_zeros(count, *values.shape[1:]).index_add_(0, rows, values)

        padded = torch.nn.functional.pad(gradient, (BLOCK, BLOCK))
        at = padded.unfold(0, BLOCK, 1)[starts + BLOCK]  # [blocks, BLOCK]

        over, late, fall = ctx.over
        by_gain = at[over] * sound[over]
        to_release = added(-(by_gain * late).sum(1), of[over])
        to_released = added((by_gain * (late > 0)).sum(1), of[over]) * release
        at[over] *= fall

        rising, ratio, plain = ctx.rise
        ramped = at[rising]
        to_attack = added((ramped * plain * ratio * ((ratio < 1) & (ratio > 0))).sum(1), of[rising]) / -attack
        at[rising] = ramped * ratio.clamp(0.0, 1.0)

        # the noise
        faded = at * fade
        to_band_gain = torch.zeros(count, ctx.bands, device=device)
        for k, rows, span in ctx.spans:
            to_band_gain[k] = span @ faded[rows].view(-1)
        to_fade = (faded * hiss) @ torch.stack([torch.ones_like(inside), inside], 1)
        to_fade[rising] = 0.0
        to_noise_damping = -added(to_fade[:, 0] * fallen + to_fade[:, 1], of)
        to_full = added(to_fade[:, 0], of) * noise_damping

        # the partials: each block's sum, and the one with the samples' places in it
        both = torch.stack([at, at * inside], 1).view(-1, BLOCK)
        by_wave = torch.empty(len(wave), 2, *wave.shape[1:], device=device)  # [rows, 2, 2, K]
        flat = by_wave.view(2 * len(wave), -1)
        for k, low, middle, high, block in ctx.strands.bounds:
            split, stop = block + middle - low, block + high - low
            torch.mm(both[2 * block : 2 * split], level[k].T, out=flat[2 * low : 2 * middle])
            torch.mm(both[2 * split : 2 * stop], fading[k].T, out=flat[2 * middle : 2 * high])
        real, imaginary = wave[:, :1], wave[:, 1:]
        of_real, of_imaginary = by_wave.unbind(2)
        to_level = torch.addcmul(real * of_real, imaginary, of_imaginary)  # [rows, 2, K]
        to_turn = torch.addcmul(real * of_imaginary, imaginary, of_real, value=-1.0)
        turned = torch.addcmul(to_turn[:, 1], to_turn[:, 0], since[row, None])
        fading_level = to_level * decays[row, None, None]
        damped = torch.addcmul(fading_level[:, 1], fading_level[:, 0], fallen[row, None])
        sums = added(torch.stack([to_level[:, 0], turned, damped, fading_level[:, 0]], 1), strand, len(amplitude))
        levels, turned, damped, late_levels = sums.unbind(1)
        to_full += added((late_levels * damping).sum(1), note)
        return (
            (2.0 * math.pi) * turned.double(),
            torch.where(amplitude > 0, levels / amplitude.clamp_min(1e-30), 0.0),
            -damped,
            (to_attack + to_full).double(),
            to_released.double(),
            to_release,
            to_band_gain,
            to_noise_damping,
            None,
            None,
            None,
        )


def _tables(step: Tensor, damping: Tensor) -> tuple[Tensor, Tensor]:
    """A block of each sinusoid, steady and damped, cosine and minus sine: float32 [S, 2 K, BLOCK] each. Of step, cycles
    a sample, and damping, nepers a sample, [S, K] each."""
    points = torch.cat([torch.arange(0, BLOCK, FINE), torch.arange(FINE)]).to(step.device)
    angle = _turns(step[:, :, None] * points)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    fall = torch.exp(-damping[:, :, None] * points)
    tables = []
    for real, imaginary in ((cosine, sine), (cosine * fall, sine * fall)):
        (of_real, real), (of_imaginary, imaginary) = (
            (x[:, :, :-FINE, None], x[:, :, None, -FINE:]) for x in (real, imaginary)
        )
        table = torch.empty(len(step), 2, step.shape[1], BLOCK // FINE, FINE, device=step.device)
        torch.mul(of_real, real, out=table[:, 0]).addcmul_(of_imaginary, imaginary, value=-1.0)
        torch.mul(-of_real, imaginary, out=table[:, 1]).addcmul_(of_imaginary, real, value=-1.0)
        tables.append(table.view(len(step), 2 * step.shape[1], BLOCK))
    return tables[0], tables[1]
