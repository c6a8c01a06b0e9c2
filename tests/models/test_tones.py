"""Tones: what notes leave over, found and heard."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sparsecodec_formats import dumps, loads
from sparsecodec_formats.interchange.notes import notes_of
from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_models import ArraySource, load_codec
from sparsecodec_models.music.analysis.tones import Tones, pursue, remainder, tones_sound
from sparsecodec_models.music.config import MusicConfig
from sparsecodec_models.music.synthesis.controls import MusicDecoder
from sparsecodec_models.music.synthesis.tones import ToneSound

RATE = 22_050
CONFIG = MusicConfig()
DIMS = LAYOUTS["music"].dims
STEP = 0.5
Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def decoder() -> MusicDecoder:
    return MusicDecoder.plain(CONFIG)


def tone(**physical: float) -> NDArray[np.float32]:
    """One tone, float32 [1, 32]: 440 Hz at -20 dB, 0.3 s."""
    values = {"level_db": -20.0, "f0_semitones": 24.0, "duration_log2_s": np.log2(0.3), "kind": -1.0, "room_db": -60.0}
    out = np.zeros((1, 32), np.float32)
    for name, value in (values | physical).items():
        out[0, DIMS[name].index] = (value - DIMS[name].offset) / DIMS[name].scale
    return out


def heard(decoder: MusicDecoder, *events: tuple[int, NDArray[np.float32]]) -> ToneSound:
    vector, time = np.concatenate([v for _, v in events]), np.array([at for at, _ in events])
    return ToneSound(decoder, vector, time)


def formula(at: int, hz: float, seconds: float, level_db: float, phase: float, length: int = RATE) -> Floats:
    """A tone as docs/sound.md has it."""
    s, window = np.arange(length) - at, seconds * RATE
    shape = np.where((s > 0) & (s < window), 0.5 - 0.5 * np.cos(2 * np.pi * s / window), 0.0)
    return np.sqrt(2) * 10 ** (level_db / 20) * shape * np.cos(2 * np.pi * (hz * s / RATE + phase))


# synthesis


@pytest.mark.parametrize(("semitones", "phase"), [(-24.0, 0.0), (24.0, 0.25), (77.9, -0.4), (99.0, 3.1)])
def test_a_tone_sounds_as_documented(decoder: MusicDecoder, semitones: float, phase: float) -> None:
    event = tone(f0_semitones=semitones, phase_cycles=phase, level_db=-10.0)
    hz = 110 * 2 ** (min(semitones, 78.0) / 12)
    sound = heard(decoder, (500, event)).samples(0, RATE)
    np.testing.assert_allclose(sound, formula(500, hz, 0.3, -10.0, phase), atol=2e-5)


def test_tones_of_any_length_are_the_same_from_anywhere(decoder: MusicDecoder) -> None:
    rng = np.random.default_rng(2)
    events = [
        (int(at), tone(f0_semitones=semitones, duration_log2_s=octaves, room_db=-6.0 if at % 2 else -60.0))
        for at, semitones, octaves in zip(
            np.sort(rng.integers(0, 3 * RATE, 40)), rng.uniform(-20, 70, 40), rng.uniform(-9, 2, 40), strict=True
        )
    ]
    sound = heard(decoder, *events)
    whole = sound.samples(0, 4 * RATE)
    pieces = np.concatenate([sound.samples(at, 4096) for at in range(0, 4 * RATE, 4096)])[: 4 * RATE]
    np.testing.assert_allclose(pieces, whole, atol=2e-6, rtol=0)
    first, last = sound.spans()
    for i, (at, vector) in enumerate(events):
        alone = heard(decoder, (at, vector)).samples(0, 4 * RATE)
        outside = np.ones(len(alone), bool)
        outside[first[i] : last[i]] = False
        assert np.abs(alone[outside]).max(initial=0.0) < 1e-7  # the room is convolved by FFT


def test_both_libraries_make_the_same_tones(decoder: MusicDecoder) -> None:
    rng = np.random.default_rng(4)
    vector = np.concatenate(
        [tone(f0_semitones=s, phase_cycles=p, room_db=-12.0) for s, p in rng.uniform((-24, -3), (78, 3), (30, 2))]
    )
    time = np.sort(rng.integers(0, RATE, 30))
    ours, theirs = (ToneSound(decoder, v, time).samples(3000, RATE) for v in (vector, torch.from_numpy(vector)))
    assert ours.dtype == np.float32
    np.testing.assert_allclose(theirs.numpy(), ours, atol=2e-6)


def test_amplitude_counts_and_no_tones_are_silent(decoder: MusicDecoder) -> None:
    vector, time = tone(), np.array([100])
    half = ToneSound(decoder, vector, time, np.array([0.5], np.float32)).samples(0, RATE)
    np.testing.assert_allclose(half, 0.5 * ToneSound(decoder, vector, time).samples(0, RATE), atol=1e-7)
    assert not ToneSound(decoder, vector[:0], time[:0]).samples(0, 100).any()


# pursuit


def found(sound: Floats, count: int, decoder: MusicDecoder, **where: int) -> tuple[Tones, Floats]:
    """The tones, and what is left."""
    left = torch.tensor(sound, dtype=torch.float32)
    tones = pursue(
        left, where.get("first", 0), where.get("begin", 0), where.get("end", len(sound)), count, STEP, CONFIG
    )
    rest = sound - tones_sound(decoder, tones).samples(where.get("first", 0), len(sound))
    return tones, rest


def test_tones_on_the_grid_are_found(decoder: MusicDecoder) -> None:
    """Known answers: onset, pitch, length, level and phase."""
    placed = [
        (6400, tone(f0_semitones=12.0, phase_cycles=0.1)),
        (8960, tone(f0_semitones=36.5, duration_log2_s=np.log2(0.15), level_db=-30.0, phase_cycles=-0.3)),
    ]
    sound = heard(decoder, *placed).samples(0, RATE).astype(np.float64)
    tones, rest = found(sound, 2, decoder)
    assert len(tones.time) == 2
    for (at, vector), time, got in zip(placed, tones.time, tones.vector, strict=True):
        assert abs(at - time) <= 832  # half the hop of its window
        for name, within in {"level_db": 1.5, "f0_semitones": 0.11, "duration_log2_s": 0.01}.items():
            index = DIMS[name].index
            assert abs(got[index] - vector[0, index]) * DIMS[name].scale <= within, name
    assert (rest**2).sum() < 0.15 * (sound**2).sum()


def test_what_is_left_shrinks_tone_by_tone(decoder: MusicDecoder) -> None:
    t = np.arange(2 * RATE) / RATE
    sound = 0.1 * np.sin(2 * np.pi * 500 * t) * np.exp(-2 * t) + 0.05 * np.sin(2 * np.pi * (900 + 40 * t) * t)
    left = [(found(sound, count, decoder)[1] ** 2).sum() / (sound**2).sum() for count in (0, 4, 16, 64)]
    assert left[0] == 1
    assert left[1] < 0.8 and left[2] < 0.4 and left[3] < 0.1
    tones, _ = found(sound, 64, decoder)
    assert (np.diff(tones.gain) <= 0).all() and (tones.gain > 0).all()


def test_numbers_are_those_of_a_file(decoder: MusicDecoder) -> None:
    sound = np.random.default_rng(1).standard_normal(RATE) * 0.1
    tones, _ = found(sound, 50, decoder)
    assert len(tones.time) == 50 and not (tones.time % 64).any()
    codes = tones.vector / STEP
    np.testing.assert_allclose(codes, np.round(codes), atol=1e-3)
    assert (LAYOUTS["music"].tones(tones.vector)).all()


def test_tones_begin_where_they_are_asked_to(decoder: MusicDecoder) -> None:
    sound = np.random.default_rng(1).standard_normal(2 * RATE) * 0.1
    tones, _ = found(sound, 40, decoder, first=10_000, begin=20_000, end=30_000)
    assert len(tones.time) and (tones.time >= 20_000).all() and (tones.time < 30_000).all()


@pytest.mark.parametrize("length", [1, 300, 5000])
def test_silence_and_next_to_nothing_have_none(decoder: MusicDecoder, length: int) -> None:
    assert not len(found(np.zeros(length), 10, decoder)[0].time)
    short, _ = found(np.full(length, 0.1), 10, decoder)
    assert np.isfinite(short.vector).all()
    assert remainder(torch.zeros(length), torch.zeros(length)).shape == (length,)


def test_what_has_the_right_magnitudes_leaves_nothing_whatever_its_phases() -> None:
    t = np.arange(RATE) / RATE
    target, notes = (torch.tensor(0.1 * np.sin(2 * np.pi * 600 * t + p), dtype=torch.float32) for p in (0.0, 2.0))
    assert float((target - notes).pow(2).mean()) > 0.005
    assert float(remainder(target, notes)[3000:-3000].pow(2).mean()) < 1e-5
    assert float(remainder(target, 0.5 * notes)[3000:-3000].pow(2).mean()) == pytest.approx(0.00125, rel=0.05)


# codec


def music(seconds: float) -> NDArray[np.float32]:
    """A chord, and a siren that no note tells."""
    t = np.arange(round(seconds * RATE)) / RATE
    chord: Any = sum(np.sin(2 * np.pi * hz * t) * np.exp(-3 * (t % 1.0)) for hz in (220.0, 277.2, 329.6))
    siren = np.sin(2 * np.pi * 900 * t + 20 * np.sin(2 * np.pi * 1.3 * t))
    out: NDArray[np.float32] = (0.06 * chord + 0.05 * siren).astype(np.float32)
    return out


def test_bits_that_notes_do_not_need_go_to_tones() -> None:
    codec, sound = load_codec("music"), music(4.0)
    sizes, distances = [], []
    for kbps in (None, 1.0, 3.0, 6.0):
        table = codec.encode(ArraySource(sound, RATE), effort=4, bitrate_kbps=kbps)
        data = dumps(table)
        assert loads(data) == table  # all is on the grid
        assert kbps is None or len(data) <= kbps * 125 * 4.0
        tones = LAYOUTS["music"].tones(table.vector)
        sizes.append(int(tones.sum()))
        assert len(notes_of(table)) == int((~tones).sum())
        out = np.concatenate(list(codec.decode(table)))[:, 0]
        spectra = [
            np.abs(np.fft.rfft(np.lib.stride_tricks.sliding_window_view(x, 1024)[::256] * np.hanning(1024)))
            for x in (sound, out)
        ]
        distances.append(np.linalg.norm(spectra[0] - spectra[1]) / np.linalg.norm(spectra[0]))
    assert 0 == sizes[0] < sizes[1] < sizes[2] < sizes[3] and sizes[3] > 100
    assert distances[3] < distances[2] < distances[1] < 0.55 * distances[0]
    assert distances[3] < 0.3 * distances[0]


def test_without_a_bitrate_there_are_none() -> None:
    table = load_codec("music").encode(ArraySource(music(2.0), RATE), effort=1)
    assert not LAYOUTS["music"].tones(table.vector).any()


def test_channels_have_tones_of_their_own() -> None:
    codec = load_codec("music")
    left, right = music(2.0), music(2.0)[::-1]
    table = codec.encode(ArraySource(np.stack([left, right], 1), RATE), effort=0, bitrate_kbps=8.0)
    tones = LAYOUTS["music"].tones(table.vector)
    assert min(np.bincount(table.channel[tones], minlength=2)) > 10
    out = np.concatenate(list(codec.decode(table)))
    alone = table.replace(amplitude=np.where(tones & (table.channel == 1), 1.0, 0.0).astype(np.float32))
    only = np.concatenate(list(codec.decode(alone)))
    assert not only[:, 0].any() and only[:, 1].any() and out.shape == (2 * RATE, 2)


def test_tones_about_the_seam_of_two_stretches_are_those_of_the_sound() -> None:
    """A siren of 20 s, of which a stretch ends at 16 s: it goes on there as before."""
    codec = load_codec("music")
    t = np.arange(20 * RATE) / RATE
    siren = (0.1 * np.sin(2 * np.pi * 900 * t + 20 * np.sin(2 * np.pi * 1.3 * t))).astype(np.float32)
    table = codec.encode(ArraySource(siren, RATE), effort=0, bitrate_kbps=4.0)
    out = np.concatenate(list(codec.decode(table)))[:, 0]
    level = [10 * np.log10(np.mean(out[int(s * RATE) : int((s + 0.25) * RATE)] ** 2)) for s in np.arange(8, 19, 0.25)]
    assert np.ptp(level) < 6 and abs(np.mean(level) + 23) < 3
