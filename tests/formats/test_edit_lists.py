"""Edit lists: what reads them puts every file at its place."""

from __future__ import annotations

import io
import re
from itertools import pairwise

import opentimelineio as otio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsecodec_formats import SicError
from sparsecodec_formats.interchange.edit_lists import Clip, write_cmx3600, write_samplitude

RATE = 16_000
SPANS = st.lists(st.tuples(st.integers(0, 200_000), st.integers(1, 60_000)), max_size=30)


def clips_of(spans: list[tuple[int, int]]) -> list[Clip]:
    return [Clip(f"{i:04d}-{start / RATE:.3f}s.wav", start, n) for i, (start, n) in enumerate(spans)]


def most_at_once(spans: list[tuple[int, int]]) -> int:
    return max((sum(a <= begin < b for a, b in spans) for begin, _ in spans), default=0)


def samplitude(clips: list[Clip]) -> tuple[dict[str, str], list[tuple[int, str, list[int]]]]:
    """Head, and (track, file, play in, play out, record in, record out) of each line, read by the columns' names."""
    file = io.BytesIO()
    write_samplitude(clips, RATE, 2, file)
    lines = file.getvalue().decode("ascii").splitlines()
    assert lines[0] == "Samplitude EDL File Format Version 1.5"
    head = dict(line.split(": ", 1) for line in lines[1:4])
    first = lines.index(f"Source Table Entries: {len(clips)}") + 1
    sources = dict(re.fullmatch(r" +(\d+) \"(.*)\"", line).groups() for line in lines[first : first + len(clips)])  # type: ignore[union-attr]
    placed = []
    track, rows = 0, iter(lines[first + len(clips) :])
    for line in rows:
        if begun := re.fullmatch(r'Track (\d+): "Track \1" Solo: 0 Mute: 0', line):
            assert int(begun[1]) == track + 1
            track += 1
            names, rule = next(rows), next(rows)
            columns = [(m.start(), m.end()) for m in re.finditer(r"[#-]+", rule)]
            assert [names[a:b].strip() for a, b in columns[:6]] == [
                *("#Source", "Track", "Play-In", "Play-Out", "Record-In", "Record-Out")
            ]
        elif line:
            cells = [line[a:b].strip() for a, b in columns[:-1]]
            assert int(cells[1]) == track and float(cells[6]) == 0 and cells[7:9] == ["0", "0"]
            assert cells[9:] == ["0", "0", '"*default"'] * 2
            assert line[columns[-1][0] :] == f'"{sources[cells[0]]}"'
            placed.append((track, sources[cells[0]], [int(cell) for cell in cells[2:6]]))
    return head, placed


@given(SPANS)
def test_samplitude_is_exact_to_the_sample(spans: list[tuple[int, int]]) -> None:
    clips = clips_of(spans)
    head, placed = samplitude(clips)
    assert head == {"Title": '"sic stems"', "Sample Rate": str(RATE), "Output Channels": "2"}
    found = {file: (track, times) for track, file, times in placed}
    assert len(placed) == len(found) == len(clips)
    for clip in clips:
        assert found[clip.file][1] == [0, clip.n_samples, clip.start, clip.start + clip.n_samples]
    # nothing overlaps on a track, and there are no more of them than needed
    for (track, _, before), (next_track, _, after) in pairwise(placed):
        assert track != next_track or before[3] <= after[2]
    assert len({track for track, _, _ in placed}) == most_at_once([(start, start + n) for start, n in spans])


@pytest.mark.parametrize("frames_per_second", [24, 25, 30])
@given(SPANS)
@settings(deadline=None)
def test_cmx3600_is_read_by_others(frames_per_second: int, spans: list[tuple[int, int]]) -> None:
    clips = clips_of(spans)
    frames = [(a * frames_per_second // RATE, -(-(a + n) * frames_per_second // RATE)) for a, n in spans]
    file = io.BytesIO()
    if most_at_once(frames) > 4:
        with pytest.raises(SicError, match="in one frame, and a CMX 3600 list has 4 tracks"):
            write_cmx3600(clips, RATE, frames_per_second, file)
        assert not file.getvalue()
        return
    write_cmx3600(clips, RATE, frames_per_second, file)
    # raises where times overlap on a track
    timeline = otio.adapters.read_from_string(file.getvalue().decode("ascii"), "cmx_3600", rate=frames_per_second)
    assert timeline.name == "sic stems" and {track.name for track in timeline.tracks} <= {"A1", "A2", "A3", "A4"}
    found = {}
    for track in timeline.tracks:
        first = -track.source_range.start_time.to_frames() if track.source_range else 0
        for clip in track.find_clips():
            source, record = clip.source_range, clip.range_in_parent()
            assert source.duration == record.duration
            assert source.start_time.to_frames() == record.start_time.to_frames() + first
            assert clip.metadata["cmx_3600"]["reel"] == clip.name[:4]
            found[clip.name] = (source.start_time.to_frames(), source.end_time_exclusive().to_frames())
    # from the frame in which a file begins to that in which it ends, and no further
    assert found == {clip.file: span for clip, span in zip(clips, frames, strict=True)}


def test_time_codes_count_frames_seconds_minutes_and_hours() -> None:
    file = io.BytesIO()
    write_cmx3600([Clip("0000-x.wav", (11 * 3600 + 59 * 60 + 58) * RATE + RATE // 2, RATE)], RATE, 24, file)
    line = file.getvalue().decode().splitlines()[2]
    assert line.split() == ["001", "0000", "A", "C", *2 * ("11:59:58:12", "11:59:59:12")]


@pytest.mark.parametrize(
    ("clips", "words"),
    [
        (clips_of([(i * RATE, 1) for i in range(1000)]), "1000 sounds, and a CMX 3600 list holds 999"),
        ([Clip("0000-x.wav", 24 * 3600 * RATE - 1, 2)], "24 hours"),
    ],
)
def test_what_cmx3600_cannot_hold_is_refused(clips: list[Clip], words: str) -> None:
    file = io.BytesIO()
    with pytest.raises(SicError, match=f"{words}.*in samples"):
        write_cmx3600(clips, RATE, 25, file)
    assert not file.getvalue() and len(samplitude(clips)[1]) == len(clips)
