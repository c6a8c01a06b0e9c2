"""Which events carry on which, and when each sounds."""

from __future__ import annotations

import numpy as np
import pytest
from format_strategies import make_header
from hypothesis import given
from hypothesis import strategies as st
from note_tables import Event, music_table

from sparsecodec_formats import LAYOUTS, EventTable, SicError, Voices
from sparsecodec_formats.presets.voices import LONGEST_LINK_S

DIMS = LAYOUTS["speech"].dims


def table_of(
    time_s: list[float], begins: list[float], channel: list[int] | None = None, model: str = "speech", **values: float
) -> EventTable:
    """Events with these values of `begins`, and the same physical values for all."""
    vector = np.zeros((len(time_s), 32))
    for name, value in values.items():
        vector[:, DIMS[name].index] = (value - DIMS[name].offset) / DIMS[name].scale
    vector[:, DIMS["begins"].index] = begins
    return EventTable(make_header(channels=2, model=model), time_s, vector, channel)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(SicError, match="not known"):
        Voices.of(table_of([0.0], [1], model="music-9"))


def test_an_empty_table_has_no_voices() -> None:
    voices = Voices.of(table_of([], []))
    assert voices.runs == [] and len(voices.begins) == 0 == len(voices.number)


def test_linked_events_form_voices_channel_by_channel() -> None:
    voices = Voices.of(table_of([0.0, 0.1, 0.2, 0.3, 0.4], [1, 1, 0, 0, 1], [0, 1, 0, 1, 0]))
    assert voices.linked
    assert voices.order.tolist() == [0, 2, 4, 1, 3]
    assert voices.begins.tolist() == [True, True, False, False, True]
    assert voices.ends.tolist() == [False, False, True, True, True]
    assert [run.tolist() for run in voices.runs] == [[0, 2], [4], [1, 3]]
    assert voices.number.tolist() == [0, 2, 0, 2, 1]
    np.testing.assert_allclose(voices.gap_s, [np.inf, np.inf, 0.2, 0.2, 0.2])
    np.testing.assert_allclose(voices.next_s, [0.2, 0.2, np.inf, np.inf, np.inf])


def test_a_channels_first_event_begins_whatever_it_says() -> None:
    assert Voices.of(table_of([0.0, 0.1], [0, 0])).begins.tolist() == [True, False]


@pytest.mark.parametrize(("says", "begins"), [(0.5, False), (0.51, True), (-3.0, False), (40.0, True)])
def test_an_event_begins_by_itself_above_one_half(says: float, begins: bool) -> None:
    assert Voices.of(table_of([0.0, 0.1], [1, says])).begins[1] == begins


@pytest.mark.parametrize(("beyond", "begins"), [(-0.001, False), (0.0, False), (0.001, True)])
def test_no_link_is_longer_than_ten_seconds(beyond: float, begins: bool) -> None:
    assert Voices.of(table_of([1.0, 1.0 + LONGEST_LINK_S + beyond], [1, 0])).begins[1] == begins


def test_fades_are_those_of_the_decoder() -> None:
    longest = Voices.of(table_of([0.0, 9.0], [1, 0], attack_log2_s=5.0, decay_log2_s=5.0))
    assert longest.attack_s.tolist() == [4.0, 4.0] and longest.decay_s.tolist() == [4.0, 4.0]
    shortest = Voices.of(table_of([0.0, 9.0], [1, 0], attack_log2_s=-20.0, decay_log2_s=-20.0))
    assert shortest.attack_s.tolist() == [2.0**-10] * 2 == shortest.decay_s.tolist()
    linked = Voices.of(table_of([0.0, 0.25], [1, 0], attack_log2_s=1.0))
    assert linked.attack_s == pytest.approx([2.0, 0.25])  # no longer than the gap
    assert linked.comes_whole.tolist() == [False, True]
    assert Voices.of(table_of([0.0, 9.0], [1, 0], attack_log2_s=5.0)).comes_whole.tolist() == [False, False]


def test_when_events_sound() -> None:
    voices = Voices.of(table_of([1.0, 1.5, 3.0], [1, 0, 1], attack_log2_s=-2.0, decay_log2_s=-1.0))
    np.testing.assert_allclose(voices.start_s, [0.75, 1.25, 2.75])
    np.testing.assert_allclose(voices.end_s, [1.5, 2.0, 3.5])
    np.testing.assert_allclose(voices.sounding_s, [0.125 + 0.25, 0.25 + 0.5 / 3, 0.125 + 0.5 / 3])


def test_pitch_is_within_what_the_decoder_takes() -> None:
    for semitones, hz in ((0.0, 110.0), (12.0, 220.0), (99.0, 1760.0), (-99.0, 110 * 2 ** (-17.5 / 12))):
        assert Voices.of(table_of([0.0], [1], f0_semitones=semitones)).f0_hz[0] == pytest.approx(hz)


def test_a_preset_without_links_has_a_voice_for_each_event() -> None:
    voices = Voices.of(table_of([0.0, 0.1, 0.1], [0, 0, 0], model="reference"))
    assert not voices.linked and voices.begins.all() and voices.ends.all()
    assert voices.number.tolist() == [0, 1, 2] and np.isnan(voices.attack_s).all()


@given(
    st.lists(
        st.tuples(st.floats(0, 60), st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 1), st.floats(-12, 12)),
        max_size=12,
    )
)
def test_voices_part_the_events_of_any_table(events: list[tuple[float, float, int, float]]) -> None:
    time_s, begins, channel, attack = (
        (list(column) for column in zip(*sorted(events), strict=True)) if events else [[]] * 4
    )
    table = table_of(time_s, begins, channel)
    vector = table.vector.copy()
    vector[:, DIMS["attack_log2_s"].index] = attack
    voices = Voices.of(table.replace(vector=vector))
    assert sorted(row for run in voices.runs for row in run.tolist()) == list(range(len(events)))
    for run in voices.runs:
        assert voices.begins[run].tolist() == [True] + [False] * (len(run) - 1)
        assert voices.ends[run].tolist() == [False] * (len(run) - 1) + [True]
        assert len(set(table.channel[run].tolist())) == 1 == len(set(voices.number[run].tolist()))
    assert (voices.start_s <= table.time).all() and (table.time <= voices.end_s).all()
    assert np.isfinite(voices.sounding_s).all() and (voices.sounding_s >= 0).all()


# notes, which are linked by pitch


def notes_of(*events: tuple[float, float, float], **values: float) -> EventTable:
    """Events of (time, s; pitch, semitones; begins), all in one channel."""
    dims, vector = LAYOUTS["music"].dims, np.zeros((len(events), 32))
    for row, (_, pitch, begins) in zip(vector, events, strict=True):
        for name, value in {**values, "f0_semitones": pitch, "begins": begins}.items():
            row[dims[name].index] = (value - dims[name].offset) / dims[name].scale
    return EventTable(make_header(model="music"), [time for time, _, _ in events], vector)


def test_a_linked_event_carries_on_the_note_of_its_pitch() -> None:
    voices = Voices.of(notes_of((0.0, 0, 1), (0.1, 7, 1), (0.2, 0.4, 0), (0.3, 7, 0), (0.4, 0.5, 0)))
    assert [run.tolist() for run in voices.runs] == [[0, 2, 4], [1, 3]]
    assert voices.ends.tolist() == [False, False, False, True, True]
    np.testing.assert_allclose(voices.gap_s[[2, 3, 4]], [0.2, 0.2, 0.2])


def test_a_note_that_nothing_near_is_sounding_for_begins() -> None:
    assert Voices.of(notes_of((0.0, 0, 1), (0.1, 4, 0), (11.0, 0, 0))).begins.all()


@pytest.mark.parametrize(("gap_s", "begins"), [(2.0, False), (2.0 + 1 / 22050, True)])
def test_no_note_is_carried_on_after_two_seconds(gap_s: float, begins: bool) -> None:
    assert Voices.of(notes_of((1.0, 0, 1), (1.0 + gap_s, 0, 0))).begins[1] == begins


def test_no_note_goes_on_over_a_whole_minute() -> None:
    """So what is heard in a minute is the same whether or not what was before is known."""
    times = np.arange(0.5, 200.0, 0.25)
    table = notes_of(*((time, 0.1 * (i % 7), 0) for i, time in enumerate(times)))
    voices = Voices.of(table)
    assert [run.tolist() for run in voices.chains] == [np.flatnonzero(times // 60 == m).tolist() for m in range(4)]
    later = Voices.of(table.select(times >= 60))
    assert np.array_equal(later.begins, voices.begins[times >= 60])


def test_chains_are_the_voices_of_several_events() -> None:
    voices = Voices.of(notes_of((0.0, 0, 1), (0.1, 7, 1), (0.2, 0.4, 0), (0.3, 20, 1), (0.4, 0.5, 0)))
    assert [run.tolist() for run in voices.chains] == [[0, 2, 4]]
    assert voices.chains[0].tolist() in [run.tolist() for run in voices.runs]


def test_of_two_notes_of_one_pitch_the_later_one_goes_on() -> None:
    assert [run.tolist() for run in Voices.of(notes_of((0.0, 0, 1), (0.1, 0, 1), (0.2, 0, 0))).runs] == [[0], [1, 2]]


def test_a_note_sounds_from_its_time_to_the_end_of_its_release() -> None:
    voices = Voices.of(notes_of((1.0, 0, 1), (1.5, 0, 0), duration_log2_s=-1, release_log2_s=-3, decay_low_log2_s=6))
    np.testing.assert_allclose(voices.start_s, [1.0, 1.5])
    np.testing.assert_allclose(voices.end_s, [1.5, 2.0 + 0.125])
    np.testing.assert_allclose(voices.sounding_s, [0.5, 0.5])


def test_a_tone_carries_on_nothing_and_nothing_carries_it_on() -> None:
    tone = Event(0.5, 60, duration_s=0.3, begins=False, tone=True)
    voices = Voices.of(music_table(Event(0.0, 60), tone, Event(1.0, 60, begins=False)))
    assert [run.tolist() for run in voices.runs] == [[0, 2], [1]]
    assert (voices.start_s[1], voices.end_s[1]) == pytest.approx((0.5, 0.8))
