"""`music` in sections: no seams, one ceiling for all, memory that does not grow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from long_sounds import LongSound, duet, joined, written

from sparsecodec_formats import LAYOUTS, EventTable, dumps
from sparsecodec_models import ArraySource, load_codec
from sparsecodec_models.codec import Codec
from sparsecodec_models.music.analysis import pipeline

SECTION_S = 10


@pytest.fixture(scope="module")
def codec() -> Codec:
    return load_codec("music")


@pytest.fixture(autouse=True)
def short_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "SECTION_S", SECTION_S)


def in_one_section(codec: Codec, source: LongSound, monkeypatch: pytest.MonkeyPatch, **options: float) -> EventTable:
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "SECTION_S", 120)
        return codec.encode(source, effort=0, **options)


def tones(table: EventTable) -> EventTable:
    return table.select(LAYOUTS["music"].tones(table.vector))


def assert_in_their_sections(parts: list[EventTable]) -> None:
    for i, part in enumerate(parts[:-1]):
        assert ((part.time >= SECTION_S * i) & (part.time < SECTION_S * (i + 1))).all()
    assert (parts[-1].time >= SECTION_S * (len(parts) - 1)).all()


# notes


@pytest.mark.parametrize("stretch_s, late_s", [(6.0, (0.0,)), (10.0, (0.0, 3.1))])
def test_sections_have_the_notes_of_the_whole(
    codec: Codec, stretch_s: float, late_s: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a stretch ends together with a section."""
    monkeypatch.setattr(pipeline, "STRETCH_S", stretch_s)
    source = duet(15.5, late_s=late_s)
    whole = in_one_section(codec, source, monkeypatch)
    parts = list(codec.encode_parts(source, effort=0))
    assert len(parts) == 2 and all(len(part) > 15 and part.header == whole.header for part in parts)
    assert_in_their_sections(parts)
    table = joined(parts)
    assert table == codec.encode(source, effort=0) and written(parts) == dumps(table)
    rows = [np.column_stack([t.channel, t.vector, t.time]) for t in (whole, table)]
    whole_rows, rows_ = (of[np.lexsort(of.T[::-1])] for of in rows)
    assert np.array_equal(rows_[:, :-1], whole_rows[:, :-1])
    assert np.abs(rows_[:, -1] - whole_rows[:, -1]).max() < 0.05


@pytest.mark.parametrize("place, section", [(220_100, 0), (220_524, 1)])  # the border is at 220,544
def test_a_note_is_in_the_section_where_it_begins(
    codec: Codec, place: int, section: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though found in a stretch that begins where the section ends. On the file's grid, that is: half a unit counts."""
    monkeypatch.setattr(pipeline, "STRETCH_S", 10.0)
    source = duet(15.5)
    find = pipeline._notes_of
    n_found = []

    def earlier(*args: Any) -> tuple[pipeline.Notes, pipeline.Notes]:
        (vector, time), ahead = find(*args)
        n_found.append(len(time))
        return (vector, time - (time[0] - place if args[2].begin else 0)), ahead

    monkeypatch.setattr(pipeline, "_notes_of", earlier)
    parts = list(codec.encode_parts(source, effort=0))
    assert_in_their_sections(parts)
    assert len(n_found) == 2 and len(joined(parts)) == sum(n_found)
    expected = (place, 220_544)[section]
    assert np.abs(parts[section].time * codec.model_rate - expected).min() <= 32


def test_the_fit_goes_on_over_borders(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "STRETCH_S", 6.0)
    source = duet(15.5)
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "SECTION_S", 120)
        whole = codec.encode(source, effort=1)
    parts = list(codec.encode_parts(source, effort=1))
    assert len(parts) == 2 and joined(parts) == whole


def test_a_note_longer_than_what_is_heard_of_it_goes_on(codec: Codec) -> None:
    """As a note more for what is left of it; and it ends where it ends."""
    time = np.arange(24 * 22_050) / 22_050
    tone = sum(np.sin(2 * np.pi * 220 * k * time) / k**2 for k in range(1, 8)) * np.minimum(1, time / 0.05)
    sound = (0.1 * tone * (time < 22.5)).astype(np.float32)
    table = codec.encode(ArraySource(sound, 22_050), effort=0)
    assert len(table) == 2
    second = slice(21 * 22_050, 22 * 22_050)  # after all that is heard when the note begins
    heard = np.concatenate(list(codec.decode(table)))[:, 0]
    assert abs(20 * np.log10(np.std(heard[second]) / np.std(sound[second]))) < 2
    assert np.std(heard[23 * 22_050 :]) < 0.01 * np.std(sound[second])


# rates


@pytest.mark.parametrize("kbps, late_s", [(0.3, (0.0,)), (2.0, (0.0, 3.1))])
def test_a_bitrate_is_a_ceiling_for_all_sections_and_nearly_used(
    codec: Codec, kbps: float, late_s: tuple[float, ...]
) -> None:
    source = duet(26.0, late_s=late_s)
    parts = list(codec.encode_parts(source, bitrate_kbps=kbps, effort=0))
    assert len(parts) == 3 and len({part.header for part in parts}) == 1
    assert_in_their_sections(parts)
    most = 125 * kbps * 26
    assert 0.9 * most < len(written(parts)) <= most
    for n in range(1, len(parts)):  # no more is gone than was meant for the time so far
        assert len(written(parts[:n])) <= 125 * kbps * SECTION_S * n + 60
    assert written(parts) == dumps(joined(parts))


def test_what_is_heard_over_a_border_is_told_once(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notes and tones go on sounding: what follows is found beside them."""
    source = duet(16.0)
    whole = in_one_section(codec, source, monkeypatch, bitrate_kbps=2.0)
    table = codec.encode(source, bitrate_kbps=2.0, effort=0)
    for border_s in (10,):
        near = [t.select(np.abs(t.time - border_s) < 1) for t in (tones(whole), tones(table))]
        assert 0.6 < len(near[1]) / len(near[0]) < 1.6
        levels_db = [
            10
            * np.log10(np.mean(np.square(np.concatenate(list(codec.decode(t, start_s=border_s, end_s=border_s + 1))))))
            for t in (whole, table)
        ]
        assert abs(levels_db[1] - levels_db[0]) < 0.5


def test_a_pause_gives_its_bits_to_what_follows(codec: Codec) -> None:
    """And does not tell how fine the numbers should be."""
    silent = list(codec.encode_parts(duet(18.0, pause_s=11.5), bitrate_kbps=2.0, effort=0))
    played = list(codec.encode_parts(duet(18.0), bitrate_kbps=2.0, effort=0))
    assert len({part.header for part in silent}) == 1 and joined(silent).time[0] > 10
    assert 125 * 2.0 * 9 < len(written(silent)) <= 125 * 2.0 * 18
    after = [table.select(table.time >= 12) for table in (joined(silent), joined(played))]
    assert len(after[0]) > 1.3 * len(after[1])


def test_silence_is_a_table_of_none(codec: Codec) -> None:
    parts = list(codec.encode_parts(duet(15.5, pause_s=15.5), bitrate_kbps=2.0, effort=0))
    assert [len(part) for part in parts] == [0]


def test_so_many_events_a_second_hold_for_all_sections(codec: Codec) -> None:
    parts = list(codec.encode_parts(duet(15.5, late_s=(0.0, 3.1)), events_per_second=1.7, effort=0))
    assert len(parts) == 2 and len(joined(parts)) == int(1.7 * 15.5 * 2)


# cost


@pytest.mark.parametrize("options", [{}, {"bitrate_kbps": 1.0}])
def test_a_recording_is_read_once_for_its_events(codec: Codec, options: dict[str, float]) -> None:
    """And once before, for what it holds below 20 Hz."""
    source, told = duet(15.5), list[float]()
    for _ in codec.encode_parts(source, effort=0, progress=told.append, **options):
        pass
    assert source.n_rewound == 2
    assert told == sorted(told) and 0 < told[0] < 0.8 and told[-1] == 1


def test_what_waits_for_a_section_does_not_grow(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[tuple[int, int, int]] = []
    section = pipeline._Analysis._section

    def watched(self: pipeline._Analysis, begin: int, end: int | None) -> EventTable | None:
        table = section(self, begin, end)
        samples = sum(map(len, self._samples._held))
        held.append((samples, len(self._settled) + len(self._waiting) + len(self._ahead), len(self._latest[0][0])))
        return table

    monkeypatch.setattr(pipeline._Analysis, "_section", watched)
    for _ in codec.encode_parts(duet(55.0), bitrate_kbps=0.8, effort=0):
        pass
    samples, events, latest = np.array(held).T
    assert len(held) == 5 and samples.max() < 45 * codec.model_rate
    assert events.max() < 120 and latest.max() < 400
