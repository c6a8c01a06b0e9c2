"""Takes docs/report.png: the page that `sic report` makes of the README's recording, in headless Chromium.

    python docs/scripts/report_screenshot.py [--recording tests/data/only-person-en.flac] [--out docs/report.png]

The film is half-way and an event is chosen, so that both can be seen. Needs the extras [report] and [test] and Debian's
`chromium`.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
SIZE = {"width": 1200, "height": 900}


def screenshot(page_path: Path) -> Image.Image:
    """The whole page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGS)
        page = browser.new_page(viewport=SIZE)
        page.goto(page_path.as_uri())
        page.wait_for_selector("html[data-ready]")
        page.wait_for_function("() => [...document.querySelectorAll('audio')].every(audio => audio.duration > 0)")
        page.evaluate("() => document.querySelector('.film').film.ready")
        film = page.locator(".film input")
        film.fill(str(int(film.get_attribute("max") or 0) // 2))
        film.blur()
        scatter = page.locator(".scatter").first
        scatter.locator("canvas").scroll_into_view_if_needed()
        loudest = page.evaluate(
            "() => { const points = document.querySelector('.scatter').scatter.points;"
            "return points.reduce((best, p, k) => p.radius > points[best].radius ? k : best, 0); }"
        )
        page.evaluate("k => document.querySelector('.scatter').scatter.go(k)", loudest)
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        picture = Image.open(io.BytesIO(page.screenshot(full_page=True)))
        picture.load()
        browser.close()
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recording", type=Path, default=Path("tests/data/only-person-en.flac"))
    parser.add_argument("--out", type=Path, default=Path("docs/report.png"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        subprocess.run([sys.executable, "-m", "sparsecodec_cli", "report", options.recording, page], check=True)
        picture = screenshot(page)
    picture.convert("RGB").save(options.out, optimize=True)


if __name__ == "__main__":
    main()
