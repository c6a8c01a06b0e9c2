"""Notes as a MIDI file, read back by mido."""

from __future__ import annotations

import io
from collections import defaultdict
from dataclasses import dataclass

import mido
import numpy as np
import pytest
from format_strategies import make_header, quick, tables
from hypothesis import given
from note_tables import Event, little_song, music_table

from sparsecodec_formats import EventTable, SicError
from sparsecodec_formats.interchange.drums import BASS
from sparsecodec_formats.interchange.midi import DRUM_CHANNEL, LAST_TICK, TICKS_PER_BEAT, write_midi
from sparsecodec_formats.interchange.notes import notes_of


@dataclass(frozen=True)
class Read:
    """A note as a player hears it: seconds, semitones, 1 … 127; track: of the file; channel: of MIDI."""

    onset_s: float
    offset_s: float
    midi: float
    velocity: int
    track: int
    channel: int


def file_of(table: EventTable, **options: float) -> mido.MidiFile:
    out = io.BytesIO()
    n_notes = write_midi(table, out, **options)
    assert n_notes == len(notes_of(table))
    out.seek(0)
    return mido.MidiFile(file=out)


def played(file: mido.MidiFile) -> list[Read]:
    """All tracks together, as a player merges them; whatever order it takes at one tick must not matter."""
    results = []
    for tracks in (list(enumerate(file.tracks)), list(enumerate(file.tracks))[::-1]):
        messages = []
        for i, track in tracks:
            now = 0
            for message in track:
                now += message.time
                messages.append((now, i, message))
        messages.sort(key=lambda m: m[0])
        results.append(sorted(_played(messages, file.ticks_per_beat), key=lambda n: (n.onset_s, n.channel, n.midi)))
    assert results[0] == results[1]
    return results[0]


def _played(messages: list[tuple[int, int, mido.Message]], ticks_per_beat: int) -> list[Read]:
    tempo = next(message.tempo for _, _, message in messages if message.type == "set_tempo")
    second = 1e6 / tempo * ticks_per_beat
    bend: dict[int, float] = defaultdict(float)
    ranges: dict[int, dict[int, int]] = defaultdict(dict)
    sounding: dict[tuple[int, int], list[tuple[float, int, float]]] = defaultdict(list)
    out = []
    for tick, track, message in messages:
        match message.type:
            case "control_change":
                ranges[message.channel][message.control] = message.value
            case "pitchwheel":
                assert ranges[message.channel] == {101: 0, 100: 0, 6: 2, 38: 0}
                assert not any(held for (channel, _), held in sounding.items() if channel == message.channel)
                bend[message.channel] = 2 * message.pitch / 8192
            case "note_on":
                key = message.channel, message.note
                assert message.channel == DRUM_CHANNEL or not sounding[key], "its end would end the other"
                sounding[key].append((tick / second, message.velocity, message.note + bend[message.channel]))
            case "note_off":
                onset_s, velocity, midi = sounding[message.channel, message.note].pop(0)
                out.append(Read(onset_s, tick / second, midi, velocity, track, message.channel))
    assert not any(sounding.values())
    return out


def test_a_known_note() -> None:
    file = file_of(music_table(Event(0.5, 60.25, 0.75, level_db=-30), seconds=2.0))
    assert (file.type, file.ticks_per_beat, file.length) == (1, 480, pytest.approx(2.0))
    head, track = file.tracks
    assert [message.type for message in head] == ["set_tempo", "end_of_track"] and head[0].tempo == 500_000
    assert [str(message) for message in track if not message.is_meta] == [
        "control_change channel=0 control=101 value=0 time=0",
        "control_change channel=0 control=100 value=0 time=0",
        "control_change channel=0 control=6 value=2 time=0",
        "control_change channel=0 control=38 value=0 time=0",
        "pitchwheel channel=0 pitch=1024 time=480",
        "note_on channel=0 note=60 velocity=64 time=0",
        "note_off channel=0 note=60 velocity=64 time=720",
    ]
    assert track[0].name == "channel 0"


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("tempo_bpm", [120.0, 97.3, 4.0, 1000.0])
def test_a_song_comes_back_within_a_tick_and_a_cent(channels: int, tempo_bpm: float) -> None:
    table = little_song(channels)
    tick_s = 60 / tempo_bpm / TICKS_PER_BEAT
    wanted, read = notes_of(table), played(file_of(table, tempo_bpm=tempo_bpm))
    assert len(read) == len(wanted) == 40
    drums = [note for note in read if note.channel == DRUM_CHANNEL]
    assert sorted(n.midi for n in drums) == sorted(n.drum.key for n in wanted if n.drum)
    rest = [note for note in read if note.channel != DRUM_CHANNEL]
    for note in (note for note in wanted if note.drum is None):
        near = [r for r in rest if abs(r.midi - note.midi) <= 0.01 and abs(r.onset_s - note.onset_s) <= tick_s]
        assert len(near) == 1
        # a note is a tick long at least, and ends before the next of its key
        assert near[0].offset_s == pytest.approx(note.offset_s, abs=1.01 * tick_s)
        assert near[0].velocity == max(1, round(127 * note.velocity))
        assert near[0].track == 1 + note.channel
        rest.remove(near[0])
    assert rest == []


def test_notes_with_different_bends_sound_together_on_channels_of_their_own() -> None:
    events = [Event(0.01 * i, 60 + 0.1 * i - 0.4, 1.0) for i in range(9)]
    read = played(file_of(music_table(*events)))
    assert len({note.channel for note in read}) == 9
    assert [note.midi for note in read] == pytest.approx([59.6 + 0.1 * i for i in range(9)], abs=0.01)


def test_notes_with_the_same_bend_share_a_channel() -> None:
    events = [Event(0.1 * i, 60.1 + i, 1.0) for i in range(8)]
    file = file_of(music_table(*events))
    assert {note.channel for note in played(file)} == {0}
    assert sum(message.type == "pitchwheel" for message in file.tracks[1]) == 1


def test_one_key_at_once_twice_takes_two_channels() -> None:
    read = played(file_of(music_table(Event(0.0, 60, 1.0), Event(0.5, 60, 1.0))))
    assert [(note.onset_s, note.offset_s) for note in read] == [(0, pytest.approx(1)), (0.5, pytest.approx(1.5))]
    assert len({note.channel for note in read}) == 2


def test_a_repeated_note_stays_on_its_channel() -> None:
    read = played(file_of(music_table(*(Event(0.5 * i, 60.2, 0.5) for i in range(4)))))
    assert [note.channel for note in read] == [0] * 4
    assert [note.onset_s for note in read] == [0, 0.5, 1.0, 1.5]


def test_of_more_than_fifteen_bends_at_once_some_take_the_nearest() -> None:
    table = music_table(*(Event(0.01 * i, 40 + i + 0.05 * i - 0.5, 2.0) for i in range(20)))
    read = played(file_of(table))
    assert len(read) == 20 and len({note.channel for note in read}) == 15
    off = np.abs([note.midi - wanted.midi for note, wanted in zip(read, notes_of(table), strict=True)])
    assert (off[:15] <= 0.01).all() and off.max() < 0.3


def test_two_channels_of_a_source_never_share_a_channel_at_once() -> None:
    events = [Event(0.25 * i, 60.1, 0.25, channel=i % 2) for i in range(8)]
    events += [Event(0.25 * i, 60.2, 0.25, channel=1 - i % 2) for i in range(8)]
    read = played(file_of(music_table(*events, channels=2)))
    assert [note.track for note in read if note.midi < 60.15] == [1, 2] * 4
    assert [note.midi for note in read if note.midi > 60.15] == pytest.approx([60.2] * 8, abs=0.01)


def test_a_drum_that_is_struck_again_ends_then() -> None:
    events = [Event(0.1 * i, 33, 0.3, drum=True) for i in range(3)]
    read = played(file_of(music_table(*events)))
    assert [(note.midi, note.channel) for note in read] == [(BASS.key, DRUM_CHANNEL)] * 3
    tick_s = 1 / 960
    assert [note.onset_s for note in read] == pytest.approx([0, 0.1, 0.2], abs=tick_s)
    assert [note.offset_s for note in read] == pytest.approx([0.1, 0.2, 0.5], abs=tick_s)


def test_the_softest_note_is_still_one() -> None:
    soft, loud = played(file_of(music_table(Event(0, 60, level_db=-100), Event(1, 62, level_db=3))))
    assert (soft.velocity, loud.velocity) == (1, 127)


def test_nothing_makes_a_file_as_long_as_the_recording() -> None:
    file = file_of(music_table(seconds=2.5))
    assert file.length == pytest.approx(2.5, abs=1e-3) and len(file.tracks) == 2


def test_voices_of_speech_make_notes() -> None:
    table = EventTable(make_header(), [0.5, 1.0, 2.0], np.full((3, 32), 4.0))
    read = played(file_of(table))
    assert [note.midi for note in read] == pytest.approx([46.0] * 3, abs=0.01)


@pytest.mark.parametrize("tempo_bpm", [3.9, 1001.0, float("nan"), -1.0])
def test_a_tempo_out_of_range_is_refused(tempo_bpm: float) -> None:
    with pytest.raises(SicError, match="4 to 1000 beats a minute"):
        write_midi(music_table(), io.BytesIO(), tempo_bpm=tempo_bpm)


def test_what_midi_cannot_tell_is_refused() -> None:
    out = io.BytesIO()
    with pytest.raises(SicError, match="'reference' do not tell f0"):
        write_midi(EventTable(make_header(model="reference"), [0.0], np.zeros((1, 32))), out)
    longest_s = LAST_TICK / 960
    with pytest.raises(SicError, match="too long for a MIDI file"):
        write_midi(music_table(seconds=longest_s + 1), out)
    assert out.getvalue() == b""
    assert file_of(music_table(Event(longest_s - 2, 60), seconds=longest_s - 1)).length > longest_s - 2


@given(tables())
@quick
def test_any_table_makes_a_file_that_can_be_read(table: EventTable) -> None:
    for model in ("speech", "music"):
        some = EventTable(make_header(model=model, channels=255), table.time, table.vector, table.channel)
        assert sum(message.type == "note_on" for track in file_of(some).tracks for message in track) == len(
            notes_of(some)
        )
