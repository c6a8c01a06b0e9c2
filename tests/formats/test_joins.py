"""Tables one after the other and at once, and things on streams of their own."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from format_strategies import make_header

from sparsecodec_formats import LAYOUTS, EventTable, SicError, dumps, edit, loads, nearest_gain, nearest_step
from sparsecodec_formats.edit import Thing
from sparsecodec_formats.edit.lanes import noise_number
from sparsecodec_formats.presets.voices import Voices

ROOT = Path(__file__).parents[2]
SPEECH = loads((ROOT / "tests" / "data" / "only-person-en.sic").read_bytes())
GOLDEN = {
    name: loads((ROOT / "formats" / "golden" / f"{name}.sic").read_bytes())
    for name in ("coded", "coded-stereo", "shared", "streams", "coded-music")
}
BEGINS = LAYOUTS["speech"].dims["begins"].index


def voice(times: list[float], *, begins: bool = True, level: float = 0.0, **header: object) -> EventTable:
    """Linked events of preset speech; the first begins a voice, or carries one on."""
    vector = np.zeros((len(times), 32))
    vector[:, 0] = level
    vector[:1, BEGINS] = begins
    return EventTable(make_header(**header), times, vector)


def thing(*times: float, begins: bool = True, level: float = 0.0, gain: float = 1.0, noise: int = 0) -> Thing:
    return Thing(voice(list(times), begins=begins, level=level), (gain,), noise)


def runs(table: EventTable) -> list[list[float]]:
    """Times of each voice."""
    return sorted(table.time[rows].tolist() for rows in Voices.of(table).runs)


# things on streams


def test_things_that_come_in_turn_get_streams_of_their_own_and_others_share_one() -> None:
    things = [thing(0.1, 0.3, 0.5), thing(0.2, 0.4), thing(0.6, 0.7), thing(0.45, 0.9)]
    table = edit.arranged(make_header(), things)
    assert table.header.streams == 2 and table.header.channels == 1 and table.header.gains == ((1.0, 1.0),)
    assert table.header.noise == (0, 0)
    assert runs(table) == [[0.1, 0.3, 0.5], [0.2, 0.4], [0.45, 0.9], [0.6, 0.7]]
    assert loads(dumps(table)).header == table.header


def test_things_that_follow_each_other_are_one_stream() -> None:
    table = edit.arranged(make_header(), [thing(0.5, 0.7), thing(0.1, 0.5)])
    assert table.header == make_header() and runs(table) == [[0.1, 0.5], [0.5, 0.7]]


def test_other_gains_or_noise_are_other_streams() -> None:
    half = edit.arranged(make_header(), [thing(0.1), thing(0.2, gain=-1.0), thing(0.3, noise=7)]).header
    assert half.gains == ((1.0, 1.0, -1.0),) and half.noise == (0, 7, 0)


def test_no_more_streams_than_sound_at_once() -> None:
    rng = np.random.default_rng(3)
    starts = rng.uniform(0, 50, 300)
    ends = starts + rng.uniform(0.1, 4, 300)
    table = edit.arranged(make_header(), [thing(*pair) for pair in zip(starts, ends, strict=True)])
    at_once = max(((starts <= start) & (ends > start)).sum() for start in starts)
    assert table.header.streams == at_once
    assert runs(table) == sorted([start, end] for start, end in zip(starts, ends, strict=True))


def test_a_thing_that_does_not_begin_by_itself_is_made_to_or_carries_on() -> None:
    parts = [thing(0.1, 0.2), thing(0.4, 0.5, begins=False)]
    assert runs(edit.arranged(make_header(), parts)) == [[0.1, 0.2], [0.4, 0.5]]
    assert runs(loads(dumps(edit.arranged(make_header(), parts)))) != [[0.1, 0.2, 0.4, 0.5]]
    assert runs(edit.arranged(make_header(), parts, carry_on=True)) == [[0.1, 0.2, 0.4, 0.5]]


def test_more_streams_than_fit_are_refused() -> None:
    assert edit.arranged(make_header(), [thing(0.1, 1.0)] * 255).header.streams == 255
    with pytest.raises(SicError, match="256 streams would be needed"):
        edit.arranged(make_header(), [thing(0.1, 1.0)] * 256)


def test_nothing_at_all_is_silence() -> None:
    assert edit.arranged(make_header(), []) == EventTable.empty(make_header())
    assert edit.arranged(make_header(channels=2), [Thing(voice([]), (1.0, 1.0), 0)]).header.streams == 1


def notes(*events: tuple[float, float, bool]) -> EventTable:
    """Notes of preset music, from time, pitch in semitones re 110 Hz, and whether it begins."""
    dims, vector = LAYOUTS["music"].dims, np.zeros((len(events), 32))
    vector[:, dims["kind"].index] = 1
    vector[:, dims["f0_semitones"].index] = [pitch / 0.1 for _, pitch, _ in events]
    vector[:, dims["begins"].index] = [begins for _, _, begins in events]
    return EventTable(make_header(model="music", statistics=2), [time for time, _, _ in events], vector)


def test_notes_share_a_stream_unless_one_would_carry_on_another() -> None:
    chord = [Thing(notes((0.1, pitch, True), (0.5, pitch + 0.2, False)), (1.0,), 0) for pitch in (0, 4, 7)]
    together = edit.arranged(chord[0].events.header, chord)
    assert together.header.streams == 1 and len(Voices.of(together).runs) == 3
    near = Thing(notes((0.2, 0.2, True)), (1.0,), 0)
    apart = edit.arranged(chord[0].events.header, [*chord, near])
    assert apart.header.streams == 2
    assert runs(apart) == [[0.1, 0.5], [0.1, 0.5], [0.1, 0.5], [0.2]]


def test_a_note_that_is_cut_off_begins_where_another_is_near() -> None:
    parts = [Thing(notes((0.1, 0, True)), (1.0,), 0), Thing(notes((0.5, 0.1, False), (0.9, 0.2, False)), (1.0,), 0)]
    assert runs(edit.arranged(parts[0].events.header, parts)) == [[0.1], [0.5, 0.9]]
    assert runs(edit.arranged(parts[0].events.header, parts, carry_on=True)) == [[0.1, 0.5, 0.9]]


@pytest.mark.parametrize(("number", "seed", "other"), [(0, 0, 5), (3, 2**32 - 1, 0), (2**32 - 1, 77, 78)])
def test_a_noise_number_keeps_the_key(number: int, seed: int, other: int) -> None:
    def key(seed: int, number: int) -> int:
        return seed ^ (number * 0x9E3779B1 % 2**32)

    assert key(other, noise_number(number, seed, other)) == key(seed, number)
    assert noise_number(number, seed, seed) == number


# cat


@pytest.mark.parametrize("name", ["coded", "coded-stereo", "shared", "streams", "coded-music"])
@pytest.mark.parametrize("samples", [1, 7000, 22_051, 11_025 + 64])
def test_cut_and_cat_give_the_whole_back(name: str, samples: int) -> None:
    whole = GOLDEN[name]
    at = samples / whole.header.sample_rate
    parts = [edit.crop(whole, 0, at), edit.crop(whole, at)]
    assert dumps(edit.cat(parts, carry_on=True)) == dumps(whole)
    assert dumps(edit.cat([loads(dumps(part)) for part in parts], carry_on=True)) == dumps(whole)


def test_cut_and_cat_of_speech_between_two_steps_of_time() -> None:
    assert SPEECH.header.sample_rate == 16_000
    whole = SPEECH.replace(header=replace(SPEECH.header, sample_rate=44_100, n_samples=3 * 44_100))
    for samples in range(40_000, 40_256, 16):  # in steps of time: every eighth, some of them halves
        parts = [edit.crop(whole, 0, samples / 44_100), edit.crop(whole, samples / 44_100)]
        saved = [loads(dumps(part)) for part in parts]
        assert dumps(edit.cat(saved, carry_on=True)) == dumps(whole)


def test_cat_is_one_stream_and_one_file_after_the_other() -> None:
    one, other = voice([0.5, 1.0], n_samples=44_100), voice([0.25, 3.0])
    both = edit.cat([one, other, one], gap_s=0.5)
    assert both.header == replace(one.header, n_samples=44_100 * 6)
    assert both.time.tolist() == [0.5, 1.0, 1.75, 4.5, 5.5, 6.0]
    assert runs(both) == [[0.5, 1.0], [1.75, 4.5], [5.5, 6.0]]


def test_voices_of_different_files_link_only_where_they_are_told_to() -> None:
    one, other = voice([0.5, 2.9]), voice([0.25, 1.0], begins=False)
    assert runs(edit.cat([one, other])) == [[0.5, 2.9], [3.25, 4.0]]
    assert runs(loads(dumps(edit.cat([one, other]))))[0] == pytest.approx([0.5, 2.9], abs=2e-3)
    assert runs(edit.cat([one, other], carry_on=True)) == [[0.5, 2.9, 3.25, 4.0]]
    assert runs(edit.cat([one, voice([0.25])], carry_on=True)) == [[0.5, 2.9], [3.25]]


def test_events_after_the_end_of_one_do_not_come_in_turn_with_the_next() -> None:
    both = edit.cat([voice([0.5, 3.5]), voice([0.25, 1.0])])
    assert both.header.streams == 2 and runs(both) == [[0.5, 3.5], [3.25, 4.0]]


def test_cat_of_mono_and_stereo_and_of_other_rates() -> None:
    mono = voice([0.5], sample_rate=16_000, n_samples=16_000, seed=4)
    stereo = EventTable(make_header(channels=2, seed=9), [0.1, 0.2], np.ones((2, 32)), [0, 1])
    both = edit.cat([mono, stereo])
    assert (both.header.sample_rate, both.header.channels, both.header.n_samples) == (44_100, 2, 4 * 44_100)
    assert both.header.gains == ((1.0, 1.0, 0.0), (1.0, 0.0, 1.0)) and both.header.seed == 4
    assert both.channel.tolist() == [0, 1, 2] and both.time.tolist() == [0.5, 1.1, 1.2]
    assert both.header.noise_numbers == (0, noise_number(0, 9, 4), noise_number(1, 9, 4))


# mix


@pytest.mark.parametrize("names", [("coded", "coded-stereo"), ("shared", "streams"), ("coded", "shared", "coded")])
def test_mix_does_not_ask_in_which_order(names: tuple[str, ...]) -> None:
    tables = [GOLDEN[name] for name in names]
    tables[-1] = tables[-1].replace(header=replace(tables[-1].header, seed=3, tags={"b": "", "a": "x"}))
    tables[0] = tables[0].replace(header=replace(tables[0].header, tags={"c": "1", "a": "y"}))
    mixed = edit.mix(tables)
    assert dumps(edit.mix(tables[::-1])) == dumps(mixed)
    assert mixed.header.tags == {"b": "", "c": "1"} and len(mixed) == sum(map(len, tables))


def test_mix_at_offsets_and_levels() -> None:
    one, other = voice([0.5, 1.0]), voice([0.25, 0.75], n_samples=44_100)
    mixed = edit.mix([one, other], offsets_s=[0, 2.5], gains_db=[-6, 3.1])
    assert mixed.header.n_samples == round(3.5 * 44_100) and mixed.time.tolist() == [0.5, 1.0, 2.75, 3.25]
    levels = 20 * np.log10(mixed.amplitude * np.array(mixed.header.gains[0])[mixed.channel])
    np.testing.assert_allclose(levels, [-6, -6, 3.1, 3.1], atol=0.006)
    exact = loads(dumps(mixed))
    np.testing.assert_allclose(exact.amplitude, mixed.amplitude, rtol=1e-6)
    assert edit.mix([one, other], offsets_s=[0, 2.5]).header.streams == 1  # the second comes after the first


@pytest.mark.parametrize("db", [-150.0, -60.1, -0.3, 0.1, 40.0])
def test_a_mix_has_the_levels_it_is_told(db: float) -> None:
    mixed = loads(dumps(edit.mix([voice([0.5], channels=2, gains=((0.0,), (-1.0,)))], gains_db=[db])))
    gain = np.array(mixed.header.gains) * mixed.amplitude
    assert gain[0] == 0 and 20 * np.log10(-gain[1]) == pytest.approx(db, abs=0.006)


@pytest.mark.parametrize("pan", [-1.0, -0.3, 0.0, 0.7, 1.0])
def test_a_pan_keeps_the_power_of_mono(pan: float) -> None:
    mixed = loads(dumps(edit.mix([voice([0.5])], pans=[pan], gains_db=[-3])))
    left, right = np.array(mixed.header.gains)[:, 0] * mixed.amplitude[0]
    assert left**2 + right**2 == pytest.approx(2 * 10**-0.3, rel=3e-3)
    assert np.arctan2(right, left) == pytest.approx((pan + 1) * np.pi / 4, abs=2e-3)


def test_what_is_panned_is_stereo_and_in_the_middle_as_without() -> None:
    one, two = voice([0.5]), voice([0.25, 0.75], channels=2, gains=((1.0,), (nearest_gain(-0.5),)))
    assert edit.mix([one, two], pans=[0, 0]) == edit.mix([one, two])
    sides = edit.mix([one, two], pans=[-1, 1])
    sounding = [sides.amplitude[sides.channel == stream].max() for stream in range(sides.header.streams)]
    heard = np.array(sides.header.gains) * sounding  # [channel, stream]
    np.testing.assert_allclose(sorted(heard.sum(0)), [-np.sqrt(0.5), np.sqrt(2)], atol=2e-3)
    np.testing.assert_allclose(sorted(heard[0]), [0, np.sqrt(2)], atol=2e-3)
    assert edit.mix([one], pans=[0]).header.gains == ((1.0,), (1.0,))
    with pytest.raises(SicError, match="one or two channels, not 3"):
        edit.mix([one, voice([0.5], channels=3, gains=((1.0,), (1.0,), (1.0,)))], pans=[0, 0])


def test_one_table_mixed_is_that_table() -> None:
    for name in ("coded", "coded-stereo", "shared", "coded-music"):
        assert dumps(edit.mix([GOLDEN[name]])) == dumps(GOLDEN[name]) == dumps(edit.cat([GOLDEN[name]]))


def test_steps_and_units_are_such_that_both_fit() -> None:
    one = voice([0.5], step=(1.0,) * 32, time_unit=Fraction(1, 100))
    other = voice([0.25], step=(0.25,) * 32, time_unit=Fraction(1, 75))
    both = edit.mix([one, other]).header
    assert both.step == (0.25,) * 32 and both.time_unit == Fraction(1, 300)
    odd = voice([0.25], begins=True, step=(nearest_step(0.8),) * 32)
    odd = odd.replace(vector=np.where(odd.vector > 0, odd.header.step[0], 0))
    steps = edit.mix([one, odd]).header.step
    assert all(step <= 1 / 8 for dim, step in enumerate(steps) if dim != BEGINS)
    assert runs(loads(dumps(edit.cat([odd, one, odd]))))[0] == pytest.approx([0.25], abs=5e-3)
    assert len(runs(loads(dumps(edit.cat([odd, one, odd]))))) == 3


def test_what_cannot_be_joined_is_refused() -> None:
    one = voice([0.5])
    for other, message in (
        (notes((0.1, 0, True)), "its events are of preset 'music', those before of 'speech'"),
        (one.replace(header=make_header(weights_hash=b"abcd")), "its events are of weights 61626364"),
    ):
        for join in (edit.cat, edit.mix):
            with pytest.raises(SicError, match=message):
                join([one, other])
    assert edit.cat([one, one.replace(header=make_header(weights_hash=bytes(4)))]).header.weights_hash != bytes(4)
    for wrong in (
        {"offsets_s": [1]},
        {"gains_db": [0, 0, 0]},
        {"offsets_s": [0, -1]},
        {"gains_db": [0, 300]},
        {"pans": [0, 1.5]},
        {"pans": [0]},
    ):
        with pytest.raises(SicError):
            edit.mix([one, one], **wrong)
    with pytest.raises(SicError, match="gap cannot be -1"):
        edit.cat([one, one], gap_s=-1)
    for join in (edit.cat, edit.mix):
        with pytest.raises(SicError, match="nothing to join"):
            join([])


def test_reference_is_mixed_where_its_noise_stays() -> None:
    table = EventTable(make_header(model="reference", statistics=0), [0.1, 0.5], np.ones((2, 32)))
    mixed = edit.mix([table, table])
    assert mixed.header.streams == 2 and mixed.rank_in_channel().tolist() == [0, 0, 1, 1]
    with pytest.raises(SicError, match=r"preset 'reference' draws noise by the seed alone, and these differ: \[0, 1\]"):
        edit.mix([table, table.replace(header=replace(table.header, seed=1))])
    assert len(edit.cat([table, table.replace(header=replace(table.header, seed=1))])) == 4


def test_events_of_a_cut_voice_say_that_they_carry_on_where_nothing_is_before() -> None:
    table = voice([0.5, 1.0, 1.5, 2.0])
    later = edit.crop(table, 0.75)
    assert later.vector[:, BEGINS].tolist() == [0, 0, 0] and runs(later) == [[0.25, 0.75, 1.25]]
