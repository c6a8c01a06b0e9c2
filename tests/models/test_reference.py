"""The `reference` network: published sizes (one test); with small ones encoder, decoder, rooms."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from reference_small import TINY, noise_of, sounding
from torch import nn

from sparsecodec_formats.errors import SicError
from sparsecodec_models.reference.config import ReferenceConfig
from sparsecodec_models.reference.decoder import ReferenceControls, describe, draw_noise, fft_length
from sparsecodec_models.reference.encoder import magnitudes, pick_event
from sparsecodec_models.reference.model import ReferenceModel
from sparsecodec_models.reference.rooms import make_rooms, rooms_from_recordings
from sparsecodec_models.weights import config_of


@pytest.fixture(scope="module")
def model() -> ReferenceModel:
    return ReferenceModel(TINY).draw_weights(0).eval().requires_grad_(False)


def n_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


# --- refusals


@pytest.mark.parametrize("wrong", [{"window": 100}, {"n_fft": 100}, {"hop": 0}, {"channels": 0}, {"dilations": (1, 0)}])
def test_impossible_sizes_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="ReferenceConfig"):
        replace(TINY, **wrong)  # type: ignore[arg-type]


# --- published sizes


def test_published_sizes_have_the_published_parameter_counts() -> None:
    with torch.device("meta"):
        model = ReferenceModel(rooms=np.zeros((8, 2**15), np.float32))
    encoder, decoder = model.encoder, model.decoder
    assert n_parameters(encoder.stack) == 9_192_448  # without the 8,192 of batch norms that are never used
    assert n_parameters(encoder.vector_head) == 16_416
    assert n_parameters(encoder.switch_head) == 513
    assert n_parameters(decoder.maps) == 565_488
    assert n_parameters(decoder.tables) == 4_444_672 - 512  # without the 512 that are never used
    assert n_parameters(model) == 14_227_729 - 8_192 - 512
    assert model.config.n_frames == 512
    assert model.config.n_bins == 1024
    assert model.config.events_per_second == pytest.approx(10.8, abs=0.05)


def test_config_survives_json() -> None:
    assert config_of(ReferenceConfig, json.loads(json.dumps(asdict(TINY)))) == TINY


# --- encoder


def test_spectrogram_of_a_sine_peaks_at_its_bin_and_frames_begin_at_their_first_sample() -> None:
    time = torch.arange(4096)
    rows = magnitudes(torch.sin(2 * torch.pi * 10 / 128 * time), 128, TINY)
    assert rows.shape == (128, 64)
    assert (rows[:124].argmax(dim=1) == 10).all()
    click = torch.zeros(4096)
    click[40 * 32 + 5] = 1
    sounding = magnitudes(click, 128, TINY).sum(dim=1).nonzero().flatten().tolist()
    assert sounding == [37, 38, 39, 40]


def test_encoder_is_anti_causal() -> None:
    encoder = ReferenceModel(TINY).draw_weights(0).encoder.double()
    torch.manual_seed(0)
    before = torch.rand(1, 128, 64, dtype=torch.float64)
    after = before.clone()
    after[:, 60] += 1
    for old, new in zip(encoder(before), encoder(after), strict=True):
        changed = (new - old).reshape(128, -1).abs().sum(dim=1) > 0
        assert changed.nonzero().flatten().tolist() == list(range(52, 61))
    assert encoder.frames_ahead == 8  # 1 + 2 + 4 + 1


def test_encoder_of_the_first_frames_only_gives_the_same_numbers(model: ReferenceModel) -> None:
    spectrogram = torch.rand(2, 128, 64)
    vector, switch = model.encoder(spectrogram)
    some_vector, some_switch = model.encoder(spectrogram, 64)
    torch.testing.assert_close(some_vector, vector[:, :64])
    torch.testing.assert_close(some_switch, switch[:, :64])
    assert vector.shape == (2, 128, 32)


def test_picks_the_highest_unmasked_frame() -> None:
    switch = torch.tensor([[0.1, 0.7, 0.3, 9.0], [0.5, 0.0, 0.1, 9.0]])
    vector, frame, amplitude = pick_event(torch.arange(8.0).reshape(2, 4, 1), switch, 3)
    assert frame.tolist() == [1, 0]
    assert vector.flatten().tolist() == [1.0, 4.0]
    assert amplitude.tolist() == pytest.approx([0.7, 0.5])


def test_a_switch_that_is_shut_everywhere_gives_no_event_but_can_learn() -> None:
    switch = torch.tensor([[-0.3, -0.1, 9.0], [-0.3, 0.2, 9.0]], requires_grad=True)
    _, frame, amplitude = pick_event(torch.zeros(2, 3, 1), switch, 2)
    assert frame.tolist() == [1, 1]
    assert amplitude.tolist() == pytest.approx([0, 0.2])
    assert (amplitude >= 0).all()
    amplitude.sum().backward()
    assert switch.grad is not None
    assert switch.grad.tolist() == [[0, 1, 0], [0, 1, 0]]


# --- decoder


def quiet_controls(model: ReferenceModel) -> dict[str, torch.Tensor]:
    """Controls of one plain event: the noise alone, no shift, no room; tests change what they are about."""
    controls = dict(model.decoder.controls(torch.zeros(1, 32)).__dict__)
    one_hot, filters = torch.tensor([[1.0, 0.0]]), torch.zeros(1, 4, 16)
    filters[..., 0] = 1
    ones = torch.ones(1, TINY.envelope_points)
    return controls | {
        "envelope": ones,
        "noise_filter": filters,
        "resonance_filter": filters,
        "noise_mix": one_hot,
        "resonance_mix": one_hot,
        "room_mix": one_hot,
        "amplitude": torch.ones(1),
        "fine_shift_s": torch.zeros(1),
    }


def rendered(model: ReferenceModel, controls: dict[str, torch.Tensor], noise: torch.Tensor) -> torch.Tensor:
    return model.decoder.signal(ReferenceControls(**controls), noise)[0]


def test_controls_are_in_their_ranges() -> None:
    controls = sounding(0).decoder.controls(torch.randn(5, 32, generator=torch.manual_seed(0)))
    hop_s = TINY.hop / TINY.sample_rate
    assert (controls.envelope >= 0).all()
    assert (controls.amplitude >= 0).all()
    assert ((controls.resonance_gain >= 0) & (controls.resonance_gain <= 1)).all()
    assert (controls.decay.diff(dim=1) <= 0).all()
    assert (controls.fine_shift_s.abs() <= hop_s * 1.00001).all()
    for shares in (controls.noise_mix, controls.resonance_mix, controls.room, controls.room_mix):
        torch.testing.assert_close(shares.sum(dim=1), torch.ones(5))
    for fade in (controls.noise_fade, controls.resonance_fade):
        torch.testing.assert_close(fade.sum(dim=1), torch.ones(5, TINY.n_frames))


def test_noise_goes_through_unchanged_when_nothing_shapes_it(model: ReferenceModel) -> None:
    noise = noise_of(1)
    noise /= noise.abs().max()
    sounds = rendered(model, quiet_controls(model), noise)
    assert sounds.shape == (TINY.hop + TINY.window,)
    torch.testing.assert_close(sounds[TINY.hop : TINY.hop + 256], noise[0], atol=1e-5, rtol=0)
    assert sounds[: TINY.hop].abs().max() < 1e-5
    assert sounds[TINY.hop + 256 :].abs().max() < 1e-5


@pytest.mark.parametrize("shift", [-32, -7, 0, 20, 32])
def test_fine_shift_moves_the_sound(model: ReferenceModel, shift: int) -> None:
    noise = noise_of(1)
    noise /= noise.abs().max()
    controls = quiet_controls(model) | {"fine_shift_s": torch.tensor([shift / TINY.sample_rate])}
    sounds = rendered(model, controls, noise)
    start = TINY.hop + shift
    torch.testing.assert_close(sounds[start : start + 256], noise[0], atol=1e-4, rtol=0)
    assert start == 0 or sounds[:start].abs().max() < 1e-4


def resonating(model: ReferenceModel, n_bin: int, factor: float) -> torch.Tensor:
    """A click that makes one partial ring; the decay multiplies by `factor` at every frame."""
    gain = torch.zeros(1, 4, TINY.n_bins + 1)
    gain[..., n_bin] = 1
    click = torch.zeros(1, TINY.envelope_samples)
    click[0, 0] = 1
    changes = {
        "resonance_mix": torch.tensor([[0.0, 1.0]]),
        "resonance_gain": gain,
        "decay": factor ** torch.arange(TINY.n_frames).float()[None],
    }
    return rendered(model, quiet_controls(model) | changes, click)[TINY.hop :]


def test_resonance_has_its_frequency_and_decays(model: ReferenceModel) -> None:
    sounds = resonating(model, 8, 0.9)
    spectrum = torch.fft.rfft(sounds).abs()
    assert int(spectrum.argmax()) == 8 * TINY.window // TINY.n_fft
    level = magnitudes(sounds, 40, TINY)[:, 8]
    torch.testing.assert_close(level[1:] / level[:-1], torch.full((39,), 0.9), atol=2e-3, rtol=0)
    steady = magnitudes(resonating(model, 8, 1.0), 40, TINY)[:, 8]
    torch.testing.assert_close(steady, steady[:1].expand(40), atol=1e-5, rtol=1e-3)


def test_decay_table_makes_sound_decay(model: ReferenceModel) -> None:
    decay = model.decoder.controls(torch.zeros(1, 32)).decay[0]
    assert decay[0] == pytest.approx(0.75, abs=0.01)  # sigmoid of almost 0, at the first frame already
    torch.testing.assert_close(decay[1:30] / decay[:29], torch.full((29,), 0.75), atol=0.01, rtol=0)


def test_room_is_heard(model: ReferenceModel) -> None:
    click = torch.zeros(1, TINY.envelope_samples)
    click[0, 0] = 1
    changes = {"room_mix": torch.tensor([[0.0, 1.0]]), "room": torch.tensor([[0.0, 0.0, 1.0]])}
    sounds = rendered(model, quiet_controls(model) | changes, click)
    expected = model.decoder.rooms[2] / model.decoder.rooms[2].abs().max()
    torch.testing.assert_close(sounds[TINY.hop : TINY.hop + 256], expected, atol=1e-5, rtol=0)


def test_description_can_be_read(model: ReferenceModel) -> None:
    controls = quiet_controls(model)
    controls["resonance_gain"] = torch.zeros(1, 4, TINY.n_bins + 1)
    controls["resonance_gain"][..., 16] = 1
    controls["decay"] = 10 ** (-3 * torch.arange(TINY.n_frames) * TINY.hop / TINY.sample_rate / 0.05)[None]
    controls["amplitude"] = torch.tensor([0.1])
    figures = {name: float(value) for name, value in describe(ReferenceControls(**controls), TINY).items()}
    assert figures["level_db"] == pytest.approx(-20)
    assert figures["resonance_peak_hz"] == pytest.approx(16 * 22050 / 128)
    assert figures["resonance_centroid_hz"] == pytest.approx(16 * 22050 / 128)
    assert figures["rt60_s"] == pytest.approx(0.05, rel=1e-3)
    assert figures["fine_shift_s"] == 0


def test_events_in_a_batch_sound_as_alone() -> None:
    vector, noise = torch.randn(3, 32, generator=torch.manual_seed(0)), noise_of(3)
    decoder = sounding(0).decoder
    together = decoder(vector, noise)
    alone = torch.cat([decoder(vector[i : i + 1], noise[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone)


def test_event_spectrogram_is_that_of_the_placed_event() -> None:
    decoder = sounding(0).decoder
    samples = decoder(torch.randn(1, 32, generator=torch.manual_seed(0)), noise_of(1))
    frame = 20
    start = (frame - 1) * TINY.hop  # the samples begin one frame early
    placed = torch.cat([torch.zeros(start), samples[0]])[: TINY.window]
    whole = magnitudes(placed, TINY.n_frames, TINY)[: TINY.n_frames - 4]
    own = decoder.spectrograms(samples)[0]
    assert own.shape == (TINY.lead_frames + TINY.n_frames, TINY.n_bins)
    skipped = frame - TINY.lead_frames
    torch.testing.assert_close(own[: len(whole) - skipped], whole[skipped:], atol=1e-4, rtol=1e-4)
    assert whole[:skipped].abs().max() < 1e-4


def test_noise_is_a_function_of_seed_and_rank_alone() -> None:
    noise = draw_noise(3, [0, 7], 1001)
    assert noise.shape == (2, 1001)
    np.testing.assert_array_equal(draw_noise(3, [7], 1001)[0], noise[1])
    np.testing.assert_array_equal(draw_noise(3, [7], 10)[0], noise[1, :10])
    assert not np.array_equal(noise[0], noise[1])
    assert not np.array_equal(draw_noise(4, [0], 1001)[0], noise[0])
    assert noise.min() >= -1
    assert noise.max() < 1
    assert abs(noise.mean()) < 0.05
    assert noise.std() == pytest.approx(3**-0.5, rel=0.05)
    # the very numbers, since files depend on them
    np.testing.assert_array_equal(
        draw_noise(0, [0], 3)[0],
        np.array([-0.930516242980957, -0.9769065380096436, 0.2239004373550415], np.float32),
    )


@given(st.integers(1, 10**6))
def test_fft_length_is_enough_and_smooth(n: int) -> None:
    size = fft_length(n)
    assert n <= size < 2 * n or n == size == 1
    for factor in (2, 3, 5):
        while size % factor == 0:
            size //= factor
    assert size == 1


# --- rooms


def test_rooms_are_the_same_for_a_seed_and_grow_more_live() -> None:
    rooms = make_rooms(8, 2**14, 22050, seed=3)
    np.testing.assert_array_equal(rooms, make_rooms(8, 2**14, 22050, seed=3))
    assert not np.array_equal(rooms, make_rooms(8, 2**14, 22050, seed=4))
    assert rooms.dtype == np.float32
    np.testing.assert_allclose(np.sum(rooms**2, axis=1), 1, rtol=1e-5)
    assert (np.abs(rooms).argmax(axis=1) == 0).all()
    late = np.sum(rooms[:, 4000:] ** 2, axis=1)
    assert late[7] > 100 * late[0]


def test_recorded_rooms_begin_with_the_direct_sound() -> None:
    recording = np.zeros((4000, 2))
    recording[1000, 0], recording[1200, 0], recording[5, 1] = 2.0, 1.0, 9.0
    rooms = rooms_from_recordings([(recording, 22050), (recording[:, 0], 44100)], 1000, 22050)
    assert rooms.shape == (2, 1000)
    np.testing.assert_allclose(rooms[0, [0, 200]], np.array([2, 1]) / 5**0.5, rtol=1e-6)
    assert np.count_nonzero(rooms[0]) == 2
    assert abs(rooms[1, 100] / rooms[1, 0]) == pytest.approx(0.5, rel=0.01)
    sized = replace(TINY, n_rooms=2, room_samples=1000)
    np.testing.assert_array_equal(ReferenceModel(sized, rooms).decoder.rooms.numpy(), rooms)


@pytest.mark.parametrize("bad", [np.zeros(100), np.zeros(0), np.array([1.0, np.nan])])
def test_rooms_that_are_not_sound_are_refused(bad: NDArray[np.float64]) -> None:
    with pytest.raises(SicError, match="recording 1"):
        rooms_from_recordings([(np.ones(10), 22050), (bad, 22050)], 100, 22050)
    with pytest.raises(SicError):
        rooms_from_recordings([], 100, 22050)
