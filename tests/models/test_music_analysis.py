"""Notes that the decoder plays with known numbers are measured back; fits come nearer; nothing harms the analysis."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_models.music.analysis.fit import refine
from sparsecodec_models.music.analysis.measure import measure
from sparsecodec_models.music.analysis.measured import MeasuredNotes
from sparsecodec_models.music.analysis.played import PlayedNotes
from sparsecodec_models.music.analysis.spectra import SpectralDistance
from sparsecodec_models.music.analysis.vectors import vectors_of
from sparsecodec_models.music.synthesis.controls import MusicDecoder
from sparsecodec_models.music.synthesis.samples import render

RATE = 22_050
DIMS = LAYOUTS["music"].dims


@pytest.fixture(scope="module")
def decoder() -> MusicDecoder:
    return MusicDecoder.plain()


def note(**physical: float) -> torch.Tensor:
    """A vector [32] of a plain note with these physical values."""
    values = {
        "level_db": -20.0,
        "attack_log2_s": np.log2(0.005),
        "decay_low_log2_s": np.log2(3.0),
        "decay_high_log2_s": np.log2(1.0),
        "duration_log2_s": np.log2(0.6),
        "release_log2_s": np.log2(0.15),
        "inharmonicity_log2": -18.0,
        "vibrato_hz": 5.5,
        "noise_db": -60.0,
        "noise_decay_log2_s": np.log2(0.15),
        "kind": 1.0,
        "begins": 1.0,
        "room_db": -60.0,
        **physical,
    }
    vector = torch.zeros(32)
    for name, value in values.items():
        dim = DIMS[name]
        vector[dim.index] = float((value - dim.offset) / dim.scale)
    return vector


def midi_of(semitones_re_110: float) -> float:
    return 45.0 + semitones_re_110


def measured(
    decoder: MusicDecoder,
    vectors: list[torch.Tensor],
    onset_s: list[float],
    told_s: float = 0.008,
    seconds: float = 2.5,
) -> MeasuredNotes:
    """What is measured of these notes, whose onsets are told wrong by told_s and pitches to the nearest semitone."""
    vector, time = torch.stack(vectors), torch.tensor([round(s * RATE) for s in onset_s])
    sound = render(decoder, vector, time, 0, int(seconds * RATE)).detach().numpy()
    controls = decoder.controls(vector)
    onset = np.array(onset_s)
    offset = onset + controls.duration_s.numpy()
    midi = np.round(midi_of(controls.f0_semitones.numpy()))
    return measure(sound, onset + told_s, offset + 0.03, midi, np.zeros(len(onset), bool), decoder)


@pytest.mark.parametrize("semitones", [-8.0, 3.27, 14.75, 26.4, 40.13])
def test_a_note_is_measured_back(decoder: MusicDecoder, semitones: float) -> None:
    one = note(f0_semitones=semitones)
    found = measured(decoder, [one], [0.5])
    assert abs(12 * np.log2(found.f0_hz[0] / 110) - semitones) < 0.03
    assert abs(found.level_db[0] + 20.0) < 1.0
    assert abs(found.onset_s[0] - 0.5) < 0.005
    assert abs(found.duration_s[0] - 0.6) < 0.03
    assert found.attack_s[0] < 0.015


@pytest.mark.parametrize(("low_s", "high_s"), [(3.0, 1.0), (1.0, 0.5), (8.0, 8.0)])
def test_decays_are_measured_back(decoder: MusicDecoder, low_s: float, high_s: float) -> None:
    decays = {"decay_low_log2_s": np.log2(low_s), "decay_high_log2_s": np.log2(high_s)}
    found = measured(decoder, [note(f0_semitones=0.0, duration_log2_s=np.log2(1.5), **decays)], [0.3])
    assert abs(found.decay_low_s[0] / low_s - 1) < 0.15
    assert abs(found.decay_high_s[0] / high_s - 1) < 0.15


def test_a_stiff_string_is_heard(decoder: MusicDecoder) -> None:
    found = measured(decoder, [note(f0_semitones=-5.0, inharmonicity_log2=-12.0)], [0.4])
    assert abs(np.log2(found.inharmonicity[0]) + 12.0) < 0.3
    assert abs(12 * np.log2(found.f0_hz[0] / 110) + 5.0) < 0.03


def test_a_slow_attack_is_heard(decoder: MusicDecoder) -> None:
    found = measured(decoder, [note(f0_semitones=20.0, attack_log2_s=np.log2(0.08))], [0.4])
    assert 0.05 < found.attack_s[0] < 0.13
    assert abs(found.onset_s[0] - 0.4) < 0.012


def test_vibrato_is_heard_where_there_is_some(decoder: MusicDecoder) -> None:
    long = {"f0_semitones": 24.0, "duration_log2_s": np.log2(1.6), "decay_low_log2_s": 4.0, "decay_high_log2_s": 4.0}
    found = measured(decoder, [note(**long, vibrato_semitones=0.4, vibrato_hz=6.0)], [0.3])
    assert abs(found.vibrato_semitones[0] - 0.4) < 0.1
    assert abs(found.vibrato_hz[0] - 6.0) < 0.4
    assert measured(decoder, [note(**long)], [0.3]).vibrato_semitones[0] == 0.0


@pytest.mark.parametrize("interval", [12.0, 7.0, 19.0, 3.0])
@pytest.mark.parametrize("difference_db", [0.0, -8.0])
def test_notes_that_sound_together_are_told_apart(decoder: MusicDecoder, interval: float, difference_db: float) -> None:
    low = note(f0_semitones=10.0)
    high = note(f0_semitones=10.0 + interval, level_db=-20.0 + difference_db)
    found = measured(decoder, [low, high], [0.5, 0.62])
    assert abs(found.level_db[0] + 20.0) < 2.0
    # a weak partial that lies on a strong one adds to it or takes from it, as their phases are
    assert abs(found.level_db[1] + 20.0 - difference_db) < (2.0 if difference_db == 0.0 else 3.0)


def test_the_next_stroke_of_a_key_is_another_note(decoder: MusicDecoder) -> None:
    vectors = [note(f0_semitones=7.0, level_db=-18.0), note(f0_semitones=7.0, level_db=-24.0)]
    found = measured(decoder, vectors, [0.4, 1.1])
    assert np.allclose(found.onset_s, [0.4, 1.1], atol=0.005)
    assert np.allclose(found.level_db, [-18.0, -24.0], atol=1.5)


def test_noise_is_told_from_partials(decoder: MusicDecoder) -> None:
    quiet, loud = (
        measured(decoder, [note(f0_semitones=9.0, noise_db=db, noise_decay_log2_s=np.log2(0.5))], [0.5])
        for db in (-60.0, -12.0)
    )
    assert quiet.noise_db[0] < -20.0  # the attack of its partials is no noise
    assert abs(loud.noise_db[0] + 12.0) < 4.0
    assert 0.2 < loud.noise_decay_s[0] < 1.2


def test_a_drum_is_a_noise_with_a_low_mode(decoder: MusicDecoder) -> None:
    drum = note(kind=0.0, f0_semitones=-10.0, level_db=-20.0, noise_db=-3.0, decay_low_log2_s=-1.0)
    drum[DIMS["duration_log2_s"].index] = 2.0
    sound = render(decoder, drum[None], torch.tensor([RATE // 2]), 0, RATE * 2).numpy()
    found = measure(sound, np.array([0.51]), np.array([0.6]), np.array([36.0]), np.array([True]), decoder)
    assert not found.pitched[0]
    assert abs(found.onset_s[0] - 0.5) < 0.006
    assert abs(12 * np.log2(found.f0_hz[0] / 110) + 10.0) < 0.7
    assert abs(found.noise_db[0] + found.level_db[0] + 23.0) < 3.0


def test_the_vector_sounds_as_what_was_measured(decoder: MusicDecoder) -> None:
    shaped = note(f0_semitones=4.0)
    shaped[15:19] = torch.tensor([2.0, -1.5, 1.0, 0.5])
    sound = render(decoder, shaped[None], torch.tensor([RATE // 2]), 0, 2 * RATE)
    found = measure(sound.numpy(), np.array([0.5]), np.array([1.1]), np.array([49.0]), np.array([False]), decoder)
    vector, time = vectors_of(found, decoder)
    again = render(decoder, vector, time, 0, 2 * RATE)
    distance = SpectralDistance(sound, RATE)
    assert distance(again) < 0.35 * distance(0 * sound)
    controls = decoder.controls(torch.stack([shaped, vector[0]]))
    true, heard = controls.partial_db[:, 5:18]  # 146 Hz … 2.6 kHz, where it has partials
    assert torch.allclose(heard - heard.mean(), true - true.mean(), atol=1.5)


def a_few_notes() -> tuple[torch.Tensor, torch.Tensor]:
    """Notes and a drum, slow and fast attacks, some that end after a second, one with vibrato: vectors, times."""
    vectors = [
        note(f0_semitones=-7.3, noise_db=-14.0, duration_log2_s=-0.91),
        note(f0_semitones=3.21, attack_log2_s=-3.77, noise_db=-20.0, noise_decay_log2_s=1.3, duration_log2_s=-0.7),
        note(f0_semitones=27.4, inharmonicity_log2=-11.2, duration_log2_s=-4.87, attack_log2_s=-3.91),
        note(f0_semitones=14.0, vibrato_semitones=0.3, duration_log2_s=-1.13),
        note(f0_semitones=-11.0, kind=0.0, noise_db=-3.0, duration_log2_s=0.61, decay_low_log2_s=-1.2),
        note(f0_semitones=40.2, decay_low_log2_s=-2.4, decay_high_log2_s=-3.3, attack_log2_s=-11.0),
        note(f0_semitones=8.0, level_db=-115.0, noise_db=-40.0),
    ]
    vector = torch.stack(vectors)
    vector[:, 16:] = 0.6 * torch.randn(len(vector), 16, generator=torch.Generator().manual_seed(2))
    return vector, torch.tensor([0, 1777, 5000, 5003, 9000, 14000, 15000])


def test_notes_that_are_fitted_sound_as_the_decoder_makes_them(decoder: MusicDecoder) -> None:
    vector, time = a_few_notes()
    expected = render(decoder, vector, time, 5, RATE)
    assert torch.allclose(PlayedNotes(decoder, vector, time, RATE, 5, silent=1e-7)(vector), expected, atol=3e-5)


def test_of_notes_that_are_fitted_only_what_is_softer_than_asked_is_left_out(decoder: MusicDecoder) -> None:
    vector, time = a_few_notes()
    vector = vector[[0, 1, 4, 5]]
    whole, some = (PlayedNotes(decoder, vector, time[:4], RATE, 5, silent=x)(vector) for x in (1e-7, 1e-4))
    missing = (whole - some).square().mean().sqrt()
    assert 1e-6 < missing < 3e-4  # some partials at a time, each softer than 1e-4


def test_the_gradient_that_is_worked_out_by_hand_is_that_of_the_decoder(decoder: MusicDecoder) -> None:
    vector, time = a_few_notes()
    by_sample = torch.randn(RATE, generator=torch.Generator().manual_seed(3))
    vector.requires_grad_(True)
    (true,) = torch.autograd.grad(render(decoder, vector, time, 5, RATE), vector, by_sample)
    (found,) = torch.autograd.grad(PlayedNotes(decoder, vector, time, RATE, 5, silent=1e-7)(vector), vector, by_sample)
    heard = slice(0, -1)  # of a note that is as good as silent, what is left out of it differs
    for dim in range(32):
        error, size = (found - true)[heard, dim].abs().max(), true[heard, dim].abs().max()
        assert error <= 2e-3 * size, dim


@pytest.mark.parametrize("which", [None, [0], [4, 1]])
def test_the_gradient_of_the_distance_is_its_slope(decoder: MusicDecoder, which: list[int] | None) -> None:
    vector, time = a_few_notes()
    target = render(decoder, vector, time, 5, RATE).double().numpy()
    rng = np.random.default_rng(4)
    sound = torch.tensor(target + 0.01 * rng.standard_normal(RATE), dtype=torch.float32)
    way = torch.tensor(rng.standard_normal(RATE) * 1e-5, dtype=torch.float32)
    distance = SpectralDistance(torch.tensor(target, dtype=torch.float32), RATE)
    _, gradient = distance.with_gradient(sound, which)
    there, back = (distance.with_gradient(sound + k * way, which)[0] for k in (1.0, -1.0))
    assert (there - back) / 2 == pytest.approx(float(gradient @ way), rel=0.03)
    if which is None:
        assert distance(sound) == pytest.approx(sum(distance.with_gradient(sound, [k])[0] for k in range(5)) / 5)
    assert distance(torch.tensor(target, dtype=torch.float32)) == pytest.approx(0.0, abs=1e-6)


def test_refining_comes_nearer_and_leaves_what_is_fixed(decoder: MusicDecoder) -> None:
    true = torch.stack([note(f0_semitones=3.0), note(f0_semitones=11.0, level_db=-26.0)])
    true[:, 16:21] = torch.tensor([1.0, -1.0, 0.7, 0.4, -0.5])
    time = torch.tensor([4000, 9000])
    target = render(decoder, true, time, 0, RATE)
    start = true.clone()
    start[:, 16:21] = 0.0
    start[:, DIMS["level_db"].index] += 2.0
    distance = SpectralDistance(target, RATE)
    step = torch.full((32,), 0.5)
    for options in ({}, {"quantiser_step": step, "bit_weight": 1e-3}):
        fitted = refine(decoder, start, time, target, iterations=15, **options)
        before, after = (distance(render(decoder, v, time, 0, RATE)) for v in (start, fitted))
        assert after < 0.6 * before
        for name in ("kind", "begins", "room_db", "vibrato_semitones"):
            assert torch.equal(fitted[:, DIMS[name].index], start[:, DIMS[name].index])
    assert torch.equal(refine(decoder, start, time, target, iterations=0), start)


def test_what_is_heard_beside_the_notes_is_not_told_by_them(decoder: MusicDecoder) -> None:
    """A drone under a note of the same pitch, an octave up, does not make the note louder."""
    drone, own = note(f0_semitones=12.0, level_db=-16.0, decay_low_log2_s=6.0), note(f0_semitones=24.0, level_db=-26.0)
    at = torch.tensor([5000])
    beside = render(decoder, drone[None], torch.tensor([0]), 0, RATE)
    target = beside + render(decoder, own[None], at, 0, RATE)
    level = DIMS["level_db"].index
    knows, does_not = (
        float(refine(decoder, own[None], at, target, iterations=15, beside=known)[0, level] - own[level])
        for known in (beside, None)
    )
    assert abs(knows) * DIMS["level_db"].scale < 1.0
    assert does_not > 2 * abs(knows) and does_not * DIMS["level_db"].scale > 0.5


@pytest.mark.parametrize("samples", [0, 100, RATE])
def test_silence_and_no_notes_do_no_harm(decoder: MusicDecoder, samples: int) -> None:
    silence = np.zeros(samples, np.float32)
    nothing = np.zeros(0)
    found = measure(silence, nothing, nothing, nothing, np.zeros(0, bool), decoder)
    assert len(found) == 0
    vector, time = vectors_of(found, decoder)
    assert vector.shape == (0, 32)
    assert time.shape == (0,)
    target = torch.zeros(samples)
    assert refine(decoder, vector, time, target, iterations=2).shape == (0, 32)
    onset = np.array([0.0, 0.3, 0.31])
    found = measure(silence, onset, onset + 0.2, np.array([40.0, 100.0, 38.0]), np.array([False, False, True]), decoder)
    vector, time = vectors_of(found, decoder)
    assert torch.isfinite(vector).all()
    assert float(decoder.controls(vector).level_db.max()) < -80.0
