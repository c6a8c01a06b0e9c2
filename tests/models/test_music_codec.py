"""Preset `music` from audio to notes and back: notes whose answer is known, rates, parts, refusals."""

import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from long_tables import repeated
from note_tables import Event, music_table
from numpy.testing import assert_allclose, assert_array_equal

from sparsecodec_formats import LAYOUTS, EventTable, SicError, dumps, loads
from sparsecodec_formats.container.reader import Reader
from sparsecodec_formats.interchange.notes import notes_of
from sparsecodec_formats.presets.voices import Voices
from sparsecodec_models import ArraySource, list_models, load_codec
from sparsecodec_models.music.renderer import LONGEST_EVENT_S, MusicRenderer
from sparsecodec_models.renderer import Excerpt

RATE = 22_050
SCORE = ((0.3, 60), (0.3, 64), (0.3, 67), (1.1, 48), (1.1, 72), (1.9, 65), (2.3, 65))  # onset in s, midi
TUNE_S = 4.0


@pytest.fixture(scope="module")
def codec():
    return load_codec("music")


def plucked(midi: float, seconds: float) -> np.ndarray:
    """A string: harmonics that die away, the higher the faster."""
    t = np.arange(round(seconds * RATE)) / RATE
    f0 = 440 * 2 ** ((midi - 69) / 12)
    out = np.zeros_like(t)
    for k in range(1, int(9000 / f0) + 1):
        out += np.sin(2 * np.pi * k * f0 * t + k) * np.exp(-(2.5 + 0.4 * k) * t) / k**1.2
    return out * np.clip(t / 0.004, 0, 1) * np.clip((seconds - t) / 0.1, 0, 1)


@pytest.fixture(scope="module")
def tune() -> np.ndarray:
    """float32 [n]: SCORE, played."""
    out = np.zeros(round(TUNE_S * RATE))
    for onset_s, midi in SCORE:
        note = plucked(midi, 1.2)
        at = round(onset_s * RATE)
        note = note[: len(out) - at]
        out[at : at + len(note)] += 0.12 * note
    noise = np.random.default_rng(3).standard_normal(len(out)) * 1e-4
    return (out + noise).astype(np.float32)


@pytest.fixture(scope="module")
def table(codec, tune):
    return codec.encode(ArraySource(tune, RATE), effort=1)


def decoded(codec, table, **options) -> np.ndarray:
    return np.concatenate(list(codec.decode(table, **options)))


def test_the_notes_that_were_played_are_the_events(table):
    found = [(note.onset_s, note.midi) for note in notes_of(table) if not note.drum]
    assert len(found) == len(SCORE)
    for (onset_s, midi), (true_s, true_midi) in zip(sorted(found), SCORE, strict=True):
        del midi, true_midi
        assert onset_s == pytest.approx(true_s, abs=0.025)
    assert_allclose(sorted(midi for _, midi in found), sorted(midi for _, midi in SCORE), atol=0.15)


def test_the_sound_is_near_the_recording(codec, table, tune):
    def spectra(x):
        frames = np.lib.stride_tricks.sliding_window_view(np.pad(x, 1024), 2048)[::512] * np.hanning(2048)
        return np.abs(np.fft.rfft(frames))

    true, ours = spectra(tune), spectra(decoded(codec, table)[:, 0])
    assert np.linalg.norm(true - ours) < 0.35 * np.linalg.norm(true)


def test_what_is_encoded_is_on_the_grid_of_its_file(table):
    assert loads(dumps(table)) == table


@pytest.mark.parametrize("kbps", [0.5, 1.0, 3.0])
def test_a_file_takes_no_more_than_its_bitrate(codec, tune, kbps):
    table = codec.encode(ArraySource(tune, RATE), effort=0, bitrate_kbps=kbps)
    seconds = len(tune) / RATE
    assert len(dumps(table)) <= 125 * kbps * seconds
    assert len(table) > 0


def test_more_bits_are_finer_numbers(codec, tune):
    source = ArraySource(tune, RATE)
    coarse, fine = (codec.encode(source, effort=0, bitrate_kbps=kbps) for kbps in (0.25, 0.6))
    assert fine.header.step[0] < coarse.header.step[0]


def test_events_per_second_is_a_limit(codec, tune):
    table = codec.encode(ArraySource(tune, RATE), effort=0, events_per_second=1.0)
    assert 0 < len(table) <= math.floor(len(tune) / RATE)


def test_each_channel_has_its_own_notes(codec, tune):
    stereo = np.stack([tune, np.roll(tune, 4410)], 1)
    table = codec.encode(ArraySource(stereo, RATE), effort=0)
    assert set(table.channel) == {0, 1}
    out = decoded(codec, table)
    assert out.shape == stereo.shape
    only_left = table.replace(amplitude=np.where(table.channel == 0, 1.0, 0.0).astype(np.float32))
    assert not decoded(codec, only_left)[:, 1].any()


def test_parts_are_as_in_the_whole(codec, table):
    whole = decoded(codec, table)
    part = decoded(codec, table, start_s=1.0, end_s=2.0)
    assert_allclose(part, whole[RATE : 2 * RATE], atol=1e-5)


def test_single_events_add_up_to_the_whole(codec, table):
    alone = [
        decoded(codec, table.replace(amplitude=(np.arange(len(table)) == i).astype(np.float32)))
        for i in range(len(table))
    ]
    assert_allclose(np.sum(alone, 0), decoded(codec, table), atol=1e-5)


def test_events_are_silent_outside_of_their_spans(codec, table):
    first, last = codec.event_spans(table)
    for i in range(len(table)):
        alone = decoded(codec, table.replace(amplitude=(np.arange(len(table)) == i).astype(np.float32)))[:, 0]
        outside = np.ones(len(alone), bool)
        outside[first[i] : last[i]] = False
        assert np.abs(alone[outside]).max(initial=0.0) < 1e-4
        assert np.abs(alone).max() > 1e-3


def test_pitch_is_told_of_notes_and_not_of_drums(codec, table):
    pitched = codec.has_pitch(table)
    assert_array_equal(pitched, [not note.drum for note in notes_of(table)])


@pytest.mark.parametrize("samples", [0, 1, 100, 30_000])
def test_silence_of_any_length_has_no_notes(codec, samples):
    table = codec.encode(ArraySource(np.zeros(samples, np.float32), RATE))
    assert len(table) == 0
    assert len(decoded(codec, table).reshape(-1)) == samples if samples else True


def test_a_long_recording_is_coded_in_stretches_as_one(codec, tune):
    """Notes about the seam of two stretches are found once, at their places."""
    long = np.concatenate([tune[:-2205]] * 6)  # 23.4 s: a stretch ends at 16 s, in the middle of notes
    table = codec.encode(ArraySource(long, RATE), effort=0)
    onsets = np.array([note.onset_s for note in notes_of(table) if not note.drum])
    true = np.array([onset_s + 3.9 * i for i in range(6) for onset_s, _ in SCORE])
    assert len(onsets) == pytest.approx(len(true), abs=3)
    assert (np.abs(onsets[:, None] - true).min(1) < 0.04).all()


def test_other_rates_give_the_same_notes(codec, tune):
    import soxr

    table = codec.encode(ArraySource(soxr.resample(tune, RATE, 44_100), 44_100), effort=0)
    assert sorted(round(note.midi) for note in notes_of(table) if not note.drum) == sorted(midi for _, midi in SCORE)


def test_an_snr_is_refused(codec, tune):
    with pytest.raises(SicError, match="SNR"):
        codec.encode(ArraySource(tune, RATE), snr_stop_db=20.0)


def test_every_note_is_a_voice(table):
    assert Voices.of(table).begins.all()


def test_the_model_is_listed_with_true_figures(codec):
    (music,) = (model for model in list_models() if model.name == "music")
    assert music.shipped and music.weights_hash == codec.weights_hash.hex() and music.sample_rate == RATE
    assert music.parameters == sum(p.numel() for p in codec.model.parameters())
    assert music.decoder_parameters == codec.model.decoder.shape_mean.numel() + codec.model.decoder.shape_basis.numel()


# from anywhere, and as it comes


@pytest.fixture(scope="module")
def long_piece() -> EventTable:
    """200 s: short notes and tones, notes of a minute, and notes that go on, with bends and vibrato."""
    generator = np.random.default_rng(8)
    events = [
        Event(time_s, 40 + 7 * (i % 6), 0.2, tone=i % 3 == 0) for i, time_s in enumerate(np.arange(0.3, 199, 0.7))
    ]
    events += [Event(time_s, 55 + i, 60.0, -30.0, decay_s=60.0) for i, time_s in enumerate((1.0, 30.0, 58.5, 110.0))]
    bends = np.arange(20.0, 198.0, 0.9)
    events += [Event(t, 84 + 0.6 * np.sin(t), 5.0, -26.0, begins=i % 40 == 0) for i, t in enumerate(bends)]
    table = music_table(*sorted(events, key=lambda event: event.time_s), seconds=200.0)
    vector, dims = table.vector.copy(), LAYOUTS["music"].dims
    for name, low, high in (("vibrato_semitones", 0.0, 0.5), ("noise_db", -20.0, 0.0), ("room_db", -70.0, -20.0)):
        dim = dims[name]
        vector[:, dim.index] = (generator.uniform(low, high, len(table)) - dim.offset) / dim.scale
    return loads(dumps(table.replace(vector=vector)))


@pytest.fixture(scope="module")
def long_sound(codec, long_piece) -> np.ndarray:
    return decoded(codec, long_piece)


@pytest.mark.parametrize("start_s", [0.0, 59.0, 130.0, 196.0])
def test_a_part_needs_a_bounded_past_alone(codec, long_piece, long_sound, start_s):
    expected = long_sound[round(start_s * RATE) : round((start_s + 3) * RATE)]
    part = decoded(codec, long_piece, start_s=start_s, end_s=start_s + 3)
    assert np.abs(expected).max() > 0.01
    assert_allclose(part, expected, atol=1e-6)


def test_notes_of_a_bounded_past_are_all_that_is_heard(codec, long_piece, long_sound):
    """What is further back than is told, and what is further ahead, may be anything."""
    start_s, end_s = 178.0, 180.0
    known = (long_piece.time >= start_s - codec.renderer.lookback_s) & (long_piece.time < end_s + 4)
    sound = decoded(codec, long_piece.select(known), start_s=start_s, end_s=end_s)
    assert not known.all()
    assert_allclose(sound, long_sound[round(start_s * RATE) : round(end_s * RATE)], atol=1e-6)


def test_a_file_sounds_as_its_table(codec, long_piece, long_sound):
    file = io.BytesIO(dumps(long_piece))
    blocks = codec.renderer.decode(Reader(file))
    first = next(blocks)
    assert file.tell() < len(file.getvalue()) / 4  # long before the end is read
    assert_allclose(np.concatenate([first, *blocks]), long_sound, atol=1e-6)


def test_no_event_is_heard_for_longer_than_is_told(codec):
    """Whatever its numbers are: at the ends of all ranges."""
    ends = np.random.default_rng(0).choice([-1e4, 1e4], (500, 32)).astype(np.float32)
    longest = np.full((2, 32), 1e4, np.float32)
    longest[:, LAYOUTS["music"].dims["kind"].index] = [1.0, -1.0]
    vector = np.concatenate([longest, ends])
    vector[:, LAYOUTS["music"].dims["begins"].index] = 1.0
    table = music_table(*(Event(1.0, 60) for _ in vector)).replace(vector=vector)
    first, last = codec.event_spans(table)
    assert (first == RATE).all()
    longest_s = (last.max() - RATE) / RATE
    assert 70 < longest_s < LONGEST_EVENT_S


def test_no_more_is_read_and_kept_than_is_needed(codec, monkeypatch):
    events = [Event(0.1 + 0.25 * i, 50 + i % 20, 0.2, tone=i % 2 == 0) for i in range(40)]
    table = repeated(music_table(*events, seconds=10.0), 30)
    data, held, read = dumps(table), [], []
    make, decode = MusicRenderer._sound, Reader.decode
    monkeypatch.setattr(
        MusicRenderer, "_sound", lambda self, e, seed: (held.append(len(e.table)), make(self, e, seed))[1]
    )
    monkeypatch.setattr(Reader, "decode", lambda self, raw: (read.append(raw), decode(self, raw))[1])
    assert sum(map(len, codec.renderer.decode(Reader(io.BytesIO(data))))) == 300 * RATE
    assert len(read) == 30 and max(held) < 3 * 40  # of windows of 10 s, each with 40
    for start_s in (170.0, 290.0):
        del held[:], read[:]
        list(codec.renderer.decode(Reader(io.BytesIO(data)), start_s=start_s, end_s=start_s + 5))
        assert len(read) <= 17 and len(held) <= 2


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_any_notes_sound_as_they_come_as_all_at_once(codec, seed):
    """Notes that may go on or not, near a whole minute: no choice of links hangs on what is not yet or no longer
    known."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 150))
    rows = zip(rng.uniform(45, 75, count), rng.normal(60, 1.5, count), rng.random((count, 3)), strict=True)
    events = [Event(t, midi, 3 * r[0] ** 3, -26.0, begins=r[1] < 0.4, tone=r[2] < 0.1) for t, midi, r in rows]
    table = loads(dumps(music_table(*events, seconds=80.0, rate=RATE)))
    renderer, silent = codec.renderer, np.zeros(1)
    whole = renderer._sound(Excerpt(table, silent.astype(int), silent), table.header.seed)(0, 80 * RATE)
    assert_allclose(np.concatenate(list(renderer.decode(Reader(io.BytesIO(dumps(table)))))), whole, atol=1e-6)
    start_s = rng.uniform(40, 77)
    part = decoded(codec, table, start_s=start_s, end_s=start_s + 2)
    assert_allclose(part, whole[round(start_s * RATE) :][: len(part)], atol=1e-6)
