"""How long a page of `sic report` takes to open in headless Chromium: medians over several openings, in ms.

    python docs/scripts/report_opening.py PAGE.html... [--times 9]

`seen`: first text on the screen; `usable`: its script has run, so that events can be clicked on; `loaded`: all of its
pictures and sounds are there. Each opening is in a new context, so nothing is remembered. Needs the extra [test] and
Debian's `chromium`.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
TIMES = """() => {
  const page = performance.getEntriesByType('navigation')[0];
  const seen = performance.getEntriesByName('first-contentful-paint')[0];
  return [seen ? seen.startTime : NaN, page.domContentLoadedEventEnd, page.loadEventEnd];
}"""


def opening_ms(browser: Browser, path: Path) -> list[float]:
    """[seen, usable, loaded] of one opening."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(path.resolve().as_uri())
    page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length")
    times: list[float] = page.evaluate(TIMES)
    context.close()
    return times


def n_events(path: Path) -> int:
    """Of all scatterplots, but the one of all examples together."""
    text = path.read_text("utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    data = json.loads(found[1]) if found else {"examples": {}, "wholes": {}}
    return sum(len(shown["events"]["index"]) for kind in ("examples", "wholes") for shown in data[kind].values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path, nargs="+", metavar="PAGE.html")
    parser.add_argument("--times", type=int, default=9)
    options = parser.parse_args()
    print(f"{'page':<24}{'MB':>6}{'events':>8}{'seen':>7}{'usable':>8}{'loaded':>8}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGS)
        for path in options.pages:
            rows = [opening_ms(browser, path) for _ in range(options.times)]
            seen, usable, loaded = (statistics.median(column) for column in zip(*rows, strict=True))
            size = path.stat().st_size / 1e6
            print(f"{path.name:<24}{size:>6.1f}{n_events(path):>8}{seen:>7.0f}{usable:>8.0f}{loaded:>8.0f}")
        browser.close()


if __name__ == "__main__":
    main()
