"""Edits of pitch contours, spectra, fades and order; `test_edit.py` has the others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from note_tables import Event, music_table
from shape_support import BANDS, plain_shape_map
from test_edit import physical, reference_table, speech

from sparsecodec_formats import EventTable, SicError, Voices, dumps, edit, layout_of, loads
from sparsecodec_formats.presets import level_db
from sparsecodec_formats.selection import selected

SHAPES = plain_shape_map()
VOICE = speech(
    [0.5, 0.7, 1.0, 2.0, 2.2],
    [1, 0, 0, 1, 0],
    level_db=[-20, -25, -30, -20, -22],
    f0_semitones=[0, 4, 2, 7, 5],
    decay_log2_s=[-4, -4, -3, -4, -2],
    attack_log2_s=[-5, -3, -2.5, -4, -4],
    glide_semitones=[0, 0, 1, 0, -2],
)
SONG = music_table(
    Event(0.5, 60, 0.25), Event(0.7, 61, 0.5, begins=False), Event(1.5, 67, 1.0), Event(1.6, 80, 0.2, tone=True)
)

WITHOUT: list[tuple[str, tuple[float, ...]]] = [
    ("glide", (1,)),
    ("contour", (0,)),
    ("reverse", ()),
    ("attack", (2,)),
    ("decay", (2,)),
    ("whisper", ()),
    ("tilt", (3,)),
    ("room", (-6,)),
    ("unlink", ()),
    ("drop_below", (-20,)),
    ("transpose", (1,)),
]


@pytest.mark.parametrize(("name", "arguments"), WITHOUT)
def test_what_vectors_do_not_tell_is_refused(name: str, arguments: tuple[float, ...]) -> None:
    with pytest.raises(SicError) as caught:
        getattr(reference_table(), name)(*arguments)
    assert "reference" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda: edit.transpose(VOICE, 60, shape_map=SHAPES),
        lambda: edit.transpose(VOICE, -24, shape_map=SHAPES),
        lambda: edit.transpose(VOICE, 1, timbre="other", shape_map=SHAPES),  # type: ignore[arg-type]
        lambda: edit.glide(VOICE, 49),
        lambda: edit.glide(SONG, 1),
        lambda: edit.contour(VOICE, 11, shape_map=SHAPES),
        lambda: edit.attack(VOICE, 0),
        lambda: edit.attack(VOICE, 500),
        lambda: edit.decay(VOICE, 900),
        lambda: edit.tilt(VOICE, 13, shape_map=SHAPES),
        lambda: edit.room(VOICE, 1),
        lambda: edit.drop_below(VOICE, float("nan")),
        lambda: edit.gain(VOICE, 1, where=np.ones(4, bool)),
        lambda: edit.gain(VOICE, 1, where=np.ones(5)),  # type: ignore[arg-type]
        lambda: edit.transpose(SONG, -5, timbre="fixed", where=np.array([False, True, False, False])),
    ],
)
def test_refuses(call: Callable[[], EventTable]) -> None:
    with pytest.raises(SicError) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_range_that_is_left_is_named() -> None:
    with pytest.raises(SicError, match=r"f0 of 3 events .*'speech'.*first that at 0\.700 s with 49"):
        edit.transpose(VOICE, 45, shape_map=SHAPES)


def test_an_edit_is_of_what_is_chosen() -> None:
    where = np.array([False, True, False, True, False])
    for edited in (
        VOICE.gain(6, where=where),
        edit.transpose(VOICE, 3, where=where, shape_map=SHAPES),
        VOICE.attack(2, where=where),
        VOICE.room(-6, where=where),
        VOICE.unlink(where=where),
        edit.tilt(VOICE, 3, where=where, shape_map=SHAPES),
        edit.whisper(VOICE, where=where, shape_map=SHAPES),
    ):
        same = (edited.vector == VOICE.vector).all(1) & (edited.amplitude == VOICE.amplitude)
        assert same[[2, 4]].all() and not same.all()
    assert VOICE.gain(6, where="level < -21") == VOICE.gain(6, where=level_db(VOICE) < -21) != VOICE
    assert VOICE.take("time < 1") == VOICE.take(VOICE.time < 1) == VOICE.drop("time >= 1")
    slow = SONG.decay(0.5, where=(notes := np.ones(4, bool)))
    assert notes.all() and not np.array_equal(slow.vector, SONG.vector)  # the tone stays; the caller's mask does, too
    slid = VOICE.glide(3, where=np.array([False, True, True, False, False]))
    assert (slid.vector == VOICE.vector).all(1).tolist() == [True, True, False, True, True]
    assert VOICE.drop_below(-21, where=where).time.tolist() == [0.5, 1.0, 2.0, 2.2]
    assert VOICE.keep(1, where=where).time[[0, -1]].tolist() == [0.5, 2.2] and len(VOICE.keep(1, where=where)) == 4
    assert len(VOICE.keep_percent(50, where=where)) == 4


# Pitch


def test_tones_that_leave_the_range_are_silent() -> None:
    song = music_table(Event(0.5, 60, 0.25), Event(0.6, 118, 0.1, tone=True), Event(0.7, 30, 0.1, tone=True))
    higher = edit.transpose(song, 12, timbre="fixed")
    assert higher.amplitude.tolist() == [1, 0, 1] and physical(higher, "f0_semitones").tolist() == [27, 73, -3]
    lower = edit.transpose(song, -12, timbre="fixed")
    assert lower.amplitude.tolist() == [1, 1, 0]
    with pytest.raises(SicError, match="f0 of 1 event would"):
        edit.transpose(song, 70, timbre="fixed")


def test_transposing_holds_what_is_heard() -> None:
    peaks = VOICE.vector.copy()
    peaks[:, 8 + 3] = 30  # a band that the harmonics of only some pitches meet
    table = VOICE.replace(vector=peaks)
    mask = np.ones(5, bool)
    for semitones in (-12, 5.5, 12):
        high = edit.transpose(table, semitones, shape_map=SHAPES)
        heard = [level_db(t) + edit.loudness_db(t, SHAPES, mask) for t in (table, high)]
        assert heard[1] == pytest.approx(heard[0], abs=1e-3)
        assert np.abs(level_db(high) - level_db(table)).max() > 1
        assert physical(high, "f0_semitones") - physical(table, "f0_semitones") == pytest.approx(semitones, abs=1e-4)
        assert np.array_equal(high.vector[:, 8:], table.vector[:, 8:])


def test_a_timbre_that_follows_moves_peaks_with_the_pitch() -> None:
    peak = VOICE.vector.copy()
    peak[:, 8:] = 0
    peak[:, 8 + 5] = 30
    for semitones in (12, -12):
        out = edit.transpose(VOICE.replace(vector=peak), semitones, timbre="follows", shape_map=SHAPES)
        place = SHAPES.outputs(out.vector[:, 8:])[:, :BANDS].argmax(1)
        assert np.log2(SHAPES.level_hz[place] / SHAPES.level_hz[5]) == pytest.approx(semitones / 12, abs=0.25)


@given(st.floats(-7, 7), st.sampled_from(["fixed", None]))
def test_transposing_back_undoes_it(semitones: float, timbre: edit.Timbre | None) -> None:
    back = edit.transpose(VOICE, semitones, timbre=timbre, shape_map=SHAPES)
    assert edit.transpose(back, -semitones, timbre=timbre, shape_map=SHAPES).vector == pytest.approx(
        VOICE.vector, abs=1e-3
    )


def test_a_glide_runs_over_the_whole_voice() -> None:
    slid = edit.glide(VOICE, 6)
    change = physical(slid, "f0_semitones") - physical(VOICE, "f0_semitones")
    span = 0.5 + 2**-3  # of the first voice, with its decay
    assert change[:3] == pytest.approx([0, 6 * 0.2 / span, 6 * 0.5 / span], abs=1e-4)
    ends = physical(slid, "glide_semitones") - physical(VOICE, "glide_semitones")
    assert change[[2, 4]] + ends[[2, 4]] == pytest.approx(6, abs=1e-4)
    assert edit.glide(slid, -6).vector == pytest.approx(VOICE.vector, abs=1e-4)


def test_contours() -> None:
    flat = physical(edit.contour(VOICE, 0, shape_map=SHAPES), "f0_semitones")
    assert np.ptp(flat[:3]) < 1e-4 and np.ptp(flat[3:]) < 1e-4
    assert 0 < flat[0] < 4 and 5 < flat[3] < 7
    assert (edit.contour(VOICE, 0, shape_map=SHAPES).vector[:, 4] == 0).all()  # glides
    there = edit.contour(VOICE, 2, shape_map=SHAPES)
    assert edit.contour(there, 0.5, shape_map=SHAPES).vector == pytest.approx(VOICE.vector, abs=1e-4)
    mirrored = physical(edit.contour(VOICE, -1, shape_map=SHAPES), "f0_semitones")
    assert mirrored + physical(VOICE, "f0_semitones") == pytest.approx(2 * flat, abs=1e-4)
    vibrato = SONG.vector.copy()
    vibrato[:, 8] = 2
    assert edit.contour(SONG.replace(vector=vibrato), 0.5).vector[:3, 8] == pytest.approx(1)


def test_a_monotone_has_the_pitch_of_what_is_voiced() -> None:
    vector = VOICE.vector.copy()
    vector[[0, 3, 4], 8 + BANDS :] = -100  # voicing: noise, at the pitch that an encoder writes where there is none
    hissing = VOICE.replace(vector=vector)
    flat = physical(edit.contour(hissing, 0, shape_map=SHAPES), "f0_semitones")
    gaps_s = np.diff(VOICE.time)
    sounding_s = np.array([gaps_s[0] + gaps_s[1], gaps_s[1] + 2 * 2**-3 / 3]) / 2
    assert flat[:3] == pytest.approx(np.average([4, 2], weights=sounding_s), abs=1e-4)
    assert 5 < flat[3] < 7  # nothing of it is voiced


# Spectra


def test_tilt() -> None:
    bright = edit.tilt(VOICE, 3, shape_map=SHAPES)
    change = SHAPES.outputs(bright.vector[:, 8:]) - SHAPES.outputs(VOICE.vector[:, 8:])
    assert change[:, :BANDS] == pytest.approx(np.tile(3 * np.log2(SHAPES.level_hz / 1000), (5, 1)), abs=1e-3)
    assert change[:, BANDS:] == pytest.approx(0, abs=1e-4)
    assert edit.tilt(bright, -3, shape_map=SHAPES).vector == pytest.approx(VOICE.vector, abs=1e-4)


def test_whisper() -> None:
    hoarse = edit.whisper(VOICE, shape_map=SHAPES)
    before, after = (SHAPES.outputs(t.vector[:, 8:]) for t in (VOICE, hoarse))
    assert (1 / (1 + np.exp(-after[:, BANDS:])) < 0.02).all()
    assert after[:, :BANDS] == pytest.approx(before[:, :BANDS], abs=1e-3)
    assert np.array_equal(hoarse.vector[:, :8], VOICE.vector[:, :8])
    assert edit.whisper(hoarse, shape_map=SHAPES).vector == pytest.approx(hoarse.vector, abs=1e-4)


def test_spectra_need_a_map() -> None:
    assert layout_of(VOICE.header).name == "speech"
    with pytest.raises(SicError, match="of here"):
        edit.tilt(VOICE, 1, shape_map=missing)


def missing(header: object) -> object:
    raise SicError("no weights of here")


# Fades, links, levels


def test_attacks_and_decays_are_those_of_voices() -> None:
    slow = edit.attack(VOICE, 2)
    assert physical(slow, "attack_log2_s") - physical(VOICE, "attack_log2_s") == pytest.approx([1, 0, 0, 1, 0])
    long = edit.decay(VOICE, 0.5)
    assert physical(long, "decay_log2_s") - physical(VOICE, "decay_log2_s") == pytest.approx([0, 0, -1, 0, -1])
    for name in ("decay_low", "decay_high", "release", "noise_decay"):
        change = physical(edit.decay(SONG, 2), f"{name}_log2_s") - physical(SONG, f"{name}_log2_s")
        assert change == pytest.approx([1, 1, 1, 0], abs=1e-4)  # not the tone's


def test_room_is_set() -> None:
    assert physical(edit.room(VOICE, -12), "room_db") == pytest.approx(-12)
    assert edit.room(edit.room(VOICE, 0), -60) == edit.room(VOICE, -60)


def test_a_note_that_is_held_is_held_still() -> None:
    notes = music_table(Event(0.5, 60, decay_s=64), Event(1.0, 62, decay_s=8), Event(1.5, 64, decay_s=40))
    longer = edit.decay(notes, 1.5, where=np.array([True, True, False]))
    assert physical(longer, "decay_low_log2_s") == pytest.approx(np.log2([64, 12, 40]), abs=1e-5)
    assert physical(edit.decay(notes, 0.5), "decay_low_log2_s") == pytest.approx(np.log2([32, 4, 20]), abs=1e-5)
    with pytest.raises(SicError, match="decay low of 1 event would"):
        edit.decay(notes, 4, where=notes.time == 1.5)


def test_events_that_are_unlinked_begin_and_end_by_themselves() -> None:
    for table in (VOICE, SONG):
        before, loose = Voices.of(table), loads(dumps(edit.unlink(table)))
        after = Voices.of(loose)
        assert after.begins.all() and not before.begins.all()
        assert np.array_equal(loose.time, loads(dumps(table)).time)
    apart, voices = edit.unlink(VOICE), Voices.of(VOICE)
    linked = ~voices.begins
    assert Voices.of(apart).attack_s[linked] == pytest.approx(voices.attack_s[linked], rel=1e-4)
    assert Voices.of(apart).decay_s[[0, 1, 3]] == pytest.approx([0.4, 0.6, 0.4], rel=1e-4)
    assert np.array_equal(apart.vector[~linked][:, 1], VOICE.vector[~linked][:, 1])
    assert physical(edit.unlink(SONG), "duration_log2_s")[0] == pytest.approx(np.log2(0.2), abs=1e-4)
    assert edit.unlink(apart) == apart


NOTE = music_table(Event(0.5, 60, 0.25), Event(0.7, 60.5, 0.5, begins=False, drum=True, decay_s=1))
"""A note whose second event says of a kind, which its first says of both, that it is a drum's."""


def test_what_the_first_event_of_a_note_says_goes_with_all_of_it() -> None:
    loose = edit.unlink(NOTE)
    assert physical(loose, "kind").tolist() == [1, 1] and Voices.of(loose).begins.all()
    assert physical(loose, "decay_low_log2_s") == pytest.approx([6, 0], abs=1e-5)  # it held until the second came
    back = NOTE.reverse()
    assert physical(back, "kind")[Voices.of(back).begins].tolist() == [1]
    assert back.reverse().vector == pytest.approx(NOTE.vector)
    assert selected(NOTE, "voiced and pitch > 200").all()


def test_drop_below() -> None:
    left = edit.drop_below(VOICE, -24)
    assert left.time.tolist() == [0.5, 2.0, 2.2]
    assert edit.drop_below(VOICE.gain(10), -24).time.tolist() == VOICE.time.tolist()
    assert edit.drop_below(VOICE, -200) == VOICE


# Backwards


def test_a_voice_goes_backwards() -> None:
    turned = edit.reverse(VOICE)
    assert turned.time == pytest.approx((VOICE.duration_s - VOICE.time)[::-1])
    was, now = Voices.of(VOICE), Voices.of(turned)
    assert now.begins.tolist() == [True, False, True, False, False]
    assert physical(turned, "f0_semitones").tolist() == physical(VOICE, "f0_semitones")[::-1].tolist()
    assert now.attack_s[0] == pytest.approx(was.decay_s[4]) and now.decay_s[4] == pytest.approx(was.attack_s[0])
    assert now.attack_s[[1, 3, 4]] == pytest.approx(was.attack_s[[4, 2, 1]])  # fades go with their links


def test_notes_change_places() -> None:
    turned = edit.reverse(SONG)
    assert turned.time == pytest.approx([0.5, 1.2, 1.8, 2.0])  # 3 s less the ends, 2.5, 1.8 (tone), 1.2
    assert physical(turned, "f0_semitones") == pytest.approx([22, 35, 16, 15], abs=1e-4)
    assert Voices.of(turned).begins.tolist() == [True, True, True, False]
    assert 2 ** physical(turned, "duration_log2_s")[3] == pytest.approx(0.5, rel=1e-4)


@given(
    st.lists(st.tuples(st.floats(0, 3), st.booleans(), st.integers(0, 1), st.floats(-8, 1)), min_size=1, max_size=12)
)
def test_backwards_twice_is_forwards(rows: list[tuple[float, bool, int, float]]) -> None:
    rows = sorted({round(r[0], 3): r for r in rows}.values())
    time, begins, channel, log2_s = (list(column) for column in zip(*rows, strict=True))
    fades = {"attack_log2_s": log2_s, "decay_log2_s": log2_s[::-1], "glide_semitones": log2_s}
    table = speech(time, [float(b) for b in begins], channel, **fades)
    first = np.array([row == 0 or channel[row] not in channel[:row] for row in range(len(time))])
    vector = table.vector.copy()
    vector[first, 6] = 1.25  # on the grid, above a half
    table = table.replace(vector=vector)
    twice = edit.reverse(edit.reverse(table))
    assert twice.time == pytest.approx(table.time, abs=1e-9)
    assert twice.vector == pytest.approx(table.vector, abs=1e-5) and np.array_equal(twice.channel, table.channel)


def test_notes_backwards_twice_are_the_same() -> None:
    twice = edit.reverse(edit.reverse(SONG))
    assert twice.time == pytest.approx(SONG.time, abs=1e-9)
    assert twice.vector == pytest.approx(SONG.vector, abs=1e-4) and twice.header == SONG.header
    late = edit.reverse(music_table(Event(2.9, 60, 0.5)))
    assert late.time[0] == pytest.approx(0, abs=1e-4) and late.duration_s == pytest.approx(3.4, abs=1e-4)


def test_stretched_gaps_leave_events_alone() -> None:
    long = edit.stretch(VOICE, 2, events=False)
    assert np.array_equal(long.vector, VOICE.vector) and long.time == pytest.approx(2 * VOICE.time)
    assert edit.stretch(long, 0.5, events=False).time == pytest.approx(VOICE.time)
