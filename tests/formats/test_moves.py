"""Things that are moved and copied."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from note_tables import Event, music_table
from test_edit import NUMBER, physical, speech

from sparsecodec_formats import EventTable, Header, SicError, Voices, dumps, edit, loads

# two voices; numbers in `room` tell events apart
TALK = speech([0.5, 0.7, 1.5, 1.8], [1, 0, 1, 0], level_db=[-20, -25, -20, -30], decay_log2_s=[-4, -4, -4, -3])
FIRST = np.array([True, True, False, False])
NOTES = music_table(Event(0.52, 60, 0.25), Event(0.6, 60.5, 0.2, begins=False), Event(1.03, 72, 0.5))


def voices_of(table: EventTable) -> list[tuple[list[float], list[int]]]:
    """Times and numbers of the events of each voice, in order of time."""
    number = np.rint(table.vector[:, NUMBER] / table.header.step[NUMBER]).astype(int)
    found = [([round(t, 6) for t in table.time[run]], number[run].tolist()) for run in Voices.of(table).runs]
    return sorted(found)


@pytest.mark.parametrize(
    "call",
    [
        lambda: edit.repeat(TALK, 0),
        lambda: edit.repeat(TALK, 10_001),
        lambda: edit.repeat(TALK, 2, every_s=-1),
        lambda: edit.repeat(TALK, 300, every_s=0),
        lambda: edit.jitter(TALK, 1, where=np.array([False, True, False, False])),
        lambda: edit.echo(TALK, -1, -6, 2),
        lambda: edit.echo(TALK, 1, -600, 2),
        lambda: edit.move_to(TALK, -1),
        lambda: edit.quantise_times(TALK, 0),
        lambda: edit.jitter(TALK, float("nan")),
        lambda: edit.shorten_pauses(TALK, -1),
        lambda: edit.shorten_pauses(EventTable.empty(Header(16_000, 1, 9, "reference")), 1),
    ],
)
def test_refuses(call: Callable[[], EventTable]) -> None:
    with pytest.raises(SicError) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_voice_that_is_chosen_in_part_is_named() -> None:
    with pytest.raises(SicError, match=r"event at 0\.500 s .* in part"):
        edit.quantise_times(TALK, 1, where=np.array([False, True, True, True]))


def test_repeats_follow_on_the_same_stream() -> None:
    twice = loads(dumps(edit.repeat(TALK, 2)))
    assert twice.header.streams == 1 and twice.duration_s == 2 * TALK.duration_s
    assert len(Voices.of(twice).runs) == 4
    assert edit.repeat(TALK, 1) == TALK


def test_copies_that_overlap_get_streams_of_their_own() -> None:
    dense = edit.repeat(TALK, 3, every_s=0.1, where=FIRST)
    assert dense.header.streams == 2  # the third copy begins where the first one ends
    assert dense.header.channels == 1 and set(dense.header.noise_numbers) == {0}
    expected = [([round(0.5 + d, 6), round(0.7 + d, 6)], [0, 1]) for d in (0, 0.1, 0.2)] + [([1.5, 1.8], [2, 3])]
    assert voices_of(dense) == sorted(expected)
    assert dense.duration_s == TALK.duration_s


def test_echoes_fade() -> None:
    echoed = edit.echo(TALK, 2.0, -6.0, 2)
    assert echoed.duration_s == pytest.approx(TALK.duration_s + 4)
    amplitude = {round(t, 3): a for t, a in zip(echoed.time, echoed.amplitude, strict=True)}
    for delay, db in ((0, 0), (2, -6), (4, -12)):
        assert 20 * np.log10([amplitude[round(t + delay, 3)] for t in TALK.time]) == pytest.approx(db, abs=1e-4)


def test_what_is_moved_keeps_its_voice() -> None:
    moved = edit.move_to(TALK, 1.6, where=FIRST)
    assert voices_of(moved) == [([1.5, 1.8], [2, 3]), ([1.6, 1.8], [0, 1])]
    assert edit.move_to(TALK, 0.0).time == pytest.approx(TALK.time - 0.5)
    late = edit.move_to(TALK, 10.0, where=FIRST)
    assert late.duration_s == pytest.approx(10.2 + 2**-4, abs=1e-3)


def test_voices_are_moved_to_a_grid() -> None:
    assert edit.quantise_times(TALK, 0.4).time == pytest.approx([0.4, 0.6, 1.6, 1.9])
    assert edit.quantise_times(TALK, 0.4, where=FIRST).time == pytest.approx([0.4, 0.6, 1.5, 1.8])
    assert voices_of(edit.quantise_times(TALK, 2.9)) == [([0.0, 0.2], [0, 1]), ([2.9, 3.2], [2, 3])]
    notes = edit.quantise_times(NOTES, 0.25)
    assert notes.time == pytest.approx([0.5, 0.58, 1.0]) and notes.header.streams == 1
    crowded = edit.quantise_times(TALK, 4.0)
    assert voices_of(crowded) == [([0.0, 0.2], [0, 1]), ([0.0, 0.3], [2, 3])]
    assert crowded.header.streams == 2 and set(crowded.header.noise_numbers) == {0}


def test_jitter() -> None:
    one = edit.jitter(TALK, 0.3, seed=1)
    assert one == edit.jitter(TALK, 0.3, seed=1) != edit.jitter(TALK, 0.3, seed=2)
    assert edit.jitter(TALK, 0.0) == TALK
    drawn = np.array([edit.jitter(TALK, 2.0, seed=seed).time[[0, -1]] for seed in range(40)])
    assert (drawn >= 0).all() and np.ptp(drawn[:, 1]) > 1
    for seed in range(10):
        times = [t for t, _ in voices_of(edit.jitter(TALK, 1.0, seed=seed))]
        assert sorted(round(float(np.ptp(t)), 4) for t in times) == [0.2, 0.3]


def test_notes_are_repeated_with_what_carries_them_on() -> None:
    dense = edit.repeat(NOTES, 3, every_s=0.04)
    assert sorted(len(run) for run in Voices.of(dense).runs) == [1, 1, 1, 2, 2, 2]
    assert np.ptp(physical(dense, "f0_semitones")) == pytest.approx(12)


def test_what_is_chosen_of_a_voice_is_taken_out_of_it() -> None:
    where = np.array([False, True, False, False])
    dense = edit.repeat(TALK, 4, every_s=0.05, where=where)
    alone = [([round(0.7 + 0.05 * i, 6)], [1]) for i in range(4)]
    assert voices_of(dense) == sorted([([0.5], [0]), ([1.5, 1.8], [2, 3]), *alone])
    assert voices_of(edit.move_to(TALK, 2.5, where=where))[-1] == ([2.5], [1])


def test_some_events_are_shifted_among_the_others() -> None:
    assert voices_of(edit.shift(TALK, 0.9, where=FIRST)) == [([1.4, 1.6], [0, 1]), ([1.5, 1.8], [2, 3])]
    assert voices_of(edit.shift(TALK, -0.6, where=FIRST)) == [([0.1], [1]), ([1.5, 1.8], [2, 3])]
    assert edit.shift(TALK, -0.6, where=FIRST).duration_s == TALK.duration_s
    there = edit.shift(TALK, 0.9, where=~FIRST)
    assert edit.shift(there, -0.9, where=there.time > 1).time == pytest.approx(TALK.time)


def pauses_s(table: EventTable) -> list[float]:
    """From the start to the first sound, between sounds, and from the last to the end; what overlaps counts as 0."""
    voices = Voices.of(table)
    runs = sorted((voices.start_s[run].min(), voices.end_s[run].max()) for run in voices.runs)
    ends = np.maximum.accumulate([0.0, *(end for _, end in runs)])
    return np.maximum([*(start for start, _ in runs), table.duration_s] - ends, 0).tolist()


@pytest.mark.parametrize("longest_s", [0.0, 0.1, 0.7, 60.0])
@pytest.mark.parametrize("table", [TALK, NOTES], ids=["speech", "music"])
def test_pauses_are_as_long_as_told_at_most(table: EventTable, longest_s: float) -> None:
    step_s = float(table.header.time_unit)
    before, tight = pauses_s(table), edit.shorten_pauses(table, longest_s)
    shorter = [pause if pause <= longest_s else longest_s for pause in before]
    assert pauses_s(tight)[:-1] == pytest.approx(shorter[:-1], abs=step_s)
    assert sum(pauses_s(tight)) == pytest.approx(sum(shorter), abs=step_s * len(shorter))
    assert [run.tolist() for run in Voices.of(tight).runs] == [run.tolist() for run in Voices.of(table).runs]
    moved = (table.time - tight.time) / step_s
    assert moved == pytest.approx(np.rint(moved)) and (np.diff(moved) > -1e-9).all()  # so files round all of it alike
    assert max(before) > 0.7


def test_what_a_long_pause_kept_apart_does_not_link() -> None:
    far = speech([0.5, 15.0, 15.2], [1, 0, 0])
    tight = loads(dumps(edit.shorten_pauses(far, 0.1)))
    assert voices_of(far) == [([0.5], [0]), ([15.0, 15.2], [1, 2])]
    assert [numbers for _, numbers in voices_of(tight)] == [[0], [1, 2]] and tight.time[1] < 1


def test_silence_without_pauses_is_short() -> None:
    nothing = EventTable.empty(Header(16_000, 1, 32_000))
    assert edit.shorten_pauses(nothing, 0.5).duration_s == pytest.approx(0.5, abs=3e-3)
    assert edit.shorten_pauses(EventTable.empty(Header(16_000, 1, 0)), 0.5).header.n_samples == 0


def test_a_voice_that_went_across_others_comes_back_to_its_stream() -> None:
    there = loads(dumps(edit.shift(TALK, 1.1, where=FIRST)))
    assert there.header.streams == 2 and len(Voices.of(there).runs) == 2
    moved = np.isin(np.rint(there.vector[:, NUMBER] / there.header.step[NUMBER]), [0, 1])
    back = loads(dumps(edit.shift(there, -1.1, where=moved)))
    assert back.header.streams == 1 and voices_of(back) == voices_of(loads(dumps(TALK)))


def test_what_a_file_has_rounded_is_not_lost_before_the_start() -> None:
    unit_s = float(TALK.header.time_unit)
    table = loads(dumps(speech([0, 100 * unit_s, 101 * unit_s], [1, 1, 1])))
    for seconds in (0.4 * unit_s, 0.5 * unit_s, 3.5 * unit_s, 7.3 * unit_s):
        for where in (None, np.ones(3, bool), np.array([True, False, False])):
            there = loads(dumps(edit.shift(table, seconds, where=where)))
            back = loads(dumps(edit.shift(there, -seconds, where=where)))
            assert back.time.tolist() == table.time.tolist()
