"""The notes of a Standard MIDI File, to be played."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import BinaryIO

import mido

from sparsecodec_formats.errors import SicError

from .midi import BEND_SEMITONES, DRUM_CHANNEL
from .notes import SOFTEST_DB

PITCH_BEND_RANGE = (0, 0)
"""The registered parameter."""
PEDAL = 64  # control of the sustain pedal, which is down from this value on
SHORTEST_S = 1e-3


@dataclass(frozen=True)
class MidiNote:
    """onset_s, offset_s: seconds; midi: key with the bend at its onset, semitones; velocity: 0 … 1."""

    onset_s: float
    offset_s: float
    midi: float
    velocity: float

    @property
    def level_db(self) -> float:
        """That which `write_midi` tells by this velocity: 0 dB re full scale for 1, SOFTEST_DB for 0."""
        return SOFTEST_DB * (1 - self.velocity)


@dataclass
class _Channel:
    """What holds for a MIDI channel. sounding: of each key that is down, its note; held: those of the pedal."""

    bend: float = 0.0  # -1 … 1
    bend_semitones: float = BEND_SEMITONES
    parameter: list[int] = field(default_factory=lambda: [127, 127])
    pedal: bool = False
    sounding: dict[int, MidiNote] = field(default_factory=dict)
    held: list[MidiNote] = field(default_factory=list)


def read_midi(file: BinaryIO) -> tuple[list[MidiNote], int]:
    """The notes of all tracks in order of their onsets, and how many strokes of drums (channel 10) are left out.

    Tempo, pitch bend at a note's onset, the bend's range and the sustain pedal are heeded. SicError for what is no MIDI
    file, and for one of tracks that are pieces of their own (type 2).
    """
    try:
        found = mido.MidiFile(file=file)
        if found.type == 2:
            raise SicError("is a MIDI file of type 2, of several pieces; save the one that you want as type 1")
        if not 0 < found.ticks_per_beat < 2**15:
            raise SicError("counts its time in frames of film; save it with beats")
        return _notes(found)
    except (EOFError, OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise SicError(f"is no MIDI file: {' '.join(str(error).split())[:120] or 'it ends too early'}") from None


def _notes(file: mido.MidiFile) -> tuple[list[MidiNote], int]:
    channels = [_Channel() for _ in range(16)]
    notes: list[MidiNote] = []
    now_s, n_drums = 0.0, 0

    def end(note: MidiNote) -> None:
        notes.append(replace(note, offset_s=max(now_s, note.onset_s + SHORTEST_S)))

    for message in file:
        now_s += message.time
        if message.is_meta or not hasattr(message, "channel"):
            continue
        channel = channels[message.channel]
        if message.type == "note_on" and message.velocity:
            if message.channel == DRUM_CHANNEL:
                n_drums += 1
                continue
            if message.note in channel.sounding:  # struck again
                end(channel.sounding.pop(message.note))
            midi = message.note + channel.bend * channel.bend_semitones
            channel.sounding[message.note] = MidiNote(now_s, now_s, midi, message.velocity / 127)
        elif message.type in ("note_on", "note_off") and message.note in channel.sounding:
            note = channel.sounding.pop(message.note)
            if channel.pedal:
                channel.held.append(note)
            else:
                end(note)
        elif message.type == "pitchwheel":
            channel.bend = message.pitch / 8192
        elif message.type == "control_change":
            _control(channel, message.control, message.value)
            if not channel.pedal:
                for note in channel.held:
                    end(note)
                channel.held.clear()
    for channel in channels:
        for note in (*channel.sounding.values(), *channel.held):
            end(note)
    return sorted(notes, key=lambda note: (note.onset_s, note.midi)), n_drums


def _control(channel: _Channel, control: int, value: int) -> None:
    if control == PEDAL:
        channel.pedal = value >= PEDAL
    elif control in (101, 100):
        channel.parameter[control == 100] = value
    elif control in (99, 98):  # a parameter that is not registered
        channel.parameter = [127, 127]
    elif tuple(channel.parameter) == PITCH_BEND_RANGE and control == 6:
        channel.bend_semitones = value + channel.bend_semitones % 1
    elif tuple(channel.parameter) == PITCH_BEND_RANGE and control == 38:
        channel.bend_semitones = channel.bend_semitones // 1 + value / 100
