"""Events taken out of their voices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from format_strategies import make_header, quick
from hypothesis import given, settings
from hypothesis import strategies as st
from note_tables import Event, music_table

from sparsecodec_formats import EventTable, SicError, dumps, edit, layout_of, loads
from sparsecodec_formats.edit.take import _decay_like
from sparsecodec_formats.presets.voices import Voices


def speech(n: int, in_channel: list[int] | None = None, **physical: list[float]) -> EventTable:
    """Events a tenth of a second apart, on a fine grid; what is not told is 0 in the vector."""
    header = make_header(channels=max(in_channel or [0]) + 1, step=(0.125,) * 32)
    vector = np.zeros((n, 32))
    for name, values in physical.items():
        dim = layout_of(header).dims[name]
        vector[:, dim.index] = (np.array(values) - dim.offset) / dim.scale
    return EventTable(header, 0.1 * np.arange(1, n + 1), vector, in_channel)


def mask(table: EventTable, *rows: int) -> np.ndarray:
    return np.isin(np.arange(len(table)), rows)


def said(table: EventTable, name: str) -> np.ndarray:
    return layout_of(table.header).physical(table, name)


ONE_VOICE = speech(6, begins=[1, 0, 0, 0, 0, 0], f0_semitones=[0, 1, 2, 4, 5, 6],
                   attack_log2_s=np.log2([0.05, 0.04, 0.5, 0.04, 0.02, 0.1]).tolist())  # fmt: skip


@pytest.mark.parametrize("edit_of", [edit.take, edit.drop])
@pytest.mark.parametrize("where", [[1, 2], [True], np.ones((6, 1), bool)])
def test_what_is_no_mask_is_refused(edit_of: Callable[..., EventTable], where: object) -> None:
    with pytest.raises(SicError, match="it must be bool, one for each of 6 events"):
        edit_of(ONE_VOICE, where)
    with pytest.raises(SicError, match="gap is 'shut'; it must be one of keep, close"):
        edit_of(ONE_VOICE, mask(ONE_VOICE, 1), "shut")


def test_what_is_taken_begins_as_it_came_and_fades_as_it_went() -> None:
    taken = edit.take(ONE_VOICE, mask(ONE_VOICE, 1, 2, 4))
    np.testing.assert_allclose(taken.time, [0.2, 0.3, 0.5])
    voices = Voices.of(taken)
    assert voices.begins.tolist() == [True, False, True] and voices.ends.tolist() == [False, True, True]
    # the attacks that were heard: in the voice, none is longer than the gap
    assert voices.attack_s[[0, 2]] == pytest.approx([0.04, 0.02])
    # holds for 60 ms, falls over 40; holds for nothing, falls over all of the 100 ms
    assert voices.decay_s[[1, 2]] == pytest.approx(_decay_like(np.array([0.06, 0.0]), np.array([0.04, 0.1])), rel=1e-6)
    # as fast as it rose to the next event
    assert said(taken, "glide_semitones")[[1, 2]] / voices.decay_s[[1, 2]] == pytest.approx([20.0, 10.0])
    assert said(taken, "glide_semitones")[0] == 0


def test_it_is_so_after_rounding() -> None:
    taken = edit.take(ONE_VOICE, mask(ONE_VOICE, 1, 2, 4))
    assert Voices.of(loads(dumps(taken))).begins.tolist() == [True, False, True]


@given(st.floats(0, 3), st.floats(0, 3))
def test_a_decay_comes_nearest_to_a_fade(holds_s: float, falls_s: float) -> None:
    if holds_s + falls_s < 1e-3:
        return
    found = float(_decay_like(np.array([holds_s]), np.array([falls_s]))[0])
    t = np.linspace(0, 4 * (holds_s + falls_s), 8001)
    fade = np.where(t < holds_s, 1.0, np.clip((holds_s + falls_s - t) / max(falls_s, 1e-9), 0, 1))

    def error(decay_s: float) -> float:
        return float(np.square(fade - np.clip(1 - t / decay_s, 0, None) ** 2).sum())

    assert error(found) <= 1.001 * min(error(found * by) for by in (0.8, 0.9, 0.97, 1.03, 1.1, 1.25)) + 1e-9


def test_events_at_one_time_can_be_parted() -> None:
    table = ONE_VOICE.replace(time=[0.1, 0.2, 0.2, 0.2, 0.3, 0.3])
    taken = edit.take(table, mask(table, 1, 3, 5))
    assert Voices.of(taken).begins.all() and np.isfinite(taken.vector).all()
    low = layout_of(table.header).dims["attack_log2_s"].low
    assert said(taken, "attack_log2_s")[1] == pytest.approx(low)


@quick
@given(st.data())
def test_things_are_the_runs_of_what_is_taken(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 12))
    channel = data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    begins = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    table = speech(n, channel, begins=[float(b) for b in begins])
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    taken = edit.take(table, kept)
    assert np.array_equal(taken.time, table.time[kept]) and np.array_equal(taken.channel, table.channel[kept])
    expected = []
    for i in np.flatnonzero(kept).tolist():
        before = [j for j in range(i) if channel[j] == channel[i]]
        expected.append(not before or begins[i] or not kept[before[-1]])
    assert Voices.of(taken).begins.tolist() == expected
    assert edit.drop(table, ~kept) == taken
    assert edit.take(table, np.ones(n, bool)) == table and len(edit.drop(table, np.ones(n, bool))) == 0


def test_a_voice_closes_its_gap_where_that_is_asked() -> None:
    where = mask(ONE_VOICE, 2, 3)
    assert edit.drop(ONE_VOICE, where, "close") == edit.only(ONE_VOICE, ~where)
    assert Voices.of(edit.drop(ONE_VOICE, where, "close")).begins.tolist() == [True, False, False, False]
    assert Voices.of(edit.drop(ONE_VOICE, where)).begins.tolist() == [True, False, True, False]


def test_notes_keep_silent_neighbours_that_they_come_from_and_go_to() -> None:
    events = [Event(0.2 + 0.2 * i, 60 + 0.5 * i, 0.4, begins=i == 0) for i in range(6)]
    table = music_table(*events, Event(0.3, 80))
    at = {time: i for i, time in enumerate(np.round(table.time, 3).tolist())}
    taken = edit.take(table, mask(table, at[0.6]))
    assert np.round(taken.time, 3).tolist() == [0.4, 0.6, 0.8] and taken.amplitude.tolist() == [0, 1, 0]
    voices = Voices.of(taken)
    assert voices.begins.tolist() == [True, False, False]
    assert voices.attack_s[0] < 1e-3  # it has come in long ago
    # a whole note, and the beginning of one, have none before them
    whole = edit.take(table, mask(table, at[0.3]))
    assert whole == table.select([at[0.3]])
    first = edit.take(table, mask(table, at[0.2]))
    assert np.round(first.time, 3).tolist() == [0.2, 0.4] and first.amplitude.tolist() == [1, 0]


def test_a_note_in_its_midst_keeps_what_its_beginning_said_of_it() -> None:
    table = music_table(*[Event(0.2 + 0.2 * i, 60, 0.4, begins=i == 0, drum=True) for i in range(4)])
    dims = layout_of(table.header).dims
    vector = table.vector.copy()
    vector[0, dims["inharmonicity_log2"].index] = 3
    vector[1:, dims["kind"].index] = 1  # of a linked event it is not heard
    taken = edit.take(table.replace(vector=vector), mask(table, 2))
    assert taken.vector[0, dims["inharmonicity_log2"].index] == 3 and taken.vector[0, dims["kind"].index] == 0


def test_a_note_does_not_go_on_in_another_whose_events_are_gone() -> None:
    table = music_table(
        Event(0.5, 60.0), Event(0.6, 59.2), Event(0.7, 60.6, begins=False),
        Event(0.8, 61.9, begins=False), Event(0.9, 60.4, begins=False), channels=2,
    )  # fmt: skip
    assert [run.tolist() for run in Voices.of(table).runs] == [[0, 2, 3], [1, 4]]
    taken = edit.take(table, mask(table, 0, 1, 4))
    assert np.round(taken.time, 3).tolist() == [0.5, 0.6, 0.7, 0.9] and taken.amplitude.tolist() == [1, 1, 0, 1]
    assert [run.tolist() for run in Voices.of(taken).runs] == [[0, 2], [1, 3]]
    header = taken.header  # both in the channel that they were in, with its noise
    assert [[row[stream] for row in header.stream_gains] for stream in np.unique(taken.channel)] == [[1, 0], [1, 0]]
    assert [header.noise_numbers[stream] for stream in np.unique(taken.channel)] == [0, 0]
    assert [run.tolist() for run in Voices.of(loads(dumps(taken))).runs] == [[0, 2], [1, 3]]
    # moved and copied, too, no event of it is lost
    moved = edit.move_to(table, 1.5, where=mask(table, 0, 1, 4))
    heard = moved.time[moved.amplitude > 0]
    assert np.round(heard, 3).tolist() == [0.7, 0.8, 1.5, 1.6, 1.9]


MELODIES = st.lists(
    st.tuples(st.integers(0, 7), st.sampled_from([False, False, False, True]), st.integers(0, 1), st.booleans()),
    min_size=4,
    max_size=24,
)


@settings(quick, max_examples=300)
@given(MELODIES)
def test_what_is_left_of_notes_goes_on_as_it_did(melody: list[tuple[int, bool, int, bool]]) -> None:
    events = [
        Event(0.1 * i, 60 + 0.5 * step, begins=begins, channel=channel)
        for i, (step, begins, channel, _) in enumerate(melody)
    ]
    table = music_table(*events, channels=2)
    kept = np.array([event[-1] for event in melody])
    taken = edit.take(table, kept)
    row_at = {time: row for row, time in enumerate(table.time.tolist())}
    rows = [row_at[time] for time in taken.time.tolist()]
    assert set(np.flatnonzero(kept)) <= set(rows)
    assert np.array_equal(np.flatnonzero(taken.amplitude), np.flatnonzero(kept[rows]))
    note = Voices.of(table).number
    before, carried = carried_on(table), carried_on(taken)
    for i, row in enumerate(rows):
        if before[row] in rows:
            assert rows[carried[i]] == before[row] and carried[i] >= 0
        else:
            assert carried[i] < 0 or note[rows[carried[i]]] == note[row]


def carried_on(table: EventTable) -> list[int]:
    """The event that each carries on; -1: it begins by itself."""
    before = np.full(len(table), -1)
    for run in Voices.of(table).runs:
        before[run[1:]] = run[:-1]
    return before.tolist()


def test_presets_without_voices_take_rows() -> None:
    table = EventTable(make_header(model="reference"), [0.5, 1.0, 1.5], np.ones((3, 32)))
    assert edit.take(table, mask(table, 1)) == table.select([1])
    assert edit.drop(table, mask(table, 1), "close") == table.select([0, 2])


def test_methods_of_a_table_are_the_functions() -> None:
    where = mask(ONE_VOICE, 1, 2)
    assert ONE_VOICE.take(where) == edit.take(ONE_VOICE, where)
    assert ONE_VOICE.drop(where, "close") == edit.drop(ONE_VOICE, where, "close")


def test_an_expression_takes_out_of_a_table() -> None:
    assert ONE_VOICE.select("2 <= index < 4") == edit.take(ONE_VOICE, mask(ONE_VOICE, 2, 3))
    with pytest.raises(SicError, match="at character 1"):
        ONE_VOICE.select("pich > 3")
