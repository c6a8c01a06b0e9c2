"""Which shipped preset suits a recording: `music` where its network is sure of the notes that it hears, or `speech`.

No sound is coded for this. How near each preset comes at effort 0 tells less (docs/experiments.md, issue 13): `speech`
spends more bits, and comes nearer to most music, too.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from .audio_source import AudioSource, ModelRateAudio
from .music.model import MusicModel
from .music.network.features import SAMPLE_RATE_HZ, NoteFeatures
from .presets import DEFAULT_PRESET, load_codec

STRETCHES, STRETCH_S = 3, 2.0
LEAST_S = 0.25  # in less, nothing can be told
# Of 117 recordings of speech all have fewer sure notes, of 106 pieces of music 99 have more; medians: 0.17 and 1.06.
# To be chosen anew for another network.
LEAST_NOTES = 0.42


def choose_preset(source: AudioSource, device: str = "cpu") -> str:
    """The name of the preset to code a recording with: "speech" or "music".

    Silence, and what is too short to tell, is "speech". The source is read once, from its start. SicError for audio
    that is not finite or not as long as it says.
    """
    stretches = loudest_stretches(source)
    if len(stretches) < LEAST_S * SAMPLE_RATE_HZ or not stretches.any():
        return DEFAULT_PRESET
    return "music" if notes_at_once(stretches, device) > LEAST_NOTES else DEFAULT_PRESET


def notes_at_once(stretches: NDArray[np.float32], device: str = "cpu") -> float:
    """How many notes sound at a time, as far as the network of `music` is sure of them, in float32 [n, m] at
    SAMPLE_RATE_HZ, each of the m stretches by itself."""
    model = cast(MusicModel, load_codec("music", device).model)
    features = NoteFeatures(model.device)
    heard = [model.encoder.listen(stretch, features).sounding for stretch in stretches.T]
    # the fourth power: a vowel is several doubtful notes, which a sum would take for a chord
    return float(np.mean([float((probability**4).sum(0).mean()) for probability in heard]))


def loudest_stretches(source: AudioSource) -> NDArray[np.float32]:
    """The loudest 2 s of each third of a recording at SAMPLE_RATE_HZ, float32 [n, 3]; all of a shorter one, [n, 1].

    Of each stretch, the channel with most energy.
    """
    blocks = ModelRateAudio(source, SAMPLE_RATE_HZ).blocks()
    if source.n_samples <= STRETCHES * STRETCH_S * source.sample_rate:
        whole = np.concatenate([np.zeros((0, source.channels), np.float32), *blocks])
        return _loudest_channel(whole)[:, None]
    size = round(STRETCH_S * SAMPLE_RATE_HZ)
    third = source.n_samples * SAMPLE_RATE_HZ / source.sample_rate / STRETCHES
    loudest = [np.zeros(size, np.float32)] * STRETCHES
    held, middle = np.zeros((0, source.channels), np.float32), size / 2
    for block in blocks:
        held = np.concatenate([held, block])
        while len(held) >= size:
            stretch, held = _loudest_channel(held[:size]), held[size:]
            i = min(STRETCHES - 1, int(middle / third))
            if _energy(stretch) > _energy(loudest[i]):
                loudest[i] = stretch
            middle += size
    return np.stack(loudest, 1)


def _loudest_channel(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    return max((np.ascontiguousarray(channel) for channel in audio.T), key=_energy)


def _energy(samples: NDArray[np.float32]) -> float:
    return float(np.square(samples, dtype=np.float64).sum())
