"""Segments as labels: nothing is told that is not there, and tiers never overlap."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from format_strategies import quick, tables
from hypothesis import given
from note_tables import Event, little_song, music_table

from sparsecodec_formats import EventTable, Segments, SicError
from sparsecodec_formats.interchange.labels import labels_of, write_labels, write_textgrid


def lines_of(table: EventTable) -> list[list[str]]:
    file = io.BytesIO()
    n = write_labels(table, Segments.of(table), file)
    lines = [line.split("\t") for line in file.getvalue().decode().splitlines()]
    assert len(lines) == n
    return lines


def tiers_of(table: EventTable) -> list[tuple[str, list[tuple[float, float, str]]]]:
    """A TextGrid as Praat reads one: by its numbers and quoted texts, whatever is written before them."""
    file = io.BytesIO()
    write_textgrid(table, Segments.of(table), file)
    text = file.getvalue().decode()
    assert text.startswith('File type = "ooTextFile"\nObject class = "TextGrid"\n')
    said = re.findall(r'"([^"]*)"|(?<![\[\w.])([0-9]+(?:\.[0-9]+)?)(?![\w\]])|(<exists>)', text)
    tokens = iter([quoted or number or flag for quoted, number, flag in said][2:])
    start_s, end_s = float(next(tokens)), float(next(tokens))
    assert start_s == 0 and end_s == pytest.approx(table.duration_s, abs=1e-6) and next(tokens) == "<exists>"
    tiers = []
    for _ in range(int(next(tokens))):
        assert next(tokens) == "IntervalTier"
        name = next(tokens)
        assert (float(next(tokens)), float(next(tokens))) == (start_s, end_s)
        intervals = [(float(next(tokens)), float(next(tokens)), next(tokens)) for _ in range(int(next(tokens)))]
        tiers.append((name, intervals))
    assert next(tokens, None) is None
    return tiers


def test_labels_tell_note_and_kind() -> None:
    lines = lines_of(music_table(Event(0.5, 69, 0.25), Event(1, 57.12, 0.5), Event(1.25, 36, 0.1, drum=True)))
    assert [line[2] for line in lines] == ["A4", "A3+12", "drum"]
    assert [line[0] for line in lines] == ["0.500000", "1.000000", "1.250000"]


def test_what_begins_after_the_end_has_no_label() -> None:
    assert lines_of(music_table(Event(3.5, 60), seconds=3.0)) == []
    [line] = lines_of(music_table(Event(2.5, 60, 9.0), seconds=3.0))
    assert line[1] == "3.000000"


def test_no_events_are_no_tiers() -> None:
    assert tiers_of(music_table()) == []


def test_a_chord_has_a_tier_for_each_note() -> None:
    tiers = tiers_of(music_table(Event(0.5, 60, 1), Event(0.5, 64, 1), Event(2, 67, 0.5)))
    assert len(tiers) == 2 and {name for name, _ in tiers} == {"channel 0"}
    assert sorted(text for _, intervals in tiers for *_, text in intervals if text) == ["C4", "E4", "G4"]


def test_each_stream_has_tiers_of_its_own() -> None:
    assert [name for name, _ in tiers_of(little_song(2))].count("channel 1") > 0


@quick
@given(table=tables())
def test_tiers_cover_all_time_and_hold_each_label_once(table: EventTable) -> None:
    if table.header.model not in ("speech", "music"):
        with pytest.raises(SicError):
            Segments.of(table)
        return
    table = table.replace(header=table.header.__class__(8000, table.header.streams, 480_000, table.header.model))
    labels = labels_of(table, Segments.of(table))
    found = []
    for _, intervals in tiers_of(table):
        assert intervals[0][0] == 0 and intervals[-1][1] == pytest.approx(table.duration_s, abs=1e-6)
        np.testing.assert_array_equal([start for start, *_ in intervals[1:]], [end for _, end, _ in intervals[:-1]])
        found += [interval for interval in intervals if interval[2]]
    assert sorted(found) == sorted((label.start_s, label.end_s, label.text) for label in labels)
