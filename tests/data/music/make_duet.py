"""Makes duet.flac and duet.json: eight seconds for piano and flute, composed for this project (CC0).

    python tests/data/music/make_duet.py          # needs fluidsynth 2 and FluidR3 (Debian's fluid-soundfont-gm, MIT)

duet.json holds the notes as played: onset_s, offset_s, midi, program.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import mido
import numpy as np
import soundfile
import soxr

HERE = Path(__file__).parent
FONT = "/usr/share/sounds/sf2/FluidR3_GM.sf2"
BEAT_S, TICKS = 0.6, 480
PIANO, FLUTE = 0, 73
LOUDNESS = {PIANO: 74, FLUTE: 88}
LENGTH_S = 8.2
RATE_HZ = 22_050

# beat, midi, beats
CHORDS = ((0, (45, 52, 57, 60)), (3, (41, 53, 57, 60)), (6, (48, 52, 55, 64)), (9, (43, 50, 55, 59)))
MELODY = ((0.5, 76, 1.5), (2, 72, 1), (3, 69, 1.5), (4.5, 71, 0.5), (5, 72, 1), (6, 79, 2), (8, 76, 1), (9, 74, 2.5))


def notes() -> list[dict]:
    out = []
    for beat, chord in CHORDS:
        for i, midi in enumerate(chord):  # broken upwards, in quavers, and held
            out.append((beat + 0.5 * i, midi, 2.9 - 0.5 * i, PIANO))
        out.append((beat + 2.0, chord[-1], 0.9, PIANO))
        out.append((beat + 2.5, chord[-2], 0.45, PIANO))
    out += [(*note, FLUTE) for note in MELODY]
    return [
        {"onset_s": 0.2 + beat * BEAT_S, "offset_s": 0.2 + (beat + beats) * BEAT_S, "midi": midi, "program": program}
        for beat, midi, beats, program in sorted(out)
    ]


def midi_file(score: list[dict]) -> mido.MidiFile:
    file = mido.MidiFile(ticks_per_beat=TICKS)
    for channel, program in enumerate((PIANO, FLUTE)):
        events = [(0.0, 1, mido.Message("program_change", channel=channel, program=program))]
        for note in (n for n in score if n["program"] == program):
            loud = LOUDNESS[program]
            events.append(
                (note["onset_s"], 2, mido.Message("note_on", channel=channel, note=note["midi"], velocity=loud))
            )
            events.append((note["offset_s"], 0, mido.Message("note_off", channel=channel, note=note["midi"])))
        track, last = mido.MidiTrack(), 0
        for seconds, _, message in sorted(events, key=lambda e: (e[0], e[1])):
            at = round(seconds * 2 * TICKS)  # 120 beats a minute
            track.append(message.copy(time=at - last))
            last = at
        file.tracks.append(track)
    return file


def main() -> None:
    score = notes()
    with tempfile.TemporaryDirectory() as folder:
        midi, wav = Path(folder, "x.mid"), Path(folder, "x.wav")
        midi_file(score).save(midi)
        quiet = ["-ni", "-q", "-R", "0", "-C", "0", "-g", "0.7", "-r", "44100"]
        subprocess.run(["fluidsynth", *quiet, "-F", wav, FONT, midi], check=True, stdout=subprocess.DEVNULL)
        stereo, rate = soundfile.read(wav, dtype="float64")
    mono = soxr.resample(stereo.mean(1), rate, RATE_HZ)[: round(LENGTH_S * RATE_HZ)]
    fade = np.clip((len(mono) - np.arange(len(mono))) / (0.3 * RATE_HZ), 0, 1)
    mono *= fade * 0.5 / np.abs(mono).max()
    soundfile.write(HERE / "duet.flac", mono, RATE_HZ, subtype="PCM_16")
    (HERE / "duet.json").write_text(json.dumps({"notes": score}, indent=1) + "\n")


if __name__ == "__main__":
    main()
