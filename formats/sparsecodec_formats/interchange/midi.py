"""The notes of a table as a Standard MIDI File: a track for each of the streams that are coded,
which mostly are the source's channels.

Pitches between those of the keyboard are kept by pitch bend. A bend holds for all notes of a MIDI channel, so notes
that sound at the same time with different bends get channels of their own, of the 15 that are not for drums; where more
than 15 bends sound at once, a note takes that which is nearest. Drums are on channel 10, with the keys of General MIDI.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

import mido

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.presets import layout_of
from sparsecodec_formats.table import EventTable

from .notes import Note, notes_of

TICKS_PER_BEAT = 480
SLOWEST_BPM, FASTEST_BPM = 4.0, 1000.0
BEND_SEMITONES = 2  # of a full bend, either way
BENDS_PER_SEMITONE = 8192 / BEND_SEMITONES
DRUM_CHANNEL = 9  # counted from 0
CHANNELS = [channel for channel in range(16) if channel != DRUM_CHANNEL]
LAST_TICK = 2**28 - 1  # the most that a file tells between two messages
OFF, BEND, ON = range(3)  # of messages at one time, the order


@dataclass(frozen=True)
class Stroke:
    """A note as MIDI tells it. on, off: ticks; source: stream; channel: of MIDI; bend: -8192 … 8191, to
    be set before it, None where the channel has it."""

    on: int
    off: int
    key: int
    velocity: int
    source: int
    channel: int
    bend: int | None = None


@dataclass
class _Channel:
    """What sounds on a MIDI channel. until: the last tick at which anything does; keys: until when each does."""

    number: int
    source: int = -1
    bend: int | None = None
    until: int = -1
    keys: dict[int, int] = field(default_factory=dict)

    def is_free(self, on: int, source: int) -> bool:
        # messages of two tracks at one tick may come in either order
        return self.until < on or (self.until == on and self.source == source)

    def takes(self, on: int, key: int, bend: int, source: int) -> bool:
        if self.bend != bend:
            return False
        return self.is_free(on, source) or (self.source == source and self.keys.get(key, -1) <= on)


def write_midi(
    table: EventTable, file: BinaryIO, *, tempo_bpm: float = 120.0, notes: Sequence[Note] | None = None
) -> int:
    """Write the notes of a table, and return how many these are.

    notes: by their onsets, None: as `notes_of` tells them; tempo_bpm: beats of 480 ticks a minute, SLOWEST_BPM …
    FASTEST_BPM. SicError for another tempo, for a preset whose vectors tell no pitch, and for a recording that is too
    long for MIDI.
    """
    if not SLOWEST_BPM <= tempo_bpm <= FASTEST_BPM:
        raise SicError(f"the tempo is {tempo_bpm:g}; it must be {SLOWEST_BPM:g} to {FASTEST_BPM:g} beats a minute")
    layout_of(table.header).dim("f0_semitones")
    beat_us = round(60e6 / tempo_bpm)
    end = ticks(table.duration_s, beat_us)
    if end >= LAST_TICK:
        raise SicError(f"lasts {table.duration_s:.0f} s, which is too long for a MIDI file at this tempo")
    notes = notes_of(table) if notes is None else notes
    made = strokes(notes, beat_us)
    out = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT)
    out.tracks.append(_timed([(0, ON, mido.MetaMessage("set_tempo", tempo=beat_us))], end))
    for source in range(table.header.streams):
        out.tracks.append(_track(source, [stroke for stroke in made if stroke.source == source], end))
    out.save(file=file)
    return len(notes)


def ticks(time_s: float, beat_us: int) -> int:
    """The tick nearest to a time, where a beat takes so many microseconds."""
    return round(time_s * 1e6 / beat_us * TICKS_PER_BEAT)


def strokes(notes: Iterable[Note], beat_us: int) -> list[Stroke]:
    """Notes in order of their onsets as MIDI tells them, each at least a tick long."""
    channels = [_Channel(number) for number in CHANNELS]
    drums: dict[tuple[int, int], int] = {}  # the last stroke of each, by stream and key
    out: list[Stroke] = []
    for note in notes:
        on = ticks(note.onset_s, beat_us)
        off = max(ticks(note.offset_s, beat_us), on + 1)
        velocity = max(1, round(127 * note.velocity))
        if note.drum is None:
            key = math.floor(note.midi + 0.5)
            channel, bend = _allot(channels, on, off, key, note)
            out.append(Stroke(on, off, key, velocity, note.channel, channel, bend))
            continue
        last = drums.get((note.channel, note.drum.key))
        if last is not None and out[last].off > on:  # a drum that is struck again sounds anew
            out[last] = replace(out[last], off=max(on, out[last].on + 1))
        drums[note.channel, note.drum.key] = len(out)
        out.append(Stroke(on, off, note.drum.key, velocity, note.channel, DRUM_CHANNEL))
    return out


def _allot(channels: list[_Channel], on: int, off: int, key: int, note: Note) -> tuple[int, int | None]:
    """The MIDI channel of a note, and the bend to set there before it."""
    bend = round((note.midi - key) * BENDS_PER_SEMITONE)
    channel = _channel_for(channels, on, key, bend, note.channel)
    anew = None
    if channel.is_free(on, note.channel):
        anew = bend if channel.bend != bend else None
        channel.source, channel.bend = note.channel, bend
        channel.keys.clear()
    channel.keys[key] = off
    channel.until = max(off, channel.until)
    return channel.number, anew


def _channel_for(channels: list[_Channel], on: int, key: int, bend: int, source: int) -> _Channel:
    """One that has this bend; else of those that are silent the one that has been so for longest, lest the end of its
    last note be bent; else the one that sounds with the nearest bend."""
    for channel in channels:
        if channel.takes(on, key, bend, source):
            return channel
    silent = [channel for channel in channels if channel.is_free(on, source)]
    if silent:
        return min(silent, key=lambda c: c.until)
    return min(channels, key=lambda c: (c.keys.get(key, -1) > on, abs((c.bend or 0) - bend)))


def _track(source: int, strokes: list[Stroke], end: int) -> mido.MidiTrack:
    """The strokes of one channel of the source, in order of their onsets."""
    messages = [(0, OFF, mido.MetaMessage("track_name", name=f"channel {source}"))]
    for channel in sorted({stroke.channel for stroke in strokes} - {DRUM_CHANNEL}):
        messages += [(0, OFF, message) for message in _bend_range(channel)]
    for stroke in strokes:
        channel, key = stroke.channel, stroke.key
        if stroke.bend is not None:
            messages.append((stroke.on, BEND, mido.Message("pitchwheel", channel=channel, pitch=stroke.bend)))
        on = mido.Message("note_on", channel=channel, note=key, velocity=stroke.velocity)
        messages += [(stroke.on, ON, on), (stroke.off, OFF, mido.Message("note_off", channel=channel, note=key))]
    return _timed(messages, end)


def _bend_range(channel: int) -> list[mido.Message]:
    """Registered parameter 0 of a channel: what a full bend is."""
    values = ((101, 0), (100, 0), (6, BEND_SEMITONES), (38, 0))
    return [mido.Message("control_change", channel=channel, control=c, value=value) for c, value in values]


def _timed(messages: list[tuple[int, int, Any]], end: int) -> mido.MidiTrack:
    """Messages of (tick, order at one tick, message) as a track that lasts to the end at least."""
    track, now = mido.MidiTrack(), 0
    for tick, _, message in sorted(messages, key=lambda m: m[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=max(end - now, 0)))
    return track
