"""The picture that `sic inspect` draws in characters: what lies where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli_support import ENV, make_table, ok, sic_process, write_sic
from numpy.typing import ArrayLike

from sparsecodec_cli.inspect.cells import BLANK, time_ticks
from sparsecodec_cli.inspect.picture import Picture, picture
from sparsecodec_cli.inspect.picture_text import NO_PITCH, picture_lines, ramp
from sparsecodec_cli.io.screen import Screen
from sparsecodec_formats import LAYOUTS, EventTable

SPEECH = LAYOUTS["speech"]
WIDTH = 20


def voice_table(
    time_s: ArrayLike,
    level_db: ArrayLike,
    begins: ArrayLike,
    *,
    f0: ArrayLike = 0.0,
    attack_s: ArrayLike = 1e-3,
    decay_s: ArrayLike = 1e-3,
    **header: object,
) -> EventTable:
    """Events of `speech` in one second, with the given quantities."""
    named = {
        "level_db": level_db,
        "f0_semitones": f0,
        "begins": begins,
        "attack_log2_s": np.log2(attack_s),
        "decay_log2_s": np.log2(decay_s),
    }
    vector = np.zeros((len(np.atleast_1d(time_s)), 32))
    for name, values in named.items():
        dim = SPEECH.dims[name]
        vector[:, dim.index] = (np.asarray(values) - dim.offset) / dim.scale
    made = make_table(0, seconds=1.0, **header)  # type: ignore[arg-type]
    return EventTable(made.header, time_s, vector)


def drawn(table: EventTable, *, ascii_only: bool = False) -> Picture:
    found = picture(table, LAYOUTS[table.header.model], WIDTH, ascii_only=ascii_only)
    assert found is not None
    return found


def is_drawn(found: Picture, panel: int = 0) -> np.ndarray:
    """bool [n_rows, width]"""
    return np.array([[cell not in (" ", BLANK) for cell in row] for row in found.panels[panel].rows])


def test_linked_events_are_joined_by_a_line_and_one_by_itself_is_not() -> None:
    times, levels = [0.26, 0.74], [-10.0, -30.0]
    linked = drawn(voice_table(times, levels, [1, 0], attack_s=[1e-3, 1.0]))
    assert (linked.scale.top_db, linked.scale.row_db, linked.scale.n_rows) == (-10, 2, 13)
    cells = is_drawn(linked)
    assert not cells[:, :5].any() and not cells[:, 15:].any()  # nothing before and after
    assert cells[:, 5].all()  # the attack, from the bottom
    assert cells[10:, 14].all() and not cells[:9, 14].any()  # the decay, to the bottom
    for row in range(1, 9):
        column = (0.26 + 0.48 * row / 10) * WIDTH
        assert cells[row, int(column)]
        between = np.arange(6, 14)
        assert not cells[row, between[np.abs(between + 0.5 - column) > 1.6]].any()
    apart = is_drawn(drawn(voice_table(times, levels, [1, 1])))
    assert not apart[:, 6:14].any()
    np.testing.assert_array_equal(apart[:, 5], cells[:, 5])


def test_a_link_holds_the_level_until_the_attack() -> None:
    cells = is_drawn(drawn(voice_table([0.06, 0.96], [-10.0, -30.0], [1, 0])))
    assert cells[0, 1:19].all()
    assert not cells[1:, 2:19].any()


def test_fades_take_their_time() -> None:
    found = drawn(voice_table([0.5], [-10.0], [1], attack_s=[0.38], decay_s=[0.24]))
    columns = np.flatnonzero(is_drawn(found).any(axis=0))
    assert (columns.min(), columns.max()) == (2, 14)
    assert is_drawn(found)[0, 10]


def test_what_lies_beyond_the_recording_or_is_silent_is_not_drawn() -> None:
    table = voice_table([0.26, 0.5, 1.5], [-10.0, -10.0, -10.0], [1, 1, 1])
    table = table.replace(amplitude=[1.0, 0.0, 1.0])
    assert np.flatnonzero(is_drawn(drawn(table)).any(axis=0)).tolist() == [5]
    assert picture(table.replace(amplitude=[0.0, 0.0, 1.0]), SPEECH, WIDTH) is None
    assert picture(make_table(0), SPEECH, WIDTH) is None
    assert picture(make_table(0, seconds=0), SPEECH, WIDTH) is None


def test_events_of_a_preset_without_links_are_dots() -> None:
    table = make_table(3, seconds=1.0, model="reference")
    table = EventTable(table.header, [0.0, 0.52, 0.999], table.vector, None, [1.0, 0.1, 1.0])
    found = drawn(table)
    np.testing.assert_array_equal(np.argwhere(is_drawn(found)), [[0, 0], [0, 19], [10, 10]])
    assert np.isnan(found.panels[0].pitch).all()


def test_ascii_lies_where_braille_does() -> None:
    table = voice_table([0.06, 0.3, 0.8], [-10.0, -30.0, -22.0], [1, 0, 0], attack_s=[1e-3, 1.0, 1.0])
    found = drawn(table, ascii_only=True)
    assert "".join(found.panels[0].rows).isascii()
    np.testing.assert_array_equal(is_drawn(found), is_drawn(drawn(table)))
    assert "\\" in found.panels[0].rows[5]
    assert "|" in {row[1] for row in found.panels[0].rows}  # the attack


def test_each_of_two_channels_has_a_panel_and_three_share_one() -> None:
    table = voice_table([0.26, 0.76], [-10.0, -20.0], [1, 1], channels=2).replace(channel=[0, 1])
    found = drawn(table)
    assert [panel.channel for panel in found.panels] == [0, 1]
    assert np.flatnonzero(is_drawn(found, 0).any(axis=0)).tolist() == [5]
    assert np.flatnonzero(is_drawn(found, 1).any(axis=0)).tolist() == [15]
    three = voice_table([0.26, 0.76], [-10.0, -20.0], [1, 1], channels=3).replace(channel=[0, 2])
    assert [panel.channel for panel in drawn(three).panels] == [None]


def test_many_events_become_the_range_of_their_levels() -> None:
    n = 4000
    time_s = np.linspace(0, 1, n, endpoint=False)
    level_db = np.where(time_s < 0.5, np.arange(n) % 21 - 40.0, np.arange(n) % 11 - 15.0)
    rows = np.argwhere(is_drawn(drawn(voice_table(time_s, level_db, np.arange(n) == 0, attack_s=1.0))))
    scale = drawn(voice_table(time_s, level_db, np.arange(n) == 0)).scale
    for columns, low, high in ((range(1, 9), -40, -20), (range(11, 19), -15, -5)):
        levels = scale.top_db - scale.row_db * rows[np.isin(rows[:, 1], columns), 0]
        assert low - scale.row_db <= levels.min() < low + 5
        assert high - 3 <= levels.max() <= high + scale.row_db


def test_any_numbers_are_drawn() -> None:
    rng = np.random.default_rng(0)
    for duration_s in (1 / 8000, 3.0, 1e9):
        table = make_table(50, seconds=duration_s, rate=8000)
        wild = table.replace(vector=rng.normal(size=(50, 32)) * 10.0 ** rng.uniform(-30, 37, (50, 32)))
        found = picture(wild, SPEECH, 70)
        assert found is not None
        lines = map(Screen().text_of, picture_lines(found, ascii_only=False, coloured=False))
        assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("duration_s", "width", "labels"),
    [
        (3.159, 70, ["0", "0.5", "1.0", "1.5", "2.0", "2.5", "3.0", "s"]),
        (600.0, 70, ["0", "100", "200", "300", "400", "500", "600", "s"]),
        (0.0004, 40, ["0", "0.0001", "0.0002", "0.0003", "s"]),
        (90.0, 12, ["0", "50", "s"]),
    ],
)
def test_ticks_of_time_are_round_and_below_their_times(duration_s: float, width: int, labels: list[str]) -> None:
    columns, line = time_ticks(duration_s, width)
    assert line.split() == labels
    assert len(line) <= width
    for column, label in zip(columns, labels[:-1], strict=False):
        assert column == min(int(float(label) / duration_s * width + 1e-9), width - 1)


def test_colours_tell_pitch() -> None:
    """From low to high, and grey where there is none."""
    table = voice_table([0.11, 0.41, 0.81], -10.0, [1, 1, 1], f0=[-12.0, 12.0, 0.0])
    lines = [list(line) for line in picture_lines(drawn(table), ascii_only=False, coloured=True)]
    first = Screen(is_terminal=True, depth="TRUECOLOR").text_of(lines[0])
    colours = [ramp(16)[0], ramp(16)[-1], NO_PITCH]
    codes = ["38;2;" + ";".join(str(int(c[i : i + 2], 16)) for i in (1, 3, 5)) for c in colours]
    places = [first.index(code) for code in codes]
    assert places == sorted(places)
    assert "55" in Screen().text_of(lines[-1])  # Hz


def test_without_colours_the_range_of_pitch_is_told_in_words(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "a.sic", voice_table([0.1, 0.4], -10.0, [1, 1], f0=[-12.0, 12.0]))
    text = ok("inspect", path).decode()
    assert "\x1b" not in text
    assert "pitch 55 to 220 Hz" in text
    assert "⡇" in text or "⢸" in text


def test_a_terminal_that_knows_no_braille_gets_ascii(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "a.sic")
    for encoding in ("ascii", "latin-1"):
        env = ENV | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
        done = sic_process("inspect", path, env=env)
        assert done.returncode == 0, done.stderr
        text = done.stdout.decode("ascii")
        assert "dB +" in text and "\\u" not in text


def test_inspect_loads_nothing_that_takes_long(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "a.sic")
    done = sic_process("inspect", path, env=ENV | {"PYTHONPROFILEIMPORTTIME": "1"})
    assert done.returncode == 0
    loaded = {line.rpartition(b"|")[2].strip().decode().split(".")[0] for line in done.stderr.splitlines()}
    assert "numpy" in loaded
    assert not loaded & {"torch", "matplotlib", "sklearn", "scipy"}
