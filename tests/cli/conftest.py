"""Fixtures for the tests of the commands."""

from __future__ import annotations

import fake_codec
import pytest

from sparsecodec_cli import let_tables_ask


@pytest.fixture(scope="session", autouse=True)
def tables_ask() -> None:
    """Tables find their weights in every test of its own, as they do once a command has read one."""
    let_tables_ask()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> fake_codec.FakeCodec:
    """The codec of fake_codec.py, which stands in the place of every model."""
    return fake_codec.install(monkeypatch.setattr, raising=False)
