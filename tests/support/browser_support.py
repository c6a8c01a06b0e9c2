"""A headless Chromium for tests of pages, and a page that tells of everything that goes wrong on it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# so that it neither needs root's sandbox nor asks the network for anything of its own
ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)
NAMES = ("chromium", "chromium-browser", "google-chrome")

# What starts to sound is noted: [when, offset, seconds] of each excerpt that Web Audio plays.
WATCH_SOUNDS = """
window.sounds = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (when, offset, seconds) {
  window.sounds.push([when, offset, seconds]);
  window.audioContext = this.context;
  return start.call(this, when, offset, seconds);
};
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Skips where there is none; with SIC_TEST_BROWSER=1, as in .ci/run, that is a failure."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        if os.environ.get("SIC_TEST_BROWSER") == "1":
            pytest.fail("no Chromium to test pages in; apt-get install chromium")
        pytest.skip("no Chromium to test pages in")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGS), headless=True)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, path: Path, **options: Any) -> Iterator[Page]:
    """The page of a file in a fresh context; fails for an error on its console, and for a request that leaves it."""
    context = browser.new_context(**({"viewport": {"width": 1200, "height": 900}} | options))
    context.add_init_script(WATCH_SOUNDS)
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: wrong.append(request.url) if _leaves(request.url, path) else None)
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]")
    yield page
    assert not wrong
    context.close()


def _leaves(url: str, path: Path) -> bool:
    return not url.startswith("data:") and url.split("#")[0] != path.as_uri()
