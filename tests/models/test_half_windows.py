"""Half windows of `speech` that are fitted together: each as it would be alone, and as good as one after the other."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from second_device import second_device
from speech_support import CLIPS, decode, encode, estoi, recording
from test_devices import moved

from sparsecodec_models.errors import FewerAtOnce
from sparsecodec_models.speech.analysis import stream_fit
from sparsecodec_models.speech.analysis.fit import Events, Part, fit
from sparsecodec_models.speech.analysis.proposals import BEGINS, ROOM
from sparsecodec_models.speech.codec import SpeechCodec

RATE = 22050


@cache
def talk(duration_s: float, channels: int = 1) -> NDArray[np.float32]:
    """All recordings of 16 kHz, one after the other, again and again; the second channel backwards."""
    sounds = [samples for samples, rate in map(recording, range(len(CLIPS))) if rate == 16_000]
    samples = np.resize(np.concatenate(sounds), round(duration_s * 16_000))
    return samples if channels == 1 else np.stack([samples, samples[::-1]], 1)


@cache
def parts(codec: SpeechCodec) -> list[Part]:
    """Three half windows as long as each other: the first begins a recording, in the second a room is heard."""
    samples, rate = talk(15.0), 16_000
    sound = np.interp(np.arange(15 * RATE) / RATE, np.arange(len(samples)) / rate, samples).astype(np.float32)
    channel = stream_fit._Channel(codec.model, encode(codec, samples, rate), 0, 0.5, sound, (0, len(sound)))
    every = [window.part() for window in channel.half_windows(slice(None))]
    alike = [part for part in every if len(part.target) == 65536 + 2 * stream_fit.MARGIN]
    first, second, third = alike[:3]
    second.events.vector[:, ROOM] = 7.0
    return [Part(first.before[:0], first.events, first.after, first.target, first.noise), second, third]


def fitted(codec: SpeechCodec, some: list[Part], iterations: int = 3) -> list[torch.Tensor]:
    decoder, prior = codec.model.decoder, codec.model.prior
    step = torch.full((32,), 0.5)
    return fit(decoder, prior, some, seed=0, iterations=iterations, quantiser_step=step, bit_weight=1e-3)


# rounding differs, which steps of a fit enlarge where a gradient is about 0, and more so when voices are planned anew
@pytest.mark.parametrize("iterations, most_within", [(3, 1e-5), (8, 1e-3)])
def test_each_is_fitted_as_it_is_alone(codec: SpeechCodec, iterations: int, most_within: float) -> None:
    some = parts(codec)
    together = fitted(codec, some, iterations)
    alone = [fitted(codec, [part], iterations)[0] for part in some]
    assert min(len(vector) for vector in alone) > 50 and any(part.events.vector[0, BEGINS] < 0.5 for part in some)
    for part, here, there in zip(some, together, alone, strict=True):
        assert float((there - part.events.vector).abs().mean()) > 0.1
        apart = (here - there).abs().flatten()
        assert float(apart.max()) < 0.02 and float(apart.quantile(0.99)) < most_within


def test_a_part_without_events_of_its_own_changes_nothing(codec: SpeechCodec) -> None:
    first, second, _ = parts(codec)
    none = Part(second.before, second.events[:0], Events(second.after.vector[:0], second.after.time[:0]),
                second.target, second.noise)  # fmt: skip
    here, nothing, there = fitted(codec, [first, none, second])
    assert not len(nothing)
    for found, expected in zip((here, there), fitted(codec, [first, second]), strict=True):
        apart = (found - expected).abs().flatten()  # as above
        assert float(apart.max()) < 0.02 and float(apart.quantile(0.99)) < 1e-5


class Fits:
    """Calls of `fit`: how many parts each was given; memory holds `most` of them."""

    def __init__(self, patch: pytest.MonkeyPatch, at_once: int, most: int = 1000) -> None:
        self.counts: list[int] = []
        patch.setitem(stream_fit.MOST_AT_ONCE, "cpu", at_once)

        def counted(decoder: Any, prior: Any, some: Any, **options: Any) -> list[torch.Tensor]:
            if options["iterations"]:
                self.counts.append(len(some))
            if len(some) > most:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return fit(decoder, prior, some, **options)

        patch.setattr(stream_fit, "fit", counted)


def test_together_they_are_as_good_as_one_after_the_other(codec: SpeechCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = talk(26.0, channels=2)
    one = encode(codec, samples, 16_000, effort=1)
    fits = Fits(monkeypatch, at_once=16)
    together = encode(codec, samples, 16_000, effort=1)
    # of 9 in each of two channels the first one, those in the middle, and the last one, which is shorter
    assert sorted(fits.counts) == sorted(2 * [2, 6, 2, 8])
    assert abs(len(together) - len(one)) <= 0.01 * len(one)
    for channel in (0, 1):
        scores = [estoi(samples[:, channel], decode(codec, table)[:, channel], 16_000) for table in (one, together)]
        assert scores[0] > 0.8 and abs(scores[1] - scores[0]) < 0.02


def test_fewer_are_fitted_where_memory_runs_out(codec: SpeechCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = talk(20.0)
    with monkeypatch.context() as patch:
        expected_fits = Fits(patch, at_once=2)
        expected = encode(codec, samples, 16_000, effort=1)
    fits = Fits(monkeypatch, at_once=4, most=2)
    with pytest.warns(FewerAtOnce, match="does not hold 3 half windows at once") as told:
        found = encode(codec, samples, 16_000, effort=1)
    assert found == expected and len(told) == 1
    assert max(expected_fits.counts) == 2 and fits.counts.count(3) == 1


def test_on_another_device_they_are_fitted_together(codec: SpeechCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = talk(16.0)  # five half windows
    fits = Fits(monkeypatch, at_once=stream_fit.ELSEWHERE)
    expected = encode(codec, samples, 16_000, effort=1)
    here, fits.counts = fits.counts, []
    with second_device() as device, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = encode(moved(codec, device), samples, 16_000, effort=1)
    assert fits.counts == here and max(here) > 1
    assert found == expected
