"""Fixtures for all tests; a module that has one of the same name uses its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from sparsecodec_models.speech.codec import SpeechCodec

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: tests run side by side, one on each core

settings.register_profile("sic", deadline=None)  # a busy machine is not a failure
settings.load_profile("sic")


@pytest.fixture(scope="session", autouse=True)
def one_thread_unasked() -> None:
    """For the same reason."""
    from sparsecodec_models import threads

    threads.MOST_UNASKED = 1


@pytest.fixture(scope="session")
def codec() -> SpeechCodec:
    """The shipped preset, on one thread."""
    import torch

    from sparsecodec_models import load_codec
    from sparsecodec_models.speech.codec import SpeechCodec

    torch.set_num_threads(1)
    loaded = load_codec("speech")
    assert isinstance(loaded, SpeechCodec)
    return loaded
