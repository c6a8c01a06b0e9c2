"""Figures of sparsity, on events and melodies whose answers are known."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference_small import TINY, decoded, sounding, table_of

from sparsecodec_formats import EventTable
from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_models import ArraySource, load_codec
from sparsecodec_models.codec import Codec
from sparsecodec_models.events.lanes import pack_lanes
from sparsecodec_models.events.redundancy import (
    Note,
    event_onsets,
    in_silence,
    melody_errors,
    redundancy,
    where_sound_is,
)
from sparsecodec_models.events.sounds import event_sounds
from sparsecodec_models.reference.codec import ReferenceCodec
from sparsecodec_models.reference.model import ReferenceModel
from sparsecodec_models.speech.codec import SpeechCodec
from sparsecodec_models.speech.model import SpeechModel

RATE = 22050
DATA = Path(__file__).parents[1] / "data"
MELODIES = sorted((DATA / "melodies").glob("*.flac"))
DIMS = LAYOUTS["speech"].dims
VOICING = 8  # dim of it in these tests
OFF = -40.0  # of that dim: all noise


@pytest.fixture(scope="module")
def codec() -> SpeechCodec:
    """A decoder whose events are tones with harmonics, of which dim 8 makes noise."""
    torch.set_num_threads(1)
    model = SpeechModel().requires_grad_(False)
    bands = model.config.bands
    model.decoder.shape_mean[:bands] = -torch.arange(bands) * 1.0
    model.decoder.shape_mean[bands:] = 20.0
    model.decoder.shape_basis.zero_()
    model.decoder.shape_basis[VOICING - 8, bands:] = 1.0
    return SpeechCodec(model)


@pytest.fixture(scope="module")
def shipped() -> Codec:
    torch.set_num_threads(1)
    return load_codec("speech")


def events(codec: Codec, *rows: dict[str, float], seconds: float = 2.0, channels: int = 1) -> EventTable:
    """A table of tones of 440 Hz that begin by themselves with fades of 0.1 s, at -20 dB, if not said otherwise: dims
    by name, `time` in seconds, `voicing` in units, `channel`."""
    header = codec.header_for(ArraySource(np.zeros((round(seconds * RATE), channels), np.float32), RATE))
    usual = {
        "level_db": -20.0,
        "attack_log2_s": np.log2(0.1),
        "decay_log2_s": np.log2(0.1),
        "f0_semitones": 24.0,
        "begins": 1.0,
        "room_db": -60.0,
        "phase_cycles": 0.0,
    }
    vectors = np.zeros((len(rows), 32))
    for vector, row in zip(vectors, rows, strict=True):
        for name in usual:
            vector[DIMS[name].index] = (row.get(name, usual[name]) - DIMS[name].offset) / DIMS[name].scale
        vector[VOICING] = row.get("voicing", 0.0)
    channel = [int(row.get("channel", 0)) for row in rows]
    return EventTable.from_unsorted(header, [row["time"] for row in rows], vectors, channel)


def truth(path: Path) -> list[Note]:
    return [Note(**note) for note in json.loads(path.with_suffix(".json").read_text())]


# the sounds of single events


def check_that_sounds_are_those_of_single_events(
    codec: Codec, table: EventTable, tolerance: float, rate: int = RATE
) -> None:
    sounds = list(event_sounds(codec, table, sample_rate=rate))
    assert [sound.row for sound in sounds] == list(range(len(table)))
    for row, sound in enumerate(sounds):
        alone = np.where(np.arange(len(table)) == row, table.amplitude, 0)
        expected = np.concatenate(list(codec.decode(table.replace(amplitude=alone), sample_rate=rate)))
        found = np.zeros_like(expected)
        assert sound.channel == table.channel[row]
        found[sound.start : sound.start + len(sound.samples), sound.channel] = sound.samples
        assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize("rate", [16000, RATE, 44100])
def test_sounds_of_speech_events(codec: SpeechCodec, rate: int) -> None:
    linked = {"begins": 0.0, "attack_log2_s": 2.0}
    rows = [
        {"time": 0.0, "level_db": -10.0},
        {"time": 0.2, "f0_semitones": 26.0, **linked},
        {"time": 0.25, "channel": 1, "room_db": -10.0},
        {"time": 0.4, "voicing": OFF, **linked},
        {"time": 0.5, "channel": 1, "f0_semitones": 12.0, "decay_log2_s": 3.0},
        {"time": 0.5, "room_db": -20.0},
        {"time": 0.6},
        {"time": 1.999},
        {"time": 3.0},
    ]
    table = events(codec, *rows, channels=2)
    table = table.replace(amplitude=[1, 2, 1, 0.5, 1, 1, 0, 1, 1])
    check_that_sounds_are_those_of_single_events(codec, table, 1e-4, rate)
    sounds = list(event_sounds(codec, table, sample_rate=rate))
    assert len(sounds[6].samples) == len(sounds[8].samples) == 0  # amplitude 0; after the end


@pytest.mark.parametrize("rate", [16000, RATE])
def test_sounds_of_reference_events(rate: int) -> None:
    codec = ReferenceCodec(sounding(0))
    table = table_of(codec, [0.0, 0.02, 0.1, 0.11, 0.4, 0.9], 16000)
    check_that_sounds_are_those_of_single_events(codec, table, 1e-4, rate)
    assert len(decoded(codec, table)) == 16000


@pytest.mark.parametrize("rate", [None, 8000, 16000, 22051, 44100])
def test_sounds_add_up_to_what_is_heard(shipped: Codec, rate: int | None) -> None:
    audio, source_rate = soundfile.read(DATA / "you-are-next-it.flac", dtype="float32")
    table = shipped.encode(ArraySource(audio, source_rate), effort=0)
    whole = np.concatenate(list(shipped.decode(table, sample_rate=rate or shipped.model_rate, seed=5)))[:, 0]
    total = np.zeros_like(whole)
    for sound in event_sounds(shipped, table, sample_rate=rate, seed=5):
        total[sound.start : sound.start + len(sound.samples)] += sound.samples
    assert np.abs(total - whole).max() < 1e-5 * np.abs(whole).max()


def test_few_events_that_sound_far_apart(codec: SpeechCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"time": 0.3 + 0.1 * i, "channel": i % 2} for i in range(60)]
    table = events(codec, *rows, seconds=7.0, channels=2)
    table = table.replace(amplitude=np.isin(np.arange(60), [0, 1, 30, 59]))
    monkeypatch.setattr("sparsecodec_models.events.sounds.GAP_SAMPLES", 10000)
    check_that_sounds_are_those_of_single_events(codec, table, 1e-4, 44100)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20), st.integers(0, 1)), max_size=30))
def test_lanes_hold_no_two_sounds_at_once_and_are_few(sounds: list[tuple[int, int, int]]) -> None:
    first = [begin for begin, _, _ in sounds]
    last = [begin + length for begin, length, _ in sounds]
    group = [channel for _, _, channel in sounds]
    lanes = pack_lanes(first, last, group)
    assert len(lanes) == len(sounds)
    for i, j in itertools.combinations(range(len(sounds)), 2):
        together = first[i] < last[j] and first[j] < last[i]
        assert not (together and lanes[i] == lanes[j] and group[i] == group[j])
    at_once = [
        sum(begin <= t < begin + length and channel == c for begin, length, channel in sounds)
        for t in range(71)
        for c in (0, 1)
    ]
    assert max(lanes, default=-1) + 1 == max(at_once)


# redundancy


def test_the_same_event_twice_is_redundant(codec: SpeechCodec) -> None:
    found = redundancy(codec, events(codec, {"time": 0.5}, {"time": 0.5}))
    assert found.pairs.tolist() == [[0, 1]] and found.share == 0.5
    assert found.correlation == pytest.approx([1.0], abs=1e-4)


def test_level_does_not_matter_and_opposite_phase_counts(codec: SpeechCodec) -> None:
    found = redundancy(codec, events(codec, {"time": 0.5}, {"time": 0.5, "level_db": -60.0, "phase_cycles": 0.5}))
    # half a cycle turns odd harmonics over, even ones not: the fundamental is the louder part
    assert found.n_overlapping == 1
    three = redundancy(codec, events(codec, {"time": 0.5}, {"time": 0.5}, {"time": 0.5, "level_db": -60.0}))
    assert three.pairs.tolist() == [[0, 1], [0, 2], [1, 2]] and three.share == 1.0


def test_the_same_event_later_is_not_redundant(codec: SpeechCodec) -> None:
    apart = redundancy(codec, events(codec, {"time": 0.3}, {"time": 1.2}))
    assert apart.n_overlapping == 0 and apart.share == 0
    # their fades touch: they overlap, and are hardly alike
    near = redundancy(codec, events(codec, {"time": 0.5}, {"time": 0.65}))
    assert near.n_overlapping == 1 and near.share == 0


def test_other_pitches_and_other_noise_are_not_redundant(codec: SpeechCodec) -> None:
    tones = redundancy(codec, events(codec, {"time": 0.5}, {"time": 0.5, "f0_semitones": 31.3}))
    assert tones.n_overlapping == 1 and tones.share == 0
    mixed = redundancy(codec, events(codec, {"time": 0.5}, {"time": 0.5, "voicing": OFF}))
    assert mixed.n_overlapping == 1 and mixed.share == 0


def test_the_same_event_in_another_channel_is_not_redundant(codec: SpeechCodec) -> None:
    found = redundancy(codec, events(codec, {"time": 0.5}, {"time": 0.5, "channel": 1}, channels=2))
    assert found.n_overlapping == 0 and found.share == 0


def test_neighbours_in_a_voice_correlate_by_a_quarter(codec: SpeechCodec) -> None:
    linked = {"begins": 0.0, "attack_log2_s": 2.0}
    rows = [{"time": 0.2}] + [{"time": 0.2 + 0.1 * i, **linked} for i in range(1, 6)]
    found = redundancy(codec, events(codec, *rows), threshold=0.1)
    assert found.pairs.tolist() == [[i, i + 1] for i in range(5)]
    assert found.correlation[1:4] == pytest.approx([0.25] * 3, abs=0.01)
    assert found.above(0.5) == 0


def test_a_table_longer_than_what_is_held_at_once(codec: SpeechCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(1)
    rows = [{"time": t, "f0_semitones": 24.0} for t in np.sort(generator.uniform(0, 2, 60))]
    table = events(codec, *rows)
    whole = redundancy(codec, table, 0.1)
    monkeypatch.setattr("sparsecodec_models.events.sounds.BATCH_SAMPLES", 10000)
    parts = redundancy(codec, table, 0.1)
    assert len(whole.pairs) > 50
    assert np.array_equal(whole.pairs, parts.pairs) and whole.n_overlapping == parts.n_overlapping
    assert np.allclose(whole.correlation, parts.correlation, atol=1e-4)


def test_redundancy_of_nothing_is_0(codec: SpeechCodec) -> None:
    for seconds in (0.0, 1.0):
        found = redundancy(codec, events(codec, seconds=seconds))
        assert (found.n_events, found.n_overlapping, found.share) == (0, 0, 0.0)


def test_redundancy_of_reference_events() -> None:
    codec = ReferenceCodec(ReferenceModel(TINY).draw_weights(0))
    table = table_of(codec, [0.1, 0.12, 0.9], 22050)
    found = redundancy(codec, table, threshold=0.0)
    assert found.n_overlapping == 1 and found.pairs.tolist() == [[0, 1]]


def test_shipped_events_hardly_repeat_each_other(shipped: Codec) -> None:
    audio, rate = soundfile.read(DATA / "only-person-en.flac", dtype="float32")
    table = shipped.encode(ArraySource(audio, rate), effort=0)
    found = redundancy(shipped, table)
    assert found.n_overlapping > 0.5 * len(table)
    assert found.share < 0.05


# where the sound is


def test_where_sound_is() -> None:
    rate = 1000
    audio = np.zeros(230, np.float32)
    audio[40:60], audio[100:120], audio[120:140], audio[229] = 1.0, 0.01, 0.004, 1.0
    assert where_sound_is(audio, rate).tolist() == [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1]
    assert where_sound_is(np.stack([audio, audio], 1), rate).tolist() == where_sound_is(audio, rate).tolist()
    assert not where_sound_is(np.zeros(50, np.float32), rate).any()
    assert where_sound_is(np.zeros(0, np.float32), rate).shape == (0,)


def test_events_in_silence(codec: SpeechCodec) -> None:
    table = events(codec, *({"time": t} for t in (0.01, 0.05, 0.07, 0.11, 9.0)))
    assert in_silence(table, np.array([False, False, True, False, False, False])).tolist() == [1, 0, 0, 1, 1]


def test_shipped_events_are_where_the_sound_is(shipped: Codec) -> None:
    audio, rate = soundfile.read(MELODIES[0], dtype="float32")
    audio = np.concatenate([audio, np.zeros(2 * rate, np.float32)])
    table = shipped.encode(ArraySource(audio, rate), effort=0)
    assert len(table) > 10
    assert in_silence(table, where_sound_is(audio, rate)).mean() < 0.1


# melodies


def test_there_are_melodies() -> None:
    assert len(MELODIES) == 3


def test_melodies_are_what_their_script_makes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, DATA / "make_melodies.py", tmp_path], check=True, timeout=60)
    for path in MELODIES:
        made, rate = soundfile.read(tmp_path / path.name, dtype="int16")
        kept, kept_rate = soundfile.read(path, dtype="int16")
        assert rate == kept_rate and len(made) == len(kept) and len(kept) / rate <= 4
        assert np.abs(made.astype(int) - kept).max() <= 1  # sines may differ in their last bit
        assert (tmp_path / path.name).with_suffix(".json").read_text() == path.with_suffix(".json").read_text()


@pytest.mark.parametrize("path", MELODIES, ids=lambda path: path.stem)
def test_pitches_of_a_melody_are_its_truth(path: Path) -> None:
    audio, rate = soundfile.read(path)
    for note in truth(path):
        part = audio[round((note.onset_s + 0.03) * rate) : round((note.onset_s + note.duration_s - 0.03) * rate)]
        size = 2**18
        power = np.abs(np.fft.rfft(part * np.hanning(len(part)), size))
        hz = np.arange(len(power)) * rate / size
        near = (hz > note.f0_hz * 2**-0.5) & (hz < note.f0_hz * 2**0.5)
        found = hz[near][power[near].argmax()]
        assert abs(1200 * np.log2(found / note.f0_hz)) < 15
        assert power[np.abs(hz - note.f0_hz / 2) < 5].max() < 0.05 * power[near].max()  # nothing an octave below


@pytest.mark.parametrize("path", MELODIES, ids=lambda path: path.stem)
def test_onsets_of_a_melody_are_its_truth(path: Path) -> None:
    audio, rate = soundfile.read(path)
    notes = truth(path)
    assert not audio[: round(notes[0].onset_s * rate)].any()
    for before, note in itertools.pairwise(notes):
        assert before.onset_s + before.duration_s <= note.onset_s + 1e-6
        # shortly after it sounds at the new pitch; shortly before, not, or there is a dip
        step = round(0.03 * rate)
        at = round(note.onset_s * rate)
        was, now = (
            float(np.abs(np.exp(-2j * np.pi * note.f0_hz * np.arange(step) / rate) @ audio[i : i + step]))
            for i in (at - step, at + round(0.02 * rate))
        )
        assert was < 0.9 * now


def test_events_that_are_the_notes_have_no_errors(codec: SpeechCodec) -> None:
    notes = truth(MELODIES[0])
    rows = [
        {"time": note.onset_s, "attack_log2_s": np.log2(0.02), "f0_semitones": 12 * np.log2(note.f0_hz / 110)}
        for note in notes
    ]
    table = events(codec, *rows, seconds=5.0)
    errors = melody_errors(table, notes, codec.has_pitch(table))
    assert errors.events_per_note.tolist() == [1.0] * len(notes)
    assert errors.onset_worst_s == pytest.approx(0.0, abs=1e-6)
    assert errors.fade_error_s == pytest.approx([-0.01] * len(notes), abs=1e-6)
    assert errors.pitch_median_cents == pytest.approx(0.0, abs=0.01) and errors.pitch_within_50_cents == 1.0


def test_errors_are_measured(codec: SpeechCodec) -> None:
    notes = [Note(0.5, 0.3, 220.0), Note(0.8, 0.2, 440.0)]
    rows = [
        {"time": 0.56, "f0_semitones": 12.3},  # in the middle of its attack at 0.51; 30 cents sharp
        {"time": 0.7, "f0_semitones": 0.0, "voicing": OFF},
        {"time": 0.82, "f0_semitones": 12.0, "begins": 0.0},  # an octave low; comes in from 0.72 on
        {"time": 1.0, "f0_semitones": 24.0},  # after the last
    ]
    table = events(codec, *rows)
    assert event_onsets(table) == pytest.approx([0.51, 0.65, 0.77, 0.95])
    errors = melody_errors(table, notes, codec.has_pitch(table))
    assert errors.events_per_note.tolist() == [2.0, 1.0]
    assert errors.time_error_s == pytest.approx([0.06, 0.02])
    assert errors.fade_error_s == pytest.approx([0.01, -0.03])
    assert (errors.onset_median_s, errors.onset_worst_s) == pytest.approx((0.04, 0.06))
    assert errors.pitch_error_cents == pytest.approx([30.0, -1200.0], abs=0.01)
    assert errors.pitch_within_50_cents == 0.5
    assert melody_errors(table, notes).pitch_error_cents == pytest.approx([30.0, -1200.0], abs=0.01)


def test_a_linked_event_comes_in_after_the_one_before(codec: SpeechCodec) -> None:
    rows = [{"time": 0.5}, {"time": 0.54, "begins": 0.0, "attack_log2_s": 1.0}]
    assert event_onsets(events(codec, *rows)) == pytest.approx([0.45, 0.52])


def test_errors_of_no_events_are_nan(codec: SpeechCodec) -> None:
    errors = melody_errors(events(codec), [Note(0.5, 0.3, 220.0)])
    assert errors.events_per_note.tolist() == [0.0]
    assert np.isnan([errors.onset_worst_s, errors.pitch_median_cents, errors.pitch_within_50_cents]).all()


def test_a_preset_without_names_has_times_only() -> None:
    codec = ReferenceCodec(ReferenceModel(TINY).draw_weights(0))
    table = table_of(codec, [0.1, 0.5], 22050)
    errors = melody_errors(table, [Note(0.45, 0.3, 220.0)], codec.has_pitch(table))
    assert errors.time_error_s == errors.fade_error_s == pytest.approx([0.05]) and len(errors.pitch_error_cents) == 0


def test_shipped_events_follow_a_melody(shipped: Codec) -> None:
    path = DATA / "melodies" / "au-clair-de-la-lune-reed.flac"
    audio, rate = soundfile.read(path, dtype="float32")
    table = shipped.encode(ArraySource(audio, rate), effort=0)
    errors = melody_errors(table, truth(path), shipped.has_pitch(table))
    assert (errors.events_per_note >= 1).all()
    assert errors.onset_median_s < 0.03
    assert errors.pitch_median_cents < 50
