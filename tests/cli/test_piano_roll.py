"""The piano roll that `sic inspect` draws in characters: which note is where, and in which colour."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_support import ENV, ok, sic_process, write_sic
from note_tables import Event, little_song, music_table

from sparsecodec_cli.inspect.cells import BLANK
from sparsecodec_cli.inspect.colour_ramp import ramp
from sparsecodec_cli.inspect.piano_roll import Roll, piano_roll
from sparsecodec_cli.inspect.picture_text import roll_lines
from sparsecodec_cli.io.screen import Screen
from sparsecodec_formats import EventTable
from sparsecodec_formats.interchange.notes import Note, note_rows, notes_of

WIDTH = 20


def drawn(table: EventTable, *, ascii_only: bool = False) -> Roll:
    found = piano_roll(notes_of(table), table.duration_s, table.header.channels, WIDTH, ascii_only=ascii_only)
    assert found is not None
    return found


def lines(roll: Roll, panel: int = 0) -> list[str]:
    return [
        f"{label}:{row.rstrip(' ' + BLANK)}" for label, row in zip(roll.labels, roll.panels[panel].rows, strict=True)
    ]


def test_a_known_table_gives_known_characters() -> None:
    """20 characters for 2 s: a character is 0.1 s, a dot 0.05 s and a quarter of a semitone."""
    table = music_table(
        Event(0.0, 60, 0.4), Event(0.5, 64, 0.45), Event(1.05, 62.3, 0.6),
        Event(1.0, 33, drum=True), Event(0.5, 90, drum=True, noise_db=12),
        seconds=2.0,
    )  # fmt: skip
    assert lines(drawn(table)) == [
        "E4:⠀⠀⠀⠀⠀⠒⠒⠒⠒⠂",
        ":",
        "D4:⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠈⠉⠉⠉⠉⠉⠁",
        ":",
        "C4:⠒⠒⠒⠒",
        "hi-hat:⠀⠀⠀⠀⠀⡇",
        "bass:⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⡇",
    ]
    assert lines(drawn(table, ascii_only=True)) == [
        "E4:     -----",
        ":",
        "D4:          '''''''",
        ":",
        "C4:----",
        "hi-hat:     |",
        "bass:          |",
    ]


def test_a_chord_stands_in_its_rows_and_repeated_notes_apart() -> None:
    """Three octaves: a row is four semitones, a dot one."""
    table = music_table(
        *(Event(0.5, midi, 0.5) for midi in (36, 60, 62, 63, 72)), *(Event(t, 36, 0.5) for t in (1.0, 1.5)), seconds=2.0
    )  # fmt: skip
    found = lines(drawn(table))
    assert len(found) == 10 and [line[:3] for line in found if line[0] != ":"] == ["C5:", "C4:", "C3:", "C2:"]
    assert found[0] == "C5:⠀⠀⠀⠀⠀⣀⣀⣀⣀⣀"
    assert found[3] == "C4:⠀⠀⠀⠀⠀⣛⣛⣛⣛⣛"
    assert found[-1] == "C2:⠀⠀⠀⠀⠀⣀⣀⣀⣀⡀⣀⣀⣀⣀⡀⣀⣀⣀⣀⣀"
    assert lines(drawn(table, ascii_only=True))[3] == "C4:     ====="


@pytest.mark.parametrize(
    ("low", "high", "n_rows", "labels"),
    [
        (60, 67, 8, ["G4", "", "F4", "E4", "", "D4", "", "C4"]),
        (60, 75, 16, ["", "D5", "", "C5", "B4", "", "A4", "", "G4", "", "F4", "E4", "", "D4", "", "C4"]),
        (59, 76, 10, ["", "", "C5", "", "", "G4", "", "", "C4", ""]),
        (21, 108, 23, ["C8", "", "", "C7", "", "", "C6", "", "", "C5", "", "", "C4"]),
    ],
)
def test_the_rows_fit_the_range(low: int, high: int, n_rows: int, labels: list[str]) -> None:
    roll = drawn(music_table(Event(0.0, low), Event(0.5, high)))
    assert len(roll.labels) == n_rows and roll.labels[: len(labels)] == labels
    rows = [i for i, line in enumerate(lines(roll)) if not line.endswith(":")]
    assert rows[0] == 0 and rows[-1] == n_rows - 1


def test_two_channels_have_a_panel_each_and_the_same_rows() -> None:
    roll = drawn(little_song(2))
    assert [panel.channel for panel in roll.panels] == [0, 1]
    notes, drums = (["".join(line.split(":")[1:]) != "" for line in lines(roll, panel)] for panel in range(2))
    assert roll.labels[-3:] == ["hi-hat", "snare", "bass"]
    assert any(notes[:-3]) and not any(notes[-3:])
    assert not any(drums[:-3]) and all(drums[-3:])
    assert [panel.channel for panel in drawn(music_table(Event(0, 60, channel=2), channels=3)).panels] == [None]


def test_drums_alone_have_no_rows_of_pitches() -> None:
    assert lines(drawn(music_table(Event(0.0, 33, drum=True)))) == ["bass:⡇"]


def test_notes_that_last_beyond_the_end_or_begin_at_it_are_within() -> None:
    table = music_table(Event(0.0, 60, 60.0), Event(2.9999, 60), seconds=3.0)
    assert lines(drawn(table)) == ["C4:" + "⠒" * 19 + "⠐"]  # a gap before the note that begins last


def test_nothing_is_no_roll() -> None:
    assert piano_roll([], 1.0, 1, WIDTH) is None


def test_any_notes_are_drawn() -> None:
    rng = np.random.default_rng(0)
    for seconds in (1e-4, 3.0, 1e6):
        table = music_table(*(Event(t, 60) for t in rng.uniform(0, seconds, 50)), seconds=seconds)
        wild = table.replace(vector=rng.normal(size=(50, 32)) * 10.0 ** rng.uniform(-30, 37, (50, 32)))
        found = piano_roll(notes_of(wild), wild.duration_s, 1, 70)
        assert found is not None
        assert max(map(len, map(Screen().text_of, roll_lines(found, ascii_only=False, coloured=False)))) <= 80


def test_colours_tell_velocity() -> None:
    """The louder note of a character has its colour."""
    table = music_table(
        Event(0.0, 60, 0.3, level_db=-50), Event(1.0, 60, 0.5, level_db=-10), Event(2.0, 60, 0.5, level_db=-50),
        Event(2.0, 60.1, 0.5, level_db=-10),
    )  # fmt: skip
    roll = drawn(table)
    (panel,) = roll.panels
    assert panel.velocity[0, [0, 7, 14]] == pytest.approx([127 / 6, 127 * 5 / 6, 127 * 5 / 6], abs=1e-3)
    assert np.isnan(panel.velocity[0, 4])
    lines = [list(line) for line in roll_lines(roll, ascii_only=False, coloured=True)]
    first = Screen(is_terminal=True, depth="TRUECOLOR").text_of(lines[0])
    codes = ["38;2;" + ";".join(str(int(c[i : i + 2], 16)) for i in (1, 3, 5)) for c in (ramp(16)[0], ramp(16)[-1])]
    assert first.index(codes[0]) < first.index(codes[1])
    assert "velocity 21 " in Screen().text_of(lines[-1])


# the command


def test_inspect_shows_the_roll_of_notes(tmp_path: Path) -> None:
    text = ok("inspect", write_sic(tmp_path / "song.sic", little_song())).decode()
    assert "notes over time" in text and "dB" not in text
    assert [line.split()[0] for line in text.splitlines() if "┤" in line] == [
        "C5", "G4", "C4", "G3", "C3", "hi-hat", "snare", "bass",
    ]  # fmt: skip
    assert "velocity 64 to 105" in text
    assert max(len(line) for line in text.splitlines()[1:]) <= 80  # but for the path


def test_inspect_of_no_notes_draws_nothing(tmp_path: Path) -> None:
    assert "notes over time" not in ok("inspect", write_sic(tmp_path / "none.sic", music_table())).decode()


def test_a_terminal_that_knows_no_braille_gets_ascii(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "song.sic", little_song())
    done = sic_process("inspect", path, env=ENV | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert done.returncode == 0, done.stderr
    assert "C5 +" in done.stdout.decode("ascii") and b"\\u" not in done.stdout


def test_inspect_events_names_notes_and_drums(tmp_path: Path) -> None:
    table = music_table(Event(0.0, 69), Event(0.5, 60.1), Event(1.0, 33, drum=True))
    names, units, *rows = ok("inspect", write_sic(tmp_path / "a.sic", table), "--events").decode().splitlines()
    column = names.split().index("note")
    assert names.split()[column - 1] == "f0" and "cents" in units
    assert [row.split()[column - 1 : column + 1] for row in rows] == [
        ["440.00", "A4"], ["263.14", "C4+10"], ["55.00", "bass"],
    ]  # fmt: skip


def test_inspect_json_lists_the_notes(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "song.sic", little_song())
    found = json.loads(ok("inspect", path, "--json"))
    assert list(found)[-2:] == ["events", "notes"]
    assert list(found["notes"][0]) == ["onset_s", "offset_s", "midi", "velocity", "drum", "channel", "event"]
    table = EventTable.from_unsorted(little_song().header, *_columns(found["events"]))
    assert found["notes"] == note_rows(notes_of(table)) and len(found["notes"]) == 40


def _columns(events: list[dict]) -> tuple[list, ...]:
    return tuple([event[key] for event in events] for key in ("time_s", "vector", "channel", "amplitude"))


def test_what_has_no_pitch_is_a_line_in_a_row_at_the_bottom() -> None:
    pitched, noise = (Note(1.0, 2.0, midi, 0.5, None, 0, 0) for midi in (60.0, float("nan")))
    found = piano_roll([pitched, noise], 4.0, 1, WIDTH)
    assert found is not None and found.labels[-1] == "unvoiced" and found.labels[:-1].count("unvoiced") == 0
    (panel,) = found.panels
    drawn = [np.flatnonzero([cell not in (" ", BLANK) for cell in row]) for row in panel.rows]
    assert drawn[-1].tolist() == list(range(WIDTH // 4, WIDTH // 2)) == drawn[found.labels.index("C4")].tolist()
    alone = piano_roll([noise], 4.0, 1, WIDTH, ascii_only=True)
    assert alone is not None and alone.labels == ["unvoiced"] and alone.panels[0].rows[0].count("-") == WIDTH // 4
