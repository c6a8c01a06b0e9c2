"""Analysis by synthesis: notes fitted to a part of a sound by gradient through the decoder."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_models.dsp.adam import Adam
from sparsecodec_models.music.config import PRESET
from sparsecodec_models.music.synthesis.controls import MusicDecoder
from sparsecodec_models.threads import end_if_unwanted

from .played import PlayedNotes
from .spectra import RESOLUTIONS, SpectralDistance

LEARNING_RATE = 0.3  # units of the vector an iteration, times these for some dims: what is heard less moves faster
FIRST_BETA = 0.3  # of Adam
_AT_ONCE, _APART = 3, 2  # resolutions that an iteration looks at, and places in their list from one to the other
_RATES = {
    "attack_log2_s": 2.0,
    "decay_low_log2_s": 1.5,
    "decay_high_log2_s": 2.0,
    "duration_log2_s": 0.25,
    "f0_semitones": 0.3,
    "noise_db": 2.0,
}
_FIXED = ("kind", "begins", "room_db", "phase_cycles")
MOST_LEVELLED_DB = 0.5  # what a fit is too soft or too loud at most; the rest of the sound is not in the notes at all
LEVEL = LAYOUTS[PRESET].dims["level_db"]


def refine(
    decoder: MusicDecoder,
    vector: Tensor,
    time: Tensor,
    target: Tensor,
    *,
    iterations: int,
    quantiser_step: Tensor | None = None,
    bit_weight: float = 0.0,
    seed: int = 0,
    beside: Tensor | None = None,
) -> Tensor:
    """Vectors float32 [n, 32] fitted so that all events together sound like the target; nothing is rounded.

    target: float32 [length], times int64 [n] count from its first sample. beside: float32 [length], a sound that is
    heard with that of the events, None for silence. quantiser_step: float32 [32];
    the fit sees rounding to it as uniform noise of the same width (Ballé et al. 2017), so that it settles where
    rounding hurts least. bit_weight: what a bit costs in units of the distance; bits are counted as those of a Laplace
    distribution of each dim over these events.
    """
    if not iterations or not len(vector):
        return vector.clone()
    vector = vector.clone()
    layout = LAYOUTS[PRESET].dims
    rate = torch.full((vector.shape[1],), LEARNING_RATE, device=vector.device)
    for name, factor in _RATES.items():
        rate[layout[name].index] *= factor
    for name in _FIXED:
        rate[layout[name].index] = 0.0
    rates = rate.expand_as(vector).clone()
    rates[:, layout["vibrato_semitones"].index] *= vector[:, layout["vibrato_semitones"].index] > 0
    distance = SpectralDistance(target, decoder.config.sample_rate)
    played = PlayedNotes(decoder, vector, time, len(target), seed)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.enable_grad():
        vector.requires_grad_(True)
        optimizer = Adam(vector, FIRST_BETA, rates)
        for i in range(iterations):
            end_if_unwanted()
            heard = vector
            if quantiser_step is not None:
                jitter = torch.rand(vector.shape, generator=generator).to(vector.device) - 0.5
                heard = vector + jitter * quantiser_step * (rates > 0)
            sound = played(heard)
            which = [(i + _APART * k) % len(RESOLUTIONS) for k in range(_AT_ONCE)]
            all_heard = sound.detach() if beside is None else sound.detach() + beside
            _, by_sample = distance.with_gradient(all_heard, which)
            costs, weights = [sound], [by_sample]
            if bit_weight and quantiser_step is not None:
                costs.append(bit_weight * _bits(vector, quantiser_step).sum(1).mean())
                weights.append(torch.ones_like(costs[-1]))
            (gradient,) = torch.autograd.grad(costs, vector, weights)
            optimizer.step(gradient.nan_to_num_(0.0), 1.0 - 0.9 * i / iterations)
    return vector.detach()


@torch.no_grad()
def levelled(
    decoder: MusicDecoder, vector: Tensor, time: Tensor, target: Tensor, *, seed: int = 0, beside: Tensor | None = None
) -> Tensor:
    """Vectors as `refine` gives them, all louder or softer by the same, so that the sound has the energy of the target
    as far as that is a matter of the fit: else a recording that is coded again and again would fade, or grow."""
    if not len(vector):
        return vector
    sound = PlayedNotes(decoder, vector, time, len(target), seed)(vector).double()
    other = torch.zeros_like(sound) if beside is None else beside.double()
    own, both = float(sound.square().sum()), float((sound * other).sum())
    missing = float(target.double().square().sum() - other.square().sum())
    most = 10 ** (MOST_LEVELLED_DB / 20)
    if own == 0.0:
        return vector
    # gain² · own + 2 · gain · both = missing
    gain = (-both + max(0.0, both**2 + own * missing) ** 0.5) / own
    out = vector.clone()
    out[:, LEVEL.index] += 20 * float(np.log10(np.clip(gain, 1 / most, most))) / LEVEL.scale
    return out


def _bits(vector: Tensor, step: Tensor) -> Tensor:
    """float32 [n, 32]: bits of each number, as if it came from a Laplace distribution with the events' own median and
    spread."""
    with torch.no_grad():
        middle = vector.median(0).values
        scale = (vector - middle).abs().mean(0) + 0.3 * step
    return ((vector - middle).abs() / scale + torch.log(2.0 * scale / step).clamp_min(0.0)) / np.log(2.0)
