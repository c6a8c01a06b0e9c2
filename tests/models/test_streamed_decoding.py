"""Decoding as a file comes: any part of it is that part of the whole, and costs no more than it must."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from long_tables import repeated

from sparsecodec_formats import LAYOUTS, EventTable, FormatError, Reader, Writer, dumps, loads
from sparsecodec_models.presets import codec_for, load_renderer
from sparsecodec_models.renderer import Excerpt
from sparsecodec_models.speech.renderer import SpeechRenderer
from sparsecodec_models.speech.synthesis.samples import ChannelSound

RATE = 22050
DIMS = LAYOUTS["speech"].dims
CLIP = loads((Path(__file__).parents[1] / "data" / "only-person-en.sic").read_bytes())
SAME = 1e-6


@pytest.fixture(scope="module")
def renderer() -> SpeechRenderer:
    loaded = codec_for(CLIP.header)
    assert isinstance(loaded, SpeechRenderer)
    return loaded


def whole_of(renderer: SpeechRenderer, table: EventTable) -> np.ndarray:
    """Of a table at the model's rate, each stream from all its events at once: float32 [n, streams]."""
    streams = []
    for stream in range(table.header.streams):
        mine = table.select(table.channel == stream)
        sound = ChannelSound(
            renderer._tables,
            mine.vector,
            renderer.event_samples(mine),
            seed=table.header.seed,
            channel=stream,
            amplitude=mine.amplitude,
        )
        streams.append(sound.samples(0, table.header.n_samples))
    return np.stack(streams, 1)


def sound_of(renderer: SpeechRenderer, source: EventTable | Reader, **options: float) -> np.ndarray:
    blocks = list(renderer.decode(source, **options))  # type: ignore[arg-type]
    return np.concatenate([np.zeros((0, source.header.channels), np.float32), *blocks])


def kinds(renderer: SpeechRenderer) -> dict[str, EventTable]:
    """Recordings of 70 s: as encoded; one voice without an end; whispered for long; with long gaps; in a room; two
    streams, of which one falls silent."""
    speech = repeated(CLIP, 22, sample_rate=RATE, n_samples=70 * RATE)
    voice = speech.vector.copy()
    voice[:, DIMS["begins"].index] = 0
    whisper = voice.copy()
    voiced = renderer.has_pitch(CLIP)
    unvoiced = CLIP.vector[np.flatnonzero(~voiced)[0]]
    long = (speech.time > 12) & (speech.time < 50)
    whisper[long, 8:] = unvoiced[8:]
    room = voice.copy()
    room[::3, DIMS["room_db"].index] = 7
    rare = np.sort(np.random.default_rng(1).choice(len(speech), 25, replace=False))
    stream = (np.arange(len(speech)) % 5 == 0) & (speech.time < 30)
    tables = {
        "speech": speech,
        "voice": speech.replace(vector=voice),
        "whisper": speech.replace(vector=whisper),
        "rare": speech.replace(vector=voice).select(rare),
        "room": speech.replace(vector=room),
        "streams": speech.replace(header=replace(speech.header, channels=2), vector=voice, channel=stream),
    }
    return {name: loads(dumps(table)) for name, table in tables.items()}


@pytest.mark.parametrize("kind", ["speech", "voice", "whisper", "rare", "room", "streams"])
def test_a_table_and_a_file_and_any_part_sound_like_all_events_at_once(renderer: SpeechRenderer, kind: str) -> None:
    table = kinds(renderer)[kind]
    data = dumps(table)
    whole = whole_of(renderer, table)
    assert np.abs(whole).max() > 0.05
    for source in (table, Reader(io.BytesIO(data))):
        sound = sound_of(renderer, source)
        assert sound.shape == whole.shape
        assert np.abs(sound - whole).max() < SAME
    for start_s, end_s in ((0.0, 0.5), (11.85, 12.3), (23.0, 24.0), (40.1, 41.0), (64.9, 80.0)):
        part = sound_of(renderer, Reader(io.BytesIO(data)), start_s=start_s, end_s=end_s)
        expected = whole[round(start_s * RATE) : round(end_s * RATE)]
        assert part.shape == expected.shape
        assert np.abs(part - expected).max() < SAME


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_what_is_settled_does_not_change_whatever_comes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    renderer = load_renderer("speech")
    assert isinstance(renderer, SpeechRenderer)
    n = int(rng.integers(1, 60))
    vector = rng.normal(size=(n, 32)) * 2
    vector[:, DIMS["begins"].index] = rng.random(n) < rng.choice([0.0, 0.1, 0.5])
    vector[:, DIMS["attack_log2_s"].index] = rng.uniform(-8, 9, n)
    vector[:, DIMS["decay_log2_s"].index] = rng.uniform(-8, 9, n)
    vector[rng.random(n) < 0.5, 8:] = CLIP.vector[0, 8:]
    time = np.sort(rng.uniform(0, rng.choice([8.0, 30.0, 90.0]), n))
    header = replace(CLIP.header, sample_rate=RATE, n_samples=100 * RATE)
    table = EventTable(header, time, vector)
    known_s = float(rng.uniform(0, 95))
    before = table.select(time < known_s)
    settled = renderer._settled(Excerpt(before, np.zeros(1, np.int64), np.array([known_s])))
    length = min(settled, 95 * RATE)
    if length <= 0:
        return
    sounds = []
    for later in (before, table, table.replace(vector=np.where(time[:, None] < known_s, vector, -vector))):
        sound = ChannelSound(renderer._tables, later.vector, renderer.event_samples(later), seed=0)
        start = max(0, length - 3 * RATE)
        sounds.append(sound.samples(start, length - start) if len(later) else np.zeros(length - start))
    for sound in sounds[1:]:
        assert np.abs(sound - sounds[0]).max() <= SAME * max(1.0, np.abs(sounds[0]).max())


def test_the_first_samples_come_after_the_first_block(renderer: SpeechRenderer) -> None:
    data = dumps(repeated(CLIP, 20))
    reader = Reader(io.BytesIO(data))
    first = next(renderer.decode(reader))
    assert len(first) > reader.header.sample_rate
    assert reader.position < 0.2 * len(data)  # of 64 s: the first 10


class Counting(Reader):
    """Counts the blocks that it decodes."""

    n_decoded = 0

    def decode(self, raw):  # type: ignore[no-untyped-def]
        self.n_decoded += 1
        return super().decode(raw)


def test_a_late_part_costs_what_an_early_one_costs(renderer: SpeechRenderer, monkeypatch: pytest.MonkeyPatch) -> None:
    data = dumps(repeated(CLIP, 60))  # 190 s, 19 blocks
    held: list[int] = []
    sound = SpeechRenderer._sound
    monkeypatch.setattr(
        SpeechRenderer, "_sound", lambda self, e, seed: (held.append(len(e.table)), sound(self, e, seed))[1]
    )
    for start_s in (60.0, 120.0, 180.0):
        reader = Counting(io.BytesIO(data))
        assert len(sound_of(renderer, reader, start_s=start_s, end_s=start_s + 5)) == 5 * reader.header.sample_rate
        assert reader.n_decoded <= 5
    reader = Counting(io.BytesIO(data))
    sound_of(renderer, reader)
    assert reader.n_decoded == 19
    assert max(held) < 45 * len(CLIP) / CLIP.duration_s  # no more than these seconds are kept


def test_streams_that_come_in_turn_within_a_window(renderer: SpeechRenderer) -> None:
    table = kinds(renderer)["streams"]
    file = io.BytesIO()
    with Writer(file, table.header, length_at_end=True) as writer:
        for second in range(0, 72, 2):  # as of a recording that goes on: blocks of 2 s
            writer.write(table.select((table.time >= second) & (table.time < second + 2)))
    sound = sound_of(renderer, Reader(io.BytesIO(file.getvalue())))
    whole = whole_of(renderer, table)
    assert sound.shape == whole.shape
    assert np.abs(sound - whole).max() < SAME


def test_damage_at_the_end_of_a_file_is_met_before_the_last_sample(renderer: SpeechRenderer) -> None:
    data = dumps(repeated(CLIP, 5))
    n_samples = 0
    with pytest.raises(FormatError):
        for block in renderer.decode(Reader(io.BytesIO(data[:-2] + b"ab"))):
            n_samples += len(block)
    assert 0 < n_samples < round(5 * CLIP.duration_s * CLIP.header.sample_rate)
