"""The `music` decoder by its sound: what the controls say is what is heard."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from sparsecodec_formats import EventTable, Header
from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_formats.presets.voices import Voices
from sparsecodec_models.dsp.noise import white_noise
from sparsecodec_models.music.config import MusicConfig
from sparsecodec_models.music.synthesis.controls import MusicControls, MusicDecoder, noise_centres_hz, partial_points_hz
from sparsecodec_models.music.synthesis.noise import NoiseBlocks, band_filters
from sparsecodec_models.music.synthesis.notes import MEMBRANE
from sparsecodec_models.music.synthesis.samples import NoteSound, event_spans, render

RATE = 22050
CONFIG = MusicConfig()
DIMS = LAYOUTS["music"].dims
SHAPE = CONFIG.named_dims
SINE, HARMONICS, LOW_NOISE = 0, 1, 2  # in these tests, shape coefficients
FOREVER: Any = {"duration_log2_s": 5.0, "decay_low_log2_s": 6.0, "decay_high_log2_s": 6.0}
QUIET: Any = {"noise_db": -90.0}
Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]


@pytest.fixture(scope="module")
def decoder() -> MusicDecoder:
    """Its shape coefficient 0 makes partials fall by 120 dB from 500 Hz on, 1 makes them equal at any frequency; noise
    is flat, coefficient 2 tilts it."""
    points, octaves = CONFIG.partial_points, np.log2(partial_points_hz(CONFIG) / 500.0)
    mean, basis = np.zeros(points + CONFIG.noise_bands, np.float32), np.zeros((16, 32), np.float32)
    basis[SINE, :points] = -120.0 * octaves.clip(0, 1)
    basis[LOW_NOISE, points:] = -10.0 * np.log2(noise_centres_hz(CONFIG) / 1000.0)
    return MusicDecoder(CONFIG, mean, basis)


def note(shape: dict[int, float] | None = None, **physical: float) -> Vectors:
    """One event, float32 [1, 32]; what is not given is 440 Hz at -20 dB, almost without decay, noise or room."""
    values = {"level_db": -20.0, "f0_semitones": 24.0, "inharmonicity_log2": -20.0, "kind": 1.0, "begins": 1.0}
    out = np.zeros((1, 32), np.float32)
    for name, value in (values | FOREVER | QUIET | {"attack_log2_s": -7.0} | physical).items():
        out[0, DIMS[name].index] = (value - DIMS[name].offset) / DIMS[name].scale
    for coefficient, value in ({SINE: 1.0} if shape is None else shape).items():
        out[0, SHAPE + coefficient] = value
    return out


def linked(shape: dict[int, float] | None = None, **physical: float) -> Vectors:
    return note(shape, **{"begins": 0.0, **physical})


def sound(decoder: MusicDecoder, *events: tuple[int, Vectors], length: int = RATE, **options: Any) -> Floats:
    """Of (sample, vector)."""
    time, vectors = np.array([at for at, _ in events]), np.concatenate([vector for _, vector in events])
    out: Floats = render(decoder, vectors, time, options.pop("seed", 0), length, **options).astype(np.float64)
    return out


def steady(samples: Floats, onset: int = 0) -> Floats:
    """Without the fall of the longest T60, 64 s."""
    return samples * 10.0 ** (3.0 / 64 * (np.arange(len(samples)) - onset).clip(0) / RATE)


def tone(samples: Floats, hz: float, width: int = 1001) -> NDArray[np.complex128]:
    """Amplitude of the component at hz about each sample, with the phase it has at sample 0."""
    down = samples * np.exp(-2j * np.pi * hz * np.arange(len(samples)) / RATE)
    window = np.hanning(width + 2)[1:-1]
    return 2 * np.convolve(down, window / window.sum(), "same")


def hz_near(samples: Floats, guess: float) -> float:
    """Frequency of a steady component, by the course of its phase."""
    phase = np.unwrap(np.angle(tone(samples, guess)))[1000:-1000]
    return guess + float(np.polyfit(np.arange(len(phase)), phase, 1)[0]) * RATE / (2 * np.pi)


def fall_db_per_s(samples: Floats, hz: float, width: int = 401) -> float:
    level = 20 * np.log10(np.abs(tone(samples, hz, width)))[width:-width]
    return float(-np.polyfit(np.arange(len(level)) / RATE, level, 1)[0])


def level_db(samples: Floats) -> float:
    return float(10 * np.log10(np.mean(samples**2)))


def cents(a: float, b: float) -> float:
    return float(1200 * np.log2(a / b))


# pitch, level, partials


@pytest.mark.parametrize("semitones", [-24.0, 0.0, 24.0, 27.123, 63.5])
def test_a_note_has_its_pitch_and_level(decoder: MusicDecoder, semitones: float) -> None:
    samples = steady(sound(decoder, (1000, note(f0_semitones=semitones))), 1000)[1500:]
    hz = 110 * 2 ** (semitones / 12)
    assert abs(cents(hz_near(samples, hz * 1.0002), hz)) < 0.1
    assert level_db(samples) == pytest.approx(-20.0, abs=0.1)


@pytest.mark.parametrize("shape", [{}, {SINE: 0.1}])
def test_the_level_is_that_of_all_partials_together(decoder: MusicDecoder, shape: dict[int, float]) -> None:
    samples = steady(sound(decoder, (0, note(shape, f0_semitones=3.0, level_db=-12.0))))[2000:]
    assert level_db(samples) == pytest.approx(-12.0, abs=0.1)


def test_partials_follow_the_curve_and_keep_peaks_low(decoder: MusicDecoder) -> None:
    samples = steady(sound(decoder, (0, note({}))))[1000:]
    each = [abs(tone(samples, 440.0 * k)[10000]) for k in range(1, 25)]
    assert np.allclose(each, 0.1 * np.sqrt(2 / 24), rtol=0.02)
    assert np.abs(samples).max() < 0.1 * 3.5  # cosines without phases: 6.9
    assert abs(tone(samples, 440.0 * 25)[10000]) < 1e-5  # 11 kHz
    tilted = sound(decoder, (0, note({SINE: 0.05})))[1000:]
    fall = abs(tone(tilted, 880.0)[10000]) / abs(tone(tilted, 440.0)[10000])
    assert 20 * np.log10(fall) == pytest.approx(-6.0 * np.log2(880 / 500), abs=0.2)


@pytest.mark.parametrize("log2", [-13.0, -10.0])
def test_strings_are_inharmonic(decoder: MusicDecoder, log2: float) -> None:
    samples = sound(decoder, (0, note({}, f0_semitones=0.0, inharmonicity_log2=log2)), length=2 * RATE)
    for k in (1, 2, 10, 20):
        hz = 110 * k * np.sqrt(1 + 2**log2 * k * k)
        assert abs(cents(hz_near(samples, hz + 0.3), hz)) < 0.3


def test_drums_have_the_partials_of_a_membrane(decoder: MusicDecoder) -> None:
    samples = steady(sound(decoder, (0, note({}, kind=0.0)), length=2 * RATE))[1000:]
    power = np.abs(np.fft.rfft(samples * np.blackman(len(samples)))) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / RATE)
    of_membrane = np.min(np.abs(hz[:, None] - 440 * np.array(MEMBRANE)), 1) < 5
    assert power[~of_membrane].sum() < 1e-6 * power.sum()
    assert abs(tone(samples, 880.0, 4001)[20000]) < 1e-5  # 2 f0
    assert abs(tone(samples, 440 * 1.593, 4001)[20000]) == pytest.approx(0.1 * np.sqrt(2 / len(MEMBRANE)), rel=0.01)


# time


def test_silence_before_the_onset_and_after_the_end(decoder: MusicDecoder) -> None:
    vector = note(duration_log2_s=-2.0, release_log2_s=-4.0, noise_db=-10.0)
    samples = sound(decoder, (5000, vector))
    assert not samples[:5001].any() and samples[5001:5020].all()
    first, last = event_spans(decoder, vector, np.array([5000]))
    assert first[0] == 5000 and not samples[last[0] :].any()
    ends = 5000 + 0.25 * RATE + 0.0625 * RATE * 80 / 60  # 80 dB above -100
    assert last[0] == pytest.approx(ends, abs=200)
    assert np.abs(samples[last[0] - 300 : last[0]]).max() < 1e-4


def test_the_attack_is_a_line_from_the_onset(decoder: MusicDecoder) -> None:
    samples = steady(sound(decoder, (1000, note(attack_log2_s=-2.0))), 1000 + RATE // 4)
    envelope = np.abs(tone(samples, 440.0, 201))
    for share in (0.25, 0.5, 0.75):
        assert envelope[1000 + round(share * RATE / 4)] == pytest.approx(share * 0.1 * np.sqrt(2), rel=0.01)
    assert np.allclose(envelope[1000 + RATE // 4 + 101 : -200], 0.1 * np.sqrt(2), rtol=1e-3)


@pytest.mark.parametrize("hz", [100.0, 440.0, 5000.0])
@pytest.mark.parametrize("t60_s", [0.1, 1.0])
def test_partials_fall_as_told(decoder: MusicDecoder, hz: float, t60_s: float) -> None:
    """Where the decays are told, and on a line in log-log between."""
    low, high = (t60_s * 4, t60_s / 4)
    share = np.log(hz / 100) / np.log(50)
    told = low * (high / low) ** share
    vector = note(f0_semitones=12 * np.log2(hz / 110), decay_low_log2_s=np.log2(low), decay_high_log2_s=np.log2(high))
    if hz == 5000.0:  # the highest fundamental is below
        vector[0, DIMS["f0_semitones"].index] = 12 * np.log2(2500 / 110) / DIMS["f0_semitones"].scale
        vector[0, SHAPE + SINE] = 0.0
    samples = sound(decoder, (0, vector))[172 : 172 + round(told * RATE)]
    width = 2 * round(1000 / told / 8) + 201 if told < 0.3 else 1001
    assert 60 / fall_db_per_s(samples, hz, min(width, len(samples) // 4) | 1) == pytest.approx(told, rel=0.02)


def test_level_is_told_at_the_end_of_the_attack(decoder: MusicDecoder) -> None:
    decays: Any = {"decay_low_log2_s": -1.0, "decay_high_log2_s": -1.0}
    samples = sound(decoder, (0, note(attack_log2_s=-2.0, **decays)))
    end = RATE // 4
    assert np.abs(tone(samples, 440.0, 201))[end - 10 : end + 10].max() == pytest.approx(0.1 * np.sqrt(2), rel=0.02)
    later = abs(tone(samples, 440.0, 201)[end + RATE // 4])
    assert 20 * np.log10(later / (0.1 * np.sqrt(2))) == pytest.approx(-30.0, abs=0.1)


def test_the_release_follows_the_duration(decoder: MusicDecoder) -> None:
    samples = sound(decoder, (1000, note(duration_log2_s=-1.0, release_log2_s=-2.0)))
    released = 1000 + RATE // 2
    assert level_db(steady(samples, 1000)[2000:released]) == pytest.approx(-20.0, abs=0.05)
    falling = samples[released : released + RATE // 5]
    assert 60 / fall_db_per_s(falling, 440.0) == pytest.approx(0.25, rel=0.02)


def test_decays_add_up_to_the_release(decoder: MusicDecoder) -> None:
    decays: Any = {"decay_low_log2_s": -1.0, "decay_high_log2_s": -1.0}
    samples = sound(decoder, (0, note(duration_log2_s=-3.0, release_log2_s=-2.0, **decays)))
    falling = samples[RATE // 8 : RATE // 4]
    assert fall_db_per_s(falling, 440.0) == pytest.approx(60 / 0.5 + 60 / 0.25, rel=0.02)


def test_vibrato_has_its_depth_and_rate(decoder: MusicDecoder) -> None:
    samples = sound(decoder, (2000, note(vibrato_semitones=0.5, vibrato_hz=6.0, f0_semitones=36.0)), length=3 * RATE)
    phase = np.unwrap(np.angle(tone(samples, 880.0, 201)))[3000:-3000]
    semitones = 12 * np.log2(1 + np.diff(phase) * RATE / (2 * np.pi) / 880)
    since = (np.arange(len(semitones)) + 3000.5 - 2000) / RATE
    assert np.allclose(semitones, 0.5 * np.sin(2 * np.pi * 6.0 * since), atol=0.01)


def test_a_tiny_vibrato_is_nearly_none(decoder: MusicDecoder) -> None:
    plain, moved = (
        sound(decoder, (1000, note({}, vibrato_semitones=depth, decay_low_log2_s=-2.0))) for depth in (0.0, 1e-7)
    )
    assert np.abs(plain - moved).max() < 1e-4


# noise


def test_noise_has_its_level_and_decay(decoder: MusicDecoder) -> None:
    vector = note(level_db=-60.0, noise_db=40.0, noise_decay_log2_s=5.0)  # 20 is most
    assert level_db(steady(steady(sound(decoder, (0, vector))))[1000:]) == pytest.approx(-40.0, abs=0.3)  # 32 s
    falls = note(level_db=-40.0, noise_db=20.0, noise_decay_log2_s=-1.0)
    tones = note(level_db=-40.0, noise_db=-90.0)
    samples = sound(decoder, (0, falls)) - sound(decoder, (0, tones))
    parts = [level_db(samples[at : at + 2205]) for at in (1000, 3205, 5410)]
    assert np.diff(parts) == pytest.approx(-12.0, abs=0.7)  # 60 dB in half a second


def test_noise_follows_its_bands(decoder: MusicDecoder) -> None:
    vector = note({SINE: 1.0, LOW_NOISE: 1.0}, level_db=-60.0, noise_db=20.0, noise_decay_log2_s=5.0, f0_semitones=63.5)
    samples = sound(decoder, (0, vector), length=4 * RATE)[1000:]
    power = np.abs(np.fft.rfft(samples)) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / RATE)
    centres = noise_centres_hz(CONFIG)
    density = [np.log10(power[np.abs(hz / f - 1) < 0.05].mean()) * 10 for f in centres[2:-1]]
    assert np.allclose(np.diff(density), -10.0 * np.log2(centres[1] / centres[0]), atol=1.5)


@pytest.mark.parametrize(("low", "high"), [(1000, 6000), (2345, 2445), (-700, 300), (3071, 3073)])
def test_noise_bands_are_white_noise_apart(low: int, high: int) -> None:
    every, bands = np.ones((1, 8), np.float32), np.eye(8, dtype=np.float32)
    noise = NoiseBlocks.drawn(3, 1, low, high, CONFIG)
    white = white_noise(3, 1, low - 511, high - low + 1023)
    (whole,) = noise.filtered(every, np.array([low]), np.array([high]))
    assert whole.dtype == np.float32 and np.allclose(whole, white[511:-512], atol=1e-4)
    apart = noise.filtered(bands, np.full(8, low), np.full(8, high))
    for band, filter_ in zip(apart, band_filters(CONFIG), strict=True):
        assert np.allclose(band, np.convolve(white, filter_, "valid"), atol=1e-4)


def test_noise_filters_add_up_to_one() -> None:
    centre = np.zeros(CONFIG.noise_taps)
    centre[CONFIG.noise_taps // 2] = 1.0
    assert np.allclose(band_filters(CONFIG).sum(0), centre, atol=1e-6)


def test_the_seed_changes_only_noise(decoder: MusicDecoder) -> None:
    tonal, noisy = note(), note(noise_db=0.0)
    assert np.array_equal(sound(decoder, (0, tonal), seed=1), sound(decoder, (0, tonal), seed=2))
    one, other, elsewhere = (
        sound(decoder, (0, noisy), seed=seed, channel=channel) for seed, channel in ((1, 0), (2, 0), (1, 1))
    )
    for different in (other, elsewhere):
        assert level_db(one - different) == pytest.approx(-20 + 10 * np.log10(0.15 / 13.8) + 3, abs=1.5)
        assert np.abs(tone(one - different, 440.0, 8001)[RATE // 2]) < 0.01


# notes of several events


def test_a_linked_note_moves_in_pitch_and_level(decoder: MusicDecoder) -> None:
    events = ((1000, note()), (1000 + RATE, linked(f0_semitones=25.0, level_db=-14.0)))
    samples = sound(decoder, *events, length=2 * RATE, runs=[np.array([0, 1])])
    middle = 1000 + RATE // 2
    phase = np.unwrap(np.angle(tone(samples, 440.0, 201)))
    hz = 440 + np.diff(phase)[[middle, 1000 + RATE + 2000]] * RATE / (2 * np.pi)
    assert 12 * np.log2(hz / 440) == pytest.approx([0.5, 1.0], abs=0.01)
    amplitude = np.abs(tone(samples, 440 * 2 ** (0.5 / 12), 201))
    assert amplitude[middle] == pytest.approx(np.sqrt(2) * (0.1 + 10 ** (-14 / 20)) / 2, rel=0.01)


def test_of_a_linked_note_the_last_event_decays(decoder: MusicDecoder) -> None:
    short: Any = {"decay_low_log2_s": -2.0, "decay_high_log2_s": -2.0, "duration_log2_s": -8.0, "release_log2_s": -8.0}
    lasts: Any = {"decay_low_log2_s": 0.0, "decay_high_log2_s": 0.0, "duration_log2_s": -1.0, "release_log2_s": -3.0}
    events = ((1000, note(**short)), (12000, linked(**lasts)))
    samples = sound(decoder, *events, length=3 * RATE, runs=[np.array([0, 1])])
    assert level_db(samples[3000:12000]) == pytest.approx(-20.0, abs=0.1)
    assert fall_db_per_s(samples[12000 : 12000 + RATE // 2], 440.0) == pytest.approx(60.0, rel=0.02)
    released = 12000 + RATE // 2
    assert fall_db_per_s(samples[released : released + 1800], 440.0) == pytest.approx(60 + 480, rel=0.02)


def piece(count: int = 9) -> tuple[Vectors, NDArray[np.int64], list[NDArray[np.int64]]]:
    """Notes that overlap, some linked, with everything: vectors, times, runs as the layout's links have them."""
    generator = np.random.default_rng(5)
    vectors = generator.normal(0, 1, (count, 32)).astype(np.float32)
    for row in range(count):
        named = {"level_db": -26.0, "f0_semitones": [0.0, 12.0, 24.0][row % 3], "noise_db": -10.0, "kind": row % 4}
        named |= {"vibrato_semitones": 0.3 * (row % 3 == 1), "begins": row < 4, "room_db": -12.0 if row % 2 else -60.0}
        named["duration_log2_s"] = -2.0
        for name, value in named.items():
            vectors[row, DIMS[name].index] = (value - DIMS[name].offset) / DIMS[name].scale
    time = np.sort(generator.integers(1000, 16000, count))
    header = Header(RATE, 1, 2 * RATE, "music", b"\0\0\0\0", LAYOUTS["music"].time_unit, (1.0,) * 32)
    runs = Voices.of(EventTable(header, time / RATE, vectors)).runs
    assert 1 < len(runs) < count
    return vectors, time, runs


def test_single_events_add_up_to_the_whole(decoder: MusicDecoder) -> None:
    vectors, time, runs = piece()
    gains = np.array([1.0, 0.5, 2.0, 0.1, 1.0, 0.0, 1.5, 1.0, 0.7], np.float32)

    def heard(amplitude: Any) -> Any:
        return NoteSound(decoder, vectors, time, runs=runs, seed=1, amplitude=amplitude).samples(0, 2 * RATE)

    whole = heard(gains)
    singles = [heard(np.where(np.arange(9) == row, gains, np.float32(0.0))) for row in range(9)]
    assert np.allclose(np.sum(singles, 0), whole, atol=1e-5)
    assert np.abs(whole).max() > 0.05
    assert not singles[5].any() and all(single.any() for row, single in enumerate(singles) if row != 5)
    assert np.allclose(heard(2 * gains), 2 * whole, atol=1e-5)


def test_single_events_are_within_their_spans(decoder: MusicDecoder) -> None:
    vectors, time, runs = piece()
    first, last = event_spans(decoder, vectors, time, runs=runs)
    for row in range(9):
        alone = (np.arange(9) == row).astype(np.float32)
        samples = NoteSound(decoder, vectors, time, runs=runs, seed=1, amplitude=alone).samples(0, 6 * RATE)
        heard = np.flatnonzero(np.abs(samples) > 1e-7)
        assert first[row] <= heard[0] and heard[-1] < last[row]


def test_any_span_is_that_part_of_the_whole(decoder: MusicDecoder) -> None:
    vectors, time, runs = piece()
    part = NoteSound(decoder, vectors, time, runs=runs, seed=3, channel=1)
    whole = render(decoder, vectors, time, 3, 2 * RATE, channel=1, runs=runs)
    for start, stop in ((0, 2 * RATE), (9000, 9001), (777, 20000), (30000, 2 * RATE)):
        assert np.allclose(part.samples(start, stop - start), whole[start:stop], atol=1e-5)


def test_both_libraries_make_the_same_sound(decoder: MusicDecoder) -> None:
    vectors, time, runs = piece()
    gains = np.array([1.0, 0.5, 2.0, 0.1, 1.0, 0.0, 1.5, 1.0, 0.7], np.float32)
    options: Any = {"runs": runs, "seed": 3, "channel": 1, "amplitude": gains}
    ours, theirs = (NoteSound(decoder, v, time, **options) for v in (vectors, torch.from_numpy(vectors)))
    for one, other in zip(ours.spans(), theirs.spans(), strict=True):
        assert np.abs(one - other).max() <= 1
    for start, stop in ((0, 2 * RATE), (9000, 9001), (777, 20000)):
        sound = ours.samples(start, stop - start)
        assert sound.dtype == np.float32
        assert np.allclose(theirs.samples(start, stop - start).numpy(), sound, atol=1e-5)


def test_two_notes_add(decoder: MusicDecoder) -> None:
    one, other = note({}, noise_db=-10.0), note({}, f0_semitones=28.0, noise_db=-10.0)
    both = sound(decoder, (500, one), (900, other))
    assert np.allclose(both, sound(decoder, (500, one)) + sound(decoder, (900, other)), atol=1e-6)


def test_notes_at_one_time_and_linked_at_one_time(decoder: MusicDecoder) -> None:
    events = ((900, note()), (900, linked(f0_semitones=25.0)), (5000, linked(f0_semitones=25.0)))
    samples = sound(decoder, *events, runs=[np.array([0, 1, 2])])
    assert hz_near(samples[1000:], 466.0) == pytest.approx(440 * 2 ** (1 / 12), rel=1e-4)
    assert level_db(steady(samples, 5000)[2000:]) == pytest.approx(-20.0, abs=0.1)


def test_no_events_are_silence(decoder: MusicDecoder) -> None:
    assert not render(decoder, np.zeros((0, 32), np.float32), np.zeros(0, np.int64), 0, 100).any()
    empty = NoteSound(decoder, np.zeros((0, 32), np.float32), np.zeros(0, np.int64), seed=0)
    assert not empty.samples(0, 100).any()


def test_many_events_are_rendered_in_groups(decoder: MusicDecoder) -> None:
    vectors, time, _ = piece()
    index = np.repeat(np.argsort(time, kind="stable"), 20)
    many, times = vectors, time[index]
    whole = NoteSound(decoder, many[index], times, seed=0).samples(0, RATE)
    assert np.allclose(whole, 20 * NoteSound(decoder, vectors, time, seed=0).samples(0, RATE), atol=1e-3)


def test_the_room_follows_its_send(decoder: MusicDecoder) -> None:
    short: Any = {"duration_log2_s": -6.0, "release_log2_s": -6.0}
    dry, wet = (sound(decoder, (1000, note(**short, room_db=room_db))) for room_db in (-60.0, -6.0))
    last = 1000 + int(RATE * (2**-6 + 2**-6 * 80 / 60))
    assert not dry[last + 100 :].any()
    assert 1e-3 < np.abs(wet[last + 100 : last + 2000]).max() < 0.1
    assert not np.abs(wet[last + 5512 + 100 :] > 1e-6).any()


# all vectors, gradients

STEEP = np.zeros((4, 32), np.float32)  # a pitch that rises by 1.7 semitones from one sample to the next
STEEP[1, LAYOUTS["music"].dims["f0_semitones"].index] = -17.0


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.float32, (4, 32), elements=st.floats(-1e6, 1e6, width=32)),
    st.lists(st.integers(0, 4000), min_size=4, max_size=4),
    st.booleans(),
)
@example(STEEP, [0, 0, 1, 2], True)
def test_any_vector_sounds_and_stays_finite(vectors: NDArray[np.float32], times: list[int], link: bool) -> None:
    decoder = MusicDecoder.plain(CONFIG)
    time = np.array(sorted(times))
    sound = NoteSound(decoder, vectors, time, runs=[np.arange(4)] if link else None, seed=0)
    first, last = sound.spans()
    assert (first <= time).all() and (last >= time).all()
    assert np.isfinite(sound.samples(0, 6000)).all()


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_drawn_vectors_are_heard(scale: float) -> None:
    vectors = np.random.default_rng(0).normal(0, scale, (8, 32)).astype(np.float32)
    vectors[:, DIMS["level_db"].index] = 0.0
    samples = render(MusicDecoder.plain(CONFIG), vectors, np.arange(8) * 500, 0, 20000)
    assert np.isfinite(samples).all() and np.abs(samples).max() > 1e-3


def test_every_dim_that_sounds_has_the_gradient_that_differences_show() -> None:
    decoder = MusicDecoder.plain(CONFIG)
    named: Any = {"room_db": -20.0, "noise_db": -6.0, "noise_decay_log2_s": -3.0, "duration_log2_s": -3.0}
    named |= {"attack_log2_s": -5.0, "decay_low_log2_s": -1.0, "decay_high_log2_s": -2.0, "release_log2_s": -3.0}
    both = note({}, **named, vibrato_semitones=0.5), note({}, **named, f0_semitones=10.0, inharmonicity_log2=-11.0)
    vectors = torch.from_numpy(np.concatenate(both))
    time, weight = torch.tensor([700, 2000]), torch.sin(torch.arange(9000) * 0.004)

    def loss(v: torch.Tensor) -> torch.Tensor:
        return (render(decoder, v, time, 0, 9000).square() * (2 + weight)).sum()

    asked = vectors.clone().requires_grad_(True)
    loss(asked).backward()
    assert asked.grad is not None and torch.isfinite(asked.grad).all()
    heard = torch.ones(2, 32, dtype=torch.bool)
    heard[:, [DIMS["begins"].index, DIMS["kind"].index]] = False  # choices
    heard[:, DIMS["phase_cycles"].index] = False  # of tones alone
    heard[1, DIMS["vibrato_semitones"].index] = heard[1, DIMS["vibrato_hz"].index] = False  # none
    assert torch.equal(asked.grad != 0, heard)
    steps = {name: 0.02 for name in named if name != "duration_log2_s"} | {"level_db": 0.02, "vibrato_hz": 0.02}
    steps |= {"duration_log2_s": 0.01, "f0_semitones": 0.002, "inharmonicity_log2": 0.001, "vibrato_semitones": 0.01}
    for name, step in steps.items():
        for row in range(2):
            index = (row, DIMS[name].index)
            if not heard[index]:
                continue
            up, down = vectors.clone(), vectors.clone()
            up[index] += step
            down[index] -= step
            slope = float(loss(up) - loss(down)) / (2 * step)
            assert float(asked.grad[index]) == pytest.approx(slope, rel=0.05, abs=2e-3 * float(loss(vectors))), name


# the page


def by_the_page(controls: MusicControls, at: list[int], length: int) -> Floats:
    """The partials of one note as docs/sound.md writes them, in double precision, its clock by many small steps."""
    t = np.arange(length)
    c = {f.name: np.asarray(getattr(controls, f.name), np.float64) for f in fields(controls)}
    fine = np.arange(8 * (length - 1) + 1) / 8
    vibrato = np.sin(2 * np.pi * c["vibrato_hz"][0] * (fine - at[0]) / RATE) * np.interp(
        fine, at, c["vibrato_semitones"]
    )
    f = 110 * 2 ** ((np.interp(fine, at, c["f0_semitones"]) + vibrato) / 12)
    clock = np.concatenate([[0], np.cumsum((f[1:] + f[:-1]) / 16 / RATE)])[::8]
    clock -= clock[at[0]]
    out, last = np.zeros(length), len(at) - 1
    k = np.arange(1, 500)
    ratio = k * np.sqrt(1 + c["inharmonicity"][0] * k**2) if c["pitched"][0] > 0 else np.array(MEMBRANE)
    k = k[: len(ratio)]
    for e in range(len(at)):
        f0, near = 110 * 2 ** (c["f0_semitones"][e] / 12), slice(max(0, e - 1), e + 2)
        h = c["f0_semitones"][near].max() + c["vibrato_semitones"][near].max() - c["f0_semitones"][e]
        there = f0 * ratio * 2 ** (h / 12) < 10800
        hz = f0 * ratio[there]
        level = 10 ** (np.interp(np.log(hz), np.log(np.geomspace(60, 10500, 24)), c["partial_db"][e]) / 10)
        a = np.sqrt(2 * 10 ** (c["level_db"][e] / 10) * level / level.sum())
        low, high = np.log(c["decay_low_s"][e]), np.log(c["decay_high_s"][e])
        t60 = np.exp(np.interp(np.log(hz), np.log([100, 5000]), [low, high]))
        s = max(at[-1], at[0] + RATE * c["attack_s"][0])
        since = np.maximum(0, clock - np.interp(s, t, clock)) / f0 if e == last else np.zeros(length)
        w = np.ones(length)
        if e > 0:
            w *= np.clip((t - at[e - 1]) / (at[e] - at[e - 1]), 0, 1)
        if e < last:
            w *= 1 - np.clip((t - at[e]) / (at[e + 1] - at[e]), 0, 1)
        else:
            w *= 10 ** (-3 * np.maximum(0, (t - at[e]) / RATE - c["duration_s"][e]) / c["release_s"][e])
        w *= np.clip((t - at[0]) / RATE / c["attack_s"][0], 0, 1)
        for a_k, t_k, r_k, k_k in zip(a, t60, ratio[there], k[there], strict=True):
            if a_k > 1e-5:
                phase = r_k * clock + 0.6180339887498949 * k_k**2
                out += w * a_k * 10 ** (-3 * since / t_k) * np.cos(2 * np.pi * phase)
    return out


@pytest.mark.parametrize(
    "events",
    [
        [note({})],
        [note({SINE: 0.05}, f0_semitones=-10.0, inharmonicity_log2=-12.0, duration_log2_s=-1.0)],
        [note({}, kind=0.0, f0_semitones=0.0, decay_low_log2_s=-2.0, decay_high_log2_s=-3.0)],
        [note({}, vibrato_semitones=3.0, vibrato_hz=10.0, f0_semitones=40.0, decay_low_log2_s=-1.0)],
        [
            note({}, vibrato_semitones=0.5),
            linked({SINE: 0.1}, f0_semitones=25.0, level_db=-14.0, decay_high_log2_s=-2.0),
        ],
        [note({SINE: 0.1}, attack_log2_s=-1.0), linked({}, f0_semitones=23.2), linked(f0_semitones=24.0)],
    ],
)
def test_the_sound_is_what_the_page_writes(decoder: MusicDecoder, events: list[Vectors]) -> None:
    at, vectors = [1000, 5000, 11003][: len(events)], np.concatenate(events)
    ours = render(decoder, vectors, np.array(at), 0, RATE, runs=[np.arange(len(at))])
    theirs = by_the_page(decoder.controls(vectors), at, RATE)
    assert np.abs(theirs).max() > 0.1
    assert np.abs(ours - theirs).max() < 1e-4


def test_the_pages_controls_are_the_layouts() -> None:
    page = (Path(__file__).parents[2] / "docs" / "sound.md").read_text(encoding="utf-8")
    section = page.split("### Controls of music\n")[1].split("\n###")[0]
    stated = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in section.splitlines() if line[:1] == "|"][
        2:
    ]
    named = list(DIMS.values())[: CONFIG.named_dims]
    assert [cells[:3] for cells in stated] == [[str(dim.index), dim.name, dim.unit] for dim in named]
    for dim, cells in zip(named, stated, strict=True):
        for text, value in zip(cells[3:], (dim.scale, dim.offset, dim.low, dim.high), strict=True):
            assert not np.isfinite(value) if not text else float(text) == pytest.approx(value, abs=1e-6)
