"""The page of `sic report` where events are notes: a piano roll in place of the map of vectors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from browser_support import chromium, opened
from cli_support import sic_process, write_sic
from note_tables import MUSIC, Event, music_table

from sparsecodec_cli.inspect.colour_ramp import ramp
from sparsecodec_cli.report.note_map import SILENT_RGB, note_map
from sparsecodec_formats.interchange.notes import event_notes

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SCATTER = '.scatter[data-events="example-0-0"]'
WHOLE = '.scatter[data-events="whole-0"]'
# a note that is carried on, two at once, a drum, one that is not heard
EVENTS = (
    Event(0.0, 60.0, 9.0, level_db=-30),
    Event(0.25, 33.0, 0.25, level_db=-15, drum=True),
    Event(0.5, 60.2, 0.5, level_db=-24, begins=False),
    Event(0.75, 72.0, 0.25, amplitude=0.0),
    Event(1.0, 67.0, 0.5, level_db=-6),
    Event(1.0, 72.0, 0.25, level_db=-45),
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def made(folder: Path, *options: str, events: tuple[Event, ...] = EVENTS) -> Path:
    """A page of the fake codec, which decodes every preset."""
    path, out = write_sic(folder / "song.sic", music_table(*events, seconds=2.0)), folder / "page.html"
    done = sic_process("report", path, out, *options, fake=True)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("roll"))


@pytest.fixture(scope="module")
def long_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a recording that is longer than its two examples."""
    return made(tmp_path_factory.mktemp("roll"), "--max-seconds", "0.8", "--examples", "2")


def data_of(path: Path) -> dict[str, Any]:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text("utf-8"), re.DOTALL)
    assert match
    found: dict[str, Any] = json.loads(match[1])
    return found


def box_of(page: Page, k: int, scatter: str = SCATTER) -> dict[str, float]:
    """Of an event on its canvas: x and y of the middle of its left edge, width, half its height."""
    box: dict[str, float] = page.evaluate(f"k => document.querySelector('{scatter}').scatter.boxOf(k)", k)
    return box


# what the page holds


def test_events_have_names_velocities_and_ends(report: Path) -> None:
    events = data_of(report)["examples"]["example-0-0"]["events"]
    assert events["note"] == ["C4", "bass", "C4+20", None, "G4", "C5"]
    assert events["velocity"] == [64, 95, 76, 0, 114, 32]
    # durations are rounded in the file, to quarters of an octave either way
    assert events["end_s"][0] == pytest.approx(0.5, abs=0.01) and events["begins"] == [1, 1, 0, 1, 1, 1]
    for k in (1, 2, 4, 5):
        length_s = events["end_s"][k] - events["time_s"][k]
        assert 2**-0.26 < length_s / EVENTS[k].duration_s < 2**0.26
    assert events["end_s"][3] == events["time_s"][3]


def test_upwards_is_pitch_and_drums_are_below(report: Path) -> None:
    data = data_of(report)
    place = data["examples"]["example-0-0"]["events"]["place"]
    row = data["roll"]["row"]
    above = [(place[k] - place[0]) / row for k in (2, 4, 5)]
    assert above == pytest.approx([0.2, 7, 12], abs=0.01)
    assert place[3] == 0 < place[1] < place[0]
    ticks = dict(data["roll"]["ticks"])
    assert ticks["C4"] == pytest.approx(place[0], abs=1e-3) and ticks["bass"] == pytest.approx(place[1], abs=1e-3)
    assert {"C4", "D4", "E4", "F4", "G4", "A4", "B4", "C5"} <= set(ticks)


def test_colours_are_by_velocity(report: Path) -> None:
    text, rgb = report.read_text("utf-8"), data_of(report)["examples"]["example-0-0"]["events"]["rgb"]
    assert (rgb[5], rgb[4]) == (ramp(64)[0][1:], ramp(64)[-1][1:])  # the softest and the loudest
    assert rgb[3] == "".join(f"{v:02x}" for v in SILENT_RGB)
    assert "coloured by velocity, from 32 (blue) to 114 (red)" in text
    assert "t-SNE" not in text.partition("<script")[0] and "by time and pitch" in text


FEW = [(), (Event(0, 60, amplitude=0.0),), (Event(0, 60),), (Event(0, 33, drum=True),), (Event(0, 60, tone=True),)]


@pytest.mark.parametrize("events", FEW)
def test_few_notes_or_none_have_a_map(events: tuple[Event, ...]) -> None:
    table = music_table(*events)
    found = note_map(event_notes(table), MUSIC.tones(table.vector).tolist())
    assert len(found.events.place) == len(found.events.rgb) == len(events)
    assert np.isfinite(found.events.place).all() and 0 < found.row <= 1


def test_tones_are_grey_and_do_not_count_for_the_colours() -> None:
    table = music_table(Event(0, 60, level_db=-30), Event(0.5, 62, level_db=-6), Event(1, 90, level_db=0, tone=True))
    found = note_map(event_notes(table), MUSIC.tones(table.vector).tolist())
    assert tuple(found.events.rgb[2]) == SILENT_RGB
    assert found.events.place[2] > found.events.place[1] > found.events.place[0]
    assert found.velocities == pytest.approx((127 * 0.5, 127 * 0.9), abs=0.5)


def test_other_presets_have_no_roll(tmp_path: Path) -> None:
    done = sic_process("report", write_sic(tmp_path / "talk.sic"), tmp_path / "page.html", fake=True)
    assert done.returncode == 0, done.stderr
    data = data_of(tmp_path / "page.html")
    events = data["examples"]["example-0-0"]["events"]
    assert data["roll"] is None and not {"note", "velocity", "end_s"} & set(events)
    assert "t-SNE" in (tmp_path / "page.html").read_text("utf-8").partition("<script")[0]


# in a browser


def test_a_click_anywhere_on_a_note_plays_it(browser: Browser, report: Path) -> None:
    with opened(browser, report) as page:
        canvas = page.locator(f"{SCATTER} canvas")
        canvas.scroll_into_view_if_needed()
        for k, share in ((0, 0.1), (0, 0.9), (4, 0.5), (1, 0.5), (2, 0.95)):
            box = box_of(page, k)
            canvas.click(position={"x": box["x"] + share * box["width"], "y": box["y"]})
            page.wait_for_function(f"() => document.querySelector('{SCATTER}').dataset.playing === '{k}'")
        assert page.locator("#status").text_content() == "Playing event 2."
        canvas.click(position={"x": box_of(page, 4)["x"] + 5, "y": box_of(page, 4)["y"] + 40})  # between notes
        page.wait_for_selector(f"{SCATTER}:not([data-playing])", state="attached")


def test_hovering_and_the_keyboard_tell_the_note(browser: Browser, report: Path) -> None:
    with opened(browser, report) as page:
        canvas = page.locator(f"{SCATTER} canvas")
        canvas.scroll_into_view_if_needed()
        box = box_of(page, 4)
        canvas.hover(position={"x": box["x"] + box["width"] - 1, "y": box["y"]})
        tip = page.locator(f"{SCATTER} .tip").text_content() or ""
        assert "event 4, 1.001 s\nG4, velocity 114, level -6.0 dB\nbegins a note, attack 10 ms\nuntil 1." in tip
        assert "s, then released in" in tip and "no pitch" not in tip
        canvas.focus()
        page.keyboard.press("Home")
        told = []
        for _ in EVENTS:
            told.append(canvas.get_attribute("aria-valuetext") or "")
            page.keyboard.press("ArrowRight")
        assert [text.split(", ")[2] for text in told] == ["C4", "bass", "C4+20", "begins a note", "G4", "C5"]
        assert "goes on into the next event" in told[0] and "carries on a note" in told[2]
        page.keyboard.press("Enter")
        page.wait_for_function(f"() => document.querySelector('{SCATTER}').dataset.playing === '5'")


def test_a_drag_takes_the_notes_that_it_touches(browser: Browser, report: Path) -> None:
    """Also those that began before it."""
    with opened(browser, report) as page:
        page.locator(f"{SCATTER} canvas").scroll_into_view_if_needed()
        frame = page.locator(f"{SCATTER} canvas").bounding_box()
        assert frame
        first, last = box_of(page, 0), box_of(page, 4)
        page.mouse.move(frame["x"] + first["x"] + first["width"] - 5, frame["y"] + first["y"] + 10)
        page.mouse.down()
        page.mouse.move(frame["x"] + last["x"] + 5, frame["y"] + last["y"] - 10, steps=4)
        page.mouse.up()
        page.wait_for_function(f"() => document.querySelector('{SCATTER}').dataset.playing === '0 2 4'")


def pixel(page: Page, x: float, y: float) -> list[int]:
    colour: list[int] = page.evaluate(
        f"([x, y]) => [...document.querySelector('{SCATTER} canvas').getContext('2d').getImageData(x, y, 1, 1).data]",
        [x, y],
    )
    return colour


def test_notes_are_seen_as_bars(browser: Browser, report: Path) -> None:
    rgb = data_of(report)["examples"]["example-0-0"]["events"]["rgb"]
    with opened(browser, report) as page:
        page.locator(f"{SCATTER} canvas").scroll_into_view_if_needed()
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        for k in (0, 4, 5):
            box = box_of(page, k)
            for share in (0.05, 0.5, 0.95):
                seen = pixel(page, box["x"] + share * box["width"], box["y"])
                assert seen[:3] == pytest.approx(list(bytes.fromhex(rgb[k])), abs=40)  # it lets lines shine through
            assert pixel(page, box["x"] + box["width"] + 3, box["y"] - 2)[:3] != pytest.approx(seen[:3], abs=30)


def test_a_long_recording_shows_what_began_before_the_view(browser: Browser, long_report: Path) -> None:
    with opened(browser, long_report) as page:
        page.locator(f"{WHOLE} canvas").scroll_into_view_if_needed()
        scatter = f"document.querySelector('{WHOLE}').scatter"
        page.evaluate(f"() => {scatter}.look(0.2, 0.5)")
        assert page.evaluate(f"() => {scatter}.isShown(0)") and not page.evaluate(f"() => {scatter}.isShown(4)")
        box = box_of(page, 0, WHOLE)
        assert box["x"] < 64 < box["x"] + box["width"]
        page.locator(f"{WHOLE} canvas").hover(position={"x": 70, "y": box["y"]})
        tip = page.locator(f"{WHOLE} .tip").bounding_box()
        frame = page.locator(f"{WHOLE} canvas").bounding_box()
        assert tip and frame and tip["x"] >= frame["x"]
        wave = page.locator(".streamed").bounding_box()
        assert wave and wave["x"] == pytest.approx(frame["x"] + 64, abs=1)
        assert wave["x"] + wave["width"] == pytest.approx(frame["x"] + frame["width"] - 14, abs=1)


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_narrow_and_wide(browser: Browser, long_report: Path, width: int, scheme: Any) -> None:
    with opened(browser, long_report, viewport={"width": width, "height": 800}, color_scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_recording_without_notes_has_a_page(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, made(tmp_path, events=())) as page:
        assert page.locator(f"{SCATTER} canvas").get_attribute("aria-valuemax") == "0"
