"""Rates: a whole file is never larger than asked for, nor much smaller; bits go to the events that are missed most."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from speech_support import CLIPS, decode, encode, estoi, recording

from sparsecodec_formats import EventTable, SicError, container, edit
from sparsecodec_models import ArraySource
from sparsecodec_models.codec import RateTarget
from sparsecodec_models.reference.codec import ReferenceCodec
from sparsecodec_models.speech.analysis.ranking import Ranking
from sparsecodec_models.speech.codec import SpeechCodec


def kbps(table: EventTable) -> float:
    return 8e-3 * len(container.dumps(table)) / table.duration_s


def understood(codec: SpeechCodec, table: EventTable, audio: np.ndarray, rate: int) -> float:
    return estoi(audio, decode(codec, table)[:, 0], rate)


# refusals


@pytest.mark.parametrize("name", ["bitrate_kbps", "events_per_second", "snr_stop_db"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_rate_is_refused(name: str, value: float) -> None:
    with pytest.raises(SicError, match="must be above 0"):
        RateTarget(**{name: value})


def test_two_rates_are_refused() -> None:
    with pytest.raises(SicError, match="not both"):
        RateTarget(bitrate_kbps=1.0, snr_stop_db=3.0)


# the whole file


@pytest.mark.parametrize("asked", [0.6, 0.8, 1.4, 2.4, 4.0, 6.0, 8.0])
@pytest.mark.parametrize("index", range(len(CLIPS)))
def test_a_file_takes_what_is_asked_for(codec: SpeechCodec, asked: float, index: int) -> None:
    audio, rate = recording(index)
    got = kbps(encode(codec, audio, rate, bitrate_kbps=asked))
    assert 0.9 * asked <= got <= asked


@pytest.mark.parametrize("asked", [0.8, 3.0])
def test_the_fit_stays_within_the_rate(codec: SpeechCodec, asked: float) -> None:
    audio, rate = recording()
    got = kbps(encode(codec, audio, rate, bitrate_kbps=asked, effort=3))
    assert 0.9 * asked <= got <= asked


def test_all_channels_share_the_rate(codec: SpeechCodec) -> None:
    audio, rate = recording()
    table = encode(codec, np.stack([audio, 0.1 * audio[::-1]], 1), rate, bitrate_kbps=1.2)
    assert 0.9 * 1.2 <= kbps(table) <= 1.2
    counts = np.bincount(table.channel)
    assert counts[0] > counts[1] > 0  # the louder one is heard more


def test_a_sound_that_needs_no_more_takes_no_more(codec: SpeechCodec) -> None:
    tone = 0.2 * np.sin(2 * np.pi * 220 * np.arange(22050) / 22050).astype(np.float32)
    audio = np.concatenate([np.zeros(66150, np.float32), tone, np.zeros(66150, np.float32)])
    assert kbps(encode(codec, audio, 22050, bitrate_kbps=8.0)) < 4.0


def test_too_few_bytes_for_one_event_leave_none(codec: SpeechCodec) -> None:
    audio, rate = recording()
    table = encode(codec, audio[: rate // 4], rate, bitrate_kbps=0.6)
    assert len(table) == 0 and table.header.n_samples == rate // 4


def test_the_reference_keeps_a_rate_too() -> None:
    audio, rate = recording()
    codec = ReferenceCodec.untrained()
    table = codec.encode(ArraySource(audio[: 2 * rate], rate), bitrate_kbps=1.0, events_per_second=None)
    assert len(table) and kbps(table) <= 1.0


# where the bits go


def test_more_bits_are_better_understood(codec: SpeechCodec) -> None:
    audio, rate = recording()
    score = [understood(codec, encode(codec, audio, rate, bitrate_kbps=k), audio, rate) for k in (0.6, 1.6, 5.0)]
    assert score[0] + 0.05 < score[1] and score[1] + 0.03 < score[2]


def test_more_bits_buy_finer_steps_and_more_events(codec: SpeechCodec) -> None:
    audio, rate = recording()
    tables = [encode(codec, audio, rate, bitrate_kbps=kbps) for kbps in (0.6, 0.8, 1.2, 1.6, 2.4, 3.5, 5.0, 8.0)]
    for fewer, more in pairwise(tables):
        assert max(more.header.step) < min(fewer.header.step)
        assert len(more) > len(fewer)
        assert len(container.dumps(more)) > len(container.dumps(fewer))


def test_what_is_soft_gets_fewer_events(codec: SpeechCodec) -> None:
    audio, rate = recording()
    table = encode(codec, np.concatenate([audio, 0.02 * audio]), rate, bitrate_kbps=1.2)
    loud = np.count_nonzero(table.time < len(audio) / rate)
    assert loud > 1.3 * (len(table) - loud)


def test_keeping_fewer_events_is_nearly_as_good_as_encoding_so(codec: SpeechCodec) -> None:
    audio, rate = recording()
    table = edit.keep_percent(encode(codec, audio, rate, bitrate_kbps=2.4, effort=3), 75)
    cut = container.loads(container.dumps(table))
    anew = encode(codec, audio, rate, bitrate_kbps=kbps(cut), effort=3)
    assert understood(codec, cut, audio, rate) > 0.9 * understood(codec, anew, audio, rate)


def test_a_choice_is_nested(codec: SpeechCodec) -> None:
    n = 40
    rng = np.random.default_rng(1)
    header = codec.header_for(ArraySource(np.zeros(n * 256), 22050))
    vector = rng.normal(0, 3, (n, 32))
    vector[:, 6] = np.arange(n) % 9 == 0
    table = EventTable(header, np.arange(n) * 256 / 22050, vector)
    heard = rng.random(n) < 0.8
    ranking = Ranking(table, rng.normal(0, 2, n).astype(np.float32), heard)
    kept = [ranking.best(k) for k in range(n + 1)]
    assert [k.sum() for k in kept] == [min(k, heard.sum()) for k in range(n + 1)]
    assert all((fewer <= more).all() for fewer, more in pairwise(kept))
    assert (kept[-1] == heard).all()
    least = np.sort(ranking.worth[heard])[len(ranking.worth[heard]) // 2]
    assert (ranking.best(ranking.count_above(least)) == (ranking.worth >= least) & heard).all()


@given(st.integers(0, 60), st.floats(0, 800), st.integers(0, 60), st.floats(0.5, 2))
def test_the_largest_number_within_a_limit(most: int, limit: float, first: int, bend: float) -> None:
    sizes = [20 + n**bend for n in range(most + 1)]
    found = edit.largest_within(limit, sizes.__getitem__, most, lambda n: 1 / max(n, 1), first, near=1.0)
    assert found == max([n for n in range(1, most + 1) if sizes[n] <= limit], default=0)
