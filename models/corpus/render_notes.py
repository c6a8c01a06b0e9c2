"""Render music with known notes for training the note finder (never for judging).

    python render_notes.py scores SCORES                       scores of PyPI music21's corpus as lists of notes
    python render_notes.py clips OUT --scores SCORES ...       clips of 12 s: NAME.flac and NAME.json

A clip is a random but musical texture (1 to 4 parts: melodies, chords, broken chords, basses, scales, repeated notes,
trills, octaves, unisons), or some bars of a score played with a human's small errors; drums go with a third of them.
Instruments, tuning (up to 40 cents), reverb, chorus, vibrato, pedal, equaliser, noise and level vary. Most clips are
played by fluidsynth and a SoundFont; some by partials whose spectrum, decay and inharmonicity are drawn for each part
(`--partials`), so that the finder meets more timbres than one font has. A seed fixes every clip by its number: clips
that exist are kept, and a run may be broken off and started again.

NAME.json: `notes`, a list sorted by onset_s of
    onset_s       key down, seconds
    offset_s      when the note is let go: key up, or pedal up where the pedal holds it, or the next stroke of its key
    key_up_s      key up alone
    midi          semitone that is named (the tuning is the same for the whole clip: `tuning_cents`)
    velocity      1 to 127
    program, drum General MIDI program, or a drum of channel 10

Notes of one pitch that begin within 30 ms are one note (their sound is).

Fonts. Training: FluidR3 (Debian's fluid-soundfont-gm, MIT). Validation: opl3-soundfont, and programs and scores that
training does not see. The music bench's fonts and scores are excluded. Needs fluidsynth 2; PyPI music21, mido, soxr.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mido
import numpy as np
import soundfile as sf
import soxr

SAMPLE_RATE_HZ = 22050
RENDER_RATE_HZ = 44100
CLIP_S = 12.0
TICKS_PER_SECOND = 2000
DRUM_CHANNEL = 9
SAME_NOTE_S = 0.03
LOWEST_MIDI, HIGHEST_MIDI = 21, 108

FLUID = "/usr/share/sounds/sf2/FluidR3_GM.sf2"

# No clip of the music bench is taken from these, nor may training: clips.json of the bench names them.
BENCH_SCORES = (
    "airdsAirs/book1",
    "ryansMammoth/AcaciaReel",
    "weber/",
    "handel/",
    "miscFolk/",
    "mozart/k545",
    "schumann_clara/polonaise_op1n1",
    "joplin/",
    "beethoven/opus59no3",
    "bach/bwv846",
    "bach/bwv66.6",
    "bach/bwv101.7",
    "bach/bwv10.7",
    "leadSheet/",
    "verdi/",
    "haydn/opus74no1",
    "liliuokalani/",
    "schubert/",
)
# (folder of the corpus, how many files at most); every fifth file is held out for validation.
CORPUS_SHARES = {
    "bach": 90,
    "ryansMammoth": 100,
    "beethoven": 5,
    "haydn": 3,
    "mozart": 6,
    "schumann_clara": 4,
    "schumann_robert": 2,
}

# Programs by family with the weight of the family; programs that training never hears are in HELD_OUT_PROGRAMS.
FAMILIES: dict[str, tuple[float, tuple[int, ...]]] = {
    "piano": (5.0, (0, 0, 0, 1, 1, 2, 3, 4, 6, 7)),
    "mallets": (1.6, (8, 9, 10, 11, 13, 14, 15)),
    "organ": (1.2, (16, 17, 18, 19, 19, 20, 21)),
    "guitar": (2.6, (24, 24, 25, 25, 26, 27, 29, 30)),
    "bass": (0.7, (32, 33, 34, 35, 36, 38)),
    "strings": (2.4, (40, 41, 42, 43, 46, 46, 44)),
    "ensemble": (1.8, (48, 48, 49, 50, 51, 52, 53, 54)),
    "brass": (1.4, (56, 57, 58, 59, 61, 62)),
    "reeds": (2.0, (64, 65, 66, 67, 68, 69, 70, 71)),
    "pipes": (1.6, (72, 73, 73, 74, 76, 77, 78, 79)),
    "synth": (0.7, (80, 81, 82, 85, 88, 89, 90, 91)),
    "ethnic": (0.6, (104, 105, 106, 107, 108, 110)),
}
HELD_OUT_PROGRAMS = (5, 12, 22, 28, 45, 60, 75)
BASS_PROGRAMS = (32, 33, 33, 34, 35, 36, 38, 43, 42, 0, 58)
STRUCK_FAMILIES = ("piano", "mallets", "guitar", "bass")
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 8, 11), (0, 2, 4, 7, 9), tuple(range(12)))
SCALE_ODDS = (0.42, 0.22, 0.16, 0.08, 0.12)
KICKS, SNARES, HATS, TOMS = (35, 36), (37, 38, 39, 40), (42, 44, 46, 49, 51, 53, 54, 59), (41, 43, 45, 47, 48, 50, 56)

FloatArray = np.ndarray
Dice = np.random.Generator


@dataclass
class Played:
    """One note as it is played; times in seconds, `channel` a MIDI channel."""

    onset_s: float
    key_up_s: float
    midi: int
    velocity: int
    channel: int
    offset_s: float = 0.0


@dataclass
class Part:
    """Who plays on a channel: a General MIDI program with controls that stay for the clip."""

    program: int
    volume: int = 100
    vibrato: int = 0
    reverb: int = 0
    chorus: int = 0
    pedal: bool = False


@dataclass
class Clip:
    notes: list[Played]
    parts: dict[int, Part]
    tuning_cents: float
    pedal_up_s: list[float]


# ---------------------------------------------------------------- scores of music21's corpus


def corpus_paths(root: Path) -> Iterable[Path]:
    """Files of the corpus that may be used, by CORPUS_SHARES."""
    for folder, most in CORPUS_SHARES.items():
        files = sorted(p for p in (root / folder).rglob("*") if p.suffix in (".mxl", ".xml", ".abc", ".krn"))
        files = [p for p in files if not any(str(p.relative_to(root)).startswith(b) for b in BENCH_SCORES)]
        step = max(1, len(files) // most)
        yield from files[::step][:most]


def read_score(path: Path) -> list[list[tuple[float, float, int]]]:
    """The parts of a score, each a list of (onset in quarters, length in quarters, midi)."""
    from music21 import converter

    score = converter.parse(path, forceSource=True, storePickle=False)
    parts = []
    for part in score.parts if len(score.parts) else [score]:
        rows = []
        for note in part.stripTies().flatten().notes:
            if "ChordSymbol" not in note.classes and note.quarterLength:
                rows += [(float(note.offset), float(note.quarterLength), int(p.midi)) for p in note.pitches]
        if rows:
            parts.append(sorted(rows))
    return parts


def write_scores(out: Path) -> None:
    """Write OUT/train/*.json and OUT/held_out/*.json, one file a score."""
    import music21

    warnings.filterwarnings("ignore")
    root = Path(music21.__file__).parent / "corpus"
    for number, path in enumerate(corpus_paths(root)):
        name = str(path.relative_to(root))
        target = out / ("held_out" if number % 5 == 4 else "train") / (name.replace("/", "_") + ".json")
        if target.exists():
            continue
        try:
            parts = read_score(path)
        except Exception as error:  # encodings that music21 cannot read are left out
            print(f"{name}: {error}", flush=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(dict(score=name, parts=parts)))


# ---------------------------------------------------------------- textures


def draw_program(dice: Dice, programs: tuple[int, ...] | None) -> int:
    if programs:
        return int(dice.choice(programs))
    weights = np.array([w for w, _ in FAMILIES.values()])
    family = list(FAMILIES)[int(dice.choice(len(weights), p=weights / weights.sum()))]
    return int(dice.choice(FAMILIES[family][1]))


def draw_part(dice: Dice, program: int, wet: bool) -> Part:
    family = next((name for name, (_, programs) in FAMILIES.items() if program in programs), "")
    sustained = family not in STRUCK_FAMILIES
    return Part(
        program=program,
        volume=int(dice.integers(70, 128)),
        vibrato=int(dice.integers(5, 60)) if sustained and dice.random() < 0.4 else 0,
        reverb=int(dice.integers(20, 110)) if wet else 0,
        chorus=int(dice.integers(20, 90)) if dice.random() < 0.12 else 0,
        pedal=program in (0, 1, 2, 4, 11, 46) and dice.random() < 0.25,
    )


class Texture:
    """Parts over a common beat, scale and sequence of chords."""

    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        self.beat_s = float(dice.uniform(0.28, 0.9))
        self.root = int(dice.integers(12))
        self.scale = SCALES[int(dice.choice(len(SCALES), p=SCALE_ODDS))]
        self.beats_per_bar = int(dice.choice([2, 3, 4, 4]))
        self.chords = dice.integers(0, len(self.scale), 64)
        self.start_s = float(dice.uniform(0.05, 0.5))

    def in_scale(self, low: int, high: int) -> list[int]:
        return [m for m in range(low, high + 1) if (m - self.root) % 12 in self.scale]

    def in_chord(self, bar: int, low: int, high: int) -> list[int]:
        """Pitches of the bar's chord: thirds heaped on its step of the scale, in [low, high]."""
        size, step = len(self.scale), int(self.chords[bar % 64])
        tones = {(self.root + self.scale[(step + 2 * k) % size]) % 12 for k in range(3 + (step % 3 == 0))}
        return [m for m in range(low, high + 1) if m % 12 in tones]

    def play(self, channel: int, style: str, low: int, high: int, most_voices: int) -> list[Played]:
        """The notes of one part for the whole clip, by the style's name."""
        dice, notes = self.dice, []
        gate = float(dice.choice([dice.uniform(0.3, 0.6), dice.uniform(0.7, 1.0), dice.uniform(1.0, 1.15)]))
        loudness, spread = float(dice.uniform(45, 108)), float(dice.uniform(3, 16))
        jitter_s = float(dice.choice([0.002, 0.006, 0.012]))
        steps = {"slow": (1, 2, 2, 4), "even": (1,), "lively": (0.5, 0.5, 1, 1, 1.5), "fast": (0.25, 0.5, 0.5)}
        lengths = steps[str(dice.choice(list(steps), p=[0.2, 0.2, 0.4, 0.2]))]
        ladder = self.in_scale(low, high) or [low]
        at, place = int(dice.integers(len(ladder))), 0.0
        strum_s = float(dice.uniform(0.004, 0.03)) if dice.random() < 0.2 else 0.0
        rest = float(dice.uniform(0, 0.2))

        def strike(beat: float, beats: float, pitches: Iterable[int], push: float = 0.0) -> None:
            for rank, midi in enumerate(sorted(set(pitches))):
                onset = self.start_s + beat * self.beat_s + dice.normal(0, jitter_s) + rank * strum_s
                held = max(0.05, beats * self.beat_s * gate)
                accent = 6 if beat % 1 == 0 else 0
                velocity = int(np.clip(dice.normal(loudness + accent + push, spread), 25, 127))
                if 0 < onset < CLIP_S - 0.3 and LOWEST_MIDI <= midi <= HIGHEST_MIDI:
                    notes.append(Played(float(onset), float(onset + held), int(midi), velocity, channel))

        while self.start_s + place * self.beat_s < CLIP_S - 0.3:
            bar = int(place // self.beats_per_bar)
            chord = self.in_chord(bar, low, high) or ladder
            length = float(dice.choice(lengths))
            if dice.random() < rest:
                place += length
                continue
            at = int(np.clip(at + dice.integers(-3, 4), 0, len(ladder) - 1))
            if style == "melody":
                strike(place, length, [ladder[at]])
            elif style == "octaves":
                strike(place, length, [ladder[at], ladder[at] + 12])
            elif style == "chords":
                voices = min(int(dice.integers(2, most_voices + 1)), len(chord))
                first = int(dice.integers(0, len(chord) - voices + 1))
                picked = (
                    dice.choice(chord, voices, replace=False) if dice.random() < 0.3 else chord[first : first + voices]
                )
                length = max(length, 0.5)
                strike(place, length, [int(m) for m in picked])
            elif style == "mixed":
                voices = int(dice.integers(1, most_voices + 1))
                strike(place, length, [ladder[min(at + 2 * k, len(ladder) - 1)] for k in range(voices)])
            elif style == "arpeggio":
                order = chord[:8] + chord[:8][-2:0:-1] if dice.random() < 0.5 else chord[:8]
                step = float(dice.choice([0.25, 0.5]))
                ring = float(dice.choice([step, step, 2.0]))
                for k, midi in enumerate(order):
                    strike(place + k * step, ring, [midi])
                length = max(step * len(order), 0.5)
            elif style == "bass":
                strike(place, length, [int(dice.choice(chord)) if dice.random() < 0.7 else ladder[at]])
            elif style == "repeated":
                step, count = float(dice.choice([0.25, 0.5, 0.5, 1])), int(dice.integers(3, 9))
                pitches = [int(m) for m in dice.choice(chord, min(len(chord), int(dice.integers(1, 3))), replace=False)]
                for k in range(count):
                    strike(place + k * step, step, pitches)
                length = step * count
            elif style == "scale":
                step, count = float(dice.choice([0.25, 0.5])), int(dice.integers(4, 12))
                up = int(dice.choice([-1, 1]))
                for k in range(count):
                    strike(place + k * step, step, [ladder[int(np.clip(at + up * k, 0, len(ladder) - 1))]])
                at = int(np.clip(at + up * count, 0, len(ladder) - 1))
                length = step * count
            elif style == "trill":
                step = max(0.125, 0.075 / self.beat_s)
                other = ladder[min(at + 1, len(ladder) - 1)]
                for k in range(int(dice.integers(4, 13))):
                    strike(place + k * step, step, [other if k % 2 else ladder[at]])
                    length = step * (k + 1)
            elif style == "held":
                length = float(dice.choice([2, 4, 8]))
                strike(place, length, [int(m) for m in dice.choice(chord, min(most_voices, len(chord)), replace=False)])
            place += length
        return notes

    def drums(self) -> list[Played]:
        """A pattern of one or two bars in sixteenths or eighths, with a few strokes by chance."""
        dice, notes = self.dice, []
        step = float(dice.choice([0.25, 0.5]))
        count = round(self.beats_per_bar / step) * int(dice.choice([1, 2]))
        pieces = [
            (int(dice.choice(KICKS)), 0.3),
            (int(dice.choice(SNARES)), 0.2),
            (int(dice.choice(HATS)), 0.6),
            (int(dice.choice(TOMS)), 0.06),
        ]
        pattern = {piece: dice.random(count) < odds for piece, odds in pieces}
        loudness = float(dice.uniform(60, 110))
        for k in range(int(CLIP_S / self.beat_s / step)):
            for piece, hits in pattern.items():
                if hits[k % count] ^ (dice.random() < 0.03):
                    onset = self.start_s + k * step * self.beat_s + dice.normal(0, 0.005)
                    velocity = int(np.clip(dice.normal(loudness, 12), 25, 127))
                    if 0 < onset < CLIP_S - 0.3:
                        notes.append(Played(float(onset), float(onset + 0.1), piece, velocity, DRUM_CHANNEL))
        return notes


STYLES = {
    "melody": 2.4,
    "chords": 2.4,
    "arpeggio": 1.5,
    "mixed": 1.6,
    "repeated": 0.7,
    "scale": 0.6,
    "octaves": 0.6,
    "trill": 0.25,
    "held": 0.6,
}


def draw_texture(dice: Dice, programs: tuple[int, ...] | None, wet: bool) -> tuple[list[Played], dict[int, Part]]:
    texture, notes, parts = Texture(dice), [], {}
    count = int(dice.choice([1, 2, 3, 4], p=[0.36, 0.32, 0.2, 0.12]))
    odds = np.array(list(STYLES.values()))
    unison = count > 1 and dice.random() < 0.06
    for channel in range(count):
        if count > 1 and channel == count - 1 and dice.random() < 0.6:
            low = int(dice.integers(26, 42))
            program = draw_program(dice, programs) if programs else int(dice.choice(BASS_PROGRAMS))
            style, high, voices = "bass", low + int(dice.integers(9, 20)), 1
        else:
            program = draw_program(dice, programs)
            low = int(np.clip(dice.normal(54, 9), 30, 80))
            high = min(low + int(dice.integers(10, 30)), 103)
            style = str(dice.choice(list(STYLES), p=odds / odds.sum()))
            voices = int(dice.choice([2, 3, 4, 5], p=[0.25, 0.4, 0.25, 0.1]))
        parts[channel] = draw_part(dice, program, wet)
        notes += texture.play(channel, style, low, high, voices)
    if unison:  # the second part doubles the first, sometimes an octave above
        shift = int(dice.choice([0, 12]))
        doubled = [n for n in notes if n.channel == 0]
        notes = [n for n in notes if n.channel != 1]
        notes += [
            Played(
                n.onset_s + float(dice.normal(0, 0.006)), n.key_up_s, min(n.midi + shift, HIGHEST_MIDI), n.velocity, 1
            )
            for n in doubled
        ]
    if dice.random() < 0.32:
        parts[DRUM_CHANNEL] = Part(program=int(dice.choice([0, 0, 8, 16, 24, 25, 32, 40])), reverb=40 if wet else 0)
        notes += texture.drums()
    return notes, parts


def draw_score(
    dice: Dice, scores: list[Path], programs: tuple[int, ...] | None, wet: bool
) -> tuple[list[Played], dict[int, Part]]:
    """Some bars of a score, played: tempo drifts, onsets and velocities err a little, instruments are drawn."""
    written = json.loads(scores[int(dice.integers(len(scores)))].read_text())["parts"][:6]
    last = max(rows[-1][0] for rows in written)
    spq = float(dice.uniform(0.4, 0.95)) if len(written) > 1 else float(dice.uniform(0.3, 0.65))
    first = float(np.floor(dice.uniform(0, max(0.0, last - CLIP_S / spq))))
    plus = int(dice.integers(-6, 7))
    one = draw_program(dice, programs) if dice.random() < 0.55 else None
    gate = float(dice.choice([0.6, 0.9, 0.97, 1.05]))
    jitter_s = float(dice.choice([0.003, 0.007, 0.012]))
    phase, notes, parts = dice.uniform(0, 2 * np.pi, 2), [], {}

    def when_s(quarter: float) -> float:
        return quarter * spq + 0.08 * spq * float(np.sin(quarter / 4 + phase[0]))

    start_s = when_s(0) - float(dice.uniform(0.05, 0.4))
    for channel, rows in enumerate(written):
        parts[channel] = draw_part(dice, draw_program(dice, programs) if one is None else one, wet)
        loudness = float(dice.uniform(55, 105))
        for quarter, length, midi in rows:
            onset = when_s(quarter - first) - start_s + float(np.clip(dice.normal(0, jitter_s), -0.03, 0.03))
            if quarter < first or not 0 < onset < CLIP_S - 0.3 or not LOWEST_MIDI <= midi + plus <= HIGHEST_MIDI:
                continue
            phrase = 8 * np.sin(quarter / 5 + phase[1]) + 5 * (quarter % 1 == 0)
            velocity = int(np.clip(dice.normal(loudness + phrase, 6), 25, 127))
            key_up = max(onset + 0.05, when_s(quarter - first + length * gate) - start_s)
            notes.append(Played(onset, float(key_up), midi + plus, velocity, channel))
    if dice.random() < 0.15:
        parts[DRUM_CHANNEL] = Part(program=0)
        notes += Texture(dice).drums()
    return notes, parts


def settle(clip: Clip) -> None:
    """Join twins, let keys go before they are struck again, and say when each note is let go; in place."""
    kept: list[Played] = []
    for note in sorted(clip.notes, key=lambda n: (n.onset_s, n.midi)):
        same = [
            m for m in kept if m.midi == note.midi and (m.channel == DRUM_CHANNEL) == (note.channel == DRUM_CHANNEL)
        ]
        twins = [m for m in same if note.onset_s - m.onset_s < SAME_NOTE_S]
        if twins and any(m.channel == note.channel for m in twins):
            continue
        for m in same:
            if m.channel == note.channel and m.key_up_s > note.onset_s - 0.005:
                m.key_up_s = max(m.onset_s + 0.01, note.onset_s - 0.005)
        kept.append(note)
    for note in kept:
        note.key_up_s = min(note.key_up_s, CLIP_S)
        note.offset_s = note.key_up_s
        if note.channel != DRUM_CHANNEL and clip.parts[note.channel].pedal:
            up = next((t for t in clip.pedal_up_s if t > note.key_up_s), CLIP_S)
            again = [m.onset_s for m in kept if m.midi == note.midi and m.onset_s > note.onset_s + SAME_NOTE_S]
            note.offset_s = max(note.key_up_s, min([up, *again]))
    clip.notes = kept


def labels(clip: Clip) -> list[dict[str, Any]]:
    """What NAME.json says of the notes; unisons of several parts are one note, the loudest's velocity."""
    rows: list[dict[str, Any]] = []
    for note in clip.notes:
        drum = note.channel == DRUM_CHANNEL
        twin = next(
            (
                r
                for r in reversed(rows)
                if r["midi"] == note.midi and r["drum"] == drum and note.onset_s - r["onset_s"] < SAME_NOTE_S
            ),
            None,
        )
        if twin:
            twin["offset_s"] = max(twin["offset_s"], round(note.offset_s, 4))
            twin["velocity"] = max(twin["velocity"], note.velocity)
            continue
        rows.append(
            dict(
                onset_s=round(note.onset_s, 4),
                offset_s=round(note.offset_s, 4),
                key_up_s=round(note.key_up_s, 4),
                midi=note.midi,
                velocity=note.velocity,
                program=clip.parts[note.channel].program,
                drum=drum,
            )
        )
    return rows


# ---------------------------------------------------------------- sound


def write_midi(clip: Clip, path: Path) -> None:
    rows: list[tuple[int, int, Any]] = [(0, 0, mido.MetaMessage("set_tempo", tempo=500000))]
    message = mido.Message
    for channel, part in clip.parts.items():
        rows.append((0, 1, message("program_change", channel=channel, program=part.program)))
        controls = [(7, part.volume), (1, part.vibrato), (91, part.reverb), (93, part.chorus)]
        if channel != DRUM_CHANNEL:  # registered parameter 1: fine tuning, 8192 in the middle, 100 cents each way
            tuning = int(np.clip(8192 + clip.tuning_cents * 81.92, 0, 16383))
            controls += [(101, 0), (100, 1), (6, tuning >> 7), (38, tuning & 127)]
        rows += [(0, 2, message("control_change", channel=channel, control=c, value=v)) for c, v in controls]
        if part.pedal:
            for up_s in [0.0, *clip.pedal_up_s]:
                tick = round(up_s * TICKS_PER_SECOND)
                rows.append((tick, 3, message("control_change", channel=channel, control=64, value=0)))
                rows.append((tick + 60, 3, message("control_change", channel=channel, control=64, value=127)))
    for n in clip.notes:
        on, off = round(n.onset_s * TICKS_PER_SECOND), round(n.key_up_s * TICKS_PER_SECOND)
        rows.append((on, 5, message("note_on", channel=n.channel, note=n.midi, velocity=n.velocity)))
        rows.append((max(off, on + 1), 4, message("note_off", channel=n.channel, note=n.midi)))
    rows.append((round(CLIP_S * TICKS_PER_SECOND), 6, mido.MetaMessage("end_of_track")))
    rows.sort(key=lambda row: row[:2])
    midi, now = mido.MidiFile(ticks_per_beat=TICKS_PER_SECOND // 2), 0
    track = mido.MidiTrack()
    midi.tracks.append(track)
    for tick, _, what in rows:
        track.append(what.copy(time=tick - now))
        now = tick
    midi.save(path)


def play_font(clip: Clip, font: str, dice: Dice, wet: bool) -> FloatArray:
    """The clip by fluidsynth, float64 [samples] at SAMPLE_RATE_HZ."""
    with tempfile.TemporaryDirectory() as folder:
        midi, wav = Path(folder) / "clip.mid", Path(folder) / "clip.wav"
        write_midi(clip, midi)
        settings = {
            "synth.dynamic-sample-loading": 1,
            "synth.reverb.active": int(wet),
            "synth.reverb.room-size": round(float(dice.uniform(0.2, 0.9)), 3),
            "synth.reverb.level": round(float(dice.uniform(0.2, 0.9)), 3),
            "synth.chorus.active": int(any(p.chorus for p in clip.parts.values())),
            "synth.cpu-cores": 1,
        }
        command = ["fluidsynth", "-n", "-i", "-q", "-r", str(RENDER_RATE_HZ), "-g", "0.4", "-T", "wav", "-O", "float"]
        for name, value in settings.items():
            command += ["-o", f"{name}={value}"]
        subprocess.run([*command, "-F", str(wav), font, str(midi)], check=True, capture_output=True)
        audio, rate = sf.read(wav, always_2d=True)
    return soxr.resample(audio.mean(1), rate, SAMPLE_RATE_HZ, quality="HQ")


def play_partials(clip: Clip, dice: Dice) -> FloatArray:
    """The clip by sums of partials, float64 [samples]; each part's timbre is drawn: a spectrum of smooth and single
    deviations, inharmonicity, attack, decay by frequency (or none: sustained), release, a breath of noise, vibrato."""
    samples = int(CLIP_S * SAMPLE_RATE_HZ)
    out = np.zeros(samples + SAMPLE_RATE_HZ)
    timbres = {channel: draw_timbre(dice) for channel in clip.parts if channel != DRUM_CHANNEL}
    for note in clip.notes:
        if note.channel == DRUM_CHANNEL:
            sound = drum_stroke(note, dice)
        else:
            sound = timbres[note.channel](note, clip.tuning_cents)
        first = round(note.onset_s * SAMPLE_RATE_HZ)
        sound = sound[: len(out) - first]
        out[first : first + len(sound)] += sound * 10 ** ((note.velocity - 127) / 60)
    return out[:samples]


def draw_timbre(dice: Dice) -> Callable[[Played, float], FloatArray]:
    tilt_db = float(dice.uniform(3, 13))  # an octave
    odd_db = float(dice.choice([0, 0, dice.uniform(6, 24)]))  # even partials are weaker: closed pipes
    single_db = dice.normal(0, 5, 64)
    formant_hz, formant_db = np.exp(dice.uniform(np.log(300), np.log(3000), 2)), dice.uniform(0, 12, 2)
    stiffness = float(dice.choice([0, 10 ** dice.uniform(-5, -3.3)]))
    attack_s = float(10 ** dice.uniform(-2.7, -1.1))
    struck = dice.random() < 0.55
    decay_s = float(10 ** dice.uniform(-0.5, 0.6)) if struck else 100.0
    damping = float(dice.uniform(0.2, 1.0))
    release_s = float(10 ** dice.uniform(-1.7, -0.5))
    noise = float(10 ** dice.uniform(-3, -1.3))
    vibrato_cents = 0.0 if struck or dice.random() < 0.5 else float(dice.uniform(5, 40))
    vibrato_hz = float(dice.uniform(4, 7))
    loud_is_bright = float(dice.uniform(0, 8))

    def sound(note: Played, tuning_cents: float) -> FloatArray:
        f0 = 440 * 2 ** ((note.midi - 69) / 12 + tuning_cents / 1200)
        t = np.arange(int((note.offset_s - note.onset_s + 3 * release_s) * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        held = note.offset_s - note.onset_s
        gate = np.minimum(1, t / attack_s) * np.exp(-np.maximum(0, t - held) / release_s)
        bend = vibrato_cents / 1200 * np.log(2) / (2 * np.pi * vibrato_hz) * -np.cos(2 * np.pi * vibrato_hz * t)
        bend *= np.minimum(1, t / 0.3)
        out = noise * dice.standard_normal(len(t)) * np.exp(-t / (0.05 if struck else 10.0))
        softness = (127 - note.velocity) / 127 * loud_is_bright
        for k in range(1, 25):
            f = k * f0 * np.sqrt(1 + stiffness * k * k)
            if f > 10000:
                break
            level = -(tilt_db + softness) * np.log2(k) + single_db[k] - (odd_db if k % 2 == 0 else 0)
            level += float(np.sum(formant_db * np.exp(-(np.log2(f / formant_hz) ** 2) * 4)))
            if level < -50:
                continue
            cycles = (f * (t + bend) + dice.random()) % 1.0
            rate = (f / 440) ** damping / decay_s
            partial = np.sin(np.float32(2 * np.pi) * cycles.astype(np.float32))
            out += 10 ** (level / 20) * partial * np.exp(-(t * rate).astype(np.float32))
        return out * gate

    return sound


def drum_stroke(note: Played, dice: Dice) -> FloatArray:
    """A stroke of noise with a falling tone for kicks and toms; loud at first."""
    t = np.arange(int(0.4 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    hiss = dice.standard_normal(len(t))
    if note.midi in HATS:
        return 0.6 * np.diff(hiss, prepend=0.0) * np.exp(-t / (0.03 if note.midi in (42, 44) else 0.15))
    low = 55 if note.midi in KICKS else 110 if note.midi in TOMS else 180
    tone = np.sin(2 * np.pi * (low * t + 0.8 * low * 0.03 * (1 - np.exp(-t / 0.03)))) * np.exp(-t / 0.12)
    share = 0.05 if note.midi in KICKS else 0.1 if note.midi in TOMS else 0.6
    return 3 * tone * (1 - share) + share * hiss * np.exp(-t / 0.09)


def finish(audio: FloatArray, dice: Dice) -> FloatArray:
    """Equaliser, noise, a dull recording now and then, and a level: float64 [CLIP_S * SAMPLE_RATE_HZ], |x| < 1."""
    samples = int(CLIP_S * SAMPLE_RATE_HZ)
    audio = np.pad(audio[:samples], (0, max(0, samples - len(audio))))
    f = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE_HZ)
    gain_db = np.zeros(len(f))
    if dice.random() < 0.6:
        knots = np.log2([30, 120, 500, 2000, 8000])
        gain_db += np.interp(np.log2(np.maximum(f, 20)), knots, dice.normal(0, 4, len(knots)))
    if dice.random() < 0.12:
        gain_db -= 12 * np.maximum(0, np.log2(np.maximum(f, 1) / dice.uniform(1500, 6000)))
    audio = np.fft.irfft(np.fft.rfft(audio) * 10 ** (gain_db / 20), samples)
    rms = np.sqrt(np.mean(audio**2)) + 1e-9
    if dice.random() < 0.5:
        colour = np.maximum(f, 30) ** -float(dice.uniform(0, 1))
        hiss = np.fft.irfft(np.fft.rfft(dice.standard_normal(samples)) * colour, samples)
        audio += hiss / np.std(hiss) * rms * 10 ** (dice.uniform(-70, -30) / 20)
    audio *= 10 ** (dice.uniform(-32, -14) / 20) / rms
    return audio * min(1.0, 0.95 / np.abs(audio).max())


# ---------------------------------------------------------------- clips


def draw_clip(dice: Dice, scores: list[Path], score_share: float, programs: tuple[int, ...] | None, wet: bool) -> Clip:
    while True:
        if scores and dice.random() < score_share:
            notes, parts = draw_score(dice, scores, programs, wet)
        else:
            notes, parts = draw_texture(dice, programs, wet)
        if len(notes) >= 4:
            break
    tuning = float(dice.uniform(-40, 40)) if dice.random() < 0.5 else float(dice.normal(0, 4))
    bar_s = float(dice.uniform(0.8, 2.5))
    clip = Clip(notes, parts, round(tuning, 2), list(np.arange(bar_s, CLIP_S, bar_s)))
    settle(clip)
    return clip


def write_clip(path: Path, seed: int, args: argparse.Namespace, scores: list[Path]) -> int:
    """Render clip number `seed` to path.flac and path.json; returns its notes."""
    dice = np.random.default_rng([args.seed, seed])
    programs = HELD_OUT_PROGRAMS if args.held_out_programs else None
    wet = dice.random() < 0.35
    by_partials = dice.random() < args.partials
    clip = draw_clip(dice, scores, args.score_share, programs, wet)
    audio = play_partials(clip, dice) if by_partials else play_font(clip, args.font, dice, wet)
    sf.write(path.with_suffix(".flac"), finish(audio, dice), SAMPLE_RATE_HZ, subtype="PCM_16")
    notes = labels(clip)
    about = dict(
        tuning_cents=clip.tuning_cents,
        font="partials" if by_partials else Path(args.font).name,
        parts={str(c): asdict(p) for c, p in clip.parts.items()},
    )
    text = json.dumps(dict(**about, notes=notes)).replace('{"onset_s', '\n{"onset_s')
    path.with_suffix(".json").write_text(text + "\n")
    return len(notes)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = ask.add_subparsers(dest="what", required=True)
    read = what.add_parser("scores")
    read.add_argument("out", type=Path)
    make = what.add_parser("clips")
    make.add_argument("out", type=Path)
    make.add_argument("--scores", type=Path, nargs="*", default=[], help="folders written by `scores`")
    make.add_argument("--count", type=int, default=900, help="clips of 12 s")
    make.add_argument("--seed", type=int, default=1)
    make.add_argument("--font", default=FLUID)
    make.add_argument("--score-share", type=float, default=0.3)
    make.add_argument("--partials", type=float, default=0.1, help="share of clips played by drawn partials")
    make.add_argument("--held-out-programs", action="store_true", help="only the programs that training never hears")
    args = ask.parse_args()
    if args.what == "scores":
        return write_scores(args.out)
    args.out.mkdir(parents=True, exist_ok=True)
    scores = sorted(p for folder in args.scores for p in folder.glob("*.json"))
    for number in range(args.count):
        path = args.out / f"{args.seed:02d}-{number:05d}"
        if not path.with_suffix(".json").exists():
            write_clip(path, number, args, scores)
    return None


if __name__ == "__main__":
    main()
