"""Arrays on their way to an encoder: what people have becomes samples of full scale 1; what is no audio is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from sparsecodec_formats import SicError
from sparsecodec_models import ArraySource
from sparsecodec_models.audio_source import full_scale_samples

LEVELS = np.array([0.0, 0.25, -0.5, -1.0])


def one_line(error: pytest.ExceptionInfo[SicError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "samples",
    [
        LEVELS,
        LEVELS.astype(np.float16),
        LEVELS.astype(">f4"),
        LEVELS.tolist(),
        (LEVELS * 128).astype(np.int8),
        (LEVELS * 128 + 128).astype(np.uint8),
        (LEVELS * 32768).astype(np.int16),
        (LEVELS * 32768).astype(">i2"),
        (LEVELS * 2.0**31).astype(np.int32),
        LEVELS[::-1].copy()[::-1],
        torch.tensor(LEVELS),
        torch.tensor(LEVELS, dtype=torch.bfloat16),
        torch.tensor(LEVELS, requires_grad=True),
        torch.tensor(LEVELS * 32768).to(torch.int16),
    ],
    ids=lambda samples: f"{type(samples).__name__}-{getattr(samples, 'dtype', '')}",
)
def test_every_type_is_the_same_sound(samples: Any) -> None:
    source = ArraySource(samples, 8000)
    block = source.read(10)
    assert block.dtype == np.float32 and (source.n_samples, source.channels) == (4, 1)
    np.testing.assert_array_equal(block[:, 0], LEVELS)


def test_what_is_given_stays_as_it_is() -> None:
    given = np.array([0, 128, 255], np.uint8)
    full_scale_samples(given)
    assert given.tolist() == [0, 128, 255]


def test_channels_are_columns() -> None:
    source = ArraySource(np.array([[16384, 0], [0, -32768], [0, 0]], np.int16), 8000)
    assert (source.n_samples, source.channels) == (3, 2)
    np.testing.assert_array_equal(source.read(9), [[0.5, 0], [0, -1], [0, 0]])


@pytest.mark.parametrize("shape, n, channels", [((0,), 0, 1), ((0, 2), 0, 2), ((1, 1), 1, 1), ((255, 255), 255, 255)])
def test_small_shapes(shape: tuple[int, ...], n: int, channels: int) -> None:
    source = ArraySource(np.zeros(shape), 8000)
    assert (source.n_samples, source.channels, source.read(5).shape) == (n, channels, (min(n, 5), channels))


@pytest.mark.parametrize("shape", [(1, 16000), (2, 16000), (2, 3), (6, 200), (300, 400)])
def test_channels_first_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(SicError, match="transpose") as error:
        ArraySource(np.zeros(shape), 8000)
    assert f"{shape[1]} channels of {shape[0]} samples" in one_line(error)


@pytest.mark.parametrize(
    "samples, words",
    [
        (None, "NoneType"),
        ("talk.wav", "audio is str"),
        (b"RIFF", "io.BytesIO"),
        (bytearray(b"RIFF"), "io.BytesIO"),
        (16000, "audio is int"),
        (np.float32(0.5), "audio is float32"),
        (object(), "audio is object"),
        (LEVELS + 0j, "complex128"),
        (torch.tensor(LEVELS + 0j), "complex128"),
        (LEVELS > 0, "bool"),
        (np.array(["a", "b"]), "<U1"),
        ([[0.0], [0.0, 1.0]], "no array of numbers"),
        ([0, 1, 2], "int64 numbers, whose full scale is not known"),
        (np.zeros(9, np.uint16), "uint16"),
        (np.zeros((2, 3, 4)), r"\(2, 3, 4\)"),
        (np.zeros((3, 0)), r"\(3, 0\)"),
        (np.zeros((999, 256)), "at most 255"),
    ],
)
def test_what_is_no_audio_is_refused(samples: Any, words: str) -> None:
    with pytest.raises(SicError, match=words) as error:
        ArraySource(samples, 8000)
    one_line(error)


def test_unscaled_floats_are_refused() -> None:
    with pytest.raises(SicError, match=r"peak of 16384, where full scale is 1.*32768"):
        ArraySource(LEVELS * 16384, 8000)
    np.testing.assert_array_equal(ArraySource(LEVELS * 8, 8000).read(4)[:, 0], LEVELS * 8)  # loud, but audio


@pytest.mark.parametrize("rate", [8000, 8000.0, np.int64(8000), np.float32(8000)])
def test_whole_rates(rate: Any) -> None:
    rate = ArraySource(LEVELS, rate).sample_rate
    assert type(rate) is int and rate == 8000


@pytest.mark.parametrize("rate", [None, "8000", 8000.5, float("nan"), 0, -8000, 2**32, np.zeros(99), [8000]])
def test_what_is_no_rate_is_refused(rate: Any) -> None:
    with pytest.raises(SicError, match="sample_rate") as error:
        ArraySource(LEVELS, rate)
    one_line(error)
