"""Signal processing that presets share, against answers that are known."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparsecodec_models.dsp.mel import band_centres_hz, hz_to_mel, interpolation_matrix, mel_filters, mel_to_hz
from sparsecodec_models.dsp.pitch_path import best_path
from sparsecodec_models.dsp.resampling import resampled
from sparsecodec_models.dsp.stft import hann, stft, stft_of_array

RATE = 22050


def sine(hz: float, n: int, rate: int = RATE) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(n) / rate).astype(np.float32)


# STFT


def test_the_window_is_periodic() -> None:
    n = np.arange(512)
    np.testing.assert_allclose(hann(512), np.sin(np.pi * n / 512) ** 2, atol=1e-7)
    np.testing.assert_allclose(hann(512), torch.hann_window(512).numpy(), atol=1e-6)


@pytest.mark.parametrize("bin_index", [3, 40, 250])
def test_a_sine_on_a_bin_is_three_bins(bin_index: int) -> None:
    size, hop = 512, 128
    samples = sine(bin_index * RATE / size, 4096)
    expected = np.zeros(size // 2 + 1)
    expected[bin_index - 1 : bin_index + 2] = size / 8, size / 4, size / 8  # Hann's main lobe
    found = np.abs(stft_of_array(samples, hann(size), hop))
    assert found.shape == (1 + (4096 - size) // hop, size // 2 + 1)
    np.testing.assert_allclose(found, np.tile(expected, (len(found), 1)), atol=1e-2)
    tensor = stft(torch.from_numpy(samples), torch.from_numpy(hann(size)), hop)
    np.testing.assert_allclose(tensor.numpy(), stft_of_array(samples, hann(size), hop), atol=1e-3)


def test_the_phase_turns_with_the_hop() -> None:
    size, hop, k = 512, 100, 20
    spectrum = stft_of_array(sine(k * RATE / size, 4096), hann(size), hop)[:, k]
    turned = np.angle(spectrum[1:] / spectrum[:-1])
    np.testing.assert_allclose(np.exp(1j * turned), np.exp(2j * np.pi * k * hop / size), atol=1e-3)


@given(st.integers(1, 700), st.sampled_from([1, 7, 64, 100]), st.sampled_from([16, 18, 64]))
def test_centred_frames_are_those_of_torch(n: int, hop: int, size: int) -> None:
    samples, window = torch.from_numpy(np.random.default_rng(n).normal(size=(2, n))), torch.hann_window(size)
    found = stft(samples, window.double(), hop, centred=True)
    assert found.shape == (2, n // hop + 1, size // 2 + 1)
    expected = torch.stft(samples, size, hop, window=window.double(), return_complex=True, pad_mode="constant")
    torch.testing.assert_close(found.transpose(-1, -2), expected)


def test_energy_is_kept_where_it_is_asked_for() -> None:
    samples = torch.from_numpy(np.random.default_rng(0).normal(size=256))
    spectrum = stft(samples, torch.ones(256, dtype=torch.float64), 256, norm="ortho")[0]
    both_sides = spectrum.abs().square().sum() * 2 - spectrum[[0, -1]].abs().square().sum()
    assert float(both_sides) == pytest.approx(float(samples.square().sum()))


def test_gradients_reach_the_samples() -> None:
    samples = torch.from_numpy(sine(440, 300)).double().requires_grad_(True)
    window = torch.hann_window(32, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: stft(x, window, 8, 64, centred=True).abs().square().sum(), samples)


# mel


def test_the_mel_scale_is_that_of_o_shaughnessy() -> None:
    assert float(hz_to_mel(1000)) == pytest.approx(999.99, abs=0.01)
    assert float(hz_to_mel(700)) == pytest.approx(2595 * np.log10(2))
    hz = np.array([0.0, 20, 440, 8000, 11025])
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hz)), hz, atol=1e-9)


def test_bands_lie_evenly_on_the_mel_scale_and_lines_stay_lines() -> None:
    centres = band_centres_hz(9, 100.0, 8000.0)
    assert centres[0] == pytest.approx(100) and centres[-1] == pytest.approx(8000)
    np.testing.assert_allclose(np.diff(hz_to_mel(centres)), np.diff(hz_to_mel(centres))[0])
    points = np.linspace(0, 11025, 50)
    matrix = interpolation_matrix(centres, points)
    np.testing.assert_allclose(matrix.sum(1), 1)
    np.testing.assert_allclose(matrix @ hz_to_mel(centres), hz_to_mel(points.clip(100, 8000)))


def test_a_sine_is_in_the_filter_of_its_band() -> None:
    filters = mel_filters(40, 1024, RATE)
    np.testing.assert_allclose(filters.sum(1), 1)
    centres = mel_to_hz(np.linspace(hz_to_mel(20.0), hz_to_mel(RATE / 2), 42))[1:-1]
    for band in (5, 20, 38):
        power = np.abs(stft_of_array(sine(centres[band], 1024), hann(1024), 1024)[0]) ** 2
        assert np.argmax(filters @ power) == band


# paths of pitch


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_the_path_is_the_best_of_all(n_frames: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    score, move = rng.normal(size=(n_frames, n)).astype(np.float32), rng.normal(size=(n, n))

    def total(path: tuple[int, ...]) -> float:
        return sum(score[t, i] for t, i in enumerate(path)) + sum(move[i, j] for j, i in pairwise(path))

    best = max(map(total, product(range(n), repeat=n_frames)))
    assert total(tuple(best_path(score, move).tolist())) == pytest.approx(best, abs=1e-5)


def test_a_path_does_not_leap_for_one_frame() -> None:
    score = np.zeros((9, 20), np.float32)
    score[:, 5], score[4, 15] = 1.0, 2.0
    candidate = np.arange(20)
    assert best_path(score, -0.2 * np.abs(candidate[:, None] - candidate)).tolist() == [5] * 9
    assert best_path(score, np.zeros((20, 20)))[4] == 15
    assert best_path(score[:0], np.zeros((20, 20))).shape == (0,)


# sample rates


@pytest.mark.parametrize("new_rate", [8000, 22050, 44100])
@pytest.mark.parametrize("size", [100, 4096])
def test_a_sine_stays_one_at_another_rate_whatever_the_blocks(new_rate: int, size: int) -> None:
    n = 2 * RATE
    samples = np.stack([sine(440, n), sine(1000, n)], 1)
    blocks = [(samples[i : i + size], i + size >= n) for i in range(0, n, size)]
    out = list(resampled(blocks, RATE, new_rate, 2))
    found = np.concatenate(out)
    assert len(out) == len(blocks) and len(found) == 2 * new_rate
    middle = slice(new_rate // 4, -new_rate // 4)
    expected = np.stack([sine(440, 2 * new_rate, new_rate), sine(1000, 2 * new_rate, new_rate)], 1)
    np.testing.assert_allclose(found[middle], expected[middle], atol=1e-3)
