"""MIDI files as notes, and notes played on segments: what is refused, and that pitch, level and length are as asked."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import mido
import numpy as np
import pytest
from format_strategies import quick
from hypothesis import given
from hypothesis import strategies as st
from note_tables import Event, little_song, music_table
from shape_support import plain_note_map, plain_shape_map

from sparsecodec_formats import EventTable, Header, Segments, SicError, Voices, layout_of
from sparsecodec_formats.edit.playing import Stroke, played
from sparsecodec_formats.interchange.midi import write_midi
from sparsecodec_formats.interchange.midi_notes import MidiNote, read_midi
from sparsecodec_formats.interchange.notes import notes_of

BEAT = 480  # ticks, which last half a second
ON, OFF = "note_on", "note_off"


def midi_file(*messages: tuple[Any, ...], kind: int = 1, ticks: int = BEAT) -> bytes:
    """Of messages (ticks since the last, type, fields)."""
    file, track = mido.MidiFile(type=kind, ticks_per_beat=ticks), mido.MidiTrack()
    file.tracks.append(track)
    for time, name, fields in messages:
        message = mido.MetaMessage if name == "set_tempo" else mido.Message
        track.append(message(name, time=time, **fields))
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def notes_in(*messages: tuple[Any, ...]) -> list[tuple[float, float, float]]:
    notes, _ = read_midi(io.BytesIO(midi_file(*messages)))
    return [(round(note.onset_s, 6), round(note.offset_s, 6), round(note.midi, 6)) for note in notes]


def key(note: int = 60, velocity: int = 127, channel: int = 0) -> dict[str, int]:
    return {"note": note, "velocity": velocity, "channel": channel}


def speech(rows: Sequence[tuple[float, float, float]], seconds: float = 4.0, channels: int = 1) -> EventTable:
    """A voice of (time, level in dB, semitones re 110 Hz)."""
    header = Header(16_000, channels, round(seconds * 16_000))
    dims = layout_of(header).dims
    vector = np.zeros((len(rows), 32))
    for i, (_, level, semitones) in enumerate(rows):
        for name, value in (("level_db", level), ("attack_log2_s", np.log2(0.02)), ("f0_semitones", semitones)):
            vector[i, dims[name].index] = (value - dims[name].offset) / dims[name].scale
    vector[:1, dims["begins"].index] = 1
    return EventTable(header, [time for time, *_ in rows], vector)


STEADY = speech([(1.0, -23.0, 12.0), (1.1, -20.0, 12.0), (1.2, -23.0, 12.0), (1.3, -26.0, 12.0)])
SONG = music_table(Event(0.5, 60, 0.5), Event(1.5, 72, 0.25), seconds=3)


def play(instrument: EventTable, *strokes: Stroke) -> EventTable:
    shapes = plain_note_map() if instrument.header.model == "music" else plain_shape_map()
    return played(instrument, Segments.of(instrument), strokes, shape_map=shapes)


# what is refused


@pytest.mark.parametrize("data", [b"", b"MThd", b"\x89SIC" * 9, midi_file((0, ON, key()))[:-5], bytes(99)])
def test_what_is_no_midi_file_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(SicError, match=r"\Ais no MIDI file: [^\n]+\Z"):
        read_midi(io.BytesIO(data))


def test_midi_files_of_another_kind_are_refused() -> None:
    with pytest.raises(SicError, match="type 2"):
        read_midi(io.BytesIO(midi_file((0, ON, key()), kind=2)))
    frames = bytearray(midi_file((0, ON, key())))
    frames[12] = 0xE7
    with pytest.raises(SicError, match="frames of film"):
        read_midi(io.BytesIO(frames))


@quick
@given(place=st.integers(0, 60), byte=st.integers(0, 255))
def test_a_damaged_file_is_read_or_refused(place: int, byte: int) -> None:
    data = bytearray(midi_file((0, ON, key()), (BEAT, OFF, key())))
    data[place % len(data)] = byte
    try:
        notes, _ = read_midi(io.BytesIO(data))
    except SicError as error:
        assert "\n" not in str(error)
    else:
        assert all(note.offset_s > note.onset_s for note in notes)


def test_an_instrument_without_a_pitch_is_refused() -> None:
    for table in (speech([(1.0, -20.0, 0.0)]), music_table(Event(1, 40, drum=True)), music_table()):
        with pytest.raises(SicError, match="no segment with a pitch"):
            play(table, Stroke(0, 1, 60, -20))


def test_an_instrument_that_has_no_segments_is_refused() -> None:
    with pytest.raises(SicError, match="reference"):
        Segments.of(EventTable.empty(Header(16_000, 1, 9, "reference")))


# notes of a file


def test_notes_have_their_times_by_the_tempo() -> None:
    assert notes_in((0, ON, key()), (BEAT, OFF, key())) == [(0, 0.5, 60)]
    tempo = (0, "set_tempo", {"tempo": 250_000})
    assert notes_in(tempo, (BEAT, ON, key()), (BEAT, ON, key(velocity=0))) == [(0.25, 0.5, 60)]


def test_bends_count_where_a_note_begins() -> None:
    bend = (0, "pitchwheel", {"pitch": 4096})
    wide = [(0, "control_change", {"control": c, "value": v}) for c, v in ((101, 0), (100, 0), (6, 12), (38, 0))]
    assert notes_in(bend, (0, ON, key()), (BEAT, OFF, key())) == [(0, 0.5, 61)]
    assert notes_in(*wide, bend, (0, ON, key()), (BEAT, OFF, key())) == [(0, 0.5, 66)]
    other = [(0, "control_change", {"control": c, "value": v}) for c, v in ((101, 0), (100, 1), (6, 12))]
    assert notes_in(*other, bend, (0, ON, key()), (BEAT, OFF, key())) == [(0, 0.5, 61)]


def test_the_pedal_holds_notes() -> None:
    down, up = ({"control": 64, "value": value} for value in (127, 0))
    held = [(0, "control_change", down), (0, ON, key()), (BEAT, OFF, key()), (BEAT, "control_change", up)]
    assert notes_in(*held) == [(0, 1, 60)]


def test_a_key_that_is_struck_again_or_never_left_ends_its_note() -> None:
    assert notes_in((0, ON, key()), (BEAT, ON, key()), (BEAT, OFF, key())) == [(0, 0.5, 60), (0.5, 1, 60)]
    assert notes_in((0, ON, key()), (BEAT, ON, key(64)), (BEAT, OFF, key(64))) == [(0, 1, 60), (0.5, 1, 64)]


def test_drums_are_counted_and_left_out() -> None:
    notes, n_drums = read_midi(io.BytesIO(midi_file((0, ON, key(36, channel=9)), (9, OFF, key(36, channel=9)))))
    assert notes == [] and n_drums == 1


def test_velocity_tells_the_level() -> None:
    assert [MidiNote(0, 1, 60, velocity).level_db for velocity in (1.0, 0.5, 0.0)] == [0, -30, -60]


def test_notes_that_were_written_are_read() -> None:
    table, file = little_song(), io.BytesIO()
    write_midi(table, file)
    wanted = sorted(
        (note for note in notes_of(table) if note.drum is None), key=lambda n: (round(n.onset_s, 2), n.midi)
    )
    found, n_drums = read_midi(io.BytesIO(file.getvalue()))
    found.sort(key=lambda n: (round(n.onset_s, 2), n.midi))
    assert len(found) == len(wanted) > 9 and n_drums + len(found) == len(notes_of(table))
    for name, within in (("onset_s", 1e-3), ("offset_s", 1e-3), ("midi", 0.01), ("velocity", 1 / 254 + 1e-9)):
        got, told = ([getattr(note, name) for note in notes] for notes in (found, wanted))
        np.testing.assert_allclose(got, told, atol=within)


# played


@pytest.mark.parametrize("instrument", [STEADY, SONG], ids=["speech", "music"])
@quick
@given(onset_s=st.floats(0.5, 20), duration_s=st.floats(0.1, 12), midi=st.floats(46, 80), level=st.floats(-50, 0))
def test_a_note_has_its_onset_length_pitch_and_level(
    instrument: EventTable, onset_s: float, duration_s: float, midi: float, level: float
) -> None:
    table = play(instrument, Stroke(onset_s, duration_s, midi, level))
    [note] = notes_of(table)
    assert note.onset_s == pytest.approx(onset_s, abs=0.025)
    assert note.midi == pytest.approx(midi, abs=0.1)
    assert 60 * (note.velocity - 1) == pytest.approx(level, abs=0.05)
    ends_s = note.offset_s if table.header.model == "music" else note.offset_s - 0.06
    assert ends_s == pytest.approx(onset_s + duration_s, abs=0.05)  # its decay counts for 42 ms
    assert table.duration_s >= note.offset_s - 1e-3 and table.header.tags == {}
    assert len(Segments.of(table)) == 1 and Voices.of(table).begins.sum() == 1


def test_pitches_go_as_far_from_the_note_as_asked() -> None:
    falling = speech([(1.0, -20.0, 14.0), (1.1, -20.0, 13.0), (1.2, -20.0, 12.0), (1.5, -40.0, 8.0)])
    segments = Segments.of(falling)
    for factor in (0.0, 0.25, 1.0, -1.0):
        table = played(falling, segments, [Stroke(0.5, 0.5, 60, -20)], contour=factor, shape_map=plain_shape_map())
        semitones = layout_of(table.header).physical(table, "f0_semitones")
        assert np.diff(semitones) == pytest.approx(factor * np.array([-1, -1, 0]), abs=1e-4)  # cut before the last
        times = np.linspace(table.time[0], table.time[-1], 501)
        assert np.median(np.interp(times, table.time, semitones)) == pytest.approx(15, abs=0.02)
    with pytest.raises(SicError, match="contour cannot be 11"):
        played(falling, segments, [Stroke(0, 1, 60, -20)], contour=11, shape_map=plain_shape_map())


def test_the_nearest_segment_plays() -> None:
    table = play(SONG, Stroke(1, 1, 62, -20), Stroke(3, 1, 70, -20))
    shape = layout_of(SONG.header).dim("decay_low_log2_s").index
    assert table.vector[:, shape].tolist() == SONG.vector[:, shape].tolist()
    changed = SONG.vector.copy()
    changed[1, shape] = 3
    table = play(SONG.replace(vector=changed), Stroke(1, 1, 62, -20), Stroke(3, 1, 70, -20), Stroke(5, 1, 80, -20))
    assert table.vector[:, shape].tolist() == [changed[0, shape], 3, 3]


def test_what_is_too_soft_or_short_is_no_instrument_if_there_is_another() -> None:
    table = music_table(Event(0.5, 60, 0.5), Event(1.5, 72, 0.5, level_db=-60), seconds=3)
    assert len(play(table, Stroke(0, 1, 72, -20))) == 1
    only_soft = play(table.select([1]), Stroke(0, 1, 72, -20))
    assert notes_of(only_soft)[0].velocity == pytest.approx(40 / 60, abs=0.02)


def test_notes_at_once_are_voices_of_their_own() -> None:
    table = play(STEADY, Stroke(0.5, 1, 57, -20), Stroke(0.7, 1, 60, -20), Stroke(2.5, 1, 64, -20))
    assert table.header.streams == 2 and table.header.gains == ((1.0, 1.0),)
    assert len(set(table.header.noise_numbers)) == 1
    assert [round(note.midi, 1) for note in notes_of(table)] == [57, 60, 64]


def test_a_segment_keeps_its_channel() -> None:
    two = EventTable.joined(
        Header(16_000, 2, 64_000), [STEADY.replace(header=Header(16_000, 2, 64_000), channel=np.ones(4))]
    )
    table = play(two, Stroke(0.5, 1, 57, -20))
    assert [row[table.channel[0]] for row in table.header.stream_gains] == [0.0, 1.0]


def test_no_notes_are_silence() -> None:
    table = play(STEADY)
    assert len(table) == 0 and table.header.n_samples == 0 and table.header.model == "speech"


def test_a_note_of_music_is_played_without_what_its_segment_holds_beside_it() -> None:
    song = music_table(
        Event(0.49, 95, 0.1, level_db=-60),  # an overtone that was found as a note
        Event(0.5, 60, 0.5),
        *(Event(0.5 + 0.01 * i, 124, 0.2, level_db=-40, tone=True) for i in range(20)),
        seconds=3,
    )
    assert len(Segments.of(song)) == 1
    (note,) = notes_of(play(song, Stroke(1.0, 0.25, 67.5, -26.0)))
    assert (note.onset_s, note.offset_s, note.midi) == pytest.approx((1.0, 1.25, 67.5))
