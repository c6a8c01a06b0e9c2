"""The public Python API: `import sparsecodec_cli`."""

from __future__ import annotations

import io
from pathlib import Path

import fake_codec
import numpy as np
import pytest
from cli_support import make_table, write_sic

import sparsecodec_cli as sic
from sparsecodec_cli import api
from sparsecodec_formats import edit

pytestmark = pytest.mark.usefixtures("fake")


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(sic.SicError, match="no tpu device"):
        api.resolve_device("tpu")
    assert api.resolve_device("auto") in ("cpu", "cuda", "mps")


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="nonesuch"):
        sic.nonesuch  # noqa: B018


def test_every_name_is_there() -> None:
    for name in sic.__all__:
        assert getattr(sic, name) is not None and name in dir(sic)


@pytest.mark.parametrize("shape", [(8000,), (8000, 1), (8000, 2)])
def test_encode_and_decode_arrays(shape: tuple[int, ...]) -> None:
    audio = 0.5 * np.sin(np.arange(np.prod(shape)) / 5).reshape(shape)
    table = sic.encode(audio, 8000, tags={"title": "tone"}, seed=3)
    header = table.header
    assert (header.sample_rate, header.n_samples, header.seed, header.tags) == (
        8000,
        8000,
        3,
        {"title": "tone"},
    )
    assert header.channels == (shape[1] if len(shape) > 1 else 1)
    file = io.BytesIO()
    sic.write(table, file)
    file.seek(0)
    read = sic.read(file)
    assert read.header == header and np.array_equal(read.vector, table.vector)
    decoded, rate = sic.decode(table)
    assert decoded.shape == (8000, header.channels) and decoded.dtype == np.float32 and rate == 8000
    part, rate = sic.decode(table, start_s=0.25, end_s=0.5, sample_rate=16000)
    assert part.shape == (4000, header.channels) and rate == 16000


def test_encode_takes_a_source_too(tmp_path: Path) -> None:
    audio = 0.5 * np.sin(np.arange(8000) / 5)
    source = fake_codec.ArraySource(audio, 8000)
    assert sic.encode(source) == sic.encode(audio, 8000)
    source.rewind()
    assert sic.encode(source, 8000).header.sample_rate == 8000
    with pytest.raises(sic.SicError, match="8000 Hz, not 16000"):
        sic.encode(source, 16000)
    with pytest.raises(sic.SicError, match="sample_rate"):
        sic.encode(audio)


def test_a_codec_may_stand_for_its_model(fake: fake_codec.FakeCodec) -> None:
    audio, other = 0.5 * np.sin(np.arange(8000) / 5), fake_codec.FakeCodec()
    table = sic.encode(audio, 8000, model=other, effort=7)
    assert other.asked["effort"] == 7 and fake.asked == {}
    sic.decode(table, model=other, seed=8)
    assert other.asked_to_decode["seed"] == 8 and fake.asked_to_decode == {}


def test_blocks_are_the_decoded_sound(fake: fake_codec.FakeCodec) -> None:
    table = make_table(channels=2)
    blocks = list(sic.decode_blocks(table, events=[1, 2], start_s=0.3, end_s=1.5, sample_rate=16000))
    audio, _ = sic.decode(table, events=[1, 2], start_s=0.3, end_s=1.5, sample_rate=16000)
    assert len(blocks) > 1 and np.array_equal(np.concatenate(blocks), audio)
    with pytest.raises(sic.SicError, match="no event 20"):
        sic.decode_blocks(table, events=[20])  # at once


def test_verify_tells_of_bytes_and_of_the_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(write_sic(tmp_path / "a.sic"), "rb") as file:
        assert sic.verify(file) == []
        file.seek(0)
        assert sic.verify(file, decode=True) == []
        monkeypatch.setattr(fake_codec.FakeCodec, "decode", lambda *args, **options: iter([np.full((5, 1), np.nan)]))
        file.seek(0)
        assert sic.verify(file, decode=True) == ["decodes to NaN or infinite samples"]
    (tmp_path / "b.sic").write_bytes((tmp_path / "a.sic").read_bytes()[:-1])
    with open(tmp_path / "b.sic", "rb") as file:
        assert len(sic.verify(file)) == 1


def test_transform_applies_edits_by_name() -> None:
    table = make_table()
    edits = [("crop", (0.5, 1.5)), ("gain", (-6.0,)), ("keep", (3,))]
    assert api.transform(table, edits) == edit.keep(edit.gain(edit.crop(table, 0.5, 1.5), -6.0), 3)
    with pytest.raises(ValueError, match="no edit 'solo'"):
        api.transform(table, [("solo", ([1],))])


def test_randomize_draws_what_is_asked() -> None:
    table = make_table()
    assert api.randomize(table) == table
    assert api.randomize(table, times=True, seed=3) == edit.randomize_times(table, 3)
    both = edit.randomize_vectors(edit.randomize_times(table, 3), 3)
    assert api.randomize(table, times=True, vectors=True, seed=3) == both


def test_decode_some_events() -> None:
    table = make_table()
    with pytest.raises(sic.SicError, match="no event 20"):
        sic.decode(table, events=[3, 20])
    some, _ = sic.decode(table, events=[3, 5])
    expected, _ = sic.decode(edit.solo(table, [3, 5]))
    assert np.array_equal(some, expected) and some.any()
    assert np.abs(sic.decode(table, events=[])[0]).max() < 1e-9


def test_decode_nothing() -> None:
    audio, rate = sic.decode(make_table(0, seconds=0, channels=2))
    assert audio.shape == (0, 2) and rate == 8000
