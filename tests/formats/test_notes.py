"""Events as notes: onset, end, pitch, velocity, drum."""

from __future__ import annotations

import json

import numpy as np
import pytest
from format_strategies import make_header, quick, tables
from hypothesis import given
from note_tables import Event, little_song, music_table

from sparsecodec_formats import LAYOUTS, EventTable, SicError
from sparsecodec_formats.interchange.drums import (
    BASS,
    CLOSED_HAT,
    CRASH,
    DRUMS,
    HIGH_TOM,
    LOW_TOM,
    MID_TOM,
    OPEN_HAT,
    SNARE,
    Drum,
    drum_of,
)
from sparsecodec_formats.interchange.notes import (
    event_notes,
    note_name,
    note_name_and_cents,
    note_rows,
    notes_of,
)


def speech_table(*events: tuple[float, float, float], **header: object) -> EventTable:
    """Events of (time, s; pitch, semitones above 110 Hz; begins), attacks of 0.1 s and decays of 0.25 s."""
    dims, vector = LAYOUTS["speech"].dims, np.zeros((len(events), 32))
    for row, (_, f0, begins) in zip(vector, events, strict=True):
        values = {"f0_semitones": f0, "begins": begins, "attack_log2_s": np.log2(0.1), "decay_log2_s": -2.0}
        for name, value in values.items():
            row[dims[name].index] = (value - dims[name].offset) / dims[name].scale
    return EventTable(make_header(**header), [time for time, _, _ in events], vector)


def test_a_plain_note_is_what_its_event_says() -> None:
    (note,) = notes_of(music_table(Event(0.5, 60.1, 0.75, level_db=-30, channel=1), channels=2))
    assert (note.onset_s, note.channel, note.event, note.drum) == (0.5, 1, 0, None)
    assert note.offset_s == pytest.approx(1.25, abs=1e-6)  # the key's release, not the end of the sound
    assert note.midi == pytest.approx(60.1, abs=1e-5)
    assert note.velocity == pytest.approx(0.5, abs=1e-6)


def test_linked_events_are_one_note() -> None:
    """Its pitch is that of most of its time, its velocity that of its loudest event."""
    table = music_table(
        Event(0.0, 60.0, 9.0, level_db=-42),
        Event(0.1, 72.0, 0.2),
        Event(0.1, 60.6, 9.0, level_db=-24, begins=False),
        Event(0.5, 60.2, 0.2, level_db=-36, begins=False),
    )
    long, short = notes_of(table)
    assert (long.event, short.event) == (0, 1)
    assert (long.onset_s, long.offset_s) == (0.0, pytest.approx(0.7, abs=1e-6))
    assert long.midi == pytest.approx(60.6, abs=1e-5) and long.velocity == pytest.approx(0.6, abs=1e-6)
    assert short.midi == pytest.approx(72) and short.offset_s == pytest.approx(0.3)
    apart = event_notes(table)
    assert [(note.onset_s, round(note.offset_s, 6), round(note.midi, 4)) for note in apart if note] == [
        (0.0, 0.1, 60.0), (0.1, 0.3, 72.0), (0.1, 0.5, 60.6), (0.5, 0.7, 60.2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("level_db", "amplitude", "velocity"),
    [(-60, 1, 0), (-90, 1, 0), (0, 1, 1), (12, 1, 1), (-15, 1, 0.75), (-15, 0.1, 0.75 - 20 / 60), (-60, 10, 20 / 60)],
)
def test_velocity_goes_with_the_level(level_db: float, amplitude: float, velocity: float) -> None:
    (note,) = notes_of(music_table(Event(0, 60, level_db=level_db, amplitude=amplitude, noise_db=-90)))
    assert note.velocity == pytest.approx(velocity, abs=1e-6)


def test_noise_counts_for_the_velocity() -> None:
    loud, soft = (notes_of(music_table(Event(0, 60, level_db=-40, noise_db=db)))[0].velocity for db in (20, -60))
    assert (loud - soft) * 60 == pytest.approx(10 * np.log10(101), abs=1e-3)


def test_what_is_silent_or_after_the_end_is_no_note() -> None:
    table = music_table(Event(0.0, 60, amplitude=0.0), Event(2.9, 62, 1.0), Event(3.0, 64))
    (note,) = notes_of(table)
    assert (note.event, note.offset_s) == (1, 3.0)  # and none goes on after it


def test_a_tone_is_no_note_but_has_a_pitch() -> None:
    table = music_table(Event(0.5, 60), Event(0.6, 72.5, tone=True, noise_db=30))
    assert [note.event for note in notes_of(table)] == [0]
    by_itself = event_notes(table)[1]
    assert by_itself is not None and by_itself.drum is None
    assert (by_itself.midi, by_itself.velocity) == pytest.approx((72.5, 2 / 3), abs=1e-4)


def test_a_drum_is_named_by_its_modes_and_noise() -> None:
    bass, hat = notes_of(music_table(Event(0.0, 33, drum=True), Event(0.1, 90, drum=True, noise_db=15, noise_s=0.1)))
    assert (bass.drum, hat.drum) == (BASS, CLOSED_HAT)
    assert bass.midi == pytest.approx(33) and hat.midi == pytest.approx(90, abs=1e-5)


@pytest.mark.parametrize(
    ("f0_hz", "noise_db", "noise_t60_s", "drum"),
    [
        (55, -30, 0.1, BASS), (55, 0, 0.1, BASS), (55, 3, 0.1, SNARE), (110, -30, 0.1, LOW_TOM),
        (150, -30, 0.1, MID_TOM), (300, -30, 0.1, HIGH_TOM), (190, 0, 0.3, SNARE), (190, 20, 2, SNARE),
        (900, 20, 0.1, CLOSED_HAT), (900, 20, 0.5, OPEN_HAT), (900, 0, 2, CRASH),
    ],
)  # fmt: skip
def test_known_drums(f0_hz: float, noise_db: float, noise_t60_s: float, drum: Drum) -> None:
    assert drum_of(f0_hz, noise_db, noise_t60_s) == drum


def test_each_drum_has_a_key_and_a_name_of_its_own() -> None:
    assert len({drum.key for drum in DRUMS}) == len({drum.name for drum in DRUMS}) == len(DRUMS)
    assert max(len(drum.name) for drum in DRUMS) <= 8


def test_a_voice_of_speech_is_a_note() -> None:
    table = speech_table((0.5, 2.0, 1), (1.0, 7.0, 0), (1.1, 2.0, 0), (2.0, 5.0, 1))
    first, second = notes_of(table)
    assert first.onset_s == pytest.approx(0.45) and second.onset_s == pytest.approx(1.95)  # half-way up
    assert first.offset_s == pytest.approx(1.35) and second.offset_s == pytest.approx(2.25)
    assert (first.midi, second.midi) == (pytest.approx(47), pytest.approx(50))  # where it is for longest
    assert first.velocity == pytest.approx(0.5) and (first.event, second.event) == (0, 3)
    assert first.drum is None is second.drum


def test_a_voice_that_is_never_voiced_is_no_note() -> None:
    (note,) = notes_of(speech_table((0.5, 0.0, 1), (1.0, 0.0, 1), (1.2, 3.0, 0)))
    assert (note.event, note.midi) == (1, pytest.approx(48))


def test_an_attack_before_the_start_begins_with_it() -> None:
    assert notes_of(speech_table((0.0, 1.0, 1)))[0].onset_s == 0


def test_presets_without_links_have_no_notes_and_unknown_ones_are_refused() -> None:
    vector = np.ones((2, 32))
    reference = EventTable(make_header(model="reference"), [0.0, 0.1], vector)
    assert notes_of(reference) == [] and event_notes(reference) == [None, None]
    with pytest.raises(SicError, match="not known"):
        notes_of(EventTable(make_header(model="music-9"), [0.0, 0.1], vector))


def test_notes_are_in_order_of_their_onsets() -> None:
    for channels in (1, 2):
        notes = notes_of(little_song(channels))
        assert len(notes) == 40
        assert [note.onset_s for note in notes] == sorted(note.onset_s for note in notes)
        assert sum(note.drum is not None for note in notes) == 20


def test_rows_have_their_keys() -> None:
    bass, note = note_rows(notes_of(music_table(Event(0.0, 33, drum=True), Event(0.5, 60.25, level_db=-30))))
    assert note == {
        "onset_s": 0.5, "offset_s": 0.75, "midi": 60.25, "velocity": pytest.approx(0.5, abs=1e-6), "drum": False,
        "channel": 0, "event": 1,
    }  # fmt: skip
    assert list(bass) == list(note) and bass["drum"] is True


@pytest.mark.parametrize(
    ("midi", "name"),
    [(60, "C4"), (69.12, "A4+12"), (68.97, "A4-3"), (21, "A0"), (108.5, "C#8-50"), (54, "F#3"), (59.4, "B3+40")],
)
def test_names_of_notes(midi: float, name: str) -> None:
    assert note_name_and_cents(midi) == name
    assert name.startswith(note_name(midi))


@given(tables())
@quick
def test_any_table_has_notes_that_json_can_tell(table: EventTable) -> None:
    for model in LAYOUTS:
        some = EventTable(make_header(model=model, channels=255), table.time, table.vector, table.channel)
        rows = json.loads(json.dumps(note_rows(notes_of(some)), allow_nan=False))
        assert len(rows) <= len(some)
        for row in rows:
            assert 0 <= row["onset_s"] <= row["offset_s"] <= some.duration_s and 0 <= row["velocity"] <= 1
            assert 0 < row["midi"] < 128 and row["channel"] == some.channel[row["event"]]
