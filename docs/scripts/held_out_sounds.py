"""Sounds with known notes or syllables, of other scores, instruments, tempi and voices than segments were cut by.

Nothing was tuned on them, and nothing may be: they are for judging alone (`segments.py --held-out`). Needs fluidsynth 2
and espeak-ng (Debian: fluidsynth, fluid-soundfont-gm, opl3-soundfont, espeak-ng).
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
OPL3 = "/usr/share/sounds/sf2/OPL-3_FM_128M.sf2"
SEED = 1619
LOW, HIGH = 48, 69  # MIDI keys of melodies, C3 to A4: `speech` hears no pitch above 470 Hz
LONGEST_S = 11.5
SHORTEST_S = 0.12
# General MIDI programs, from 0, by font
INSTRUMENTS = {
    OPL3: {
        "piano": 0,
        "guitar": 24,
        "violin": 40,
        "trumpet": 56,
        "oboe": 68,
        "flute": 73,
        "choir": 52,
        "vibraphone": 11,
    },
    "": {
        "e-piano": 5,
        "marimba": 12,
        "harmonica": 22,
        "muted guitar": 28,
        "pizzicato": 45,
        "horn": 60,
        "pan flute": 75,
    },
}  # "": the font that `render_notes` trains with, by programs that it leaves out in training
SENTENCES = (
    ("en-us", 150, "The old fisherman carried seven baskets of silver herring to the market before noon."),
    ("en-gb", 190, "Nobody had told the visitors that the museum closes early on Thursdays."),
    ("it", 170, "La pioggia cadeva lenta sui tetti rossi della piccola città vicino al mare."),
    ("de", 165, "Am Abend gingen die Kinder langsam durch den dunklen Wald nach Hause."),
    ("fr", 175, "Le boulanger du village ouvre sa boutique avant le lever du soleil."),
    ("es", 180, "Mi abuela guardaba las cartas viejas dentro de una caja de madera."),
    ("ru", 160, "Зимой старый дом над рекой стоял пустой и тёмный."),
    ("pl", 170, "Wieczorem na placu grała muzyka i wszyscy tańczyli do rana."),
)
VOWELS = set("aeiouyæøœɐɑɒɔəɘɛɜɞɤɨɪɯɵɶʉʊʌʏᵻɚɝãõ")

Note = dict[str, float]


@dataclass(frozen=True)
class Sound:
    """samples: float32 [n], mono; notes: onset_s, duration_s, f0_hz of each, in order of onset."""

    name: str
    samples: np.ndarray
    sample_rate: int
    notes: list[Note]


@dataclass(frozen=True)
class Spoken:
    """samples: float32 [n], mono; of each syllable, seconds: where it begins, and where its vowel does."""

    name: str
    samples: np.ndarray
    sample_rate: int
    syllable_s: np.ndarray
    vowel_s: np.ndarray


def melodies() -> Iterator[Sound]:
    """A melody for each instrument: another scale, tempo and articulation for each."""
    render = _render_notes()
    number = 0
    for font, programs in INSTRUMENTS.items():
        for name, program in programs.items():
            number += 1
            dice = np.random.default_rng([SEED, number])
            notes = _melody(render, dice)
            part = render.Part(program)
            clip = render.Clip(notes, {0: part}, 0.0, [])
            audio = render.play_font(clip, font or render.FLUID, dice, False)
            truth = [
                {
                    "onset_s": note.onset_s,
                    "duration_s": note.key_up_s - note.onset_s,
                    "f0_hz": 440 * 2 ** ((note.midi - 69) / 12),
                }
                for note in notes
            ]
            yield Sound(name, _levelled(audio), render.SAMPLE_RATE_HZ, truth)


def ensembles(count: int) -> Iterator[Sound]:
    """Clips of 12 s in several parts, without drums, as `render_notes` draws them; seeds and programs (with its own
    font) that training never sees, and another font."""
    render = _render_notes()
    number = made = 0
    while made < count:
        number += 1
        dice = np.random.default_rng([SEED, 1000 + number])
        font = OPL3 if made % 2 else render.FLUID
        clip = render.draw_clip(dice, [], 0.0, None if font == OPL3 else render.HELD_OUT_PROGRAMS, False)
        if len(clip.parts) < 2 or render.DRUM_CHANNEL in clip.parts:
            continue
        made += 1
        audio = render.play_font(clip, font, dice, False)
        notes = [
            {
                "onset_s": row["onset_s"],
                "duration_s": row["offset_s"] - row["onset_s"],
                "f0_hz": 440 * 2 ** ((row["midi"] - 69) / 12 + clip.tuning_cents / 1200),
            }
            for row in render.labels(clip)
        ]
        yield Sound(f"ensemble {made}", _levelled(audio), render.SAMPLE_RATE_HZ, notes)


def _melody(render: ModuleType, dice: np.random.Generator) -> list[Any]:
    """Notes one after the other, as `render_notes.Played`: steps, leaps and repeated notes, rests now and then."""
    scale = render.SCALES[int(dice.integers(len(render.SCALES)))]
    root = int(dice.integers(12))
    ladder = [key for key in range(LOW, HIGH + 1) if (key - root) % 12 in scale]
    beat_s = float(np.exp(dice.uniform(np.log(0.16), np.log(0.5))))
    held = float(dice.choice([0.6, 0.85, 1.0]))
    at, time_s, notes = len(ladder) // 2, 0.3, []
    while True:
        beats = float(dice.choice([0.5, 1.0, 1.0, 1.0, 2.0]))
        length_s = max(SHORTEST_S, beats * beat_s)
        if time_s + length_s > LONGEST_S:
            return notes
        if dice.random() < 0.1:
            time_s += length_s
            continue
        step = int(dice.choice([-4, -2, -1, -1, 0, 1, 1, 2, 4]))
        at = at + step if 0 <= at + step < len(ladder) else at - step
        velocity = int(dice.integers(60, 115))
        notes.append(render.Played(time_s, time_s + held * length_s, ladder[at], velocity, 0, time_s + held * length_s))
        time_s += length_s


def sentences() -> Iterator[Spoken]:
    """Sentences of espeak-ng, which tells where its phonemes begin."""
    for voice, words_a_minute, text in SENTENCES:
        samples, rate, phonemes = _spoken(voice, words_a_minute, text)
        yield Spoken(voice, _levelled(samples), rate, *_syllables(phonemes))


def _syllables(phonemes: list[tuple[float, str]]) -> tuple[np.ndarray, np.ndarray]:
    """Where syllables begin, and where their vowels do. The last consonant before a vowel begins its syllable, and all
    of those that begin the sentence or follow a pause."""
    begin_s, vowel_s = [], []
    onset_s = None
    after_pause = True
    for i, (time_s, name) in enumerate(phonemes):
        if not name or name.startswith("_"):
            onset_s, after_pause = None, True
            continue
        if not VOWELS & set(name):
            if onset_s is None or not after_pause:
                onset_s = time_s
            continue
        follows_vowel = i > 0 and bool(VOWELS & set(phonemes[i - 1][1]))
        begin_s.append(time_s if onset_s is None or follows_vowel else onset_s)
        vowel_s.append(time_s)
        onset_s, after_pause = None, False
    return np.array(begin_s), np.array(vowel_s)


class _Event(ctypes.Structure):
    """`espeak_EVENT` of speak_lib.h; `name` is the part of its union that phonemes use."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("name", ctypes.c_char * 8),
    ]


def _spoken(voice: str, words_a_minute: int, text: str) -> tuple[np.ndarray, int, list[tuple[float, str]]]:
    """Samples, sample rate, and (seconds, IPA) where each phoneme begins; "" where a pause does."""
    retrieve_audio, utf8, phoneme_events_in_ipa, rate_parameter = 1, 1, 0b11, 1
    event_end_of_list, event_phoneme = 0, 7
    library = ctypes.CDLL("libespeak-ng.so.1")
    sample_rate = library.espeak_Initialize(retrieve_audio, 0, None, phoneme_events_in_ipa)
    samples: list[np.ndarray] = []
    phonemes: list[tuple[float, str]] = []

    def heard(wave: Any, count: int, events: Any) -> int:
        if wave and count:
            samples.append(np.ctypeslib.as_array(wave, (count,)).copy())
        for event in iter(_each(events, event_end_of_list)):
            if event.type == event_phoneme:
                phonemes.append((event.sample / sample_rate, event.name.decode("utf-8", "ignore")))
        return 0

    prototype = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
    callback = prototype(heard)
    library.espeak_SetSynthCallback(callback)
    library.espeak_SetVoiceByName(voice.encode())
    library.espeak_SetParameter(rate_parameter, words_a_minute, 0)
    said = text.encode() + b"\0"
    library.espeak_Synth(said, ctypes.c_size_t(len(said)), 0, 0, 0, utf8, None, None)
    library.espeak_Synchronize()
    library.espeak_Terminate()
    return np.concatenate(samples) / 32768.0, sample_rate, sorted(phonemes)


def _each(events: Any, last: int) -> Iterator[_Event]:
    i = 0
    while events[i].type != last:
        yield events[i]
        i += 1


def _levelled(samples: np.ndarray) -> np.ndarray:
    return (0.4 / np.abs(samples).max() * samples).astype(np.float32)


def _render_notes() -> ModuleType:
    return module(ROOT / "models" / "corpus" / "render_notes.py")


def module(path: Path) -> ModuleType:
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = found
    spec.loader.exec_module(found)
    return found
