"""docs/scripts/speed.py and what it is made of: what counts, in what order, what the tables say; no times."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from cli_support import ENV, ROOT, sic

from sparsecodec_cli import decode, read
from sparsecodec_formats import EventTable, Header

pytest.importorskip("matplotlib")
SCRIPTS = ROOT / "docs" / "scripts"
QUIET = lambda line: None  # noqa: E731


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The modules of the scripts, as they find each other."""
    monkeypatch.syspath_prepend(SCRIPTS)
    import speed_asked
    import speed_bench
    import speed_codecs
    import speed_tables

    yield SimpleNamespace(asked=speed_asked, bench=speed_bench, codecs=speed_codecs, tables=speed_tables)


def run_of(bench, contestant: str, task: str, mode: str, sound_s: float, cpu_s: float, wall_s=None, peak_mb=100.0):
    return bench.Run(contestant, task, mode, sound_s, 2 * cpu_s if wall_s is None else wall_s, cpu_s, peak_mb)


# turns


def test_contestants_take_turns_and_the_first_turn_does_not_count(scripts: SimpleNamespace) -> None:
    said: list[str] = []

    def work(name: str):
        def once():
            said.append(name)
            return [run_of(scripts.bench, name, "encode", "warm", 1.0, float(len(said)))]

        return once

    runs, left_out = scripts.bench.in_turn({"a": work("a"), "b": work("b")}, 2, QUIET)
    assert said == ["a", "b"] * 3 and left_out == {}
    assert [(run.contestant, run.cpu_s) for run in runs] == [("a", 3.0), ("b", 4.0), ("a", 5.0), ("b", 6.0)]
    runs, _ = scripts.bench.in_turn({"a": work("a")}, 1, QUIET, warm_up=False)
    assert [run.cpu_s for run in runs] == [7.0]


def test_what_fails_is_named_and_not_tried_again(scripts: SimpleNamespace) -> None:
    tried: list[str] = []

    def broken():
        tried.append("broken")
        raise scripts.bench.Failed("no such codec")

    works = {"broken": broken, "whole": lambda: [run_of(scripts.bench, "whole", "encode", "warm", 1.0, 1.0)]}
    runs, left_out = scripts.bench.in_turn(works, 3, QUIET)
    assert left_out == {"broken": "no such codec"} and len(tried) == 1 and len(runs) == 3


def test_runs_are_medians(scripts: SimpleNamespace) -> None:
    runs = scripts.bench.Runs(run_of(scripts.bench, "a", "encode", "whole", 6.0, cpu_s) for cpu_s in (1.0, 3.0, 2.0))
    runs.append(run_of(scripts.bench, "a", "encode", "whole", 60.0, 7.0))
    short = runs.of("a", "encode", "whole", 6.0)
    assert len(short) == 3 and len(runs.of("a", "encode", "whole")) == 4
    assert (short.median("cpu_s"), short.median("wall_s"), short.speed("cpu_s")) == (2.0, 4.0, 3.0)
    nothing = runs.of("a", "decode", "whole")
    assert nothing.median("cpu_s") is None and nothing.speed("cpu_s") is None


# processes


def test_memory_and_time_of_a_process_are_its_own(scripts: SimpleNamespace) -> None:
    here = np.ones(30_000_000)  # 240 MB, which the process measured does not have
    code = "x = bytearray(60_000_000)\nfor i in range(1_000_000): x[i] = 1"
    run = scripts.bench.measured([sys.executable, "-S", "-c", code], "x", "encode", "whole", 3.0)
    assert here.sum() and 60 < run.peak_mb < 150
    assert run.cpu_s > 0 and run.wall_s > 0
    assert (run.contestant, run.task, run.mode, run.sound_s) == ("x", "encode", "whole", 3.0)


def test_children_of_a_process_count(scripts: SimpleNamespace) -> None:
    child = "x = bytearray(80_000_000)\nfor i in range(1_000_000): x[i] = 1"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {child!r}], check=True)"
    run = scripts.bench.measured([sys.executable, "-c", code], "x", "encode", "whole", 3.0)
    assert run.peak_mb > 80


@pytest.mark.parametrize(
    "command, words",
    [
        (
            [sys.executable, "-c", "import sys; print('first', file=sys.stderr); sys.exit('what is wrong')"],
            "what is wrong",
        ),
        (["no-such-command"], "no-such-command"),
    ],
)
def test_a_process_that_fails_tells_why(scripts: SimpleNamespace, command: list[str], words: str) -> None:
    with pytest.raises(scripts.bench.Failed, match=words):
        scripts.bench.measured(command, "x", "encode", "whole", 3.0)


def test_a_worker_of_what_is_not_installed_is_refused(scripts: SimpleNamespace) -> None:
    worker = scripts.bench.Worker([sys.executable, "-c", "import no_such_package"])
    with pytest.raises(scripts.bench.Failed, match="no_such_package"), worker:
        pass


def test_commands_that_are_not_installed_are_named(scripts: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(scripts.bench.Failed, match="opusenc is not installed"):
        scripts.codecs.OPUS.check()


# sounds and files


def test_a_sound_is_the_recording_over_and_over(scripts: SimpleNamespace, tmp_path: Path) -> None:
    bench = scripts.bench
    loop = bench.recording("music", 22_050)
    path = bench.write_sound(tmp_path / "a.wav", "music", 22_050, 10.0, start_s=1.0)
    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == 22_050 and len(samples) == 220_500
    assert np.allclose(samples, np.resize(np.roll(loop, -22_050), 220_500), atol=2**-15)
    raw = bench.write_sound(tmp_path / "a.raw", "music", 22_050, 10.0, start_s=1.0, raw=True)
    assert np.array_equal(np.frombuffer(raw.read_bytes(), "<i2"), np.round(samples * 2**15).astype(np.int16))


@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.0, 2.75])
def test_joined_events_are_those_of_the_part_again_and_again(scripts: SimpleNamespace, seconds: float) -> None:
    draw = np.random.default_rng(0)
    time = np.sort(draw.uniform(0, 1, 20))
    part = EventTable(Header(16_000, 1, 16_000), time, draw.normal(size=(20, 32)), amplitude=draw.uniform(size=20))
    joined = scripts.bench.join(part, seconds)
    assert joined.header.n_samples == round(16_000 * seconds)
    expected = [
        (t + i, v.tolist()) for i in range(3) for t, v in zip(time, part.vector, strict=True) if t + i < seconds
    ]
    assert [(t, v.tolist()) for t, v in zip(joined.time, joined.vector, strict=True)] == expected


def test_a_joined_file_is_as_long_as_it_says(scripts: SimpleNamespace, tmp_path: Path) -> None:
    path = scripts.bench.write_joined(tmp_path / "long.sic", ROOT / "tests" / "data" / "only-person-en.sic", 7.5)
    table = read(path)
    audio, rate = decode(table, start_s=7.0)
    assert table.duration_s == 7.5 and len(audio) == rate // 2 and np.abs(audio).max() > 0.01


# tables


def test_a_line_is_found_whose_relative_errors_are_least(scripts: SimpleNamespace) -> None:
    lengths = [1.0, 3.0, 10.0, 60.0, 3600.0]
    line = scripts.tables.fitted_line(lengths, [0.3 + 0.02 * length for length in lengths])
    assert (line.start_s, line.slope) == pytest.approx((0.3, 0.02))
    # the longest, 10 % off, does not drown what the short ones say of the start
    line = scripts.tables.fitted_line(lengths, [*(0.3 + 0.02 * length for length in lengths[:-1]), 79.0])
    assert line.start_s == pytest.approx(0.3, rel=0.05)


@pytest.fixture
def runs(scripts: SimpleNamespace):
    def one(*args: object, **more: object):
        return run_of(scripts.bench, *args, **more)

    return scripts.bench.Runs(
        [
            one("speech", "encode", "warm", 60.0, 1.0),
            one("speech", "decode", "warm", 60.0, 0.2),
            one("encodec", "encode", "warm", 10.0, 1.0),
            one("speech", "encode", "whole", 3.0, 1.5),
            one("speech", "encode", "whole", 30.0, 2.0, peak_mb=321.0),
            one("speech", "decode", "whole", 3.0, 0.3, peak_mb=99.0),
            one("speech", "encode", "length", 1.0, 1.1),
            one("speech", "encode", "length", 11.0, 2.1, peak_mb=456.0),
        ]
    )


def test_warm_table_tells_speeds_by_both_clocks_and_against_encodec(scripts: SimpleNamespace, runs) -> None:
    lines = scripts.tables.warm_table(runs).splitlines()
    assert lines[2] == "| speech | 60 | 60.0 (30.0) | 6.0 (6.0) | 60 | 300.0 (150.0) | – |"
    assert lines[3] == "| encodec | 10 | 10.0 (5.0) | 1.0 (1.0) | – | – | – |"


def test_whole_table_tells_seconds_and_memory(scripts: SimpleNamespace, runs) -> None:
    line = scripts.tables.whole_table(runs, 3.0, 30.0).splitlines()[2]
    assert line == "| speech | 1.50 (3.00) | 15.0 (7.5) | 321 | 0.30 (0.60) | – | 99 |"


def test_slope_table_tells_start_and_cost_of_a_minute(scripts: SimpleNamespace, runs) -> None:
    assert scripts.tables.slope_table(runs).splitlines()[2] == "| speech | 1.00 | 6.000 | 456 (11 s) | – | – | – |"


def test_the_picture_names_contestants_and_lengths_and_stays_the_same(scripts: SimpleNamespace, runs, tmp_path) -> None:
    from rate_quality import save

    for name in ("a.svg", "b.svg"):
        save(scripts.tables.draw_lengths(runs), tmp_path / name)
    text = (tmp_path / "a.svg").read_text()
    assert (tmp_path / "b.svg").read_text() == text
    for words in ("speech", "encoding, whole processes", "1 s", "11 s", "CPU time, s"):
        assert f">{words}</text>" in text


@pytest.mark.parametrize("seconds, name", [(3.0, "3 s"), (90.0, "1.5 min"), (600.0, "10 min"), (10_800.0, "3 h")])
def test_names_of_lengths(scripts: SimpleNamespace, seconds: float, name: str) -> None:
    assert scripts.tables.length_name(seconds) == name


# what was asked


def asked_runs(scripts: SimpleNamespace, preset: str = "speech", **changes: float):
    """Runs that reach all that was asked of a preset; `changes`: CPU seconds of a task, or 10^6 bytes of a peak."""
    cpu_s = {"decode": 0.3, "read and decode": 2.0, "encode fastest": 0.75, "encode default": 2.0, "encode": 1.7}
    cpu_s |= {"inspect": 0.1, "--jobs 1": 40.0, "--jobs 2": 22.0, "part of minute at 50%": 0.35}
    cpu_s |= {f"part of long at {place}": 0.4 for place in ("1%", "50%", "99%")}
    cpu_s |= {f"{task} {name}": 10.0 for task in ("encode", "decode") for name in ("short", "long")}
    sound_s = {"read and decode": 600.0, "encode fastest": 60.0, "encode default": 20.0}
    made = [
        run_of(scripts.bench, preset, task, "asked", sound_s.get(task, 3.0), time_s, time_s, 100.0)
        for task, time_s in (cpu_s | {k: v for k, v in changes.items() if k in cpu_s}).items()
    ]
    for task, peak_mb in ((k.removeprefix("peak of "), v) for k, v in changes.items() if k not in cpu_s):
        made.append(run_of(scripts.bench, preset, task, "asked", 3.0, 1.0, 1.0, peak_mb))
    for task in ("encode", "decode"):
        made.append(run_of(scripts.bench, "encodec", task, "warm", 10.0, 0.8, 0.8))
    made.append(run_of(scripts.bench, "sic", "--help", "asked", 0.0, 0.07, 0.07))
    return scripts.bench.Runs(made)


def missed(scripts: SimpleNamespace, runs, preset: str = "speech") -> list[str]:
    lengths = scripts.asked.Lengths.up_to(1e9)
    rows = scripts.asked.rows_of(runs, lengths, 1000)
    return [row.what for row in rows if row.is_missed]


def test_all_that_was_asked_is_reached(scripts: SimpleNamespace) -> None:
    assert missed(scripts, asked_runs(scripts)) == []
    assert missed(scripts, asked_runs(scripts, "music")) == []
    lengths = scripts.asked.Lengths.up_to(1e9)
    table = scripts.asked.asked_table(scripts.asked.rows_of(asked_runs(scripts), lengths, 1000))
    assert "| speech: read and decode, warm, 10 min | – | 300.00 (300.00) × real time |" in table
    assert "| speech: the same | ≥ 20 × Encodec's | 24.00 (24.00) × Encodec's |" in table
    assert "| speech: 1000 clips of 3 s, --jobs 2 against 1, wall | ≥ 1.7 × | 1.82 × |" in table
    assert "| speech: 5 s out of 3 h, more than out of 1 min | ≤ 0.2 s | 0.05 (0.05) s |" in table
    assert "| music: decode, whole process, 3 s | ≤ 0.4 s | not measured |" in table


@pytest.mark.parametrize(
    "task, value, what",
    [
        ("decode", 0.41, "decode, whole process, 3 s"),
        ("read and decode", 2.5, "the same"),
        ("encode fastest", 1.0, "the same"),
        ("encode default", 3.4, "encode, default effort, warm, 20 s"),
        ("encode", 1.9, "encode, whole process, 3 s"),
        ("inspect", 0.16, "sic inspect, 3 s"),
        ("--jobs 2", 24.0, "1000 clips of 3 s, --jobs 2 against 1, wall"),
        ("part of long at 99%", 0.56, "5 s out of 3 h, more than out of 1 min"),
    ],
)
def test_what_is_missed_is_told(scripts: SimpleNamespace, task: str, value: float, what: str) -> None:
    runs = asked_runs(scripts, **{task: value})
    assert missed(scripts, runs) == [f"speech: {what}"]
    lengths = scripts.asked.Lengths.up_to(1e9)
    lines = scripts.asked.asked_table(scripts.asked.rows_of(runs, lengths, 1000)).splitlines()
    assert [line.split("|")[1].strip() for line in lines if "**" in line] == [f"speech: {what}"]


def test_memory_that_grows_with_length_is_told(scripts: SimpleNamespace) -> None:
    runs = scripts.bench.Runs(run for run in asked_runs(scripts) if run.task != "decode long")
    runs.append(run_of(scripts.bench, "speech", "decode long", "asked", 3.0, 1.0, 1.0, 116.0))
    assert missed(scripts, runs) == ["speech: peak memory, decode, 3 h against 3 min"]


def test_music_has_limits_of_its_own(scripts: SimpleNamespace) -> None:
    runs = asked_runs(scripts, "music", **{"read and decode": 5.9, "encode default": 9.9, "encode fastest": 20.0})
    assert missed(scripts, runs) == []
    runs = asked_runs(scripts, "music", **{"read and decode": 6.1, "encode default": 10.1})
    assert missed(scripts, runs) == [
        "music: read and decode, warm, 10 min",
        "music: encode, default effort, warm, 20 s",
    ]


def test_no_length_is_more_than_what_is_allowed(scripts: SimpleNamespace) -> None:
    for most_s in (0.5, 6.0, 100.0, 1e9):
        lengths = vars(scripts.asked.Lengths.up_to(most_s))
        assert max(lengths.values()) <= most_s and lengths["short_s"] <= lengths["long_s"] / 4
    assert (lengths["long_s"], lengths["short_s"], lengths["read_s"]) == (10_800.0, 180.0, 600.0)


def test_every_command_that_is_measured_works(
    scripts: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked, bench = scripts.asked, scripts.bench

    def here(command, contestant, task, mode, sound_s, cores=None):
        result = sic(*command[len(scripts.codecs.SIC) :])
        assert result.exit_code == 0, result.stderr
        return run_of(bench, contestant, task, mode, sound_s, 1.0)

    monkeypatch.setattr(asked, "measured", here)
    works = asked.PresetWorks("speech", tmp_path / "speech", asked.Lengths.up_to(1.0), 2)
    with bench.Worker(scripts.codecs.FASTEST["speech"].worker) as worker:
        runs, left_out = bench.in_turn(works.repeated(worker) | works.once(set()), 1, QUIET, warm_up=False)
    assert left_out == {} and all(run.contestant == "speech" for run in runs)
    rows = asked.rows_of(runs, asked.Lengths.up_to(1.0), 2)
    unknown = [row.what for row in rows if None in row.values]
    assert unknown == [
        "sic --help",
        "speech: the same",
        "speech: the same",
        *(r.what for r in rows if "music" in r.what),
    ]


def test_speed_measures_draws_and_tells_what_is_left_out(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPTS / "speed.py"), str(tmp_path), "--most-seconds", "0.5", "--repeats", "1"]
    only = ["--only", "speech", "encodec", "--peers", str(tmp_path / "no-python")]
    done = subprocess.run([*command, *only], env=ENV, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    facts = json.loads((tmp_path / "speed.json").read_text())
    assert {run["contestant"] for run in facts["runs"]} == {"speech, effort 0", "speech, default"}
    assert {run["mode"] for run in facts["runs"]} == {"warm", "whole"}
    assert set(facts["left_out"]) == {"encodec"} and facts["machine"]["torch"]
    assert (tmp_path / "speed.md").read_text() == done.stdout
    assert "Left out: encodec (" in done.stdout and "<svg" in (tmp_path / "speed.svg").read_text()
