"""`sic report` as a command: what it refuses, and what it puts where."""

from __future__ import annotations

import base64
import io
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from cli_support import assert_refused, make_table, names_in, ok, read_sic, sic, sic_process, write_sic, write_wav

from sparsecodec_cli.report.inputs import examples_of_each
from sparsecodec_cli.report.parts import Span, spans
from sparsecodec_formats import container

RECORDING = Path(__file__).parents[1] / "data" / "only-person-en.flac"


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("coded") / "talk.sic"
    ok("encode", RECORDING, out, "--effort", "0", "--seed", "5")
    return out


def data_of(page: Path | bytes) -> dict:
    text = page.decode() if isinstance(page, bytes) else page.read_text("utf-8")
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert match
    return json.loads(match[1])


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), ["IN", "OUT"]),
        (("a.wav",), ["IN", "OUT"]),
        (("-", "-", "out.html"), ["stdin"]),
        (("a.wav", "out.html", "--yes"), ["--clear"]),
        (("--list", "x", "--yes"), ["--clear"]),
        (("--list", "x", "--clear", "x"), ["not both"]),
        (("a.wav", "out.html", "--list", "x"), ["--list", "alone"]),
        (("a.wav", "--clear", "x", "--yes"), ["--clear", "alone"]),
        (("a.wav", "out.html", "--examples", "0"), ["--examples"]),
        (("a.wav", "out.html", "--max-seconds", "nan"), ["--max-seconds"]),
    ],
)
def test_wrong_use_is_refused(args: tuple[str, ...], words: list[str]) -> None:
    assert_refused(sic("report", *args), *words, exit_code=2)


def test_what_cannot_be_shown_is_refused_and_leaves_nothing(tmp_path: Path, coded: Path) -> None:
    (tmp_path / "text.txt").write_text("no audio")
    (tmp_path / "cut.sic").write_bytes(coded.read_bytes()[:200])
    out = tmp_path / "page.html"
    assert_refused(sic("report", coded, tmp_path / "text.txt"), "text.txt", ".html", exit_code=2)
    for name, word in (("none.wav", "no such file"), ("text.txt", "not audio"), ("cut.sic", "cut.sic")):
        assert_refused(sic("report", tmp_path / name, out), name, word)
        assert_refused(sic("report", coded, tmp_path / name, out), name, word)
    assert_refused(sic("report", coded, tmp_path / "nowhere" / "page.html"), "folder does not exist")
    assert names_in(tmp_path) == ["cut.sic", "text.txt"]


def test_an_existing_page_stays_without_force(tmp_path: Path, coded: Path) -> None:
    out = tmp_path / "page.html"
    out.write_text("mine")
    assert_refused(sic("report", coded, out), "page.html", "-f")
    assert out.read_text() == "mine"
    ok("report", coded, out, "-f")
    assert "mine" not in out.read_text("utf-8")[:100]


def test_an_input_is_never_overwritten(tmp_path: Path, coded: Path) -> None:
    other = tmp_path / "b.sic"
    other.write_bytes(coded.read_bytes())
    assert_refused(sic("report", coded, other, "-f"), "b.sic", ".html", exit_code=2)  # OUT was forgotten
    other.rename(tmp_path / "b.html")
    assert_refused(sic("report", coded, tmp_path / "b.html", tmp_path / "b.html", "-f"), "b.html", "input")
    assert (tmp_path / "b.html").read_bytes() == coded.read_bytes()


def test_files_of_different_weights_are_not_put_on_one_page(tmp_path: Path, coded: Path) -> None:
    table = read_sic(coded)
    other = write_sic(tmp_path / "other.sic", table.replace(header=replace(table.header, weights_hash=b"else")))
    assert_refused(sic("report", coded, other, tmp_path / "page.html"), "other.sic", "weights")


@pytest.mark.parametrize("option", ["--effort", "--bitrate"])
def test_options_of_coding_are_refused_for_what_is_coded(tmp_path: Path, coded: Path, option: str) -> None:
    assert_refused(sic("report", coded, tmp_path / "page.html", option, "3"), "talk.sic", option)


def test_a_missing_package_is_named(tmp_path: Path, coded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert_refused(sic("report", coded, tmp_path / "page.html"), "scikit-learn", "pip install 'sparsecodec[report]'")
    assert names_in(tmp_path) == []


def test_it_goes_through_pipes(coded: Path) -> None:
    done = sic_process("report", "-", "-", input=coded.read_bytes())
    assert done.returncode == 0, done.stderr
    assert done.stderr.decode().startswith("stdout: ") and len(done.stderr.splitlines()) == 1
    (example,) = data_of(done.stdout)["examples"].values()
    assert example["name"] == "stdin"


def test_the_same_input_gives_the_same_page_and_the_seed_another(tmp_path: Path, coded: Path) -> None:
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        ok("report", coded, tmp_path / f"{name}.html", "--seed", seed)
    texts = [(tmp_path / f"{name}.html").read_text("utf-8") for name in "abc"]
    # Ogg streams have a number that libsndfile draws each time
    ogg = re.compile(r"data:audio/ogg;base64,([^\"]*)")
    a, b, c = (ogg.sub("", text) for text in texts)
    assert a == b and a != c
    assert "seed 3" in a and "seed 4" in c
    sounds = [[soundfile.read(io.BytesIO(base64.b64decode(uri)))[0] for uri in ogg.findall(text)] for text in texts]
    assert [len(found) for found in sounds] == [2, 2, 2]
    assert all(np.array_equal(x, y) for x, y in zip(sounds[0], sounds[1], strict=True))
    assert not any(np.array_equal(x, y) for x, y in zip(sounds[0], sounds[2], strict=True))


def test_the_figures_are_those_of_the_file(tmp_path: Path, coded: Path) -> None:
    ok("report", coded, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text("utf-8")
    told = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text))
    table, n_bytes = read_sic(coded), coded.stat().st_size
    assert told["events"] == str(len(table))
    assert told["events a second"] == f"{len(table) / table.duration_s:.1f}"
    assert told["bitrate"] == f"{8e-3 * n_bytes / table.duration_s:.3f} kbit/s"
    assert told["seed of the noise"] == "5"
    shares = next(iter(data_of(tmp_path / "page.html")["examples"].values()))["events"]["share"]
    rounded = 0.05 + 0.005 * len(shares)  # the figure to a tenth, each share to a hundredth
    assert float(told["energy removed"].removesuffix(" %")) == pytest.approx(sum(shares), abs=rounded)
    (model,) = [m for m in json.loads(ok("models", "--json")) if m["name"] == "speech"]
    assert [told[name].replace(",", "") for name in ("parameters", "encoder", "decoder")] == [
        str(model[key]) for key in ("parameters", "encoder_parameters", "decoder_parameters")
    ]
    assert "2505.05654" in text and "@misc" in text


def test_a_recording_is_coded_as_encode_does(tmp_path: Path) -> None:
    ok("encode", RECORDING, tmp_path / "a.sic", "--effort", "0", "--bitrate", "1.4")
    ok("report", RECORDING, tmp_path / "page.html", "--effort", "0", "--bitrate", "1.4")
    (example,) = data_of(tmp_path / "page.html")["examples"].values()
    table = read_sic(tmp_path / "a.sic")
    assert example["events"]["time_s"] == np.round(table.time, 4).tolist()
    assert f"<dd>{(tmp_path / 'a.sic').stat().st_size} bytes</dd>" in (tmp_path / "page.html").read_text("utf-8")


def test_the_original_is_the_recording_to_the_bit(tmp_path: Path) -> None:
    ok("report", RECORDING, tmp_path / "page.html", "--effort", "0")
    text = (tmp_path / "page.html").read_text("utf-8")
    uri = re.search(r'<audio [^>]*src="data:audio/flac;base64,([^"]*)" aria-label="Original"', text)
    assert uri
    audio, rate = soundfile.read(io.BytesIO(base64.b64decode(uri[1])), dtype="int16")
    expected, expected_rate = soundfile.read(RECORDING, dtype="int16")
    assert rate == expected_rate and np.array_equal(audio, expected)


@pytest.mark.parametrize(("channels", "rate"), [(2, 24000), (9, 8000), (1, 2000), (1, 800_000)])
def test_any_number_of_channels_at_any_rate(tmp_path: Path, channels: int, rate: int) -> None:
    write_wav(tmp_path / "a.wav", rate // 2, channels=channels, rate=rate)
    ok("report", tmp_path / "a.wav", tmp_path / "page.html", "--effort", "0")
    (example,) = data_of(tmp_path / "page.html")["examples"].values()
    assert set(example["events"].get("channel", [0])) == set(range(channels))
    text = (tmp_path / "page.html").read_text("utf-8")
    uris = re.findall(r'<audio [^>]*src="data:audio/\w+;base64,([^"]*)"', text)
    sounds = [soundfile.info(io.BytesIO(base64.b64decode(uri))) for uri in uris]
    assert len(sounds) == 4 and all(abs(sound.duration - 0.5) < 0.01 for sound in sounds)
    assert all(8000 <= sound.samplerate <= 96000 and sound.channels <= 2 for sound in sounds)


def test_the_reference_preset_has_a_page_too(tmp_path: Path) -> None:
    """Its vectors name nothing, and its events are as long as its window."""
    from sparsecodec_models.reference.codec import ReferenceCodec

    codec = ReferenceCodec()
    table = make_table(3, seconds=1.0, rate=22050, model="reference", weights_hash=codec.weights_hash)
    write_sic(tmp_path / "a.sic", table)
    ok("report", tmp_path / "a.sic", tmp_path / "page.html")
    (example,) = data_of(tmp_path / "page.html")["examples"].values()
    assert "f0_hz" not in example["events"] and len(example["events"]["share"]) == 3


def test_examples_are_dealt_out_evenly() -> None:
    assert examples_of_each(5, 3) == [2, 2, 1]
    assert examples_of_each(2, 3) == [1, 1, 0]


def test_parts_of_a_recording_are_spread_and_do_not_overlap() -> None:
    assert spans(1000, 10, 1, 30) == [Span(0, 300)]
    assert spans(1000, 10, 3, 10) == [Span(0, 100), Span(450, 550), Span(900, 1000)]
    assert spans(250, 10, 5, 10) == [Span(0, 75), Span(75, 150), Span(150, 250)]
    assert spans(50, 10, 5, 10) == [Span(0, 50)]
    assert spans(0, 10, 5, 10) == []


def test_what_has_no_example_is_in_the_table_of_recordings_alone(tmp_path: Path, coded: Path) -> None:
    other = tmp_path / "other.sic"
    other.write_bytes(container.dumps(read_sic(coded)))
    ok("report", coded, other, tmp_path / "page.html", "--examples", "1")
    assert len(data_of(tmp_path / "page.html")["examples"]) == 1
    assert "other.sic" in (tmp_path / "page.html").read_text("utf-8")


def test_pages_are_listed_and_cleared(tmp_path: Path, coded: Path) -> None:
    ok("report", coded, tmp_path / "page.html", "--max-seconds", "0.5")
    (tmp_path / "mine.html").write_text("<!doctype html>")
    listed = sic("report", "--list", tmp_path)
    assert listed.stdout.count("\n") == 1 and "page.html" in listed.stdout
    assert_refused(sic("report", "--clear", tmp_path), "--yes", exit_code=2)
    assert "removed 1 page" in sic("report", "--clear", tmp_path, "--yes").stderr
    assert names_in(tmp_path) == ["mine.html"]
