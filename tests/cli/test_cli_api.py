"""The public Python API: `import sparsecodec_cli`."""

from __future__ import annotations

import io

import fake_codec
import numpy as np
import pytest
from cli_support import make_table

import sparsecodec_cli as sic
from sparsecodec_cli.api import resolve_device
from sparsecodec_formats import edit


@pytest.fixture(autouse=True)
def codec(monkeypatch: pytest.MonkeyPatch) -> fake_codec.FakeCodec:
    return fake_codec.install(monkeypatch.setattr, raising=False)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_encode_refuses_samples_that_are_no_numbers(bad: float) -> None:
    with pytest.raises(sic.SicError, match="NaN"):
        sic.encode(np.array([0.0, bad]), 8000)


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(sic.SicError, match="no tpu device"):
        resolve_device("tpu")
    assert resolve_device("auto") in ("cpu", "cuda", "mps")


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
