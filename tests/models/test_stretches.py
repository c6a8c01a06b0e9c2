"""`speech` in stretches and live: no seams, one ceiling for all, memory and look-ahead that do not grow."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
import soxr
from long_sounds import LongSound, joined, written
from numpy.typing import NDArray
from speech_support import CLIPS, recording

from sparsecodec_formats import LAYOUTS, EventTable, SicError, Voices, dumps
from sparsecodec_models import ArraySource, load_codec
from sparsecodec_models.live_audio import LiveAudio
from sparsecodec_models.speech.analysis import pipeline
from sparsecodec_models.speech.codec import SpeechCodec

RATE = 16_000
MOST_LATE_S = 8.0


@cache
def talk() -> NDArray[np.float32]:
    """All recordings one after the other, float32 [n]."""
    sounds = []
    for clip in range(len(CLIPS)):
        samples, rate = recording(clip)
        sounds.append(soxr.resample(samples, rate, RATE).astype(np.float32))
    return np.concatenate(sounds)


def long_talk(duration_s: float, pause_s: float = 0.0) -> LongSound:
    return LongSound(talk(), RATE, duration_s, pause_s)


@pytest.fixture
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "STRETCH_S", 10)


# stretches


@pytest.mark.parametrize("duration_s, n_stretches", [(1, 1), (179, 1), (181, 2), (301, 3), (3 * 3600, 90)])
def test_a_stretch_takes_about_two_minutes(codec: SpeechCodec, duration_s: int, n_stretches: int) -> None:
    n_samples = duration_s * codec.model_rate
    ends = list(pipeline._ends_of_stretches(n_samples, 1, codec.model))
    lengths_s = np.diff([0, *ends[:-1], n_samples]) / codec.model_rate
    assert len(ends) == n_stretches and ends[-1] is None
    assert (lengths_s <= 180).all() and (n_stretches == 1 or lengths_s.min() > 59)
    of_many = list(pipeline._ends_of_stretches(n_samples, 255, codec.model))
    assert np.diff([0, *of_many[:-1], n_samples]).max() <= 15 * codec.model_rate + 256


@pytest.mark.parametrize("effort", [0, 1])
def test_stretches_give_the_events_of_the_whole(
    codec: SpeechCodec, effort: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = long_talk(34.0)
    whole = codec.encode(source, effort=effort)
    monkeypatch.setattr(pipeline, "STRETCH_S", 10)
    parts = list(codec.encode_parts(source, effort=effort))
    assert [round(part.time[-1], -1) for part in parts[:-1]] == [10, 20] and len(parts) == 3
    assert all(part.header == whole.header for part in parts)
    table = joined(parts)
    same = set(whole.time) & set(table.time)
    assert len(same) > 0.97 * max(len(whole), len(table))
    assert abs(Voices.of(table).begins.sum() - Voices.of(whole).begins.sum()) <= 2
    assert written(parts) == dumps(table) == dumps(codec.encode(source, effort=effort))


@pytest.mark.usefixtures("short_stretches")
def test_a_voice_goes_on_from_one_stretch_to_the_next(codec: SpeechCodec) -> None:
    """A steady vowel over two borders begins once."""
    time = np.arange(round(24 * RATE)) / RATE
    vowel = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 12)).astype(np.float32)
    parts = list(codec.encode_parts(ArraySource(0.1 * vowel, RATE), effort=0))
    assert len(parts) == 2 and all(len(part) for part in parts)
    first = parts[1].vector[0]
    assert first[LAYOUTS["speech"].dims["begins"].index] <= 0.5
    assert (Voices.of(joined(parts)).number[len(parts[0]) - 1 :][:2] == Voices.of(parts[0]).number[-1]).all()


@pytest.mark.usefixtures("short_stretches")
@pytest.mark.parametrize("effort", [0, 1])
def test_a_bitrate_is_a_ceiling_for_all_stretches_and_nearly_used(codec: SpeechCodec, effort: int) -> None:
    source = long_talk(45.0)
    parts = list(codec.encode_parts(source, bitrate_kbps=1.2, effort=effort))
    assert len(parts) > 2
    most = 125 * 1.2 * 45
    assert 0.9 * most < len(written(parts)) <= most
    # after each stretch no more is gone than was meant for the time so far
    for n in range(1, len(parts)):
        assert len(written(parts[:n])) <= 125 * 1.2 * 10 * n + 60


@pytest.mark.usefixtures("short_stretches")
def test_a_pause_gives_its_bits_to_what_follows(codec: SpeechCodec) -> None:
    silent = list(codec.encode_parts(long_talk(40.0, pause_s=20.0), bitrate_kbps=0.8, effort=0))
    spoken = list(codec.encode_parts(long_talk(40.0), bitrate_kbps=0.8, effort=0))
    assert len(joined(silent).select(joined(silent).time < 19)) == 0
    assert len(written(silent)) <= 100 * 40
    after = [table.select(table.time >= 20) for table in (joined(silent), joined(spoken))]
    assert len(after[0]) > 1.1 * len(after[1])


@pytest.mark.usefixtures("short_stretches")
def test_so_many_events_a_second_hold_for_all_stretches(codec: SpeechCodec) -> None:
    table = codec.encode(long_talk(33.0), events_per_second=9.5, effort=0)
    assert 0.97 * 9.5 * 33 <= len(table) <= 9.5 * 33


@pytest.mark.usefixtures("short_stretches")
def test_a_recording_is_read_once_for_its_events(codec: SpeechCodec) -> None:
    """And once before, for what it holds below 20 Hz."""
    source = long_talk(33.0)
    for _ in codec.encode_parts(source, effort=1):
        pass
    assert source.n_rewound == 2


@pytest.mark.usefixtures("short_stretches")
def test_progress_goes_from_nothing_to_all(codec: SpeechCodec) -> None:
    told: list[float] = []
    codec.encode(long_talk(33.0), effort=1, progress=told.append)
    assert told == sorted(told) and told[0] < 0.1 and told[-1] == 1


@pytest.mark.usefixtures("short_stretches")
def test_what_waits_for_a_stretch_does_not_grow(codec: SpeechCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    forget = pipeline._Stream.forget

    def watched(self: pipeline._Stream, until: int, keep: int) -> None:
        forget(self, until, keep)
        held.append(sum(map(len, self._samples)) + 100 * len(self._found))

    monkeypatch.setattr(pipeline._Stream, "forget", watched)
    for _ in codec.encode_parts(long_talk(95.0), effort=0):
        pass
    assert len(held) > 6 and max(held) <= 20 * codec.model_rate


# live


@pytest.mark.parametrize("options", [{}, {"bitrate_kbps": 1.2}, {"events_per_second": 10.0}, {"snr_stop_db": 5.0}])
def test_live_events_come_within_their_time(codec: SpeechCodec, options: dict[str, float]) -> None:
    source = long_talk(30.0)
    latest_s = 0.0
    parts = []
    for part in codec.encode_live(LiveAudio(source.blocks(160), RATE), effort=0, **options):
        assert part.header.n_samples == source.at
        if len(part):
            latest_s = max(latest_s, source.at / RATE - part.time[0])
        parts.append(part)
    assert 2.5 < latest_s < 5.6 < MOST_LATE_S
    assert len(parts) == 12 and parts[-1].header.n_samples == source.n_samples


def test_live_events_are_late_by_no_more_with_rumble(codec: SpeechCodec) -> None:
    """Of which filters take away what nobody hears."""
    source = long_talk(20.0)
    at = 0

    def blocks() -> Iterator[NDArray[np.float32]]:
        nonlocal at
        for block in source.blocks(160):
            at += len(block)
            yield block + 0.3

    late_s = [at / RATE - part.time[0] for part in codec.encode_live(LiveAudio(blocks(), RATE), effort=0) if len(part)]
    assert 5.6 < max(late_s) < MOST_LATE_S


def test_live_is_nearly_what_the_whole_is(codec: SpeechCodec) -> None:
    source = long_talk(34.0)
    whole = codec.encode(source, effort=0)
    source.rewind()
    live = joined(list(codec.encode_live(LiveAudio(source.blocks(4000), RATE), effort=0)))
    assert len(set(whole.time) & set(live.time)) > 0.95 * max(len(whole), len(live))
    assert live.header == whole.header


def test_live_does_not_depend_on_the_blocks(codec: SpeechCodec) -> None:
    tables = []
    for n in (50, 7777, 10**6):
        source = long_talk(13.0)
        tables.append(list(codec.encode_live(LiveAudio(source.blocks(n), RATE), effort=0, bitrate_kbps=1.2)))
    for other in tables[1:]:
        assert joined(other) == joined(tables[0])


def test_a_live_bitrate_holds_at_any_time(codec: SpeechCodec) -> None:
    """Over any time it is kept but for what 3 s are meant for, and from the start on it is kept to the byte."""
    source = long_talk(60.0, pause_s=13.0)
    parts = list(codec.encode_live(LiveAudio(source.blocks(4000), RATE), effort=0, bitrate_kbps=1.0))
    empty = len(dumps(EventTable.empty(parts[0].header)))
    n_bytes = np.array([len(dumps(part)) - empty for part in parts])
    so_far = np.concatenate([[0], np.cumsum(n_bytes)])
    allowed = 125 * 1.0 * 2.5
    for i in range(len(so_far)):
        assert so_far[i] <= allowed * i
        for j in range(i + 1, len(so_far)):
            assert so_far[j] - so_far[i] <= allowed * (j - i) + 3 * 125
    assert so_far[-1] - so_far[8] > 0.85 * allowed * (len(parts) - 8)


def test_channels_are_streams_of_their_own_live(codec: SpeechCodec) -> None:
    both = (np.concatenate([block, block], 1) for block in long_talk(6.0).blocks(4000))
    table = joined(list(codec.encode_live(LiveAudio(both, RATE), effort=0)))
    assert table.header.streams == table.header.channels == 2
    assert (table.channel == 0).sum() == (table.channel == 1).sum()


@pytest.mark.parametrize(
    "blocks, message",
    [
        ([], "no samples"),
        ([np.zeros((0, 1), np.float32)], "no samples"),
        ([np.zeros((100, 1), np.float32), np.zeros((100, 2), np.float32)], "1 channels, and then 2"),
        ([np.full((100, 1), np.nan, np.float32)], "NaN"),
    ],
)
def test_streams_that_cannot_be_coded_are_refused(blocks: list[NDArray[np.float32]], message: str) -> None:
    with pytest.raises(SicError, match=message):
        LiveAudio(blocks, RATE)


def test_a_preset_that_needs_the_whole_is_refused_live() -> None:
    with pytest.raises(SicError, match="whole recordings only; take 'speech'"):
        load_codec("reference").encode_live(LiveAudio([np.zeros((100, 1), np.float32)], RATE))
