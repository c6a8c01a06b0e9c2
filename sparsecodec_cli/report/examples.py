"""Parts of recordings as the page shows them: sounds and pictures as data URIs, events as columns of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import soxr
from numpy.typing import NDArray

from sparsecodec_formats.edit import estimate_energy_db
from sparsecodec_formats.interchange.notes import Note, event_notes, note_name_and_cents
from sparsecodec_formats.presets import layout_of, level_db
from sparsecodec_formats.presets.voices import Voices
from sparsecodec_formats.segments import Segments
from sparsecodec_formats.table import EventTable

from . import mel_images
from .media import colours, data_uri, flac, opus, peaks, png, waveform_path
from .parts import MeasuredPart
from .segment_map import SegmentMap, segment_map

if TYPE_CHECKING:
    from sparsecodec_models.events.sounds import EventSound

Audio = NDArray[np.float32]

WAVEFORM_POINTS = 600
SPECTROGRAM_COLUMNS = 1200  # at most: more than are seen side by side
FILM_DEPTH_DB = 50.0  # less than other pictures show, so that what is taken out is seen to go
STRIP_FRAMES = 2048  # in a row of the film's picture: browsers bound the width of one
LARGEST_RADIUS, SMALLEST_RADIUS = 9.0, 2.0  # of events on the scatterplot, pixels
RADIUS_DEPTH_DB = 50.0  # below the loudest event, the energy that the smallest stands for
INAUDIBLE = 2.0**-17  # half a step of 16 bits
LOWEST_RATE, HIGHEST_RATE = 8_000, 96_000  # of the sounds, Hz
# A page for 30 s of sound is to stay below 8 MB, and to open in a second. Speech does with the sounds that matter most
# lossless: original and reconstruction, and those of events. Of what takes more, and of the others, Opus is written.
FLAC_BYTES_PER_S = {"tracks": 60_000, "lanes": 60_000}


@dataclass(frozen=True)
class Track:
    """A sound to play, with its waveform (an SVG path, `n_points` wide) and spectrogram (an image)."""

    title: str
    note: str
    audio: str
    waveform: str
    n_points: int
    spectrogram: str


@dataclass(frozen=True)
class Example:
    """What the page holds of a part. `rows`: of its recording's table; the event map comes later, as it is of all
    examples together."""

    start_s: float
    duration_s: float
    tracks: list[Track]
    drawn_anew: list[Track]
    ticks: list[tuple[str, float]]
    film: dict[str, Any]
    lanes: dict[str, Any]
    rows: NDArray[np.int64]
    columns: dict[str, list[Any]]
    removed: float
    redundancy: float
    segments: SegmentMap | None

    @property
    def n_events(self) -> int:
        return len(self.rows)


def example_of(part: MeasuredPart, table: EventTable, pitched: NDArray[np.bool_], seed: int) -> Example:
    """pitched: which events of the table have a pitch, bool [n]; seed: of what is drawn anew."""
    rate, source_rate = part.sample_rate, table.header.sample_rate
    start_s = part.span.start / source_rate
    full = mel_images.loudest(part.before, rate)
    original = [] if part.original is None else [("Original", "the recording", part.original, source_rate)]
    heard = [*original, ("Reconstruction", "what the events sound like together", part.decoded, rate)]
    drawn_anew = [
        ("Randomised vectors", f"other sounds at the same times, seed {seed}", part.other_vectors, rate),
        ("Randomised times", f"the same sounds at other times, seed {seed}", part.other_times, rate),
    ]
    lanes, places = _lanes(part.sounds, len(part.decoded), rate)
    position = {row: i for i, row in enumerate(part.rows.tolist())}
    return Example(
        start_s=start_s,
        duration_s=(part.span.stop - part.span.start) / source_rate,
        tracks=_tracks(heard, part, full, FLAC_BYTES_PER_S["tracks"]),
        drawn_anew=_tracks(drawn_anew, part, full, 0),
        ticks=mel_images.ticks(rate),
        film=_film(part, full, position),
        lanes=lanes,
        rows=part.rows,
        columns=columns_of(table, part.rows, pitched)
        | {
            "share": [round(100 * share, 2) for share in part.energy_removed.tolist()],
            "radius": _radii([_energy_db(sound) for sound in part.sounds]),
            "lane": [lane for lane, _, _ in places],
            "begin_s": [round(begin / rate, 5) for _, begin, _ in places],
            "length_s": [round(length / rate, 5) for _, _, length in places],
        },
        removed=float(part.energy_removed.sum()),
        redundancy=part.redundancy,
        segments=_segments(table, pitched, start_s, (part.span.stop - part.span.start) / source_rate),
    )


def _segments(table: EventTable, pitched: NDArray[np.bool_], start_s: float, duration_s: float) -> SegmentMap | None:
    """None where events are notes already, which the piano roll shows, or vectors do not tell what is linked."""
    if layout_of(table.header).links != "channel":
        return None
    return segment_map(table, Segments.of(table, pitched), pitched, start_s, duration_s)


def columns_of(table: EventTable, rows: NDArray[np.int64], pitched: NDArray[np.bool_]) -> dict[str, list[Any]]:
    """What the page tells of some rows of a table, as JSON: lists as long as `rows`; None where it says nothing.

    Attacks, decays and f0 are as the decoder takes them (`Voices`); a decay is there where nothing is linked to the
    event, f0 where the event has a pitch. Where events are notes there are their names, velocities (0 … 127) and ends;
    no name where nothing is heard. Radii are by an estimate of the energy.
    """
    part, voices = table.select(rows), Voices.of(table)
    columns: dict[str, list[Any]] = {
        "index": rows.tolist(),
        "time_s": np.round(part.time, 4).tolist(),
        "level_db": [round(v, 1) if np.isfinite(v) else None for v in level_db(part).tolist()],
        "radius": _radii(estimate_energy_db(part).tolist()) if len(part) else [],
    }
    if table.header.streams > 1:
        columns["channel"] = part.channel.tolist()
    if voices.linked:
        decay_s, f0_hz = np.round(voices.decay_s[rows], 4).tolist(), np.round(voices.f0_hz[rows], 1).tolist()
        columns["attack_s"] = np.round(voices.attack_s[rows], 4).tolist()
        columns["decay_s"] = [v if ends else None for v, ends in zip(decay_s, voices.ends[rows], strict=True)]
        columns["begins"] = [int(v) for v in voices.begins[rows]]
        columns["f0_hz"] = [v if p else None for v, p in zip(f0_hz, pitched[rows], strict=True)]
    if layout_of(table.header).events_are_notes:
        of_events = event_notes(table)
        notes = [(row, of_events[row]) for row in rows.tolist()]
        columns["note"] = [None if note is None else _name(note) for _, note in notes]
        columns["velocity"] = [0 if note is None else round(127 * note.velocity) for _, note in notes]
        columns["end_s"] = [round(float(table.time[row]) if n is None else n.offset_s, 4) for row, n in notes]
    return columns


def _name(note: Note) -> str:
    return note_name_and_cents(note.midi) if note.drum is None else note.drum.name


def _tracks(
    sounds: Sequence[tuple[str, str, Audio, int]], part: MeasuredPart, full: float, flac_bytes_per_s: float
) -> list[Track]:
    """Of (title, note, audio, rate) each."""
    from sparsecodec_models.events.decomposition import magnitudes

    limited = [(title, note, *playable(audio, rate)) for title, note, audio, rate in sounds]
    seconds = len(part.decoded) / part.sample_rate
    uris = _uris([(audio, rate) for _, _, audio, rate in limited], seconds * flac_bytes_per_s)
    palette = colours("magma")
    tracks = []
    for (title, note, audio, _), uri in zip(limited, uris, strict=True):
        # what was removed from is the original, at the rate of the others
        shown = part.before if title == "Original" else magnitudes(part.stft, audio)
        extremes = peaks(audio, WAVEFORM_POINTS)
        picture = mel_images.narrowed(mel_images.levels(shown, part.sample_rate, full), SPECTROGRAM_COLUMNS)
        tracks.append(Track(title, note, uri, waveform_path(extremes), len(extremes), _image(picture, palette)))
    return tracks


def _image(picture: NDArray[np.uint8], palette: NDArray[np.uint8] | None = None) -> str:
    whole = picture if picture.shape[1] else np.zeros((len(picture), 1), np.uint8)
    return data_uri("image/png", png(np.ascontiguousarray(whole), palette))


def playable(audio: Audio, sample_rate: int) -> tuple[Audio, int]:
    """Samples [n, channels] as browsers play them, and their rate: of more than two channels the mean; at a rate that
    they know; softer where they would clip, as what is drawn anew may come out at any level."""
    if audio.shape[1] > 2:
        audio = audio.mean(axis=1, keepdims=True)
    rate = min(max(sample_rate, LOWEST_RATE), HIGHEST_RATE)
    if rate != sample_rate:
        audio = np.asarray(soxr.resample(audio, sample_rate, rate), np.float32).reshape(-1, audio.shape[1])
    peak = float(np.abs(audio).max(initial=0.0))
    return (audio / peak if peak > 1 else audio), rate


def _uris(sounds: Iterable[tuple[Audio, int]], most_bytes: float) -> list[str]:
    """FLAC of all, or Opus where that takes too many bytes."""
    sounds = list(sounds)
    if most_bytes > 0:
        lossless = [flac(audio, rate) for audio, rate in sounds]
        if sum(map(len, lossless)) <= most_bytes:
            return [data_uri("audio/flac", data) for data in lossless]
    return [data_uri("audio/ogg", opus(audio, rate)) for audio, rate in sounds]


def _film(part: MeasuredPart, full: float, position: dict[int, int]) -> dict[str, Any]:
    """The residual's spectrogram at first, and after each removal the frames that it changed, in one long strip that
    is wrapped into a picture; removals: [event, first frame, frames]; left: share of the energy that is left."""
    rate = part.sample_rate
    values = (part.before, *(removal.residual for removal in part.removals))
    pieces = [mel_images.levels(residual, rate, full, FILM_DEPTH_DB) for residual in values]
    strip = np.concatenate(pieces, axis=1)
    strip = np.pad(strip, ((0, 0), (0, -strip.shape[1] % STRIP_FRAMES)))
    rows = [strip[:, i : i + STRIP_FRAMES] for i in range(0, strip.shape[1], STRIP_FRAMES)]
    left = 1 - np.cumsum([0.0, *(removal.energy_removed for removal in part.removals)])
    return {
        "picture": _image(np.concatenate(rows) if rows else strip),
        "strip_frames": STRIP_FRAMES,
        "rows": mel_images.ROWS,
        "frames": len(part.before),
        "removals": [[position[r.row], r.first, len(r.residual)] for r in part.removals],
        "left": [round(100 * share, 2) for share in left.tolist()],
    }


def _energy_db(sound: EventSound) -> float:
    energy = float(np.square(sound.samples, dtype=np.float64).sum())
    return 10 * float(np.log10(max(energy, 1e-30)))


def _radii(energy_db: Sequence[float]) -> list[float]:
    if not len(energy_db):
        return []
    share = np.clip(1 + (np.array(energy_db) - np.max(energy_db)) / RADIUS_DEPTH_DB, 0, 1)
    return np.round(SMALLEST_RADIUS + (LARGEST_RADIUS - SMALLEST_RADIUS) * share, 1).tolist()


def _lanes(
    sounds: Sequence[EventSound], n_samples: int, sample_rate: int
) -> tuple[dict[str, Any], list[tuple[int, int, int]]]:
    """The events' sounds in few tracks, in each of which no two overlap; and of each its (lane, begin, length).

    In samples; lanes of several channels' events are mono. gain: what to play them with. What 16 bits cannot tell at a
    sound's ends is cut.
    """
    from sparsecodec_models.events.lanes import pack_lanes

    heard: dict[int, tuple[int, Audio]] = {}  # by event: first sample, samples
    for i, sound in enumerate(sounds):
        loud = np.flatnonzero(np.abs(sound.samples) > INAUDIBLE)
        if len(loud):
            heard[i] = sound.start + int(loud[0]), sound.samples[loud[0] : loud[-1] + 1]
    begins = [begin for begin, _ in heard.values()]
    lane_of = pack_lanes(begins, [begin + len(samples) for begin, samples in heard.values()])
    lanes = [np.zeros((n_samples, 1), np.float32) for _ in range(max(lane_of, default=-1) + 1)]
    places = [(0, 0, 0)] * len(sounds)
    for lane, (i, (begin, samples)) in zip(lane_of, heard.items(), strict=True):
        lanes[lane][begin : begin + len(samples), 0] = samples
        places[i] = lane, begin, len(samples)
    gain = max([1.0, *(float(np.abs(lane).max(initial=0.0)) for lane in lanes)])
    seconds = n_samples / sample_rate
    uris = _uris([(lane / gain, sample_rate) for lane in lanes], seconds * FLAC_BYTES_PER_S["lanes"])
    return {"uris": uris, "gain": round(gain, 4)}, places
