"""How sparse events are: the table in docs/results.md, for the recordings and melodies of tests/data.

    python docs/scripts/sparsity.py [--speech WEIGHTS] [--reference WEIGHTS] [--effort 4]

Of a melody: events within a note; how far from its onset the nearest event's time is, and the nearest middle of an
attack; how far the pitch of its events is from its own.
Systems: `speech`; `grid`, the same decoder, encoder and fit with as many events, on a regular grid wherever there is
sound, all linked until the sound stops; `reference`, where weights are given, at its own rate of 10.77 events a second.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch

from sparsecodec_formats import EventTable
from sparsecodec_formats.quantiser import dequantise, quantise
from sparsecodec_models import ArraySource, load_codec
from sparsecodec_models.codec import Codec
from sparsecodec_models.events.redundancy import (
    Note,
    in_silence,
    melody_errors,
    redundancy,
    where_sound_is,
)
from sparsecodec_models.speech.analysis.candidates import INAUDIBLE_DB
from sparsecodec_models.speech.analysis.fit import Events, Part, fit, settle
from sparsecodec_models.speech.analysis.operating_points import DEFAULT_EIGHTH, point
from sparsecodec_models.speech.analysis.proposals import LEVEL, assemble, measure_pitch
from sparsecodec_models.speech.codec import EFFORT_ITERATIONS, SpeechCodec
from sparsecodec_models.speech.network.encoder import Proposals
from sparsecodec_models.speech.synthesis.frames import noise_spectrum

DATA = Path(__file__).resolve().parents[2] / "tests" / "data"
Encode = Callable[[np.ndarray, int], EventTable]


def grid(codec: SpeechCodec, audio: np.ndarray, rate: int, effort: int, n_events: int) -> EventTable:
    """A short recording [n] as about n_events events at equal distances wherever there is sound."""
    model = codec.model
    source = ArraySource(audio, rate)
    samples = torch.from_numpy(soxr.resample(audio, rate, codec.model_rate, "HQ"))
    with torch.no_grad():
        magnitude = model.encoder.features.spectrogram(samples)
        proposals = model.encoder(magnitude[None])
    loud = _loud(codec, magnitude, proposals)
    frames, period = _regular(loud, n_events)
    begins = torch.ones_like(frames, dtype=torch.bool)
    begins[1:] = torch.diff(frames) > 1.5 * period
    vector, time = assemble(proposals, torch.zeros_like(frames), frames, model.decoder, begins)
    vector = measure_pitch(model.decoder, vector, time, samples)
    frame_hop = model.config.frame_hop
    noise = noise_spectrum(0, 0, 0, len(samples) // frame_hop + 2, model.config, torch.zeros(0))
    none = Events(vector[:0], time[:0])
    step = torch.tensor(codec.step, dtype=torch.float32)
    events, iterations = Events(vector, time), EFFORT_ITERATIONS[effort]
    at = point(DEFAULT_EIGHTH)
    (vector,) = fit(
        model.decoder, model.prior, [Part(none, events, none, samples, noise)],
        seed=0, iterations=iterations, quantiser_step=step, bit_weight=at.bit_weight,
    )  # fmt: skip
    vector = settle(model.decoder, none, Events(vector, time), none, step)
    header = codec.header_for(source)
    return dequantise(header, quantise(EventTable(header, time.numpy() / codec.model_rate, vector.numpy())))


def _loud(codec: SpeechCodec, magnitude: torch.Tensor, proposals: Proposals) -> torch.Tensor:
    """Frames at which the analysis would let an event be, bool [t]."""
    encoder, decoder = codec.model.encoder, codec.model.decoder
    loudest_db = 10 * torch.log10(magnitude.square().sum(0).max() * encoder.features.power_scale + 1e-12)
    level_db = proposals.named[0, LEVEL] * decoder.scale[LEVEL] + decoder.offset[LEVEL]
    return level_db > loudest_db - INAUDIBLE_DB


def _regular(loud: torch.Tensor, n_events: int) -> tuple[torch.Tensor, float]:
    """Frames of the coarsest grid that has n_events where it is loud or more, int64 [n], and its period."""
    frames, period = torch.nonzero(loud)[:, 0], 1.0
    for trial in np.arange(1.0, 40.0, 0.02):
        every = torch.from_numpy(np.round(np.arange(0, len(loud) - 1, trial)).astype(np.int64))
        here = every[loud[every]]
        if len(here) < n_events:
            break
        frames, period = here, float(trial)
    return frames, period


def systems(speech: SpeechCodec, reference: Codec | None, effort: int) -> dict[str, tuple[Codec, Encode]]:
    def encode(audio: np.ndarray, rate: int) -> EventTable:
        return speech.encode(ArraySource(audio, rate), effort=effort)

    def encode_grid(audio: np.ndarray, rate: int) -> EventTable:
        return grid(speech, audio, rate, effort, len(encode(audio, rate)))

    found: dict[str, tuple[Codec, Encode]] = {"speech": (speech, encode), "grid": (speech, encode_grid)}
    if reference is not None:
        codec = reference
        found["reference"] = (codec, lambda audio, rate: codec.encode(ArraySource(audio, rate)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--speech", default="speech", help="weights of the speech preset, if not those shipped")
    parser.add_argument("--reference", help="weights of the reference preset")
    parser.add_argument("--effort", type=int, help="of speech and grid, 0 to 9; default, the preset's")
    options = parser.parse_args()
    torch.set_num_threads(1)
    speech = load_codec(options.speech)
    if not isinstance(speech, SpeechCodec):
        parser.error(f"{options.speech} holds no weights of the speech preset")
    effort = speech.default_effort if options.effort is None else options.effort
    table = systems(speech, load_codec(options.reference) if options.reference else None, effort)

    print("recording                 system    events     /s  /s of       in   over-  redun-   above")
    print("                                                   sound  silence lapping   dancy     0.2")
    for path in [*sorted(DATA.glob("*.flac")), *sorted((DATA / "melodies").glob("*.flac"))]:
        audio, rate = soundfile.read(path, dtype="float32")
        sound = where_sound_is(audio, rate)
        for name, (codec, encode) in table.items():
            events = encode(audio, rate)
            found = redundancy(codec, events, 0.2)
            n, seconds = len(events), len(audio) / rate
            print(
                f"{path.stem:26}{name:10}{n:7}{n / seconds:7.1f}{n / (sound.mean() * seconds):7.1f}"
                f"{in_silence(events, sound).sum():9}{found.n_overlapping / max(1, n):8.2f}{found.above(0.5):8.3f}"
                f"{found.above(0.2):8.3f}",
                flush=True,
            )

    print("\nmelody                    system      events     time, ms     attack, ms   pitch, cents")
    print("                                      a note  median worst  median worst  median within 50")
    for path in sorted((DATA / "melodies").glob("*.flac")):
        audio, rate = soundfile.read(path, dtype="float32")
        notes = [Note(**note) for note in json.loads(path.with_suffix(".json").read_text())]
        for name, (codec, encode) in table.items():
            events = encode(audio, rate)
            errors = melody_errors(events, notes, codec.has_pitch(events))
            fade = np.abs(errors.fade_error_s)
            print(
                f"{path.stem:26}{name:10}{errors.events_per_note.mean():8.1f}"
                f"{1e3 * errors.onset_median_s:8.1f}{1e3 * errors.onset_worst_s:6.1f}"
                f"{1e3 * np.median(fade):8.1f}{1e3 * fade.max():6.1f}"
                f"{errors.pitch_median_cents:8.1f}{errors.pitch_within_50_cents:10.0%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
