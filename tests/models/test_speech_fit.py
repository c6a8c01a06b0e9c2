"""What fits of `speech` events rely on: the same sound, and the same gradients, as by the long way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import soxr
import torch
from numpy.typing import NDArray
from speech_support import encoded, recording
from torch import Tensor

from sparsecodec_formats.edit.ranking import _Lines, removal_order
from sparsecodec_formats.presets import layout_of
from sparsecodec_formats.presets.voices import Voices
from sparsecodec_models.dsp.mel import mel_filters
from sparsecodec_models.dsp.sound_distance import (
    RESOLUTIONS,
    SoundDistance,
    _of_samples,
    _power,
    _spectrum,
    _third_octaves,
)
from sparsecodec_models.speech.analysis.fit import Events, events_of
from sparsecodec_models.speech.analysis.frame_spectra import SteadyVoices
from sparsecodec_models.speech.analysis.proposals import (
    ATTACK,
    BEGINS,
    DECAY,
    F0,
    LEVEL,
    PHASE,
    ROOM,
    measure_pitch,
    on_the_path,
    phases_at,
)
from sparsecodec_models.speech.codec import SpeechCodec
from sparsecodec_models.speech.synthesis.frames import noise_spectrum
from sparsecodec_models.speech.synthesis.samples import few_events, render

RATE = 22050
LENGTH = 2 * RATE + 77  # samples, no multiple of a frame


@dataclass(frozen=True)
class Heard:
    """Events of a recording, and the noise of its frames."""

    events: Events
    noise: Tensor


@pytest.fixture(scope="module")
def heard(codec: SpeechCodec) -> Heard:
    events = events_of(encoded(codec, 0, 0), 0, RATE, torch.device("cpu"))
    config = codec.model.config
    return Heard(events, noise_spectrum(0, 0, 0, LENGTH // config.frame_hop + 2, config, events.vector))


@pytest.mark.parametrize("room_units", [0.0, 7.0])
def test_steady_voices_sound_as_they_are_decoded(codec: SpeechCodec, heard: Heard, room_units: float) -> None:
    tables, vector, time = codec.model.decoder.tables, heard.events.vector.clone(), heard.events.time
    vector[:, ROOM] = room_units
    wanted = render(tables, vector, time, 0, LENGTH, noise=heard.noise)
    voices = SteadyVoices(tables, vector, time, LENGTH, heard.noise[None], 1.5)
    assert float(wanted.abs().max()) > 0.1
    assert torch.allclose(voices.sound(vector)[0], wanted, atol=1e-5)
    louder = vector.clone()
    louder[:, LEVEL] += torch.linspace(-2, 2, len(vector))  # what is not steady may move
    wanted = render(tables, louder, time, 0, LENGTH, noise=heard.noise)
    assert torch.allclose(voices.sound(louder)[0], wanted, atol=1e-5)


def test_steady_voices_have_the_gradient_of_the_sound(codec: SpeechCodec, heard: Heard) -> None:
    tables, vector, time = codec.model.decoder.tables, heard.events.vector, heard.events.time
    weights = torch.randn(LENGTH, generator=torch.Generator().manual_seed(1))
    voices = SteadyVoices(tables, vector, time, LENGTH, heard.noise[None], 1.0)
    moving = [LEVEL, ATTACK, DECAY, *range(8, 32)]
    gradients = []
    for sound in (lambda v: voices.sound(v)[0], lambda v: render(tables, v, time, 0, LENGTH, noise=heard.noise)):
        leaf = vector.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad((sound(leaf) * weights).sum(), leaf)
        gradients.append(gradient[:, moving])
    assert float(gradients[1].abs().max()) > 0.1
    assert torch.allclose(gradients[0], gradients[1], rtol=1e-3, atol=1e-4 * float(gradients[1].abs().max()))


@pytest.mark.parametrize(("size", "hop"), [(256, 64), (576, 144), (576, 288), (2048, 512)])
def test_power_spectra_have_their_gradient(size: int, hop: int) -> None:
    generator = torch.Generator().manual_seed(size + hop)
    samples = torch.randn(2, 3001, generator=generator, dtype=torch.float64).float().requires_grad_(True)
    padded = torch.nn.functional.pad(samples, (size // 2, size // 2))
    plain = torch.fft.rfft(padded.unfold(-1, size, hop) * torch.hann_window(size)).abs() ** 2
    spectrum = _spectrum(samples.detach(), size, hop)
    assert torch.allclose(_power(spectrum), plain, rtol=1e-4, atol=1e-3)
    weights = torch.randn(plain.shape, generator=generator)
    (wanted,) = torch.autograd.grad((plain * weights).sum(), samples)
    own = _of_samples(spectrum, weights, hop, samples.shape[1])
    assert torch.allclose(own, wanted, rtol=1e-3, atol=1e-5 * float(wanted.abs().max()))


def plain_distance(target: Tensor, rendered: Tensor, sizes: Sequence[int], weight: Tensor | None) -> Tensor:
    """What `SoundDistance` says it is, by automatic gradients."""
    if weight is not None:
        target, rendered = target * weight, rendered * weight

    def power(samples: Tensor, size: int, hop: int) -> Tensor:
        window, edge = torch.hann_window(size), size // 2
        return torch.stft(torch.nn.functional.pad(samples, (edge, edge)), size, hop, window=window, center=False,
                          return_complex=True).abs().square().transpose(1, 2)  # fmt: skip

    def pieces(samples: Tensor) -> Tensor:
        bands = power(samples, 576, 288) @ _third_octaves(576, RATE, "cpu").T
        x = (bands + 1e-7).sqrt().transpose(1, 2).unfold(-1, 30, 6)
        for axis in (-1, 1):
            x = x - x.mean(axis, keepdim=True)
            x = x / (x.norm(dim=axis, keepdim=True) + 1e-4)
        return x

    total = torch.zeros(())
    for size in sizes:
        mel = torch.tensor(mel_filters(dict(RESOLUTIONS)[size], size, RATE), dtype=torch.float32)
        here, there = (power(samples, size, size // 4) for samples in (rendered, target))
        root, wanted = (here + 1e-10).sqrt(), (there + 1e-10).sqrt()
        norm = wanted.flatten(1).norm(dim=1) + 1e-3 * size**0.5
        total = total + ((root - wanted).flatten(1).norm(dim=1) / norm).clamp_max(4.0).mean() / len(sizes)
        log_mel, wanted = ((p @ mel.T * (2 / size) + 10**-7.5).log() for p in (here, there))
        total = total + (log_mel - wanted).abs().mean() / len(sizes)
    return total + (pieces(target) * (pieces(target) - pieces(rendered))).sum(1).mean()


@pytest.mark.parametrize("only", [(0, 1), (1, 3), (2,), (0, 1, 2, 3)])
@pytest.mark.parametrize("weighted", [False, True])
def test_distances_have_their_gradient(only: tuple[int, ...], weighted: bool) -> None:
    audio, rate = recording()
    target = torch.from_numpy(soxr.resample(audio, rate, RATE)[: 2 * RATE].reshape(2, -1))
    generator = torch.Generator().manual_seed(len(only))
    rendered = target.roll(20, 1) + 0.02 * torch.randn(target.shape, generator=generator)
    rendered[1] *= 100  # so loud that convergence pulls no more
    weight = (torch.arange(RATE) % 5000 < 4000).float().expand(2, -1) if weighted else None
    values, gradients = [], []
    own = SoundDistance(target, RATE, weight=weight)
    sizes = [RESOLUTIONS[place][0] for place in only]
    for distance in (lambda x: own(x, only), lambda x: plain_distance(target, x, sizes, weight)):
        leaf = rendered.clone().requires_grad_(True)
        value = distance(leaf)
        values.append(float(value.detach()))
        gradients.append(torch.autograd.grad(3.0 * value, leaf)[0])
    assert values[0] == pytest.approx(values[1], rel=1e-4)
    for own_gradient, wanted in zip(*gradients, strict=True):
        assert float((own_gradient - wanted).norm() / wanted.norm()) < 1e-2


def test_all_resolutions_are_the_mean_of_each() -> None:
    audio, rate = recording()
    target = torch.from_numpy(audio[None, : 2 * rate])
    distance = SoundDistance(target, rate, envelope_weight=0.0)
    other = 0.7 * target
    single = [float(distance(other, (place,))) for place in range(4)]
    assert min(single) > 0.1
    assert float(distance(other)) == pytest.approx(np.mean(single), rel=1e-5)


def test_a_voice_goes_on_in_phase(codec: SpeechCodec, heard: Heard) -> None:
    """A part of a voice with the phase of its first event sounds as it does in the whole."""
    decoder, events = codec.model.decoder, heard.events
    steady = decoder.controls(events.vector).voiced & (events.vector[:, BEGINS] < 0.5)
    row = int(torch.nonzero(steady.unfold(0, 5, 1).all(1))[0, 0]) + 1
    vector = events.vector[row:].clone()
    (vector[0, PHASE],) = phases_at(decoder, events.vector, events.time, [row])
    start, stop = events.time[[row + 1, row + 3]].tolist()
    whole, part = (
        render(decoder.tables, v, t, 0, stop)[start:]
        for v, t in ((events.vector, events.time), (vector, events.time[row:]))
    )
    assert float(whole.square().mean()) > 1e-6
    assert float((whole - part).square().mean() / whole.square().mean()) < 1e-3


def test_unvoiced_events_lie_on_the_path_of_pitch(codec: SpeechCodec, heard: Heard) -> None:
    decoder, time = codec.model.decoder, heard.events.time
    vector = heard.events.vector.clone()
    voiced = decoder.controls(vector).voiced
    vector[~voiced, F0] = 99.0
    moved = on_the_path(decoder, vector, time)
    assert torch.equal(moved[voiced], vector[voiced])
    wanted = render(decoder.tables, vector, time, 0, LENGTH)
    assert torch.allclose(render(decoder.tables, moved, time, 0, LENGTH), wanted, atol=1e-6)
    assert float((moved[:, F0] == 99.0).float().mean()) < 0.5


@pytest.mark.parametrize("off", [-0.03, -0.012, 0.0, 0.017, 0.03])
def test_fine_pitch_is_found(codec: SpeechCodec, heard: Heard, off: float) -> None:
    """A proposal that is off by up to 3 % is put right within 0.2 %."""
    decoder, f0_hz = codec.model.decoder, 131.0
    at = torch.arange(RATE) / RATE
    samples = sum(torch.cos(2 * torch.pi * f0_hz * k * at) / k for k in range(1, 20)) * 0.1
    row = heard.events.vector[decoder.controls(heard.events.vector).voiced][:1]
    vector = row.repeat(5, 1)
    proposed = 12 * np.log2(f0_hz * (1 + off) / 110)
    vector[:, F0] = (proposed - decoder.offset[F0]) / decoder.scale[F0]
    found = measure_pitch(decoder, vector, torch.arange(4000, 14000, 2000), samples)
    assert decoder.controls(found).f0_hz.numpy() == pytest.approx(f0_hz, rel=2e-3)


def test_events_go_in_the_order_of_the_least_loss(codec: SpeechCodec) -> None:
    """What goes in rounds is what comes of taking out the event that costs least, again and again."""
    table = encoded(codec, 0, 0)
    line = _Lines(table, layout_of(table.header), Voices.of(table), np.ones(len(table)), -np.inf)

    def error(left: NDArray[np.int64]) -> float:
        """Of all lines between those that are left."""
        total = 0.0
        for voice in np.unique(line._voice):
            mine, knots = np.flatnonzero(line._voice == voice), left[line._voice[left] == voice]
            if not len(knots):
                total += line._lost[mine].sum()
                continue
            told = np.column_stack(
                [np.interp(line._time[mine], line._time[knots], of) for of in line._numbers[knots].T]
            )
            inside = (mine >= knots[0]) & (mine <= knots[-1])
            wrong = line._weight[mine] * ((line._numbers[mine] - told) ** 2).sum(1)
            total += np.where(inside, wrong, line._lost[mine]).sum()
        return total

    left, by_one = np.arange(len(table)), []
    for _ in range(len(table) // 3):
        losses = [error(np.delete(left, i)) for i in range(len(left))]
        by_one.append(int(left[np.argmin(losses)]))
        left = np.delete(left, np.argmin(losses))
    rows, cost = removal_order(table)
    order = Voices.of(table).order
    assert sorted(rows.tolist()) == list(range(len(table)))
    assert (np.diff(cost) >= 0).all()
    assert float(cost[: len(by_one)].sum()) == pytest.approx(error(left), rel=0.05)
    assert len(set(order[by_one].tolist()) & set(rows[: len(by_one)].tolist())) >= 0.95 * len(by_one)


@pytest.mark.parametrize("room_units", [0.0, 7.0])
def test_energy_is_told_without_the_sound(codec: SpeechCodec, heard: Heard, room_units: float) -> None:
    tables, vector, time = codec.model.decoder.tables, heard.events.vector.clone(), heard.events.time
    vector[:, ROOM] = room_units
    sound = render(tables, vector, time, 0, LENGTH)
    for start, stop in ((0, LENGTH), (RATE // 2, 3 * RATE // 2)):
        told = few_events(tables, vector, time, 0).mean_square(start, stop - start)
        wanted = float(sound[start:stop].square().mean())
        assert wanted > 1e-4
        assert 10 * np.log10(told / wanted) == pytest.approx(0.0, abs=0.3)
