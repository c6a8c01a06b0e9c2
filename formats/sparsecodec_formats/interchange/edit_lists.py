"""Edit lists (EDL): which sound file lies where, for editors and audio workstations.

Two kinds. That of Samplitude counts in samples and has as many tracks as it takes. CMX 3600 counts in frames of film or
video, on four tracks of sound.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from sparsecodec_formats.errors import SicError

TITLE = "sic stems"
CMX_TRACKS = ("A", "A2", "A3", "A4")
MOST_CMX_CUTS = 999
IN_SAMPLES = "an edit list in samples, which holds all of it"
DAY_S = 24 * 60 * 60
DEFAULT_CURVE = '"*default"'
COLUMNS = (
    ("#Source", 7, "{:d}"),
    ("Track", 5, "{:d}"),
    ("Play-In", 12, "{:d}"),
    ("Play-Out", 12, "{:d}"),
    ("Record-In", 12, "{:d}"),
    ("Record-Out", 12, "{:d}"),
    ("Vol(dB)", 8, "{:.2f}"),
    ("MT", 2, "{:d}"),
    ("LK", 2, "{:d}"),
    ("FadeIn", 12, "{:d}"),
    ("%", 5, "{:d}"),
    ("CurveType", 34, "{}"),
    ("FadeOut", 12, "{:d}"),
    ("%", 5, "{:d}"),
    ("CurveType", 34, "{}"),
    ("Name", 4, "{}"),
)
"""Of a track in Samplitude's list: name, width, and how a value is written."""


@dataclass(frozen=True)
class Clip:
    """A whole sound file on a timeline. file: its name, without quotes; start: in samples from the start of the
    timeline, 0 or more, which is its time stamp too; n_samples: its length, above 0."""

    file: str
    start: int
    n_samples: int

    @property
    def stop(self) -> int:
        return self.start + self.n_samples


def write_samplitude(clips: Sequence[Clip], sample_rate: int, channels: int, file: BinaryIO) -> None:
    """Write clips as Samplitude's EDL, version 1.5, which Reaper reads too: exact to the sample.

    What overlaps lies on tracks of its own. sample_rate: of all the files, Hz; channels: of the sum.
    """
    tracks = _tracks([(clip.start, clip.stop) for clip in clips])
    lines = [
        "Samplitude EDL File Format Version 1.5",
        f'Title: "{TITLE}"',
        f"Sample Rate: {sample_rate}",
        f"Output Channels: {channels}",
        "",
        f"Source Table Entries: {len(clips)}",
        *(f'   {number} "{clip.file}"' for number, clip in enumerate(clips, 1)),
    ]
    on_track: list[list[int]] = [[] for _ in range(max(tracks, default=-1) + 1)]
    for i in sorted(range(len(clips)), key=lambda i: clips[i].start):
        on_track[tracks[i]].append(i)
    for track, rows in enumerate(on_track, 1):
        lines += ["", f'Track {track}: "Track {track}" Solo: 0 Mute: 0']
        lines += [" ".join(name.ljust(width) for name, width, _ in COLUMNS).rstrip()]
        lines += [" ".join(("#" if name.startswith("#") else "-").ljust(width, "-") for name, width, _ in COLUMNS)]
        for i in rows:
            clip = clips[i]
            placed = (0, clip.n_samples, clip.start, clip.stop)
            values = (i + 1, track, *placed, 0.0, 0, 0, *2 * (0, 0, DEFAULT_CURVE), f'"{clip.file}"')
            columns = zip(values, COLUMNS, strict=True)
            lines.append(" ".join(how.format(value).rjust(width) for value, (_, width, how) in columns))
    file.write(("\n".join(lines) + "\n").encode("ascii"))


def write_cmx3600(clips: Sequence[Clip], sample_rate: int, frames_per_second: int, file: BinaryIO) -> None:
    """Write clips as a CMX 3600 list: from the frame in which each begins to the one in which it ends.

    Source and record times are the same: those of the files' own time stamps, by which programs put them at their exact
    samples. SicError for what such a list cannot hold: more than four files at once, 999 in all, or 24 hours.
    """
    if len(clips) > MOST_CMX_CUTS:
        raise SicError(f"has {len(clips)} sounds, and a CMX 3600 list holds {MOST_CMX_CUTS}; ask for {IN_SAMPLES}")
    if any(clip.stop > DAY_S * sample_rate for clip in clips):
        raise SicError(f"lasts more than 24 hours, which time codes do not count; ask for {IN_SAMPLES}")
    frames = [
        (clip.start * frames_per_second // sample_rate, -(-clip.stop * frames_per_second // sample_rate))
        for clip in clips
    ]
    tracks = _tracks(frames)
    if max(tracks, default=-1) >= len(CMX_TRACKS):
        raise SicError(
            f"has {max(tracks) + 1} sounds in one frame, and a CMX 3600 list has {len(CMX_TRACKS)} tracks of sound;"
            f" ask for {IN_SAMPLES}"
        )
    lines = [f"TITLE: {TITLE}", "FCM: NON-DROP FRAME"]
    for number, i in enumerate(sorted(range(len(clips)), key=lambda i: frames[i]), 1):
        begin, end = (_timecode(frame, frames_per_second) for frame in frames[i])
        reel = clips[i].file.partition("-")[0][:8]
        lines += [
            f"{number:03d}  {reel:<8} {CMX_TRACKS[tracks[i]]:<5} C        {begin} {end} {begin} {end}",
            f"* FROM CLIP NAME: {clips[i].file}",
        ]
    file.write(("\r\n".join(lines) + "\r\n").encode("ascii"))


def _timecode(frame: int, frames_per_second: int) -> str:
    seconds, frames = divmod(frame, frames_per_second)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{frames:02d}"


def _tracks(spans: Sequence[tuple[int, int]]) -> list[int]:
    """For each span (begin, end), the first track that is free from its begin on."""
    tracks = [0] * len(spans)
    free: list[int] = []
    taken: list[tuple[int, int]] = []  # (end, track)
    n_tracks = 0
    for i in sorted(range(len(spans)), key=lambda i: spans[i]):
        begin, end = spans[i]
        while taken and taken[0][0] <= begin:
            heapq.heappush(free, heapq.heappop(taken)[1])
        if free:
            tracks[i] = heapq.heappop(free)
        else:
            tracks[i], n_tracks = n_tracks, n_tracks + 1
        heapq.heappush(taken, (end, tracks[i]))
    return tracks
