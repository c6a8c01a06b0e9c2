"""Between two recordings, and mosaics: `edit/morph.py`, `edit/mosaic.py`."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from format_strategies import make_header
from note_tables import Event, music_table
from numpy.typing import NDArray

from sparsecodec_formats import LAYOUTS, EventTable, Segments, SicError, edit, layout_of, weights_source
from sparsecodec_formats.edit.likeness import distances
from sparsecodec_formats.errors import WeightsNotThere
from sparsecodec_formats.presets.voices import Voices

SPEECH = LAYOUTS["speech"]
morph_module = import_module("sparsecodec_formats.edit.morph")  # its name is that of the function


def speech(time: list[float], seconds: float = 3.0, **physical: list[float]) -> EventTable:
    """Events that all begin by themselves, unless told; what is not told is 0 in the vector."""
    vector = np.zeros((len(time), 32))
    for name, values in {"begins": [1.0] * len(time), **physical}.items():
        dim = SPEECH.dims[name]
        vector[:, dim.index] = (np.array(values) - dim.offset) / dim.scale
    header = make_header(step=(0.125,) * 32)
    return EventTable(replace(header, n_samples=round(seconds * header.sample_rate)), time, vector)


@pytest.mark.parametrize("error, is_told", [(WeightsNotThere("not here"), False), (SicError("are damaged"), True)])
def test_segments_without_weights_but_not_with_damaged_ones(
    error: SicError, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def has_pitch(table: EventTable) -> NDArray[np.bool_]:
        raise error

    monkeypatch.setattr(weights_source, "find_has_pitch", has_pitch)
    table = speech([0.5, 1.0])
    if is_told:
        with pytest.raises(SicError, match="are damaged"):
            table.morph(table, 0.5)
    else:
        assert len(table.morph(table, 0.5)) == 2


def physical(table: EventTable, name: str) -> list[float]:
    return layout_of(table.header).physical(table, name).tolist()


def pitches(table: EventTable) -> list[float]:
    """MIDI numbers."""
    return sorted(45 + f for f in physical(table, "f0_semitones"))


TUNE = music_table(*(Event(0.25 * i, 60 + i) for i in range(8)))
OTHER_TUNE = music_table(*(Event(0.25 * i + 0.04, 62 + i, level_db=-26) for i in range(8)), seconds=4.0)


# Morphs


def test_the_ends_are_the_tables_themselves() -> None:
    assert edit.morph(TUNE, OTHER_TUNE, 0) == TUNE and edit.morph(TUNE, OTHER_TUNE, 1) == OTHER_TUNE


def test_half_way() -> None:
    between = edit.morph(
        speech([0.5], level_db=[-20.0], f0_semitones=[2.0], shape_3=[1.0]),
        speech([0.6], 4.0, level_db=[-26.0], f0_semitones=[4.0], shape_3=[2.0]),
        0.5,
    )
    assert between.time == pytest.approx([0.55]) and between.duration_s == pytest.approx(3.5, abs=1e-3)
    for name, value in {"level_db": -23.0, "f0_semitones": 3.0, "shape_3": 1.5}.items():
        assert physical(between, name) == pytest.approx([value], abs=1e-5)
    assert physical(between, "begins")[0] > 0.5 and between.amplitude.tolist() == [1.0]


@pytest.mark.parametrize("amount", [0.25, 0.5])
def test_amount_is_the_share_of_the_other(amount: float) -> None:
    table = edit.morph(music_table(Event(0.5, 60)), music_table(Event(0.7, 64)), amount)
    assert pitches(table) == pytest.approx([60 + 4 * amount], abs=1e-4)
    assert table.time == pytest.approx([0.5 + 0.2 * amount])


def test_all_differences_together_are_least() -> None:
    """The nearest two, 66 and 65, would leave 60 to 72."""
    between = edit.morph(music_table(Event(0.5, 60), Event(0.5, 66)), music_table(Event(0.5, 65), Event(0.5, 72)), 0.5)
    assert pitches(between) == pytest.approx([62.5, 69], abs=1e-4)


def test_what_finds_no_match_fades() -> None:
    between = edit.morph(
        music_table(Event(0.5, 60), Event(1.0, 60, drum=True)),
        music_table(Event(0.5, 60), Event(2.5, 60), Event(1.5, 50, tone=True)),
        0.25,
    )
    assert between.time.tolist() == [0.5, 1.0, 1.5, 2.5]
    assert between.amplitude == pytest.approx([1.0, 0.75, 0.25, 0.25])


def test_what_fades_stays_at_its_place_in_the_recording() -> None:
    between = edit.morph(music_table(Event(1.5, 60), seconds=3), music_table(Event(0.5, 100), seconds=6), 0.5)
    assert between.time == pytest.approx([0.375, 2.25]) and between.duration_s == pytest.approx(4.5)


def test_amplitudes_move_in_db() -> None:
    loud, soft = music_table(Event(0.5, 60, amplitude=1.0)), music_table(Event(0.5, 60, amplitude=0.25))
    assert edit.morph(loud, soft, 0.5).amplitude == pytest.approx([0.5])
    silent = music_table(Event(0.5, 60, level_db=-80, amplitude=0.0))
    near = music_table(Event(0.5, 60, level_db=-80))
    assert edit.morph(near, silent, 0.5).amplitude.tolist() == [0.5]


def test_a_voice_becomes_one_of_the_events_of_both() -> None:
    """Pitch of 0, 4, 0 in a voice and of 4, 4 in another: where one has no event, it counts as what it sounds like."""
    one = speech([0.5, 0.7, 0.9], begins=[1.0, 0.0, 0.0], attack_log2_s=[-5, 0, 0], f0_semitones=[0.5, 4.0, 0.5])
    two = speech([0.5, 0.6, 0.9], begins=[1.0, 0.0, 0.0], attack_log2_s=[-5, 0, 0], f0_semitones=[4.0, 4.0, 4.0])
    between = edit.morph(one, two, 0.5)
    assert between.time == pytest.approx([0.5, 0.6, 0.7, 0.9])
    assert physical(between, "f0_semitones") == pytest.approx([2.25, 3.125, 4.0, 2.25], abs=1e-4)
    assert Voices.of(between).begins.tolist() == [True, False, False, False]


def test_a_fade_between_two_events_is_met_where_it_is() -> None:
    """The second event comes in over its last 0.1 s only: 0.1 s before that, the sound is still that of the first."""
    attack = float(np.log2(0.1))
    one = speech([0.5, 0.9], begins=[1.0, 0.0], attack_log2_s=[-5, attack], shape_0=[0.0, 4.0])
    places = speech([0.5, 0.7, 0.85, 0.9], begins=[1.0, 0.0, 0.0, 0.0], attack_log2_s=[-5.0, 0.0, 0.0, attack])
    between = edit.morph(one, places, 0.5)
    assert physical(between, "shape_0") == pytest.approx([0.0, 0.0, 1.0, 2.0], abs=1e-4)


def test_notes_that_others_carry_on_go_with_their_like() -> None:
    slide = music_table(Event(0.5, 60), Event(0.7, 60.5, begins=False))
    lower = music_table(Event(0.5, 59), Event(0.8, 59.5, begins=False))
    between = edit.morph(slide, lower, 0.5)
    assert between.time == pytest.approx([0.5, 0.75]) and pitches(between) == pytest.approx([59.5, 60], abs=1e-4)
    assert Voices.of(between).begins.tolist() == [True, False]
    apart = edit.morph(slide, music_table(Event(0.5, 60)), 0.5)
    assert len(apart) == 3 and apart.amplitude.tolist() == [0.5] * 3


def test_segments_of_one_voice_fade_into_each_other() -> None:
    table = speech(
        [0.3, 0.5, 0.7, 0.9],
        begins=[1.0, 0.0, 0.0, 0.0],
        attack_log2_s=[-5, -2, -2, -2],
        f0_semitones=[0.5, 0.5, 4.0, 4.0],
        level_db=[-20, -45, -20, -20],
    )
    segments = Segments.of(table)
    assert segments.number.tolist() == [0, 0, 1, 1]
    same = edit.morph(table, table, 0.5)
    assert same.time == pytest.approx(table.time) and Voices.of(same).begins.tolist() == [True, False, True, False]
    assert physical(same, "f0_semitones") == pytest.approx(physical(table, "f0_semitones"), abs=1e-4)
    assert same.header.streams == 1


def test_long_recordings_are_matched_window_by_window() -> None:
    rng = np.random.default_rng(0)
    notes = [Event(float(t), float(m)) for t, m in zip(np.arange(0, 90, 0.25), rng.integers(50, 80, 360), strict=True)]
    table = music_table(*notes, seconds=90)
    same = edit.morph(table, table, 0.3)
    assert len(same) == len(table)
    assert same.time == pytest.approx(table.time) and np.allclose(same.vector, table.vector, atol=0.5)


def test_events_without_links_are_matched_themselves() -> None:
    header = make_header(model="reference")
    one = EventTable(header, [0.5, 1.0], np.array([[0.0] * 32, [4.0] * 32]))
    two = EventTable(header, [0.5, 1.0], np.array([[5.0] * 32, [1.0] * 32]))
    between = edit.morph(one, two, 0.5)
    assert between.time == pytest.approx([0.5, 1.0]) or len(between) == 2
    assert sorted(between.vector[:, 0].tolist()) in ([0.5, 4.5], [2.5, 2.5])


def test_gains_and_streams() -> None:
    left = music_table(Event(0.5, 60), channels=2)
    right = music_table(Event(0.5, 60, channel=1), channels=2)
    between = edit.morph(left, right, 0.5)
    assert len(between) == 1
    column = [row[between.channel[0]] for row in between.header.stream_gains]
    assert column == pytest.approx([0.5, 0.5], abs=1e-3)


def test_silence() -> None:
    silent = EventTable.empty(TUNE.header)
    faded = edit.morph(TUNE, silent, 0.75)
    assert len(faded) == len(TUNE) and faded.amplitude == pytest.approx([0.25] * len(TUNE))
    assert len(edit.morph(silent, silent, 0.5)) == 0


@pytest.mark.parametrize(
    "other, amount, words",
    [
        (TUNE, 1.5, "amount"),
        (TUNE, float("nan"), "amount"),
        (speech([0.5]), 0.5, "preset"),
        (music_table(Event(0.5, 60), channels=2), 0.5, "2 channels"),
        (TUNE.replace(header=replace(TUNE.header, weights_hash=b"else")), 0.5, "weights"),
    ],
)
def test_what_cannot_be_between_is_refused(other: EventTable, amount: float, words: str) -> None:
    table = TUNE.replace(header=replace(TUNE.header, weights_hash=b"some"))
    with pytest.raises(SicError, match=words):
        edit.morph(table, other, amount)


# Mosaics

STROKES = music_table(
    Event(0.5, 60, drum=True, level_db=-10), Event(1.0, 72, level_db=-14), Event(1.5, 48, level_db=-30)
)


def test_each_by_the_most_similar() -> None:
    tune = music_table(Event(0.25, 71), Event(0.75, 50), Event(1.25, 60, drum=True))
    made = edit.mosaic(tune, STROKES)
    assert made.time.tolist() == [0.25, 0.75, 1.25] and made.header.n_samples == tune.header.n_samples
    assert np.array_equal(made.vector, STROKES.vector[[1, 2, 0]])


def test_kept_pitch_and_level() -> None:
    tune = music_table(Event(0.25, 71, level_db=-20), Event(0.75, 50, level_db=-40))
    other = music_table(Event(1.0, 72, level_db=-14, decay_s=1))
    pitched = edit.mosaic(tune, other, keep_pitch=True)
    assert pitches(pitched) == pytest.approx([50, 71], abs=1e-4) and pitched.amplitude.tolist() == [1, 1]
    level = edit.mosaic(tune, other, keep_level=True)
    assert pitches(level) == pytest.approx([72, 72], abs=1e-4)
    assert Segments.of(level).level_db == pytest.approx([-20, -40], abs=1e-3)


def test_what_is_kept_does_not_choose() -> None:
    tune = music_table(Event(0.25, 60, level_db=-20, decay_s=1.0))
    other = music_table(Event(0.5, 60, level_db=-20, decay_s=8.0), Event(1.5, 84, level_db=-50, decay_s=1.0))
    assert pitches(edit.mosaic(tune, other)) == [60]
    kept = edit.mosaic(tune, other, keep_pitch=True, keep_level=True)
    assert kept.vector[0, 2] == other.vector[1, 2]  # the decay


def test_a_recording_by_itself_is_itself() -> None:
    made = edit.mosaic(TUNE, TUNE)
    assert made.time == pytest.approx(TUNE.time) and np.array_equal(made.vector, TUNE.vector)


def test_what_overlaps_gets_a_stream_of_its_own_in_the_same_channels() -> None:
    tune = speech([0.5, 1.0], f0_semitones=[1.0, 1.0])
    long = speech([0.5, 1.5], begins=[1.0, 0.0], f0_semitones=[1.0, 1.0])
    made = edit.mosaic(tune, long)
    assert made.header.streams == 2 and made.header.channels == 1
    assert made.header.stream_gains == ((1.0, 1.0),) and made.header.noise_numbers == (0, 0)
    assert sorted(made.time.tolist()) == pytest.approx([0.5, 1.0, 1.5, 2.0])


def test_a_sound_that_would_begin_before_the_recording_is_moved_to_its_start() -> None:
    tune = speech([0.0], attack_log2_s=[-5.0], f0_semitones=[1.0])
    made = edit.mosaic(tune, speech([1.0], attack_log2_s=[-10.0], f0_semitones=[1.0]))
    assert (made.time >= 0).all()


def test_a_mosaic_names_the_weights_that_one_of_the_two_names() -> None:
    named = replace(TUNE.header, weights_hash=b"some")
    for pair in ((TUNE.replace(header=named), TUNE), (TUNE, TUNE.replace(header=named))):
        assert edit.mosaic(*pair).header.weights_hash == b"some"


def test_tones_at_pitches_that_decoders_do_not_take_are_silent_in_a_mosaic() -> None:
    other = music_table(Event(1.0, 60), Event(1.05, 120, 0.1, tone=True))
    made = edit.mosaic(music_table(Event(0.5, 72)), other, keep_pitch=True)
    assert pitches(made)[0] == pytest.approx(72, abs=1e-4) and made.amplitude.tolist() == [1, 0]


def test_refused_mosaics() -> None:
    with pytest.raises(SicError, match="preset"):
        edit.mosaic(TUNE, speech([0.5]))
    with pytest.raises(SicError, match="no events"):
        edit.mosaic(TUNE, EventTable.empty(TUNE.header))
    header = make_header(model="reference")
    reference = EventTable(header, [0.5], np.zeros((1, 32)))
    with pytest.raises(SicError, match="no segments"):
        edit.mosaic(reference, reference)
    assert edit.mosaic(EventTable.empty(TUNE.header), TUNE) == EventTable.empty(TUNE.header)


@pytest.mark.parametrize("apart_s", [0.01, 0.0])
def test_many_at_once_find_their_like_in_parts_of_bounded_size(monkeypatch: pytest.MonkeyPatch, apart_s: float) -> None:
    """1200 drums in 12 s or at one time, more than are matched at once: each finds the other that is most like it."""
    sizes = []
    monkeypatch.setattr(morph_module, "distances", lambda a, b: sizes.append(len(a) + len(b)) or distances(a, b))
    strokes = [Event(0.5 + apart_s * i, 40, level_db=-20 - 2 * (i % 10), drum=True) for i in range(1200)]
    louder = [replace(stroke, level_db=stroke.level_db + 0.5) for stroke in strokes]
    between = edit.morph(music_table(*strokes, seconds=13), music_table(*louder, seconds=13), 0.5)
    assert len(between) == 1200 and max(sizes) <= 2 * morph_module.MOST_AT_ONCE and sum(sizes) == 2400
    assert between.time == pytest.approx([stroke.time_s for stroke in strokes])
    assert sorted(physical(between, "level_db")) == pytest.approx(sorted(s.level_db + 0.25 for s in strokes), abs=1e-4)
