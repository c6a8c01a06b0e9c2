"""The page of `sic report` as a user meets it: in a browser, from disk, by pointer and by keyboard."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from browser_support import chromium, opened
from cli_support import ok, read_sic
from PIL import Image

from sparsecodec_formats import container

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

DATA = Path(__file__).parents[1] / "data"
RECORDING = DATA / "only-person-en.flac"
SCATTER = '.scatter[data-events="example-0-0"]'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of one recording."""
    out = tmp_path_factory.mktemp("report") / "page.html"
    ok("report", RECORDING, out, "--effort", "0")
    return out


@pytest.fixture(scope="module")
def long_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of one that is longer than its two examples."""
    out = tmp_path_factory.mktemp("report") / "long.html"
    ok("report", RECORDING, out, "--effort", "0", "--max-seconds", "0.7", "--examples", "2")
    return out


@pytest.fixture(scope="module")
def joint_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of two recordings."""
    out = tmp_path_factory.mktemp("report") / "joint.html"
    ok("report", RECORDING, DATA / "you-are-next-it.flac", out, "--effort", "0", "--max-seconds", "1")
    return out


def data_of(path: Path) -> dict[str, Any]:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text("utf-8"), re.DOTALL)
    assert match
    found: dict[str, Any] = json.loads(match[1])
    return found


def position(page: Page, k: int, scatter: str = SCATTER) -> dict[str, float]:
    """Where an event is on its canvas."""
    where: dict[str, float] = page.evaluate(f"k => document.querySelector('{scatter}').scatter.positionOf(k)", k)
    return where


def wait_for_sounds(page: Page, n: int) -> list[list[float]]:
    page.wait_for_function("n => window.sounds.length >= n", arg=n)
    sounds: list[list[float]] = page.evaluate("window.sounds")
    assert len(sounds) == n
    return sounds


def canvas_of(page: Page, scatter: str = SCATTER) -> Locator:
    canvas = page.locator(f"{scatter} canvas")
    canvas.scroll_into_view_if_needed()
    return canvas


def test_it_opens_from_disk_without_errors_and_without_a_request(browser: Browser, report: Path) -> None:
    with opened(browser, report) as page:
        assert page.title() == "Events of only-person-en.flac"
        assert page.locator("audio").count() == 4
        # every sound can be played
        for i in range(4):
            page.wait_for_function("i => document.querySelectorAll('audio')[i].duration > 3", arg=i)
        page.wait_for_function("() => [...document.images].every(image => image.complete && image.naturalWidth > 0)")


def test_the_page_itself_forbids_requests_and_foreign_scripts(browser: Browser, report: Path) -> None:
    page = browser.new_page()
    page.goto(report.as_uri())
    page.evaluate("document.onsecuritypolicyviolation = e => { window.refused = e.violatedDirective; }, 0")
    script = "Object.assign(document.createElement('script'), {text: 'window.harm = 1'})"
    for harm, directive in (
        ("new Image().src = 'https://example.com/x.png'", "img-src"),
        (f"document.body.append({script})", "script-src"),
    ):
        page.evaluate(f"() => {{ window.refused = ''; {harm} }}")
        page.wait_for_function("() => window.refused")
        assert page.evaluate("window.refused").startswith(directive)
    assert page.evaluate("window.harm") is None
    page.close()


def test_a_click_on_an_event_plays_it(browser: Browser, report: Path) -> None:
    events = data_of(report)["examples"]["example-0-0"]["events"]
    k = int(np.argmax(events["length_s"]))
    with opened(browser, report) as page:
        canvas_of(page).click(position=position(page, k))
        ((when, offset, seconds),) = wait_for_sounds(page, 1)
        assert offset == pytest.approx(events["begin_s"][k]) and seconds == pytest.approx(events["length_s"][k])
        page.wait_for_function("t => window.audioContext.currentTime > t", arg=when + seconds)
        page.wait_for_selector(f"{SCATTER}:not([data-playing])", state="attached")
        assert page.locator("#status").text_content() == f"Playing event {events['index'][k]}."


def test_a_click_on_a_column_of_the_vectors_plays_its_event(browser: Browser, report: Path) -> None:
    events = data_of(report)["examples"]["example-0-0"]["events"]
    with opened(browser, report) as page:
        picture = page.locator(".vectors img")
        box = picture.bounding_box()
        assert box
        picture.click(position={"x": box["width"] * 40.5 / len(events["index"]), "y": 5})
        assert wait_for_sounds(page, 1)[0][1] == pytest.approx(events["begin_s"][40])
        assert page.locator(f"{SCATTER} canvas").get_attribute("aria-valuenow") == "41"


def test_hovering_over_an_event_tells_what_it_is(browser: Browser, report: Path) -> None:
    example = data_of(report)["examples"]["example-0-0"]
    events = example["events"]
    k = int(np.argmax(events["share"]))
    with opened(browser, report) as page:
        canvas_of(page).hover(position=position(page, k))
        tip = page.locator(f"{SCATTER} .tip").text_content() or ""
        for told in (
            f"{events['time_s'][k]:.3f} s",
            f"level {events['level_db'][k]:.1f} dB",
            f"attack {1000 * events['attack_s'][k]:.0f} ms",
            f"pitch {events['f0_hz'][k]:.0f} Hz",
            f"removed {events['share'][k]:.2f} % of the energy",
        ):
            assert told in tip
        page.mouse.move(1, 1)
        page.wait_for_selector(f"{SCATTER} .tip", state="hidden")


def test_a_drag_plays_the_events_of_a_region_together(browser: Browser, report: Path) -> None:
    events = data_of(report)["examples"]["example-0-0"]["events"]
    with opened(browser, report) as page:
        canvas = canvas_of(page)
        box = canvas.bounding_box()
        assert box
        places = [position(page, k) for k in range(len(events["index"]))]
        low, high = (100, -5), (box["width"] / 2, box["height"] + 5)
        inside = [k for k, at in enumerate(places) if low[0] <= at["x"] <= high[0]]
        assert 10 < len(inside) < len(places)
        page.mouse.move(box["x"] + low[0], box["y"] + 1)
        page.mouse.down()
        page.mouse.move(box["x"] + high[0], box["y"] + box["height"] - 1, steps=4)
        page.mouse.up()
        sounds = wait_for_sounds(page, len(inside))
        begins = np.array([events["begin_s"][k] for k in inside])
        when = np.array([sound[0] for sound in sounds])
        assert when - when.min() == pytest.approx(begins - begins.min(), abs=1e-6)
        page.keyboard.press("Tab")
        canvas.press("Escape")
        page.wait_for_selector(f"{SCATTER}:not([data-playing])", state="attached")


def test_the_keyboard_reaches_every_event_and_plays_several(browser: Browser, report: Path) -> None:
    events = data_of(report)["examples"]["example-0-0"]["events"]
    n = len(events["index"])
    with opened(browser, report) as page:
        canvas = canvas_of(page)
        canvas.focus()
        page.keyboard.press("Home")
        told = []
        for _ in range(n):
            assert canvas.get_attribute("aria-valuemax") == str(n)
            told.append(canvas.get_attribute("aria-valuetext"))
            page.keyboard.press("ArrowRight")
        assert [text.split(",")[0] for text in told if text] == [f"event {i}" for i in events["index"]]
        page.keyboard.press("Home")
        page.keyboard.press("Enter")
        wait_for_sounds(page, 1)
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Shift+ArrowRight")
        assert (canvas.get_attribute("aria-valuetext") or "").startswith("3 events chosen; event 2,")
        page.keyboard.press("Space")
        assert [sound[1] for sound in wait_for_sounds(page, 4)][1:] == pytest.approx(events["begin_s"][:3])


def test_tab_goes_through_all_that_can_be_used(browser: Browser, report: Path) -> None:
    with opened(browser, report) as page:
        reached = []
        for _ in range(60):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.tagName + (document.activeElement.type || '')"))
            if reached[-1] == "BODY":
                break
        assert {"AUDIO", "BUTTONbutton", "INPUTrange", "CANVAS", "PRE"} <= set(reached)


def test_everything_has_a_name_for_screen_readers(browser: Browser, long_report: Path) -> None:
    with opened(browser, long_report) as page:
        nameless = page.evaluate(
            "[...document.querySelectorAll('button, input, audio, canvas, svg, img')].filter(e =>"
            " !(e.getAttribute('aria-label') || e.alt || e.textContent).trim()).map(e => e.outerHTML.slice(0, 80))"
        )
        assert not nameless
        levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => Number(h.tagName[1]))")
        assert levels[0] == 1 and all(b - a <= 1 for a, b in pairwise(levels))
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
        assert len(ids) == len(set(ids))


def film_pixels(page: Page) -> np.ndarray:
    """RGB of what the first film shows, [rows, frames, 3]."""
    uri = page.evaluate("document.querySelector('.film canvas').toDataURL('image/png')")
    return np.array(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).convert("RGB"))


def test_the_film_shows_the_residual_after_each_removal(browser: Browser, report: Path) -> None:
    data = data_of(report)
    film, palette = data["examples"]["example-0-0"]["film"], data["palette"]
    colours = np.frombuffer(base64.b64decode(palette), np.uint8).reshape(256, 3)
    picture = np.array(Image.open(io.BytesIO(base64.b64decode(film["picture"].split(",")[1]))))
    rows, wrap = film["rows"], film["strip_frames"]
    strip = np.concatenate(np.split(picture, len(picture) // rows), axis=1)
    assert picture.shape[1] == wrap
    expected = [strip[:, : film["frames"]]]
    at = film["frames"]
    for _, first, n in film["removals"]:
        expected.append(expected[-1].copy())
        expected[-1][:, first : first + n] = strip[:, at : at + n]
        at += n
    last = len(film["removals"])
    with opened(browser, report) as page:
        page.evaluate("() => document.querySelector('.film').film.ready")
        slider, output = page.locator(".film input"), page.locator(".film output")
        for step in (0, 1, last // 2, last, 3):  # back, too
            slider.fill(str(step))
            assert np.array_equal(film_pixels(page), colours[expected[step]])
            assert f"{film['left'][step]:.1f} % of the energy is left" in (output.text_content() or "")
        slider.focus()
        page.keyboard.press("ArrowRight")
        assert (output.text_content() or "").startswith(f"Removal 4 of {last}: ")


def test_the_film_plays_and_pauses(browser: Browser, report: Path) -> None:
    with opened(browser, report) as page:
        page.evaluate("document.querySelector('.film').film.ready")
        button, slider = page.locator(".film button"), page.locator(".film input")
        button.press("Enter")
        assert button.text_content() == "Pause"
        page.wait_for_function("() => Number(document.querySelector('.film input').value) >= 2")
        button.press("Enter")
        stopped = int(slider.input_value())
        assert button.text_content() == "Play" and stopped >= 2
        assert (page.locator(".film output").text_content() or "").startswith(f"Removal {stopped} of ")


def test_a_playhead_follows_the_sound_and_a_click_on_the_plot_moves_it(browser: Browser, report: Path) -> None:
    with opened(browser, report) as page:
        track = page.locator(".track").first
        box = track.locator(".spectrogram").bounding_box()
        assert box
        track.locator(".spectrogram").click(position={"x": box["width"] / 2, "y": 10})
        page.wait_for_function("() => Math.abs(document.querySelector('audio').currentTime - 1.58) < 0.05")
        track.locator("audio").evaluate("audio => audio.play()")
        page.wait_for_function("() => document.querySelector('audio').currentTime > 1.75")
        head = track.locator(".playhead").bounding_box()
        assert head and box["x"] + box["width"] / 2 < head["x"] < box["x"] + box["width"]


def test_text_of_files_stays_text(browser: Browser, tmp_path: Path) -> None:
    evil = "<script>window.harm = 1</script>"
    ok("encode", RECORDING, tmp_path / "a.sic", "--effort", "0", "--tag", f"title={evil}", "--tag", '"><b>=&amp;')
    named = tmp_path / "<img src=x onerror='window.harm=2'>&amp;.sic"
    (tmp_path / "a.sic").rename(named)
    ok("report", named, tmp_path / "page.html")
    with opened(browser, tmp_path / "page.html") as page:
        assert page.evaluate("window.harm") is None
        assert page.locator("h2").first.text_content() == named.name
        assert page.locator(".tags dt").all_text_contents() == ["title", '"><b>']
        assert page.locator(".tags dd").all_text_contents() == [evil, "&amp;"]
        assert page.locator("main img").count() == 4  # spectrograms of three sounds, and vectors


def test_a_script_in_the_data_stays_text(browser: Browser, tmp_path: Path) -> None:
    named = tmp_path / "<script>window.harm=1<"
    soundfile.write(named, *soundfile.read(RECORDING), format="FLAC")
    ok("report", named, DATA / "you-are-next-it.flac", tmp_path / "page.html", "--effort", "0", "--max-seconds", "0.5")
    assert named.name in [example["name"] for example in data_of(tmp_path / "page.html")["examples"].values()]
    with opened(browser, tmp_path / "page.html") as page:
        assert page.evaluate("window.harm") is None
        assert page.locator(".legend button").first.text_content() == named.name


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_narrow_and_wide_and_light_and_dark(
    browser: Browser, long_report: Path, width: int, scheme: Any
) -> None:
    size = {"width": width, "height": 800}
    with opened(browser, long_report, viewport=size, color_scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        beyond = page.evaluate(
            "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1"
            " && !e.closest('.scroll, pre, svg, .sr-only')).map(e => e.outerHTML.slice(0, 80))"
        )
        assert not beyond
        ground, text = (
            sum(map(int, re.findall(r"\d+", page.evaluate(f"getComputedStyle(document.body).{name}"))[:3]))
            for name in ("backgroundColor", "color")
        )
        assert (ground > text) == (scheme == "light") and abs(ground - text) > 400


def test_a_long_recording_is_seen_whole_and_zooms(browser: Browser, long_report: Path) -> None:
    data = data_of(long_report)
    assert [e["start_s"] for e in data["examples"].values()] == pytest.approx([0, 3.1595 - 0.7], abs=1e-3)
    whole = '.scatter[data-events="whole-0"]'
    events = data["wholes"]["whole-0"]["events"]
    with opened(browser, long_report) as page:
        span = f"(() => {{ const s = document.querySelector('{whole}').scatter; return [s.from, s.to]; }})()"
        assert page.evaluate(span) == pytest.approx([0, 3.1595], abs=1e-3)
        page.get_by_role("button", name="Zoom in").click()
        assert page.evaluate(span) == pytest.approx([3.1595 / 4, 3 * 3.1595 / 4], abs=1e-3)
        page.get_by_role("button", name="Later").click()
        assert page.evaluate(span)[1] == pytest.approx(3.1595, abs=1e-3)
        canvas = canvas_of(page, whole)
        canvas.focus()
        page.keyboard.press("Home")
        assert page.evaluate(span)[0] <= events["time_s"][0]  # what is chosen is brought into view
        page.keyboard.press("+")
        near = page.evaluate(span)
        assert near[1] - near[0] < 1.5
        page.get_by_role("button", name="All").click()
        k = len(events["index"]) // 2
        canvas.click(position=position(page, k, whole))
        page.wait_for_function("t => document.querySelector('.whole audio').currentTime > t", arg=events["time_s"][k])
        page.keyboard.press("Escape")
        page.wait_for_function("() => document.querySelector('.whole audio').paused")


def test_dragging_pans_a_long_recording(browser: Browser, long_report: Path) -> None:
    whole = '.scatter[data-events="whole-0"]'
    with opened(browser, long_report) as page:
        page.get_by_role("button", name="Zoom in").click()
        before = page.evaluate(f"document.querySelector('{whole}').scatter.from")
        box = canvas_of(page, whole).bounding_box()
        assert box
        page.mouse.move(box["x"] + 600, box["y"] + 5)
        page.mouse.down()
        page.mouse.move(box["x"] + 400, box["y"] + 5, steps=3)
        page.mouse.up()
        assert page.evaluate(f"document.querySelector('{whole}').scatter.from") > before + 0.1


def test_several_recordings_share_a_scatterplot(browser: Browser, joint_report: Path) -> None:
    data = data_of(joint_report)
    n = [len(example["events"]["index"]) for example in data["examples"].values()]
    assert len(n) == 2
    together = '.scatter[data-events="all"]'
    with opened(browser, joint_report) as page:
        assert page.locator(f"{together} canvas").get_attribute("aria-valuemax") == str(sum(n))
        canvas = canvas_of(page, together)
        canvas.focus()
        page.keyboard.press("Home")
        told = set()
        for _ in range(sum(n)):
            told.add(canvas.get_attribute("aria-valuetext") or "")
            page.keyboard.press("ArrowRight")
        assert sum("only-person-en.flac" in text for text in told) == n[0]
        assert sum("you-are-next-it.flac" in text for text in told) == n[1]
        page.locator(".legend button").first.click()  # hidden: only the other one's events are left
        canvas.focus()
        page.keyboard.press("Home")
        for _ in range(n[1]):
            assert "you-are-next-it.flac" in (canvas.get_attribute("aria-valuetext") or "")
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        wait_for_sounds(page, 1)


def test_the_events_sounds_add_up_to_the_reconstruction(report: Path, tmp_path: Path) -> None:
    """What the page plays event by event is what it plays as a whole."""
    example = data_of(report)["examples"]["example-0-0"]
    events, lanes = example["events"], example["lanes"]
    tracks = [soundfile.read(io.BytesIO(base64.b64decode(uri.split(",")[1]))) for uri in lanes["uris"]]
    rate = tracks[0][1]
    total = np.zeros(len(tracks[0][0]))
    for lane, begin_s, length_s in zip(events["lane"], events["begin_s"], events["length_s"], strict=True):
        begin, end = round(begin_s * rate), round((begin_s + length_s) * rate)
        total[begin:end] += lanes["gain"] * tracks[lane][0][begin:end]
    ok("encode", RECORDING, tmp_path / "a.sic", "--effort", "0")
    table = read_sic(tmp_path / "a.sic")
    ok("decode", tmp_path / "a.sic", tmp_path / "a.flac", "--rate", str(rate))
    decoded, _ = soundfile.read(tmp_path / "a.flac")
    assert len(events["index"]) == len(table)
    assert np.abs(total - decoded).max() < 2e-4  # two roundings to 16 bits, times of events to 10 us


@pytest.mark.parametrize("n_events", [0, 1, 3])
def test_few_events_or_none_make_a_page_too(browser: Browser, tmp_path: Path, n_events: int) -> None:
    ok("encode", RECORDING, tmp_path / "a.sic", "--effort", "0")
    table = read_sic(tmp_path / "a.sic")
    (tmp_path / "b.sic").write_bytes(container.dumps(table.select(slice(20, 20 + n_events))))
    ok("report", tmp_path / "b.sic", tmp_path / "page.html")
    with opened(browser, tmp_path / "page.html") as page:
        canvas = canvas_of(page)
        canvas.focus()
        for key in ("Home", "End", "ArrowLeft", "Shift+ArrowRight", "Enter", "Escape"):
            page.keyboard.press(key)
        page.locator(".film input").fill(str(n_events))
        assert canvas.get_attribute("aria-valuemax") == str(n_events)


def test_a_recording_without_samples_makes_a_page_that_says_so(browser: Browser, tmp_path: Path) -> None:
    ok("encode", RECORDING, tmp_path / "a.sic", "--effort", "0")
    table = read_sic(tmp_path / "a.sic")
    empty = table.select(slice(0, 0)).replace(header=replace(table.header, n_samples=0))
    (tmp_path / "b.sic").write_bytes(container.dumps(empty))
    ok("report", tmp_path / "b.sic", tmp_path / "page.html")
    with opened(browser, tmp_path / "page.html") as page:
        assert "no samples" in (page.locator("main").text_content() or "")
