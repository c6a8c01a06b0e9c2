"""The picture that `sic inspect --plot` writes."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from cli_support import assert_refused, make_table, names_in, sic, sic_process, write_sic
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from note_tables import Event, little_song, music_table
from PIL import Image

from sparsecodec_cli import api
from sparsecodec_cli.inspect import plot
from sparsecodec_cli.inspect.event_map import normalised
from sparsecodec_cli.inspect.inspection import Inspection
from sparsecodec_formats import LAYOUTS, EventTable, container
from sparsecodec_formats.edit import FLOOR_DB, estimate_energy_db
from sparsecodec_formats.interchange.notes import notes_of

SPEECH = LAYOUTS["speech"]


@pytest.fixture
def talk_sic(tmp_path: Path) -> Path:
    """So few events that the map of them takes no time."""
    return write_sic(tmp_path / "talk.sic", make_table(6))


def plotted(path: Path, out: Path, *options: str) -> bytes:
    result = sic("inspect", path, "--plot", out, *options)
    assert result.exit_code == 0, result.stderr
    assert not result.stdout_bytes
    return out.read_bytes()


def test_a_png_is_one_and_stderr_says_what_is_on_it(talk_sic: Path, tmp_path: Path) -> None:
    result = sic("inspect", talk_sic, "--plot", tmp_path / "talk.PNG")
    assert result.exit_code == 0 and not result.stdout_bytes
    assert result.stderr.count("\n") == 1
    assert "talk.PNG: 2.00 s · 6 events · 3.0 events a second · " in result.stderr
    image = Image.open(tmp_path / "talk.PNG")
    assert (image.format, image.size) == ("PNG", tuple(round(plot.DPI * inches) for inches in plot.SIZE_INCHES))
    assert len(np.unique(np.asarray(image.convert("L")))) > 100
    assert not sic("inspect", talk_sic, "--plot", tmp_path / "talk.PNG", "-f", "-q").stderr


def test_an_svg_holds_the_name_as_it_is_and_what_the_rows_are(tmp_path: Path) -> None:
    name = 'a $x^2$ _b_ <c> & "d" $.sic'
    root = ElementTree.fromstring(plotted(write_sic(tmp_path / name, make_table(6)), tmp_path / "out.svg"))
    assert root.tag.endswith("svg")
    texts = {"".join(element.itertext()).strip() for element in root.iter() if element.tag.endswith("text")}
    wanted = {"level", "attack", "decay", "f0", "glide", "phase", "begins", "room", "shape", "event", "time (s)"}
    assert wanted | {name} <= texts


@pytest.mark.parametrize("extension", plot.FORMATS)
def test_the_same_file_gives_the_same_bytes(talk_sic: Path, tmp_path: Path, extension: str) -> None:
    first, second = (plotted(talk_sic, tmp_path / f"{i}.{extension}") for i in range(2))
    assert first == second
    assert first.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF-"}[extension])


@pytest.mark.parametrize(
    "table",
    [
        make_table(0),
        make_table(0, seconds=0),
        make_table(1),
        make_table(3),
        make_table(40, channels=2),
        make_table(6, channels=9),
        make_table(plot.MOST_DRAWN + 1).replace(vector=np.zeros((plot.MOST_DRAWN + 1, 32))),
        make_table(6, model="reference"),
        make_table(6, model="music-9"),
        make_table(6).replace(time=np.full(6, 7.0)),  # after the end
        make_table(6).replace(amplitude=np.zeros(6)),
    ],
    ids=lambda table: f"{len(table)}-{table.header.model}-{table.header.channels}",
)
def test_every_table_has_a_picture(table: EventTable) -> None:
    found = inspected(table)
    table = found.table
    figure = plot.figure_of(found, "a.sic")
    n = len(table)
    assert figure.get_suptitle() == f"a.sic\n{plot.facts(found)}"
    assert f" · {n} event{'s' * (n != 1)}" in figure.get_suptitle()
    vectors, events = figure.axes[:2]
    dots = np.concatenate([np.zeros((0, 2)), *(np.asarray(dots.get_offsets()) for dots in events.collections)])
    np.testing.assert_allclose(np.sort(dots[:, 0]), table.time)
    if n:
        (image,) = vectors.images
        np.testing.assert_allclose(np.asarray(image.get_array()), plot.columns_of(table.vector))
    for axes in (vectors, events):
        said = [text.get_text() for text in axes.texts]
        assert said == ([] if n else ["no events"])
    (low, high), (bottom, top) = events.get_xlim(), events.get_ylim()
    assert ((low < dots[:, 0]) & (dots[:, 0] < high) & (bottom < dots[:, 1]) & (dots[:, 1] < top)).all()


def test_what_is_drawn_is_seen() -> None:
    """As coloured pixels, in the upper and in the lower half; text and axes are grey."""
    coloured = {}
    for n in (0, 40):
        file = io.BytesIO()
        plot.draw(file, inspected(make_table(n)), "a.sic", "png")
        pixels = np.asarray(Image.open(file).convert("RGB")).astype(int)
        coloured[n] = np.ptp(pixels, axis=2) > 30
    assert not coloured[0].any()
    height = len(coloured[40])
    title, upper, lower = np.split(coloured[40], [height // 14, 55 * height // 100])
    assert not title.any() and upper.mean() > 0.6  # a column for each event
    area = np.pi / 4 * plot.areas(estimate_energy_db(make_table(40))).sum() * (plot.DPI / 72) ** 2
    assert 0.7 * area < lower.sum() < 1.1 * area  # some dots overlap


def inspected(table: EventTable) -> Inspection:
    return api.inspect(io.BytesIO(container.dumps(table)))


def test_events_lie_at_their_times_and_each_channel_has_its_sign() -> None:
    table = make_table(30, seconds=3.0, channels=2)
    axes = Figure().subplots()
    plot.draw_map(axes, table, SPEECH)
    assert axes.get_xlim()[0] < 0 < 3.0 < axes.get_xlim()[1]
    for channel, dots in enumerate(axes.collections):
        times = np.sort(np.asarray(dots.get_offsets())[:, 0])
        np.testing.assert_allclose(times, table.time[table.channel == channel])
    legend = axes.get_legend()
    assert legend is not None and [t.get_text() for t in legend.get_texts()] == ["channel 0", "channel 1"]


def test_the_image_has_a_column_for_each_event_until_there_are_too_many() -> None:
    few, many = make_table(20).vector, make_table(2 * plot.MOST_COLUMNS).vector
    np.testing.assert_array_equal(plot.columns_of(few), normalised(few).T)
    pairs = normalised(many).reshape(plot.MOST_COLUMNS, 2, 32).mean(axis=1)
    np.testing.assert_allclose(plot.columns_of(many), pairs.T)
    axes = Figure().subplots()
    plot.draw_vectors(axes, make_table(2 * plot.MOST_COLUMNS), SPEECH)
    assert axes.get_xlim() == (-0.5, 2 * plot.MOST_COLUMNS - 0.5)  # still the events' numbers


def test_more_energy_is_a_larger_dot() -> None:
    energy_db = np.array([-20.0, -90.0, -50.0, -20.0, FLOOR_DB])
    area = plot.areas(energy_db)
    assert area[0] == area[3] == plot.MOST_AREA > area[2] > area[1] == area[4] == plot.LEAST_AREA
    assert plot.LEAST_AREA < plot.areas(np.zeros(10**5)).max() < plot.MOST_AREA
    assert len(plot.areas(np.zeros(0))) == 0


def test_rows_are_named_as_the_preset_says() -> None:
    assert dict(plot.rows_of(SPEECH))[3.0] == "f0"
    assert plot.rows_of(SPEECH)[-1] == (19.5, "shape")
    assert plot.rows_of(LAYOUTS["reference"]) == plot.rows_of(None) == [(i, str(i)) for i in (0, 8, 16, 24, 31)]


def test_rows_of_notes_have_names_that_tell_them_apart() -> None:
    names = [name for _, name in plot.rows_of(LAYOUTS["music"])]
    assert names[:8] == ["level", "attack", "decay low", "decay high", "duration", "release", "f0", "inharmonicity"]
    assert names[8:12] == ["vibrato", "vibrato Hz", "noise", "noise decay"] and len(set(names)) == len(names)


# notes


def bars_of(table: EventTable) -> tuple[Axes, PolyCollection]:
    axes = Figure().subplots()
    plot.draw_roll(axes, notes_of(table), table)
    (bars,) = axes.collections
    assert isinstance(bars, PolyCollection)
    return axes, bars


def test_notes_are_bars_at_their_pitches_from_onset_to_end() -> None:
    table = music_table(Event(0.5, 60.25, 1.0, level_db=-30), Event(1.0, 76, 60.0, level_db=-6))
    axes, bars = bars_of(table)
    boxes = [path.get_extents().extents for path in bars.get_paths()]
    np.testing.assert_allclose(boxes, [[0.5, 59.85, 1.5, 60.65], [1.0, 75.6, 3.0, 76.4]], atol=1e-5)  # to the end
    np.testing.assert_allclose(bars.get_array(), [127 * 0.5, 127 * 0.9], atol=0.1)
    ticks = dict(zip((text.get_text() for text in axes.get_yticklabels()), axes.get_yticks(), strict=True))
    assert (ticks["C4"], ticks["A4"], ticks["E5"]) == (60, 69, 76) and "C#4" not in ticks
    assert axes.get_title(loc="left") == "notes: pitch upwards, coloured by velocity"


def test_drums_have_rows_below_the_notes() -> None:
    axes, bars = bars_of(little_song(2))
    lowest = min(path.get_extents().y0 for path in bars.get_paths())
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert names == ["bass", "snare", "hi-hat", "C3", "G3", "C4", "G4", "C5"]
    assert axes.get_ylim()[0] < lowest < axes.get_yticks()[1] < axes.get_yticks()[2] < 47
    assert sorted(axes.get_yticks()) == list(axes.get_yticks())
    legend = axes.get_legend()
    assert legend is not None and [t.get_text() for t in legend.get_texts()] == ["channel 0", "channel 1"]


@pytest.mark.parametrize(
    "table",
    [
        music_table(),
        music_table(seconds=0),
        music_table(Event(0, 60, amplitude=0)),
        music_table(Event(0, 33, drum=True)),
        music_table(*(Event(i, 60) for i in range(plot.MOST_DRAWN + 1)), seconds=3e3, channels=9),
    ],
    ids=["none", "no-samples", "silent", "drum", "many"],
)
@pytest.mark.parametrize("extension", plot.FORMATS)
def test_every_table_of_notes_has_a_picture(table: EventTable, extension: str) -> None:
    file = io.BytesIO()
    plot.draw(file, inspected(table), "a.sic", extension)
    assert len(file.getvalue()) > 1000
    axes = plot.figure_of(inspected(table), "a.sic").axes[1]
    assert [text.get_text() for text in axes.texts] == ([] if notes_of(table) else ["no notes"])


def test_long_names_keep_beginning_and_end() -> None:
    short = plot.shortened("a" * 100 + "b" * 100 + ".sic")
    assert len(short) <= plot.LONGEST_NAME
    assert short.startswith("aaa") and short.endswith("b.sic") and "…" in short
    assert plot.shortened("talk.sic") == "talk.sic"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--plot", "out.jpg"], [".png, .svg or .pdf", "out.jpg"]),
        (["--plot", "out"], [".png, .svg or .pdf"]),
        (["--plot", "out.png", "--json"], ["--plot", "--json"]),
        (["--plot", "out.png", "--events"], ["--plot", "--events"]),
    ],
)
def test_wrong_use_is_refused(talk_sic: Path, options: list[str], words: list[str]) -> None:
    assert_refused(sic("inspect", talk_sic, *options), *words, exit_code=2)
    assert names_in(talk_sic.parent) == ["talk.sic"]


def test_what_is_there_stays_and_nothing_is_left_behind(talk_sic: Path, tmp_path: Path) -> None:
    there = tmp_path / "out.png"
    there.write_bytes(b"mine")
    assert_refused(sic("inspect", talk_sic, "--plot", there), "out.png", "exists already", "-f")
    assert there.read_bytes() == b"mine"
    same = tmp_path / "same.png"
    same.write_bytes(talk_sic.read_bytes())
    assert_refused(sic("inspect", same, "--plot", same, "-f"), "same.png", "is the input too")
    bad = tmp_path / "bad.sic"
    bad.write_bytes(talk_sic.read_bytes()[:-9])
    assert_refused(sic("inspect", bad, "--plot", tmp_path / "new.png"), "bad.sic")
    assert names_in(tmp_path) == ["bad.sic", "out.png", "same.png", "talk.sic"]


@pytest.mark.parametrize(("module", "package"), [("matplotlib", "matplotlib"), ("sklearn", "scikit-learn")])
def test_a_missing_package_is_named_with_the_mend(
    talk_sic: Path, monkeypatch: pytest.MonkeyPatch, module: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    result = sic("inspect", talk_sic, "--plot", talk_sic.with_suffix(".png"))
    assert_refused(result, package, "pip install 'sparsecodec[report]'")
    assert names_in(talk_sic.parent) == ["talk.sic"]


def test_a_name_in_another_script_gives_no_warning(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "日本 🎵.sic", make_table(6))
    done = sic_process("inspect", path, "--plot", tmp_path / "out.png", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
