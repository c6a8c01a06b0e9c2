"""The picture that `sic inspect --segments --plot` writes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from cli_support import assert_refused, make_table, names_in, ok, read_sic, sic, write_sic
from matplotlib.collections import LineCollection
from note_tables import Event, little_song, music_table
from PIL import Image

from sparsecodec_cli import api
from sparsecodec_cli.inspect import plot
from sparsecodec_cli.inspect.inspection import Inspection
from sparsecodec_cli.inspect.segment_courses import courses
from sparsecodec_formats import EventTable, container

CLIP = Path(__file__).parents[1] / "data" / "only-person-en.sic"


def inspected(table: EventTable) -> Inspection:
    return api.inspect(io.BytesIO(container.dumps(table)))


def lines_of(found: Inspection) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Of pitches and of levels: points of each segment, [k, 2]."""
    upper, lower = plot.figure_of(found, "a.sic", with_segments=True).axes[:2]
    both = [[c for c in axes.collections if isinstance(c, LineCollection)] for axes in (upper, lower)]
    pitches, levels = both[0][0], both[1][0]
    return [np.asarray(line) for line in pitches.get_segments()], [np.asarray(line) for line in levels.get_segments()]


def test_segments_go_from_beginning_to_end_by_way_of_their_events() -> None:
    found = inspected(read_sic(CLIP))
    segments, table = found.segments, found.table
    pitches, levels = lines_of(found)
    assert len(pitches) == len(levels) == len(segments) > 10
    upper = plot.figure_of(found, "a.sic", with_segments=True).axes[0]
    rows = dict(zip((t.get_text() for t in upper.get_yticklabels()), upper.get_yticks(), strict=True))
    for i, (pitch, level) in enumerate(zip(pitches, levels, strict=True)):
        assert pitch[0, 0] == pytest.approx(segments.start_s[i]) and (np.diff(pitch[:, 0]) >= 0).all()
        assert pitch[-1, 0] == pytest.approx(max(segments.end_s[i], segments.start_s[i] + 0.002 * table.duration_s))
        assert level[:, 0] == pytest.approx(pitch[:, 0])
        assert level[:, 1].max() == pytest.approx(segments.level_db[i], abs=1e-6) or segments.kind[i] == "pitched"
        if segments.kind[i] == "unvoiced":
            assert set(pitch[:, 1]) == {rows["unvoiced"]} and len(level) == len(segments.rows(i)) + 2
            continue
        midi = 69 + 12 * np.log2(segments.f0_hz[i] / 440)
        assert pitch[:, 1].min() - 1e-6 <= midi <= pitch[:, 1].max() + 1e-6
        assert pitch[:, 1].min() > rows["unvoiced"]
    low, high = upper.get_ylim()
    assert all(low < point < high for line in pitches for point in line[:, 1])


def test_notes_and_drums_are_at_their_pitches_and_in_their_rows() -> None:
    found = inspected(little_song(2))
    upper = plot.figure_of(found, "a.sic", with_segments=True).axes[0]
    rows = dict(zip((t.get_text() for t in upper.get_yticklabels()), upper.get_yticks(), strict=True))
    assert list(rows)[:3] == ["bass", "snare", "hi-hat"]
    for i, pitch in enumerate(lines_of(found)[0]):
        if found.segments.kind[i] == "drum":
            assert set(pitch[:, 1]) <= {rows["bass"], rows["snare"], rows["hi-hat"]}
        else:
            assert np.ptp(pitch[:, 1]) < 0.2
            assert pitch[0, 1] == pytest.approx(69 + 12 * np.log2(found.segments.f0_hz[i] / 440), abs=0.1)


def test_what_goes_with_a_note_does_not_bend_it() -> None:
    table = music_table(Event(0.5, 60, 1.0, level_db=-10), Event(0.51, 84, 0.5, level_db=-50))
    found = inspected(table)
    assert len(found.segments) == 1
    (course,) = courses(found.table, found.segments, found.pitched)
    assert course.midi == pytest.approx(60, abs=0.1)


@pytest.mark.parametrize(
    "table",
    [
        make_table(0),
        make_table(0, seconds=0),
        make_table(1),
        make_table(40, channels=2),
        make_table(6, channels=9),
        make_table(6, weights_hash=b"else"),
        make_table(6).replace(time=np.full(6, 7.0)),  # after the end
        make_table(6).replace(amplitude=np.zeros(6)),
        music_table(),
        music_table(Event(0, 60, amplitude=0)),
        music_table(Event(0, 33, drum=True)),
        music_table(*(Event(i, 60) for i in range(plot.MOST_DRAWN + 1)), seconds=4e3, channels=9),
    ],
    ids=lambda table: f"{len(table)}-{table.header.model}-{table.header.channels}",
)
def test_every_table_has_a_picture(table: EventTable) -> None:
    found = inspected(table)
    for extension in ("png", "svg"):
        file = io.BytesIO()
        plot.draw(file, found, "a.sic", extension, with_segments=True)
        assert len(file.getvalue()) > 1000
    figure = plot.figure_of(found, "a.sic", with_segments=True)
    n = len(found.segments)
    assert f" · {n} segment{'s' * (n != 1)}" in figure.get_suptitle()
    for axes in figure.axes[:2]:
        assert [t.get_text() for t in axes.texts if "segments" in t.get_text()] == ([] if n else ["no segments"])
    if n:
        assert len(lines_of(found)[0]) == n


def test_the_command_writes_it_and_says_so(tmp_path: Path) -> None:
    out = tmp_path / "talk.png"
    result = sic("inspect", CLIP, "--segments", "--plot", out)
    n = len(inspected(read_sic(CLIP)).segments)
    assert (result.exit_code, result.stdout) == (
        0,
        "",
    ) and f"talk.png: 3.16 s · 112 events · {n} segments" in result.stderr
    pixels = np.asarray(Image.open(out).convert("RGB")).astype(int)
    coloured = np.ptp(pixels, axis=2) > 30
    height = len(pixels)
    assert coloured[height // 14 : height // 2].any() and coloured[2 * height // 3 :].any()
    first = out.read_bytes()
    ok("inspect", CLIP, "--segments", "--plot", out, "-f")
    assert out.read_bytes() == first


def test_a_preset_without_links_is_refused(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "ref.sic", make_table(3, model="reference", statistics=0))
    result = sic("inspect", path, "--segments", "--plot", tmp_path / "out.png")
    assert_refused(result, "ref.sic: has no segments", "'reference'")
    assert names_in(tmp_path) == ["ref.sic"]
