"""The quick part of the campaign, and what it has found: a right answer for every kind of it."""

from __future__ import annotations

import io
import itertools
from dataclasses import replace
from pathlib import Path

import hostile
import numpy as np
import pytest
import soundfile
from format_strategies import make_header

from sparsecodec_cli.errors import CliError
from sparsecodec_cli.io.audio import SoundFileSource
from sparsecodec_formats import LAYOUTS, EventTable, FormatError, SicError, TooManyEvents, dumps, loads, salvage
from sparsecodec_formats.container import reader
from sparsecodec_models.renderer import MAX_BLOCK_VALUES, MAX_VALUES_A_SECOND
from sparsecodec_models.speech.codec import SpeechCodec

ROOT = Path(__file__).parents[2]
GOLDEN = {path.stem: path.read_bytes() for path in sorted((ROOT / "formats" / "golden").glob("*.sic"))}
SMALL = [name for name, data in GOLDEN.items() if len(data) < 250]


# .sic files


@pytest.mark.parametrize("name", SMALL)
def test_every_bit_flipped_and_every_cut(name: str) -> None:
    data = GOLDEN[name]
    judge = hostile.SicJudge(loads(data))
    for kind, bad in itertools.chain(hostile.every_flip(data), hostile.every_cut(data)):
        assert judge(bad) == "refused", (kind, bad)


@pytest.mark.parametrize("name", GOLDEN)
def test_blocks_moved_and_damage_anywhere(name: str) -> None:
    data = GOLDEN[name]
    judge = hostile.SicJudge(loads(data))
    random = itertools.islice(hostile.damage(data, np.random.default_rng(1)), 60)
    for kind, bad in itertools.chain(hostile.every_block_moved(data), random):
        assert judge(bad) == ("harmless" if bad == data else "refused"), (kind, bad)


@pytest.mark.parametrize("name", GOLDEN)
def test_forged_files(name: str) -> None:
    """With right checks; what is refused and what is not is for the reader, but it must not fall."""
    judge = hostile.SicJudge(None)
    outcomes = {judge(bad) for _, bad in itertools.islice(hostile.forge(GOLDEN[name], np.random.default_rng(2)), 40)}
    assert "refused" in outcomes


def test_a_file_of_more_events_than_a_table_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    data = dumps(EventTable(make_header(), np.arange(9.0) * 11, np.zeros((9, 32))))
    monkeypatch.setattr(reader, "MAX_EVENTS", 8)
    for read in (loads, lambda bad: salvage(io.BytesIO(bad))):
        with pytest.raises(TooManyEvents, match="more than 8 events"):
            read(data)
    monkeypatch.setattr(reader, "MAX_EVENTS", 9)
    assert len(loads(data)) == 9


# Legal files that ask for too much


def table_of(codec: SpeechCodec, **header: int) -> EventTable:
    made = make_header(model=codec.name, weights_hash=codec.weights_hash, time_unit=codec.time_unit)
    return EventTable(replace(made, **header), [0.1], np.zeros((1, 32)))


def test_rates_that_no_resampler_has_memory_for(codec: SpeechCodec) -> None:
    for rate, channels in ((2**32 - 1, 1), (2**32 - 1, 255), (10**6, 255), (MAX_VALUES_A_SECOND + 1, 1)):
        table = table_of(codec, sample_rate=rate, channels=channels, n_samples=2**48 - 1)
        with pytest.raises(SicError, match=r"channels? at .* Hz .* lower sample rate"):
            codec.decode(table)
        assert next(codec.decode(table, sample_rate=8000, end_s=0.01)).shape == (80, channels)
    with pytest.raises(SicError, match="lower sample rate"):
        codec.decode(table_of(codec), sample_rate=MAX_VALUES_A_SECOND + 1)


def test_many_channels_for_years_come_in_small_blocks(codec: SpeechCodec) -> None:
    table = table_of(codec, channels=255, n_samples=2**48 - 1)
    block = next(codec.decode(table))
    assert block.shape[1] == 255 and 0 < block.size <= MAX_BLOCK_VALUES * 44_100 / codec.model_rate + 255


# Audio


@pytest.mark.parametrize("name", ["WAV", "AIFF", "CAF", "W64", "AU", "FLAC"])
def test_audio_with_a_bit_flipped_in_its_header(name: str) -> None:
    """AIFF had libsndfile seek to before the file's first byte, which was a traceback."""
    file = io.BytesIO()
    soundfile.write(file, np.linspace(-0.5, 0.5, 64), 8000, format=name)
    data = file.getvalue()
    n_refused = 0
    for _, bad in itertools.islice(hostile.every_flip(data), 8 * 80):
        try:
            source = SoundFileSource(io.BytesIO(bad), "x")
            block = source.read(1000)
            assert np.isfinite(block).all() and len(block) <= 1000
        except CliError as error:
            n_refused += 1
            assert "\n" not in str(error)
    assert n_refused


def test_a_file_that_is_no_file_is_refused_in_one_line() -> None:
    for size in (0, 1, 5, 200):
        with pytest.raises(FormatError):
            loads(bytes(size))


def test_a_crowd_of_voices_is_refused_before_it_fills_the_memory(codec: SpeechCodec) -> None:
    """A block of 65,536 events takes a hundred bytes in a file, and took 8 GB here."""
    made = table_of(codec)
    begins, decay = (list(LAYOUTS["speech"].dims).index(name) for name in ("begins", "decay_log2_s"))
    vector = np.zeros((2**16, 32))
    vector[:, begins], vector[:, decay] = 1.0, 100.0  # each for 4 s
    time = np.linspace(20.0, 29.9, len(vector))
    with pytest.raises(SicError, match=r"more than 256 voices sound at once from 20\.000 s on"):
        codec.decode(EventTable(made.header, time, vector))
    some = slice(0, 600)  # 240 at once
    assert next(codec.decode(EventTable(made.header, np.linspace(20.0, 29.9, 600), vector[some]), end_s=0.1)).size
    far = EventTable(made.header, np.arange(2**16) * 10.0, vector)  # 73 hours of sound in all
    assert sum(len(block) for block in codec.decode(far, start_s=6e5)) == 0
    late = replace(made.header, n_samples=2**16 * 10 * made.header.sample_rate)
    block = next(codec.decode(EventTable(late, far.time, vector), start_s=6.5e5, end_s=6.5001e5))
    assert np.abs(block).max() > 1e-3
