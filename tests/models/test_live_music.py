"""`music` live: the notes of the whole, a bitrate that holds at any time, memory and look-ahead that do not grow."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import numpy as np
import pytest
from long_sounds import DUET, duet, joined
from numpy.typing import NDArray

from sparsecodec_formats import LAYOUTS, EventTable, SicError, dumps, salvage
from sparsecodec_formats.container import write_parts
from sparsecodec_formats.interchange.notes import notes_of
from sparsecodec_models import load_codec
from sparsecodec_models.codec import Codec
from sparsecodec_models.live_audio import LiveAudio
from sparsecodec_models.music.analysis import pipeline

RATE = 22_050
MOST_LATE_S = 8.0
PART_S = 5.0


@pytest.fixture(scope="module")
def codec() -> Codec:
    return load_codec("music")


def live(codec: Codec, blocks: Iterator[NDArray[np.float32]], effort: int = 0, **options: float) -> list[EventTable]:
    return list(codec.encode_live(LiveAudio(blocks, RATE), effort=effort, **options))


def tones(table: EventTable) -> EventTable:
    return table.select(LAYOUTS["music"].tones(table.vector))


# what is found


def test_notes_that_are_known_are_told_live(codec: Codec) -> None:
    """Those of the duet, which is played twice, across all borders."""
    notes = json.loads(DUET.with_suffix(".json").read_text())["notes"]
    found = notes_of(joined(live(codec, duet(17.0).blocks(4000))))
    period_s = duet(0).period_s
    expected = [(note["onset_s"] + period_s * i, note["midi"]) for i in range(3) for note in notes]
    expected = [note for note in expected if note[0] < 16.9]
    hits = [any(abs(n.onset_s - at) < 0.05 and abs(n.midi - midi) < 0.5 for n in found) for at, midi in expected]
    assert np.mean(hits) > 0.97 and len(found) < 1.05 * len(expected)


def test_live_is_what_the_whole_is_without_a_fit(codec: Codec) -> None:
    """Also where a border is: no note is lost there, and none is told twice."""
    source = duet(18.0)
    whole = codec.encode(source, effort=0)
    source.rewind()
    table = joined(live(codec, source.blocks(4000)))
    assert abs(len(table) - len(whole)) <= 1 and table.header == whole.header
    pitch = LAYOUTS["music"].dims["f0_semitones"].index
    near = [
        (np.abs(whole.time - at) < 0.03) & (np.abs(whole.vector[:, pitch] - vector[pitch]) < 3)
        for at, vector in zip(table.time, table.vector, strict=True)
    ]
    assert np.mean([of.any() for of in near]) > 0.98


def organ(duration_s: float) -> NDArray[np.float32]:
    """A steady tone with partials, float32 [n]."""
    time = np.arange(round(duration_s * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * 220 * k * time) / k**2 for k in range(1, 8)) * np.minimum(1, time / 0.05)
    return (0.1 * tone).astype(np.float32)


@pytest.mark.parametrize("cut_s, effort", [(13.0, 0), (13.0, 1), (9.0, 0)])
def test_a_note_longer_than_what_is_heard_of_it_goes_on(codec: Codec, cut_s: float, effort: int) -> None:
    """As a note more for what is left of it; and it ends where it ends."""
    sound = np.concatenate([organ(cut_s), np.zeros(round((16 - cut_s) * RATE), np.float32)])
    table = joined(live(codec, iter([sound]), effort))
    assert 2 <= len(table) <= 4
    heard = np.concatenate(list(codec.decode(table)))[:, 0]
    levels_db = [20 * np.log10(np.std(heard[int(RATE * s) : int(RATE * (s + 1))]) + 1e-9) for s in range(16)]
    while_it_sounds = levels_db[1 : int(cut_s)]
    assert np.ptp(while_it_sounds) < 7
    assert max(levels_db[int(cut_s) + 1 :]) < min(while_it_sounds) - 20


def test_live_does_not_depend_on_the_blocks(codec: Codec) -> None:
    tables = [joined(live(codec, duet(8.0).blocks(n), bitrate_kbps=2.0)) for n in (50, 10**6)]
    assert len(tones(tables[0])) > 20
    for other in tables[1:]:
        assert other == tables[0]


def test_channels_are_streams_of_their_own(codec: Codec) -> None:
    table = joined(live(codec, duet(8.0, late_s=(0.0, 0.0)).blocks(4000)))
    assert table.header.streams == table.header.channels == 2
    assert (table.channel == 0).sum() == (table.channel == 1).sum() > 20


def test_tones_near_borders_are_those_of_the_whole(codec: Codec) -> None:
    """What sounds there of the parts before and after is known where they are looked for."""
    source = duet(13.0)
    whole = codec.encode(source, effort=0, bitrate_kbps=2.0)
    source.rewind()
    table = joined(live(codec, source.blocks(4000), bitrate_kbps=2.0))
    for border_s in (5, 10):
        near = [len(t.select(np.abs(t.time - border_s) < 1)) for t in (tones(whole), tones(table))]
        assert 0.6 < near[1] / near[0] < 1.6
        levels_db = []
        for of in (whole, table):
            heard = np.concatenate(list(codec.decode(of, start_s=border_s - 0.5, end_s=border_s + 0.5)))
            levels_db.append(10 * np.log10(np.mean(np.square(heard))))
        assert abs(levels_db[1] - levels_db[0]) < 0.5


# when it is there


@pytest.mark.parametrize("options", [{}, {"bitrate_kbps": 1.2}, {"events_per_second": 3.0}])
def test_live_events_come_within_their_time(codec: Codec, options: dict[str, float]) -> None:
    source = duet(13.0)
    late_s, parts = [], []
    for part in codec.encode_live(LiveAudio(source.blocks(220), RATE), effort=0, **options):
        assert part.header.n_samples == source.at
        late_s.append(source.at / RATE - part.time[0])
        parts.append(part)
    assert PART_S < max(late_s) < 6.7 < MOST_LATE_S
    assert len(parts) == 3 and parts[-1].header.n_samples == source.n_samples
    for i, part in enumerate(parts):
        assert (part.time // PART_S == i).all()


def test_live_events_are_late_by_no_more_with_rumble(codec: Codec) -> None:
    """Of which filters take away what nobody hears."""
    source = duet(13.0)
    blocks = (block + 0.3 for block in source.blocks(220))
    parts = codec.encode_live(LiveAudio(blocks, RATE), effort=0)
    assert 6.7 < max(source.at / RATE - part.time[0] for part in parts) < MOST_LATE_S


@pytest.mark.parametrize("duration_s, n_parts", [(0.3, 1), (5.5, 2), (10.02, 3), (12.0, 3)])
def test_the_end_is_a_part_of_its_own(codec: Codec, duration_s: float, n_parts: int) -> None:
    source = duet(duration_s)
    parts = live(codec, source.blocks(4000))
    assert len(parts) == n_parts and parts[-1].header.n_samples == source.n_samples
    assert (joined(parts).time <= duration_s).all()


# what it may take


def test_a_live_bitrate_holds_at_any_time(codec: Codec) -> None:
    """Over any time it is kept but for what 3 s are meant for, and from the start on it is kept to the byte."""
    parts = live(codec, duet(38.0, pause_s=13.0).blocks(4000), bitrate_kbps=1.5)
    empty = len(dumps(EventTable.empty(parts[0].header)))
    n_bytes = np.array([len(dumps(part)) - empty for part in parts])
    so_far = np.concatenate([[0], np.cumsum(n_bytes)])
    allowed = 125 * 1.5 * PART_S
    for i in range(len(so_far)):
        assert so_far[i] <= allowed * i
        for j in range(i + 1, len(so_far)):
            assert so_far[j] - so_far[i] <= allowed * (j - i) + 3 * 125 * 1.5
    assert so_far[-1] - so_far[3] > 0.85 * allowed * 4.6
    assert all(len(tones(part)) for part in parts[3:])


def test_a_live_bitrate_too_low_for_all_notes(codec: Codec) -> None:
    parts = live(codec, duet(16.0).blocks(4000), bitrate_kbps=0.2)
    assert parts[0].header.step[0] > 0.5
    assert 0.8 * 125 * 0.2 * 16 < write_parts(parts, io.BytesIO(), live=True).n_bytes <= 125 * 0.2 * 16
    assert not len(tones(joined(parts)))


def test_so_many_events_a_second_hold_in_each_channel(codec: Codec) -> None:
    """Also where one channel has nothing to tell."""
    both = duet(13.0, late_s=(0.0, 3.0)).blocks(4000)
    one = (block * np.float32([1, 0]) for block in duet(13.0, late_s=(0.0, 0.0)).blocks(4000))
    for parts in (live(codec, blocks, events_per_second=1.6) for blocks in (both, one)):
        counts = np.array([np.bincount(part.channel, minlength=2) for part in parts])
        so_far = np.concatenate([np.zeros((1, 2)), np.cumsum(counts, 0)])
        for i in range(len(so_far)):
            assert (so_far[i] <= 1.6 * PART_S * i).all()
        assert so_far[-1, 0] >= 0.85 * 1.6 * 13


def test_an_snr_to_stop_at_is_refused_at_once(codec: Codec) -> None:
    with pytest.raises(SicError, match="SNR"):
        codec.encode_live(LiveAudio([np.zeros((100, 1), np.float32)], RATE), snr_stop_db=6.0)


# what is held, and what is left when it breaks off


def test_what_waits_does_not_grow(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[tuple[int, int, int]] = []
    section = pipeline._Analysis._section

    def watched(self: pipeline._Analysis, begin: int, end: int | None) -> EventTable | None:
        table = section(self, begin, end)
        events = len(self._settled) + len(self._waiting) + len(self._ahead)
        held.append((sum(map(len, self._samples._held)), events, len(self._latest[0][0])))
        return table

    monkeypatch.setattr(pipeline, "LONGEST_S", 10.0)
    monkeypatch.setattr(pipeline._Analysis, "_section", watched)
    live(codec, duet(42.0).blocks(4000), bitrate_kbps=1.0)
    samples, events, latest = np.array(held).T
    assert len(held) == 9 and samples.max() < 12 * RATE
    assert events.max() < 150 and latest.max() < 80


def test_cut_off_anywhere_what_is_there_is_read_but_for_its_end(codec: Codec) -> None:
    file = io.BytesIO()
    parts = live(codec, duet(11.0).blocks(4000), bitrate_kbps=1.0)
    write_parts(parts, file, live=True)
    data, table = file.getvalue(), joined(parts)
    n_found = set()
    for cut in range(120, len(data), 37):
        found = salvage(io.BytesIO(data[:cut])).table
        n_found.add(len(found))
        assert np.array_equal(found.time, table.time[: len(found)])
        assert np.array_equal(found.vector, table.vector[: len(found)])
    assert n_found >= {0, *np.cumsum([len(part) for part in parts[:-1]]).tolist()}
