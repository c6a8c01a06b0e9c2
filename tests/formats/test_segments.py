"""Segments: where voices are cut, and what is said of each part."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsecodec_formats import EventTable, Header, Segments, SicError, layout_of
from sparsecodec_formats.interchange.notes import segment_notes

RATE = 16_000


def speech(rows: list[tuple[float, float, float]], *, attack_s: float = 0.02, seconds: float = 4.0) -> EventTable:
    """One voice of (time, level in dB, semitones re 110 Hz)."""
    header = Header(RATE, 1, round(seconds * RATE))
    dims = layout_of(header).dims
    vector = np.zeros((len(rows), 32))
    for i, (_, level, semitones) in enumerate(rows):
        for name, value in (("level_db", level), ("attack_log2_s", np.log2(attack_s)), ("f0_semitones", semitones)):
            vector[i, dims[name].index] = (value - dims[name].offset) / dims[name].scale
    if rows:
        vector[0, dims["begins"].index] = 1
    return EventTable(header, [time for time, _, _ in rows], vector)


def music(rows: list[tuple[float, float, float, float, bool]], seconds: float = 4.0) -> EventTable:
    """Events of (time, duration, semitones re 110 Hz, kind: 1 note, 0 drum, -1 tone; whether it begins)."""
    header = Header(RATE, 1, round(seconds * RATE), model="music")
    dims = layout_of(header).dims
    vector = np.zeros((len(rows), 32))
    for i, (_, duration_s, semitones, kind, begins) in enumerate(rows):
        vector[i, dims["kind"].index] = kind
        vector[i, dims["begins"].index] = begins
        vector[i, dims["duration_log2_s"].index] = (np.log2(duration_s) - np.log2(0.3)) / 0.5
        vector[i, dims["f0_semitones"].index] = semitones / 0.1
    return EventTable(header, [row[0] for row in rows], vector)


def held(start_s: float, end_s: float, semitones: float, level: float = -20.0) -> list[tuple[float, float, float]]:
    return [(float(t), level, semitones) for t in np.linspace(start_s, end_s, 4)]


def test_a_voice_is_one_segment() -> None:
    found = Segments.of(speech(held(1.0, 2.0, 12.0)))
    assert len(found) == 1 and found.kind.tolist() == ["pitched"] and found.rows(0).tolist() == [0, 1, 2, 3]
    # it is heard from a tenth of its amplitude on, and until it is 30 dB down
    assert found.start_s[0] == pytest.approx(1.0 - 0.9 * 0.02, abs=1e-6)
    assert found.end_s[0] == pytest.approx(2.0 + 0.06 * (1 - 10 ** (-30 / 40)), abs=1e-6)
    assert found.f0_hz[0] == pytest.approx(220.0)
    assert found.f0_course_semitones[0] == pytest.approx(0.0, abs=1e-9)
    assert found.level_db[0] == pytest.approx(-20.0) and found.repeats.tolist() == [-1]


def test_a_dip_of_level_cuts() -> None:
    def dip(by_db: float) -> EventTable:
        return speech([*held(1.0, 1.3, 12.0), (1.35, -20.0 - by_db, 12.0), *held(1.4, 1.7, 12.0)])

    assert len(Segments.of(dip(4.0))) == 1
    found = Segments.of(dip(8.0))
    assert found.number.tolist() == [0] * 5 + [1] * 4 and found.repeats.tolist() == [-1, 0]
    assert found.start_s[1] == found.end_s[0] == pytest.approx(1.38)


def test_an_attack_cuts_though_the_level_had_hardly_fallen() -> None:
    rows = [*held(1.0, 1.2, 12.0, -20.0), (1.3, -23.5, 12.0), *held(1.4, 1.6, 12.0, -17.0)]
    assert len(Segments.of(speech(rows, attack_s=0.005))) == 2
    assert len(Segments.of(speech(rows, attack_s=0.09))) == 1  # it swells


def test_a_slight_dip_cuts_where_the_pitch_steps_in_it() -> None:
    def dip(by_db: float, semitones: float, lowest: float, before: float = 0.0) -> Segments:
        rows = [(1.0, -20.0, 12.0), (1.05, -20.0, 12.0 + before), (1.1, -20.0 - by_db, 12.0 + lowest)]
        after = [(time_s, -20.0, 12.0 + semitones) for time_s in (1.14, 1.18, 1.22)]
        return Segments.of(speech([*rows, *after], attack_s=0.04))

    assert len(dip(4.0, 0.0, 0.0)) == 1  # the level alone
    assert len(dip(2.0, 0.9, 0.0)) == 1  # hardly a dip
    assert len(dip(4.0, 0.9, 0.0, before=-0.7)) == 1  # a glide
    found = dip(4.0, 0.9, 0.1)
    assert found.number.tolist() == [0] * 3 + [1] * 3
    assert found.f0_hz.tolist() == pytest.approx([220.0, 220.0 * 2 ** (0.9 / 12)])
    assert dip(4.0, 0.9, 0.8).number.tolist() == [0] * 2 + [1] * 4  # the lowest has the new pitch
    assert dip(8.0, 3.0, 2.9).number.tolist() == [0] * 2 + [1] * 4


def test_a_step_of_pitch_cuts_and_a_glide_does_not() -> None:
    found = Segments.of(speech([*held(1.0, 1.3, 12.0), (1.34, -20.0, 13.5), *held(1.36, 1.7, 14.0)]))
    assert found.number.tolist() == [0] * 4 + [1] * 5
    assert found.start_s[1] == pytest.approx(1.3 + 0.04 * 1.0 / 1.5) == found.end_s[0]
    assert found.f0_hz.tolist() == pytest.approx([220.0, 220.0 * 2 ** (2 / 12)])
    glide = [(float(t), -20.0, 12.0 + 10 * (t - 1.0)) for t in np.linspace(1.0, 1.6, 25)]
    whole = Segments.of(speech(glide))
    assert len(whole) == 1 and whole.f0_course_semitones[0] == pytest.approx(6.0)


@pytest.mark.parametrize("depth, rate_hz", [(0.3, 5.5), (0.5, 5.5), (0.6, 6.0), (0.7, 5.0)])
def test_vibrato_is_one_note(depth: float, rate_hz: float) -> None:
    times = np.arange(1.0, 2.0, 0.023)
    rows = [(float(t), -20.0, 12.0 + depth * np.sin(2 * np.pi * rate_hz * t)) for t in times]
    found = Segments.of(speech(rows))
    assert len(found) == 1 and abs(12 * np.log2(found.f0_hz[0] / 220.0)) < 0.25


def test_a_sound_without_a_pitch_is_a_segment_of_its_own() -> None:
    table = speech([*held(1.0, 1.3, 12.0), *held(1.35, 1.4, 12.0, -30.0), *held(1.45, 1.8, 12.0)], attack_s=0.04)
    voiced = np.array([True] * 4 + [False] * 4 + [True] * 4)
    found = Segments.of(table, voiced)
    assert found.kind.tolist() == ["pitched", "unvoiced", "pitched"]
    assert found.number.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert np.isnan(found.f0_hz[1]) and np.isnan(found.f0_course_semitones[1])
    notes, sounds = segment_notes(table, found), segment_notes(table, found, with_unvoiced=True)
    assert [note.onset_s for note in sounds] == sorted(found.start_s) and len(notes) == 2
    assert np.isnan([note.midi for note in sounds]).tolist() == [False, True, False]
    shorter = voiced | (np.arange(12) != 5)  # one event between others that have a pitch
    assert Segments.of(table, shorter).kind.tolist() == ["pitched", "pitched"]  # cut by the level alone


def test_what_is_too_soft_to_be_heard_is_no_segment() -> None:
    murmur = [(1.35, -64.0, 12.0), (1.4, -57.0, 12.0), (1.45, -66.0, 12.0)]
    found = Segments.of(speech([*held(1.0, 1.3, 12.0), *murmur, *held(1.5, 1.8, 12.0)]))
    assert len(found) == 2 and found.end_s[0] < 1.36


def test_notes_are_segments_and_tones_go_with_them() -> None:
    rows = [
        (0.5, 0.4, 0.0, -1.0, False),  # a tone before any note
        (1.0, 0.3, 12.0, 1.0, True),
        (1.2, 0.5, 12.5, 1.0, False),  # carries it on
        (2.0, 0.2, 0.0, 0.0, True),  # a drum
        (2.1, 0.1, 30.0, -1.0, False),
        (3.0, 0.3, 12.0, 1.0, True),
    ]
    found = Segments.of(music(rows))
    assert found.number.tolist() == [0, 0, 0, 1, 1, 2] and found.kind.tolist() == ["pitched", "drum", "pitched"]
    assert found.start_s.tolist() == pytest.approx([1.0, 2.0, 3.0])
    assert found.end_s.tolist() == pytest.approx([1.7, 2.2, 3.3])
    assert np.isnan(found.f0_hz[1])
    alone = Segments.of(music([row for row in rows if row[3] < 0]))
    assert alone.number.tolist() == [0, 0] and alone.kind.tolist() == ["unvoiced"]


def test_a_note_too_soft_beside_another_goes_with_it() -> None:
    table = music([(1.0, 0.6, 24.0, 1.0, True), (1.02, 0.3, 12.0, 1.0, True), (2.0, 0.3, 24.0, 1.0, True)])
    level = layout_of(table.header).dim("level_db")

    def of_levels(*levels: float) -> Segments:
        vector = table.vector.copy()
        vector[:, level.index] = (np.array(levels) - level.offset) / level.scale
        return Segments.of(table.replace(vector=vector))

    found = of_levels(-50.0, -15.0, -50.0)
    assert found.number.tolist() == [0, 0, 1]
    assert found.start_s.tolist() == pytest.approx([1.02, 2.0]) and found.end_s[0] == pytest.approx(1.32)
    assert found.f0_hz.tolist() == pytest.approx([220.0, 440.0]) and found.level_db[0] == pytest.approx(-15.0)
    assert len(of_levels(-40.0, -15.0, -50.0)) == 3


@pytest.mark.parametrize("model", ["speech", "music"])
def test_no_events_are_no_segments(model: str) -> None:
    found = Segments.of(EventTable.empty(Header(RATE, 1, RATE, model=model)))
    assert len(found) == 0 and found.runs == [] and len(found.number) == 0


def test_a_preset_without_links_is_refused() -> None:
    table = EventTable(Header(RATE, 1, RATE, model="reference"), [0.5], np.ones((1, 32)))
    with pytest.raises(SicError, match="'reference'"):
        Segments.of(table)


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_any_table_has_segments_that_hold_every_event_once(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    n, channels = data.draw(st.integers(0, 40)), data.draw(st.integers(1, 3))
    scale = data.draw(st.sampled_from([1.0, 10.0, 1e6]))
    table = EventTable(
        Header(RATE, channels, 2 * RATE, model=data.draw(st.sampled_from(["speech", "music"]))),
        np.sort(rng.choice([rng.uniform(0, 3), 0.5, 1e9], n) if n % 2 else rng.uniform(0, 3, n)),
        rng.normal(0, scale, (n, 32)),
        rng.integers(0, channels, n),
        rng.choice([0.0, 0.5, 1.0], n),
    )
    found = Segments.of(table, rng.random(n) > 0.3)
    assert sorted(np.concatenate([np.zeros(0, int), *found.runs]).tolist()) == list(range(n))
    assert [run.tolist() for run in found.runs] == [found.rows(i).tolist() for i in range(len(found))]
    firsts = [int(run[0]) for run in found.runs]
    assert firsts == sorted(firsts) and (found.end_s >= found.start_s).all() and (found.start_s >= 0).all()
    for i, run in enumerate(found.runs):
        assert set(table.channel[run].tolist()) == {found.channel[i]}
        assert (found.kind[i] == "pitched") == bool(np.isfinite(found.f0_hz[i]))
        earlier = found.repeats[i]
        assert -1 <= earlier < i and (earlier < 0 or found.repeats[earlier] == -1)


def test_segments_as_notes() -> None:
    table = speech([*held(1.0, 1.3, 12.0), (1.35, -30.0, 12.0), *held(1.4, 1.7, 16.0)])
    found = Segments.of(table)
    first, second = segment_notes(table, found)
    assert (first.onset_s, first.offset_s) == (found.start_s[0], found.end_s[0]) and first.drum is None
    assert (round(first.midi), round(second.midi)) == (57, 61) and first.velocity == pytest.approx(1 - 20 / 60)
    assert (first.event, second.event) == (0, 5) and first.channel == 0
    silent = Segments.of(table, np.zeros(9, bool))
    assert set(silent.kind) == {"unvoiced"} and segment_notes(table, silent) == []
    drums = music([(1.0, 0.3, 12.0, 1.0, True), (2.0, 0.2, 0.0, 0.0, True)])
    note, stroke = segment_notes(drums, Segments.of(drums))
    assert note.drum is None and stroke.drum is not None and stroke.onset_s == 2.0


def test_an_event_with_a_sharp_attack_needs_a_slight_rise_only() -> None:
    rows = [*held(1.0, 1.2, 12.0, -20.0), (1.25, -24.0, 12.0), *held(1.3, 1.6, 12.0, -20.5)]
    assert Segments.of(speech(rows, attack_s=0.004)).number.tolist() == [0] * 5 + [1] * 4
    assert len(Segments.of(speech(rows, attack_s=0.04))) == 1


def test_voices_that_begin_together_are_one_sound() -> None:
    table = speech([(1.0, -30.0, 12.0), *held(1.02, 1.4, 12.0)])
    vector = table.vector.copy()
    vector[1, layout_of(table.header).dim("begins").index] = 1
    assert len(Segments.of(table.replace(vector=vector))) == 1
    later = speech([(1.0, -30.0, 12.0), *held(1.1, 1.4, 12.0)]).replace(vector=vector)
    assert len(Segments.of(later)) == 2


def test_a_step_by_a_semitone_on_the_way_of_a_slur() -> None:
    found = Segments.of(speech([*held(1.0, 1.25, 12.0), (1.27, -20.0, 12.55), *held(1.29, 1.6, 13.0)]))
    assert found.number.tolist() == [0] * 4 + [1] * 5 or found.number.tolist() == [0] * 5 + [1] * 4
    assert found.f0_hz.tolist() == pytest.approx([220.0, 220.0 * 2 ** (1 / 12)])


def test_many_sounds_repeat_the_first_that_they_are_like() -> None:
    """Against a plain search among all that were the first of their kind."""
    rng = np.random.default_rng(2)
    n = 1500
    steps, lengths_s = rng.integers(0, 12, n) + rng.normal(0, 0.1, n), rng.choice([0.1, 0.3], n)
    found = Segments.of(music([(0.5 * i, lengths_s[i], steps[i], 1, True) for i in range(n)], seconds=0.5 * n))
    assert len(found) == n
    lengths = np.log2(found.end_s - found.start_s)
    numbers = np.column_stack([12 * np.log2(found.f0_hz) / 0.5, found.level_db / 6, lengths / 0.6])
    firsts: list[int] = []
    for i, repeated in enumerate(found.repeats.tolist()):
        like = [j for j in firsts if (np.abs(numbers[i] - numbers[j]) <= 1).all()]
        assert repeated == (like[0] if like else -1)
        firsts += [] if like else [i]
    assert 24 <= len(firsts) < 100
