"""The segments on a page: lines through their events, pitch upwards."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from cli_support import ok, read_sic

from sparsecodec_cli import segments_of
from sparsecodec_cli.report.segment_map import HEIGHT, WIDTH, segment_map
from sparsecodec_formats.segments import Segments

DATA = Path(__file__).parents[1] / "data"
CLIP = DATA / "only-person-en.sic"


def points(path: str) -> np.ndarray:
    """[n, 2] of a line's path."""
    return np.array(re.findall(r"-?[\d.]+", path), float).reshape(-1, 2)


def test_lines_go_through_the_events_of_segments() -> None:
    table = read_sic(CLIP)
    segments = segments_of(table)
    pitched = np.isin(segments.number, np.flatnonzero(segments.kind == "pitched"))
    found = segment_map(table, segments, pitched, 0.0, table.duration_s)
    assert [line.pitched for line in found.lines] == (segments.kind == "pitched").tolist()
    heights = []
    for i, line in enumerate(found.lines):
        assert line.title.startswith(f"{i}: {segments.start_s[i]:.2f} to {segments.end_s[i]:.2f} s")
        if not line.pitched:
            assert "H" in line.path and line.title.endswith("unvoiced")
            continue
        at = points(line.path)
        assert len(at) == len(segments.rows(i)) + 2 and (np.diff(at[:, 0]) >= 0).all()
        assert at[0, 0] == round(WIDTH * segments.start_s[i] / table.duration_s, 2)
        assert ((at[:, 1] >= 0) & (at[:, 1] <= HEIGHT)).all()
        heights.append(np.median(at[:, 1]))
    f0 = segments.f0_hz[segments.kind == "pitched"]
    assert heights[int(f0.argmax())] == min(heights) and heights[int(f0.argmin())] == max(heights)
    shares = [share for _, share in found.ticks]
    assert "C4" in dict(found.ticks) and shares == sorted(shares) and 0 <= shares[0] < shares[-1] <= 1


def test_a_part_shows_the_segments_that_are_heard_in_it() -> None:
    table = read_sic(CLIP)
    segments = segments_of(table)
    found = segment_map(table, segments, segments.number >= 0, 1.0, 0.5)
    heard = np.flatnonzero((segments.end_s > 1.0) & (segments.start_s < 1.5)).tolist()
    assert [int(line.title.split(":")[0]) for line in found.lines] == heard and len(heard) < len(segments)


def test_nothing_is_no_line() -> None:
    table = read_sic(CLIP).select([])
    found = segment_map(table, Segments.of(table), np.zeros(0, bool), 0.0, 1.0)
    assert (found.ticks, found.lines) == ([], [])


def test_pages_of_speech_have_them_and_pages_of_notes_do_not(tmp_path: Path) -> None:
    ok("report", CLIP, tmp_path / "talk.html")
    text = (tmp_path / "talk.html").read_text()
    segments = segments_of(read_sic(CLIP))
    assert text.count('<path class="pitched"') == (segments.kind == "pitched").sum()
    assert text.count('<path class="unvoiced"') == (segments.kind == "unvoiced").sum()
    ok("report", DATA.parents[1] / "models" / "golden" / "music" / "notes.sic", tmp_path / "notes.html")
    assert 'class="segments"' not in (tmp_path / "notes.html").read_text()
