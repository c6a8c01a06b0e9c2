"""Fixtures for the tests of the commands."""

from __future__ import annotations

import fake_codec
import pytest


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> fake_codec.FakeCodec:
    """The codec of fake_codec.py, which stands in the place of every model."""
    return fake_codec.install(monkeypatch.setattr, raising=False)
