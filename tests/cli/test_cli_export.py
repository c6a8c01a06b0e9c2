"""`sic export`: what it refuses, and that its MIDI files hold the notes."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import mido
import pytest
from cli_support import assert_refused, make_table, names_in, ok, sic, sic_process, write_sic
from note_tables import Event, little_song, music_table

import sparsecodec_cli
from sparsecodec_cli import api
from sparsecodec_formats import EventTable


@pytest.fixture
def song_sic(tmp_path: Path) -> Path:
    return write_sic(tmp_path / "song.sic", little_song())


def midi_of(data: bytes) -> mido.MidiFile:
    return mido.MidiFile(file=io.BytesIO(data))


def made_by_api(table: EventTable, **options: float) -> bytes:
    out = io.BytesIO()
    api.export(table, out, **options)
    return out.getvalue()


@pytest.mark.parametrize("model", ["reference", "music-9"])
def test_what_tells_no_pitch_is_refused_and_leaves_nothing(tmp_path: Path, model: str) -> None:
    path = write_sic(tmp_path / "a.sic", make_table(model=model, statistics=0))
    assert_refused(sic("export", path, tmp_path / "a.mid"), "a.sic", model)
    assert names_in(tmp_path) == ["a.sic"]


@pytest.mark.parametrize("name", ["a.txt", "a.TextGrid"])
def test_what_has_no_segments_is_refused(tmp_path: Path, name: str) -> None:
    path = write_sic(tmp_path / "a.sic", make_table(model="reference", statistics=0))
    assert_refused(sic("export", path, tmp_path / name), "a.sic: has no segments", "reference")
    assert names_in(tmp_path) == ["a.sic"]


@pytest.mark.parametrize("name, start", [("a.txt", "0.499229"), ("a.TextGrid", 'File type = "ooTextFile"')])
def test_segments_are_labels(tmp_path: Path, name: str, start: str) -> None:
    path = write_sic(tmp_path / "a.sic", music_table(Event(0.5, 60), Event(1, 62)))
    result = sic("export", path, tmp_path / name)
    assert result.exit_code == 0 and result.stderr == f"{tmp_path / name}: 2 segments, 3.00 s\n"
    text = (tmp_path / name).read_text()
    assert text.startswith(start) and "C4" in text and "D4" in text
    assert sparsecodec_cli.export(path, tmp_path / name) == 2 and (tmp_path / name).read_text() == text


def test_a_recording_that_is_too_long_is_refused(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "a.sic", music_table(seconds=3e5))
    assert_refused(sic("export", path, tmp_path / "a.mid"), "a.sic", "too long for a MIDI file")
    assert names_in(tmp_path) == ["a.sic"]
    ok("export", path, tmp_path / "a.mid", "--tempo", "60")


def test_a_terminal_gets_no_midi(song_sic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True)
    assert_refused(sic("export", song_sic, "-"), "stdout is a terminal")


def test_it_writes_what_the_api_writes_and_tells_how_much(song_sic: Path, tmp_path: Path) -> None:
    result = sic("export", song_sic, tmp_path / "song.mid")
    assert result.exit_code == 0 and result.stderr == f"{tmp_path / 'song.mid'}: 40 notes, 4.00 s\n"
    assert not result.stdout_bytes
    data = (tmp_path / "song.mid").read_bytes()
    table = api.read(io.BytesIO(song_sic.read_bytes()))
    assert data == made_by_api(table)
    assert midi_of(data).length == pytest.approx(4.0, abs=1e-3)
    assert not sic("export", song_sic, tmp_path / "song.MIDI", "-q").stderr
    assert (tmp_path / "song.MIDI").read_bytes() == data


def test_the_tempo_moves_the_bars_not_the_notes(song_sic: Path, tmp_path: Path) -> None:
    ok("export", song_sic, tmp_path / "fast.mid", "--tempo", "150")
    fast, usual = mido.MidiFile(tmp_path / "fast.mid"), midi_of(ok("export", song_sic, "-"))
    assert fast.tracks[0][0].tempo == 400_000 and usual.tracks[0][0].tempo == 500_000
    assert fast.length == pytest.approx(usual.length, abs=1e-3)
    onsets = []
    for file in (fast, usual):
        now, found = 0.0, []
        for message in file:
            now += message.time
            found += [now] if message.type == "note_on" else []
        onsets.append(found)
    assert onsets[0] == pytest.approx(onsets[1], abs=2e-3) and len(onsets[0]) == 40


def test_each_channel_is_a_track(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "two.sic", little_song(2))
    file = midi_of(ok("export", path, "-"))
    kinds = [{message.channel == 9 for message in track if message.type == "note_on"} for track in file.tracks]
    assert kinds == [set(), {False}, {True}]


def test_syllables_of_speech_are_notes() -> None:
    path = Path(__file__).parents[1] / "data" / "only-person-en.sic"
    notes = [message for message in midi_of(ok("export", path, "-")) if message.type == "note_on"]
    segments = json.loads(ok("inspect", path, "--segments", "--json"))["segments"]
    sung = [segment for segment in segments if segment["f0_hz"] is not None]
    assert len(notes) == len(sung) > 5 and len(sung) < len(segments)
    assert [note.note for note in notes] == [round(69 + 12 * math.log2(segment["f0_hz"] / 440)) for segment in sung]


def test_it_goes_through_pipes(song_sic: Path) -> None:
    done = sic_process("export", "-", "-", input=song_sic.read_bytes())
    assert done.returncode == 0 and done.stderr == b"stdout: 40 notes, 4.00 s\n"
    assert done.stdout == ok("export", song_sic, "-")


def test_no_notes_are_a_file_too(tmp_path: Path) -> None:
    result = sic("export", write_sic(tmp_path / "none.sic", music_table(seconds=0)), tmp_path / "none.mid")
    assert result.exit_code == 0 and "0 notes, 0.00 s" in result.stderr
    assert len(mido.MidiFile(tmp_path / "none.mid").tracks) == 2
    result = sic("export", write_sic(tmp_path / "one.sic", music_table(Event(0, 60))), tmp_path / "one.mid")
    assert "1 note, " in result.stderr


def test_it_is_a_function_of_the_package() -> None:
    assert sparsecodec_cli.export is api.export
