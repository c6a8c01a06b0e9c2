"""Expressions that select events: what is refused, what they mean, and what events say."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
from format_strategies import make_header, make_table, quick
from hypothesis import given
from hypothesis import strategies as st
from note_tables import Event, music_table

from sparsecodec_formats import LAYOUTS, EventTable, SicError, weights_source
from sparsecodec_formats.presets.voices import Voices
from sparsecodec_formats.segments import Segments
from sparsecodec_formats.selection import FIELDS, check, selected
from sparsecodec_formats.selection.grammar import COMPARE, DEEPEST, MOST_CHARACTERS, parse

TABLE = make_table([0.5, 1.0, 1.5, 2.0])


def speech(**physical: list[float]) -> EventTable:
    """Events a tenth of a second apart, from 1 s on; what is not told is 0 in the vector."""
    n = len(next(iter(physical.values())))
    vector = np.zeros((n, 32))
    for name, values in physical.items():
        dim = LAYOUTS["speech"].dims[name]
        vector[:, dim.index] = (np.array(values) - dim.offset) / dim.scale
    return EventTable(make_header(), 1 + 0.1 * np.arange(n), vector)


def rows(table: EventTable, expression: str, voiced: Any = None) -> list[int]:
    return np.flatnonzero(selected(table, expression, voiced)).tolist()


@pytest.fixture(autouse=True)
def without_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_source, "find_has_pitch", None)


# what is refused


@pytest.mark.parametrize(
    ("expression", "place", "words"),
    [
        ("", 1, "the end"),
        ("   ", 4, "the end"),
        ("pitch", 6, "one of < <= > >= == != was expected"),
        ("pitch >", 8, "a number or a field"),
        ("pitch = 3", 7, "one of < <= > >= == !="),
        ("pitch >> 200", 8, "not '>'"),
        ("pitch > 200 level > 3", 13, "'and', 'or' or the end"),
        ("pitch > 200)", 12, "'and', 'or' or the end"),
        ("(pitch > 200", 13, "')'"),
        ("pitch > 200 and", 16, "the end"),
        ("pitch > and", 9, "not 'and'"),
        ("pich > 200", 1, "time, end, level, pitch, duration, attack, channel, index, segment, voiced"),
        ("Pitch > 200", 1, "not 'Pitch'"),
        ("3 < 4", 1, "a comparison with a field"),
        ("voiced == 1", 8, "so or not"),
        ("pitch > voiced", 9, "not 'voiced'"),
        ("pitch > 1e", 10, "not 'e'"),
        ("pitch > 2OO", 10, "not 'OO'"),
        ("pitch > 200; import os", 12, "not ';'"),
        ("__import__('os')", 1, "not '__import__'"),
        ("pitch > ٣", 9, "not '٣'"),
    ],
)
def test_what_is_no_expression_is_refused_with_its_place(expression: str, place: int, words: str) -> None:
    with pytest.raises(SicError) as refused:
        selected(TABLE, expression)
    message = str(refused.value)
    assert f"at character {place}: " in message and words in message and "\n" not in message
    with pytest.raises(SicError):
        check(expression)


@pytest.mark.parametrize("opening", ["(", "not "])
def test_no_text_exhausts_the_stack(opening: str) -> None:
    closing = ")" if opening == "(" else ""
    deep = opening * DEEPEST + "index == 1" + closing * DEEPEST
    assert rows(TABLE, deep) == [1]
    with pytest.raises(SicError, match=f"{DEEPEST} deep"):
        selected(TABLE, opening * (DEEPEST + 1) + "index == 1" + closing * (DEEPEST + 1))
    with pytest.raises(SicError, match=f"{MOST_CHARACTERS} are the most"):
        selected(TABLE, opening * (MOST_CHARACTERS + 1))
    assert rows(TABLE, " or ".join(["index == 2"] * 100)) == [2]


def test_of_a_long_text_the_place_is_shown() -> None:
    with pytest.raises(SicError) as refused:
        selected(TABLE, "index == 1 or " * 100 + "pich > 3" + " or index == 1" * 20)
    assert len(str(refused.value)) < 300 and "pich > 3" in str(refused.value) and "character 1401" in str(refused.value)


@given(st.text(max_size=30) | st.text("pitchlevn ()<>=!.-0123andorot", max_size=40))
def test_any_other_text_is_an_expression_or_is_refused(text: str) -> None:
    try:
        assert selected(TABLE, text).shape == (4,)
    except SicError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("field", sorted({*FIELDS} - {"time", "level", "channel", "index"}))
def test_what_vectors_do_not_tell_is_refused(field: str) -> None:
    table = EventTable(make_header(model="reference"), [0.5, 1.0], np.ones((2, 32)), amplitude=[1.0, 0.1])
    expression = field if field == "voiced" else f"{field} > 0"
    with pytest.raises(SicError, match=f"cannot select by {field}: vectors of preset 'reference' do not tell"):
        selected(table, expression)
    assert rows(table, "level < -10 and time >= 1 and channel == 0 and index == 1") == [1]


def test_a_preset_that_is_not_known_is_refused() -> None:
    with pytest.raises(SicError, match="update sic"):
        selected(EventTable.empty(make_header(model="later")), "time > 1")


@pytest.mark.parametrize("voiced", [[True], [1, 0, 1, 0], np.ones((4, 1), bool)])
def test_a_wrong_mask_of_what_is_voiced_is_refused(voiced: Any) -> None:
    with pytest.raises(SicError, match=r"it must be bool \[4\]"):
        selected(TABLE, "voiced", voiced)


# what expressions mean

NUMBERS = st.integers(-3, 3) | st.floats(-3, 3).map(lambda x: round(x, 2))
OPERANDS = st.sampled_from(["a", "b", "c"]) | NUMBERS
PYTHONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}
PYTHONS["!="] = operator.ne


def trees() -> st.SearchStrategy[Any]:
    """Nested tuples: ("flag",), ("chain", operands, signs), ("not", tree), ("and" or "or", trees)."""
    signs = st.lists(st.sampled_from(sorted(PYTHONS)), min_size=1, max_size=3)
    chain = signs.flatmap(
        lambda some: st.tuples(
            st.just("chain"),
            st.lists(OPERANDS, min_size=len(some) + 1, max_size=len(some) + 1).filter(
                lambda operands: any(isinstance(each, str) for each in operands)
            ),
            st.just(some),
        )
    )
    return st.recursive(
        chain | st.just(("flag",)),
        lambda part: (
            st.tuples(st.just("not"), part)
            | st.tuples(st.sampled_from(["and", "or"]), st.lists(part, min_size=2, max_size=3))
        ),
        max_leaves=12,
    )


BINDS = {"or": 0, "and": 1, "not": 2, "chain": 3, "flag": 3}


def written(tree: Any, spare: bool) -> str:
    """A tree as text, with no more parentheses than it needs, or with some to spare."""

    def part(inner: Any, least: int) -> str:
        text = written(inner, spare)
        return f"({text})" if spare or BINDS[inner[0]] < least else text

    if tree[0] == "flag":
        return "f"
    if tree[0] == "chain":
        return str(tree[1][0]) + "".join(f" {sign} {each}" for sign, each in zip(tree[2], tree[1][1:], strict=True))
    if tree[0] == "not":
        return f"not {part(tree[1], 2)}"
    return f" {tree[0]} ".join(part(inner, BINDS[tree[0]] + 1) for inner in tree[1])


def meant(tree: Any, values: dict[str, float], flag: bool) -> bool:
    """Of one event, one step at a time."""
    if tree[0] == "flag":
        return flag
    if tree[0] == "chain":
        numbers = [values[each] if isinstance(each, str) else each for each in tree[1]]
        if any(np.isnan(numbers)):
            return False
        return all(PYTHONS[sign](x, y) for sign, x, y in zip(tree[2], numbers, numbers[1:], strict=False))
    if tree[0] == "not":
        return not meant(tree[1], values, flag)
    found = [meant(inner, values, flag) for inner in tree[1]]
    return all(found) if tree[0] == "and" else any(found)


@quick
@given(trees(), st.booleans(), st.data())
def test_an_expression_means_what_it_says(tree: Any, spare: bool, data: st.DataObject) -> None:
    value = st.sampled_from([-3.0, -1.0, 0.0, 0.5, 2.0, float("nan")])
    values = {name: np.array(data.draw(st.lists(value, min_size=5, max_size=5))) for name in "abc"}
    flags = np.array(data.draw(st.lists(st.booleans(), min_size=5, max_size=5)))
    found, named = parse(written(tree, spare), "abc", "f")
    assert named <= set("abcf")
    told = found.of({**values, "f": flags})
    assert told.dtype == bool
    for i in range(5):
        assert told[i] == meant(tree, {name: values[name][i] for name in "abc"}, bool(flags[i]))


def test_the_reference_has_all_operators() -> None:
    assert PYTHONS.keys() == COMPARE.keys()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("index < 1 or index > 1 and index < 3", [0, 2]),
        ("(index < 1 or index > 1) and index < 3", [0, 2]),
        ("(index < 2 or index > 2) and index > 0", [1, 3]),
        ("not index < 1 and index < 3", [1, 2]),
        ("not (index < 1 and index < 3)", [1, 2, 3]),
        ("0 < index <= 2", [1, 2]),
        ("time*0", None),
        ("1.5<=time", [2, 3]),
        ("time == 5e-1", [0]),
        ("time > +.75 and index != 3", [1, 2]),
        ("index > -1", [0, 1, 2, 3]),
    ],
)
def test_examples(expression: str, expected: list[int] | None) -> None:
    if expected is None:
        with pytest.raises(SicError):
            selected(TABLE, expression)
    else:
        assert rows(TABLE, expression) == expected


# what events say


def test_a_pitch_of_exactly_110_hz_is_one() -> None:
    """Without weights, a number of 0 says that there has been no pitch yet, and only where there has been none."""
    table = speech(f0_semitones=[0.0, 0.0, 3.0, 0.0, 0.0], begins=[1, 0, 0, 0, 1])
    assert rows(table, "voiced") == [2, 3, 4] and rows(table, "pitch == 110") == [3, 4]
    assert (
        Segments.of(table).number.tolist()
        == Segments.of(table, np.array([False, False, True, True, True])).number.tolist()
    )
    other = table.replace(header=make_header(channels=2), channel=np.array([0, 1, 0, 0, 1]))
    assert rows(other, "voiced") == [2, 3]  # of the other stream nothing is known
    told = np.array([False, True, True, True, True])
    assert rows(table, "pitch == 110", told) == [1, 3, 4]  # weights tell of the first ones, too
    assert rows(speech(f0_semitones=[]), "voiced") == []


def test_what_has_no_pitch_compares_with_nothing() -> None:
    table = speech(f0_semitones=[12.0, 12.0, 24.0], begins=[1, 0, 0])
    voiced = np.array([True, False, True])
    assert rows(table, "pitch > 200", voiced) == [0, 2]
    assert rows(table, "pitch <= 300", voiced) == [0]
    assert rows(table, "pitch != 220", voiced) == [2]
    assert rows(table, "not pitch > 300", voiced) == [0, 1]
    assert rows(table, "voiced", voiced) == [0, 2] and rows(table, "not voiced", voiced) == [1]


def test_weights_are_asked_only_where_they_tell_more(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[EventTable] = []

    def has_pitch(table: EventTable) -> np.ndarray:
        asked.append(table)
        return np.arange(len(table)) == 1

    table = speech(f0_semitones=[12.0, 12.0], begins=[1, 0])
    assert rows(table, "time > 0 and level > -100 and duration > 0", has_pitch) == [0, 1] and not asked
    for expression in ("voiced", "pitch > 0"):
        assert rows(table, expression, has_pitch) == [1] and asked.pop() is table
    assert rows(table, "segment >= 0", has_pitch) == [0, 1] and asked.pop() is table
    notes = music_table(Event(0.5, 69), Event(1.0, 40, drum=True), Event(1.5, 60, tone=True))
    assert rows(notes, "voiced", has_pitch) == [0, 2] and not asked  # a drum has none
    assert rows(notes, "439 < pitch < 441", has_pitch) == [0] and not asked
    monkeypatch.setattr(weights_source, "find_has_pitch", has_pitch)
    assert rows(table, "voiced") == [1] and asked


def test_without_weights_a_pitch_is_one_that_was_found() -> None:
    assert rows(speech(f0_semitones=[0.0, 12.0, 12.0]), "voiced and pitch > 0") == [1, 2]


def test_times_of_speech_are_when_an_event_is_heard() -> None:
    table = speech(begins=[1, 0, 0], attack_log2_s=np.log2([0.02, 0.5, 0.04]).tolist(),
                   decay_log2_s=np.log2([1, 1, 0.5]).tolist())  # fmt: skip
    voices = Voices.of(table)
    assert rows(table, "attack < 0.03") == [0] and rows(table, "0.09 < attack < 0.11") == [1]  # at most the gap
    assert rows(table, "1.69 < end < 1.71") == [2] and rows(table, "end == 1.1") == [0]
    expected = voices.end_s - voices.start_s
    for i in range(3):
        assert rows(table, f"{expected[i] - 1e-6} < duration < {expected[i] + 1e-6}") == [i]


def test_times_of_notes_are_those_of_their_keys() -> None:
    table = music_table(Event(0.5, 60, 0.25), Event(0.75, 60.5, 0.5, begins=False), Event(1.5, 70, 1.0))
    assert rows(table, "duration < 0.3") == [0] and rows(table, "0.7 < end < 0.8") == [0]
    assert rows(table, "1.24 < end < 1.26") == [1] and rows(table, "duration > 0.9 and end > 2.4") == [2]


def test_a_level_is_with_its_amplitude() -> None:
    table = speech(level_db=[-20.0, -20.0, -40.0]).replace(amplitude=[1.0, 0.01, 1.0])
    assert rows(table, "level > -30") == [0] and rows(table, "-40.1 < level < -39.9") == [2]
    assert rows(table.replace(amplitude=[0.0, 1.0, 1.0]), "level < -100") == [0]


def test_segments_and_channels_are_by_number() -> None:
    table = make_table([0.5, 1.0, 1.5, 2.0], [1, 0, 1, 0], channels=2)
    assert rows(table, "channel == 1") == [0, 2]
    number = Segments.of(table).number
    for segment in np.unique(number).tolist():
        assert rows(table, f"segment == {segment}") == np.flatnonzero(number == segment).tolist()


@pytest.mark.parametrize("model", ["speech", "music"])
def test_nothing_selects_nothing(model: str) -> None:
    table = EventTable.empty(make_header(model=model))
    for field in FIELDS:
        assert len(selected(table, field if field == "voiced" else f"{field} > 0")) == 0
