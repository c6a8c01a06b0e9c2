"""The `speech` decoder by its sound: what the controls say is what is heard."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_models.speech.bands import band_centres_hz, mel_filters, minimum_phase_matrix
from sparsecodec_models.speech.config import SpeechConfig
from sparsecodec_models.speech.decoder import SHAPE_HIGH_HZ, SHAPE_LOW_HZ, SpeechDecoder
from sparsecodec_models.speech.noise import random_phase
from sparsecodec_models.speech.proposals import measure_pitch_and_phase
from sparsecodec_models.speech.synthesis import render

RATE = 22050
CONFIG = SpeechConfig()
DIMS = LAYOUTS["speech"].dims
SHAPE = CONFIG.named_dims  # in these tests dim 8 is a spectral tilt, dim 9 the voicing


def make_decoder(centre_hz: float = 440.0) -> SpeechDecoder:
    """A decoder whose events are voiced and whose spectrum falls off by 30 dB an octave around `centre_hz`."""
    decoder = SpeechDecoder(CONFIG).requires_grad_(False)
    mean = decoder.shape_mean.view(CONFIG.points, -1)
    centres = band_centres_hz(CONFIG.bands, SHAPE_LOW_HZ, SHAPE_HIGH_HZ)
    mean[:, : CONFIG.bands] = torch.tensor(-30.0 * np.abs(np.log2(centres / centre_hz)))
    mean[:, CONFIG.bands :] = 20.0
    decoder.shape_basis.zero_()
    decoder.shape_basis.view(-1, CONFIG.points, CONFIG.bands + CONFIG.voice_bands)[1, :, CONFIG.bands :] = 1.0
    return decoder


def vector(**physical: float) -> torch.Tensor:
    """One event, float32 [1, 32]; what is not given is a 0.5 s event of 440 Hz at -20 dB with short fades."""
    values = {
        "level_db": -20.0,
        "duration_log2_s": -1.0,
        "attack_log2_s": np.log2(0.004),
        "decay_log2_s": np.log2(0.004),
        "f0_semitones": 24.0,
        "glide_semitones": 0.0,
        "phase_cycles": 0.0,
        "room_db": -60.0,
    } | physical
    out = torch.zeros(1, 32)
    for name, value in values.items():
        out[0, DIMS[name].index] = (value - DIMS[name].offset) / DIMS[name].scale
    return out


def sound(events: torch.Tensor, onset: int | list[int] = 0, length: int = RATE, seed: int = 0) -> np.ndarray:
    onsets = torch.tensor([onset] if isinstance(onset, int) else onset)
    decoder = make_decoder()
    return render(decoder, events, onsets, torch.arange(len(onsets)), seed, length).numpy().astype(np.float64)


def peak_hz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 8 * len(samples)))
    return float(spectrum.argmax()) * RATE / (8 * len(samples))


def test_any_vector_sounds_and_stays_finite() -> None:
    wild = torch.tensor(np.random.default_rng(0).normal(0, 1000, (8, 32)), dtype=torch.float32)
    samples = render(make_decoder(), wild, torch.arange(8) * 500, torch.arange(8), 0, RATE)
    assert torch.isfinite(samples).all()


def test_an_event_of_440_hz_has_its_peak_at_440_hz() -> None:
    assert peak_hz(sound(vector())) == pytest.approx(440.0, abs=1.0)


def test_energy_of_a_voiced_event_lies_at_multiples_of_f0() -> None:
    samples = sound(vector())[2000:10192]
    power = np.abs(np.fft.rfft(samples * np.blackman(len(samples)))) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / RATE)
    near = np.abs(hz - 440 * np.round(hz / 440)) < 12
    assert power[~near].sum() < 1e-4 * power.sum()


@pytest.mark.parametrize("onset", [0, 1, 1000, 12345])
def test_an_event_starts_at_its_onset_and_ends_with_its_duration(onset: int) -> None:
    samples = sound(vector(duration_log2_s=-3.0), onset)
    assert np.abs(samples[:onset]).max(initial=0.0) == 0.0
    assert np.abs(samples[onset : onset + 200]).max() > 0.02
    end = onset + RATE // 8
    assert np.abs(samples[end - 200 : end]).max() > 0.01
    assert np.abs(samples[end + 2 :]).max(initial=0.0) == 0.0


@pytest.mark.parametrize("voicing", [0.0, -40.0])
def test_level_is_the_rms_of_tone_and_noise(voicing: float) -> None:
    event = vector(f0_semitones=-7.0)  # many harmonics under the envelope: it is sampled evenly
    event[0, SHAPE + 1] = voicing
    samples = sound(event)[1000:10000]
    assert 10 * np.log10(np.mean(samples**2)) == pytest.approx(-20.0, abs=2.0)


def test_a_glide_goes_from_half_below_to_half_above() -> None:
    samples = sound(vector(glide_semitones=12.0))
    low, high = 440 * 2**-0.5, 440 * 2**0.5
    assert peak_hz(samples[300:1500]) == pytest.approx(low * 2 ** (900 / 11025), rel=0.03)
    assert peak_hz(samples[9500:10700]) == pytest.approx(high * 2 ** (-925 / 11025), rel=0.03)


def test_phase_moves_the_wave_by_its_share_of_a_period() -> None:
    middle = slice(5512 - 400, 5512 + 400)
    plain, turned = sound(vector())[middle], sound(vector(phase_cycles=0.25))[middle]
    lag = np.arange(-25, 26)
    match = [np.dot(plain[50:-50], np.roll(turned, k)[50:-50]) for k in lag]
    assert lag[int(np.argmax(match))] == pytest.approx(0.25 * RATE / 440, abs=1.0)


def test_an_attack_rises_for_as_long_as_it_says() -> None:
    samples = sound(vector(attack_log2_s=np.log2(0.1)))
    envelope = np.sqrt(np.convolve(samples**2, np.ones(220) / 220, "same"))
    assert envelope[RATE // 20] / envelope[5000] == pytest.approx(0.5, abs=0.08)  # sin² is a half half-way
    assert envelope[RATE // 100] < 0.1 * envelope[5000]


def test_the_room_rings_on_after_the_end() -> None:
    dry, wet = sound(vector(duration_log2_s=-4.0)), sound(vector(duration_log2_s=-4.0, room_db=0.0))
    end = RATE // 16 + 10
    assert np.abs(dry[end:]).max() == 0.0
    ringing = np.sqrt(np.mean(wet[end : end + 1000] ** 2))
    later = np.sqrt(np.mean(wet[end + 4000 : end + 5000] ** 2))
    assert ringing > 1e-3 and later < 0.2 * ringing


def test_events_add_up() -> None:
    two = torch.cat([vector(), vector(f0_semitones=5.0)])
    one_by_one = [
        render(make_decoder(), two[i : i + 1], torch.tensor([300 * i]), torch.tensor([i]), 0, RATE) for i in (0, 1)
    ]
    assert np.allclose(sound(two, [0, 300]), sum(one_by_one).numpy(), atol=1e-6)


def test_noise_comes_from_seed_and_rank_alone() -> None:
    noisy = vector()
    noisy[0, SHAPE + 1] = -40.0
    decoder = make_decoder()

    def draw(seed: int, rank: int) -> torch.Tensor:
        return render(decoder, noisy, torch.tensor([0]), torch.tensor([rank]), seed, 8000)

    assert torch.equal(draw(1, 5), draw(1, 5))
    for other in (draw(2, 5), draw(1, 6)):
        assert abs(torch.corrcoef(torch.stack([draw(1, 5), other]))[0, 1]) < 0.1


def test_random_phases_are_the_same_on_every_machine() -> None:
    drawn = random_phase(7, torch.tensor([0, 123456]), torch.tensor([0, 9]), 3)
    turns = np.round(drawn.numpy().astype(np.float64) / (2 * np.pi) * 2**24).astype(np.int64)
    golden = [[15826823, 13081628, 2926346], [14324857, 932695, 15673133]]
    assert np.abs(turns - golden).max() <= 2, turns.tolist()  # what float32 keeps


def test_random_phases_are_uniform() -> None:
    drawn = random_phase(0, torch.arange(100), torch.arange(100), 257).numpy()
    counts = np.histogram(drawn, bins=16, range=(0, 2 * np.pi))[0]
    assert np.abs(counts / counts.mean() - 1).max() < 0.1


def test_every_dim_has_a_gradient_that_is_finite() -> None:
    events = torch.cat([vector(room_db=-20.0, glide_semitones=1.0), vector(phase_cycles=0.3, room_db=-20.0)])
    events[:, SHAPE + 1] = -19.0
    events.requires_grad_(True)
    decoder = make_decoder()
    decoder.shape_basis[0].normal_(0, 1, generator=torch.Generator().manual_seed(0))
    samples = render(decoder, events, torch.tensor([0, 4000]), torch.arange(2), 0, RATE)
    (samples * torch.sin(torch.arange(RATE) * 0.05)).sum().backward()
    assert events.grad is not None and torch.isfinite(events.grad).all()
    assert (events.grad[:, : SHAPE + 2].abs().max(0).values > 0).all()


@pytest.mark.parametrize("truth", [0.1, 0.4, -0.3])
def test_pitch_and_phase_are_measured_on_the_samples(truth: float) -> None:
    decoder = make_decoder()
    target = torch.tensor(sound(vector(f0_semitones=7.2, phase_cycles=truth), 2000), dtype=torch.float32)
    guess = vector(f0_semitones=7.0, phase_cycles=0.0)
    found = measure_pitch_and_phase(decoder, guess, torch.tensor([2000]), target)
    f0 = DIMS["f0_semitones"].physical(found.numpy())[0]
    phase = DIMS["phase_cycles"].physical(found.numpy())[0]
    assert f0 == pytest.approx(7.2, abs=0.12)
    assert (phase - truth + 0.5) % 1 - 0.5 == pytest.approx(0.0, abs=0.05)


def test_mel_filters_average() -> None:
    filters = mel_filters(80, 2048, RATE)
    assert filters.shape == (80, 1025)
    assert np.allclose(filters.sum(1), 1.0)
    centres = (filters * np.linspace(0, RATE / 2, 1025)).sum(1)
    assert (np.diff(centres) > 0).all()


def test_minimum_phase_of_a_known_filter() -> None:
    impulse = np.array([1.0, -0.5, 0.2])  # its zeros lie inside the unit circle
    response = np.fft.rfft(impulse, 512)
    phase = minimum_phase_matrix(257) @ np.log(np.abs(response))
    assert np.allclose(phase, np.unwrap(np.angle(response)), atol=1e-6)
