from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from format_strategies import make_header, make_table, quick
from hypothesis import given
from hypothesis import strategies as st
from note_tables import Event, music_table
from shape_support import plain_shape_map

from sparsecodec_formats import LAYOUTS, Dim, EventTable, SicError, dumps, edit, layout_of, loads, nearest_step
from sparsecodec_formats.edit.randomize import Within
from sparsecodec_formats.presets import level_db

SHAPES = plain_shape_map()
TABLE = make_table([0.5, 1.0, 1.5, 2.0])
BEGINS, NUMBER, ATTACK, LEVEL, SHAPE = (
    LAYOUTS["speech"].dims[name].index for name in ("begins", "room_db", "attack_log2_s", "level_db", "shape_0")
)


def reference_table() -> EventTable:
    header = make_header(model="reference", time_unit=Fraction(1, 22_050))
    return EventTable(header, [0.5, 1.0, 1.5], np.ones((3, 32)), amplitude=[1.0, 0.0, 10.0])


def physical(table: EventTable, name: str) -> np.ndarray:
    return layout_of(table.header).physical(table, name)


def speech(
    time: list[float], begins: list[float], in_channel: list[int] | None = None, **physical: list[float]
) -> EventTable:
    """Speech events at these times; what is not told is 0 in the vector. `room` numbers them."""
    vector = np.zeros((len(time), 32))
    for name, values in {"begins": begins, **physical}.items():
        dim = LAYOUTS["speech"].dims[name]
        vector[:, dim.index] = (np.array(values) - dim.offset) / dim.scale
    vector[:, NUMBER] = np.arange(len(time))
    return EventTable(make_header(channels=max(in_channel or [0]) + 1), time, vector, in_channel)


def voices(table: EventTable) -> dict[int, tuple[int, int]]:
    """The voice (channel, number) of each event, by its number in `room`: the plain way."""
    found: dict[int, tuple[int, int]] = {}
    counts: dict[int, int] = {}
    for i, (channel, begins) in enumerate(zip(table.channel.tolist(), physical(table, "begins"), strict=True)):
        if channel not in counts or begins > 0.5:
            counts[channel] = counts.get(channel, 0) + 1
        found[round(float(table.vector[i, NUMBER] / table.header.step[NUMBER]))] = (channel, counts[channel])
    return found


def table_db(sounds_s: list[float], levels_db: list[float]) -> np.ndarray:
    return np.array(levels_db) + 10 * np.log10(sounds_s)


def others(table: EventTable, name: str) -> list[list[float]]:
    """All numbers of the vectors but the one named."""
    return np.delete(table.vector, LAYOUTS["speech"].dims[name].index, axis=1).tolist()


# Refusals


@pytest.mark.parametrize(
    "call",
    [
        lambda: edit.stretch(TABLE, 0.0),
        lambda: edit.stretch(TABLE, -1.0),
        lambda: edit.stretch(TABLE, 1e300),
        lambda: edit.stretch(TABLE, math.nan),
        lambda: edit.transpose(TABLE, math.inf),
        lambda: edit.transpose(reference_table(), 1.0),
        lambda: edit.gain(TABLE, 1e9),
        lambda: edit.gain(reference_table(), math.nan),
        lambda: edit.shift(TABLE, math.inf),
        lambda: edit.shift(TABLE, math.nan),
        lambda: edit.crop(TABLE, -1.0),
        lambda: edit.crop(TABLE, 2.0, 1.0),
        lambda: edit.crop(TABLE, 1.0, 1.0),
        lambda: edit.crop(TABLE, 3.0),
        lambda: edit.crop(TABLE, 99.0, 100.0),
        lambda: edit.keep(TABLE, -1),
        lambda: edit.keep_percent(TABLE, 100.5),
        lambda: edit.keep_percent(TABLE, math.nan),
        lambda: edit.stretch(make_table([0.0], model="unheard-of"), 2.0),
        lambda: edit.keep(make_table([0.0], model="unheard-of"), 1),
    ],
)
def test_refuses(call: Callable[[], EventTable]) -> None:
    with pytest.raises(SicError) as caught:
        call()
    assert "\n" not in str(caught.value)


# Presets


def test_layouts() -> None:
    for name, layout in LAYOUTS.items():
        assert layout.name == name
        indices = [dim.index for dim in layout.dims.values()]
        assert indices == list(range(len(indices)))
    assert len(LAYOUTS["speech"].dims) == 32
    assert make_header().time_unit == LAYOUTS["speech"].time_unit


def test_a_physical_quantity_is_offset_plus_scale_times_number() -> None:
    dim = Dim(index=3, name="level_db", unit="dB", scale=2.0, offset=-30.0)
    vector = np.zeros((2, 32), np.float32)
    vector[1, 3] = 5
    assert dim.physical(vector).tolist() == [-30.0, -20.0]


# Known answers


def test_randomize_times() -> None:
    drawn = edit.randomize_times(TABLE, 1)
    assert drawn == edit.randomize_times(TABLE, 1) != edit.randomize_times(TABLE, 2)
    assert drawn.header == TABLE.header
    assert (drawn.time < TABLE.duration_s).all()
    assert sorted(drawn.vector.tolist()) == TABLE.vector.tolist()  # the same sounds
    many = edit.randomize_times(make_table([0.0] * 2000), 0).time
    assert np.histogram(many, 4, (0, 3))[0] == pytest.approx([500] * 4, abs=75)


def test_randomize_vectors() -> None:
    drawn = edit.randomize_vectors(TABLE, 1)
    assert drawn == edit.randomize_vectors(TABLE, 1) != edit.randomize_vectors(TABLE, 2)
    assert drawn.header == TABLE.header and np.array_equal(drawn.time, TABLE.time)
    many = edit.randomize_vectors(make_table([0.0] * 1000), 0).vector  # dim d in d .. d + 99,900
    assert (many.min(axis=0) >= np.arange(32)).all() and (many.max(axis=0) <= np.arange(32) + 99_900).all()
    assert np.ptp(many, axis=0).min() > 99_000
    assert abs(np.corrcoef(many[:, 0], many[:, 1])[0, 1]) < 0.2  # dims are drawn apart


def test_randomize_times_in_order() -> None:
    kept = edit.randomize_times(TABLE, 1, keep_order=True)
    assert np.array_equal(kept.vector, TABLE.vector) and np.array_equal(kept.channel, TABLE.channel)
    assert kept.time.tolist() == edit.randomize_times(TABLE, 1).time.tolist()  # the times that are drawn are the same


def test_randomize_vectors_within_own() -> None:
    table = make_table([float(i) for i in range(50)])
    drawn = edit.randomize_vectors(table, 1, within="own")
    assert np.array_equal(drawn.time, table.time) and np.array_equal(drawn.channel, table.channel)
    assert not np.array_equal(drawn.vector, table.vector)
    assert sorted(drawn.vector.tolist()) == sorted(table.vector.tolist())
    assert drawn != edit.randomize_vectors(table, 2, within="own")


def test_randomize_vectors_within_a_normal() -> None:
    rng = np.random.default_rng(0)
    mixing = rng.normal(0, 3, (5, 32))
    vector = rng.normal(7, 1, (400, 5)) @ mixing  # spans 5 of 32 dims
    table = EventTable(make_header(), np.zeros(400), vector)
    drawn = edit.randomize_vectors(table, 1, within="normal").vector.astype(np.float64)
    error = 4 * vector.std(axis=0) / np.sqrt(400)  # of 32 dims none, but once in 500 draws
    assert (np.abs(drawn.mean(axis=0) - vector.mean(axis=0)) < error).all()
    assert np.linalg.norm(np.cov(drawn.T) - np.cov(vector.T)) < 0.25 * np.linalg.norm(np.cov(vector.T))
    assert np.linalg.matrix_rank(drawn - drawn.mean(axis=0), tol=1e-2) == 5  # goes together as it did


@pytest.mark.parametrize("within", ["range", "own", "normal"])
def test_randomize_vectors_of_few_events(within: Within) -> None:
    for n in (0, 1):
        table = make_table([0.5] * n)
        assert edit.randomize_vectors(table, 1, within=within) == table
    with pytest.raises(ValueError, match="range, own, normal"):
        edit.randomize_vectors(TABLE, 1, within="else")  # type: ignore[arg-type]


def test_stretch() -> None:
    long = edit.stretch(TABLE, 2.0)
    assert long.time.tolist() == [1.0, 2.0, 3.0, 4.0] and long.header.n_samples == 2 * TABLE.header.n_samples
    for name in ("attack_log2_s", "decay_log2_s"):
        assert physical(long, name) - physical(TABLE, name) == pytest.approx(1.0, abs=1e-4)  # an octave of seconds
    for name in ("f0_semitones", "glide_semitones", "level_db", "begins", "shape_0"):
        assert np.array_equal(physical(long, name), physical(TABLE, name))
    moved = edit.stretch(reference_table(), 0.5)
    assert moved.time.tolist() == [0.25, 0.5, 0.75] and np.array_equal(moved.vector, reference_table().vector)
    assert edit.stretch(make_table([], n_samples=1), 0.01).header.n_samples == 1
    assert edit.stretch(make_table([], n_samples=0), 2.0).header.n_samples == 0


def test_notes_stretch_with_all_their_times() -> None:
    table = music_table(Event(0.5, 60, 0.25, decay_s=2.0, release_s=0.1))
    longer = edit.stretch(table, 3)
    assert longer.time[0] == pytest.approx(1.5)
    for name, seconds in {"duration": 0.75, "decay_low": 6.0, "release": 0.3, "attack": 0.03}.items():
        assert 2 ** LAYOUTS["music"].physical(longer, f"{name}_log2_s")[0] == pytest.approx(seconds, rel=1e-5)


def test_tones_go_before_the_notes_that_they_mend() -> None:
    notes = [Event(0.5 * i, 60 + i, level_db=-30 - i) for i in range(4)]
    tones = [Event(0.5 * i + 0.1, 72 + i, level_db=-36, tone=True) for i in range(4)]
    table = music_table(*notes, *tones)
    left = edit.keep(table, 4)
    assert not LAYOUTS["music"].tones(left.vector).any() and len(left) == 4


def test_transpose() -> None:
    high = edit.transpose(TABLE, 12.0, timbre="fixed", shape_map=SHAPES)
    assert physical(high, "f0_semitones") - physical(TABLE, "f0_semitones") == pytest.approx(12.0)
    same = np.delete(high.vector == TABLE.vector, [LEVEL, LAYOUTS["speech"].dims["f0_semitones"].index], axis=1)
    assert same.all()  # the level makes up for where harmonics lie
    assert np.array_equal(high.time, TABLE.time) and high.header == TABLE.header


def test_gain() -> None:
    loud = edit.gain(TABLE, 6.0)
    assert level_db(loud) - level_db(TABLE) == pytest.approx(6.0)
    assert level_db(loads(dumps(edit.gain(TABLE, 0.5)))) - level_db(TABLE) == pytest.approx(0.5)  # finer than a step
    assert np.array_equal(loud.vector, TABLE.vector)
    unknown = TABLE.replace(header=replace(TABLE.header, model="music-9"))
    assert edit.gain(unknown, 6.0).amplitude == pytest.approx(loud.amplitude)  # needs no preset's help
    assert edit.gain(reference_table(), 20.0).amplitude.tolist() == [10.0, 0.0, 100.0]


def test_shift() -> None:
    late = edit.shift(TABLE, 1.0)
    assert late.time.tolist() == [1.5, 2.0, 2.5, 3.0] and late.duration_s == 4.0
    early = edit.shift(TABLE, -1.0)
    assert early.time.tolist() == [0.0, 0.5, 1.0] and early.duration_s == 2.0
    assert np.array_equal(early.vector, TABLE.vector[1:])
    gone = edit.shift(TABLE, -9.0)
    assert len(gone) == 0 and gone.header.n_samples == 0


def test_crop() -> None:
    part = edit.crop(TABLE, 1.0, 2.0)
    assert part.time.tolist() == [0.0, 0.5]  # the event at 2.0 s belongs to what follows
    assert part.duration_s == 1.0
    assert edit.crop(TABLE) == TABLE == edit.crop(TABLE, 0.0, 99.0)
    assert edit.crop(TABLE, 2.5).header.n_samples == 22_050


def test_keep_takes_the_events_that_are_missed_most() -> None:
    # alone: loud ones, and long ones
    decay = np.log2([0.1, 0.1, 0.15, 0.1]).tolist()
    table = speech([0, 1, 2, 3], [1, 1, 1, 1], level_db=[-30, -10, -20, -20], decay_log2_s=decay)
    assert edit.keep(table, 0).time.tolist() == []
    assert edit.keep(table, 1).time.tolist() == [1.0]
    assert edit.keep(table, 2).time.tolist() == [1.0, 2.0]
    assert edit.keep(table, 9) == table
    assert edit.keep_percent(table, 26.0).time.tolist() == [1.0, 2.0]
    assert edit.keep_percent(table, 0.0).time.tolist() == []
    assert edit.keep(reference_table(), 2).time.tolist() == [0.5, 1.5]
    # linked: not what a straight line tells as well
    table = speech([0, 0.1, 0.2, 0.3, 0.4], [1, 0, 0, 0, 0], level_db=[-10, -12, -14, -10, -14])
    assert edit.keep(table, 4).time.tolist() == [0, 0.2, 0.3, 0.4]
    # a bend in pitch or spectrum is missed as well
    for name in ("f0_semitones", "shape_3"):
        table = speech([0, 0.1, 0.2, 0.3, 0.4], [1, 0, 0, 0, 0], **{name: [0, 5, 0, 0, 0]})
        assert edit.keep(table, 4).time.tolist() == [0, 0.1, 0.2, 0.4]


@given(st.data())
def test_what_is_kept_is_kept_when_more_is(data: st.DataObject) -> None:
    n = data.draw(st.integers(0, 12))
    time = np.cumsum(data.draw(st.lists(st.sampled_from([0.0, 0.02, 0.1]), min_size=n, max_size=n)))
    numbers = st.lists(st.sampled_from([-60.0, -20.0, -10.0]), min_size=n, max_size=n)
    begins = data.draw(st.lists(st.sampled_from([0, 1]), min_size=n, max_size=n))
    channel = data.draw(st.lists(st.sampled_from([0, 1]), min_size=n, max_size=n))
    table = speech(time.tolist(), begins, channel, level_db=data.draw(numbers), shape_0=data.draw(numbers))
    sizes = [set(edit.keep(table, k).vector[:, NUMBER].tolist()) for k in range(n + 1)]
    assert [len(size) for size in sizes] == list(range(n + 1))
    assert all(fewer < more for fewer, more in pairwise(sizes))


def test_energy() -> None:
    # two channels: a voice of three, then one event alone; an event that begins as the first of its channel
    table = speech(
        [0.5, 0.6, 0.7, 0.9, 2.0],
        [1, 1, 0, 0, 1],
        [0, 1, 0, 0, 0],
        level_db=[-10, -20, -10, -10, 0],
        attack_log2_s=np.log2([0.04, 0.1, 9.0, 9.0, 0.2]).tolist(),
        decay_log2_s=np.log2([9.0, 0.15, 9.0, 0.3, 0.6]).tolist(),
    )
    sounds_s = [0.02 + 0.1, 0.05 + 0.05, 0.1 + 0.1, 0.1 + 0.1, 0.1 + 0.2]
    expected = table_db(sounds_s, [-10, -20, -10, -10, 0])
    assert edit.estimate_energy_db(table) == pytest.approx(expected, abs=1e-3)
    first = table.vector.copy()
    first[:2, BEGINS] = 0
    assert edit.estimate_energy_db(table.replace(vector=first)) == pytest.approx(expected, abs=1e-3)
    together = edit.estimate_energy_db(speech([1, 1, 1], [1, 0, 0]))
    assert together[1] == edit.FLOOR_DB and np.isfinite(together).all()
    assert edit.estimate_energy_db(reference_table()).tolist() == [0.0, -300.0, 20.0]
    assert edit.estimate_energy_db(make_table([])).shape == (0,)


def test_a_voice_that_loses_its_beginning_begins_anew() -> None:
    table = speech([0.0, 0.5, 1.0, 1.5, 2.0, 2.5], [1, 0, 0, 1, 0, 1], level_db=[-30, -20, -40, -30, -10, -10])
    for edited, begins in (
        (edit.crop(table, 0.5), [0, 0, 1, 0, 1]),  # the first begins anyway, and says what it was cut off from
        (edit.crop(table, 0.5, 1.2), [0, 0]),
        (edit.shift(table, -1.7), [1, 1]),
        (edit.shift(table, 1.0), [1, 0, 0, 1, 0, 1]),
        (edit.keep(table, 2), [1, 1]),  # at 2.0, 2.5: else one voice of two
    ):
        assert edited.vector[:, BEGINS].tolist() == begins
        assert loads(dumps(edited)).vector[:, BEGINS].tolist() == begins
    # an event in the middle of a voice may go: those about it are linked then
    assert edit.crop(edit.keep(table, 5)).vector[:, BEGINS].tolist() == [1, 0, 1, 0, 1]
    # the first of its channel begins anyway, and stays as it is
    unsaid = table.replace(vector=np.where(np.arange(32) == BEGINS, 0, table.vector))
    assert edit.keep(unsaid, 6) == unsaid == edit.crop(unsaid)


def test_presets_without_voices_drop_events_alone() -> None:
    assert np.array_equal(edit.crop(reference_table(), 0.7).vector, reference_table().vector[1:])
    unknown = TABLE.replace(header=replace(TABLE.header, model="music-9"))
    assert edit.crop(unknown, 0.7).time.tolist() == edit.shift(unknown, -0.7).time.tolist()


@pytest.mark.parametrize("make", [lambda: make_table([]), lambda: make_table([0.0], n_samples=0)])
def test_edits_of_next_to_nothing(make: Callable[[], EventTable]) -> None:
    table = make()
    for edited in (
        edit.randomize_times(table, 0),
        edit.randomize_vectors(table, 0),
        edit.stretch(table, 2.0),
        edit.transpose(table, 1.0, shape_map=SHAPES),
        edit.gain(table, 1.0),
        edit.shift(table, 1.0),
        edit.keep_percent(table, 50.0),
    ):
        assert loads(dumps(edited)).header == edited.header


# Round trips


@given(st.lists(st.floats(0, 3), min_size=1).map(sorted), st.floats(0.1, 10), st.floats(-50, 50))
@quick
def test_edits_undo_each_other(times: list[float], factor: float, amount: float) -> None:
    table = make_table(times)
    semitones, vector = amount / 3, table.vector.copy()
    vector[:, :4] %= 20  # levels and pitches that stay within what is heard
    table = table.replace(vector=vector)
    for edited in (
        edit.stretch(edit.stretch(table, factor), 1 / factor),
        edit.gain(edit.gain(table, amount), -amount),
        edit.transpose(edit.transpose(table, semitones, shape_map=SHAPES), -semitones, shape_map=SHAPES),
        edit.shift(edit.shift(table, abs(amount)), -abs(amount)),
    ):
        assert len(edited) >= len(table) - times.count(0.0)  # rounding may push an event before 0
        if len(edited) == len(table):
            assert edited.time == pytest.approx(table.time, abs=1e-9)
            assert edited.amplitude == pytest.approx(table.amplitude, rel=1e-5)
            assert edited.vector == pytest.approx(table.vector, rel=1e-5, abs=1e-4)


# Voices


def test_a_voice_is_parted_where_the_soft_events_of_a_pause_are_dropped() -> None:
    level_db = np.array([-10.0, -40.0, -12.0, -20.0, -11.0])
    kept = np.array([True, False, True, False, True])
    assert edit.parted(level_db, kept).tolist() == [False, False, True, False, False]
    assert not edit.parted(level_db, np.ones(5, bool)).any()
    table = speech([0.0, 0.1, 0.105, 0.11, 0.2], [1, 0, 0, 0, 0], level_db=[-10, -12, -40, -12, -11])
    kept = edit.keep(table, 4)
    assert kept.time.tolist() == [0.0, 0.1, 0.11, 0.2]
    assert kept.vector[:, BEGINS].tolist() == [1, 0, 1, 0]


def test_solo_refuses_an_event_that_is_not_there() -> None:
    for index in (4, -1):
        with pytest.raises(SicError, match=f"no event {index}; it has 0 to 3"):
            edit.solo(TABLE, [0, index])
    with pytest.raises(SicError, match="no event 4"):
        edit.solo(TABLE, range(2, 10**15))
    with pytest.raises(SicError, match="it has none"):
        edit.solo(TABLE.select([]), [0])


def test_solo_leaves_all_others_silent_in_their_place() -> None:
    table = TABLE.replace(amplitude=[0.5, 1, 2, 0])
    assert edit.solo(table, [2, 0, 2]) == table.replace(amplitude=[0.5, 0, 2, 0])
    assert edit.solo(table, range(4)) == table
    assert not edit.solo(table, []).amplitude.any()


@given(st.data(), st.floats(1e-4, 100).map(nearest_step))
@quick
def test_links_of_what_is_kept_are_those_of_before(data: st.DataObject, step: float) -> None:
    n = data.draw(st.integers(0, 12))
    times = sorted(data.draw(st.lists(st.floats(0, 3), min_size=n, max_size=n)))
    codes = data.draw(st.lists(st.integers(-1, 1), min_size=n, max_size=n))
    channel = data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    vector = np.zeros((n, 32))
    vector[:, BEGINS] = np.array(codes) * math.ceil(0.51 / step) * step
    vector[:, NUMBER] = np.arange(n) * step
    highest = min(40, int(0.9 * edit.DIP_DB / 1.5 / step))  # no event so soft that its loss parts a voice
    vector[:, 0] = np.array(data.draw(st.lists(st.integers(0, highest), min_size=n, max_size=n))) * step
    table = loads(dumps(EventTable(make_header(channels=3, step=(step,) * 32), times, vector, channel)))
    before = voices(table)
    at = data.draw(st.floats(0, 2.9))
    moved = [BEGINS, ATTACK, LEVEL, *range(SHAPE, 32)]  # by what is left of a voice, to stand for the whole of it
    for edited, changed in (
        (edit.keep(table, data.draw(st.integers(0, n))), moved),
        (edit.crop(table, at), [BEGINS]),
        (edit.shift(table, -at), [BEGINS]),
    ):
        after = voices(loads(dumps(edited)))
        assert after.keys() <= before.keys()
        for i in after:
            for j in after:
                assert (before[i] == before[j]) == (after[i] == after[j])
        number = np.rint(edited.vector[:, NUMBER] / step).astype(int)
        original = table.vector[[np.rint(table.vector[:, NUMBER] / step).tolist().index(k) for k in number]]
        assert np.array_equal(np.delete(edited.vector, changed, 1), np.delete(original.reshape(-1, 32), changed, 1))


def test_what_is_kept_comes_nearest_to_the_whole() -> None:
    # a roof over two halves: its middle stays on the roof, and ends move so that lines pass between what is gone
    time = [0.0, 0.1, 0.2, 0.3, 0.4]
    table = speech(time, [1, 0, 0, 0, 0], shape_3=[0.0, 2.0, 6.0, 4.0, 0.0])
    kept = edit.keep(table, 3)
    assert kept.time.tolist() == [0.0, 0.2, 0.4]
    whole = table.vector[:, SHAPE + 3]
    lines = [np.interp(time, kept.time, v) for v in (kept.vector[:, SHAPE + 3], whole[::2])]
    moved, still = (np.sum((whole - line)[1:4] ** 2) for line in lines)
    assert moved < still
    assert np.array_equal(edit.keep(table, 5).vector, table.vector)


def test_what_came_in_all_the_way_still_does() -> None:
    attack = np.log2([0.1, 0.1, 0.1, 0.05, 0.1])
    table = speech([0.0, 0.1, 0.2, 0.3, 0.4], [1, 0, 0, 0, 0], level_db=[-10] * 5, attack_log2_s=attack.tolist())
    kept = edit.only(table, np.array([True, False, True, False, True]))
    assert np.exp2(physical(kept, "attack_log2_s"))[1:] == pytest.approx([0.2, 0.2], rel=0.7)
    assert (np.exp2(physical(kept, "attack_log2_s"))[1:] >= 0.2).all()
    kept = edit.only(table, np.array([True, True, False, True, False]))
    assert np.exp2(physical(kept, "attack_log2_s"))[2] == pytest.approx(0.05)


@pytest.mark.parametrize("name", ["coded-music", "coded-edges"])
def test_what_keeps_all_changes_nothing(name: str) -> None:
    table = loads((Path(__file__).parents[2] / "formats" / "golden" / f"{name}.sic").read_bytes())
    none = np.zeros(len(table), bool)
    assert edit.keep(table, len(table)) == edit.keep_percent(table, 100) == edit.keep(table, 0, where=none) == table
